"""How often each labeler is right where the answer is known.

The bar is asked about after every probe, so the bounds hold at all of them at once: whoever is
above it is called below with a probability of at most `FALSELY`, however many probes there are.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mainstay.contract.finding import Finding
from mainstay.renew.labelling.model import Answer, Asked, Terms
from mainstay.watch.monitors.bounds import share_bounds

FALSELY: Final = 0.05
NEAR: Final = 0.1
"""Of numbers: within a tenth is the same."""
CHECK: Final = "labeler "
"""How the names of these findings begin."""


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What probes say of one labeler."""

    labeler: str
    probes: int
    right: int
    interval: tuple[float, float]
    finding: Finding


def same(said: Answer, meant: Answer) -> bool:
    """Whether two answers are the same."""
    if isinstance(said, str) or isinstance(meant, str):
        return said == meant
    return abs(said - meant) <= NEAR * abs(meant)


def probed(asked: Iterable[Asked], terms: Terms) -> list[Probed]:
    """What probes say of everybody who labelled, by name."""
    counts: dict[str, tuple[int, int]] = {}
    for task, turns in asked:
        for turn in turns:
            if turn.state == "answered":
                probes, right = counts.get(turn.labeler, (0, 0))
                if task.gold is not None and turn.label is not None:
                    probes, right = probes + 1, right + same(turn.label, task.gold)
                counts[turn.labeler] = probes, right
    return [_probed(name, counts[name], terms.bar) for name in sorted(counts)]


def excluded(found: Sequence[Probed], terms: Terms) -> frozenset[str]:
    """Whose answers do not count."""
    if terms.ask.below != "exclude":
        return frozenset()
    return frozenset(each.labeler for each in found if each.finding.verdict == "fail")


def _probed(labeler: str, counted: tuple[int, int], bar: float) -> Probed:
    probes, right = counted
    share = right / probes if probes else 0.0
    low, high = share_bounds(share, probes, math.log((probes + 1) * (probes + 2) / FALSELY))
    verdict = "fail" if high < bar else "pass" if low >= bar else "unsure"
    words = f"{labeler} got {right} of {probes} known answers right ({low:.0%} to {high:.0%}); "
    finding = Finding(
        check=CHECK + labeler,
        verdict=verdict,
        words=words + f"{bar:.0%} is asked for",
        figure=share if probes else None,
        limit=bar,
        interval=(low, high),
        samples=probes,
    )
    return Probed(
        labeler=labeler, probes=probes, right=right, interval=(low, high), finding=finding
    )
