"""The reference that travels in a bundle: what decisions are held against later. M4 M5."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

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
