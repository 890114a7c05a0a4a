"""Whoever is new to a version is known to the next one, which learned from them (N14)."""

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mainstay.bundle.archive import unpack
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.bundle.load import load
from mainstay.bundle.model import Card
from mainstay.bundle.signing import new_key
from mainstay.contract.load import loads_contract
from mainstay.renew.training.child import read, run
from mainstay.renew.training.model import ORDER, Run, Task

CONTRACT = """
model: advice
inputs: {user: {type: text}, a: {type: number}}
output: {type: probability, classes: [low, high]}
judge: {cold: {user: decline}}
renew: {train: "learned_sums:train"}
"""
CODE = """
import numpy as np

class Sums:
    def __init__(self):
        self.classes_ = ["low", "high"]

    def predict_proba(self, rows):
        high = 1 / (1 + np.exp(-rows["a"]))
        return np.column_stack([1 - high, high])

def only_a(columns):
    return {"a": columns["a"]}

def train(data):
    return data.packed(Sums(), features=only_a)
"""


def rows_of(users: list[str], file: Path) -> str:
    values = np.linspace(-1, 1, len(users))
    inputs = {"user": np.array(users, dtype=object), "a": values}
    truth = np.where(values > 0, "high", "low").astype(object)
    file.write_bytes(encode_examples(Examples(inputs=inputs, expected=truth)))
    return str(file)


def test_a_retrained_version_knows_the_rows_that_it_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N14 N5: by itself; and not those that it was only measured on."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "learned_sums.py").write_text(CODE)
    key = tmp_path / "team.key"
    new_key(key)
    task = Task(
        contract=loads_contract(CONTRACT, "c.yaml"),
        code=str(tmp_path),
        learned=rows_of([f"u{n % 30}" for n in range(60)], tmp_path / "learned"),
        tested=rows_of([f"t{n}" for n in range(20)], tmp_path / "tested"),
        run=Run(
            snapshot="s", content="0" * 16, function="learned_sums:train", code="", seed=1,
            order=ORDER, rows=60, tested=20,
        ),
        card=Card(packed_at=""),
        sign_with=str(key),
        into=str(tmp_path),
    )  # fmt: skip
    file = tmp_path / "task.json"
    file.write_bytes(msgspec.json.encode(task))
    made = unpack(Path(run(read(file)).file), tmp_path / "cache")
    assert made.manifest.known["user"].count == 30
    known = load(made.folder, made.fingerprint).known["user"]
    assert known.know(["u0", "u29", "u30", "t0"]).tolist() == [True, True, False, False]
