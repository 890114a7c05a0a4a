"""What a history says of models that grow old: how wrong each was in each period after its own.

Promises nothing about time: a period is as long as whoever cut the history made it. A loss is a
mean over the labelled rows of a period, in whatever unit an error is counted.
"""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid, in one unit for both."""

    of_error: float
    """A wrong answer; for numbers, one whole unit of distance."""
    of_training: float
    """One training with the release of what comes of it."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """`table[i, j]`: the mean loss in period j of the model trained at the end of period i; known
    where j > i, not a number elsewhere."""

    table: Floats
    rows: Floats
    """How many labelled rows each period has."""

    @property
    def periods(self) -> int:
        """How many periods the history has."""
        return len(self.rows)

    def part(self, begin: int, end: int) -> "Losses":
        """Some periods one after the other, as a history of their own."""
        return Losses(table=self.table[begin:end, begin:end], rows=self.rows[begin:end])


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a way of retraining would have done over a history. The first model is trained at the
    end of the first period, which nobody pays for: every way has it."""

    trained_after: tuple[int, ...]
    """At the end of which periods it trained."""
    errors: float
    """What wrong answers cost."""
    trainings: float
    """What the trainings cost."""
    cost: float
    """Both together."""


def loss_by_age(losses: Losses) -> Floats:
    """The mean loss of models that are 1, 2, … periods old, each row of data counted once."""
    found = np.full(losses.periods - 1, np.nan)
    for age in range(1, losses.periods):
        value = np.diagonal(losses.table, age)
        rows = losses.rows[age:]
        if rows.sum() > 0:
            found[age - 1] = np.average(np.where(rows > 0, value, 0.0), weights=rows)
    return found


def kept_by_age(losses: Losses) -> Floats:
    """Which part of its advantage over the first model, which is never trained again, a model still
    has when it is 1, 2, … periods old: against what one that is a period old has in the very same
    periods. Not a number where that one has none."""
    found = np.full(losses.periods - 1, np.nan)
    for age in range(1, losses.periods - 1):
        served = [at for at in range(age + 1, losses.periods) if losses.rows[at] > 0]
        rows = losses.rows[served]
        never = losses.table[0, served]
        fresh = never - losses.table[[at - 1 for at in served], served]
        aged = never - losses.table[[at - age for at in served], served]
        if rows @ fresh > 0:
            found[age - 1] = (rows @ aged) / (rows @ fresh)
    return found


def half_life(kept: Floats) -> float | None:
    """After how many periods half of the advantage is lost; nothing where it is kept longer than
    the history tells, or there is none."""
    for place in range(1, len(kept)):
        before, now = kept[place - 1], kept[place]
        if now <= 0.5 < before:
            return place + float((before - 0.5) / (before - now))
    return None
