"""Watching: from rows to findings people can trust.

    from mainstay.watch import compare
    print(compare(reference, current))

`unusual(values, per_day)` says which values of a series nobody would expect.

Promises that what it says is right for the rows it was given, that it says so when they are too
few, and that alarms of `compare` without a cause stay as rare as was asked. Must never need a
server, and never imports a data frame library: whatever people keep tables in is read through
Arrow.
"""

from mainstay.watch.compare import compare
from mainstay.watch.report import Report
from mainstay.watch.series.unusual import Unusual, unusual

__all__ = ["Report", "Unusual", "compare", "unusual"]
