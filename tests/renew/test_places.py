"""Where an answer was shown shapes what is heard of it, and a training can tell the two apart: N12 L2
S14."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.access.model import Caller
from mainstay.base.errors import InvalidContract, InvalidRequest
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.cli import cli
from mainstay.contract.columns import MATRIX
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Contract
from mainstay.journal.spool import DiskSpool
from mainstay.judge.present import NOTHING_INSTEAD, present
from mainstay.release.reprocess.again import ids_of
from mainstay.renew.labels.model import Definition, Lists
from mainstay.renew.labels.read import read
from mainstay.serve.http.wire.outcome import parse_outcome, said_by
from mainstay.serve.model import Call
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.pipeline import Pipeline
from mainstay.wiring.packing import pack
from mainstay.wiring.snapshotting import define, rows_of, take_snapshot
from mainstay.wiring.workspace import open_workspace
from tests.renew.shop import Shop
from tests.servers.mainstay import CONTRACT
from tests.story import test_recommender as recommender

PLACES = 10
SETTINGS = """\
labels: {places: 10}
assets: {metric: accuracy, acceptable: [0.0, 1.0]}
renew: {train: "clicks:%s", memory_gb: 6}
"""
CODE = """
import numpy as np

class Taste:
    def __init__(self, weights):
        self.weights = weights
        self.classes_ = ["low", "high"]

    def predict_proba(self, rows):
        matrix = np.column_stack([rows["a"], rows["b"], rows["c"], np.ones(len(rows["a"]))])
        high = 1 / (1 + np.exp(-matrix @ self.weights))
        return np.column_stack([1 - high, high])

def fitted(data, more):
    own = np.column_stack([data.inputs["a"], data.inputs["b"], data.inputs["c"], np.ones(len(data))])
    rows = np.column_stack([own, *more])
    clicked, weights = data.labels == "high", np.zeros(rows.shape[1])
    for _ in range(30):
        said = 1 / (1 + np.exp(-rows @ weights))
        steep = (rows * (said * (1 - said))[:, None]).T @ rows + 1e-3 * np.eye(rows.shape[1])
        weights += np.linalg.solve(steep, rows.T @ (clicked - said) - 1e-3 * weights)
    return Taste(weights[:4])

def without(data):
    return fitted(data, [])

def with_places(data):
    assert data.places.min() >= 1 and data.places.max() <= 10
    return fitted(data, [data.places == place for place in range(2, 11)])
"""


def taste(rows: np.ndarray) -> np.ndarray:
    """What people truly like: `c` as much as `a`."""
    return 1 / (1 + np.exp(-2 * (rows[:, 0] + rows[:, 2])))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 takes `c` for bad, so what has much of it stands where few look; somebody says where
    each answer was shown, beside what became of it or by itself."""
    shop = Shop(tmp_path_factory.mktemp("places") / "shop")
    draw = np.random.default_rng(12)
    rows = shop.rows(2000, 3)
    place = 1 + np.clip(((rows[:, 2] + 1) / 2 * PLACES).astype(int), 0, PLACES - 1)
    clicked = (draw.random(len(rows)) < taste(rows)) & (draw.random(len(rows)) < 1 / place)
    ids = shop.decide(rows)
    for number, decision in enumerate(ids):
        said: dict[str, Any] = {"label": "high" if clicked[number] else "low"}
        where = {"place": int(place[number])}
        if number % 2:
            shop.outcomes.record("sums", "page", decision, where)
        else:
            said |= where
        shop.outcomes.record("sums", "shop", decision, said)
    shop.close()
    code = shop.folder / "training"
    code.mkdir()
    (code / "clicks.py").write_text(CODE)
    return shop.folder


def learned(shop: Path, function: str, number: int) -> np.ndarray:
    """The order that a version has learned, as its answers to the same rows."""
    (shop / "contracts" / "sums.yaml").write_text(CONTRACT + SETTINGS % function)
    done = CliRunner().invoke(cli, ["retrain", "sums", "--json", "--workspace", str(shop)])
    found = json.loads(done.output)
    assert found["version"]["number"] == number, done.output
    assert found["run"]["placed"] == found["run"]["rows"] == 1600
    workspace = open_workspace(shop)
    loaded = workspace.load(workspace.registry.find("sums", number))
    rows = Shop.rows(500, 99)
    inputs = {name: rows[:, place] for place, name in enumerate("abc")}
    return loaded.predict(loaded.extract(inputs))[:, 1]


def test_a_training_that_knows_the_places_recovers_what_people_like(shop: Path):
    """N12: clicks are taste times examination of the place; with the places the order of tastes comes
    back, without them it does not, and the model is asked with no place at all."""
    truth = taste(Shop.rows(500, 99))

    def order(answers: np.ndarray) -> float:
        return float(
            np.corrcoef(np.argsort(np.argsort(answers)), np.argsort(np.argsort(truth)))[0, 1]
        )

    without = order(learned(shop, "without", 2))
    with_places = order(learned(shop, "with_places", 3))
    assert with_places > 0.95
    assert without < 0.85


def contract_of(text: str) -> Contract:
    return loads_contract(f"model: m\ninputs: {{a: {{type: number}}}}\n{text}\n", "m.yaml")


CLASSES = "output: {type: label, classes: [no, yes]}"
RANKS = "output: {type: ranking, items: [x, y, z, w], top: 2}"


@pytest.mark.parametrize(
    ("body", "contract", "kept"),
    [
        ('{"label": "no", "place": 7}', f"{CLASSES}\nlabels: {{places: 7}}",
         {"label": "no", "place": 7}),
        ('{"place": 1}', f"{CLASSES}\nlabels: {{places: 7}}", {"place": 1}),
        ('{"place": 8}', f"{CLASSES}\nlabels: {{places: 7}}", "1 (the first) to 7"),
        ('{"place": 0}', f"{CLASSES}\nlabels: {{places: 7}}", "1 (the first) to 7"),
        ('{"place": 1}', CLASSES, "`labels: {places: 50}` in the contract"),
        ('{"place": 1}', RANKS, "known from its answer"),
        ('{"place": 1.5}', f"{CLASSES}\nlabels: {{places: 7}}", ""),
    ],
)  # fmt: skip
def test_where_an_answer_was_shown_is_said_with_its_outcome(body: str, contract: str, kept: Any):
    """N12 L2: by itself or beside what was right; what cannot be is refused, with what would be
    right."""

    def told() -> dict[str, Any]:
        return said_by(parse_outcome(body.encode()), [contract_of(contract)])

    if isinstance(kept, dict):
        assert told() == kept
        return
    with pytest.raises(InvalidRequest) as raised:
        told()
    assert raised.value.field == "place"
    assert kept in (raised.value.expected or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CLASSES}\nlabels: {{places: 1}}", "must be 2 to 10000, got 1"),
        (f"{CLASSES}\nlabels: {{places: 10001}}", "must be 2 to 10000"),
        (f"{RANKS}\nlabels: {{places: 4}}", "known from its answers"),
        ("output: {type: vector, length: 2}\nlabels: {places: 4}", "has no labels"),
    ],
)
def test_places_that_make_no_sense_are_refused(text: str, words: str):
    """N10: at the setting, with what would be right."""
    with pytest.raises(InvalidContract, match=r"labels\.places") as raised:
        contract_of(text)
    assert words in raised.value.message


ITEMS = ("x", "y", "z", "w")
SCORE = st.sampled_from([0.0, 1.0, 2.0, 3.0])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(*[SCORE] * 3, st.none() | SCORE),
            st.sampled_from(ITEMS),
            st.sampled_from(["answered", "asked", "declined", "fallback"]),
            st.sampled_from(["one", "two", "gone"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_place_in_a_list_is_where_it_stood_in_what_was_shown(rows: list[Any]):
    """N12: by the version that showed it; 0 where it was not among the best that were shown, where
    something else was told, or where the version is gone. What is shown is what `present` shows."""
    tops = {"one": 2, "two": 4}
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE decisions (id VARCHAR, time TIMESTAMPTZ, model VARCHAR, arm VARCHAR,"
        " status VARCHAR, fingerprint VARCHAR, version INT, propensity DOUBLE,"
        " features_are_inputs BOOLEAN, output_x DOUBLE, output_y DOUBLE, output_z DOUBLE,"
        " output_w DOUBLE)"
    )
    connection.execute(
        "CREATE TABLE events (id VARCHAR, kind VARCHAR, model VARCHAR, actor VARCHAR,"
        " subject VARCHAR, time_ns BIGINT, known_ns BIGINT, body VARCHAR)"
    )
    for number, (scores, label, status, version) in enumerate(rows):
        id_ = f"{1000 + number:012x}{number:016x}"
        connection.execute(
            "INSERT INTO decisions VALUES (?, make_timestamptz(?), 'm', 'live', ?, ?, 1, 1.0, false,"
            " ?, ?, ?, ?)", [id_, (1000 + number) * 1000, status, version, *scores],
        )  # fmt: skip
        connection.execute(
            "INSERT INTO events VALUES (?, 'outcome', 'm', 'shop', ?, ?, ?, ?)",
            [f"e{number}", id_, 10**10, 10**10, json.dumps({"label": label})],
        )
    definition = Definition(
        model="m", since_ns=0, until_ns=10**12, known_ns=10**12, answers=ITEMS, places=True,
        lists=Lists(items=ITEMS, tops=tops),
    )  # fmt: skip
    table = read(lambda sql: connection.sql(sql).to_arrow_table(), definition).table
    expected: list[int] = []
    for scores, label, status, version in rows:
        listed: list[str] = []
        if status in {"answered", "asked"} and version in tops:
            text = RANKS.replace("top: 2", f"top: {tops[version]}")
            known = [score for score in scores if score is not None]
            if len(known) < len(scores):  # a version from before there was the last item
                text = text.replace(", w]", "]")
            shown = present(contract_of(text), None)(np.array([known]), NOTHING_INSTEAD)
            (listed,) = shown.answers()
        expected.append(listed.index(label) + 1 if label in listed else 0)
    assert table.column("place").to_pylist() == expected


def test_the_places_of_a_ranking_are_in_its_snapshots(tmp_path: Path):
    """N12: nobody has to say them; each is known by the contract of the version that showed it. Where
    there is nothing of any version yet, nothing is known."""
    folder, contract = tmp_path / "shop", tmp_path / "shop.yaml"
    contract.write_text(recommender.CONTRACT)
    warm = np.linspace(-3, 3, 40)
    rows = {"user": np.arange(40), "warm": warm}
    pack("shop", model=recommender.model(), confidence=rows, contract=contract, workspace=folder,
         quiet=True)  # fmt: skip
    workspace = open_workspace(folder)
    assert define(workspace, "shop", 0).lists == Lists(items=(), tops={})
    workspace.deploy("shop", 1, "first")
    workspace = open_workspace(folder)
    route = workspace.chain.current("shop")
    assert route is not None
    ids = DecisionIds(new_incarnation(), workspace.clock)
    loaded = workspace.load(workspace.registry.find("shop", 1))
    pipeline = Pipeline(loaded, route, ids, workspace.clock)
    call = Call(
        caller=Caller(name="ann"), door="http", request="", context={}, rows=40, received_ns=0,
        inputs={MATRIX: np.column_stack([rows["user"], warm]).astype(np.float64)},
    )  # fmt: skip
    run, _ = pipeline.run([call])
    assert run is not None
    batch = pipeline.decisions(run)
    spool = DiskSpool(workspace.places.spool, ids.incarnation, clock=workspace.clock)
    spool.describe(pipeline.layout())
    spool.append([batch])
    told = Outcomes(spool, ids, workspace.clock)
    for decision in ids_of(batch):
        told.record("shop", "page", decision, {"label": "hat"})
    spool.close()
    definition = define(workspace, "shop", 0)
    assert definition.lists == Lists(items=recommender.ITEMS, tops={route.fingerprint: 2})
    found = rows_of(workspace, take_snapshot(workspace, definition))
    expected = [shown.index("hat") + 1 if "hat" in shown else 0 for shown in run.shown.answers()]
    assert set(expected) == {0, 1, 2}
    assert found.column("place").to_pylist() == expected
    without = read(workspace.journal.query, structs.replace(definition, places=False)).table
    assert "place" not in without.column_names
