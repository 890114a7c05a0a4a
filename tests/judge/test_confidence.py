"""S18 S24: what the model is not sure enough of, or what would cost too much, is taken back."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidContract
from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibration import confidence, correction
from mainstay.bundle.judgement import Calibration
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Probability
from mainstay.contract.write import write_contract
from mainstay.judge.compile import compile_flow
from mainstay.judge.confidence import CONFIDENCE
from mainstay.judge.cost import COST
from mainstay.judge.model import ANSWERED, ASKED, DECLINED, HELD, OPTIONS, Case, Means
from mainstay.judge.present import present
from tests.judge.world import FRAUD, case, contract

ANIMALS = """
model: animal
inputs: {size: {type: number, optional: true}}
output: {type: probability, classes: [cat, dog, fish]}
"""
STEEP = Calibration(method="isotonic", points=((0.0, 0.1), (0.5, 0.4), (1.0, 0.7)))
COOL = Calibration(method="temperature", temperature=3.0)


def judged(text: str, judge: str, output, calibration=None, **inputs) -> Case:
    of = contract(text, judge)
    raw = np.array(output, dtype=np.float64)
    found = case(of, {name: np.array(values) for name, values in inputs.items()}, raw)
    compile_flow(of, Means(calibration=calibration))(found)
    return found


def animals(judge: str, *output, calibration=None, size=None) -> Case:
    sizes = [1.0] * len(output) if size is None else size
    return judged(ANIMALS, judge, output, calibration, size=sizes)


def test_below_the_bar_an_answer_is_declined_asked_about_or_one_of_several():
    """S18 S24: as the contract says, in plain words."""
    unsure, sure = [0.3, 0.5, 0.2], [0.1, 0.8, 0.1]
    told = animals("{confidence: {at_least: 0.6}}", unsure, sure)
    assert told.statuses.tolist() == [DECLINED, ANSWERED]
    assert told.reasons == {0: "confidence 0.5 is below 0.6"}
    told = animals("{confidence: {at_least: 0.6, otherwise: ask}}", unsure, sure)
    assert told.statuses.tolist() == [ASKED, ANSWERED]
    assert told.words == {0: "We are not sure. Is it dog?"}
    told = animals("{confidence: {at_least: 0.6, otherwise: options 2}}", unsure, sure)
    assert told.statuses.tolist() == [OPTIONS, ANSWERED]
    assert told.words == {0: "We are not sure. It could be dog or cat."}
    assert [option.answer for option in told.shown[0].options] == ["dog", "cat"]
    assert told.shown[0].answer is None
    assert told.judged[CONFIDENCE].tolist() == [0.5, 0.8]
    told = animals("{confidence: {at_least: 0.6, otherwise: options 3}}", unsure)
    assert told.words[0] == "We are not sure. It could be dog, cat or fish."


def test_the_bar_is_reached_by_what_equals_it():
    """S18"""
    told = animals("{confidence: {at_least: 0.5}}", [0.5, 0.3, 0.2], [0.499, 0.301, 0.2])
    assert told.statuses.tolist() == [ANSWERED, DECLINED]


def test_confidence_is_that_of_the_answer_even_where_the_threshold_is_another():
    """S18 S23: a threshold of 0.2 answers `fraud` with a confidence of 0.3."""
    low = FRAUD.replace("classes: [ok, fraud]", "classes: [ok, fraud], threshold: 0.2")
    inputs = {"amount": [1.0] * 2, "age": [1.0] * 2, "country": np.array(["DE"] * 2, dtype=object)}
    told = judged(low, "{confidence: {at_least: 0.5}}", [[0.7, 0.3], [0.9, 0.1]], **inputs)
    assert told.judged[CONFIDENCE] == pytest.approx([0.3, 0.9])
    assert told.statuses.tolist() == [DECLINED, ANSWERED]


def test_the_corrected_confidence_counts_and_is_shown():
    """S18 M7: what is compared, recorded and shown is the same number; options add up to 1."""
    told = animals("{confidence: {at_least: 0.6}}", [0.05, 0.9, 0.05], [0.0, 1.0, 0.0],
                   calibration=STEEP)  # fmt: skip
    assert told.judged[CONFIDENCE] == pytest.approx([0.64, 0.7])
    assert told.statuses.tolist() == [ANSWERED, ANSWERED]
    told = animals("{confidence: {at_least: 0.6}}", [0.05, 0.9, 0.05], calibration=COOL)
    assert told.statuses.tolist() == [DECLINED]


def cost_of(judge: str, *, amount=None, sure=0.9, country="DE", answer="ok") -> Case:
    row = [sure, 1 - sure] if answer == "ok" else [1 - sure, sure]
    return judged(FRAUD, judge, [row], amount=[100.0 if amount is None else amount],
                  age=[30.0], country=np.array([country], dtype=object))  # fmt: skip


@pytest.mark.parametrize(
    ("judge", "status", "cost"),
    [
        ("{cost: {of_error: 1000, ask_above: 50}}", ASKED, 100),
        ("{cost: {of_error: 1000, ask_above: 100.01}}", ANSWERED, 100),
        ("{cost: {of_error: 1000, ask_above: 50, decline_above: 90}}", DECLINED, 100),
        ("{cost: {of_error: 2 * amount, ask_above: 19.9}}", ASKED, 20),
        ("{cost: {of_error: \"amount if country == 'FR' else 1\", ask_above: 5}}", ANSWERED, 0.1),
        ("{cost: {of_error: 1, ask_above: 5, actions: {ok: {of_error: 90}}}}", ASKED, 9),
        ("{cost: {of_error: 1, ask_above: 5, actions: {fraud: {of_error: 90}}}}", ANSWERED, 0.1),
        ("{cost: {of_error: 10, actions: {ok: {ask_above: 0.5}}}}", ASKED, 1),
        ("{cost: {of_error: 10, ask_above: 0.5, actions: {ok: {ask_above: 2}}}}", ANSWERED, 1),
        ("{cost: {of_error: 10}}", ANSWERED, 1),
    ],
)
def test_an_answer_that_would_cost_much_if_wrong_is_asked_about_first(judge, status, cost):
    """S18: (1 - confidence) × cost, by the answer."""
    told = cost_of(judge)
    assert told.statuses.tolist() == [status]
    assert told.judged[COST] == pytest.approx([cost])
    if status == ASKED:
        assert told.words == {0: "A mistake would be costly here. Is it really ok?"}
        assert "expected cost of a mistake" in told.reasons[0]


def test_a_cost_that_nobody_knows_is_above_every_bar_there_is():
    """S18: a missing value never makes an answer bolder."""
    judge = "{cost: {of_error: size, ask_above: 1000000}}"
    told = animals(judge, [0.9, 0.1, 0.0], [0.9, 0.1, 0.0], size=[math.nan, 3.0])
    assert told.statuses.tolist() == [ASKED, ANSWERED]
    assert "not known" in told.reasons[0]
    told = animals("{cost: {of_error: size}}", [0.9, 0.1, 0.0], size=[math.nan])
    assert told.statuses.tolist() == [ANSWERED]


def test_what_takes_more_back_leaves_no_words_of_what_took_less():
    """S18 S19: the words for options would name answers that are not told any more."""
    judge = ("{confidence: {at_least: 0.9, otherwise: options 2}, "
             "cost: {of_error: 100, decline_above: 1}}")  # fmt: skip
    told = animals(judge, [0.8, 0.1, 0.1])
    assert told.statuses.tolist() == [DECLINED]
    assert (told.words, told.shown) == ({}, {})
    asked = judge.replace("decline_above", "ask_above")
    told = animals(asked, [0.8, 0.1, 0.1])
    assert told.statuses.tolist() == [ASKED]
    assert told.words == {0: "A mistake would be costly here. Is it really cat?"}
    assert told.shown == {}


probabilities = st.one_of(
    st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
        lambda row: [x / sum(row) for x in row]
    ),
    st.sampled_from([[math.nan] * 3, [0.5, 0.5, 0.5], [math.inf, 0.0, 0.0], [1.0, 0.0, 0.0]]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(probabilities, st.one_of(st.floats(-5, 50), st.just(math.nan))),
             min_size=1, max_size=6),
    st.floats(0.05, 1.0),
    st.floats(0, 20),
    st.sampled_from(["decline", "ask", "options 2"]),
    st.sampled_from([None, STEEP, COOL]),
    st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_no_answer_below_the_bar_is_ever_answered(rows, bar, most, otherwise, calibration, kind):
    """S18: whatever comes; and the confidence that is told is the one that was compared."""
    judge = (f"{{confidence: {{at_least: {bar}, otherwise: {otherwise}}}, "
             f"cost: {{of_error: size, ask_above: {most}}}}}")  # fmt: skip
    of = contract(ANIMALS, judge)
    assert isinstance(of.output, Probability)
    raw = np.array([row for row, _ in rows], dtype=kind)
    found = case(of, {"size": np.array([size for _, size in rows])}, raw)
    compile_flow(of, Means(calibration=calibration))(found)
    sure = confidence(of.output, calibration)(raw)
    for row, (_, size) in enumerate(rows):
        if found.statuses[row] == ANSWERED:
            assert sure[row] >= bar
            assert (1 - sure[row]) * size <= most
            assert np.isfinite(raw[row]).all()
        else:
            assert found.statuses[row] in (ASKED, OPTIONS, DECLINED, HELD)
            assert found.reasons[row]


@pytest.mark.parametrize("calibration", [None, STEEP, COOL])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_door_shows_the_corrected_confidence(calibration, classes):
    """M7 S24: as an object and as written JSON; the answer stays the model's own, the best of
    what is shown comes first, and what is shown adds up to 1."""
    of = contract(ANIMALS if classes == 3 else FRAUD, "{confidence: {at_least: 0.1}}")
    assert isinstance(of.output, Probability)
    raw = np.random.default_rng(1).dirichlet(np.ones(classes), 20)
    shown = present(of, correction(calibration, classes))(raw, {})
    texts = [msgspec.json.decode(f"{{{text}}}") for text in shown.texts()]
    sure = confidence(of.output, calibration)(raw)
    for row, place in enumerate(chosen_classes(of.output, raw).tolist()):
        assert shown[row].answer == of.output.classes[place] == texts[row]["answer"]
        assert shown[row].confidence == pytest.approx(sure[row])
        assert texts[row]["confidence"] == pytest.approx(sure[row])
        shares = [option["probability"] for option in texts[row]["options"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("output", "judge", "words"),
    [
        ("number", "confidence: {at_least: 0.6}", "says nothing of how sure"),
        ("number", "cost: {of_error: 1}", "says nothing of how sure"),
        ("ranking, items: [a, b]", "confidence: {at_least: 0.6}", "says nothing of how sure"),
        ("label, classes: [a, b]", "confidence: {at_least: 0.6}", "says nothing of how sure"),
        ("p", "confidence: {at_least: 1.5}", "from 0 to 1; got 1.5"),
        ("p", "confidence: {at_least: 0.5, otherwise: aks}", "did you mean 'ask'?"),
        ("p", "confidence: {at_least: 0.5, otherwise: options 4}", "2 to 3 options"),
        ("p", "confidence: {at_least: 0.5, otherwise: options 1}", "2 to 3 options"),
        ("p", "confidence: {otherwise: ask}", "does nothing without `at_least`"),
        ("p", "confidence: {calibrate: no}", "does nothing"),
        ("p", "confidence: {calibrate: platt}", "auto, isotonic, no, temperature"),
        ("p", "cost: {ask_above: 3}", "needs `of_error`"),
        ("p", "cost: {of_error: -3}", "at least 0; got -3"),
        ("p", "cost: {of_error: 2 * amuont}", "did you mean 'amount'"),
        ("p", "cost: {of_error: amount > 3}", "must be a number"),
        ("p", "cost: {of_error: 1 / amount}", "can be zero"),
        ("p", "cost: {of_error: 1, ask_above: 9, decline_above: 9}", "nobody would ever be asked"),
        ("p", "cost: {of_error: 1, actions: {frog: {of_error: 1}}}", "not a class"),
        ("p", "cost: {of_error: 1, actions: {a: {}}}", "says nothing"),
        ("p", "cost: {of_error: 1, decline_above: 5, actions: {a: {ask_above: 7}}}",
         "nobody would ever be asked"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(output, judge, words):
    """S18: at its setting, when the contract is loaded."""
    kind = "probability, classes: [a, b, c]" if output == "p" else output
    text = (f"model: m\ninputs: {{amount: {{type: number}}}}\noutput: {{type: {kind}}}\n"
            f"judge: {{{judge}}}\n")  # fmt: skip
    with pytest.raises(InvalidContract) as refused:
        loads_contract(text, "c.yaml")
    assert words in str(refused.value)
    assert "judge.co" in str(refused.value)


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        ("{max: precision}", "needs `recall_at_least`"),
        ("{max: recall, recall_at_least: 0.5}", "needs `precision_at_least`"),
        ("{max: precision, recall_at_least: 1.2}", "at most 1; got 1.2"),
        ("{max: precision, recall_at_least: 0.5, precision_at_least: 0.5}", "does not go with"),
        ("{recall_at_least: 0.5}", "needs `max` beside it"),
        ("{false_positive_costs: 5}", "needs `false_negative_costs` too"),
        ("{false_positive_costs: 0, false_negative_costs: 0}", "both costs are 0"),
        ("{false_positive_costs: -1, false_negative_costs: 0}", "at least 0; got -1"),
        ("{}", "empty rule"),
        ("{maxx: precision}", "did you mean 'max'?"),
        ("high", "a number, or a set of named settings"),
    ],
)
def test_a_threshold_rule_that_makes_no_sense_is_refused_in_words(threshold, words):
    """S23: at its setting, when the contract is loaded."""
    text = ("model: m\ninputs: {a: {type: number}}\n"
            f"output: {{type: probability, classes: [x, y], threshold: {threshold}}}\n")  # fmt: skip
    with pytest.raises(InvalidContract) as refused:
        loads_contract(text, "c.yaml")
    assert words in str(refused.value)
    assert "output.threshold" in str(refused.value)


@pytest.mark.parametrize(
    "rule",
    [
        "{max: precision, recall_at_least: 0.8}",
        "{max: recall, precision_at_least: 0.8}",
        "{false_positive_costs: 5, false_negative_costs: 100}",
    ],
)
def test_a_rule_is_written_as_it_was_read(rule):
    """S23 N10: a contract that is written anew is the same contract."""
    text = ("model: m\ninputs: {a: {type: number}}\noutput: {type: probability, "
            f"classes: [x, y], threshold: {rule}}}\n")  # fmt: skip
    read = loads_contract(text, "c.yaml")
    assert loads_contract(write_contract(read), "again.yaml") == read


def test_a_rule_means_something_with_two_classes_only():
    """S23"""
    text = ("model: m\ninputs: {a: {type: number}}\noutput: {type: probability, "
            "classes: [x, y, z], threshold: {max: recall, precision_at_least: 0.5}}\n")  # fmt: skip
    with pytest.raises(InvalidContract, match="two classes only"):
        loads_contract(text, "c.yaml")
