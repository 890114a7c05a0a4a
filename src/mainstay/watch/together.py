"""Can a model tell the two data sets apart, by all columns together? The domain classifier.

Promises one p-value for the whole, judged on rows that the model has not learned from, beside those
of the columns and corrected with them; an effect on the scale of all others; and the columns and
pairs of columns that tell most. Columns of another type than before are facts, and left out.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from mainstay.contract.finding import Finding, Verdict
from mainstay.watch.apart import ROWS_MIN, Rows, Scores, told_apart
from mainstay.watch.model import (
    DOMAIN_CLASSIFIER,
    Check,
    Classifier,
    Measured,
    Telling,
    resolution,
)
from mainstay.watch.trees import Trees, learned

_TIMES_MAX: Final = 4
"""More rows than so many times those of the smaller sample hardly make anything surer."""
_ROWS_MIN: Final = 512
_TELLING_MAX: Final = 5
_TELLING_NAMED: Final = 3
_TELLING_SHARE_MIN: Final = 0.05


def together(measured: Sequence[Measured], least_effect: float) -> tuple[Check, Classifier] | None:
    """The check, and what is to be told of it; nothing where there are not two columns to go
    together."""
    asked = [column for column in measured if column.cells is not None]
    if len(asked) < 2:
        return None
    first, second = (
        np.column_stack([column.cells[side] for column in asked if column.cells is not None])
        for side in (0, 1)
    )
    most = max(_ROWS_MIN, _TIMES_MAX * min(len(first), len(second)))
    first, second = _thinned(first, most), _thinned(second, most)
    unordered = np.array([column.ruler.kind == "category" for column in asked])
    models: list[Trees] = []

    def learn(before: Rows, after: Rows) -> Callable[[Rows], Scores]:
        models.append(learned(before, after, unordered))
        return models[-1].score

    found = told_apart(first, second, learn)
    n, m = len(first), len(second)
    enough = min(n, m) >= ROWS_MIN
    # Each half of the rows is judged by itself.
    seen = resolution(n / 2, m / 2) if enough else 1.0
    check = Check(DOMAIN_CLASSIFIER, found.p, found.effect, least_effect, m, seen)
    telling = _telling(models, [column.name for column in asked])
    return check, Classifier(
        area=found.area, interval=found.interval, p=found.p, rows=(n, m), telling=telling
    )


def _thinned(rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _telling(models: Sequence[Trees], names: Sequence[str]) -> tuple[Telling, ...]:
    gains: dict[tuple[int, ...], float] = {}
    for model in models:
        for at, gain in model.gains.items():
            gains[at] = gains.get(at, 0.0) + gain
    total = sum(gains.values())
    ordered = sorted(gains.items(), key=lambda pair: (-pair[1], pair[0]))[:_TELLING_MAX]
    return tuple(
        Telling(tuple(names[column] for column in at), gain / total) for at, gain in ordered
    )


def finding_of(check: Check, told: Classifier, verdict: Verdict, tail: str) -> Finding:
    """What is found, in words."""
    low, high = told.interval
    area = f"an area under the ROC curve of {told.area:.3f} ({low:.3f} to {high:.3f})"
    if verdict == "unsure":
        words = "Whether a model can tell the two data sets apart is not known."
    elif verdict == "fail":
        words = (
            f"A model tells current rows from those of the reference with {area}, where 0.5 is a"
            f" coin. What tells most: {_named(told.telling)}."
        )
    else:
        words = f"A model that looks at all columns together tells the two apart with {area}."
    return Finding(
        check=check.question,
        verdict=verdict,
        words=words + tail,
        figure=told.area,
        limit=0.5 + check.limit / 2.0,
        interval=told.interval if verdict != "unsure" else None,
        samples=check.samples,
    )


def _named(telling: Sequence[Telling]) -> str:
    shown = [each for each in telling if each.share >= _TELLING_SHARE_MIN] or list(telling[:1])
    return ", ".join(
        " with ".join(f"`{name}`" for name in each.columns) + f" ({each.share * 100:.0f} %)"
        for each in shown[:_TELLING_NAMED]
    )
