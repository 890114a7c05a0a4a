"""N1 S9 S11: one call makes an immutable, proven version with its card, or says what to do."""

import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle, InvalidContract, InvalidUsage
from mainstay.bundle.archive import unpack
from mainstay.bundle.load import load
from mainstay.bundle.pack import Packed, pack
from mainstay.contract.load import load_contract
from mainstay.contract.model import (
    Contract,
    Facts,
    FromLookup,
    FunctionSource,
    Integer,
    Number,
    NumberOutput,
    Probability,
    Text,
)
from tests.bundle import carried_code


def again(data, into, **more) -> Packed:
    return pack(
        "fraud", model=data.model, confidence=(data.rows[:60], data.labels[:60]), into=into, **more
    )


def test_the_same_inputs_at_the_same_time_are_the_same_version(data, tmp_path):
    """N1: a version is a function of what went into it."""
    one = again(data, tmp_path / "a", clock=ManualClock())
    two = again(data, tmp_path / "b", clock=ManualClock())
    assert one.fingerprint == two.fingerprint
    assert one.file.read_bytes() == two.file.read_bytes()
    assert again(data, tmp_path / "c", clock=ManualClock(1)).fingerprint != one.fingerprint


def test_the_card_says_where_it_comes_from(data, tmp_path, monkeypatch):
    """N1: revision and dirty tree, libraries, parameters, metrics, what the user adds."""
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (tmp_path / "a.py").write_text("1")
    for command in (["init", "-q"], ["add", "a.py"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True, cwd=tmp_path)
    clean = again(data, tmp_path.parent / "clean", card={"snapshot": "orders@7", "notes": "hi"})
    card = clean.manifest.card
    assert len(card.code_revision) == 40
    assert not card.code_dirty
    assert card.snapshot == "orders@7"
    assert card.notes.startswith("hi\n")
    assert card.parameters["logisticregression__C"] == 1.0
    assert {"python", "numpy", "scikit-learn", "onnxruntime"} <= set(card.libraries)
    assert card.metrics == pytest.approx(clean.trial.metrics)
    assert card.metrics["roc_auc"] > 0.9
    (tmp_path / "a.py").write_text("2")
    assert again(data, tmp_path.parent / "dirty").manifest.card.code_dirty
    with pytest.raises(InvalidUsage, match="no field 'snapshoot'"):
        again(data, tmp_path, card={"snapshoot": "x"})


def test_an_inferred_contract_is_written_to_be_edited_and_never_overwritten(data, tmp_path):
    packed = again(data, tmp_path)
    assert load_contract(packed.contract_file) == packed.manifest.contract
    packed.contract_file.write_text("# mine\n")
    second = again(data, tmp_path)
    assert packed.contract_file.read_text() == "# mine\n"
    assert second.contract_file.name == "fraud.inferred.yaml"


NAMES = ("zeta", "b", "alpha", "d", "Y", "f10")


@pytest.mark.parametrize("form", ["dict", "pandas", "polars", "arrow", "list"])
def test_rows_may_come_in_any_form_and_keep_the_order_of_their_columns(form, data, tmp_path):
    """S9: a matrix in the order of the contract means the columns it meant in training."""
    rows = data.rows[:50]
    columns = {name: rows[:, place] for place, name in enumerate(NAMES)}
    given = {
        "dict": lambda: columns,
        "pandas": lambda: pd.DataFrame(columns),
        "polars": lambda: pl.DataFrame(columns),
        "arrow": lambda: pa.table(columns),
        "list": rows.tolist,
    }[form]()
    packed = pack("m", model=data.model, confidence=given, into=tmp_path)
    expected = tuple(f"f{i}" for i in range(6)) if form == "list" else NAMES
    assert packed.manifest.features == expected
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    assert tuple(loaded.manifest.contract.inputs) == expected
    np.testing.assert_allclose(
        loaded.predict(loaded.extract({"matrix": rows})), data.model.predict_proba(rows), atol=1e-5
    )


def test_the_extractor_travels_and_gives_the_same_features(tmp_path, key):
    """S11: one code base: training's function answers for rows that come through any door."""
    columns = {"a": np.linspace(-3, 3, 40), "b": np.array(["x y", "z"] * 20, dtype=object)}
    made = carried_code.features(columns)
    model = LinearRegression().fit(np.column_stack(list(made.values())), columns["a"])
    packed = pack(
        "m",
        model=model,
        features=carried_code.features,
        confidence=columns,
        sign_with=key,
        into=tmp_path,
    )
    assert packed.manifest.code.extract == "features"
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    assert loaded.extracts
    np.testing.assert_allclose(
        loaded.extract(columns)["matrix"], np.column_stack(list(made.values())), rtol=1e-6
    )


@pytest.mark.parametrize("model", [carried_code.Threshold(0.25), carried_code.Sum()])
def test_a_plain_model_travels_as_source_and_state(model, tmp_path, data):
    """S9: without pickle, and it answers as the object did."""
    rows = data.rows[:30]
    matrix = isinstance(model, carried_code.Threshold)
    given = rows if matrix else {"a": rows[:, 0], "b": rows[:, 1]}
    packed = pack("m", model=model, confidence=given, into=tmp_path)
    assert packed.manifest.runs.format == "source"
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    if matrix:
        got = loaded.predict(loaded.extract({"matrix": rows}))
        np.testing.assert_array_equal(got, model.predict_proba(rows))
    else:
        np.testing.assert_array_equal(loaded.predict(loaded.extract(given)), model.predict(given))


def lookup_contract(**more) -> Contract:
    return Contract(
        model="m",
        inputs={"x": Number(), "account": Text()},
        output=NumberOutput(),
        context={
            "accounts": FromLookup(
                lookup="ages", key="account", fields={"age": Integer()}, otherwise={"age": 0}
            )
        },
        lookups={"ages": FunctionSource(function="ages")},
        **more,
    )


def ages(keys):
    return {key: {"age": len(key)} for key in keys}


def with_age(columns):
    return {"x": columns["x"], "age": columns["accounts.age"].astype(float)}


def test_context_and_lookups_travel(tmp_path):
    rows = {
        "x": np.arange(9.0),
        "account": np.array(["a", "bb", "ccc"] * 3, dtype=object),
        "accounts.age": np.arange(9),
    }
    model = LinearRegression().fit(np.column_stack([rows["x"], rows["accounts.age"]]), rows["x"])
    packed = pack(
        "m",
        model=model,
        contract=lookup_contract(),
        features=with_age,
        lookups={"ages": ages},
        confidence=rows,
        into=tmp_path,
    )
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    assert loaded.lookup("ages")(["xyz"]) == {"xyz": {"age": 3}}
    with pytest.raises(InvalidUsage, match="'ages' was not handed over"):
        pack(
            "m",
            model=model,
            contract=lookup_contract(),
            features=with_age,
            confidence=rows,
            into=tmp_path,
        )


def test_classes_in_another_order_are_put_right(data, tmp_path):
    """The contract's threshold means its second class, whatever the alphabet says."""
    words = np.where(data.labels == 1, "fraud", "ok")
    model = LogisticRegression().fit(data.rows, words)
    contract = Contract(
        model="m",
        inputs={f"f{i}": Number() for i in range(6)},
        output=Probability(classes=("ok", "fraud")),
    )
    packed = pack("m", model=model, contract=contract, confidence=(data.rows, words), into=tmp_path)
    assert packed.manifest.runs.order == (1, 0)
    assert packed.manifest.card.metrics["roc_auc"] > 0.9
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    np.testing.assert_allclose(
        loaded.predict({"matrix": data.rows.astype(np.float32)}),
        model.predict_proba(data.rows)[:, ::-1],
        atol=1e-5,
    )
    with pytest.raises(InvalidUsage, match="not the model's"):
        pack(
            "m",
            model=model,
            confidence=data.rows,
            into=tmp_path,
            contract=msgspec.structs.replace(contract, output=Probability(classes=("good", "bad"))),
        )


def test_a_wrong_end_to_end_example_is_refused(data, tmp_path):
    """S8: one wrong example is enough, and the words name it, what came and what was expected."""
    rows = data.rows[:3]
    right = data.model.predict(rows)
    for expected in (right, data.model.predict_proba(rows), data.model.predict_proba(rows)[:, 1]):
        again(data, tmp_path, end_to_end=(rows, expected))
    wrong = right.copy()
    wrong[2] = 1 - wrong[2]
    with pytest.raises(InvalidBundle, match="example 3 is answered wrong") as refused:
        again(data, tmp_path, end_to_end=(rows, wrong), classes=["ok", "fraud"])
    assert str(refused.value.expected).startswith(("ok", "fraud"))


def late(columns):
    return {"x": columns["f0"][:-1]}


def failing(columns):
    return {"x": columns["nonexistent"]}


def infinite(columns):
    return {"x": columns["f0"] * 0 + float("inf")}


MISTAKES = {
    "no name": ({"name": "Fraud Model"}, "fraud-model"),
    "no rows": ({"confidence": None}, "no confidence set"),
    "too few columns": ({"confidence": np.ones((5, 4))}, "another number of columns"),
    "empty": ({"confidence": np.ones((0, 6))}, "empty"),
    "one row flat": ({"confidence": np.ones(6)}, "rows and columns"),
    "labels": ({"confidence": (np.ones((5, 6)), [1, 0])}, "another number of rows"),
    "strange label": ({"confidence": (np.ones((2, 6)), ["x", 1])}, "a class that the model"),
    "missing values": ({"confidence": np.full((5, 6), np.nan)}, "cannot answer these rows"),
    "features rows": ({"features": late}, "number of rows"),
    "features raise": ({"features": failing}, "KeyError"),
    "features infinite": ({"features": infinite}, "infinite"),
    "feature count": ({"features": carried_code.total}, "3 features, the model takes 6"),
    "pair": ({"confidence": (1, 2, 3)}, "pair"),
    "not rows": ({"confidence": "data.csv"}, "holds no rows"),
    "classes": ({"classes": ["a"]}, "another number of classes"),
    "lookups": ({"lookups": {"x": len}}, "no source"),
    "facts": (
        {
            "contract": Contract(
                model="fraud",
                inputs={f"f{i}": Number() for i in range(6)},
                facts=Facts(features=5),
                output=Probability(classes=("0", "1")),
            )
        },
        "another number of features",
    ),
    "output": (
        {
            "contract": Contract(
                model="fraud", inputs={f"f{i}": Number() for i in range(6)}, output=NumberOutput()
            )
        },
        "output is a number",
    ),
    "other model": (
        {"contract": Contract(model="spam", inputs={"f0": Number()}, output=NumberOutput())},
        "another model",
    ),
    "range": (
        {
            "contract": Contract(
                model="fraud",
                inputs={f"f{i}": Number(min=100) for i in range(6)},
                output=Probability(classes=("0", "1")),
            )
        },
        "the contract refuses",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_is_told_in_its_own_terms(case, data, tmp_path):
    more, words = MISTAKES[case]
    arguments = {
        "name": "fraud",
        "model": data.model,
        "confidence": data.rows[:20],
        "into": tmp_path,
        **more,
    }
    with pytest.raises((InvalidUsage, InvalidContract), match=words) as refused:
        pack(arguments.pop("name"), **arguments)
    assert refused.value.field
    assert not list(Path(tmp_path).glob("*.mainstay"))
