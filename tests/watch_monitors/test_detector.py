"""The sequential test under the monitors keeps its promise, however often somebody looks: M4 M5 M8."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.summaries.reference import Known, reference_of
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.monitors.detector import Question, State, advance, evidence
from mainstay.watch.monitors.questions import Asked, counts_for, questions_of


def known(column: np.ndarray) -> Known:
    return reference_of({"x": column}, "training data").columns["x"]


def watch(about: Known, asked: Asked, stretches: list[np.ndarray]) -> list[float]:
    """The wealth after each stretch."""
    state, wealths = State(), []
    for number, column in enumerate(stretches):
        summary = summarise(values_of(column), about.ruler)
        counts = counts_for(asked, summary, about.ruler.names)
        state = advance(state, asked.question, counts, number + 1)
        wealths.append(evidence(state, asked.question).wealth)
    return wealths


def test_at_the_very_bound_alarms_are_as_rare_as_promised():
    """M8: a mean that lies exactly at the tolerance is the worst case that counts as unchanged; an
    alarm every 50 stretches was allowed, and the mean wait over 300 lives is longer than that."""
    generator = np.random.default_rng(11)
    question = Question((0.0, 1.0), 0.4, 0.1)
    waits: list[int] = []
    for _ in range(300):
        state, wait = State(), 0
        while wait < 400:
            wait += 1
            ones = generator.binomial(20, 0.5)
            state = advance(state, question, [20 - ones, ones], wait)
            if evidence(state, question).wealth >= math.log(50):
                break
        waits.append(wait)
    assert np.mean(waits) > 50


@pytest.mark.parametrize("rows", [20, 1000])
def test_an_unchanged_column_is_left_alone(rows: int):
    """M4 M5: a hundred columns, a month of hours, references of 500 rows that are a little off."""
    generator = np.random.default_rng(rows)
    alarms = 0
    for _ in range(20):
        about = known(generator.normal(size=500))
        month = [generator.normal(size=rows) for _ in range(100)]
        for asked in questions_of(about):
            alarms += max(watch(about, asked, month)) >= math.log(720)
    assert alarms == 0


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("place", lambda x: x + 0.5),
        ("place", lambda x: x - 0.5),
        ("spread", lambda x: x * 2.0),
        ("spread", lambda x: x * 0.4),
        ("missing", lambda x: np.where(np.arange(len(x)) % 4 == 0, None, x)),
    ],
)
def test_each_question_finds_its_change(what: str, change):
    """M5: within a day of hours with 200 rows, and where it began is told to the stretch."""
    generator = np.random.default_rng(3)
    about = known(generator.normal(size=5000))
    asked = next(each for each in questions_of(about) if each.what == what)
    state = State()
    for hour in range(1, 49):
        column = generator.normal(size=200)
        summary = summarise(values_of(change(column) if hour > 24 else column), about.ruler)
        state = advance(state, asked.question, counts_for(asked, summary, ()), hour)
    found = evidence(state, asked.question)
    assert found.wealth > math.log(720 * 100)
    assert found.since_ms == 25
    assert found.rows == 24 * 200
    assert abs(found.shift) > asked.question.tolerance


def test_categories_that_come_and_go():
    """M5 M6: a share that changes, and values that nobody knew."""
    generator = np.random.default_rng(4)
    about = known(generator.choice(["DE", "FR", "US"], 3000, p=[0.6, 0.3, 0.1]).astype(object))
    after = [generator.choice(["DE", "FR", "XX"], 200, p=[0.4, 0.3, 0.3]).astype(object)] * 10
    loud = {a.what: max(watch(about, a, after)) > math.log(720) for a in questions_of(about)}
    assert loud == {
        "missing": False, "share of DE": True, "share of FR": False, "share of US": True,
        "share of unknown": True,
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), max_size=8),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_no_count_breaks_it(stretches, values, mean, tolerance):
    """M5: whatever comes, there is a figure; and what is recorded of the run is what came."""
    question = Question(tuple(values), mean, tolerance)
    state = State()
    for number, counts in enumerate(stretches):
        state = advance(state, question, counts, number + 1)
    found = evidence(state, question)
    assert not math.isnan(found.wealth)
    assert not math.isnan(found.mean)
    assert 0 <= found.rows <= sum(map(sum, stretches))


def test_wealth_is_the_sum_over_all_beginnings():
    """M8: a second way to the same figure: every bet started at every stretch, added up."""
    generator = np.random.default_rng(5)
    question = Question((0.0, 0.5, 1.0), 0.5, 0.05)
    counts = generator.integers(0, 30, (12, 3))
    state = State()
    for number, stretch in enumerate(counts):
        state = advance(state, question, stretch, number + 1)
    total, bets = 0.0, 0
    for share in (0.02, 0.05, 0.12, 0.3, 0.7):
        for bound, stake in ((0.55, share / 0.55), (0.45, -share / 0.55)):
            bets += 1
            for begin in range(len(counts)):
                wealth = 1.0
                for stretch in counts[begin:]:
                    for count, value in zip(stretch, question.values, strict=True):
                        wealth *= (1 + stake * (value - bound)) ** float(count)
                total += wealth
    assert evidence(state, question).wealth == pytest.approx(math.log(total / bets))
