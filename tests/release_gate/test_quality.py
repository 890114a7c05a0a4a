"""S8 N7: no class, slice or costly error worse; three-valued; figures of the issue."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.finding import worst
from mainstay.contract.model import NumberOutput
from mainstay.release.gate.judge import findings_of
from mainstay.release.gate.quality import acceptable, even, not_costlier, not_worse
from tests.release_gate.evidence import contract, evidence, two_models

METRICS = ["accuracy", "log_loss", "roc_auc"]


@pytest.mark.parametrize("metric", METRICS)
def test_a_planted_loss_of_5_percent_on_5000_rows_fails(metric):
    """The figure of the issue."""
    promised = contract(metric, slices=("country",), worse_by=0.02)
    for seed in range(5):
        one, other, labels = two_models(np.random.default_rng(seed), 5000, worse=0.05)
        findings = not_worse(evidence(promised, one, other, labels))
        assert worst(findings) == "fail"
        assert findings[0].verdict == "fail"
        assert findings[0].interval[0] > 0.02


@pytest.mark.parametrize("worse_by", [0.0, 0.02])
def test_equals_fail_at_most_once_in_a_hundred(worse_by):
    """The figure of the issue: 200 seeded A/A runs, whole and slices and classes together."""
    promised = contract(
        "accuracy", slices=("country",), worse_by=worse_by, cost={"fraud": {"ok": 10}}
    )
    failed = 0
    for seed in range(200):
        one, other, labels = two_models(np.random.default_rng(seed), 2000)
        seen = evidence(promised, one, other, labels)
        failed += worst(not_worse(seen) + not_costlier(seen)) == "fail"
    assert failed / 200 <= 0.01


@pytest.mark.parametrize("metric", METRICS)
@given(st.integers(0, 10_000), st.integers(1, 400))
@settings(max_examples=25, deadline=None)
def test_identical_versions_never_fail_and_pass(metric, seed, rows):
    """Whatever the rows are, and however few."""
    promised = contract(metric, slices=("country",), worse_by=0.0, cost={"fraud": {"ok": 10}})
    one, _, labels = two_models(np.random.default_rng(seed), rows)
    findings = findings_of(evidence(promised, one, one.copy(), labels))
    assert {each.verdict for each in findings if "cannot be compared" not in each.words} == {"pass"}
    assert worst(findings) != "fail"


@pytest.mark.parametrize("metric", METRICS)
@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_exchanging_the_two_flips_every_difference(metric, seed):
    promised = contract(metric, slices=("country",), cost={"fraud": {"ok": 10}})
    one, other, labels = two_models(np.random.default_rng(seed), 300, worse=0.05)
    there = evidence(promised, one, other, labels)
    back = evidence(promised, other, one, labels)
    for check in (not_worse, not_costlier):
        for a, b in zip(check(there), check(back), strict=True):
            assert (a.check, a.slice) == (b.check, b.slice)
            assert (a.figure, a.compared) == (b.compared, b.figure)
            assert not (a.verdict == b.verdict == "fail")


def test_numbers_too():
    random = np.random.default_rng(1)
    labels = random.normal(100, 10, 3000)
    other = labels + random.normal(0, 2, 3000)
    for metric, sd, verdict in (("rmse", 2.0, "pass"), ("mae", 2.0, "pass"), ("rmse", 3.0, "fail")):
        promised = contract(metric, NumberOutput(), worse_by=0.3)
        one = labels + random.normal(0, sd, 3000)
        (finding,) = not_worse(evidence(promised, one, other, labels))
        assert finding.verdict == verdict


def test_one_bad_slice_is_found_and_named():
    """N7: no slice worse, though the whole hides it."""
    random = np.random.default_rng(2)
    one, other, labels = two_models(random, 8000)
    countries = np.array(["DE"] * 7000 + ["FR"] * 1000, dtype=object)
    one[7000:7200] = one[7000:7200, ::-1]
    promised = contract("accuracy", slices=("country",), worse_by=0.05)
    findings = {
        each.slice: each for each in not_worse(evidence(promised, one, other, labels, countries))
    }
    assert findings[""].verdict == "pass"
    assert findings["country=FR"].verdict == "fail"
    assert findings["country=DE"].verdict == "pass"


def test_one_bad_class_is_found_and_named():
    one, other, labels = two_models(np.random.default_rng(3), 5000)
    rare = np.flatnonzero(labels == 1)[:200]
    one[rare] = [0.9, 0.1]
    findings = {
        each.slice: each
        for each in not_worse(evidence(contract("accuracy", worse_by=0.05), one, other, labels))
    }
    assert findings["truth=fraud"].verdict == "fail"
    assert findings["truth=ok"].verdict == "pass"


def test_few_rows_are_unsure_and_none_have_no_check():
    one, other, labels = two_models(np.random.default_rng(4), 15)
    assert worst(not_worse(evidence(contract("accuracy"), one, other, labels))) == "unsure"
    one, other, labels = two_models(np.random.default_rng(4), 60)
    assert worst(not_worse(evidence(contract("accuracy"), one, other, labels))) == "unsure"
    assert not_worse(evidence(contract(None), one, other, labels)) == []
    assert not_worse(evidence(contract("accuracy"), one, None, labels)) == []
    unknown = np.full(60, -1)
    (finding,) = not_worse(evidence(contract("accuracy"), one, other, unknown))
    assert (finding.verdict, "label" in finding.words) == ("unsure", True)


def test_what_cannot_be_compared_is_unsure_in_words():
    one, other, labels = two_models(np.random.default_rng(5), 100)
    promised = contract("accuracy", cost={"fraud": {"ok": 1}})
    seen = evidence(promised, one, other[:0], labels, incomparable="v1 needs 'x'")
    assert [each.words for each in not_worse(seen) + not_costlier(seen)] == ["v1 needs 'x'"] * 2


def test_costly_errors_must_not_rise():
    """N7: the same accuracy, but the dear errors instead of the cheap ones."""
    labels = np.array([0, 1] * 1000)
    cheap, dear = (np.tile([[0.9, 0.1], [0.1, 0.9]], (1000, 1)) for _ in range(2))
    cheap[:200:2] = [0.1, 0.9]
    dear[1:200:2] = [0.9, 0.1]
    promised = contract("accuracy", cost={"fraud": {"ok": 500}, "ok": {"fraud": 1}})
    (finding,) = not_costlier(evidence(promised, dear, cheap, labels))
    assert (finding.verdict, finding.figure, finding.compared) == ("fail", 25.0, 0.05)
    (finding,) = not_costlier(evidence(promised, cheap, dear, labels))
    assert finding.verdict == "pass"
    slightly = cheap.copy()
    slightly[1001] = [0.9, 0.1]
    (finding,) = not_costlier(evidence(promised, slightly, cheap, labels))
    assert finding.verdict == "unsure"


def test_errors_are_even_or_named_or_in_doubt():
    """N7: over the values of an input, with too small groups said."""
    promised = contract("accuracy", parity=("country",), parity_within=0.1)
    labels = np.zeros(2000, dtype=np.int64)
    countries = np.array(["DE", "FR"] * 1000, dtype=object)
    raw = np.tile([0.9, 0.1], (2000, 1))
    (finding,) = even(evidence(promised, raw, None, labels, countries))
    assert finding.verdict == "pass"
    raw[1:600:2] = [0.1, 0.9]
    (finding,) = even(evidence(promised, raw, None, labels, countries))
    assert (finding.verdict, finding.figure) == ("fail", pytest.approx(0.3))
    assert "30.0% wrong where country=FR" in finding.words
    countries[:10] = "PL"
    (finding,) = even(evidence(promised, np.tile([0.9, 0.1], (2000, 1)), None, labels, countries))
    assert (finding.verdict, "country=PL" in finding.words) == ("unsure", True)
    near = np.tile([0.9, 0.1], (60, 1))
    near[1:10:2] = [0.1, 0.9]
    (finding,) = even(evidence(promised, near, None, labels[:60]))
    assert finding.verdict == "unsure"


def test_the_acceptable_range_is_about_these_very_rows():
    """S8: the same number and the same answer as at every start."""
    from msgspec.structs import replace

    one, _, labels = two_models(np.random.default_rng(6), 500, wrong=0.1)
    promised = contract("accuracy")
    for low, high, verdict in ((0.8, 1.0, "pass"), (0.95, 1.0, "fail"), (0.0, 0.5, "fail")):
        held = replace(promised, assets=replace(promised.assets, acceptable=(low, high)))
        (finding,) = acceptable(evidence(held, one, None, labels))
        assert finding.verdict == verdict
        assert f"{low:g} to {high:g}" in finding.words
