"""Metrics from sums are those that scikit-learn gives for the rows: M3 M7."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from mainstay.bundle.metrics import roc_auc_interval
from mainstay.contract.model import Contract, Number, NumberOutput, Probability, Ranking
from mainstay.summaries.labels import columns_of, fits, rulers_of
from mainstay.summaries.summary import Summary, merge, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.labels.metrics import metrics_of


def contract_of(output) -> Contract:
    return Contract(model="m", inputs={"x": Number()}, output=output)


FRAUD = contract_of(Probability(classes=("ok", "fraud")))
THREE = contract_of(Probability(classes=("a", "b", "c")))
PRICE = contract_of(NumberOutput())
ITEMS = contract_of(Ranking(items=("p", "q", "r", "s")))


def summed(contract: Contract, truths, outputs, answers, shown=None, parts: int = 3):
    """The sums of several parts, merged."""
    shown = [True] * len(truths) if shown is None else shown
    rulers = rulers_of(contract)
    whole: dict[str, Summary] = {}
    for part in np.array_split(np.arange(len(truths)), parts):
        columns = columns_of(
            contract, [truths[i] for i in part], outputs[part], [answers[i] for i in part],
            [shown[i] for i in part],
        )  # fmt: skip
        for name, column in columns.items():
            summary = summarise(values_of(column), rulers[name])
            whole[name] = merge(whole[name], summary) if name in whole else summary
    return whole


@pytest.mark.parametrize("seed", [1, 2])
def test_two_classes(seed: int):
    """M3 M7: accuracy, precision, recall, log loss and the area, to the cell."""
    generator = np.random.default_rng(seed)
    second = np.round(generator.beta(1.5, 3.0, 3000), 4) * 0.99 + 0.00251
    truth = (generator.random(3000) < second**1.5).astype(int)
    outputs = np.stack([1 - second, second], axis=1)
    names = np.array(["ok", "fraud"], dtype=object)
    answers = (second >= 0.5).astype(int)
    found = metrics_of(FRAUD, summed(FRAUD, names[truth], outputs, names[answers]))
    assert found["accuracy"].figure == pytest.approx(accuracy_score(truth, answers))
    assert found["precision of fraud"].figure == pytest.approx(precision_score(truth, answers))
    assert found["recall of fraud"].figure == pytest.approx(recall_score(truth, answers))
    assert found["log_loss"].figure == pytest.approx(log_loss(truth, outputs))
    assert found["roc_auc"].figure == pytest.approx(roc_auc_score(truth, second), abs=2e-3)
    exact = roc_auc_interval(outputs, truth, 1.959963984540054)
    assert found["roc_auc"].interval == pytest.approx(exact, abs=2e-3)
    assert found["share of fraud"].figure == pytest.approx(truth.mean())
    for metric in found.values():
        low, high = metric.interval
        assert low <= metric.figure <= high


def test_calibration_is_found_where_it_is_and_only_there():
    """M7: a model that says what happens has none but that of its cells; one that exaggerates has."""
    generator = np.random.default_rng(3)
    second = generator.random(40_000)
    names = np.array(["ok", "fraud"], dtype=object)
    truth = (generator.random(40_000) < second).astype(int)
    answers = names[(second >= 0.5).astype(int)]
    told = np.stack([1 - second, second], axis=1)
    loud = np.where(second >= 0.5, 1 - (1 - second) / 3, second / 3)
    honest = metrics_of(FRAUD, summed(FRAUD, names[truth], told, answers))
    louder = metrics_of(
        FRAUD, summed(FRAUD, names[truth], np.stack([1 - loud, loud], axis=1), answers)
    )
    assert honest["calibration error"].figure < 0.02
    assert louder["calibration error"].interval[0] > 0.1


def test_only_what_was_shown_counts_as_shown():
    """M3: withheld answers do not flatter what people saw."""
    answers = ["a", "b", "c", "a"]
    outputs = np.full((4, 3), 1 / 3)
    sums = summed(THREE, ["a", "b", "a", "b"], outputs, answers, [True, False, False, True])
    found = metrics_of(THREE, sums)
    assert found["accuracy"].figure == 0.5
    shown = found["accuracy of what was shown"]
    assert (shown.figure, shown.rows) == (0.5, 2)
    assert "roc_auc" not in found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=50))
def test_numbers(pairs):
    """M3: errors of numbers, from moments alone."""
    truths, outputs = [t for t, _ in pairs], np.array([o for _, o in pairs])
    found = metrics_of(PRICE, summed(PRICE, truths, outputs, outputs.tolist()))
    assert found["mae"].figure == pytest.approx(mean_absolute_error(truths, outputs), abs=1e-6)
    rmse = root_mean_squared_error(truths, outputs)
    assert found["rmse"].figure == pytest.approx(rmse, rel=1e-6, abs=1e-6)
    low, high = found["rmse"].interval
    assert low <= found["rmse"].figure * (1 + 1e-12) <= high * (1 + 1e-9)


def test_rankings():
    """M3: where the truth stood."""
    outputs = np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [0, 9, 1, 2], [5, 5, 5, 5]])
    found = metrics_of(ITEMS, summed(ITEMS, ["p", "p", "q", "r"], outputs, [None] * 4))
    assert [found[f"hit rate at {k}"].figure for k in (1, 3, 10)] == [0.5, 0.75, 1.0]


def test_a_label_that_cannot_be_one_is_known():
    """M16: what no answer could be is not held against the answers."""
    assert fits(FRAUD, "fraud")
    assert fits(PRICE, 3)
    assert fits(ITEMS, "s")
    for contract, label in ((FRAUD, "frad"), (FRAUD, 1), (PRICE, "3"), (PRICE, float("nan")),
                            (PRICE, True), (ITEMS, "z")):  # fmt: skip
        assert not fits(contract, label)


def test_nothing_is_nothing():
    assert metrics_of(FRAUD, {}) == {}
