"""The monitor of sources: do labels come as they should, as soon as they should, meaning the same?

How many should come follows from how many decisions there were, and how soon labels come: so fewer
decisions are not fewer labels. Each block of time is taken into account once; evidence adds up over
blocks, and false alarms stay as rare as the contract says, however often somebody looks. A finding
holds from its begin on, and ends where all looked as it should again: its end is told with the
moment that was, and which decisions it touched. Pure, but for what it reads.

Limits: labels count as coming one by one, as unevenly as they did before. What lasts for two weeks
counts as usual from then on, but for silence, which goes on for as long as it lasts.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from mainstay.renew.health import words
from mainstay.renew.health.arrivals import Arrivals
from mainstay.renew.health.model import (
    ALL,
    FEWER,
    KEY,
    KINDS,
    LATE,
    MEANING,
    NEW,
    SILENT,
    UNKNOWN,
    Block,
    Ear,
    Health,
    Kind,
    Usual,
    restored,
)
from mainstay.renew.health.numbers import HALF, WAYS, seen_of, times
from mainstay.renew.health.survival import EDGES, Curve
from mainstay.renew.health.usual import (
    GONE,
    HISTORY_MS,
    Past,
    block_of,
    cohorts,
    share_of,
    together,
    usual_of,
)
from mainstay.watch.gather.model import (
    DAY_MS,
    DECIDED,
    HEARD,
    HOUR_MS,
    STRETCH_MS,
    TOLD,
    Part,
    merged,
)
from mainstay.watch.monitors.detector import Question, State, advance, bet, evidence, loudness
from mainstay.watch.monitors.model import Change, Saved
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.watcher import Closed

NAME: Final = "sources"
"""Where a monitor's memory keeps it."""
LATER: Final = 0.15
"""How far the mean place of delays may move."""
ODDS: Final = 3.0
"""By which factor the odds of a label may change."""
STRANGERS: Final = 0.05
"""By how much the share of unknown decisions may rise."""
_MISSING: Final[tuple[Kind, ...]] = (SILENT, FEWER)
_LEFT: Final = (0.02, 0.1, 0.25)
"""What bets say is left of the labels that should come."""
_NONE: Final = 0.1
"""Of silence: how much may still come."""
_LABELS_ASKED_MAX: Final = 10
_CALM_MS: Final = HOUR_MS
_ACCEPTED_MS: Final = 14 * DAY_MS
_ENOUGH: Final = 5.0
"""So many labels, each by itself, say whether a block looks as it should."""


def look_at_sources(saved: Saved, closed: Closed) -> tuple[Saved, list[Change]]:
    """Take the stretches into account that closed since the last look."""
    look = _Look(saved, closed)
    look.run()
    others = {**saved.others, NAME: msgspec.to_builtins(look.health())}
    return msgspec.structs.replace(saved, open=look.tick.open, others=others), look.tick.changes


class _Look:
    """One look at all sources of one model."""

    def __init__(self, saved: Saved, closed: Closed) -> None:
        self._closed = closed
        health = restored(saved.others.get(NAME))
        self._ears = dict(health.ears)
        if health.until_ms != closed.since_ms:
            # What happened in between was not seen, and is no silence.
            empty = {name: _forgetting(ear) for name, ear in self._ears.items()}
            self._ears = empty
        self.tick = Tick(saved.states, dict(saved.open))

    def health(self) -> Health:
        """What is remembered now."""
        return Health(ears=self._ears, until_ms=self._closed.until_ms)

    def run(self) -> None:
        closed = self._closed
        heard = self._heard(closed.since_ms, closed.until_ms)
        for name in (*heard, ALL, NEW):
            self._ears.setdefault(name, Ear())
        self.tick.limit = math.log(closed.per_alarm * max(self._many(), 1))
        decided = self._read(DECIDED, closed.since_ms - HISTORY_MS, closed.until_ms)
        for name in sorted(self._ears, key=lambda each: (each == ALL, each)):
            parts = self._parts_of(name, heard)
            if name == NEW:
                self._newcomers(parts)
            else:
                self._source(name, parts, decided)

    def _read(self, name: str, since_ms: int, until_ms: int) -> Sequence[Part]:
        closed = self._closed
        return closed.summaries.read(closed.model, since_ms, until_ms, name)

    def _heard(self, since_ms: int, until_ms: int) -> dict[str, Sequence[Part]]:
        """What each source said then."""
        closed = self._closed
        names = closed.summaries.slices(closed.model, since_ms, until_ms)
        return {
            name.removeprefix(HEARD): self._read(name, since_ms, until_ms)
            for name in names
            if name.startswith(HEARD)
        }

    def _parts_of(self, name: str, heard: dict[str, Sequence[Part]]) -> Sequence[Part]:
        if name not in (ALL, NEW):
            return heard.get(name, ())
        return [
            part
            for source, parts in heard.items()
            if source.endswith(" label") and (name == ALL or self._ears[source].usual is None)
            for part in parts
        ]

    def _many(self) -> int:
        """How many questions are asked."""
        known = [ear.usual for ear in self._ears.values() if ear.usual is not None]
        return sum(4 + 2 * len(_labels_of(usual)) + len(_ways_of(usual)) for usual in known)

    def _open(self, name: str) -> list[Kind]:
        return [kind for kind in KINDS if _key(name, kind) in self.tick.open]

    # One source -----------------------------------------------------------------------------------

    def _source(self, name: str, parts: Sequence[Part], decided: Sequence[Part]) -> None:
        self._accept(name)
        if name == ALL:
            if any(self._open(each) for each in self._ears if each != ALL):
                # It is told of the source itself; nobody knows what is usual of the others alone.
                self._ears[name] = _forgetting(self._ears[name])
                return
            self._learn(name, decided)
        ear = self._ears[name]
        if ear.usual is not None and ear.usual.block_ms:
            usual = ear.usual
            arrivals = Arrivals(Curve(usual.delays, usual.shares))
            made = cohorts(decided, 0)
            by_stretch: dict[int, list[Part]] = {}
            for part in parts:
                at = part.key.begin_ms - part.key.begin_ms % STRETCH_MS
                by_stretch.setdefault(at, []).append(part)
            for at in range(self._closed.since_ms, self._closed.until_ms, STRETCH_MS):
                own = together([block_of(part) for part in by_stretch.get(at, ())], at)
                stretch = (at / 1000.0, (at + STRETCH_MS) / 1000.0)
                expected, places = arrivals.expected(*made, stretch)
                own = msgspec.structs.replace(own, expected=expected, places=places)
                ear = self._stretch(name, ear, own, arrivals)
            self._ears[name] = ear
        self._learn(name, decided)

    def _stretch(self, name: str, ear: Ear, own: Block, arrivals: Arrivals) -> Ear:
        """One stretch more; and where that ends a block, what it says."""
        usual = ear.usual
        if usual is None or (not ear.block.begin_ms and own.begin_ms % usual.block_ms):
            return ear  # a block that was not heard from its beginning is none
        begin_ms = ear.block.begin_ms or own.begin_ms
        block = together([ear.block, own] if ear.block.begin_ms else [own], begin_ms)
        end_ms = own.begin_ms + STRETCH_MS
        if end_ms % usual.block_ms:
            return msgspec.structs.replace(ear, block=block)
        ear = msgspec.structs.replace(ear, block=Block())
        ear = self._ask_how_many(name, ear, block, end_ms)
        if ear.usual is not None:
            ear = self._ask_how_late(name, ear, (block, end_ms), arrivals)
            ear = self._ask_of_whom(name, ear, block, end_ms)
            ear = self._ask_what(name, ear, block, end_ms)
        return ear

    def _ask_how_many(self, name: str, ear: Ear, block: Block, end_ms: int) -> Ear:
        usual = ear.usual
        assert usual is not None
        came, due = block.came / usual.scatter, block.expected / usual.scatter
        state = ear.states.get("many", State())
        if due > 0.0:
            gains = np.array([came * math.log(q / GONE) + (GONE - q) * due for q in _LEFT])
            state = bet(state, gains, (block.begin_ms, block.expected, block.came), ways=1)
        going: list[Kind] = [kind for kind in _MISSING if _key(name, kind) in self.tick.open]
        since_ms, expected, seen = state.runs[0][1:]
        if loudness(state) >= self.tick.limit:
            if not going and self._taken_over(name, since_ms, expected - seen):
                return Ear(left=((0, end_ms),), tried_ms=end_ms)
            kind: Kind = SILENT if seen <= _NONE * expected else FEWER
            if not going:
                self._found(name, kind, words.missing(name, kind, (seen, expected), since_ms,
                            self._closed.model), (seen, expected), since_ms, end_ms)  # fmt: skip
            state = State()
        elif due >= 1.0:
            calm = block.came >= GONE * block.expected
            for each in going:
                ear = self._calm(name, each, ear, block, end_ms, calm=calm)
        return _with(ear, "many", state)

    def _taken_over(self, name: str, since_ms: int, missing: float) -> bool:
        """Whether sources that nobody knew say since then what this one said before."""
        if not name.endswith(" label"):
            return False
        heard = self._heard(since_ms, self._closed.until_ms)
        fresh = sum(
            part.rows
            for source, parts in heard.items()
            if source.endswith(" label") and self._ears.get(source, Ear()).usual is None
            for part in parts
        )
        return fresh >= GONE * missing

    def _ask_how_late(self, name: str, ear: Ear, at: tuple[Block, int], arrivals: Arrivals) -> Ear:
        usual, (block, end_ms) = ear.usual, at
        assert usual is not None
        counts = np.array(block.cells, dtype=np.float64) / usual.scatter
        counts[np.append(EDGES, np.inf) > usual.reach_s] = 0.0
        total = float(counts.sum())
        if total <= 0.0 or block.expected <= 0.0:
            return ear
        mean = min(max(block.places / block.expected, 0.0), 1.0)
        question = Question(tuple(arrivals.places.tolist()), mean, LATER)
        state = advance(ear.states.get("late", State()), question, counts, block.begin_ms)
        seen = evidence(state, question)
        place = float((counts * arrivals.places).sum()) / total
        if seen.wealth >= self.tick.limit:
            if seen.mean > mean:
                self._found(name, LATE, words.late(name, seen, mean), (seen.mean, mean),
                            seen.since_ms, end_ms)  # fmt: skip
            state = State()
        elif _key(name, LATE) in self.tick.open and total >= _ENOUGH:
            ear = self._calm(name, LATE, ear, block, end_ms, calm=place <= mean + LATER)
        return _with(ear, "late", state)

    def _ask_of_whom(self, name: str, ear: Ear, block: Block, end_ms: int) -> Ear:
        usual = ear.usual
        assert usual is not None
        known, unknown = (each / usual.scatter for each in block.of)
        if known + unknown <= 0.0:
            return ear
        question = Question((1.0, 0.0), usual.unknown, STRANGERS)
        counts = np.array([unknown, known])
        state = advance(ear.states.get("of", State()), question, counts, block.begin_ms)
        seen = evidence(state, question)
        if seen.wealth >= self.tick.limit:
            if seen.mean > usual.unknown:
                self._found(name, UNKNOWN, words.unknown(name, seen, usual.unknown),
                            (seen.mean, usual.unknown), seen.since_ms, end_ms)  # fmt: skip
            state = State()
        elif _key(name, UNKNOWN) in self.tick.open and known + unknown >= _ENOUGH:
            calm = unknown <= (usual.unknown + STRANGERS) * (known + unknown)
            ear = self._calm(name, UNKNOWN, ear, block, end_ms, calm=calm)
        return _with(ear, "of", state)

    def _ask_what(self, name: str, ear: Ear, block: Block, end_ms: int) -> Ear:
        """Whether labels say what they used to say; against the answers for the same decisions."""
        usual = ear.usual
        assert usual is not None
        found, calm, enough = False, True, False
        for what, question, yes, all_ in _meant(usual, block):
            part, rows = yes / usual.said.scatter, all_ / usual.said.scatter
            enough |= rows >= _ENOUGH
            counts = np.array([part, rows - part])
            state = advance(ear.states.get(what, State()), question, counts, block.begin_ms)
            seen = evidence(state, question)
            lowest, highest = _bounds(what, question)
            calm &= rows < _ENOUGH or lowest <= part / rows <= highest
            if seen.wealth >= self.tick.limit:
                if not lowest <= seen.mean <= highest and not found:
                    said = words.meaning(name, what, seen, question)
                    if what in WAYS:
                        said = words.moved(name, what, seen, times(usual.said.ratios, block))
                    pair = seen.mean, question.mean
                    self._found(name, MEANING, said, pair, seen.since_ms, end_ms)
                    found = True
                state = State()
            ear = _with(ear, what, state)
        if not found and _key(name, MEANING) in self.tick.open and enough:
            ear = self._calm(name, MEANING, ear, block, end_ms, calm=calm)
        return ear

    # All those together that nobody knows ---------------------------------------------------------

    def _newcomers(self, parts: Sequence[Part]) -> None:
        """What new sources say is held against what all others say of the same answers."""
        usual = self._ears[ALL].usual
        if usual is None:
            return
        ear = msgspec.structs.replace(self._ears[NEW], usual=usual)
        by_stretch: dict[int, list[Block]] = {}
        for part in parts:
            at = part.key.begin_ms - part.key.begin_ms % STRETCH_MS
            by_stretch.setdefault(at, []).append(block_of(part))
        for at, own in sorted(by_stretch.items()):
            ear = self._ask_what(NEW, ear, together(own, at), at + STRETCH_MS)
        self._ears[NEW] = msgspec.structs.replace(ear, usual=None)

    # Findings -------------------------------------------------------------------------------------

    def _found(
        self, name: str, kind: Kind, said: str, pair: tuple[float, float], since_ms: int, at_ms: int
    ) -> None:
        alike = _MISSING if kind in _MISSING else (kind,)
        if name == ALL and any(
            _key(source, each) in self.tick.open
            for source in self._ears
            for each in alike
            if source
        ):
            return  # it was told of the source itself
        known = len(self.tick.changes)
        finding = words.finding(name, kind, said, pair)
        self.tick.found(_key(name, kind), finding, since_ms, at_ms)
        if len(self.tick.changes) > known:
            self._touched(name, since_ms, None)

    def _calm(
        self, name: str, kind: Kind, ear: Ear, block: Block, end_ms: int, *, calm: bool
    ) -> Ear:
        """A block that looks as it should, or does not, while a finding goes on."""
        since = dict(ear.calm_ms)
        if not calm:
            since.pop(kind, None)
        elif end_ms - since.setdefault(kind, block.begin_ms) >= _CALM_MS:
            return self._over(name, kind, ear, since[kind])
        return msgspec.structs.replace(ear, calm_ms=since)

    def _over(self, name: str, kind: Kind, ear: Ear, until_ms: int) -> Ear:
        since_ms = self.tick.open[_key(name, kind)].since_ms
        self.tick.over(_key(name, kind), until_ms)
        self._touched(name, since_ms, until_ms)
        calm = {each: at for each, at in ear.calm_ms.items() if each != kind}
        left = (*ear.left, (since_ms - STRETCH_MS, until_ms))
        newest = tuple(each for each in left if each[1] > until_ms - HISTORY_MS)
        return msgspec.structs.replace(ear, calm_ms=calm, left=newest)

    def _touched(self, name: str, since_ms: int, until_ms: int | None) -> None:
        """Say with what was just told which decisions it touches."""
        usual = self._ears[ALL if name == NEW else name].usual
        assert usual is not None
        arrivals = Arrivals(Curve(usual.delays, usual.shares))
        end = None if until_ms is None else until_ms / 1000.0
        found = arrivals.touched((since_ms - STRETCH_MS) / 1000.0, end)
        span: tuple[int, ...] = ()
        if found is not None:
            begin, last = found
            span = (int(begin * 1000), 0 if last is None else int(last * 1000))
        self.tick.changes[-1] = msgspec.structs.replace(self.tick.changes[-1], touched=span)

    # What is usual --------------------------------------------------------------------------------

    def _accept(self, name: str) -> None:
        """What lasts becomes usual, but for silence."""
        for kind in self._open(name):
            known = self.tick.open[_key(name, kind)]
            if kind != SILENT and self._closed.until_ms - known.opened_ms >= _ACCEPTED_MS:
                ear = self._over(name, kind, self._ears[name], self._closed.until_ms)
                before = (known.since_ms - HISTORY_MS, known.since_ms)
                self._ears[name] = msgspec.structs.replace(ear, left=(before,), tried_ms=0)

    def _learn(self, name: str, decided: Sequence[Part]) -> None:
        """Look what is usual, at first every hour, later once a day."""
        ear, now_ms = self._ears[name], self._closed.until_ms
        wait = HOUR_MS
        if ear.usual is not None and ear.usual.block_ms:
            # What is new is looked at anew the more often.
            wait = min(max(int(ear.usual.reach_s * 250.0), HOUR_MS), DAY_MS)
        going = self._open(name) if name != ALL else any(map(self._open, self._ears))
        if now_ms - ear.tried_ms < wait or going:
            return
        since_ms = now_ms - HISTORY_MS
        told, heard = (self._history(name, which, since_ms) for which in (TOLD, HEARD))
        left = ear.left
        if name == ALL:  # a source that was renamed is left out from the beginning on
            left = tuple(span for each in self._ears.values() for span in each.left if span[0])
        past = Past(decided, told, heard, now_ms, left)
        many = self._closed.per_alarm * max(self._many(), 10)
        usual = usual_of(past, math.log(many))
        ear = msgspec.structs.replace(ear, tried_ms=now_ms)
        if usual is not None:
            before = ear.usual
            same = before is not None and before.block_ms == usual.block_ms
            states = ear.states if same else {}
            block = ear.block if same else Block()
            ear = msgspec.structs.replace(ear, usual=usual, block=block, states=states)
        self._ears[name] = ear

    def _history(self, name: str, which: str, since_ms: int) -> Sequence[Part]:
        until_ms = self._closed.until_ms
        if name != ALL:
            return self._read(which + name, since_ms, until_ms)
        sources = [each for each in self._ears if each.endswith(" label")]
        together: dict[tuple[int, int], list[Part]] = {}
        for source in sources:
            for part in self._read(which + source, since_ms, until_ms):
                at = part.key.begin_ms, part.key.width_ms
                together.setdefault(at, []).append(part)
        return [merged(each, each[0].key) for _, each in sorted(together.items())]


def _key(name: str, kind: str) -> str:
    return f"{KEY}{name}|{kind}"


def _with(ear: Ear, what: str, state: State) -> Ear:
    return msgspec.structs.replace(ear, states={**ear.states, what: state})


def _forgetting(ear: Ear) -> Ear:
    return msgspec.structs.replace(ear, block=Block(), states={}, calm_ms={})


def _labels_of(usual: Usual) -> list[str]:
    """The labels that are asked about, the commonest first."""
    shares = usual.said.shares
    return sorted(shares, key=lambda name: (-shares[name], name))[:_LABELS_ASKED_MAX]


def _ways_of(usual: Usual) -> list[str]:
    """In which ways numbers are asked whether they moved."""
    return list(WAYS) if usual.said.ratios else []


def _meant(usual: Usual, block: Block) -> list[tuple[str, Question, float, float]]:
    """What is asked of the labels of a block, how many of them speak for it, and of how many."""
    found: list[tuple[str, Question, float, float]] = []
    said = usual.said
    for way in _ways_of(usual):
        share, beyond, all_ = seen_of(way, said.ratios, block)
        if all_:
            found.append((way, Question((1.0, 0.0), share, HALF - share), beyond, all_))
    rows = float(sum(block.labels.values()))
    if not rows:
        return found
    for label in _labels_of(usual):
        share = min(max(share_of(label, block, said), 1e-4), 1.0 - 1e-4)
        yes = float(block.labels.get(label, 0))
        for way, odds in (("more", ODDS), ("less", 1.0 / ODDS)):
            other = odds * share / (1.0 - share)
            question = Question((1.0, 0.0), share, abs(other / (1.0 + other) - share))
            found.append((f"{way} {label}", question, yes, rows))
    paired = sum(block.pairs.values())
    if paired and said.agreed > said.chance:
        same = sum(
            count for pair, count in block.pairs.items() if len(set(pair.split(words.ARROW))) == 1
        )
        question = Question((1.0, 0.0), said.agreed, said.agreed - 0.8 * said.chance)
        found.append((words.AGREEMENT, question, same * rows / paired, rows))
    return found


def _bounds(what: str, question: Question) -> tuple[float, float]:
    """Within what a share lies as it should, for who asks in one direction."""
    if what.startswith("more ") or what in WAYS:
        return 0.0, question.mean + question.tolerance
    return question.mean - question.tolerance, 1.0
