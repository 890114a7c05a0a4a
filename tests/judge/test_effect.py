"""What a safeguard is worth, and how one is learned (S22)."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import Boolean, Category, Number, Text, Timestamp, Vector
from mainstay.judge import learning
from mainstay.judge.effect import Guarded, effect_of
from mainstay.judge.learning import LABELS_MIN, PART_MIN, WRONG_MIN, area, fit, parts_of, too_few

ODD = ["'\"); raise SystemExit#", "\n\\\x00", "\ud800{}"]
"""Words that would be code, or no text, where somebody wrote them down carelessly."""


def history(count: int = 1000, seed: int = 0) -> Guarded:
    """Risks that mean what they say, and a confidence that means little."""
    random = np.random.default_rng(seed)
    risk = np.round(random.beta(0.5, 2, count), 2)
    wrong = random.random(count) < risk
    return Guarded(risk=risk, wrong=wrong, sure=np.round(random.random(count), 2))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60))
def test_areas_are_what_scikit_learn_says(seed: int, distinct: int) -> None:
    """S22: a second oracle, with ties."""
    random = np.random.default_rng(seed)
    risk = random.integers(0, distinct, 300) / distinct
    wrong = random.random(300) < 0.2 + 0.5 * risk
    auc, (low, high) = area(risk, wrong)
    assert auc == pytest.approx(roc_auc_score(wrong, risk), abs=1e-6)
    assert low <= auc <= high


def test_the_effect_counts_what_the_bar_does() -> None:
    """S22: errors prevented against answers withheld, and as many by plain confidence."""
    found = history()
    effect = effect_of(found, 0.4)
    above = found.risk > 0.4
    assert effect.verdict == "found"
    assert effect.withheld is not None
    assert effect.prevented is not None
    assert effect.needless is not None
    assert effect.wrong_after is not None
    assert effect.prevented_by_confidence is not None
    assert effect.withheld.count == above.sum()
    assert effect.prevented.count == (above & found.wrong).sum()
    assert effect.prevented.of == found.wrong.sum()
    assert effect.prevented.count + effect.needless.count == effect.withheld.count
    assert effect.wrong_after.count == (found.wrong & ~above).sum()
    low, high = effect.prevented.interval
    assert low < effect.prevented.share < high
    assert found.sure is not None
    lowest = np.argsort(found.sure, kind="stable")[: above.sum()]
    assert effect.prevented_by_confidence.count == found.wrong[lowest].sum()
    assert effect.safeguard is not None
    assert effect.confidence is not None
    assert effect.safeguard.auc == pytest.approx(roc_auc_score(found.wrong, found.risk), abs=1e-6)
    assert effect.confidence.auc == pytest.approx(
        roc_auc_score(found.wrong, 1 - found.sure), abs=1e-6
    )


def test_what_nobody_guarded_is_counted_apart_and_too_few_are_unsure() -> None:
    """S22: decisions without a risk say nothing of the safeguard."""
    found = history(600)
    found.risk[:100] = np.nan
    assert (effect_of(found, 0.4).labels, effect_of(found, 0.4).unguarded) == (500, 100)
    found.risk[:550] = np.nan
    effect = effect_of(found, 0.4)
    assert (effect.verdict, effect.withheld) == ("unsure", None)
    assert "would do" in effect.words


@pytest.mark.parametrize("short", ["labels", "wrong", "right", "a part"])
def test_too_few_are_named_with_how_many_are_needed(short: str) -> None:
    """S22: of all of them, of wrong and right ones, and in each part."""
    wrong = np.zeros(LABELS_MIN, dtype=np.bool_)
    wrong[:: LABELS_MIN // WRONG_MIN] = True
    assert not too_few(wrong)
    if short == "labels":
        assert f"{LABELS_MIN} with at least" in too_few(wrong[1:])
    elif short == "wrong":
        wrong[0] = False
        assert f"{WRONG_MIN - 1} of them wrong" in too_few(wrong)
    elif short == "right":
        assert too_few(np.ones(LABELS_MIN, dtype=np.bool_))
    else:
        wrong[parts_of(LABELS_MIN)[2]] = False
        wrong[:50] = True
        assert f"newest 100 decisions with a known outcome only 0 are wrong, and at least {PART_MIN}" in too_few(wrong)  # fmt: skip  # because it is one sentence


def test_every_kind_of_value_becomes_a_number_and_missing_ones_stay_missing(tmp_path) -> None:
    """S22: words by how often answers were wrong with them, unknown ones as all; nothing is
    infinite, whatever comes."""
    random = np.random.default_rng(0)
    rows = 400
    words = random.choice(["often", "seldom"], rows).astype(object)
    kinds = {
        "word": Category(values=("often", "seldom"), others=True),
        "odd": Category(values=tuple(ODD)),
        "text": Text(optional=True),
        "at": Timestamp(optional=True),
        "flag": Boolean(),
        "number": Number(optional=True),
        "vector": Vector(length=2),
        "said_confidence": Number(),
    }
    inputs = {
        "word": words,
        "odd": random.choice(ODD, rows).astype(object),
        "text": np.array(["abc"] * rows, dtype=object),
        "at": np.datetime64("2026-11-20T06:30", "us") + np.arange(rows) * np.timedelta64(1, "D"),
        "flag": random.random(rows) < 0.5,
        "number": random.normal(size=rows),
        "vector": random.normal(size=(rows, 2)),
        "said_confidence": random.random(rows),
    }
    wrong = random.random(rows) < np.where(words == "often", 0.6, 0.1)
    made = fit(kinds, inputs, wrong, tmp_path)
    auc, _ = area(made.risk(inputs), wrong)
    assert auc > 0.7
    odd = {
        "word": np.array(["often", "seldom", "never", None], dtype=object),
        "odd": np.array([*ODD, None], dtype=object),
        "text": np.array(["", "ab", None, "x"], dtype=object),
        "at": np.array(["2026-11-20T06:30", "2026-11-21T12:00", "NaT", "NaT"], "datetime64[us]"),
        "flag": np.array([True, False, True, False]),
        "number": np.array([1e300, -1e300, np.nan, 0.0]),
        "vector": np.zeros((4, 2)),
        "said_confidence": np.array([0.0, 1.0, 0.5, 0.5]),
    }
    shown = made.module.extract(odd)
    assert shown.dtype == np.float32
    assert shown.shape == (4, 11)
    assert not np.isinf(shown).any()
    often, seldom, never, nothing = shown[:, 0].tolist()
    assert often > never == nothing > seldom
    assert shown[0, 3:5].tolist() == [6.5, 4.0], "a Friday at half past six"
    assert np.isnan(shown[2, [2, 3, 4, 6]]).all()
    assert np.isfinite(made.risk(odd)).all()


def test_without_the_libraries_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """S22: in words, with how to get them."""

    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InvalidUsage, match="training a safeguard needs the library 'lightgbm'"):
        learning._trees(1)  # because nothing else asks for one library alone
