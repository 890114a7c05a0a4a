"""What is usual of a source, from its own past.

How soon labels come is Kaplan and Meier's curve. How evenly they come is measured on blocks of ten
minutes to a week: a source that delivers once a night is no more silent at noon than on any day. Of
those lengths that one is chosen after which silence would be told the soonest. A length counts for
as uneven as every longer one, so that what comes once a week is not missed on the days between.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.renew.health.arrivals import Arrivals
from mainstay.renew.health.model import Block, Said, Usual
from mainstay.renew.health.numbers import WAYS, Seen, seen_of, usual_ratios
from mainstay.renew.health.survival import EDGES, Curve, survival_of_cells
from mainstay.summaries.labels import ARROW
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, STRETCH_MS, Part

Floats = npt.NDArray[np.float64]
Spans = Sequence[tuple[int, int]]

HISTORY_MS: Final = 56 * DAY_MS
"""How far back what is usual is looked for."""
LABELS_LEAST: Final = 100
"""With fewer nobody knows what is usual."""
GONE: Final = 0.5
"""What part of the labels may be missing before that is a finding."""
WIDTHS: Final = (STRETCH_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS)
_BLOCKS_LEAST: Final = 12
_SAFETY: Final = 1.5
_WAIT_MOST_MS: Final = 60 * DAY_MS


class Past(NamedTuple):
    """What a source said, and what it could have spoken of."""

    decided: Sequence[Part]
    told: Sequence[Part]
    """By when the decisions were made."""
    heard: Sequence[Part]
    """By when that was."""
    now_ms: int
    left: Spans = ()
    """Stretches of time that nobody is to learn from."""


def usual_of(past: Past, loud: float) -> Usual | None:
    """What is usual, for who finds something when evidence is so loud (a logarithm); nothing as
    long as too little was said."""
    told = [part for part in past.told if not _within(part, past.left)]
    if sum(part.rows for part in told) < LABELS_LEAST:
        return None
    decided = cohorts(past.decided, min(part.key.begin_ms for part in told))
    curve = _curve(decided, told, past)
    if curve.whole <= 0.0:
        return None
    arrivals = Arrivals(curve)
    heard = [part for part in past.heard if not _within(part, past.left)]
    blocks = {width: _blocks(heard, decided, arrivals, width, past) for width in WIDTHS}
    scatters = {width: _scatter(each) for width, each in blocks.items()}
    block_ms, scatter = _chosen(blocks, scatters, loud)
    every = list(map(block_of, heard))
    of = np.sum([block.of for block in every], axis=0) if every else np.zeros(2)
    return Usual(
        made_ms=past.now_ms,
        delays=curve.delays,
        shares=curve.shares,
        reach_s=past.now_ms / 1000.0 - float(decided[0].min()),
        block_ms=block_ms,
        scatter=scatter,
        unknown=float(of[1] / max(of.sum(), 1.0)),
        said=_said(every, blocks),
    )


def cohorts(decided: Iterable[Part], since_ms: int) -> tuple[Floats, Floats, Floats]:
    """When decisions were made, for how long, and how many; in seconds."""
    chosen = [part for part in decided if part.rows and part.key.begin_ms >= since_ms]
    columns = [
        [part.key.begin_ms / 1000.0 for part in chosen],
        [part.key.width_ms / 1000.0 for part in chosen],
        [float(part.rows) for part in chosen],
    ]
    begins, widths, rows = (np.array(column) for column in columns)
    return begins, widths, rows


def _within(part: Part, spans: Spans) -> bool:
    end_ms = part.key.begin_ms + part.key.width_ms
    return any(part.key.begin_ms < end and begin < end_ms for begin, end in spans)


def _curve(decided: tuple[Floats, Floats, Floats], told: Sequence[Part], past: Past) -> Curve:
    begins, widths, rows = decided
    places = {begin: place for place, begin in enumerate((begins * 1000.0).astype(int).tolist())}
    cells = np.zeros((len(begins), len(EDGES) + 1))
    for part in told:
        place = _place(places, begins, widths, part)
        if place is not None:
            cells[place] += delays_of(part.columns.get("heard_delay_s"))
    ages = past.now_ms / 1000.0 - begins - widths
    kept = ages > 0.0
    for begin, end in past.left:
        kept &= (begins + widths <= begin / 1000.0) | (begins >= end / 1000.0)
    return survival_of_cells(ages[kept], rows[kept], cells[kept])


def _place(places: dict[int, int], begins: Floats, widths: Floats, part: Part) -> int | None:
    """Among which decisions a part belongs: what is older was merged into longer stretches."""
    found = places.get(part.key.begin_ms)
    if found is None:
        at = part.key.begin_ms / 1000.0
        inside = np.flatnonzero((begins <= at) & (at < begins + widths))
        found = int(inside[0]) if len(inside) else None
    return found


def delays_of(summary: Summary | None) -> Floats:
    """How many labels came after how long, by cells."""
    if summary is None or summary.numbers is None:
        return np.zeros(len(EDGES) + 1)
    return np.array(summary.numbers.cells, dtype=np.float64)


def block_of(part: Part) -> Block:
    """What came in one stretch."""
    of = part.columns.get("heard_of")
    named = of.categories.named if of is not None and of.categories is not None else (0, 0)
    return Block(
        part.key.begin_ms,
        float(part.rows),
        cells=tuple(delays_of(part.columns.get("heard_delay_s")).astype(int).tolist()),
        of=(named[0], named[1]),
        labels=_counted(part.columns.get("heard_label")),
        pairs=_counted(part.columns.get("heard_pair")),
        ratios=_counted(part.columns.get("heard_ratio")),
    )


def _counted(summary: Summary | None) -> dict[str, int]:
    if summary is None or summary.categories is None or summary.categories.others_cut:
        return {}  # of a sample nobody knows which part it is
    return dict(summary.categories.others)


def together(blocks: Iterable[Block], begin_ms: int) -> Block:
    """Several as one."""
    came = expected = places = 0.0
    cells, of = np.zeros(len(EDGES) + 1), np.zeros(2)
    labels: dict[str, int] = {}
    pairs: dict[str, int] = {}
    ratios: dict[str, int] = {}
    for block in blocks:
        came, expected = came + block.came, expected + block.expected
        places += block.places
        cells += np.array(block.cells or cells * 0.0)
        of += np.array(block.of)
        said = ((labels, block.labels), (pairs, block.pairs), (ratios, block.ratios))
        for total, own in said:
            for name, count in own.items():
                total[name] = total.get(name, 0) + count
    counted = tuple(cells.astype(int).tolist())
    known = int(of[0]), int(of[1])
    return Block(begin_ms, came, expected, places, counted, known, labels, pairs, ratios)


def _blocks(
    heard: Sequence[Part],
    decided: tuple[Floats, Floats, Floats],
    arrivals: Arrivals,
    width: int,
    past: Past,
) -> list[Block]:
    """Whole blocks of one length, with what should have come in each."""
    if not heard:
        return []
    first = min(part.key.begin_ms for part in heard)
    coarse = [part.key for part in heard if part.key.width_ms > width]
    first = max([first, *(key.begin_ms + key.width_ms for key in coarse)])
    begin = -(-first // width) * width
    groups: dict[int, list[Block]] = {at: [] for at in range(begin, past.now_ms - width + 1, width)}
    for part in heard:
        at = part.key.begin_ms - part.key.begin_ms % width
        if at in groups:
            groups[at].append(block_of(part))
    found: list[Block] = []
    for at, own in groups.items():
        if not any(at < end and begin < at + width for begin, end in past.left):
            stretch = (at / 1000.0, (at + width) / 1000.0)
            expected, places = arrivals.expected(*decided, stretch)
            whole = together(own, at)
            found.append(msgspec.structs.replace(whole, expected=expected, places=places))
    return found


def _scatter(blocks: Sequence[Block]) -> float | None:
    """How far what came lies from what should have, as a multiple of what chance alone makes."""
    expected = sum(block.expected for block in blocks)
    if len(blocks) < _BLOCKS_LEAST or expected <= 0.0:
        return None
    apart = sum((block.came - block.expected) ** 2 for block in blocks)
    return max(1.0, _SAFETY * apart / expected)


def _chosen(
    blocks: dict[int, list[Block]], scatters: dict[int, float | None], loud: float
) -> tuple[int, float]:
    """After how long silence would be told the soonest, and how uneven labels come then."""
    best = (_WAIT_MOST_MS, 0, 1.0)
    for width in WIDTHS:
        known = [each for at, each in scatters.items() if at >= width and each is not None]
        if scatters[width] is None:
            continue
        scatter = max(known)
        mean = sum(block.expected for block in blocks[width]) / len(blocks[width])
        waits = math.ceil(loud * scatter / max(GONE * 0.9 * mean, 1e-9)) * width
        best = min(best, (waits, width, scatter))
    return best[1], best[2]


def _said(every: Sequence[Block], blocks: dict[int, list[Block]]) -> Said:
    """What labels say, by themselves and beside what the model answered."""
    whole = together(every, 0)
    labels = sum(whole.labels.values())
    if labels < LABELS_LEAST:
        return _said_numbers(whole, blocks)
    shares = {name: count / labels for name, count in sorted(whole.labels.items())}
    given: dict[str, dict[str, float]] = {}
    answers: dict[str, int] = {}
    for pair, count in whole.pairs.items():
        label, _, answer = pair.partition(ARROW)
        given.setdefault(answer, {})[label] = float(count)
        answers[answer] = answers.get(answer, 0) + count
    paired = sum(answers.values())
    agreed = sum(own.get(answer, 0.0) for answer, own in given.items()) / max(paired, 1)
    chance = sum(
        count / max(paired, 1) * shares.get(answer, 0.0) for answer, count in answers.items()
    )
    for answer, own in given.items():
        given[answer] = {name: count / answers[answer] for name, count in own.items()}
    said = Said(shares, given, agreed, chance)
    uneven = (_unlike(_rarest(each, said)) for each in blocks.values())
    return Said(shares, given, agreed, chance, max([1.0, *uneven]))


def _said_numbers(whole: Block, blocks: dict[int, list[Block]]) -> Said:
    """What numbers say beside what the model answered."""
    if sum(whole.ratios.values()) < LABELS_LEAST:
        return Said()
    ratios = usual_ratios(whole.ratios)
    uneven = (
        _unlike(seen_of(way, ratios, block) for block in each)
        for each in blocks.values()
        for way in WAYS
    )
    return Said(scatter=max([1.0, *uneven]), ratios=ratios)


def share_of(label: str, block: Block, said: Said) -> float:
    """How often a label is to be said, given what the model answered."""
    answers: dict[str, int] = {}
    for pair, count in block.pairs.items():
        answer = pair.partition(ARROW)[2]
        answers[answer] = answers.get(answer, 0) + count
    usual, rows = said.shares.get(label, 0.0), sum(answers.values())
    if not rows:
        return usual
    told = (
        count * said.given.get(answer, said.shares).get(label, 0.0)
        for answer, count in answers.items()
    )
    return sum(told) / rows


def _rarest(blocks: Sequence[Block], said: Said) -> Iterator[Seen]:
    """How often the commonest label but one is said."""
    names = sorted(said.shares, key=lambda name: -said.shares[name])[:2]
    for block in blocks:
        rows = float(sum(block.labels.values()))
        if rows:
            share = share_of(names[-1], block, said)
            yield Seen(share, float(block.labels.get(names[-1], 0)), rows)


def _unlike(blocks: Iterable[Seen]) -> float:
    """How many labels of a block say as much as one."""
    apart = chance = 0.0
    counted = 0
    for share, yes, rows in blocks:
        if rows:
            bounded = min(max(share, 1e-6), 1.0 - 1e-6)
            apart += (yes - rows * bounded) ** 2
            chance += rows * bounded * (1.0 - bounded)
            counted += 1
    enough = counted >= _BLOCKS_LEAST and chance > 0.0
    return _SAFETY * apart / chance if enough else 1.0


Read = Callable[[str, int, int], Sequence[Part]]
"""The parts of one name between two moments."""
