"""S23 M7 S33: what pack learns of a version's own judgement travels with the version."""

import msgspec
import numpy as np
import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage
from mainstay.bundle.archive import check_archive
from mainstay.bundle.assets import Examples
from mainstay.bundle.evidence import evidence_of
from mainstay.bundle.manifest import read_manifest
from mainstay.bundle.model import Manifest
from mainstay.bundle.pack import pack
from mainstay.bundle.weigh import stated, weigh
from mainstay.contract.judging import Confidence, Cost, Judge
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Label,
    Number,
    NumberOutput,
    Probability,
    ThresholdRule,
)

RULE = ThresholdRule(max="precision", recall_at_least=0.8)
NAMES = tuple("abcdef")


def contract_of(judge: Judge = Judge(), threshold: float | ThresholdRule = 0.5) -> Contract:  # noqa: B008  # because contracts are immutable
    return Contract(
        model="fraud",
        inputs={name: Number() for name in NAMES},
        output=Probability(classes=("ok", "fraud"), threshold=threshold),
        judge=judge,
    )


def columns(rows):
    return {name: rows[:, place] for place, name in enumerate(NAMES)}


def packed_with(contract, data, into, labels=True):
    given = (columns(data.rows), data.labels) if labels else columns(data.rows)
    return pack("fraud", model=data.model, contract=contract, confidence=given,
                classes=["ok", "fraud"], into=into, clock=ManualClock())  # fmt: skip


def test_a_rule_becomes_a_number_that_travels_with_its_curve(data, tmp_path):
    """S23: visible, versioned, and the same again for the same data."""
    wanted = contract_of(Judge(confidence=Confidence(at_least=0.7)), RULE)
    made = packed_with(wanted, data, tmp_path)
    _, manifest = check_archive(made.file)
    judgement = manifest.judgement
    assert judgement is not None
    assert judgement.threshold is not None
    assert isinstance(manifest.contract.output, Probability)
    assert manifest.contract.output.threshold == judgement.threshold.chosen
    assert judgement.threshold.rule == RULE
    assert judgement.threshold.reached.recall >= 0.8
    assert stated(manifest) == wanted
    assert packed_with(wanted, data, tmp_path / "again").fingerprint == made.fingerprint


def test_old_versions_have_no_judgement_and_load(packed):
    """S23: a bundle from before says nothing, and nothing is made up."""
    plain = msgspec.to_builtins(packed.manifest)
    del plain["judgement"]
    del plain["contract"]["judge"]
    old = read_manifest(msgspec.json.encode(plain))
    assert old.judgement is None
    assert old.calibration is None
    assert stated(old) is old.contract


@pytest.mark.parametrize("labels", [None, -1])
def test_a_rule_without_labels_is_refused_in_words(data, labels):
    """S23: nothing is guessed."""
    said = np.linspace(0.1, 0.9, 50)
    known = None if labels is None else np.full(50, labels)
    with pytest.raises(InvalidUsage, match="chosen on a confidence set with labels") as refused:
        weigh(
            contract_of(threshold=RULE),
            np.column_stack([1 - said, said]),
            Examples(inputs=columns(data.rows[:50]), label=known),
        )
    assert refused.value.field == "output.threshold"


@pytest.mark.parametrize(
    ("judge", "method"),
    [
        (Judge(), None),
        (Judge(confidence=Confidence(at_least=0.5, calibrate="no")), None),
        (Judge(confidence=Confidence(at_least=0.5, calibrate="isotonic")), "isotonic"),
        (Judge(confidence=Confidence(at_least=0.5, calibrate="temperature")), "temperature"),
        (Judge(cost=Cost(of_error=3.0)), "temperature"),
    ],
)
def test_confidence_is_corrected_where_something_looks_at_it(judge, method):
    """M7: free for models that do not declare it; measured for all."""
    random = np.random.default_rng(2)
    logits = random.normal(size=800)
    truth = (random.random(800) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    said = 1 / (1 + np.exp(-4 * logits))
    rows = Examples(inputs=columns(random.normal(size=(800, 6))), label=truth)
    _, found = weigh(contract_of(judge), np.column_stack([1 - said, said]), rows)
    assert found.before is not None
    assert found.before.error > 0.1
    assert found.sure
    assert (None if found.calibration is None else found.calibration.method) == method
    if found.after is not None:
        assert found.after.error < found.before.error / 2


def test_a_correction_that_was_named_needs_labels():
    """M7: `auto` makes do without, a named way is refused."""
    rows = Examples(inputs=columns(np.zeros((5, 6))), label=None)
    raw = np.full((5, 2), 0.5)
    asked = contract_of(Judge(confidence=Confidence(at_least=0.5, calibrate="isotonic")))
    with pytest.raises(InvalidUsage, match="cannot be corrected"):
        weigh(asked, raw, rows)
    _, found = weigh(contract_of(Judge(confidence=Confidence(at_least=0.5))), raw, rows)
    assert (found.before, found.calibration, found.sure) == (None, None, False)


def test_evidence_finds_where_the_model_errs_and_not_where_it_does_not():
    """S33 M7: a value with many errors is named, chance is not."""
    random = np.random.default_rng(4)
    rows = 4000
    country = random.choice(np.array(["DE", "FR", "US"], dtype=object), rows, p=[0.6, 0.395, 0.005])
    truth = random.integers(0, 2, rows)
    wrong = random.random(rows) < np.where(country == "FR", 0.3, 0.1)
    contract = Contract(
        model="m",
        inputs={"amount": Number(), "country": Category(values=("DE", "FR", "US")),
                "vip": Boolean(), "same": Number()},
        output=Label(classes=("no", "yes")),
    )  # fmt: skip
    inputs = {
        "amount": random.exponential(size=rows),
        "country": country,
        "vip": random.random(rows) < 0.5,
        "same": np.full(rows, np.nan),
    }
    found = evidence_of(contract, inputs, np.where(wrong, 1 - truth, truth), truth)
    assert found.error == pytest.approx(wrong.mean(), abs=1e-6)
    by_name = {each.input: each for each in found.inputs}
    worse = [(each.input, part.value) for each in found.inputs for part in each.parts if part.worse]
    assert worse == [("country", "FR")]
    assert {p.value: p.rows for p in by_name["country"].parts} == {
        name: int((country == name).sum()) for name in ("DE", "FR", "US")
    }
    assert sum(part.rows for part in by_name["amount"].parts) == rows
    assert by_name["amount"].usual == pytest.approx(np.quantile(inputs["amount"], (0.01, 0.99)))
    assert {part.value for part in by_name["vip"].parts} == {"true", "false"}
    assert (by_name["same"].missing, by_name["same"].parts) == (rows, ())


def test_numbers_have_errors_too_and_unlabelled_rows_none():
    """S33"""
    contract = Contract(model="m", inputs={"a": Number()}, output=NumberOutput())
    inputs = {"a": np.arange(100.0)}
    raw = np.zeros(100)
    labels = np.where(np.arange(100) % 2, np.nan, 2.0)
    found = evidence_of(contract, inputs, raw, labels)
    assert (found.rows, found.labelled, found.error) == (100, 50, 2.0)
    assert evidence_of(contract, inputs, raw, None).error is None


def test_the_manifest_stays_small(data, tmp_path):
    """S23: curves are thinned."""
    made = packed_with(
        contract_of(Judge(confidence=Confidence(at_least=0.7)), RULE), data, tmp_path
    )
    assert isinstance(made.manifest, Manifest)
    assert len(msgspec.json.encode(made.manifest.judgement)) < 60_000
