"""Watching: from rows to findings people can trust.

    from mainstay.watch import compare
    print(compare(reference, current))

Promises that what it says is right for the rows it was given, that it says so when they are too
few, and that alarms without a cause stay as rare as was asked. Must never need a server, and never
imports a data frame library: whatever people keep tables in is read through Arrow.
"""

from mainstay.watch.compare import compare
from mainstay.watch.report import Report

__all__ = ["Report", "compare"]
