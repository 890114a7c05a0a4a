"""Does a figure creep up? A bet on every new value's rank among those before it.

Where nothing changes, each new value is as likely to rank high as low among those before it,
whatever their distribution; bets on high ranks that gain on and on are the evidence, anytime: with
the sum of Shiryaev and Roberts over all moments at which the creeping may have begun, a false alarm
takes as many values, on average, as was asked for. As neighbours resemble each other in truth, and
days differ, ranks may be `_TOLERANCE` higher than they should before anything is gained.

Certain is not enough: what is told has grown by at least `LEAST`, and steadily, where what only
warms up, steps up, or swings does not. A process or version that begins anew is another series.

Limits: what wanders by itself by a tenth, and so slowly that half of that is left a day later, goes
up steadily for days at times, and is told when it does.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from mainstay.watch.monitors.detector import Question, State, advance
from mainstay.watch.monitors.model import Life
from mainstay.watch.series.slope import line_through, rank_among

KEPT: Final = 336
"""How many values are remembered: of hours, two weeks."""
LEAST: Final = math.log(1.1)
"""What grows by less than a tenth is left alone."""
_TOLERANCE: Final = 0.15
_QUARTERS: Final = 4
_STEADY: Final = 0.25
"""Each quarter must grow with at least this part of the pace of the whole, but for one of them."""
_NOT_FADING: Final = 0.6
"""The same for the newest quarter: what warms up slows down."""
_HALF_NOT_FADING: Final = 0.7
"""The newer half must grow with at least this part of the pace of the older one: a half is less
noisy than a quarter, and tells slow warming up from growth sooner."""
_PLAIN: Final = 5.0
"""So many times as much as values lie beside the line."""
_BEFORE_LEAST: Final = 6
_RISING_LEAST: Final = 24
_NORMAL_MAD: Final = 1.4826
_HIGH: Final = 0.95


class Growth(NamedTuple):
    """How a figure grew, as logarithms."""

    start: float
    end: float
    values: int


def lived_on(life: Life, value: float, begin_ms: int, warm_up_ms: int = 0) -> Life:
    """One value more; what comes so soon after the first is let go."""
    values, state, born_ms = life.values, life.state, life.born_ms or begin_ms
    if begin_ms - born_ms < warm_up_ms:
        return Life((), state, begin_ms, born_ms)
    if len(values) >= _BEFORE_LEAST:
        question = Question((rank_among(value, values),), 0.5, _TOLERANCE)
        state = advance(state, question, (1,), begin_ms)
    return Life((*values, value)[-KEPT:], state, begin_ms, born_ms)


def loudness(state: State) -> float:
    """The logarithm of the evidence that it goes up."""
    rising = state.wealth[: len(state.wealth) // 2]
    if not rising:
        return -math.inf
    return float(np.logaddexp.reduce(np.array(rising))) - math.log(len(rising))


def growth(values: Sequence[float]) -> Growth | None:
    """How much has grown steadily: all along, or in the newest half or less of it, beyond where it
    was before; nothing where none has."""
    count = len(values)
    while count >= _RISING_LEAST:
        found, before = _steady(values[-count:]), values[:-count]
        if found and (not before or found.end - float(np.quantile(before, _HIGH)) >= LEAST):
            return found
        count //= 2
    return None


def _steady(values: Sequence[float]) -> Growth | None:
    whole = line_through(values)
    beside = np.abs(np.array(values) - np.linspace(whole.start, whole.end, len(values)))
    if whole.end - whole.start < max(LEAST, _PLAIN * _NORMAL_MAD * float(np.median(beside))):
        return None
    size = len(values) // _QUARTERS
    parts = [values[len(values) - (place + 1) * size :][:size] for place in range(_QUARTERS)]
    paces = [line_through(part).slope / whole.slope for part in parts]
    if paces[0] < _NOT_FADING or sum(pace >= _STEADY for pace in paces) < _QUARTERS - 1:
        return None
    half = len(values) // 2
    newer, older = (line_through(part).slope for part in (values[-half:], values[:-half]))
    if newer < _HALF_NOT_FADING * older:
        return None
    return Growth(whole.start, whole.end, len(values))
