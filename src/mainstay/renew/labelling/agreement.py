"""Whether labelers agree more than by chance: Krippendorff's alpha, with an interval.

1 is agreement, 0 is what chance gives, below 0 they say the opposite of each other. Units that
fewer than two people labelled say nothing and are left out; missing answers are no trouble. For
classes that stand in order, an answer counts as its middle rank, and squared differences of those
are what the ordinal form asks for. The interval is of a bootstrap over units, its draws seeded.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.renew.labelling.model import Answer

Scale = Literal["nominal", "ordinal", "interval"]
_DRAWS: Final = 500
_SEED: Final = 6
_INSIDE: Final = (2.5, 97.5)
_AT_ONCE: Final = 2_000_000
Floats = npt.NDArray[np.float64]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How much several people agree."""

    alpha: float | None
    """Nothing where nobody could have disagreed: too few answers, or always the same."""
    interval: tuple[float, float] | None = None
    units: int = 0
    """Tasks that at least two people answered."""
    answers: int = 0
    scale: Scale = "nominal"


def agreement(
    units: Sequence[Sequence[Answer]], scale: Scale, order: Sequence[Answer] = ()
) -> Agreement:
    """How much the answers within units agree; `order` is that of ordinal classes."""
    pairable = [unit for unit in units if len(unit) > 1]
    columns = _columns(pairable, scale, order)
    sizes = np.array([float(len(unit)) for unit in pairable])
    about: Any = {"units": len(pairable), "answers": int(sizes.sum()), "scale": scale}
    if not pairable:
        return Agreement(alpha=None, **about)
    apart = (sizes * columns[:, -1] - (columns[:, :-1] ** 2).sum(axis=1)) / (sizes - 1.0)
    sums = np.column_stack([sizes, apart, columns])
    found = _alphas(sums.sum(axis=0)[None, :])[0]
    if not np.isfinite(found):
        return Agreement(alpha=None, **about)
    draws = _bootstrap(sums)
    low, high = (float(each) for each in np.percentile(draws, _INSIDE)) if len(draws) else (-1, 1)
    return Agreement(alpha=float(found), interval=(low, high), **about)


def _columns(units: Sequence[Sequence[Answer]], scale: Scale, order: Sequence[Answer]) -> Floats:
    """Per unit the sums that make its squared differences: of all pairs of m answers they sum up
    to m × (the last column) less the squares of the others."""
    if scale == "nominal":
        # Two classes are one apart where they differ: each answer is a corner of a simplex.
        answers = dict.fromkeys(answer for unit in units for answer in unit)
        names = {name: at for at, name in enumerate(answers)}
        table = np.zeros((len(units), len(names) + 1))
        for row, unit in enumerate(units):
            for answer in unit:
                table[row, names[answer]] += 1.0
        table[:, -1] = table[:, :-1].sum(axis=1)
        return table
    values = _ranks(units, order) if scale == "ordinal" else {}
    numbers = [[values.get(a, a) for a in unit] for unit in units]
    rows = [np.array(unit, dtype=np.float64) for unit in numbers]
    middle = float(np.concatenate(rows).mean()) if rows else 0.0
    # About the middle, so that no precision is lost where numbers are large.
    return np.array([[(r - middle).sum(), ((r - middle) ** 2).sum()] for r in rows]).reshape(-1, 2)


def _ranks(units: Sequence[Sequence[Answer]], order: Sequence[Answer]) -> dict[Answer, float]:
    counts = Counter(answer for unit in units for answer in unit)
    below, found = 0.0, dict[Answer, float]()
    for name in order:
        found[name] = below + counts[name] / 2.0
        below += counts[name]
    return found


def _alphas(sums: Floats) -> Floats:
    """1 less observed over expected disagreement; each row is the sums of one set of units."""
    count, within, last = sums[:, 0], sums[:, 1], sums[:, -1]
    between = count * last - (sums[:, 2:-1] ** 2).sum(axis=1)
    # What rounding leaves of no difference at all is no difference.
    between = np.where(between <= 1e-12 * count * np.abs(last), 0.0, between)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(between > 0, 1.0 - (count - 1.0) * within / between, np.nan)


def _bootstrap(sums: Floats) -> Floats:
    generator = np.random.default_rng(_SEED)
    rows = len(sums)
    step = max(1, _AT_ONCE // rows)
    found: list[Floats] = []
    for start in range(0, _DRAWS, step):
        times = min(step, _DRAWS - start)
        weights = generator.multinomial(rows, np.full(rows, 1.0 / rows), size=times)
        found.append(_alphas(weights.astype(np.float64) @ sums))
    drawn = np.concatenate(found)
    return drawn[np.isfinite(drawn)]
