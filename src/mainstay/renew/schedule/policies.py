"""Ways of retraining, what each would have cost over a history, and the best there could have been.

A way is asked at the end of each period, knows what happened until then and nothing else, and says
whether to train. `Owed` is the one that needs no calendar: it trains when the errors beyond those
of the model at its best have come to cost as much as a training, so it waits where nothing changes
and hurries where much does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from mainstay.renew.schedule.model import Losses, Prices, Run

_AT_BEST: Final = 3
"""So many periods together say how good a model is: one alone says little."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a model has cost since it was trained, period by period."""

    losses: tuple[float, ...]
    """The mean loss of each period."""
    rows: tuple[float, ...]
    """How many rows each had."""
    promised: float | None = None
    """Its mean loss when it was made, on rows that it had not learned from; nothing where those do
    not compare with what is heard since."""


class Policy(Protocol):
    """A way of retraining."""

    @property
    def name(self) -> str:
        """In words."""
        ...

    def due(self, served: Served, prices: Prices) -> bool:
        """Whether to train at the end of this period."""
        ...


@dataclass(frozen=True, slots=True)
class Never:
    """The first model for ever."""

    name: str = "never"

    def due(self, served: Served, prices: Prices) -> bool:
        """No."""
        return False


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval."""

    periods: int

    @property
    def name(self) -> str:
        """In words."""
        return "every period" if self.periods == 1 else f"every {self.periods} periods"

    def due(self, served: Served, prices: Prices) -> bool:
        """When the model is that old."""
        return len(served.losses) >= self.periods


@dataclass(frozen=True, slots=True)
class Owed:
    """When the errors beyond those of the model at its best have cost that part of a training."""

    share: float = 1.0

    @property
    def name(self) -> str:
        """In words."""
        part = "" if self.share == 1.0 else f"{self.share:g} × "
        return f"when the errors beyond its best have cost {part}a training"

    def due(self, served: Served, prices: Prices) -> bool:
        """When what is owed is worth a training."""
        return owed(served, prices) >= self.share * prices.of_training


def owed(served: Served, prices: Prices) -> float:
    """What a model's errors have cost beyond those it made at its best: in the best `_AT_BEST`
    periods one after the other, or when it was made. Where somebody adapts to it within hours it
    has no good period after that. A good period pays back what came before, never what comes."""
    pairs = zip(served.losses, served.rows, strict=True)
    told = [(loss, rows) for loss, rows in pairs if rows]
    ends = range(_AT_BEST, max(len(told), _AT_BEST) + 1)
    best_loss = min((_mean(told[end - _AT_BEST : end]) for end in ends), default=0.0)
    if served.promised is not None:
        best_loss = min(best_loss, served.promised)
    beyond = 0.0
    for loss, rows in told:
        beyond = max(0.0, beyond + (loss - best_loss) * rows)
    return prices.of_error * beyond


def _mean(told: Sequence[tuple[float, float]]) -> float:
    rows = sum(each for _, each in told)
    return sum(loss * each for loss, each in told) / rows if rows else 0.0


def run(policy: Policy, losses: Losses, prices: Prices) -> Run:
    """What a way would have done over a whole history."""
    return _walk(lambda served, _: policy.due(served, prices), losses, prices, 0)


def _walk(due: Callable[[Served, int], bool], losses: Losses, prices: Prices, begin: int) -> Run:
    """Each period is served by the newest model trained before; `due` is asked at its end. The
    first model is that of period `begin`."""
    model, since, trained = begin, 0, [begin]
    errors = 0.0
    for period in range(begin + 1, losses.periods):
        errors += _errors(losses, model, period, prices)
        since += 1
        last = slice(period - since + 1, period + 1)
        served = Served(
            losses=tuple(losses.table[model, last].tolist()), rows=tuple(losses.rows[last].tolist())
        )
        if period < losses.periods - 1 and due(served, period):
            model, since = period, 0
            trained.append(period)
    return _done(trained, errors, prices)


def best(losses: Losses, prices: Prices) -> Run:
    """The cheapest there could have been, known only afterwards: the shortest path through the
    periods at whose end a model is trained."""
    periods = losses.periods
    cost = np.full(periods, np.inf)
    came_from = np.zeros(periods, dtype=np.int64)
    cost[0] = 0.0
    # cost[i]: the least until the end of period i, where a model was trained then.
    for start in range(periods):
        total = cost[start]
        for period in range(start + 1, periods):
            total += _errors(losses, start, period, prices)
            last = period == periods - 1
            paid = total if last else total + prices.of_training
            if paid < cost[period]:
                cost[period], came_from[period] = paid, start
    trained: list[int] = []
    at = int(came_from[periods - 1])
    while at:
        trained.append(at)
        at = int(came_from[at])
    trained.append(0)
    trainings = prices.of_training * (len(trained) - 1)
    return _done(trained[::-1], float(cost[periods - 1]) - trainings, prices)


def _done(trained: Sequence[int], errors: float, prices: Prices) -> Run:
    trainings = prices.of_training * (len(trained) - 1)
    return Run(
        trained_after=tuple(trained),
        errors=errors,
        trainings=trainings,
        cost=errors + trainings,
    )


def follow(ways: Sequence[Policy], losses: Losses, prices: Prices, begin: int, recent: int) -> Run:
    """From period `begin` on, always do as the way that was cheapest over the `recent` periods
    before: what repeating the experiment all the time would have cost."""
    return _walk(
        lambda served, end: cheapest(ways, losses.part(max(0, end - recent), end + 1), prices).due(
            served, prices
        ),
        losses,
        prices,
        begin,
    )


def cheapest(ways: Sequence[Policy], losses: Losses, prices: Prices) -> Policy:
    """Of ways that cost the same the one that trains less often is the simpler one."""

    def weight(way: Policy) -> tuple[float, int]:
        done = run(way, losses, prices)
        return round(done.cost, 9), len(done.trained_after)

    return min(ways, key=weight)


def candidates(periods: int) -> Sequence[Policy]:
    """The ways that are tried over so many periods."""
    lengths = [length for length in (1, 2, 3, 4, 6, 8, 12, 16, 24, 52) if length < periods]
    return [Never(), *(Every(length) for length in lengths), *map(Owed, (0.25, 0.5, 1.0, 2.0))]


def _errors(losses: Losses, model: int, period: int, prices: Prices) -> float:
    rows = float(losses.rows[period])
    return prices.of_error * float(losses.table[model, period]) * rows if rows else 0.0
