"""The fallback chain: what answers in place of a model, and what it may never do (S30 S21)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import Clock, ManualClock
from mainstay.contract.columns import Columns
from mainstay.contract.document import InvalidContractFile
from mainstay.contract.model import Contract
from mainstay.judge.breaker import FAILURES_MAX
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, DECLINED, FALLBACK, Case, Means, Other
from mainstay.judge.sense import Sense
from tests.judge.world import FRAUD, LITE, Spoken, always, case, contract, payments, raising

CHAIN = "{fallback: [fraud-lite, {answer: fraud, when: amount > 500}, {say: A person will look.}]}"
NONSENSE = np.array([[np.nan, 0.5]])


def judged(
    of: Contract, given: Case, lite: Spoken | None = None, clock: Clock | None = None
) -> Case:
    others = {} if lite is None else {"fraud-lite": Other(number=4, loaded=lite)}
    compile_flow(of, Means(clock=clock or ManualClock(), others=others))(given)
    return given


def nonsense(of: Contract, amounts: list[float], countries: list[str] | None = None) -> Case:
    return case(of, payments(amounts, countries), np.repeat(NONSENSE, len(amounts), axis=0))


def record(found: Case) -> list[tuple[int, int, str | None]]:
    if "fallback_step" not in found.judged:  # nothing was taken back, so nothing fell back
        return [(0, 0, None)] * found.rows
    columns = [found.judged[f"fallback_{name}"].tolist() for name in ("step", "version", "answer")]
    return list(zip(*columns, strict=True))


def test_each_row_is_answered_by_the_first_step_that_can() -> None:
    """S30: model → rule → honest words, row by row; what each step had to say is recorded."""
    lite = Spoken(contract(LITE), always(0.9))
    found = judged(contract(judge=CHAIN), nonsense(contract(), [10.0, 5000.0, -3.0]), lite)
    assert found.statuses.tolist() == [FALLBACK, FALLBACK, DECLINED]
    assert record(found) == [(1, 4, "fraud"), (2, 0, "fraud"), (3, 0, None)]
    assert [found.shown[row].answer for row in (0, 1)] == ["fraud", "fraud"]
    assert (found.shown[0].confidence, found.shown[1].confidence) == (0.9, None)
    assert found.words == {2: "A person will look."}
    assert lite.asked == [1], "rows that it may not take are not shown to it"
    assert found.reasons[1].startswith(
        "fallback 2, the answer fraud, answers; fallback 1, fraud-lite"
    )
    assert "at most" in found.reasons[1] or "0 to 1000" in found.reasons[1]
    assert "not so: amount > 500" in found.reasons[2]
    assert found.reasons[0].endswith("the output is not finite")


def test_nothing_of_the_models_output_is_left_where_a_fallback_answers() -> None:
    """S30: a row's tensors hold what the fallback said; rows of the model keep the model's own."""
    of = contract(judge=CHAIN)
    output = np.array([[0.25, 0.75], [np.inf, 0.125], [np.nan, 0.5]], dtype=np.float32)
    found = judged(of, case(of, payments([1, 2, 900]), output), Spoken(contract(LITE), always(0.9)))
    assert found.said.tolist() == [[0.25, 0.75], [1 - 0.9, 0.9], [1 - 0.9, 0.9]]
    assert found.output is output
    found = judged(of, case(of, payments([1, 2, 900]), output))
    assert found.said[2].tolist() == [0.0, 1.0], "all the weight on the class that is answered"
    assert found.statuses.tolist() == [ANSWERED, DECLINED, FALLBACK]


def test_a_version_that_stands_in_is_held_to_its_own_judgement_and_to_ours() -> None:
    """S30: what makes no sense by its own contract, or by that of the model it stands in for, is
    not shown; the next step is tried."""
    both = "{fallback: [fraud-lite, {answer: ok}]}"
    for answers in (always(float("nan")), always(1.5), raising):
        lite = Spoken(contract(LITE), answers)
        found = judged(contract(judge=both), nonsense(contract(), [10.0]), lite)
        assert record(found) == [(2, 0, "ok")]
        assert "fallback 1, fraud-lite" in found.reasons[0]
    ours = "model: a\ninputs: {x: {type: number}}\noutput: {type: number, max: 10}\n"
    theirs = "model: fraud-lite\ninputs: {x: {type: number}}\noutput: {type: number}\n"
    of = contract(ours, both.replace("ok", "7"))
    large = Spoken(contract(theirs), lambda features: np.full(1, 11.0))
    found = judged(of, case(of, {"x": np.array([1.0])}, np.array([99.0])), large)
    assert (record(found), found.said.tolist()) == ([(2, 0, "7")], [7.0])
    assert "fallback 1, fraud-lite: the output is 11, expected a number" in found.reasons[0]
    assert found.judged["withheld_by"].tolist() == ["sense"], "what was first stays known"
    of = contract(ours, "{fallback: [fraud-lite, {say: Later.}]}")
    found = judged(of, case(of, {"x": np.array([1.0])}, np.array([99.0])), large)
    assert (record(found), found.said.tolist()) == ([(2, 0, None)], [99.0]), "it leaves no trace"


def test_a_step_that_is_not_here_falls_on_and_is_counted() -> None:
    """S30: a missing version is no reason to say nothing."""
    found = judged(contract(judge=CHAIN), nonsense(contract(), [900.0]))
    assert record(found) == [(2, 0, "fraud")]
    assert found.counts["fallback_troubles", "fraud-lite", "missing"] == 1
    assert found.counts["fallback", "1", "passed"] == found.counts["fallback", "2", "answered"] == 1
    assert found.counts["withheld", "fallback", "sense"] == 1


def test_what_fails_again_and_again_is_left_alone_for_a_while() -> None:
    """S30: the breaker opens, half-open tries follow, and a success closes it."""
    clock, failing = ManualClock(), Spoken(contract(LITE), raising)
    flow = compile_flow(
        contract(judge=CHAIN), Means(clock=clock, others={"fraud-lite": Other(4, failing)})
    )

    def once() -> Case:
        found = nonsense(contract(), [900.0])
        flow(found)
        assert record(found) == [(2, 0, "fraud")] or failing.answers is not raising
        return found

    for _ in range(FAILURES_MAX):
        found = once()
    assert found.levels == {("fallback_breaker_open", "fraud-lite"): 1.0}
    once()
    assert len(failing.asked) == FAILURES_MAX
    assert once().counts["fallback_troubles", "fraud-lite", "paused"] == 1
    clock.advance(1)
    failing.answers = always(0.2)
    found = once()
    assert record(found) == [(1, 4, "ok")]
    assert found.levels == {("fallback_breaker_open", "fraud-lite"): 0.0}


def test_slowness_opens_the_breaker_and_a_late_answer_is_still_used() -> None:
    """S30: the deadline of a step is measured after the fact."""
    clock = ManualClock()

    def slow(features: Columns) -> Any:
        clock.advance(0.11)
        return always(0.9)(features)

    lite = Spoken(contract(LITE), slow)
    flow = compile_flow(
        contract(judge=CHAIN), Means(clock=clock, others={"fraud-lite": Other(4, lite)})
    )
    for _ in range(FAILURES_MAX):
        found = nonsense(contract(), [900.0])
        flow(found)
        assert record(found) == [(1, 4, "fraud")]
        assert found.counts["fallback_troubles", "fraud-lite", "slow"] == 1
    flow(found := nonsense(contract(), [900.0]))
    assert record(found) == [(2, 0, "fraud")]


def test_without_the_model_everything_is_a_fallback_or_honest_words() -> None:
    """S8 S30: a stopped version's place is taken by its chain, and the reason says why."""
    of = contract(judge=CHAIN)
    found = case(of, payments([900.0, 1.0]), np.full((2, 2), np.nan))
    compile_flow(of, Means(clock=ManualClock())).without_model(found, "v3 was stopped: sick")
    assert found.statuses.tolist() == [FALLBACK, DECLINED]
    assert all(found.reasons[row].endswith("v3 was stopped: sick") for row in (0, 1))
    assert found.counts["withheld", "fallback", "model"] == 1


@pytest.mark.parametrize(
    ("output", "answer", "raw"),
    [
        ("{type: label, classes: [no, yes]}", "yes", 1),
        ("{type: number}", "2.5", 2.5),
        ("{type: ranking, items: [a, b, c], top: 2}", "[c, a]", [0.5, 0.0, 1.0]),
        ("{type: vector, length: 2}", "[1, 2.5]", [1.0, 2.5]),
    ],
)
def test_every_form_of_output_has_answers_that_need_no_model(
    output: str, answer: str, raw: Any
) -> None:
    """S30 N14: such as the most popular items for whoever is new."""
    text = f"model: m\ninputs: {{x: {{type: number}}}}\noutput: {output}\n"
    of = contract(text, f"{{fallback: [{{answer: {answer}}}]}}")
    blank = np.array([9], dtype=np.int64) if "label" in output else np.full((1, 2), np.nan)
    if "number" in output:
        blank = np.array([np.nan])
    if "ranking" in output:
        blank = np.full((1, 3), np.nan)
    found = judged(of, case(of, {"x": np.array([1.0])}, blank))
    assert found.said[0].tolist() == raw
    assert found.statuses.tolist() == [FALLBACK]


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("[fraud]", "a model cannot stand in for itself"),
        ("[fraud-lite, fraud-lite]", "fraud-lite is tried already, as [0]"),
        ("[{model: Fraud Lite}]", "'fraud-lite' would do"),
        ("[{model: a, version: 0}]", "versions are numbered from 1"),
        ("[{model: a, within: 1m}]", "must be 1ms to 10s"),
        ("[{model: a, within: soon}]", "write 50ms or 1s"),
        ("[{answer: frud}]", "did you mean 'fraud'?"),
        ("[{answer: 1}]", "in quotes where it looks like a number"),
        ("[{answer: ok, when: amuont > 1}]", "did you mean 'amount'?"),
        ("[{answer: ok, when: amount}]", "true or false"),
        ("[{say: ''}]", "words for a person"),
        ("[{say: a}, {answer: ok}]", "is never reached"),
        ("[{answer: ok, say: a}]", "keep one of them"),
        ("[{anser: ok}]", "did you mean 'answer'?"),
        ("[3]", "the name of a model"),
        ("[a, b, c, d, e, f, g, h, i]", "at most 8 are tried"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused_in_words(chain: str, words: str) -> None:
    """S30: each at its setting, with what would be right."""
    with pytest.raises(InvalidContractFile) as refused:
        contract(judge=f"{{fallback: {chain}}}")
    assert words in str(refused.value)
    assert "judge.fallback" in str(refused.value)


probabilities = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.sampled_from(
    [0.0, 1.0]
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(-2000, 2000), probabilities, probabilities), min_size=1, max_size=6
    ),
    breaks=st.booleans(),
    here=st.booleans(),
    constant=st.booleans(),
)
def test_nothing_that_a_fallback_says_escapes_judgement(
    rows: list[tuple[float, float, float]], breaks: bool, here: bool, constant: bool
) -> None:
    """S19 S30: whatever the model and its stand-ins answer, a row that is told makes sense, and
    says which of them told it; a row that nobody may answer has no answer."""
    chain = CHAIN.replace("{say:", "{answer: ok}, {say:") if constant else CHAIN
    of = contract(FRAUD, chain)
    amounts = [amount for amount, _, _ in rows]
    output = np.array([[1 - mine, mine] for _, mine, _ in rows])
    of_lite = {amount: theirs for amount, _, theirs in rows}

    def answers(features: Columns) -> Any:
        if breaks:
            return raising(features)
        theirs = [of_lite[amount] for amount in features["matrix"][:, 0].tolist()]
        return np.array([[1 - high, high] for high in theirs])

    lite = Spoken(contract(LITE), answers) if here else None
    found = judged(of, case(of, payments(amounts), output), lite)
    sensible = Sense(of)
    for row, (status, (step, version, answer)) in enumerate(
        zip(found.statuses.tolist(), record(found), strict=True)
    ):
        if status == ANSWERED:
            assert step == 0
            assert sensible(output[row : row + 1]).all()
        elif status == FALLBACK:
            assert sensible(found.said[row : row + 1]).all()
            assert found.shown[row].answer == answer
            assert (version == 4) == (step == 1)
            assert step != 1 or 0 <= amounts[row] <= 1000
        else:
            assert status == DECLINED
            assert row not in found.shown
            assert step == len(of.judge.fallback)
            assert not constant
