"""`mainstay reprocess` on real workspaces: those decisions only, each once, by what answers now
(L6 N2 L3)."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from mainstay.access.model import Caller
from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.cli import cli
from mainstay.contract.columns import MATRIX
from mainstay.journal.spool import DiskSpool
from mainstay.release.reprocess.again import ROWS, ids_of
from mainstay.serve.model import Call
from mainstay.serve.pipeline import Pipeline
from mainstay.wiring.reprocessing import Reprocessing
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import MODEL, pack_model
from tests.servers.until import until

BIASES = {1: 0.0, 2: 60.0}
MANY = 2 * ROWS + 40
NARROW = """\
model: sums
inputs:
  a: {type: number, min: -100, max: 1}
  b: {type: number, min: -100, max: 100}
  c: {type: number, min: -100, max: 100}
output: {type: probability, classes: [low, high]}
"""


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 answers again after version 2, which was wrong of much. No test changes it."""
    folder = tmp_path_factory.mktemp("reprocessing") / "shop"
    for number, window in ((1, ("2026-01-01", "2026-02-01")), (2, ("2026-02-01", "2026-04-01"))):
        pack_model(folder, BIASES[number], card={"window": window})
    opened = open_workspace(folder)
    opened.deploy(MODEL, 1, "the first")
    decide(opened, rows_of(0, 7))
    opened.rollback(MODEL, 2, "a newer one")
    decide(opened, rows_of(1, MANY))
    decide(opened, rows_of(2, 5), arm="shadow")
    opened.rollback(MODEL, 1, "it is wrong")
    return folder


@pytest.fixture
def shop(still: Path, tmp_path: Path) -> Path:
    """The same, to change."""
    return shutil.copytree(still, tmp_path / "shop")


def rows_of(seed: int, count: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-20, 20, (count, 3)).round(3)


def decide(workspace: Workspace, rows: npt.NDArray[np.float64], arm: str = "live") -> list[str]:
    """What the version in force decides of some rows, in runs of a few."""
    route = workspace.chain.current(MODEL)
    assert route is not None
    ids = DecisionIds(new_incarnation(), workspace.clock)
    loaded = workspace.load(workspace.registry.find_fingerprint(route.fingerprint))
    pipeline = Pipeline(loaded, route, ids, workspace.clock, arm=arm)
    spool = DiskSpool(workspace.places.spool, ids.incarnation, clock=workspace.clock)
    spool.describe(pipeline.layout())
    made: list[str] = []
    for part in np.array_split(rows, max(1, len(rows) // 3)):
        shadowed = tuple(f"{number:028x}" for number in range(len(part)))
        call = Call(
            caller=Caller(name="ann"), door="http", request="", inputs={MATRIX: part}, context={},
            rows=len(part), received_ns=workspace.clock.elapsed_ns(),
            shadows=shadowed if arm == "shadow" else (),
        )  # fmt: skip
        run, refusals = pipeline.run([call])
        assert run is not None
        assert not refusals
        batch = pipeline.decisions(run)
        spool.append([batch])
        made += ids_of(batch)
    spool.close()
    return made


def journal(shop: Path, sql: str) -> list[dict[str, Any]]:
    return open_workspace(shop).journal.query(sql).to_pylist()


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["reprocess", *arguments, "--workspace", str(shop)])
    assert "Traceback" not in result.output
    return result


def told(shop: Path, *arguments: str, status: int = 0) -> dict[str, Any]:
    result = run(shop, *arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.output)


COLUMNS = "input_a, input_b, input_c"
BAD = f"SELECT id, {COLUMNS} FROM decisions WHERE version = 2 AND arm <> 'shadow' ORDER BY id"
NEW = f"SELECT *, {COLUMNS} FROM decisions WHERE door = 'reprocess' ORDER BY id"


def hold_each_once(shop: Path, but: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Every decision that the bad version showed was answered once, with the same inputs, by
    version 1; and the journal says so of the old one. The new ones."""
    bad = {row["id"]: row for row in journal(shop, BAD) if row["id"] not in but}
    new = journal(shop, NEW)
    assert Counter(row["shadows"] for row in new) == Counter(bad.keys())
    for row in new:
        old = bad[row["shadows"]]
        assert [row[name] for name in ("input_a", "input_b", "input_c")] == [
            old[name] for name in ("input_a", "input_b", "input_c")
        ]
        assert (row["version"], row["arm"], row["caller"]) == (1, "shadow", "ann")
    said = journal(
        shop, "SELECT subject, body FROM events WHERE kind = 'action' AND body LIKE '%replaced%'"
    )
    by = {row["subject"]: json.loads(row["body"])["replaced"]["by"] for row in said}
    assert len(said) == len(new)
    assert by == {row["shadows"]: row["id"] for row in new}
    return new


def test_the_decisions_of_a_bad_version_are_answered_anew_each_once(shop: Path):
    """L6 L3: shown first; nothing of another version, unseen or undone; the same when run again."""
    before = journal(shop, "SELECT count(*) AS n FROM decisions")
    gone = journal(shop, BAD)[3]["id"]
    open_workspace(shop).say_of(
        MODEL, gone, {"undo": {"reason": "no"}}, kind="outcome", actor="ann"
    )
    shown = run(shop, MODEL, "--version", "v2", "--dry-run")
    assert shown.exit_code == 0
    assert f"{MANY} decisions: 0 replaced already, 1 undone, {MANY - 1} to do" in shown.output
    assert journal(shop, "SELECT count(*) AS n FROM decisions") == before
    done = told(shop, MODEL, "--version", "v2")
    assert (done["answered"], done["refused"]) == (MANY - 1, 0)
    new = hold_each_once(shop, but=[gone])
    expected = 1 / (1 + np.exp(-np.array(
        [row["input_a"] + 2 * row["input_b"] + 3 * row["input_c"] for row in new]
    )))  # fmt: skip
    assert [row["output_high"] for row in new] == pytest.approx(expected.tolist(), abs=1e-5)
    high, was_high = expected >= 0.5, [
        row["input_a"] + 2 * row["input_b"] + 3 * row["input_c"] + BIASES[2] >= 0 for row in new
    ]  # fmt: skip
    assert done["changed"] == int((high != np.array(was_high)).sum()) > 50
    again = told(shop, MODEL, "--version", "2")
    assert (again["answered"], again["left"], again["work"]["replaced"]) == (0, 0, MANY - 1)
    hold_each_once(shop, but=[gone])


def test_what_was_replaced_by_what_is_listed(shop: Path):
    """L6: so whoever copied an answer elsewhere finds the new one by the id that they kept."""
    told(shop, MODEL, "--version", "2")
    listed = [json.loads(line) for line in
              run(shop, MODEL, "--version", "2", "--values", "--json").output.splitlines()]  # fmt: skip
    new = {row["shadows"]: row for row in journal(shop, NEW)}
    assert {row["replaces"]: row["by"] for row in listed} == {k: v["id"] for k, v in new.items()}
    for row in listed:
        high = new[row["replaces"]]["output_high"] >= 0.5
        assert row["after"] == {
            "version": 1, "status": "answered", "answer": "high" if high else "low"
        }  # fmt: skip
        assert row["before"]["version"] == 2
    shown = run(shop, MODEL, "--version", "2", "--values").output.splitlines()
    one = listed[0]
    assert shown[0] == (
        f"{one['replaces']} v2 answered {one['before']['answer']}  →  "
        f"{one['by']} v1 answered {one['after']['answer']}"
    )
    old = open_workspace(shop).journal.find_with_all(one["replaces"])
    assert old.since[0]["replaced"]["by"] == one["by"]


def test_interrupted_anywhere_it_goes_on_where_it_was(shop: Path):
    """L6 L7: after each page."""

    class Killed(Exception):
        pass

    def die(_done: float) -> None:
        raise Killed

    for so_far in (0, ROWS, 2 * ROWS):
        reprocessing = Reprocessing(open_workspace(shop), MODEL, [2])
        assert reprocessing.work.replaced == so_far
        with pytest.raises(Killed):
            reprocessing.run(die)
    assert told(shop, MODEL, "--version", "2")["answered"] == 0
    hold_each_once(shop)


def test_killed_it_goes_on_where_it_was(shop: Path):
    """L6 L7: a real process, ended by SIGKILL while it works; nothing twice, nothing left out."""
    workspace = open_workspace(shop)
    command = [sys.executable, "-m", "mainstay", "reprocess", MODEL, "--version", "2"]
    with subprocess.Popen([*command, "--workspace", str(shop)], stdout=subprocess.DEVNULL) as one:
        until(
            lambda: one.poll() is not None or Reprocessing(workspace, MODEL, [2]).work.replaced,
            what="the first page",
        )
        if one.poll() is None:
            os.kill(one.pid, signal.SIGKILL)
    told(shop, MODEL, "--version", "2")
    hold_each_once(shop)


def test_what_the_version_cannot_answer_is_named_and_holds_up_nothing(shop: Path):
    """L6 S3: the row, and why; all others are answered."""
    pack_model(shop, 1.0, written=NARROW)
    open_workspace(shop).rollback(MODEL, 3, "narrower")
    done = told(shop, MODEL, "--version", "2", status=1)
    bad = journal(shop, BAD)
    outside = {row["id"] for row in bad if row["input_a"] > 1}
    assert (done["answered"], done["refused"]) == (MANY - len(outside), len(outside))
    assert {row["shadows"] for row in journal(shop, NEW)} == {row["id"] for row in bad} - outside
    assert {row["id"] for row in done["first_refused"]} <= outside
    assert "'a' is" in done["first_refused"][0]["words"]
    shown = run(shop, MODEL, "--version", "2")
    assert shown.exit_code == 1
    assert f"{len(outside)} cannot be answered by v3" in shown.output


def test_what_a_version_replaced_is_replaced_when_it_is_bad_itself(shop: Path):
    """L6: the values of a bad version are all that it made."""
    told(shop, MODEL, "--version", "2")
    workspace = open_workspace(shop)
    pack_model(shop, 3.0)
    workspace.rollback(MODEL, 3, "better than both")
    again = told(shop, MODEL, "--version", "1")
    assert again["answered"] == MANY + 7
    third = journal(shop, "SELECT shadows FROM decisions WHERE version = 3")
    firsts = journal(shop, "SELECT id FROM decisions WHERE version = 1")
    assert {row["shadows"] for row in third} == {row["id"] for row in firsts}
    assert told(shop, MODEL, "--version", "2")["answered"] == 0


def test_the_versions_of_a_recall(shop: Path):
    """N2 L6: by the number of the recall."""
    workspace = open_workspace(shop)
    workspace.rollback(MODEL, 2, "again")
    recalled = CliRunner().invoke(cli, [
        "recall", MODEL, "--polluted", "2026-03-10..2026-03-12", "--yes", "--workspace", str(shop)
    ])  # fmt: skip
    assert recalled.exit_code == 0, recalled.output
    assert "mainstay reprocess --recall 1" in recalled.output
    assert told(shop, "--recall", "1")["answered"] == MANY
    hold_each_once(shop)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((MODEL, "--version", "1"), "sums v1"),
        ((MODEL, "--version", "9"), "9"),
        ((MODEL, "--version", "two"), "'two' is no version"),
        ((MODEL,), "say whose decisions are to be replaced"),
        (("--version", "2"), "say whose decisions are to be replaced"),
        ((MODEL, "--recall", "1"), "say whose decisions are to be replaced"),
        (("--recall", "7"), "there is no recall 7"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(shop: Path, arguments: Sequence[str], words: str):
    """L6."""
    refused = told(shop, *arguments, status=run(shop, *arguments).exit_code)
    assert words in refused["error"]
    assert journal(shop, NEW) == []


def test_two_at_once_and_a_route_that_changes_meanwhile(shop: Path):
    """L6 S5: one waits for nobody and says so; the other keeps what it did, and says how to go
    on."""
    workspace = open_workspace(shop)
    first = Reprocessing(workspace, MODEL, [2])

    def meanwhile(_done: float) -> None:
        with pytest.raises(Conflict, match="somebody else is at it: reprocess sums"):
            Reprocessing(workspace, MODEL, [2]).run(lambda _: None)
        workspace.rollback(MODEL, 2, "somebody else")

    with pytest.raises(Conflict, match="the route of sums changed meanwhile: v2 answers"):
        first.run(meanwhile)
    with pytest.raises(InvalidUsage, match="answers itself, and would say the same"):
        Reprocessing(workspace, MODEL, [2])
    workspace.rollback(MODEL, 1, "back")
    Reprocessing(workspace, MODEL, [2]).run(lambda _: None)
    hold_each_once(shop)
