"""The reference that travels in a bundle: what decisions are held against later. M4 M5."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.archive import unpack
from mainstay.bundle.pack import pack
from mainstay.bundle.reference import read_reference
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of


@pytest.fixture
def rows() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    return pd.DataFrame({"amount": generator.lognormal(3, 1, 400), "age": generator.normal(size=400)})  # fmt: skip


def test_it_has_every_column_by_the_name_the_journal_has(rows: pd.DataFrame, tmp_path: Path):
    """M4: inputs and outputs, and the same cells for whatever comes later."""
    model = LogisticRegression().fit(rows, rows.amount > 25)
    packed = pack("fraud", model=model, confidence=(rows, rows.amount > 25), into=tmp_path)
    unpacked = unpack(packed.file, tmp_path / "open")
    known = read_reference(unpacked.folder, packed.manifest)
    assert known is not None
    assert known.rows == 400
    assert known.source == "400 rows that it was packed with"
    names = [f"output_{name}" for name in packed.manifest.contract.output.classes]
    own = {name for name in known.columns if not name.startswith(("label_", "probe_"))}
    assert own == {"input_amount", "input_age", *names}
    amount = known.columns["input_amount"]
    assert amount.summary.numbers.moments.mean == pytest.approx(rows.amount.mean())
    later = summarise(values_of(rows.amount.to_numpy() * 3), amount.ruler)
    assert later.ruler == amount.summary.ruler
    probability = known.columns[names[1]].summary.numbers.moments.mean
    assert probability == pytest.approx(model.predict_proba(rows)[:, 1].mean(), abs=1e-5)


def ratio(columns):
    """A feature of two inputs."""
    return {"ratio": columns["amount"] / (1.0 + columns["age"] ** 2)}


def test_other_rows_may_be_what_later_ones_are_held_against(rows: pd.DataFrame, tmp_path: Path):
    """M4 M5 S12: a chosen period, say: inputs, features and answers are of those, how right it was
    is of the confidence set, which nobody else has labels of; a row that breaks the contract is
    none."""
    other = pd.DataFrame({"amount": rows.amount * 0.5, "age": rows.age})
    made = pd.DataFrame(ratio({name: rows[name].to_numpy() for name in rows}))
    model = LogisticRegression().fit(made, rows.amount > 25)
    own = {"model": model, "features": ratio, "confidence": (rows, rows.amount > 25)}
    known = {}
    for name, reference in (("usual", None), ("chosen", other[:300])):
        packed = pack("fraud", **own, reference=reference, into=tmp_path / name)
        unpacked = unpack(packed.file, tmp_path / name / "open")
        known[name] = read_reference(unpacked.folder, packed.manifest)
    usual, chosen = known["usual"], known["chosen"]
    assert usual is not None
    assert chosen is not None
    assert (chosen.rows, chosen.source) == (300, "300 rows that it was packed with")
    assert chosen.columns.keys() == usual.columns.keys()
    expected = {"input_amount": other.amount, "feature_ratio": other.amount / (1 + other.age**2)}
    for name, values in expected.items():
        found = chosen.columns[name].summary.numbers.moments
        assert (found.count, found.mean) == (300, pytest.approx(values[:300].mean(), rel=1e-5))
    answers = [name for name in chosen.columns if name.startswith("output_")]
    assert all(chosen.columns[name] != usual.columns[name] for name in answers)
    labels = [name for name in chosen.columns if name.startswith("label_")]
    assert labels
    assert all(chosen.columns[name] == usual.columns[name] for name in labels)
    with pytest.raises(InvalidUsage, match="reference"):
        pack("fraud", **own, reference=rows[["age"]], into=tmp_path)


def test_features_are_in_it_where_they_are_not_the_inputs(rows: pd.DataFrame, tmp_path: Path):
    """M5 S12: what the extractor made of the rows."""
    made = pd.DataFrame(ratio({name: rows[name].to_numpy() for name in rows}))
    model = LogisticRegression().fit(made, rows.amount > 25)
    packed = pack(
        "fraud", model=model, features=ratio, confidence=(rows, rows.amount > 25), into=tmp_path
    )
    known = read_reference(unpack(packed.file, tmp_path / "open").folder, packed.manifest)
    assert known is not None
    found = known.columns["feature_ratio"].summary.numbers.moments.mean
    assert found == pytest.approx(made.ratio.mean(), rel=1e-5)
