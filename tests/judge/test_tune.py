"""S18 S23: bars that history recommends, and history under other bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.bundle.metrics import wilson
from mainstay.judge.tune import (
    LABELS_MIN,
    POINTS_MAX,
    Bars,
    Goal,
    History,
    curve_of,
    plot,
    tune,
    under,
)


def history(rows: int, seed: int = 1, amounts=None) -> History:
    """A model that is right as often as it says."""
    random = np.random.default_rng(seed)
    sure = random.uniform(0.5, 1.0, rows)
    return History(sure=sure, right=random.random(rows) < sure, amounts=amounts)


places = st.sampled_from([0.2, 0.5, 0.5000001, 0.8, 1.0])
rows = st.lists(st.tuples(places, st.booleans(), st.floats(0, 9)), min_size=1, max_size=25)


@settings(max_examples=80, deadline=None)
@given(rows)
def test_the_curve_is_what_counting_says(decisions):
    """S18: at every bar, ties told together."""
    sure, right, amounts = (np.array(each) for each in zip(*decisions, strict=True))
    found = curve_of(History(sure=sure, right=right, amounts=amounts))
    assert len(found) == len(set(sure.tolist()))
    for point, bar in zip(found, sorted(set(sure.tolist()), reverse=True), strict=True):
        told = sure >= bar
        assert point.bar == pytest.approx(bar, abs=1e-6)
        assert point.told == pytest.approx(told.mean(), abs=1e-6)
        assert point.wrong == pytest.approx((~right[told]).mean(), abs=1e-6)
        assert point.cost == pytest.approx((amounts * told * ~right).sum() / len(sure), abs=1e-6)
        assert point.interval[0] - 1e-6 <= point.wrong <= point.interval[1] + 1e-6


@pytest.mark.parametrize("most", [0.05, 0.15, 0.4])
def test_a_bar_that_withholds_no_more_than_that_also_of_decisions_to_come(most):
    """S18: chosen on some decisions, counted on others."""
    found = tune(history(4000), Goal(withhold_at_most=most))
    assert found.verdict == "found"
    (advice,) = found.advice
    assert advice.setting == "judge.confidence.at_least"
    later = under(history(20_000, seed=2), Bars(confidence=advice.value))
    assert most * 0.6 < later.withheld / later.labels <= most
    assert later.wrong is not None
    assert found.wrong is not None
    assert later.wrong < found.wrong


def test_a_bar_for_a_share_of_wrong_answers_keeps_it_on_decisions_to_come():
    """S18: the interval's end counts, so that chance does not choose the bar."""
    found = tune(history(4000), Goal(error_at_most=0.15))
    (advice,) = found.advice
    later = under(history(20_000, seed=3), Bars(confidence=advice.value))
    assert later.wrong is not None
    assert later.wrong <= 0.15
    assert advice.point is not None
    assert advice.point.interval[1] <= 0.15


@pytest.mark.parametrize(
    ("decisions", "goal", "words"),
    [
        (history(LABELS_MIN - 1), Goal(), "are too few"),
        (History(sure=np.full(900, 0.9), right=np.ones(900, dtype=bool)), Goal(), "0 of them"),
        (history(900), Goal(error_at_most=0.001), "no bar keeps"),
    ],
)
def test_what_history_cannot_tell_is_unsure(decisions, goal, words):
    """S18: never a number out of too little."""
    found = tune(decisions, goal)
    assert found.verdict == "unsure"
    assert words in found.words
    assert found.advice == ()


def test_a_bar_of_cost_asks_about_the_dearest_mistakes():
    """S18: no more than the share that may be asked about, and most of what mistakes cost."""
    amounts = np.random.default_rng(4).pareto(1.5, 4000) * 10
    decisions = history(4000, amounts=amounts)
    found = tune(decisions, Goal(withhold_at_most=0.15))
    confidence, cost = found.advice
    assert cost.setting == "judge.cost.ask_above"
    seen = under(decisions, Bars(ask_above=cost.value))
    everything = under(decisions, Bars())
    assert 0.14 <= seen.asked / seen.labels <= 0.151
    assert seen.cost is not None
    assert everything.cost is not None
    assert seen.cost < 0.5 * everything.cost
    other = under(decisions, Bars(confidence=confidence.value)).cost
    assert other is not None
    assert other > seen.cost


@settings(max_examples=80, deadline=None)
@given(rows, st.floats(0, 1), st.floats(0, 5), st.floats(0, 9))
def test_other_bars_part_history_and_tell_nothing_below_them(decisions, bar, ask, decline):
    """S18: every decision is somewhere, and none that is told is below a bar."""
    sure, right, amounts = (np.array(each) for each in zip(*decisions, strict=True))
    amounts[::3] = np.nan
    found = History(sure=sure, right=right, amounts=amounts,
                    statuses=("answered",) * len(sure))  # fmt: skip
    seen = under(found, Bars(confidence=bar, ask_above=ask, decline_above=decline))
    assert seen.told + seen.asked + seen.withheld == seen.labels == len(sure)
    wrong = seen.wrong_told + seen.wrong_asked + seen.wrong_withheld
    assert wrong == seen.was_wrong == (~right).sum()
    expected = (1 - sure) * amounts
    may = (sure >= bar) & (expected <= ask) & (expected <= decline)
    assert seen.told == may.sum()
    assert seen.wrong_told == (may & ~right).sum()
    none = under(found, Bars())
    assert (none.told, none.was_told) == (len(sure), len(sure))


def test_the_curve_fits_a_terminal():
    """S18"""
    found = tune(history(5000), Goal())
    assert len(found.curve) <= POINTS_MAX
    lines = plot(found.curve, width=40, height=9)
    assert len(lines) == 11
    assert max(map(len, lines)) <= 52
    assert sum(line.count("•") for line in lines) > 20
    low, high = wilson(found.curve[-1].wrong, 5000, 1.959963984540054)
    assert found.interval == pytest.approx((low, high), abs=1e-5)
    assert plot(()) == []


def test_a_cost_that_nobody_knows_is_asked_about_in_a_replay_too():
    """S18: as judgement does it, where there is a bar at all."""
    found = History(
        sure=np.array([0.9, 0.9]), right=np.array([True, True]), amounts=np.array([np.nan, 1.0])
    )
    assert (under(found, Bars(ask_above=5)).asked, under(found, Bars()).asked) == (1, 0)
    assert under(found, Bars(decline_above=5)).withheld == 1
