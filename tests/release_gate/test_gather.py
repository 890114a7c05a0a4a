"""S8 S32 N7: both versions over the candidate's set, in real processes, each as its contract says."""

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import InvalidBundle
from mainstay.release.gate.gather import gather
from mainstay.release.gate.habits import Repeated
from mainstay.release.gate.judge import findings_of
from tests.release_gate.conftest import ROWS
from tests.release_gate.evidence import ROOM

TWO = "x: {type: number}\ny: {type: number}"


def look(candidate, baseline, repeated=None, seconds=10.0):
    return gather(candidate, baseline, repeated or Repeated(), ROOM, seconds)


def test_rows_answers_and_labels_stay_together(made):
    """Whatever the order was that was drawn, each answer stands beside its own row and truth."""
    seen = look(made(0.5), made(0.0))
    assert seen.rows == seen.asked == ROWS
    x = seen.inputs["x"]
    assert (seen.labels == (x >= 0)).all()
    assert (seen.candidate.chosen == (x >= 0.5)).all()
    assert (seen.baseline.chosen == (x >= 0.0)).all()
    np.testing.assert_allclose(seen.candidate.raw[:, 1], 1 / (1 + np.exp(2 - 4 * x)), atol=1e-5)
    for side in (seen.candidate, seen.baseline):
        assert 0 < side.cost.one_row.best <= side.cost.one_row.typical
        assert side.cost.peak_resident_bytes > 10 << 20
    alone = look(made(0.5), None)
    assert (alone.rows, alone.baseline) == (ROWS, None)


def test_exchanged_they_are_asked_the_same_rows_in_the_same_order(made):
    there, back = look(made(0.5), made(0.0)), look(made(0.0), made(0.5))
    assert np.array_equal(there.inputs["x"], back.inputs["x"])
    assert np.array_equal(there.candidate.raw, back.baseline.raw)


def test_a_candidate_with_an_input_more_is_compared_on_what_the_old_one_takes(made):
    """A schema change cannot block the gate: each version gets the raw inputs it knows."""
    seen = look(made(0.5, TWO), made(0.0))
    assert not seen.incomparable
    assert (seen.baseline.chosen == (seen.inputs["x"] >= 0)).all()


def test_a_version_that_needs_what_is_gone_is_named_with_it(made):
    seen = look(made(0.5), made(0.0, TWO))
    assert "needs 'y', which is not there any more" in seen.incomparable
    assert seen.rows == ROWS
    assert seen.baseline.cost.one_row.best > 0


def test_an_input_that_may_be_missing_is_missing(made):
    seen = look(made(0.5), made(0.0, "x: {type: number}\ny: {type: number, optional: true}"))
    # A linear model answers nothing finite without it, and the words of the gate stay the same.
    assert not seen.incomparable
    assert seen.rows == ROWS


def test_rows_that_the_old_contract_refuses_are_left_out(made):
    seen = look(made(0.5), made(0.0, "x: {type: number, min: -9, max: 0.7}", highest=0.7))
    assert 0 < seen.rows < ROWS
    assert seen.inputs["x"].max() <= 0.7
    assert (seen.labels == (seen.inputs["x"] >= 0)).all()
    assert any(each.check == "rows compared" for each in findings_of(seen))


def test_classes_in_another_order_mean_the_same(made):
    """The old version's probabilities and answers are read by the names of its own classes."""
    seen = look(made(0.5), made(0.0, classes="fraud, ok"))
    x = seen.inputs["x"]
    assert (seen.baseline.chosen == (x >= 0)).all()
    np.testing.assert_allclose(seen.baseline.raw[:, 1], 1 / (1 + np.exp(-4 * x)), atol=1e-5)


def test_when_the_time_is_over_fewer_rows_are_compared(made):
    """The figure of the issue: the gate ends in time, whatever a model costs."""
    seen = look(made(0.5), made(0.0), seconds=0.0)
    assert (seen.rows, seen.asked) == (256, ROWS)
    assert (seen.labels == (seen.inputs["x"] >= 0)).all()


def test_a_version_that_cannot_be_run_here_is_no_fault_of_the_candidate(made):
    damaged = msgspec.structs.replace(made(0.0), fingerprint="0" * 64)
    seen = look(made(0.5), damaged)
    assert "could not be run to compare with" in seen.incomparable
    verdicts = {each.check: each.verdict for each in findings_of(seen)}
    assert (verdicts["memory"], verdicts["time of one row"]) == ("unsure", "unsure")
    with pytest.raises(InvalidBundle):
        look(damaged, made(0.5))


def test_habits_are_asked_of_both(made):
    """S32: an answer that changes is seen with what it was and what it becomes."""
    repeated = Repeated(
        columns={"x": np.array([0.2, 2.0, -1.0])},
        times=(30, 20, 10),
        words=("x=0.2", "x=2", "x=-1"),
    )
    seen = look(made(0.5), made(0.0), repeated)
    assert [(h.words, h.times, h.before, h.after, h.kept) for h in seen.habits] == [
        ("x=0.2", 30, "fraud", "ok", False),
        ("x=2", 20, "fraud", "fraud", True),
        ("x=-1", 10, "ok", "ok", True),
    ]
    assert (seen.rows, seen.asked) == (ROWS, ROWS)
    swapped = look(made(0.5), made(0.0, classes="fraud, ok"), repeated)
    assert [habit.kept for habit in swapped.habits] == [False, True, True]


def test_habits_that_cannot_be_asked_say_why(made):
    repeated = Repeated(columns={"x": np.array([0.2])}, times=(30,), words=("x=0.2",))
    seen = look(made(0.5, TWO), made(0.0), repeated)
    assert seen.habits == ()
    assert "the candidate needs 'y'" in seen.habits_unasked
