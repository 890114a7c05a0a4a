"""Labels as they mature: what the world said of decisions, in the stretch of each decision.

Promises that an outcome counts once, in the stretch and slices of its decision, however late it
comes; and that of several outcomes of one decision the first counts, and the others are counted as
what they are. Must never take silence for a label.
"""
