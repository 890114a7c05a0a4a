"""S8 N7: each metric, what rows add to it, and the error of a difference against a bootstrap."""

import numpy as np
import pytest

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.metrics import measure
from mainstay.contract.model import NumberOutput, Probability
from mainstay.release.gate.measures import measured
from mainstay.watch.paired import of_pairs


def scores(random, labels, classes, skill):
    raw = random.normal(size=(labels.size, classes))
    raw[np.arange(labels.size), labels] += skill
    raw = np.round(raw, 1)  # ties on purpose
    return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)


def case(metric, classes, rows, seed):
    """Two models' answers to the same rows, and the output they belong to."""
    random = np.random.default_rng(seed)
    if classes == 0:
        labels = random.normal(10, 3, rows)
        shared = random.normal(0, 1, rows)
        one, other = (labels + shared + random.normal(0, 0.5, rows) for _ in range(2))
        return NumberOutput(), one, other, labels
    output = Probability(classes=tuple("abcd"[:classes]))
    labels = random.integers(0, classes, rows)
    return (
        output,
        scores(random, labels, classes, 1.2),
        scores(random, labels, classes, 1.0),
        labels,
    )


def figure(metric, output, raw, labels):
    chosen = None if isinstance(output, NumberOutput) else chosen_classes(output, raw)
    return measured(metric, raw, chosen, labels)


CASES = [
    ("accuracy", 2),
    ("accuracy", 3),
    ("log_loss", 2),
    ("log_loss", 3),
    ("roc_auc", 2),
    ("roc_auc", 3),
    ("rmse", 0),
    ("mae", 0),
]


@pytest.mark.parametrize(("metric", "classes"), CASES)
def test_the_figure_is_the_one_that_cards_show(metric, classes):
    output, one, _, labels = case(metric, classes, 300, 1)
    assert figure(metric, output, one, labels).figure == pytest.approx(
        measure(output, one, labels)[metric], rel=1e-12
    )


@pytest.mark.parametrize(("metric", "classes"), CASES)
def test_the_error_of_a_difference_is_that_of_a_bootstrap(metric, classes):
    """Second oracle: draw the rows again 600 times and see how much the difference moves."""
    output, one, other, labels = case(metric, classes, 400, 2)
    a, b = (figure(metric, output, raw, labels) for raw in (one, other))
    error = of_pairs(a.added - b.added, a.figure - b.figure).error
    random = np.random.default_rng(9)
    seen = []
    for _ in range(600):
        rows = random.integers(0, 400, 400)
        pair = [figure(metric, output, raw[rows], labels[rows]).figure for raw in (one, other)]
        seen.append(pair[0] - pair[1])
    assert error == pytest.approx(np.std(seen), rel=0.15)


def test_what_is_not_defined_is_not_invented():
    one_class = np.zeros(30, dtype=np.int64)
    raw = np.full((30, 2), 0.5)
    assert measured("roc_auc", raw, None, one_class) is None
    assert measured("mae", np.empty(0), None, np.empty(0)) is None


def test_a_model_without_any_error_has_no_spread():
    perfect = measured("rmse", np.arange(5.0), None, np.arange(5.0))
    assert perfect.figure == 0
    assert not perfect.added.any()
