"""The reference of a version, made anew from a period of what it answered.

What travels in the bundle is the default, and stays: its rulers measure all that comes, so parts
that were made before and after a choice still merge. Promises that no row is read for it: the parts
that lie in the period, whole, are merged; that those which touch a quarantined stretch are left
out; and that every monitor goes by it from the next look on, without what was gathered against the
reference before. What the period says nothing of (no labels, no lists) is as it was packed.

Limits: parts older than a day are hours, older than eight days whole days; values beyond the
ruler of the bundle are in its outermost cells, and `Made.coarse` names the columns where half are.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.labels import column_and_slice
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.summary import Summary, merge
from mainstay.watch.callers.gather import BAR
from mainstay.watch.gather.model import CALLERS, LABEL, Part, is_slice
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.read import PREFIXES
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.feedback import KEY as FEEDBACK
from mainstay.watch.monitors.model import MARK_LENGTH, Chosen, Saved

ROWS_LEAST: Final = 1_000
"""Fewer decisions are no yardstick for months."""
LABELS_LEAST: Final = 30
"""Of fewer labels, what was packed stays what later ones are held against."""
_NAME_LENGTH: Final = 56
_COARSE: Final = 0.5

Windows = Sequence[tuple[int, int]]


class Made(msgspec.Struct, frozen=True):
    """A reference, and what people should know of it."""

    reference: Reference
    span: tuple[int, int]
    """From where to where its parts reach."""
    left_out: int
    """How many parts were left out because they touch a quarantined stretch."""
    coarse: tuple[str, ...]
    """Columns of which half of the values or more are beyond what was packed."""


class _Held:
    """Versions, held to what was chosen for them."""

    def __init__(
        self, versions: Versions, chosen: Mapping[str, Chosen], summaries: SummaryStore
    ) -> None:
        self._versions = versions
        self._chosen = chosen
        self._summaries = summaries
        self._read: dict[str, Reference | None] = {}

    def reference(self, fingerprint: str) -> Reference | None:
        """What was chosen, else what was packed."""
        chosen = self._chosen.get(fingerprint)
        if chosen is None:
            return self._versions.reference(fingerprint)
        if fingerprint not in self._read:
            self._read[fingerprint] = self._summaries.reference(chosen.kept)
        return self._read[fingerprint] or self._versions.reference(fingerprint)

    def source(self, fingerprint: str, column: str) -> str:
        """Where a column comes from, in words."""
        return self._versions.source(fingerprint, column)


def held_to(versions: Versions, chosen: Mapping[str, Chosen], summaries: SummaryStore) -> Versions:
    """Versions as monitors, charts and figures are to see them."""
    return _Held(versions, chosen, summaries) if chosen else versions


def kept_under(fingerprint: str, at_ns: int, window: tuple[int, int], without: Windows) -> str:
    """Where a reference is kept that was made at a moment."""
    mark = f"{fingerprint}|{at_ns}|{window}|{without}".encode()
    return "chosen:" + hashlib.sha256(mark).hexdigest()[:_NAME_LENGTH]


def held_anew(saved: Saved, fingerprint: str, chosen: Chosen | None) -> Saved:
    """What is remembered once another reference holds (none: the packed one); what monitors had
    gathered against the one before is forgotten."""
    others = {mark: each for mark, each in saved.chosen.items() if mark != fingerprint}
    own = fingerprint[:MARK_LENGTH]
    return msgspec.structs.replace(
        saved,
        chosen=others if chosen is None else others | {fingerprint: chosen},
        states={
            key: state
            for key, state in saved.states.items()
            if not key.startswith(own) or FEEDBACK in key
        },
    )


def made_of(
    packed: Reference,
    store: SummaryStore,
    whose: tuple[str, str],
    window: tuple[int, int],
    without: Windows,
    arms: frozenset[str],
) -> Made:
    """A reference of what a version (model and fingerprint) decided in a window, but for stretches
    that are to be left out and arms that nobody was told of."""
    left: set[tuple[int, int]] = set()
    chosen: list[Part] = []
    for part in _parts(store, whose, window, arms):
        begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + part.key.width_ms
        if any(begin_ms < until and since < end_ms for since, until in without):
            left.add((begin_ms, end_ms))
        else:
            chosen.append(part)
    rows = sum(part.rows for part in chosen if not part.key.slice)
    if rows < ROWS_LEAST:
        raise InvalidUsage(
            f"there are {rows:,} decisions of this version in that period"
            + (f", and {len(left)} stretches of it are quarantined" if left else ""),
            field="window",
            got=f"{_words(window[0])}..{_words(window[1])}",
            expected=f"a period with {ROWS_LEAST:,} decisions or more; the days of the last week"
            " can be parted by the hour, those before only as a whole",
        )
    ends = [part.key.begin_ms + part.key.width_ms for part in chosen]
    span = min(part.key.begin_ms for part in chosen), max(ends)
    columns = _columns(packed, _merged(chosen))
    source = f"its {rows:,} decisions from {_words(span[0])} until {_words(span[1])} UTC"
    coarse = tuple(
        sorted(
            name
            for name, known in columns.items()
            if name.startswith(PREFIXES)
            and _is_coarse(known)
            and not _is_coarse(packed.columns[name])
        )
    )
    return Made(Reference(source, rows, columns), span, len(left), coarse)


def _parts(
    store: SummaryStore, whose: tuple[str, str], window: tuple[int, int], arms: frozenset[str]
) -> Iterator[Part]:
    model, fingerprint = whose
    for slice_ in ("", CALLERS, *filter(is_slice, store.slices(model, *window))):
        for part in store.read(model, *window, slice_):
            whole = part.key.begin_ms + part.key.width_ms <= window[1]
            if whole and part.key.fingerprint == fingerprint and part.key.arm not in arms:
                yield part


def _merged(parts: Iterable[Part]) -> dict[tuple[str, str], Summary]:
    """By slice and column; of callers all together."""
    found: dict[tuple[str, str], Summary] = {}
    for part in parts:
        for column, summary in part.columns.items():
            callers = part.key.slice == CALLERS
            at = ("", column.partition(BAR)[0]) if callers else (part.key.slice, column)
            before = found.get(at)
            found[at] = summary if before is None else merge(before, summary)
    return found


def _columns(packed: Reference, new: Mapping[tuple[str, str], Summary]) -> dict[str, Known]:
    """Every column that was packed, with what the period says of it where it says anything."""
    labelled: dict[str, int] = {}
    for (slice_, column), summary in new.items():
        if column.startswith(LABEL):
            labelled[slice_] = max(labelled.get(slice_, 0), summary.rows)
    columns: dict[str, Known] = {}
    for name, known in packed.columns.items():
        column, slice_ = column_and_slice(name)
        summary = new.get((slice_, column))
        too_few = column.startswith(LABEL) and labelled.get(slice_, 0) < LABELS_LEAST
        fits = summary is not None and _kind(summary) == _kind(known.summary)
        columns[name] = known
        if summary is not None and summary.rows and fits and not too_few:
            columns[name] = Known(known.ruler, summary)
    return columns


def _kind(summary: Summary) -> tuple[bool, ...]:
    parts = (summary.numbers, summary.categories, summary.lengths)
    return tuple(each is None for each in parts)


def _is_coarse(known: Known) -> bool:
    """Whether half of the values or more lie beyond one end of the ruler."""
    numbers = known.summary.numbers
    if numbers is None or known.ruler.kind != "number" or not sum(numbers.cells):
        return False
    return max(numbers.cells[0], numbers.cells[-1]) >= _COARSE * sum(numbers.cells)


def _words(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
