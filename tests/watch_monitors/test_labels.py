"""How right answers are, by labels as they come: named when it changes, and quiet before. M3 M7 M8."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, hypergeom
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from mainstay.bundle.archive import unpack
from mainstay.bundle.pack import pack
from mainstay.bundle.reference import read_reference
from mainstay.contract.model import Category, Contract, Number, NumberOutput, Probability, Ranking
from mainstay.contract.watching import Watch
from mainstay.summaries.labels import columns_of, in_slice, rulers_of
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import ARRIVED, STRETCH_MS, Key, Part
from mainstay.watch.labels.metrics import metrics_of
from mainstay.watch.monitors.detector import State
from mainstay.watch.monitors.label_questions import questions_about
from mainstay.watch.monitors.labels import look_at_labels
from mainstay.watch.monitors.model import Change, Saved
from mainstay.watch.monitors.steady import apart, grouped

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
FRAUD = Contract(
    model="m", inputs={"x": Number()}, output=Probability(classes=("ok", "fraud"), threshold=0.4)
)
PRICE = Contract(model="m", inputs={"x": Number()}, output=NumberOutput())
SHOP = Contract(
    model="m", inputs={"x": Number()}, output=Ranking(items=tuple("abcdefghijkl"), top=3)
)
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
        if isinstance(self.contract.output, Ranking):
            items = self.contract.output.items
            taken = draw.integers(0, len(items), rows)
            scores = draw.normal(0, 1, (rows, len(items)))
            scores[np.arange(rows), taken] += {"worse": 1.0, "better": 3.0}.get(wrong, 2.0)
            names = [items[place] for place in taken]
            return self.summaries(columns_of(self.contract, names, scores, (), [True] * rows))
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
        return self.summaries(columns)

    def summaries(self, columns: dict) -> dict[str, Summary]:
        rulers = rulers_of(self.contract)
        return {name: summarise(values_of(c), rulers[name]) for name, c in columns.items()}

    def pass_(self, stretches: int, wrong: str = "", rows: int = 60, **slices: str) -> list[Change]:
        """`slices` is what is wrong where the country is so, in as many rows."""
        told: list[Change] = []
        for _ in range(stretches):
            begin = BEGIN + self.at * STRETCH_MS
            self.at += 1
            parts = [Part(Key("m", MARK, 4, "", ARRIVED, begin), 0, self.labels(rows, wrong))]
            for name, own in slices.items():
                arm = json.dumps(f"country={name}")
                key = Key("m", MARK, 4, arm, ARRIVED, begin)
                parts.append(Part(key, 0, self.labels(rows, own)))
            self.saved = msgspec.structs.replace(self.saved, until_ms=begin + STRETCH_MS)
            told += self.look(parts)
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
        (FRAUD, "worse", {"accuracy", "roc_auc", "calibration", "log_loss", "recall of fraud", "precision of fraud"}, "log_loss has risen"),
        (FRAUD, "better", {"accuracy", "roc_auc", "log_loss"}, "do labels leak into the inputs"),
        (FRAUD, "more", {"bias of fraud"}, "fraud is answered more often than it is true"),
        (FRAUD, "better", {"log_loss"}, "log_loss is suspiciously low"),
        (SHOP, "worse", {"hit rate at 1", "hit rate at 3"}, "hit rate at 1 has fallen"),
        (SHOP, "better", {"hit rate at 1"}, "hit rate at 1 is suspiciously high"),
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
    # A version that had been a little off already may be thought to have begun before.
    assert contract is SHOP or min(map(abs, away)) <= 1
    assert max(away) <= 5
    world.pass_(60, rows=150)
    assert world.saved.open == {}


def test_what_stays_as_it_was_is_left_alone():
    """M8: labels of twenty hours for each of twelve versions, at an alarm a month of each family."""
    for seed in range(4):
        for contract in (FRAUD, PRICE, SHOP):
            world = World(10 + seed, contract)
            world.pass_(120, rows=200)
            assert world.changes == []


@pytest.mark.parametrize("wrong", ["worse", "better"])
def test_what_changes_in_a_slice_is_named_with_it(wrong: str):
    """M3 M18: a declared slice by its own reference, though the whole is as it was."""
    world = World(5)
    own = {in_slice(name, "country=DE"): known for name, known in world.known.columns.items()}
    world.known = msgspec.structs.replace(world.known, columns=world.known.columns | own)
    assert world.pass_(20, DE="") == []
    found = world.pass_(60, rows=150, DE=wrong)
    assert {change.finding.slice for change in found} == {"country=DE"}
    assert len({change.key for change in found}) == len(found)
    (accuracy,) = [each for each in found if each.finding.check == "labels: accuracy"]
    assert "v4 where country=DE: accuracy" in accuracy.finding.words
    world.pass_(60, rows=150, DE="")
    assert world.saved.open == {}


def test_a_slice_that_was_not_known_is_asked_about_calibration_alone():
    """M7 M18: how right answers should be there is not known."""
    world = World(6)
    found = world.pass_(60, rows=150, FR="worse")
    assert {each.finding.check for each in found} == {"labels: calibration"}


@pytest.mark.parametrize("contract", [FRAUD, PRICE])
def test_a_metric_that_jumps_up_and_down_is_told_though_its_mean_is_as_ever(contract: Contract):
    """M3: jitter; found, and over once it is steady again."""
    world = World(7, contract)
    assert world.pass_(20) == []
    for _ in range(80):
        world.pass_(1, "better", rows=90)
        world.pass_(1, "worse", rows=90)
    jumps = [each for each in world.changes if "jumps of" in each.finding.check]
    assert {each.kind for each in jumps} == {"opened"}
    assert len({each.key for each in jumps}) == len(jumps) > 0
    assert "jumps up and down" in jumps[0].finding.words
    world.pass_(120, rows=90)
    assert not any("jumps of" in key for key in world.saved.open)


@pytest.mark.parametrize(("one", "other", "right"), [(30, 45, 20), (30, 30, 1), (5, 90, 60)])
def test_two_groups_differ_by_chance_as_much_as_the_bound_says(one: int, other: int, right: int):
    """M8: the mean of the statistic, over all ways in which chance may share out what was right."""
    law = hypergeom(one + other, right, one)
    values = range(max(0, right - other), min(one, right) + 1)
    found = [apart((one, k), (other, right - k)) * law.pmf(k) for k in values]
    assert sum(found) == pytest.approx((one + other) / (one + other - 1))
    pairs = [np.array([[k, one - k], [right - k, other - right + k]]) for k in values]
    chi2 = [chi2_contingency(each, correction=False).statistic for each in pairs]
    assert [apart((one, k), (other, right - k)) for k in values] == pytest.approx(chi2)


def test_groups_are_held_against_each_other_once():
    """M3: whole stretches make groups of at least thirty labels; each is in one pair."""
    pending, told = State(), 0
    for _ in range(60):
        pending, pairs = grouped(pending, 10.0, 5.0)
        told += len(pairs)
    assert told == 10


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
    whole = {name: each for name, each in known.columns.items() if "|" not in name}
    asked = {each.what: each.question for each in questions_about(contract, whole)}
    assert asked["accuracy"].mean == pytest.approx(metrics["accuracy"].figure)
    assert asked["roc_auc"].mean == pytest.approx(metrics["roc_auc"].figure)


def test_a_version_is_packed_with_how_right_it_was_in_each_slice(tmp_path: Path):
    """M3 M18: by every declared input, beside scikit-learn; too few rows say nothing."""
    generator = np.random.default_rng(8)
    country = np.array(["DE"] * 300 + ["FR"] * 290 + ["LU"] * 10, dtype=object)
    rows = pd.DataFrame({"amount": generator.normal(size=600), "country": country})
    noise = np.where(country == "DE", 0.1, 3.0) * generator.normal(size=600)
    truth = (rows.amount + noise > 0).to_numpy()
    steps = ColumnTransformer([("amount", "passthrough", ["amount"])])
    model = make_pipeline(steps, LogisticRegression()).fit(rows, truth)
    sliced = Contract(
        model="fraud",
        inputs={"amount": Number(), "country": Category(values=("DE", "FR", "LU"))},
        output=Probability(classes=("false", "true")),
        watch=Watch(slices=("country",)),
    )
    packed = pack("fraud", contract=sliced, model=model, confidence=(rows, truth), into=tmp_path)
    known = read_reference(unpack(packed.file, tmp_path / "open").folder, packed.manifest)
    assert known is not None
    contract = packed.manifest.contract
    for name in ("DE", "FR"):
        own = {
            plain: known.columns[in_slice(plain, f"country={name}")]
            for plain in ("label_pair", "label_likely")
        }
        (asked,) = [each for each in questions_about(contract, own) if each.what == "accuracy"]
        chosen = country == name
        expected = accuracy_score(truth[chosen], model.predict(rows[chosen]))
        assert asked.question.mean == pytest.approx(expected)
    assert not any("country=LU" in name for name in known.columns)
