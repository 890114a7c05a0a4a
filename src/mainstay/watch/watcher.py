"""One look at everything that is new: pieces taken in, labels joined, monitors moved on, told.

Promises that a finding that began or ended is told at least once, whatever dies when: what is to be
told is saved with the state that found it, and crossed out only once it was told; told again it
has the same id. Of two keepers that look at once only one moves on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from mainstay.contract.model import Contract
from mainstay.contract.quotas import quota
from mainstay.summaries.reference import Reference
from mainstay.watch.callers.monitor import look_at_callers
from mainstay.watch.callers.refusals import look_at_refusals
from mainstay.watch.chosen import held_to
from mainstay.watch.gather.gatherer import Gatherer
from mainstay.watch.gather.model import (
    ARRIVED,
    CALLERS,
    PROCESSES,
    REFUSED,
    STRETCH_MS,
    Part,
    is_slice,
)
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.labels.labeller import Labeller
from mainstay.watch.monitors.clock import set_back
from mainstay.watch.monitors.columns import GRACE_MS, Versions, look, stretches_per_alarm
from mainstay.watch.monitors.detector import State
from mainstay.watch.monitors.expectations import Seen, hold_to, longest_ms
from mainstay.watch.monitors.feedback import (
    MATURE_MS,
    kept_under,
    look_at_feedback,
    says_something,
    usual_feedback,
)
from mainstay.watch.monitors.labels import look_at_labels
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved, Usage
from mainstay.watch.monitors.port import MonitorStore
from mainstay.watch.monitors.running import look_at_running
from mainstay.watch.monitors.usage import look_at_usage
from mainstay.watch.recommend.monitor import look_at_lists

PIECES_AT_ONCE: Final = 50
"""How many pieces are taken in at one look; the rest waits for the next."""
USAGE_PART: Final = 0.375
"""The part of the false alarms that the monitor of usage may raise; it has the fewest hours to
learn from."""
OTHERS_PART: Final = (1.0 - USAGE_PART) / 8.0
"""The part of each of the others: columns, expectations, labels, lists, callers, what of theirs is
refused, how it runs, and what looks from above there are."""
UNASKED: Final = frozenset({"shadow", "held_out"})
"""Arms whose decisions are not what the model answered people."""
_LOOK_BACK_MS: Final = 7 * 24 * 3_600_000
"""A keeper that comes back after longer than this goes on from here."""

Tell = Callable[[str, Change], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """A model that is watched, and the contract that says how."""

    model: str
    contract: Contract
    """Of the version that answers now."""
    versions: frozenset[str]
    """The fingerprints of versions that may still answer; what is remembered of others is not
    needed any more."""
    live: str = ""
    """Of the version that answers now."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The stretches of one model that closed since the last look."""

    model: str
    since_ms: int
    until_ms: int
    summaries: SummaryStore
    per_alarm: float
    """How many looks there are to one alarm that may be false."""


Look = Callable[[Saved, Closed], tuple[Saved, list[Change]]]
"""A monitor of a room above: what it remembers goes in and comes out, in `Saved.others`."""


class Watcher:
    """Watches all models of one workspace."""

    def __init__(
        self,
        gatherer: Gatherer,
        labeller: Labeller,
        stores: tuple[SummaryStore, MonitorStore],
        versions: Versions,
        tell: Tell,
        looks: Sequence[Look] = (),
    ) -> None:
        """`tell` is called with every model and change, and must be done when it returns."""
        self._looks = looks
        self._gatherer = gatherer
        self._labeller = labeller
        self._summaries, self._monitors = stores
        self._versions = versions
        self._tell = tell

    def tick(self, watched: Sequence[Watched], now_ms: int) -> int:
        """Look once; how many pieces there were."""
        pieces = self._gatherer.take_in(PIECES_AT_ONCE)
        pieces += self._labeller.take_in(PIECES_AT_ONCE)
        if pieces < PIECES_AT_ONCE:
            # Stretches are over for the monitors once all that was sealed of them is in.
            for each in watched:
                self._move_on(each, now_ms)
        return pieces

    def tidy(self, now_ms: int) -> None:
        """Make longer stretches of what is long over."""
        self._gatherer.tidy(now_ms)

    def _move_on(self, watched: Watched, now_ms: int) -> None:
        model = watched.model
        saved, revision = self._monitors.load(model)
        self._tell_all(model, saved.untold)
        right = set_back(saved, (now_ms - GRACE_MS) // STRETCH_MS * STRETCH_MS)
        if saved.untold or right is not saved:
            saved = msgspec.structs.replace(right, untold=())
            if not self._monitors.save(model, saved, revision):
                return
            revision += 1
        since_ms = max(saved.until_ms, (now_ms - _LOOK_BACK_MS) // STRETCH_MS * STRETCH_MS)
        if since_ms + STRETCH_MS > now_ms:
            return
        if since_ms > saved.until_ms:
            # What happened in between was not seen, and is no quiet time.
            saved = msgspec.structs.replace(saved, usage=Usage(), first_ms=0)
        saved = msgspec.structs.replace(saved, until_ms=since_ms)
        parts = list(self._summaries.read(model, since_ms, now_ms))
        names = self._summaries.slices(model, since_ms, now_ms)
        for slice_ in filter(is_slice, names):
            parts += self._summaries.read(model, since_ms, now_ms, slice_)
        limit = looks_per_alarm(watched.contract)
        versions = held_to(self._versions, saved.chosen, self._summaries)
        after, changes = look(saved, parts, versions, limit, now_ms)
        if after.until_ms == saved.until_ms:
            return
        told = watched.contract, watched.live, versions
        half = 2.0 * limit
        arrived = self._closed(model, saved, after, ARRIVED)
        after, more = look_at_labels(after, arrived, told, half)
        changes += more
        matured, usual = self._feedback(watched, saved, after)
        after, more = look_at_feedback(after, matured, (watched.live, usual), half)
        changes += more
        callers = self._closed(model, saved, after, CALLERS)
        after, more = look_at_callers(after, callers, told[1:], limit)
        changes += more
        refused = self._closed(model, saved, after, REFUSED)
        after, more = look_at_refusals(after, refused, saved.until_ms, limit)
        changes += more
        asked = [part for part in parts if part.key.arm not in UNASKED and not part.key.slice]
        closed = [part for part in asked if part.key.begin_ms < after.until_ms]
        after, more = look_at_lists(after, closed, told, limit)
        changes += more
        rare = looks_per_alarm(watched.contract, USAGE_PART)
        after, more = look_at_usage(after, closed, watched.contract.watch.usage, rare)
        changes += more
        processes = self._closed(model, saved, after, PROCESSES)
        after, more = look_at_running(after, closed, processes, limit)
        changes += more
        for each in self._looks:
            whole = Closed(model, saved.until_ms, after.until_ms, self._summaries, limit)
            after, more = each(after, whole)
            changes += more
        seen = seen_by(watched.contract, self._summaries, after, watched.live)
        after, more = hold_to(after, watched.contract, seen, limit)
        changes += more
        after = msgspec.structs.replace(
            after,
            counted_ms=_counted([*parts, *arrived, *callers], after),
            matured_ms=max(after.matured_ms, after.until_ms - MATURE_MS),
        )
        kept = _kept(after, watched.versions | {part.key.fingerprint for part in parts})
        after = msgspec.structs.replace(after, untold=tuple(changes), states=kept)
        if self._monitors.save(model, after, revision) and changes:
            self._tell_all(model, changes)
            told = msgspec.structs.replace(after, untold=())
            self._monitors.save(model, told, revision + 1)

    def _closed(self, model: str, before: Saved, after: Saved, slice_: str) -> Sequence[Part]:
        """What is in the place of a slice in the stretches that closed."""
        return self._summaries.read(model, before.until_ms, after.until_ms, slice_)

    def _feedback(
        self, watched: Watched, before: Saved, after: Saved
    ) -> tuple[Sequence[Part], Reference | None]:
        """What was decided long enough ago, of the version that answers now, and what is usual of
        that; nothing to look at where that is only being learned."""
        kept, until_ms = kept_under(watched.live), after.until_ms - MATURE_MS
        usual = self._summaries.reference(kept)
        since_ms = max(before.until_ms - MATURE_MS, before.matured_ms)
        new = self._answered(watched, since_ms, until_ms)
        if usual is not None or not says_something(new):
            return new, usual
        learned = usual_feedback(self._answered(watched, until_ms - _LOOK_BACK_MS, until_ms))
        if learned is not None:
            self._summaries.keep_reference(kept, learned)
        return (), None

    def _answered(self, watched: Watched, since_ms: int, until_ms: int) -> list[Part]:
        """What the version that answers now told people, and each slice of it."""
        model = watched.model
        names = ["", *filter(is_slice, self._summaries.slices(model, since_ms, until_ms))]
        every = [p for name in names for p in self._summaries.read(model, since_ms, until_ms, name)]
        return [
            part for part in every
            if part.key.fingerprint == watched.live and part.key.arm not in UNASKED
        ]  # fmt: skip

    def _tell_all(self, model: str, changes: Sequence[Change]) -> None:
        for change in changes:
            self._tell(model, change)


def looks_per_alarm(contract: Contract, part: float = OTHERS_PART) -> float:
    """How many looks there are to one alarm that monitors with a part of them may raise falsely."""
    allowed = quota(contract.watch.false_alarms)
    return stretches_per_alarm(allowed.period_ns, allowed.most) / part


def seen_by(contract: Contract, summaries: SummaryStore, saved: Saved, live: str) -> Seen:
    """What the expectations of a contract look at."""
    until_ms, back_ms = saved.until_ms, longest_ms(contract)
    parts: list[Part] = []
    if back_ms:
        parts += summaries.read(contract.model, until_ms - back_ms, until_ms)
    chosen = [part for part in parts if part.key.arm not in UNASKED]
    return Seen(chosen, live, saved.first_ms, until_ms)


def _counted(parts: Sequence[Part], after: Saved) -> int:
    """Where the last stretch ended in which there was anything."""
    ends = [part.key.begin_ms + STRETCH_MS for part in parts if part.key.begin_ms < after.until_ms]
    return max(ends, default=after.counted_ms)


def _kept(saved: Saved, versions: frozenset[str]) -> dict[str, State]:
    """What is remembered of versions that may come again."""
    marks = {fingerprint[:MARK_LENGTH] for fingerprint in versions}
    return {key: state for key, state in saved.states.items() if key[:MARK_LENGTH] in marks}
