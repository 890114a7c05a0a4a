"""N1: metrics on the card are the ones scikit-learn gives."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from mainstay.bundle.metrics import log_loss, measure, roc_auc
from mainstay.contract.model import Label, NumberOutput, Probability


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("decimals", [1, 9])
def test_class_metrics_agree_with_scikit_learn(classes, decimals):
    random = np.random.default_rng(classes)
    raw = np.round(random.dirichlet(np.ones(classes), 300), decimals)
    raw /= raw.sum(axis=1, keepdims=True)
    labels = random.integers(0, classes, 300)
    positive = raw[:, 1] if classes == 2 else raw
    assert roc_auc(raw, labels) == pytest.approx(
        oracle.roc_auc_score(labels, positive, multi_class="ovr"))
    assert log_loss(raw, labels) == pytest.approx(
        oracle.log_loss(labels, raw, labels=list(range(classes))))
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
        "accuracy": 0.5}


def test_number_metrics_agree_with_scikit_learn():
    random = np.random.default_rng(1)
    got, labels = random.normal(size=50), random.normal(size=50)
    found = measure(NumberOutput(), got, np.append(labels[:-1], np.nan))
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(labels[:-1], got[:-1]))
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(labels[:-1], got[:-1]))
