"""The renewal room: from what was answered and what became of it to the next version.

Promises that what a training run sees is labelled rows as they were known at a time, without what
is quarantined, under a hash over every value; that absence of an outcome is never a label; that
training code can neither hurt what serves nor release anything by itself. Must never touch a route:
a version that was trained goes the way of every version.
"""
