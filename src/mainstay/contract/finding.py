"""A finding: the verdict of one check on one piece of evidence. One shape for every check.

The start-up validation, the periodic validation, the release gate, the comparison of a rollout and
the monitors are the same kind of function, evidence in and findings out; they differ only in
when they run. Not enough evidence is `unsure`, and unsure never passes silently: whoever acts on
findings must say what it does with it.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

Verdict = Literal["pass", "fail", "unsure"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    check: str
    """Which check, as people name it: `metric accuracy`, `latency`, `end-to-end set`."""
    verdict: Verdict
    words: str
    """One sentence: what was found, and what would be right."""
    figure: float | None = None
    """The measured number, where there is one."""
    limit: float | None = None
    """What the figure was held against."""
    compared: float | None = None
    """The same figure of what it was compared with."""
    interval: tuple[float, float] | None = None
    """Where the true figure (or difference, when compared) lies, with the confidence the check
    works at."""
    samples: int = 0
    slice: str = ""
    """The part of the data that was looked at; empty for all of it."""


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict of several findings together: one failure fails, one doubt makes unsure."""
    verdicts = {finding.verdict for finding in findings}
    if "fail" in verdicts:
        return "fail"
    return "unsure" if "unsure" in verdicts else "pass"
