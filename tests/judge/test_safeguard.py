"""The safeguard: a second model that says how probably the first one is wrong (S22 S21)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of
from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import check_contract, loads_contract
from mainstay.contract.model import (
    Category,
    Contract,
    Label,
    Number,
    NumberOutput,
    Probability,
    Ranking,
)
from mainstay.contract.write import write_contract
from mainstay.judge.breaker import FAILURES_MAX
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, FALLBACK, Case, Means, Other
from mainstay.judge.safeguard import RISK, VERSION
from mainstay.judge.said import offered, said_kinds, wrong_answers
from tests.judge.world import FRAUD, Spoken, case, contract, payments, raising

GUARD = """
model: fraud-safeguard
inputs:
  amount: {type: number}
  said_answer: {type: category, values: [ok, fraud]}
  said_confidence: {type: number}
output: {type: probability, classes: [right, wrong]}
"""
KEY = "fraud-safeguard"
SURE = (0.9, 0.1)


def by_amount(features: Columns) -> Column:
    """Wrong with a probability of a thousandth of the amount."""
    risk = np.asarray(features["amount"]) / 1000
    return np.column_stack([1 - risk, risk])


def guard(answers: Callable[[Columns], Column] = by_amount, text: str = GUARD) -> Spoken:
    return Spoken(contract(text), answers)


def guarded(settings_of: str = "{}", more: str = "") -> Contract:
    return contract(judge=f"{{safeguard: {settings_of}{more}}}")


def judged(
    of: Contract, amounts: list[float], by: Spoken | None, means: Means | None = None,
    output: Column | None = None,
) -> Case:  # fmt: skip
    others = {} if by is None else {KEY: Other(number=7, loaded=by)}
    said = np.tile(SURE, (len(amounts), 1)) if output is None else output
    found = case(of, payments(amounts), said)
    compile_flow(of, replace(means or Means(clock=ManualClock()), others=others))(found)
    return found


def test_what_is_above_the_bar_is_declined_and_the_rest_is_told() -> None:
    """S22: at the bar it stands; what was said is recorded, with the version that said it."""
    found = judged(guarded(), [100, 500, 501], guard())
    assert found.statuses.tolist() == [ANSWERED, ANSWERED, DECLINED]
    assert found.judged[RISK].tolist() == [0.1, 0.5, 0.501]
    assert found.judged[VERSION].tolist() == [7, 7, 7]
    assert found.judged["withheld_by"].tolist() == [None, None, "safeguard"]
    assert found.reasons == {2: "the risk that it is wrong, 0.501, is above 0.5"}
    assert found.counts == {("withheld", "declined", "safeguard"): 1}


def test_it_may_ask_instead_and_fall_back() -> None:
    """S22 S30: with the question in words, or with what stands in."""
    found = judged(guarded("{unsure: ask, at_most: 0.2}"), [100, 300], guard())
    assert found.statuses.tolist() == [ANSWERED, ASKED]
    assert found.words == {1: "This may be wrong. Is it ok?"}
    found = judged(guarded("{at_most: 0.2}", ", fallback: [{answer: fraud}]"), [300], guard())
    assert found.statuses.tolist() == [FALLBACK]
    assert found.shown[0].answer == "fraud"


def test_it_is_shown_what_was_asked_and_what_was_said() -> None:
    """S22: inputs under their names, and the answer with its confidence; rows that make no sense
    are not shown, rows that others declined are."""
    seen: list[Columns] = []

    def looking(features: Columns) -> Column:
        seen.append(features)
        return by_amount(features)

    output = np.array([[0.9, 0.1], [np.nan, 0.5], [0.3, 0.7]])
    of = guarded("{}", ", confidence: {at_least: 0.8, calibrate: no}")
    found = judged(of, [100, 200, 900], guard(looking), output=output)
    (shown,) = seen
    assert shown["amount"].tolist() == [100, 900]
    assert shown["said_answer"].tolist() == ["ok", "fraud"]
    assert shown["said_confidence"].tolist() == [0.9, 0.7]
    assert found.statuses.tolist() == [ANSWERED, DECLINED, DECLINED]
    assert np.isnan(found.judged[RISK][1])
    assert found.judged[RISK][2] == 0.9
    assert found.reasons[1] == "the output is not finite"


def failing_ways() -> dict[str, Spoken | None]:
    return {
        "missing": None,
        "raising": guard(raising),
        "broken": guard(lambda features: features["nothing"]),
        "not finite": guard(lambda features: np.full((rows_of(features), 2), np.nan)),
        "another form": guard(by_amount, GUARD.replace("right, wrong", "wrong, right")),
        "another input": guard(by_amount, GUARD.replace("amount", "height")),
        "another kind": guard(by_amount, GUARD.replace("amount: {type: number}",
                                                       "amount: {type: boolean}")),
        "refusing": guard(by_amount, GUARD.replace("number}", "number, max: 1}", 1)),
    }  # fmt: skip


@pytest.mark.parametrize("way", failing_ways())
def test_a_safeguard_that_cannot_judge_means_the_contracts_choice(way: str) -> None:
    """S22: open lets pass, noted and counted; closed declines; neither is ever silent."""
    found = judged(guarded("{otherwise: open}"), [100, 400], failing_ways()[way])
    assert found.statuses.tolist() == [ANSWERED, ANSWERED]
    assert found.counts["safeguard_unsure", "open"] == 2
    assert np.isnan(found.judged[RISK]).all()
    for row in (0, 1):
        assert found.reasons[row].startswith(f"the safeguard {KEY}: ")
        assert found.reasons[row].endswith("so it passes unguarded")
    found = judged(guarded("{otherwise: closed}"), [100, 400], failing_ways()[way])
    assert found.statuses.tolist() == [DECLINED, DECLINED]
    assert found.counts["safeguard_unsure", "closed"] == 2
    assert found.reasons[0].endswith("so nothing passes")


def test_a_safeguard_of_another_version_is_never_asked() -> None:
    """S22: it learned the errors of that one; a refreshed version has the same model."""

    class Pinned(Spoken):
        @property
        def manifest(self) -> Manifest:
            plain = super().manifest
            card = structs.replace(plain.card, upstream={"fraud": "b" * 64})
            return structs.replace(plain, card=card)

    pinned = Pinned(contract(GUARD), by_amount)
    for marks, asked in (("a" * 64, 0), ("b" * 64, 1)):
        means = Means(clock=ManualClock(), marks=frozenset({marks}))
        found = judged(guarded("{otherwise: closed}"), [100], pinned, means)
        assert (len(pinned.asked), int(found.statuses[0])) == (asked, (DECLINED, ANSWERED)[asked])
    both = Means(clock=ManualClock(), marks=frozenset({"a" * 64, "b" * 64}))
    assert judged(guarded("{otherwise: closed}"), [100], pinned, both).statuses[0] == ANSWERED


def test_what_fails_again_and_again_is_left_alone_for_a_while() -> None:
    """S22 S30: as a fallback that fails is; the contract's choice holds meanwhile."""
    clock, failing = ManualClock(), guard(raising)
    of = guarded("{otherwise: closed}")
    flow = compile_flow(of, Means(clock=clock, others={KEY: Other(7, failing)}))

    def once() -> Case:
        found = case(of, payments([100.0]), np.array([SURE]))
        flow(found)
        return found

    level = ("safeguard_breaker_open", KEY)
    for place in range(FAILURES_MAX + 1):
        found = once()
        assert found.statuses.tolist() == [DECLINED]
        if place < FAILURES_MAX:
            assert found.levels[level] == float(place == FAILURES_MAX - 1)
    assert len(failing.asked) == FAILURES_MAX
    assert found.counts["safeguard_troubles", KEY, "paused"] == 1
    clock.advance(1)
    failing.answers = by_amount
    found = once()
    assert found.statuses.tolist() == [ANSWERED]
    assert found.levels[level] == 0.0


def test_a_run_with_nothing_to_ask_about_is_no_try() -> None:
    """S22 S30: an output that makes no sense says nothing about a safeguard that was left alone."""
    clock, failing = ManualClock(), guard(raising)
    of = guarded("{otherwise: closed}")
    flow = compile_flow(of, Means(clock=clock, others={KEY: Other(7, failing)}))
    sense, nonsense = np.array([SURE]), np.full((1, 2), np.nan)
    for output in [sense] * FAILURES_MAX:
        flow(case(of, payments([100.0]), output))
    clock.advance(1)
    flow(case(of, payments([100.0]), nonsense))
    failing.answers = by_amount
    found = case(of, payments([100.0]), sense)
    flow(found)
    assert found.statuses.tolist() == [ANSWERED]


RISKS = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([np.nan, -1.0, 2.0, np.inf])), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(RISKS, st.floats(0, 0.99), st.sampled_from(["decline", "ask"]), st.booleans())
def test_nothing_above_the_bar_is_ever_answered(
    risks: list[float], bar: float, unsure: str, closed: bool
) -> None:
    """S22: whatever the safeguard says, and however it fails, nothing above the bar is answered;
    closed, nothing is answered whose risk is not known to be at most the bar."""

    def said(_: Columns) -> Column:
        risk = np.array(risks)
        return np.column_stack([1 - risk, risk])

    otherwise = "closed" if closed else "open"
    of = guarded(f"{{at_most: {bar!r}, unsure: {unsure}, otherwise: {otherwise}}}")
    found = judged(of, [1.0] * len(risks), guard(said))
    for row, risk in enumerate(risks):
        known = 0 <= risk <= 1
        if known and risk > bar:
            assert found.statuses[row] == (DECLINED if unsure == "decline" else ASKED)
        elif known or not closed:
            assert found.statuses[row] == ANSWERED
            assert known or row in found.reasons
        else:
            assert found.statuses[row] == DECLINED


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("by hand", "must be `auto`, or a set of named settings"),
        ("{train: auto, version: 2}", "what is trained has another version"),
        ("{at_most: 1}", "judge.safeguard.at_most: is a probability, 0 or more and less than 1"),
        ("{model: fraud}", "a model cannot watch over itself"),
        ("{version: 0}", "versions are numbered from 1"),
        ("{within: 1h}", "must be 1ms to 10s"),
        ("{wrong_by: 3}", "means nothing with an output of type probability"),
        ("{otherwise: perhaps}", "must be one of closed, open"),
        ("{model: lite}, fallback: [lite]", "lite is a step of judge.fallback"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(written: str, told: str) -> None:
    """S22: at the setting, with what would be right."""
    with pytest.raises(InvalidContractFile, match=told):
        guarded(written)


def test_only_what_can_be_plainly_wrong_has_a_safeguard() -> None:
    """S22: a number needs to be told from how far on it is wrong; a list has no such place."""
    number = FRAUD.replace("type: probability, classes: [ok, fraud]", "type: number")
    with pytest.raises(InvalidContractFile, match="needs `wrong_by`"):
        contract(number, "{safeguard: {}}")
    contract(number, "{safeguard: {wrong_by: 10}}")
    items = FRAUD.replace("type: probability, classes", "type: ranking, items")
    with pytest.raises(InvalidContractFile, match="is never plainly wrong"):
        contract(items, "{safeguard: {}}")
    named = FRAUD.replace("amount:", "said_answer:")
    with pytest.raises(InvalidContractFile, match="begins with 'said_'"):
        contract(named, "{safeguard: {}}")


def test_auto_is_short_for_training_and_survives_being_written() -> None:
    """S22: the file that is written loads back to the same contract."""
    of = guarded("auto")
    assert of == guarded("{train: auto}")
    assert loads_contract(write_contract(of), "written.yaml") == of


def test_a_number_and_a_label_are_shown_as_what_they_are() -> None:
    """S22: the number that was said, or the class."""
    number = contract(
        FRAUD.replace("type: probability, classes: [ok, fraud]", "type: number"),
        "{safeguard: {wrong_by: 10}}",
    )
    shown = "  said_number: {type: number}\n"
    text = "\n".join(line for line in GUARD.splitlines() if "said_" not in line)
    by = guard(
        lambda features: by_amount({"amount": features[MATRIX][:, 1]}),
        text.replace("output:", f"{shown}output:"),
    )
    found = judged(number, [1, 2], by, output=np.array([100.0, 900.0]))
    assert found.statuses.tolist() == [ANSWERED, DECLINED]
    label = contract(FRAUD.replace("type: probability", "type: label"), "{safeguard: {}}")
    by = guard(
        lambda features: by_amount({"amount": np.where(features["said_answer"] == "ok", 0, 999)}),
        "\n".join(line for line in GUARD.splitlines() if "said_confidence" not in line),
    )
    found = judged(label, [1, 2, 3], by, output=np.array([0, 1, -1]))
    assert found.statuses.tolist() == [ANSWERED, DECLINED, DECLINED]
    assert found.judged["withheld_by"].tolist() == [None, "safeguard", "sense"]


def test_what_is_wrong_is_another_class_or_too_far_from_the_truth() -> None:
    """S22: at the distance itself a number is right."""
    number, label = NumberOutput(), Label(classes=("a", "b"))
    raw, truth = np.array([1.0, 2.5, 4.5]), np.array([1.5, 1.0, 3.0])
    assert wrong_answers(number, raw, truth, 1.5).tolist() == [False, False, False]
    assert wrong_answers(number, raw, truth, 0.5).tolist() == [False, True, True]
    assert wrong_answers(label, np.array([0, 1]), np.array([0, 0]), None).tolist() == [False, True]
    assert said_kinds(Ranking(items=("a", "b"))) == {}


def test_looked_up_values_come_under_a_name_that_an_input_may_have() -> None:
    """S22: what the model gathered is shown to its safeguard too."""
    of = contract(
        FRAUD.replace(
            "output:",
            "context: {channel: {value: {type: category, values: [web, shop], from_model: other}},"
            " account: {lookup: accounts, key: country, fields: {age_days: {type: number}},"
            " otherwise: {age_days: 0}}}\nlookups: {accounts: {function: find}}\noutput:",
        ),
        "{safeguard: {}}",
    )
    kinds = offered(of)
    assert kinds["account_age_days"] == Number()
    assert kinds["channel"] == Category(values=("web", "shop"))
    text = GUARD.replace("inputs:", "inputs:\n  account_age_days: {type: number}")
    by = guard(lambda features: by_amount({"amount": features["account_age_days"]}), text)
    context = {
        "channel": np.array(["web", "web"], dtype=object),
        "account.age_days": np.array([10.0, 700.0]),
    }
    found = case(of, payments([1, 2]), np.tile(SURE, (2, 1)), context)
    compile_flow(of, Means(clock=ManualClock(), others={KEY: Other(1, by)}))(found)
    assert found.statuses.tolist() == [ANSWERED, DECLINED]


def test_what_an_input_is_about_binds_its_model_and_not_the_safeguard() -> None:
    """S22 S35 S36: a model with sensitive inputs can have a safeguard, whose contract is in order."""
    sensitive = "sensitivity: personal, subject: money, min: -1000000"
    of = contract(
        FRAUD.replace("min: -1000000", sensitive, 1),
        "{safeguard: {}, share: {when: amount > 5}, private: {subjects: {money: [fraud]}}}",
    )
    assert of.inputs["amount"].subject == "money"
    kinds = offered(of)
    check_contract(
        Contract(model="guard", inputs=kinds, output=Probability(classes=("right", "wrong")))
    )
