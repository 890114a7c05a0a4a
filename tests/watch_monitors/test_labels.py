"""How right answers are, by labels as they come: named when it changes, and quiet before. M3 M7 M8."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from mainstay.bundle.archive import unpack
from mainstay.bundle.pack import pack
from mainstay.bundle.reference import read_reference
from mainstay.contract.model import Contract, Number, NumberOutput, Probability
from mainstay.summaries.labels import columns_of, rulers_of
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import ARRIVED, STRETCH_MS, Key, Part
from mainstay.watch.labels.metrics import metrics_of
from mainstay.watch.monitors.labels import look_at_labels, questions_about
from mainstay.watch.monitors.model import Change, Saved

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
FRAUD = Contract(
    model="m", inputs={"x": Number()}, output=Probability(classes=("ok", "fraud"), threshold=0.4)
)
PRICE = Contract(model="m", inputs={"x": Number()}, output=NumberOutput())
PER_ALARM = 4 * 4320.0


class World:
    """One version and its labels, ten minutes at a time."""

    def __init__(self, seed: int, contract: Contract = FRAUD, packed: bool = True) -> None:
        self.generator = np.random.default_rng(seed)
        self.contract = contract
        columns = self.labels(4000)
        rulers = rulers_of(contract)
        known = {name: Known(rulers[name], summary) for name, summary in columns.items()}
        self.known = Reference("its confidence set", 4000, known if packed else {})
        self.saved = Saved()
        self.at = 0
        self.changes: list[Change] = []

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == MARK else None

    def source(self, fingerprint: str, column: str) -> str:
        return ""

    def labels(self, rows: int, wrong: str = "") -> dict[str, Summary]:
        """A model that is as sure as it is right, or one that went wrong."""
        draw = self.generator
        if isinstance(self.contract.output, NumberOutput):
            truth = draw.normal(100, 30, rows)
            size = {"worse": 9.0, "better": 2.5}.get(wrong, 5.0)
            found = truth + draw.normal(4.0 if wrong == "high" else 0.0, size, rows)
            columns = columns_of(self.contract, truth.tolist(), found, (), ())
        else:
            second = draw.beta(0.7, 1.5, rows)
            chance = {"worse": 0.5 + (second - 0.5) * 0.3, "better": second**2 / (second**2 + (1 - second) ** 2),
                      "more": second * 0.6}.get(wrong, second)  # fmt: skip
            truth = (draw.random(rows) < chance).astype(int)
            names = np.array(["ok", "fraud"], dtype=object)
            answers = names[(second >= 0.4).astype(int)]
            outputs = np.stack([1 - second, second], axis=1)
            columns = columns_of(
                self.contract, names[truth].tolist(), outputs, answers.tolist(), [True] * rows
            )
        rulers = rulers_of(self.contract)
        return {name: summarise(values_of(c), rulers[name]) for name, c in columns.items()}

    def pass_(self, stretches: int, wrong: str = "", rows: int = 60) -> list[Change]:
        told: list[Change] = []
        for _ in range(stretches):
            begin = BEGIN + self.at * STRETCH_MS
            self.at += 1
            part = Part(Key("m", MARK, 4, "", ARRIVED, begin), 0, self.labels(rows, wrong))
            self.saved = msgspec.structs.replace(self.saved, until_ms=begin + STRETCH_MS)
            told += self.look([part])
        self.changes += told
        return told

    def look(self, parts: list[Part], live: str = MARK) -> list[Change]:
        told = (self.contract, live, self)
        self.saved, changes = look_at_labels(self.saved, parts, told, PER_ALARM)
        saved = msgspec.msgpack.encode(self.saved)
        self.saved = msgspec.msgpack.decode(saved, type=Saved)
        return changes


@pytest.mark.parametrize(
    ("contract", "wrong", "checks", "words"),
    [
        (FRAUD, "worse", {"accuracy", "roc_auc", "calibration"}, "accuracy has fallen"),
        (FRAUD, "better", {"accuracy", "roc_auc"}, "do labels leak into the inputs"),
        (FRAUD, "more", {"bias of fraud"}, "fraud is answered more often than it is true"),
        (PRICE, "worse", {"errors"}, "errors are larger than they were"),
        (PRICE, "better", {"errors"}, "errors are smaller than they were"),
        (PRICE, "high", {"bias"}, "answers lie higher against the truth"),
    ],
)  # fmt: skip
def test_what_changes_is_named_and_ends(contract: Contract, wrong: str, checks: set, words: str):
    """M3 M7: drops and rises, bias and calibration; once, until it is as it was."""
    world = World(1, contract)
    assert world.pass_(20) == []
    began = BEGIN + world.at * STRETCH_MS
    found = [change for change in world.pass_(60, wrong, 150) if change.kind == "opened"]
    assert checks <= {change.finding.check.removeprefix("labels: ") for change in found}
    assert len({change.key for change in found}) == len(found)
    assert any(words in change.finding.words for change in found)
    away = [(change.since_ms - began) / STRETCH_MS for change in found]
    assert min(map(abs, away)) <= 1 and max(away) <= 3, away  # noqa: PT018  # because both are about one list
    world.pass_(60, rows=150)
    assert world.saved.open == {}


def test_what_stays_as_it_was_is_left_alone():
    """M8: forty days of labels for each of ten versions, at an alarm a month of each family."""
    for seed in range(5):
        for contract in (FRAUD, PRICE):
            world = World(10 + seed, contract)
            world.pass_(120, rows=200)
            assert world.changes == []


def test_a_version_packed_without_labels_has_its_calibration():
    """M7: right as often as it is sure needs no other figure."""
    world = World(3, packed=False)
    assert [asked.what for asked in questions_about(FRAUD, {})] == ["calibration"]
    assert world.pass_(30) == []
    (found,) = [change for change in world.pass_(60, "worse") if change.kind == "opened"]
    assert "answers are right less often than the model is sure of them" in found.finding.words


def test_a_version_that_left_has_no_findings():
    """M24: what was found of its labels is over with it; what is not of it is not asked."""
    world = World(4)
    world.pass_(60, "worse")
    assert world.saved.open
    ended = world.look([], "cd" * 32)
    assert {change.kind for change in ended} == {"resolved"}
    assert world.saved.open == {}
    states = world.saved.states
    world.look([Part(Key("m", MARK, 4, "", ARRIVED, BEGIN), 0, world.labels(50))], "cd" * 32)
    assert world.saved.states == states


def test_pairs_are_won_as_often_as_the_area_says():
    """M3: beside scikit-learn's area, for rows that were drawn in many stretches."""
    generator = np.random.default_rng(5)
    second = np.round(generator.beta(1, 2, 40_000), 2)
    truth = (generator.random(40_000) < second).astype(int)
    world = World(5)
    (area,) = [each for each in questions_about(FRAUD, world.known.columns) if each.what == "roc_auc"]  # fmt: skip
    total = np.zeros(3)
    names = np.array(["ok", "fraud"], dtype=object)
    rulers = rulers_of(FRAUD)
    for seed, rows in enumerate(np.array_split(np.arange(40_000), 100)):
        outputs = np.stack([1 - second[rows], second[rows]], axis=1)
        columns = columns_of(FRAUD, names[truth[rows]].tolist(), outputs, ["ok"] * len(rows), [True] * len(rows))  # fmt: skip
        summaries = {n: summarise(values_of(c), rulers[n]) for n, c in columns.items()}
        total += area.counts(summaries, seed)
    share = float((total * np.array([1.0, 0.5, 0.0])).sum() / total.sum())
    assert share == pytest.approx(roc_auc_score(truth, second), abs=0.012)


def test_a_version_is_packed_with_how_right_it_was(tmp_path: Path):
    """M3 M7: what later labels are held against is what scikit-learn says of the confidence set."""
    generator = np.random.default_rng(6)
    rows = pd.DataFrame({"amount": generator.normal(size=600), "age": generator.normal(size=600)})
    truth = (rows.amount + generator.normal(size=600) > 0).to_numpy()
    model = LogisticRegression().fit(rows, truth)
    packed = pack("fraud", model=model, confidence=(rows, truth), into=tmp_path)
    known = read_reference(unpack(packed.file, tmp_path / "open").folder, packed.manifest)
    assert known is not None
    contract = packed.manifest.contract
    metrics = metrics_of(contract, {name: each.summary for name, each in known.columns.items()})
    assert metrics["accuracy"].figure == pytest.approx(accuracy_score(truth, model.predict(rows)))
    area = roc_auc_score(truth, model.predict_proba(rows)[:, 1])
    assert metrics["roc_auc"].figure == pytest.approx(area, abs=0.005)
    asked = {each.what: each.question for each in questions_about(contract, known.columns)}
    assert asked["accuracy"].mean == pytest.approx(metrics["accuracy"].figure)
    assert asked["roc_auc"].mean == pytest.approx(metrics["roc_auc"].figure)
