"""One person's budget of errors, questions and answers is never passed: S25 S34."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract, Integer, Number, Probability, Text
from mainstay.contract.people import Exposure
from mainstay.judge.compile import compile_flow
from mainstay.judge.exposure import ExposureStage, budgets_of, key_of
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, HELD, OPTIONS, Case, Means
from mainstay.tally.memory import MemoryTally

HOUR = 3_600_000_000_000
SPEAKING = {ANSWERED, ASKED, OPTIONS, FALLBACK}


def contract_of(**exposure: str) -> Contract:
    return Contract(
        model="advice",
        inputs={"user": Text(optional=True), "number": Integer(optional=True), "x": Number()},
        output=Probability(classes=("no", "yes")),
        judge=Judge(exposure=Exposure(**exposure)),
    )


def case_of(
    users: list[str | None], statuses: list[int] | None = None, at_ns: int = 0, caller: str = "shop"
) -> Case:
    rows = len(users)
    return Case(
        rows=rows,
        inputs={
            "user": np.array(users, dtype=object),
            "number": np.arange(rows, dtype=np.float64),
            "x": np.zeros(rows),
        },
        context={},
        output=np.full((rows, 2), 0.5),
        names=("user", "number", "x"),
        callers=lambda: [caller] * rows,
        time_ns=ManualClock().now_ns() + at_ns,
        statuses=np.array(statuses or [ANSWERED] * rows, dtype=np.uint8),
        reasons={},
    )


def stage_of(tally: MemoryTally | None = None, **exposure: str) -> ExposureStage:
    contract = contract_of(**exposure)
    means = Means(tally=tally or MemoryTally())
    assert contract.judge.exposure is not None
    return ExposureStage(contract, contract.judge.exposure, means)


def test_rows_of_one_person_in_one_run_count_one_after_the_other():
    """The fourth of five answers is one too many, and says so in plain words."""
    stage = stage_of(unit="user", answers="3 per 1d")
    case = case_of(["ann", "bob", "ann", "ann", "ann", "ann", "bob"])
    stage(case)
    assert case.statuses.tolist() == [0, 0, 0, 0, DECLINED, DECLINED, 0]
    assert case.words[4] == "You heard enough from us for now."
    assert case.reasons[4] == "exposure: this person's answers are at their limit of 3 per 1d"


def test_only_questions_count_as_questions():
    stage = stage_of(unit="user", prompts="2 per 1d")
    case = case_of(["ann"] * 6, [ASKED, ANSWERED, OPTIONS, FALLBACK, ASKED, ANSWERED])
    stage(case)
    assert case.statuses.tolist() == [ASKED, ANSWERED, OPTIONS, FALLBACK, DECLINED, ANSWERED]


def test_what_is_not_told_is_neither_counted_nor_changed():
    stage = stage_of(unit="user", answers="1 per 1d")
    case = case_of(["ann"] * 4, [HELD, DECLINED, ANSWERED, HELD])
    stage(case)
    assert case.statuses.tolist() == [HELD, DECLINED, ANSWERED, HELD]


def test_what_is_declined_spends_no_other_budget():
    """A question that may not be asked is no answer that was heard."""
    stage = stage_of(unit="user", prompts="1 per 1d", answers="2 per 1d")
    case = case_of(["ann"] * 4, [ASKED, ASKED, ANSWERED, ANSWERED])
    stage(case)
    assert case.statuses.tolist() == [ASKED, DECLINED, ANSWERED, DECLINED]


def test_a_model_that_was_wrong_for_a_person_is_silent_until_it_is_past():
    """S25: perceived errors, counted elsewhere, silence the model for this person alone."""
    tally = MemoryTally()
    stage = stage_of(tally, unit="user", errors="2 per 1d")
    errors = budgets_of(contract_of(unit="user", errors="2 per 1d"), tally)["errors"]
    now = ManualClock().now_ns()
    for _ in range(2):
        assert _run(stage, ["ann", "bob"]) == [ANSWERED, ANSWERED]
        tally.add(errors.name, key_of("ann", "shop"), (1,), now)
    assert _run(stage, ["ann", "bob"]) == [DECLINED, ANSWERED]
    assert _run(stage, ["ann", "bob"], 23 * HOUR) == [DECLINED, ANSWERED]
    assert _run(stage, ["ann", "bob"], 26 * HOUR) == [ANSWERED, ANSWERED]


def _run(stage: ExposureStage, users: list[str | None], at_ns: int = 0) -> list[int]:
    case = case_of(users, at_ns=at_ns)
    stage(case)
    return case.statuses.tolist()


def test_who_is_not_named_is_known_by_the_caller():
    """A missing unit, and a contract that names none, count the caller; who happens to be called
    as a caller is somebody else."""
    stage = stage_of(unit="user", answers="1 per 1d")
    assert _run(stage, [None, None, "shop", "caller shop"]) == [0, DECLINED, 0, 0]
    alone = stage_of(answers="1 per 1d")
    assert _run(alone, ["ann", "bob"]) == [0, DECLINED]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(7, 7.0, True), ("7", 7, True), (None, float("nan"), True), (7, 8, False), ("ü", "u", False)],
)
def test_a_person_is_one_person_however_the_id_is_carried(one, other, same):
    """The matrix of one door and the JSON of a recorded decision say 7.0 and 7."""
    assert (key_of(one, "shop") == key_of(other, "shop")) is same
    assert str(one) not in key_of(one, "shop") or len(str(one)) == 1


def test_a_number_in_a_matrix_names_a_person():
    stage = stage_of(unit="number", answers="1 per 1d")
    assert _run(stage, ["a", "b"]) == [0, 0]
    assert _run(stage, ["a", "b"]) == [DECLINED, DECLINED]


def test_who_asks_for_it_hears_it():
    """S34: explicit interest is respected, and spends nothing; a missing value is no interest."""
    stage = stage_of(unit="user", answers="1 per 1d", unless="number == 1 or number == 2")
    assert _run(stage, ["ann"] * 5) == [0, 0, 0, DECLINED, DECLINED]
    missing = case_of(["ann"])
    missing.inputs["number"] = np.array([np.nan])
    stage(missing)
    assert missing.statuses.tolist() == [DECLINED]


def test_the_flow_of_a_contract_that_limits_nothing_has_no_such_stage():
    contract = contract_of(answers="1 per 1d")
    case = case_of(["ann", "ann"])
    compile_flow(contract)(case)
    assert case.statuses.tolist() == [ANSWERED, DECLINED]


RUNS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=1, max_size=6),
    ),
    max_size=15,
)


@given(runs=RUNS, prompts=st.integers(1, 4), answers=st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_no_row_beyond_a_budget_is_ever_told(runs, prompts, answers):
    """Whatever comes, when and for whom: in no stretch of twelve hours is a person told or asked
    more than the contract says, and as long as nothing is spent nobody is silenced."""
    tally = MemoryTally()
    # Two versions beside each other spend the same budgets.
    stages = [
        stage_of(tally, unit="user", prompts=f"{prompts} per 12h", answers=f"{answers} per 12h")
        for _ in range(2)
    ]
    told: list[tuple[int, str, int]] = []
    now = 0
    for number, (hours, rows) in enumerate(runs):
        now += hours * HOUR // 4
        users = [user for user, _ in rows]
        before = [status for _, status in rows]
        case = case_of(users, before, now)
        stages[number % 2](case)
        for user, was, status in zip(users, before, case.statuses.tolist(), strict=True):
            assert status in {was, DECLINED}
            if status in SPEAKING:
                told.append((now, user, status))
            elif was in SPEAKING:
                lately = [s for t, u, s in told if u == user and now - t <= 13 * HOUR]
                spent = len(lately) >= answers
                asked = sum(s in {ASKED, OPTIONS} for s in lately) >= prompts
                assert spent or (asked and was in {ASKED, OPTIONS})
    for until, user, _ in told:
        lately = [s for t, u, s in told if u == user and until - 12 * HOUR <= t <= until]
        assert len(lately) <= answers
        assert sum(status in {ASKED, OPTIONS} for status in lately) <= prompts
