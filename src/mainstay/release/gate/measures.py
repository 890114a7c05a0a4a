"""Each metric as a figure and as what every row adds to it.

The second is what makes an interval possible: the error of a figure (or of the difference of two
over the same rows) is the spread of what the rows add. For means it is the loss of the row; for
`rmse` the first-order term of the square root; for `roc_auc` DeLong's placements, which for one
figure are the rank of a row among those of the other class.
"""

from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column

Metric = Literal["accuracy", "roc_auc", "log_loss", "rmse", "mae"]
LARGER_IS_BETTER: Final = frozenset({"accuracy", "roc_auc"})

Floats = npt.NDArray[np.float64]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over some rows."""

    figure: float
    added: Floats
    """What each row adds to it, up to a constant: its spread over the rows is the figure's error
    times the root of how many there are."""


def measured(metric: Metric, raw: Column, chosen: Column | None, labels: Column) -> Measured | None:
    """A metric over rows whose truth is known; None where these rows do not define it."""
    if not labels.size:
        return None
    if metric == "accuracy":
        assert chosen is not None
        return _mean((chosen == labels).astype(np.float64))
    numbers = raw.astype(np.float64)
    if metric == "roc_auc":
        return _area(numbers, labels.astype(np.int64))
    if metric == "log_loss":
        return _mean(_log_losses(numbers, labels.astype(np.int64)))
    apart = numbers - labels.astype(np.float64)
    if metric == "mae":
        return _mean(np.abs(apart))
    squares: Floats = apart * apart
    figure = float(np.sqrt(np.mean(squares)))
    added = squares / (2 * figure) if figure > 0 else np.zeros_like(squares)
    return Measured(figure=figure, added=added)


def _log_losses(probabilities: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    smallest = np.finfo(np.float64).eps
    sums = probabilities.sum(axis=1)
    given = probabilities[np.arange(labels.size), labels] / np.where(sums > 0, sums, 1.0)
    return -np.log(np.clip(given, smallest, 1 - smallest))


def _mean(added: Floats) -> Measured:
    return Measured(figure=float(np.mean(added)), added=added)


def _area(scores: Floats, labels: npt.NDArray[np.int64]) -> Measured | None:
    classes = scores.shape[1]
    counts = np.bincount(labels, minlength=classes)
    if classes < 2 or (counts == 0).any():
        return None
    if classes == 2:
        return _one_area(scores[:, 1], labels == 1)
    parts = [_one_area(scores[:, each], labels == each) for each in range(classes)]
    return Measured(
        figure=float(np.mean([part.figure for part in parts])),
        added=np.mean([part.added for part in parts], axis=0),
    )


def _one_area(scores: Floats, positive: npt.NDArray[np.bool_]) -> Measured:
    above, below = scores[positive], scores[~positive]
    # For each positive the share of negatives below it, and for each negative the share of
    # positives above it; ties count half.
    beaten = _placed(np.sort(below), above) / below.size
    beating = 1 - _placed(np.sort(above), below) / above.size
    figure = float(np.mean(beaten))
    added = np.empty(scores.size)
    added[positive] = (beaten - figure) * scores.size / above.size
    added[~positive] = (beating - figure) * scores.size / below.size
    return Measured(figure=figure, added=added)


def _placed(ordered: Floats, values: Floats) -> Floats:
    left = np.searchsorted(ordered, values, "left")
    return (left + np.searchsorted(ordered, values, "right")) / 2
