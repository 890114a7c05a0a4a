"""How good: a handful of metrics in plain NumPy, the same numbers scikit-learn gives.

Labels are indices of the contract's classes or items, or numbers. Rows without a label (index −1,
NaN) are left out. A metric that cannot be computed on the rows there are (one class only) is left
out rather than invented. Metrics describe; nothing here decides.

Each metric comes with an interval in which its true value lies, without any resampling: Wilson's
for a share, the normal one for a mean, DeLong's for the area under the ROC curve. Limits: they
treat rows as independent, and the normal ones want some tens of rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.bundle.answers import chosen_classes
from mainstay.contract.columns import Column
from mainstay.contract.model import Label, NumberOutput, Output, Probability, Ranking

_Floats = npt.NDArray[np.float64]
_Indices = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(slots=True, frozen=True)
class Metric:
    """One figure of how good a version is."""

    outputs: tuple[type, ...]
    """The kinds of output it can be measured on."""
    bigger_is_better: bool
    figure: Callable[[Output, Column, Column], float | None]
    """Of raw outputs and known labels; nothing where these rows cannot tell."""
    interval: Callable[[Output, Column, Column, float], Interval | None]
    """Where the true figure lies, for a number of standard errors."""


def measure(output: Output, raw: Column, labels: Column) -> dict[str, float]:
    """The metrics that belong to a kind of output."""
    found = {name: measure_one(name, output, raw, labels) for name in METRICS}
    return {name: figure for name, figure in found.items() if figure is not None}


def measure_one(name: str, output: Output, raw: Column, labels: Column) -> float | None:
    """One metric; nothing where it does not fit the output, or these rows cannot tell."""
    metric = METRICS[name]
    if not isinstance(output, metric.outputs):
        return None
    raw, labels = _labelled(output, raw, labels)
    return metric.figure(output, raw, labels) if labels.size else None


def metric_interval(
    name: str, output: Output, raw: Column, labels: Column, confidence: float = 0.95
) -> Interval | None:
    """Where the true value of a metric lies with that confidence; nothing where these rows cannot
    tell."""
    metric = METRICS[name]
    if not isinstance(output, metric.outputs):
        return None
    raw, labels = _labelled(output, raw, labels)
    if not labels.size:
        return None
    return metric.interval(output, raw, labels, NormalDist().inv_cdf(0.5 + confidence / 2))


def labelled_rows(output: Output, labels: Column) -> int:
    """How many rows have a label."""
    return int(labelled(output, labels).sum())


def labelled(output: Output, labels: Column) -> npt.NDArray[np.bool_]:
    """Which rows have a label."""
    if isinstance(output, (Probability, Label, Ranking)):
        return np.asarray(labels >= 0, dtype=np.bool_)
    return np.logical_not(np.isnan(labels.astype(np.float64)))


def _labelled(output: Output, raw: Column, labels: Column) -> tuple[Column, Column]:
    known = labelled(output, labels)
    kind = np.int64 if isinstance(output, (Probability, Label)) else np.float64
    return raw[known], labels[known].astype(kind)


def _right(output: Output, raw: Column, labels: Column) -> _Floats:
    right: npt.NDArray[np.bool_] = chosen_classes(output, raw) == labels
    return right.astype(np.float64)


def _accuracy(output: Output, raw: Column, labels: Column) -> float:
    return float(_right(output, raw, labels).mean())


def _accuracy_interval(output: Output, raw: Column, labels: Column, z: float) -> Interval:
    return wilson(_accuracy(output, raw, labels), labels.size, z)


def wilson(share: float, rows: float, z: float) -> Interval:
    """Wilson's score interval of a share: inside 0 and 1, and honest at both ends."""
    middle = share + z * z / (2 * rows)
    half = z * float(np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)))
    whole = 1 + z * z / rows
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def _mean_interval(values: _Floats, z: float) -> Interval | None:
    """The normal interval of the mean of values that are never negative."""
    if values.size < 2:
        return None
    middle, half = float(values.mean()), z * float(values.std(ddof=1) / np.sqrt(values.size))
    return max(0.0, middle - half), middle + half


def log_loss(probabilities: _Floats, labels: _Indices) -> float:
    """Mean negative logarithm of the probability given to what was true."""
    return float(np.mean(_log_losses(probabilities, labels)))


def _log_losses(probabilities: _Floats, labels: _Indices) -> _Floats:
    smallest = np.finfo(np.float64).eps
    sums = probabilities.sum(axis=1)
    given = probabilities[np.arange(labels.size), labels] / np.where(sums > 0, sums, 1.0)
    return -np.log(np.clip(given, smallest, 1 - smallest))


def roc_auc(probabilities: _Floats, labels: _Indices) -> float | None:
    """Area under the ROC curve; with more than two classes the mean over one against the rest.
    None where a class does not occur."""
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    if (counts == 0).any() or counts.size < 2:
        return None
    areas = [_placements(probabilities[:, c], labels == c)[labels == c].mean()
             for c in _sides(counts.size)]  # fmt: skip
    return float(np.mean(areas))


def _sides(classes: int) -> range:
    """The classes whose area counts: with two, that of the second says all."""
    return range(1, 2) if classes == 2 else range(classes)


def _placements(scores: _Floats, positive: npt.NDArray[np.bool_]) -> _Floats:
    """For each row the share of rows of the other side that it stands right to, ties half: over
    the positives as over the negatives, their mean is the area (Mann and Whitney)."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    above = np.bincount(inverse, weights=positive, minlength=counts.size)
    below = counts - above
    lower = (np.cumsum(below) - below / 2)[inverse]
    higher = (above.sum() - np.cumsum(above) + above / 2)[inverse]
    shares: _Floats = higher / max(float(above.sum()), 1.0)
    shares[positive] = (lower / max(float(below.sum()), 1.0))[positive]
    return shares


def roc_auc_interval(probabilities: _Floats, labels: _Indices, z: float) -> Interval | None:
    """DeLong's interval on the scale of the log odds, so that it stays inside 0 and 1.

    With several classes a row takes part in the area of its own class and, as one of the rest, in
    all others; its parts are added up before their variance is taken. Where no two rows differ (an
    area of exactly 0 or 1) there is no variance to see, and the smallest class says how sure one
    can be: Wilson's interval of as many tries.
    """
    area = roc_auc(probabilities, labels)
    if area is None:
        return None
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sides = _sides(classes)
    parts: _Floats = np.zeros(labels.size)
    for c in sides:
        own: npt.NDArray[np.bool_] = labels == c
        size = int(own.sum())
        weights: _Floats = np.where(own, 1 / size, 1 / (own.size - size))
        part: _Floats = _placements(probabilities[:, c], own) * weights
        parts = parts + part / len(sides)
    if counts.min() < 2:
        return wilson(area, int(counts.min()), z)
    variance = 0.0
    for c in range(classes):
        among: _Floats = parts[labels == c]
        variance += among.size * float(among.var(ddof=1))
    if not 0 < area < 1 or variance <= 0:
        return wilson(area, int(counts.min()), z)
    odds, half = float(np.log(area / (1 - area))), z * variance**0.5 / (area * (1 - area))
    return 1 / (1 + float(np.exp(half - odds))), 1 / (1 + float(np.exp(-half - odds)))


def _apart(raw: Column, labels: Column) -> _Floats:
    return raw.astype(np.float64) - labels


def _rmse_interval(_output: Output, raw: Column, labels: Column, z: float) -> Interval | None:
    squares = _mean_interval(_apart(raw, labels) ** 2, z)
    return None if squares is None else (float(squares[0] ** 0.5), float(squares[1] ** 0.5))


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": Metric(
        (Probability, Label), bigger_is_better=True, figure=_accuracy, interval=_accuracy_interval
    ),
    "log_loss": Metric(
        (Probability,),
        bigger_is_better=False,
        figure=lambda _output, raw, labels: log_loss(raw.astype(np.float64), labels),
        interval=lambda _output, raw, labels, z: _mean_interval(
            _log_losses(raw.astype(np.float64), labels), z
        ),
    ),
    "roc_auc": Metric(
        (Probability,),
        bigger_is_better=True,
        figure=lambda _output, raw, labels: roc_auc(raw.astype(np.float64), labels),
        interval=lambda _output, raw, labels, z: roc_auc_interval(
            raw.astype(np.float64), labels, z
        ),
    ),
    "rmse": Metric(
        (NumberOutput,),
        bigger_is_better=False,
        figure=lambda _output, raw, labels: float(np.sqrt(np.mean(_apart(raw, labels) ** 2))),
        interval=_rmse_interval,
    ),
    "mae": Metric(
        (NumberOutput,),
        bigger_is_better=False,
        figure=lambda _output, raw, labels: float(np.mean(np.abs(_apart(raw, labels)))),
        interval=lambda _output, raw, labels, z: _mean_interval(np.abs(_apart(raw, labels)), z),
    ),
}
"""Every metric by the name contracts and cards call it by."""
