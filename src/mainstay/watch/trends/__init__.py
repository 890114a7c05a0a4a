"""Trends: how a model fared over time, as charts on one page that needs nothing else.

Promises the figures that monitors and metrics work with, bucket by bucket, with what was found and
released marked where it was. Must never show a bucket that has no rows as a zero, nor run anything.
"""
