"""What each caller asked of a model and what of it was refused, as parts.

The workers count since they began (`serve/refusals.py`), and say so every second; what is new since
the last look belongs to the stretch of that look. Promises that nothing counts twice, and bounded
parts: of a model and stretch the busiest callers. Limits: what a worker refused in its last seconds
may be missing, and so is what was counted while no keeper looked.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mainstay.summaries.ruler import Ruler, fingerprint
from mainstay.summaries.summary import Categories, Summary
from mainstay.watch.gather.model import NOBODY, REFUSED, STRETCH_MS, Key, Part

ASKED: Final = "asked|"
"""How the name of a column begins that says how many requests of a caller were refused, and how
many were not."""
WHY: Final = "why|"
"""And of one that says why, by code and field."""
VERDICTS: Final = Ruler("category", names=("refused", "not refused"))
REASONS: Final = Ruler("category")
CALLERS_MAX: Final = 100
_PROCESSES_MAX: Final = 256


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What one process counted of a caller and a model since it began."""

    model: str
    caller: str
    asked: int
    refused: int
    why: Mapping[str, int]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one process."""

    process: str
    """What tells it from all others, those before it as well."""
    born_ms: int
    counts: tuple[Count, ...]


class Refused:
    """Gathers counts until their stretch is over. Lives in one keeper."""

    def __init__(self) -> None:
        self._begin_ms = 0
        self._last: dict[str, dict[tuple[str, str], Count]] = {}
        self._new: dict[tuple[str, str], Count] = {}

    def take(self, looks: Iterable[Counted], now_ms: int) -> list[Part]:
        """Take a look into account; the parts of the stretch before it, once that is over."""
        begin_ms = now_ms - now_ms % STRETCH_MS
        parts: list[Part] = []
        if begin_ms != self._begin_ms:
            parts = self._parts()
            self._begin_ms, self._new = begin_ms, {}
        last: dict[str, dict[tuple[str, str], Count]] = {}
        for look in looks:
            counts = {(each.model, each.caller): each for each in look.counts}
            before = self._last.get(look.process)
            if before is not None or look.born_ms >= begin_ms:
                self._add(counts, before or {})
            last[look.process] = counts
        # One that is not to be read for a moment did not begin anew.
        gone = [each for each in self._last.items() if each[0] not in last]
        self._last = dict([*gone, *last.items()][-_PROCESSES_MAX:])
        return parts

    def _add(
        self, counts: Mapping[tuple[str, str], Count], before: Mapping[tuple[str, str], Count]
    ) -> None:
        for who, count in counts.items():
            self._new[who] = _sum(self._new.get(who), _less(count, before.get(who)))

    def _parts(self) -> list[Part]:
        models: dict[str, list[Count]] = {}
        for count in self._new.values():
            if count.asked:
                models.setdefault(count.model, []).append(count)
        return [self._part(model, own) for model, own in sorted(models.items())]

    def _part(self, model: str, counts: list[Count]) -> Part:
        counts.sort(key=lambda count: (-count.refused, -count.asked, count.caller))
        columns: dict[str, Summary] = {}
        for count in counts[:CALLERS_MAX]:
            refused = min(count.refused, count.asked)
            named = Categories((refused, count.asked - refused))
            columns[ASKED + count.caller] = _counted(VERDICTS, count.asked, named)
            if count.refused:
                why = Categories((), count.refused, dict(count.why))
                columns[WHY + count.caller] = _counted(REASONS, count.refused, why)
        return Part(Key(model, NOBODY, 0, "", REFUSED, self._begin_ms), 0, columns)


def _counted(ruler: Ruler, rows: int, categories: Categories) -> Summary:
    return Summary(fingerprint(ruler), "strings", rows, 0, None, categories)


def _sum(one: Count | None, other: Count) -> Count:
    return other if one is None else _with(other, one, 1)


def _less(count: Count, before: Count | None) -> Count:
    """What came since; a reason that is there no more was never less."""
    return count if before is None else _with(count, before, -1)


def _with(count: Count, other: Count, sign: int) -> Count:
    names = dict.fromkeys((*count.why, *other.why))
    why = {name: count.why.get(name, 0) + sign * other.why.get(name, 0) for name in names}
    return msgspec.structs.replace(
        count,
        asked=count.asked + sign * other.asked,
        refused=count.refused + sign * other.refused,
        why={name: number for name, number in why.items() if number > 0},
    )
