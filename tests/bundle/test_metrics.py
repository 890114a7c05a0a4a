"""N1 S8: metrics are the ones scikit-learn gives, each with an interval that can be believed."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as oracle

from mainstay.bundle.metrics import (
    METRICS,
    log_loss,
    measure,
    measure_one,
    metric_interval,
    roc_auc,
    roc_auc_interval,
)
from mainstay.contract.model import Assets, Label, NumberOutput, Probability
from mainstay.contract.release_rules import METRIC_RANGES


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("decimals", [1, 9])
def test_class_metrics_agree_with_scikit_learn(classes, decimals):
    random = np.random.default_rng(classes)
    raw = np.round(random.dirichlet(np.ones(classes), 300), decimals)
    raw /= raw.sum(axis=1, keepdims=True)
    labels = random.integers(0, classes, 300)
    positive = raw[:, 1] if classes == 2 else raw
    assert roc_auc(raw, labels) == pytest.approx(
        oracle.roc_auc_score(labels, positive, multi_class="ovr")
    )
    assert log_loss(raw, labels) == pytest.approx(
        oracle.log_loss(labels, raw, labels=list(range(classes)))
    )
    output = Probability(classes=tuple(map(str, range(classes))))
    chosen = (raw[:, 1] >= 0.5).astype(int) if classes == 2 else raw.argmax(axis=1)
    assert measure(output, raw, labels)["accuracy"] == oracle.accuracy_score(labels, chosen)


def test_unknown_labels_are_left_out_and_one_class_has_no_area():
    output = Probability(classes=("a", "b"))
    raw = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    found = measure(output, raw, np.array([0, -1, 0]))
    assert found["accuracy"] == 0.5
    assert "roc_auc" not in found
    assert measure(output, raw, np.array([-1, -1, -1])) == {}
    assert measure(Label(classes=("a", "b")), np.array([0, 1]), np.array([0, 0])) == {
        "accuracy": 0.5
    }


def test_number_metrics_agree_with_scikit_learn():
    random = np.random.default_rng(1)
    got, labels = random.normal(size=50), random.normal(size=50)
    found = measure(NumberOutput(), got, np.append(labels[:-1], np.nan))
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(labels[:-1], got[:-1]))
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(labels[:-1], got[:-1]))


def test_every_metric_of_a_contract_can_be_measured_where_it_may_be_named():
    """S8: the contract's table of metrics and the measuring one are the same table."""
    assert METRICS.keys() == METRIC_RANGES.keys()
    assert all(METRICS[n].outputs == m.outputs for n, m in METRIC_RANGES.items())
    named = get_args(get_type_hints(Assets)["metric"])
    assert set(get_args(named[0])) == METRICS.keys()


def test_the_direction_of_a_metric_is_that_of_better_answers():
    """S8 N6: answers that come nearer to the truth move each metric its better way."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 200)
    noisy = np.clip(labels + random.normal(scale=0.9, size=200), 0.01, 0.99)
    better = 0.5 * noisy + 0.5 * labels
    numbers = random.normal(size=200)
    for name, metric in METRICS.items():
        if Probability in metric.outputs:
            output, truth = Probability(classes=("a", "b")), labels
            worse_raw, better_raw = (np.column_stack([1 - p, p]) for p in (noisy, better))
        else:
            output, truth, worse_raw, better_raw = NumberOutput(), numbers, numbers + 2, numbers + 1
        worse = measure_one(name, output, worse_raw, truth)
        best = measure_one(name, output, better_raw, truth)
        assert (best > worse) == metric.bigger_is_better, name


@pytest.mark.parametrize(("right", "rows"), [(0, 10), (7, 10), (10, 10), (970, 1000)])
def test_the_interval_of_a_share_is_that_of_scipy(right, rows):
    """S8: Wilson's interval, held against SciPy."""
    labels = np.zeros(rows, dtype=np.int64)
    answers = np.where(np.arange(rows) < right, 0, 1)
    found = metric_interval("accuracy", Label(classes=("a", "b")), answers, labels)
    expected = binomtest(right, rows).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((expected.low, expected.high))


def delong_variance(scores, labels):
    """The formula of DeLong's paper, pair by pair."""
    ones, zeros = scores[labels == 1], scores[labels == 0]
    wins = (ones[:, None] > zeros).astype(float) + 0.5 * (ones[:, None] == zeros)
    return wins.mean(axis=1).var(ddof=1) / ones.size + wins.mean(axis=0).var(ddof=1) / zeros.size


@pytest.mark.parametrize("decimals", [1, 9])
def test_the_interval_of_an_area_is_delongs(decimals):
    """S8: the fast form agrees with the formula over all pairs, ties included."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 150)
    scores = np.round(1 / (1 + np.exp(-(labels + random.normal(size=150)))), decimals)
    raw = np.column_stack([1 - scores, scores])
    low, high = roc_auc_interval(raw, labels, 1.96)
    area = oracle.roc_auc_score(labels, scores)
    half = 1.96 * np.sqrt(delong_variance(scores, labels)) / (area * (1 - area))
    assert np.log(low / (1 - low)) == pytest.approx(np.log(area / (1 - area)) - half)
    assert np.log(high / (1 - high)) == pytest.approx(np.log(area / (1 - area)) + half)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """S8: over 400 draws each 90 % interval holds the figure of a very large sample about 90 times
    in 100, for several classes and for a skewed loss too."""
    random = np.random.default_rng(5)

    def classified(rows):
        labels = random.choice(3, rows, p=[0.5, 0.3, 0.2])
        score = random.normal(size=(rows, 3)) + 1.2 * np.eye(3)[labels]
        raw = np.exp(score)
        return raw / raw.sum(axis=1, keepdims=True), labels

    def counted(rows):
        return random.gamma(1.5, size=rows), np.zeros(rows)

    three = Probability(classes=("a", "b", "c"))
    for draw, output, names in (
        (classified, three, ("accuracy", "log_loss", "roc_auc")),
        (counted, NumberOutput(), ("rmse", "mae")),
    ):
        truth = measure(output, *draw(200_000))
        samples = [draw(150) for _ in range(400)]
        for name in names:
            found = [metric_interval(name, output, *sample, confidence=0.9) for sample in samples]
            held = np.mean([low <= truth[name] <= high for low, high in found])
            assert 0.84 <= held <= 0.96, (name, held)


def test_a_faultless_area_is_not_taken_for_certainty():
    """S8: ten rows that are parted without a fault still leave a doubt."""
    labels = np.repeat([0, 1], 5)
    low, high = roc_auc_interval(np.column_stack([1 - labels, labels]).astype(float), labels, 1.96)
    assert high == 1.0
    assert 0.4 < low < 0.8
    assert metric_interval("rmse", NumberOutput(), np.zeros(1), np.zeros(1)) is None
    assert metric_interval("rmse", Label(classes=("a", "b")), np.zeros(1), np.zeros(1)) is None
    assert metric_interval("mae", NumberOutput(), np.zeros(1), np.array([np.nan])) is None
