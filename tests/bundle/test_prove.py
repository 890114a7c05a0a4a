"""S8 S33: a version proves itself, at its own pace; what users say is held against what it answers."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import InvalidBundle, InvalidContract, InvalidUsage
from mainstay.bundle.assets import Examples
from mainstay.bundle.impressions import unlike, words_column, wrong_words
from mainstay.bundle.load import load
from mainstay.bundle.pack import pack
from mainstay.bundle.prove import check_fits, finish, metric_finding, prove, read_evidence
from mainstay.contract.model import (
    Assets,
    Contract,
    Label,
    Number,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
)

CLASSES = Label(classes=("cat", "dog", "cat or dog"))
ITEMS = Ranking(items=("jam", "honey", "salt"), top=2)


@pytest.mark.parametrize(("output", "raw", "words", "said"), [
    (CLASSES, 0, "cat", None),
    (CLASSES, 1, "cat", "dog"),
    (CLASSES, 0, "dog or cat", None),
    (CLASSES, 0, "cat or dog", "cat"),
    (Probability(classes=("ok", "fraud"), threshold=0.9), [0.2, 0.8], "fraud", "ok"),
    (ITEMS, [0.1, 0.3, 0.2], "honey", None),
    (ITEMS, [0.1, 0.3, 0.2], "jam or salt", None),
    (ITEMS, [0.1, 0.3, 0.2], "jam", "honey, salt"),
    (NumberOutput(), 12.0, "10 to 20", None),
    (NumberOutput(), 20.5, "10 to 20", "20.5"),
    (NumberOutput(), -1.0, "at least -1", None),
    (NumberOutput(), 3.0, "at most 2.5", "3"),
    (NumberOutput(), float("nan"), "at least -1", "nan"),
])  # fmt: skip
def test_words_are_held_against_answers(output, raw, words, said):
    """S33: what a person is shown counts: the class by the threshold, the items on top."""
    assert wrong_words(output, words) is None
    assert unlike(output, np.array(raw, dtype=None if output is CLASSES else float), words) == said


@pytest.mark.parametrize(("output", "words", "why"), [
    (CLASSES, "cta", "'cta' is never answered; did you mean 'cat'?; answers are cat, dog"),
    (CLASSES, "", "'' is never answered"),
    (ITEMS, "jam or tea", "'tea' is never answered"),
    (NumberOutput(), "20 to 10", "is no range of numbers; write words such as `10 to 20`"),
    (NumberOutput(), "ten", "is no range of numbers"),
    (NumberOutput(), "at most", "is no range of numbers"),
    (VectorOutput(length=2), "north", "a vector has no words"),
])  # fmt: skip
def test_words_that_nothing_can_be_held_against(output, words, why):
    """S33: a test that could never fail, or never pass, is refused when it is written."""
    assert why in wrong_words(output, words)
    with pytest.raises(InvalidUsage, match="answer 1"):
        words_column([words], output, 1)


@given(st.text(max_size=30), st.floats())
def test_any_words_are_refused_or_held(words, number):
    """S33: no words at all break the check."""
    if wrong_words(NumberOutput(), words) is None:
        assert unlike(NumberOutput(), np.array(number), words) in (None, f"{number:.6g}")


def packed_with(data, tmp_path, **settings):
    return pack(
        "fraud", model=data.model, confidence=(data.rows[:100], data.labels[:100]),
        classes=["ok", "fraud"], into=tmp_path, **settings)  # fmt: skip


def test_pack_states_the_assets_and_refuses_what_misses_them(data, tmp_path):
    """S8 S33: metric, range and first impressions travel in the bundle; a model that is not good
    enough makes none."""
    good = packed_with(
        data, tmp_path, metric="roc_auc", acceptable=(0.9, 1),
        first_impressions=(data.rows[:2] * 0 + [[3, -3, 0, 0, 0, 0], [-3, 3, 0, 0, 0, 0]],
                           ["fraud", "ok"]))  # fmt: skip
    assert good.manifest.contract.assets == Assets(metric="roc_auc", acceptable=(0.9, 1.0))
    assert good.trial.first_impressions_rows == 2
    assert "metric: roc_auc" in good.contract_file.read_text()
    with pytest.raises(InvalidBundle, match=r"accuracy is 0\.\d+ on 100 labelled rows; acceptable"):
        packed_with(data, tmp_path / "bad", metric="accuracy", acceptable=(0, 0.5))
    assert not list((tmp_path / "bad").glob("*.mainstay"))
    with pytest.raises(InvalidUsage, match="no such metric; did you mean 'accuracy'"):
        packed_with(data, tmp_path, metric="acuracy")
    with pytest.raises(InvalidContract, match="rmse cannot be measured on an output of type prob"):
        packed_with(data, tmp_path, metric="rmse")
    with pytest.raises(InvalidUsage, match="the contract states another metric"):
        packed_with(data, tmp_path, contract=good.contract_file, metric="accuracy")
    with pytest.raises(InvalidUsage, match="first_impressions needs the answer to each row"):
        packed_with(data, tmp_path, first_impressions=data.rows[:2])


def test_steps_of_any_size_find_the_same(folder, packed):
    """S8: however small the steps, no row is left out and the findings are those of one go."""
    loaded = load(folder, packed.fingerprint)
    evidence = read_evidence(folder, packed.manifest)
    whole = finish(prove(loaded, evidence))
    assert [finding.verdict for finding in whole] == ["pass"]
    for size in (1, 2, 7):
        assert finish(prove(loaded, evidence, size=partial(int, size))) == whole
        steps = sum(1 for _ in prove(loaded, evidence, size=partial(int, size)))
        assert steps == -(-5 // size) + 5


def scored(right: int, wrong: int, whole: int, low: float):
    contract = Contract(
        model="m", inputs={"a": Number()}, output=Label(classes=("a", "b")),
        assets=Assets(metric="accuracy", acceptable=(low, 1.0)))  # fmt: skip
    raw = np.repeat([0, 1], [right, wrong])
    return metric_finding(contract, raw, np.zeros(right + wrong, np.int64), whole)


def test_a_part_of_the_rows_fails_only_what_chance_cannot_explain():
    """S8: on the whole set the figure decides; on a part of it a near miss is unsure, said so."""
    assert scored(89, 11, 100, 0.9).verdict == "fail"
    near = scored(89, 11, 5000, 0.9)
    assert near.verdict == "unsure"
    assert "a part of the 5000; acceptable is 0.9 to 1; so few rows leave it open" in near.words
    assert scored(50, 50, 5000, 0.9).verdict == "fail"
    passed = scored(95, 5, 5000, 0.9)
    assert (passed.verdict, passed.figure, passed.samples) == ("pass", 0.95, 100)
    assert scored(95, 5, 100, 0.9).interval[0] < 0.95 < scored(95, 5, 100, 0.9).interval[1]


def test_more_rows_than_a_call_may_carry_are_checked_too():
    """S8: the last row of a long set is held to the contract as the first is."""
    contract = Contract(model="m", inputs={"a": Number(max=1)}, output=NumberOutput())
    column = np.zeros(20_000)
    check_fits(Examples(inputs={"a": column}), contract, "assets/confidence.columns")
    column[-1] = 2
    with pytest.raises(InvalidBundle, match="row 20000 'a' is 2"):
        check_fits(Examples(inputs={"a": column}), contract, "assets/confidence.columns")
