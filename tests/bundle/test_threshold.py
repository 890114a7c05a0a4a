"""S23: a threshold follows from costs, or from a precision or recall that must be reached."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.threshold import CURVE_MAX, choose
from mainstay.contract.model import ThresholdRule

labelled = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.70001, 0.9, 1.0]), st.booleans()),
    min_size=2,
    max_size=30,
).filter(lambda rows: 0 < sum(y for _, y in rows) < len(rows) and any(x > 0 for x, _ in rows))


def arrays(rows, kind=np.float64):
    scores = np.array([x for x, _ in rows], dtype=kind)
    return scores, np.array([y for _, y in rows])


def cost_of(scores, positive, threshold, rule):
    said = scores >= scores.dtype.type(threshold)
    wrong = (said & ~positive).sum() * rule.false_positive_costs
    return (wrong + (~said & positive).sum() * rule.false_negative_costs) / len(scores)


@settings(max_examples=80, deadline=None)
@given(labelled, st.floats(0.05, 1.0), st.sampled_from([np.float32, np.float64]))
def test_the_highest_precision_with_enough_recall(rows, least, kind):
    """S23: as scikit-learn's curve has it, and reached by the threshold itself."""
    scores, positive = arrays(rows, kind)
    precision, recall, at = precision_recall_curve(positive, scores)
    usable = np.append(at, 2.0) > 0
    enough = (recall >= least - 1e-12) & usable & (recall > 0)
    rule = ThresholdRule(max="precision", recall_at_least=least)
    if not enough.any():
        with pytest.raises(InvalidUsage, match="no threshold reaches a recall"):
            choose(rule, scores, positive)
        return
    found = choose(rule, scores, positive)
    said = scores >= kind(found.chosen)
    assert recall_score(positive, said) >= least - 1e-9
    assert precision_score(positive, said) == pytest.approx(precision[enough].max())
    assert found.reached.precision == pytest.approx(precision_score(positive, said), abs=1e-6)
    assert found.reached.recall == pytest.approx(recall_score(positive, said), abs=1e-6)
    low, high = found.recall_interval
    assert low - 1e-6 <= found.reached.recall <= high + 1e-6
    assert 0 < found.chosen <= 1


@settings(max_examples=80, deadline=None)
@given(labelled, st.floats(0.05, 1.0))
def test_the_highest_recall_with_enough_precision(rows, least):
    """S23: or a refusal that says how much there is at most."""
    scores, positive = arrays(rows)
    precision, recall, at = precision_recall_curve(positive, scores)
    enough = (precision >= least - 1e-12) & (np.append(at, 2.0) > 0) & (recall > 0)
    rule = ThresholdRule(max="recall", precision_at_least=least)
    if not enough.any():
        with pytest.raises(InvalidUsage, match="no threshold reaches a precision"):
            choose(rule, scores, positive)
        return
    found = choose(rule, scores, positive)
    said = scores >= found.chosen
    assert precision_score(positive, said) >= least - 1e-9
    assert recall_score(positive, said) == pytest.approx(recall[enough].max())


@settings(max_examples=80, deadline=None)
@given(labelled, st.integers(0, 9), st.integers(1, 100))
def test_the_least_mean_cost(rows, wrongly, missed):
    """S23: no threshold at all is cheaper, answering nobody included."""
    scores, positive = arrays(rows)
    rule = ThresholdRule(false_positive_costs=wrongly, false_negative_costs=missed)
    found = choose(rule, scores, positive)
    every = {*np.unique(scores[scores > 0]).tolist(), 1.0}
    best = min(cost_of(scores, positive, each, rule) for each in every)
    assert cost_of(scores, positive, found.chosen, rule) == pytest.approx(best)
    assert found.reached.cost == pytest.approx(best, abs=1e-6)


def test_the_curve_is_short_and_holds_the_choice():
    """S23: what was chosen can be seen among what could have been."""
    random = np.random.default_rng(1)
    scores = random.random(5000)
    found = choose(ThresholdRule(max="precision", recall_at_least=0.8), scores,
                   random.random(5000) < scores)  # fmt: skip
    assert len(found.curve) <= CURVE_MAX
    assert found.reached in found.curve
    assert [p.recall for p in found.curve] == sorted(p.recall for p in found.curve)
    assert found.rows == 5000


@pytest.mark.parametrize("positive", [True, False])
def test_rows_of_one_class_choose_nothing(positive):
    """S23"""
    with pytest.raises(InvalidUsage, match="cannot be chosen") as refused:
        choose(
            ThresholdRule(max="recall", precision_at_least=0.5),
            np.array([0.1, 0.9]),
            np.array([positive, positive]),
        )
    assert refused.value.expected == "rows of both classes"


def test_two_neighbours_of_32_bits_are_told_apart():
    """S23: the number halfway between them would be rounded to the lower one when a model that
    answers with 32 bits is compared with it."""
    lower = np.float32(0.5)
    scores = np.array([lower, np.nextafter(lower, np.float32(1))], dtype=np.float32)
    found = choose(
        ThresholdRule(max="precision", recall_at_least=1.0), scores, np.array([False, True])
    )
    assert (scores >= np.float32(found.chosen)).tolist() == [False, True]
    assert found.reached.precision == 1.0


def test_answering_nobody_may_be_the_cheapest():
    """S23: where the second class is rarely right and dear when wrong."""
    rule = ThresholdRule(false_positive_costs=100, false_negative_costs=1)
    found = choose(rule, np.array([0.2, 0.9]), np.array([True, False]))
    assert (found.chosen, found.reached.recall, found.reached.cost) == (1.0, 0.0, 0.5)
