"""A simulated model with sources of labels: decisions, and what is said of them, stretch by stretch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mainstay.base.ids import DecisionId
from mainstay.renew.health.look import look_at_sources
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import DAY_MS, DECIDED, HOUR_MS, NOBODY, STRETCH_MS, Key, Part
from mainstay.watch.labels.heard import Word, heard_parts
from mainstay.watch.monitors.model import Change, Saved
from mainstay.watch.watcher import Closed

BEGIN = 1_790_000_000_000 // DAY_MS * DAY_MS
MODEL = "shop"


@dataclass
class Source:
    """Somebody who says what became of decisions."""

    name: str = "shop"
    share: float = 0.5
    """Of how many decisions something is said."""
    delay_s: Callable[[np.random.Generator, int], np.ndarray] = field(
        default=lambda draw, n: draw.lognormal(np.log(1200.0), 0.8, n)
    )
    bought: float = 0.2
    """How often it is said where the model did not expect it to be; and the other way round."""
    answers: bool = True


class World:
    """Time goes on in stretches."""

    def __init__(self, sources: Sequence[Source], seed: int = 1, per_hour: float = 600.0) -> None:
        self.sources = {source.name: source for source in sources}
        self.draw = np.random.default_rng(seed)
        self.per_hour = per_hour
        self.store = MemorySummaryStore()
        self.now_ms = BEGIN
        self.saved = Saved()
        self.told: list[Change] = []
        self.pending: dict[int, list[Word]] = {}
        self.number = 0
        self.per_alarm = 30 * DAY_MS / STRETCH_MS * 6
        self.lost: Callable[[Word], bool] = lambda word: False
        """Whether something does not arrive."""
        self.turned: Callable[[Word], Word] = lambda word: word
        """What arrives in its place."""

    def stretch(self, look: bool = True) -> None:
        """Ten minutes go by."""
        hour = self.now_ms % DAY_MS / HOUR_MS
        mean = self.per_hour / 6.0 * (1.0 + 0.7 * np.sin(hour / 24.0 * 2.0 * np.pi))
        rows = int(self.draw.poisson(mean))
        parts = [Part(Key(MODEL, NOBODY, 0, "", DECIDED, self.now_ms), rows, {})]
        moments = np.sort(self.draw.integers(self.now_ms, self.now_ms + STRETCH_MS, rows))
        for source in self.sources.values():
            self._say(source, moments)
        heard = self.pending.pop(self.now_ms, [])
        parts += heard_parts(MODEL, [self.turned(word) for word in heard if not self.lost(word)])
        self.number += 1
        self.store.add(str(self.number), parts)
        self.now_ms += STRETCH_MS
        if look:
            self.look()

    def _say(self, source: Source, moments: np.ndarray) -> None:
        rows = len(moments)
        said = self.draw.random(rows) < source.share
        known = moments + (source.delay_s(self.draw, rows) * 1000.0).astype(np.int64)
        expected = self.draw.random(rows) < 0.3
        right = self.draw.random(rows) < 1.0 - source.bought
        for row in np.flatnonzero(said).tolist():
            answer = "buys" if expected[row] else "leaves"
            other = "leaves" if expected[row] else "buys"
            identity = str(DecisionId(int(moments[row]), 7, row))
            word = Word(
                source.name, "label", identity, int(known[row]),
                label=answer if right[row] else other, answer=answer if source.answers else None,
            )  # fmt: skip
            at = word.known_ms - word.known_ms % STRETCH_MS
            self.pending.setdefault(max(at, self.now_ms), []).append(word)

    def look(self) -> None:
        """As the watcher does."""
        since_ms = self.now_ms - STRETCH_MS
        closed = Closed(MODEL, since_ms, self.now_ms, self.store, self.per_alarm)
        self.saved, changes = look_at_sources(self.saved, closed)
        self.told += changes

    def run(self, hours: float, look: bool = True) -> None:
        for number in range(round(hours * 6)):
            self.stretch(look)
            if number % 6 == 5:
                self.tidy()

    def tidy(self) -> None:
        self.store.compact(self.now_ms - DAY_MS, HOUR_MS)
        self.store.compact(self.now_ms - 8 * DAY_MS, DAY_MS)

    def found(self) -> list[tuple[str, str, str]]:
        """Kind, source and what became of it."""
        return [(c.finding.check, c.finding.slice, c.kind) for c in self.told]
