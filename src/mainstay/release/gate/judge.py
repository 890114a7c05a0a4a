"""The gate itself: every check over the evidence, and what follows from their findings.

Pure. What a person accepted is named in the verdict beside what was found, never in its place.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Final

from mainstay.base.errors import InvalidUsage
from mainstay.contract.finding import Finding, worst
from mainstay.contract.finding import Verdict as Judged
from mainstay.release.gate.fitness import (
    ACCEPTED_BY_NAME,
    compatible,
    habits_kept,
    not_larger,
    not_slower,
    room,
)
from mainstay.release.gate.model import Evidence, name_of
from mainstay.release.gate.quality import acceptable, even, not_costlier, not_worse

Check = Callable[[Evidence], list[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    acceptable,
    not_worse,
    not_costlier,
    even,
    not_slower,
    not_larger,
    room,
    compatible,
    habits_kept,
)


def findings_of(evidence: Evidence) -> list[Finding]:
    """What every check found."""
    found = [finding for check in CHECKS for finding in check(evidence)]
    if evidence.rows < evidence.asked:
        found.append(_partial(evidence))
    return found


def _partial(evidence: Evidence) -> Finding:
    words = (
        f"{evidence.rows:,} of the {evidence.asked:,} rows of the confidence set were compared, "
        "drawn by lot: the rest did not fit into the time, or only one of the versions takes them"
    )
    return Finding(check="rows compared", verdict="pass", words=words, samples=evidence.rows)


def accepted_of(findings: Sequence[Finding], accept: Sequence[str]) -> tuple[str, ...]:
    """The names of the findings that somebody accepts: each by its own name (with or without the
    name of its check), or all of one check. `InvalidUsage` when there is no such finding."""
    open_ones = {
        name_of(finding): finding
        for finding in findings
        if finding.check in ACCEPTED_BY_NAME and finding.verdict != "pass"
    }
    taken: dict[str, None] = {}
    for wanted in accept:
        meant = [
            name
            for name, finding in open_ones.items()
            if wanted in (name, finding.slice, finding.check)
        ]
        if not meant and not _says_nothing(findings, wanted):
            raise _unknown(wanted, list(open_ones))
        taken.update(dict.fromkeys(meant))
    return tuple(taken)


def _says_nothing(findings: Sequence[Finding], wanted: str) -> bool:
    """Accepting what turns out well anyhow is no mistake."""
    return wanted in ACCEPTED_BY_NAME and any(finding.check == wanted for finding in findings)


def _unknown(wanted: str, names: list[str]) -> InvalidUsage:
    near = difflib.get_close_matches(wanted, names, 1)
    return InvalidUsage(
        f"there is no finding {wanted!r} to accept"
        + (f"; did you mean {near[0]!r}?" if near else ""),
        field="accept",
        got=wanted,
        expected="; ".join(names[:10])
        if names
        else "nothing: this candidate breaks no contract and no habit",
    )


def judge(findings: Sequence[Finding], accepted: Sequence[str]) -> Judged:
    """The verdict of the findings that nobody accepted."""
    return worst(finding for finding in findings if name_of(finding) not in accepted)
