"""How good: a handful of metrics in plain NumPy, the same numbers scikit-learn gives.

Labels are indices of the contract's classes, or numbers. Rows without a label (index −1, NaN) are
left out. A metric that cannot be computed on the rows there are (one class only) is left out
rather than invented. Metrics describe; nothing here decides.
"""

import numpy as np
import numpy.typing as npt

from mainstay.bundle.answers import chosen_classes
from mainstay.contract.columns import Column
from mainstay.contract.model import Label, NumberOutput, Output, Probability

_Floats = npt.NDArray[np.float64]
_Indices = npt.NDArray[np.int64]


def measure(output: Output, raw: Column, labels: Column) -> dict[str, float]:
    """The metrics that belong to a kind of output."""
    if isinstance(output, NumberOutput):
        numbers: _Floats = labels.astype(np.float64)
        answers: _Floats = raw.astype(np.float64)
        known = np.logical_not(np.isnan(numbers))
        return _number_metrics(answers[known], numbers[known])
    if isinstance(output, (Probability, Label)):
        known = labels >= 0
        return _class_metrics(output, raw[known], labels[known].astype(np.int64))
    return {}


def _number_metrics(got: _Floats, labels: _Floats) -> dict[str, float]:
    if not labels.size:
        return {}
    apart = got - labels
    return {
        "rmse": float(np.sqrt(np.mean(apart * apart))),
        "mae": float(np.mean(np.abs(apart))),
    }


def _class_metrics(output: Probability | Label, raw: Column, labels: _Indices) -> dict[str, float]:
    if not labels.size:
        return {}
    right: npt.NDArray[np.bool_] = chosen_classes(output, raw) == labels
    metrics = {"accuracy": float(right.mean())}
    if isinstance(output, Probability):
        probabilities = raw.astype(np.float64)
        metrics["log_loss"] = log_loss(probabilities, labels)
        area = roc_auc(probabilities, labels)
        if area is not None:
            metrics["roc_auc"] = area
    return metrics


def log_loss(probabilities: _Floats, labels: _Indices) -> float:
    """Mean negative logarithm of the probability given to what was true."""
    smallest = np.finfo(np.float64).eps
    sums = probabilities.sum(axis=1)
    given = probabilities[np.arange(labels.size), labels] / np.where(sums > 0, sums, 1.0)
    return float(np.mean(-np.log(np.clip(given, smallest, 1 - smallest))))


def roc_auc(probabilities: _Floats, labels: _Indices) -> float | None:
    """Area under the ROC curve; with more than two classes the mean over one against the rest.
    None where a class does not occur."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any() or classes < 2:
        return None
    if classes == 2:
        return _area(probabilities[:, 1], labels == 1)
    return float(np.mean([_area(probabilities[:, c], labels == c) for c in range(classes)]))


def _area(scores: _Floats, positive: npt.NDArray[np.bool_]) -> float:
    # The rank sum of the positives (Mann and Whitney), ties at their mean rank.
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    positives = int(positive.sum())
    negatives = positive.size - positives
    total = float(ranks[positive].sum()) - positives * (positives + 1) / 2
    return total / (positives * negatives)
