"""M7 S18: confidence is corrected so that it says how often an answer is right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibrate import (
    ROWS_MIN,
    calibrate,
    fit_isotonic,
    fit_temperature,
    isotonic,
    reliability,
)
from mainstay.bundle.calibration import confidence, correction, tempered
from mainstay.bundle.judgement import Calibration
from mainstay.contract.model import Probability

TWO = Probability(classes=("ok", "bad"))
THREE = Probability(classes=("a", "b", "c"))


def skewed(rows: int, sharpness: float, seed: int = 3, classes: int = 2):
    """Probabilities that a model says, and truths of what it should have said."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1)
    said = np.exp(sharpness * logits)
    return said / said.sum(axis=1, keepdims=True), truth.clip(0, classes - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60))
def test_the_isotonic_curve_is_scikit_learns(rows):
    """M7: at every place and in between, ties included."""
    said = np.array([x / 12 for x, _ in rows])
    so = np.array([float(y) for _, y in rows])
    theirs = IsotonicRegression(out_of_bounds="clip").fit(said, so)
    points = np.array(isotonic(said, so))
    places = np.linspace(-0.1, 1.1, 49)
    ours = np.interp(places, points[:, 0], points[:, 1])
    assert ours == pytest.approx(theirs.predict(places), abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_one_with_the_least_loss(sharpness, classes):
    """M7: as a general optimiser finds it."""
    said, truth = skewed(2000, sharpness, classes=classes)

    def loss(heat: float) -> float:
        return log_loss(truth, tempered(said, heat), labels=list(range(classes)))

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-7})
    found = fit_temperature(said, truth).temperature
    assert found == pytest.approx(best.x, rel=1e-3)
    assert found == pytest.approx(sharpness, rel=0.25)


def test_the_reliability_curve_is_scikit_learns():
    """M7: bins of as many rows each, their mean confidence and their share of right answers."""
    said, truth = skewed(900, 2.0)
    right = truth == 1
    found = reliability(said[:, 1], right)
    true, mean = calibration_curve(right, said[:, 1], n_bins=15, strategy="quantile")
    assert [each.right for each in found.bins] == pytest.approx(true, abs=1e-6)
    assert [each.confidence for each in found.bins] == pytest.approx(mean, abs=1e-6)
    rows = np.array([each.rows for each in found.bins])
    assert rows.sum() == 900
    assert found.error == pytest.approx((rows * np.abs(true - mean)).sum() / 900, abs=1e-6)
    low, high = found.interval
    assert low <= found.error <= high


def test_no_error_is_found_where_there_is_none_and_chance_is_not_taken_for_one():
    """M7: of a model that is right as often as it says the interval reaches down to about 0."""
    said, truth = skewed(4000, 1.0)
    found = reliability(said[:, 1], truth == 1)
    assert found.interval[0] < 0.01
    off, truth = skewed(4000, 3.0)
    assert reliability(off[:, 1], truth == 1).interval[0] > 0.05


def test_the_way_that_does_best_is_chosen():
    """M7: nothing for a model that is right as often as it says, a temperature for one that is
    too sure, a curve for one that is wrong in its own way."""
    said, truth = skewed(4000, 1.0)
    assert calibrate(TWO, said, truth, "auto")[0].method == "none"
    said, truth = skewed(4000, 3.0)
    found, held_out = calibrate(TWO, said, truth, "auto")
    assert found.method == "temperature"
    right = chosen_classes(TWO, said) == truth
    assert reliability(held_out, right).error < 0.03 < reliability(said.max(axis=1), right).error
    bent = np.column_stack([1 - said[:, 1] ** 3, said[:, 1] ** 3])
    found, _ = calibrate(TWO, bent, truth, "auto")
    assert found.method == "isotonic"
    assert found.losses["isotonic"] < found.losses["temperature"] < found.losses["none"]
    assert found.rows == 4000


def test_figures_come_from_rows_that_the_correction_did_not_see():
    """M7: a curve through pure noise looks perfect on its own rows, and is not told to be."""
    random = np.random.default_rng(5)
    said = random.random(1200)
    raw = np.column_stack([1 - said, said])
    truth = random.integers(0, 2, 1200)
    _, held_out = calibrate(TWO, raw, truth, "isotonic")
    right = chosen_classes(TWO, raw) == truth
    own = confidence(TWO, fit_isotonic(raw, truth))(raw)

    def brier(sure):
        return float(np.mean((sure - right) ** 2))

    assert brier(own) < 0.25 < brier(held_out)


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_few_rows_correct_nothing_and_say_so(rows):
    """M7: rather no correction than a wild one."""
    said, truth = skewed(max(rows, 1), 3.0)
    found, _ = calibrate(TWO, said[:rows], truth[:rows], "auto")
    assert found.method == "none"
    assert f"{rows} rows with a label are too few" in found.why
    said, truth = skewed(400, 3.0)
    assert "isotonic" not in calibrate(TWO, said, truth, "auto")[0].losses
    assert ROWS_MIN["isotonic"] > 400


def test_no_finite_number_of_rows_makes_an_answer_certain():
    """S18: an expected cost of 0 would let everything pass."""
    raw = np.array([[0.9, 0.1]] * 50 + [[0.1, 0.9]] * 50)
    found = fit_isotonic(raw, np.array([0] * 50 + [1] * 50))
    assert confidence(TWO, found)(raw) == pytest.approx(0.995)


corrections = st.one_of(
    st.just(Calibration()),
    st.floats(0.1, 8).map(lambda heat: Calibration(method="temperature", temperature=heat)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 0.999)), min_size=1, max_size=6).map(
        lambda points: Calibration(
            method="isotonic",
            points=tuple(zip(*(sorted(each) for each in zip(*points, strict=True)), strict=True)),
        )
    ),
)
weights = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3)


@settings(max_examples=150, deadline=None)
@given(corrections, st.lists(weights, min_size=1, max_size=5), st.sampled_from([2, 3]),
       st.floats(0.05, 1.0), st.sampled_from([np.float32, np.float64]))  # fmt: skip
def test_corrected_probabilities_are_probabilities(found, rows, classes, threshold, kind):
    """M7 S24: between 0 and 1, adding up to 1, and the confidence is that of the answer."""
    raw = np.array(rows)[:, :classes] + 1e-3
    raw = (raw / raw.sum(axis=1, keepdims=True)).astype(kind)
    output = Probability(classes=("a", "b", "c")[:classes],
                         threshold=threshold if classes == 2 else 0.5)  # fmt: skip
    correct = correction(found, classes)
    corrected = raw if correct is None else correct(raw)
    assert (corrected >= -1e-12).all()
    assert corrected.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    sure = confidence(output, found)(raw)
    assert sure.dtype == np.float64
    answered = corrected[np.arange(len(raw)), chosen_classes(output, raw)]
    assert sure == pytest.approx(answered.astype(np.float64), abs=1e-6)
