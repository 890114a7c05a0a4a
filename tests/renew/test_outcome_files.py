"""L2 M16: outcomes from a file: whole or not at all, and once, however often it is read."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.contract.columns import encode
from mainstay.journal.rows import rfc3339
from mainstay.renew.labels.read import read
from mainstay.wiring import outcome_files
from mainstay.wiring.joining import JoinKeeper
from mainstay.wiring.snapshotting import define
from mainstay.wiring.workspace import open_workspace
from tests.renew.keyed import pack_keyed
from tests.renew.shop import Shop


class Till:
    """A shop whose decisions are known by an order number, and its commands."""

    def __init__(self, folder: Path, template: Path) -> None:
        shutil.copytree(template, folder)
        self.shop = Shop(folder, made=True)
        self.folder = folder
        rows = self.shop.rows(6)
        self.ids: list[str] = []
        for place in range(6):
            order = encode({"order": np.array([f"A-{place}"], dtype=object)})
            self.ids += self.shop.decide(rows[place : place + 1], context=order)
        self.shop.clock.advance(60.0)
        self.now = rfc3339(self.shop.clock.now_ns() // 1000)
        self.shop.close()

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--workspace", str(self.folder)])

    def add(self, name: str, text: str) -> dict[str, Any]:
        file = self.folder / name
        file.write_text(text)
        done = self.run("heard", "add", "sums", str(file), "--json")
        return json.loads(done.stdout) | {"exit": done.exit_code}

    def labels(self) -> dict[str, str]:
        """What a snapshot learns from now."""
        workspace = self.shop.workspace
        JoinKeeper(workspace, lambda: ["sums"]).look()
        definition = define(workspace, "sums", 0)
        rows = read(workspace.journal.query, definition).table.to_pylist()
        return {row["id"]: row["label"] for row in rows}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("till") / "shop"
    pack_keyed(folder)
    open_workspace(folder).deploy("sums", None, "first")
    return folder


@pytest.fixture
def till(template: Path, tmp_path: Path) -> Till:
    return Till(tmp_path / "shop", template)


def test_a_file_is_told_once_and_joined(till: Till, monkeypatch: pytest.MonkeyPatch):
    """M16 N1: CSV and JSON lines, by key and by id; cut short, read again, and read once more: what
    a snapshot learns from is there, and each line counts once."""
    lines = [f"A-{n},{'high' if n % 2 else 'low'},{till.now},," for n in range(5)]
    lines += [f",high,,{till.ids[5]},", f"A-9,low,{till.now},,"]
    text = "\n".join(["order,label,time,decision,reaction", *lines, lines[0], ""])
    monkeypatch.setattr(outcome_files, "_AT_ONCE", 3)
    record = type(till.shop.workspace).record
    written: list[int] = []

    def dies(workspace: Any, events: Any) -> None:
        if len(written) == 1:
            record(workspace, events[:1])
            raise KeyboardInterrupt
        written.append(len(events))
        record(workspace, events)

    with monkeypatch.context() as cut:
        cut.setattr(type(till.shop.workspace), "record", dies)
        till.run("heard", "add", "sums", "--json", str(_written(till, "a.csv", text)))
    told = till.add("a.csv", text)
    assert told == {"model": "sums", "lines": 8, "added": 3, "already": 5, "exit": 0}
    assert till.add("b.csv", text)["added"] == 0, "what says when is known by what it says"
    wanted = {id_: "high" if n % 2 else "low" for n, id_ in enumerate(till.ids)}
    assert till.labels() == wanted
    shown = json.loads(till.run("heard", "sums", "--json").stdout)
    [keys] = shown["of_keys"]
    assert (keys["count"], keys["joined"], keys["unknown"], keys["waiting"]) == (6, 5, 0, 1)
    assert "told of keys by" in till.run("heard", "sums").stdout
    later = "".join(json.dumps({"key": f"A-{n}", "label": "high"}) + "\n\n" for n in (0, 2))
    assert till.add("c.jsonl", later)["added"] == 2
    assert till.add("c.jsonl", later)["added"] == 0
    assert till.labels() == wanted | {till.ids[0]: "high", till.ids[2]: "high"}


def _written(till: Till, name: str, text: str) -> Path:
    file = till.folder / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "order,label\nA-1,low\nA-2,medium\n", "a.csv:3: the label medium"),
        ("a.csv", "order,labl\nA-1,low\n", "'labl' is no column of outcomes; did you mean"),
        ("a.csv", "order,label\nA-1,low,x\n", "a.csv:2: it has not as many values"),
        ("a.csv", "order,key,label\nA-1,B,low\n", "a.csv:2: there is `key`, and 'order' beside"),
        ("a.csv", "key,decision,label\nA,B,low\n", "a.csv:2: there is a `decision` beside"),
        ("a.csv", "key,label\n,low\n", "a.csv:2: this does not say of what"),
        ("a.csv", "decision,label\nxyz,low\n", "a.csv:2: this is not a decision id"),
        ("a.csv", "key,label,time\nA,low,yesterday\n", "a.csv:2: 'yesterday' is no moment"),
        ("a.jsonl", '{"key": "A", "label": "low"}\n[]\n', "a.jsonl:2: "),
        ("a.jsonl", '{"key": "A", "label": "low", "x": 1}\n', "a.jsonl:1: "),
        ("a.jsonl", '{"key": "A", "label": "low", "label": "low"}\n', "there twice in one object"),
        ("a.jsonl", '{"key": 1, "label": "low"}\n', "a.jsonl:1: 'order' is a number"),
    ],
)
def test_a_file_with_a_wrong_line_is_refused_whole(till: Till, name: str, text: str, told: str):
    refused = till.add(name, text)
    assert refused["exit"] == 2
    assert told in refused["error"]
    assert not till.shop.workspace.journal.query("SELECT 1 FROM events WHERE kind = 'keyed'")


def test_who_cannot_be_told_is_told_why(till: Till):
    assert till.run("heard", "add", "sums", "nothing.csv").exit_code == 2
    assert till.run("heard", "add", "nobody", str(_written(till, "a.csv", ""))).exit_code == 1
