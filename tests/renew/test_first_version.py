"""N1 N5: from a file of labelled rows to a version that answers, with nothing ever decided here."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mainstay.cli import cli
from mainstay.wiring.workspace import open_workspace
from tests.renew.test_training import MODEL, findings, run
from tests.servers.mainstay import CONTRACT

RENEW = """\
assets: {metric: accuracy, acceptable: [0.0, 1.0]}
renew:
  train: "weights:good"
  time: 20s
  memory_gb: 6
  over: 3650d
  history:
    parquet: past/*.parquet
    id: payment
    time: decided_at
    label: was_high
    known: told_at
    columns: {a: first}
    means: {"1": high, "0": low}
"""
DAY = np.timedelta64(1, "D")


def write(file: Path, count: int, seed: int, *, without: str = "") -> None:
    """Rows of a table as somebody else keeps them."""
    rows = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    rows[::50, 1] = 1e6  # what the contract refuses
    times = (
        np.datetime64("2026-01-01", "us") + np.arange(count) * np.timedelta64(1, "h") + seed * DAY
    )
    columns = {
        "payment": np.arange(count) + seed * 1000,
        "decided_at": times,
        "told_at": times + DAY,
        "first": rows[:, 0],
        "b": rows[:, 1],
        "c": rows[:, 2],
        "was_high": pa.array([int(x) for x in rows @ [1.0, 2.0, 3.0] > 0], pa.int8()),
    }
    columns.pop(without, None)
    pq.write_table(pa.table(columns), file)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    (folder / "past").mkdir()
    (folder / "training").mkdir()
    (folder / "training" / "weights.py").write_text(MODEL)
    (folder / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW)
    write(folder / "past" / "one.parquet", 300, 0)
    return folder


def test_the_first_version_learns_from_a_history(shop: Path):
    """Snapshot, version, answers; what came since is another content; and where the history is gone,
    what serves goes on and a finding says why."""
    nobody = run(shop, "experiment", "due", "sums")
    assert nobody.exit_code != 0
    assert "does not say when" in " ".join(nobody.output.split())
    assert run(shop, "snapshot", "list", "sums").exit_code == 0
    taken = json.loads(run(shop, "snapshot", "sums", "--since", "2026-01-01", "--json").output)
    assert taken["rows"] == 300
    shown = run(shop, "snapshot", "show", taken["id"][:8]).output
    assert "past/*.parquet" in shown
    done = run(shop, "retrain", "sums", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["run"]["skipped"] == {"values that the contract refuses today": 6}
    assert found["snapshot"]["content"] == taken["content"]
    workspace = open_workspace(shop)
    live = workspace.chain.current("sums")
    assert live is not None
    assert live.number == 1
    version = workspace.registry.find("sums", 1)
    assert version.card.window[0] == "2026-01-01T00:00:00.000000Z"
    assert version.card.metrics["accuracy"] > 0.9
    loaded = workspace.load(version)
    asked = {name: np.array([value]) for name, value in zip("abc", (0.5, 0.5, 0.5), strict=True)}
    assert loaded.predict(loaded.extract(asked))[0, 1] > 0.5
    write(shop / "past" / "two.parquet", 100, 30)
    verified = run(shop, "snapshot", "verify", taken["id"][:8])
    assert verified.exit_code == 1
    assert "the history gives other rows today: 400 rows instead of 300" in verified.output
    for file in (shop / "past").iterdir():
        file.unlink()
    gone = run(shop, "retrain", "sums")
    assert gone.exit_code != 0
    assert "the history is gone: no file has this path" in " ".join(gone.output.split())
    assert "the history is gone" in findings(workspace)[-1]["words"]
    assert workspace.chain.current("sums") == live
    assert len(workspace.registry.versions("sums")) == 1


@pytest.mark.parametrize(
    ("without", "said"),
    [("first", "no column 'first'"), ("b", "no column 'b'"), ("told_at", "no column 'told_at'")],
)
def test_a_column_that_is_gone_is_named(shop: Path, without: str, said: str):
    """M27: whether it is a value, or what the history says of it."""
    write(shop / "past" / "one.parquet", 300, 0, without=without)
    said_of = " ".join(run(shop, "retrain", "sums").output.split())
    assert said in said_of
    assert len(findings(open_workspace(shop))) == 1


def test_what_may_be_missing_may_be_no_column(shop: Path):
    """As what was never logged."""
    text = (CONTRACT + RENEW).replace("  c: {", "  d: {type: integer, optional: true}\n  c: {")
    (shop / "contracts" / "sums.yaml").write_text(text)
    taken = json.loads(run(shop, "snapshot", "sums", "--since", "2026-01-01", "--json").output)
    assert "input_c" in taken["columns"]
    assert "input_d" not in taken["columns"]
    (shop / "contracts" / "sums.yaml").write_text(
        text.replace("{a: first}", "{a: first, d: fourth}")
    )
    said = " ".join(run(shop, "snapshot", "sums").output.split())
    assert "the history has no column 'fourth'" in said, "what is named must be there"


def test_an_experiment_asks_the_history_too(shop: Path):
    """M17: how long labels take is what the history says."""
    found = run(shop, "experiment", "window", "sums", "--since", "2026-01-01", "--json")
    assert found.exit_code in (0, 1), found.output
    assert json.loads(found.output)["trade_off"]["labels"] == 1.0
