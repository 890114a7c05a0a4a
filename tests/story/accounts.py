"""Holding what callers were told against what the journal kept."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mainstay.wiring.running import Server
from mainstay.wiring.workspace import Workspace
from tests.servers.mainstay import FIELDS, MODEL
from tests.story.callers import Acknowledged, Heard, confidence


def everywhere(workspace: Workspace, epoch: int) -> bool:
    """Whether every worker answers with a route, or with a newer one."""
    return Server(workspace.places.run, workspace.clock).reached(MODEL, epoch).everywhere


def in_journal(workspace: Workspace, seed: int | None = None) -> list[dict[str, Any]]:
    """Every decision that a DuckDB query finds in lake and tail, or those of one seed's callers."""
    columns = ", ".join(f"input_{name}" for name in FIELDS)
    table = workspace.journal.query(f"SELECT id, request, version, {columns} FROM decisions")
    rows = table.to_pylist()
    if seed is None:
        return rows
    return [row for row in rows if (row["request"] or "").startswith(f"{seed}-")]


def hold_to_account(heard: Heard, rows: list[dict[str, Any]]) -> None:
    """Everything acknowledged is there, once, as it was asked and answered; nothing else that
    nobody asked for."""
    assert [one for one, times in Counter(row["id"] for row in rows).items() if times > 1] == []
    ours = [row for row in rows if row["request"]]
    by_request = Counter(row["request"] for row in ours)
    assert [one for one, times in by_request.items() if times > 1] == []
    kept = {row["id"]: row for row in rows}
    assert [one.id for one in heard.answers if one.id not in kept] == []
    for one in heard.answers:
        row = kept[one.id]
        assert row["request"] == one.request
        assert row["version"] == one.version
        assert tuple(row[f"input_{name}"] for name in FIELDS) == one.values
    asked = {one.request for one in heard.answers} | {one.request for one in heard.broken}
    assert set(by_request) <= asked


def hold_answers(answers: list[Acknowledged], biases: Mapping[int, float]) -> None:
    """Every answer is what the version that it names answers."""
    for one in answers:
        expected = confidence(one.values, biases[one.version])
        assert abs(one.confidence - expected) <= 1e-5, one
