"""S11 S12 N1: features as they were served are learned from, and the extractor stays the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from mainstay.bundle.extractor import digest_of
from mainstay.cli import cli
from mainstay.contract.columns import encode
from mainstay.renew.labels.model import Definition, Features
from mainstay.renew.snapshots.model import id_of
from mainstay.renew.training.data import Folders, TrainingData
from mainstay.renew.training.model import Served
from mainstay.renew.training.served import hand_over
from mainstay.wiring.snapshotting import find_snapshot, rows_of
from mainstay.wiring.workspace import open_workspace
from tests.renew.extractors import honest, renamed
from tests.renew.kitchen import CONTRACT, Kitchen, inputs_of, pack_rule
from tests.renew.shop import Shop
from tests.servers.mainstay import CONTRACT as PLAIN

TRAINING = """
import numpy as np

class Rule:
    def __init__(self, weights):
        self.weights = weights
        self.classes_ = ["low", "high"]

    def predict_proba(self, rows):
        score = sum(self.weights[name] * rows[name] for name in self.weights)
        high = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - high, high])

def good(data):
    assert list(data.features) == ["sum", "root", "bin", "up", "word", "length"]
    kinds = {name: column.dtype.kind for name, column in data.features.items()}
    assert kinds == {"sum": "f", "root": "f", "bin": "i", "up": "b", "word": "O", "length": "f"}
    assert len(data.features["sum"]) == len(data)
    assert np.array_equal(data.features["sum"], data.inputs["a"] + data.inputs["b"])
    assert np.isnan(data.features["root"][data.inputs["a"] < 0]).all()
    assert data.frame().columns.tolist() == list(data.features)
    right = np.where(data.labels == "high", 1.0, -1.0)
    return Rule({"sum": float(5 * np.sign(data.features["sum"] @ right))})

def long_ones(data):
    return Rule({"sum": 5.0, "length": 1.0})

def own(data):
    return data.packed(Rule({"sum": 5.0}), features=extract)

def extract(rows):
    return {"sum": rows["a"] + rows["b"]}

def without(data):
    assert data.features is None
    return data.packed(Rule({"sum": 5.0}), features=extract)
"""
RENEW = 'renew: {train: "rule:%s", time: 20s, memory_gb: 6, disk_gb: 0.02, features: %s}\n'


def run(folder: Path, *arguments: str) -> Result:
    given = [*arguments, "--workspace", str(folder)]
    result = CliRunner().invoke(cli, given, prog_name="mainstay")
    assert "Traceback" not in result.output, result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1 decided 120 rows, v2 with another extractor 40; v3, not in use, has that of v1. Of all it
    was heard what is right."""
    kitchen = Kitchen(tmp_path_factory.mktemp("served") / "shop", honest)
    pack_rule(kitchen.folder, renamed, 6.0)
    pack_rule(kitchen.folder, honest, 7.0)
    for number, count in ((2, 40), (3, 20), (1, 80)):
        kitchen.serve(number)
        heard(kitchen, kitchen.rows(count, number))
    kitchen.serve(1)
    rows = kitchen.rows(5, 9)
    heard(kitchen, rows, features=b"", steps_ns={"validate": 1})
    kitchen.close()
    code = kitchen.folder / "training"
    code.mkdir()
    (code / "rule.py").write_text(TRAINING)
    return kitchen.folder


def heard(kitchen: Kitchen, rows: np.ndarray, **changes: Any) -> None:
    right = np.where(rows[:, 0] + rows[:, 1] > 0, "high", "low")
    kitchen.hear(right.tolist(), kitchen.decide(rows, **changes))


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def trained_by(shop: Path, function: str, features: str = "logged") -> None:
    (shop / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW % (function, features))


def test_a_version_learns_from_features_as_they_were_served(shop: Path):
    """Those of every version with that extractor and of no other; what is left out is counted; the
    new version has that extractor, of which its training code says nothing."""
    trained_by(shop, "good")
    contract = shop / "contracts" / "sums.yaml"
    stricter = contract.read_text().replace(
        "a: {type: number, min: -100", "a: {type: number, min: -0.9"
    )
    contract.write_text(stricter)
    done = run(shop, "retrain", "sums", "--json")
    found = json.loads(done.output)
    # What is refused today makes rows that are left out, and a version that does not go live.
    assert "contract inputs.a.min changed" in found["why_not"]
    workspace = open_workspace(shop)
    snapshot = find_snapshot(workspace, found["snapshot"]["id"])
    assert snapshot.rows == 100
    assert 0 < found["run"]["skipped"]["values that the contract refuses today"] < 20
    assert snapshot.left_out == {
        "decisions whose features another extractor made": 40,
        "decisions without features: the model had no part in them": 5,
    }
    versions = [workspace.registry.find("sums", number) for number in (1, 2, 3, 4)]
    opened = [workspace.here(version.fingerprint) for version in versions]
    digests = [digest_of(each.folder, each.manifest) for each in opened]
    assert digests[0] == digests[2] == digests[3] == found["run"]["features"] != digests[1]
    table = rows_of(workspace, snapshot)
    sums = table.column("input_a").to_numpy() + table.column("input_b").to_numpy()
    assert np.array_equal(table.column("feature_sum").to_numpy(), sums)
    verified = run(shop, "snapshot", "verify", snapshot.id)
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("own", "hands over an extractor of its own"),
        ("long_ones", "does not make again what it made when these decisions were made"),
    ],
)
def test_a_training_that_would_be_skewed_makes_no_version(shop: Path, function: str, words: str):
    """S12: with another extractor, or one that makes something else of the same inputs today; the
    feature is named, and nothing changes."""
    kitchen = Kitchen.__new__(Kitchen)
    super(Kitchen, kitchen).__init__(shop, made=True)
    rows = kitchen.rows(60, 11)
    made = kitchen.loaded.extract(inputs_of(rows))
    made["length"] = made["length"] + 3
    right = np.where(rows[:, 0] + rows[:, 1] > 0, "high", "low")
    kitchen.hear(right.tolist(), kitchen.decide(rows, made=made))
    kitchen.close()
    trained_by(shop, function)
    done = run(shop, "retrain", "sums")
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert words in said
    assert function == "own" or "length in 32" in said
    assert len(open_workspace(shop).registry.versions("sums")) == 3


def test_features_are_handed_over_in_the_order_of_the_extractor(template: Path, tmp_path: Path):
    """So a matrix of them is the one that the model will be asked with, whatever order an earlier
    model took them in."""
    workspace = open_workspace(template)
    opened = workspace.here(workspace.registry.find("sums", 1).fingerprint)
    inputs = inputs_of(Kitchen.rows(3))
    made = dict(reversed(honest(inputs).items()))
    (tmp_path / "learned").write_bytes(encode(made))
    data = TrainingData(
        inputs, np.array(["low"] * 3), seed=1, folders=Folders(tmp_path, tmp_path), snapshot="s"
    )
    hand_over(
        data,
        Served(
            learned=str(tmp_path / "learned"), tested="", extractor="e",
            folder=str(opened.folder), fingerprint=opened.fingerprint,
        ),
    )  # fmt: skip
    assert data.features is not None
    assert list(data.features) == list(honest(inputs))


def test_who_does_not_ask_gets_what_was_before(shop: Path):
    """All decisions, no features, and the id that the same definition always had (N1)."""
    trained_by(shop, "without", "made")
    done = run(shop, "retrain", "sums", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["snapshot"]["rows"] == 145
    plain = Definition(model="m", since_ns=0, until_ns=1, known_ns=1)
    asked = replace(plain, features=Features(extractor="e", made_by=("f",), columns={}))
    assert id_of(plain, "c") == "dbbfa11b9c53d1eec965d6f0868c021ee21d0e8650fcf4ba281c379f2ee88a29"
    assert id_of(plain, "c") != id_of(asked, "c")
    trained_by(shop, "good")
    missing = run(shop, "retrain", "sums", "--snapshot", json.loads(done.output)["snapshot"]["id"])
    assert missing.exit_code != 0
    assert "has no features" in " ".join(missing.output.split())


def test_features_that_are_not_there_are_said_at_once(shop: Path, tmp_path: Path):
    """What cannot be is said in words, with what would be right."""
    trained_by(shop, "good")
    late = run(shop, "snapshot", "sums", "--since", "1m")
    assert late.exit_code != 0
    assert "has features that the extractor of sums v1" in " ".join(late.output.split())
    plain = Shop(tmp_path / "plain").folder
    (plain / "contracts" / "sums.yaml").write_text(PLAIN + RENEW % ("good", "logged"))
    none = run(plain, "snapshot", "sums")
    assert none.exit_code != 0
    assert "has no extractor, so its inputs are its features" in " ".join(none.output.split())
