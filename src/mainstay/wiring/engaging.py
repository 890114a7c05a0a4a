"""What the journal of a workspace says of how people take a model's answers."""

from typing import Any

import msgspec

from mainstay.contract.finding import Finding
from mainstay.journal.quoting import quoted
from mainstay.watch.engagement import Said, engagement
from mainstay.wiring.workspace import Workspace


def find_engagement(workspace: Workspace, model: str, since_ns: int) -> list[Finding]:
    """Findings over the time since then."""
    now_ns = workspace.clock.now_ns()
    named = quoted(model)
    first, half = (now_ns - since_ns) // 1_000_000, (now_ns - since_ns // 2) // 1_000_000
    counts: Any = workspace.journal.query(
        f"SELECT count(*) FILTER (id < '{half:012x}') AS earlier,"  # noqa: S608  # because the name is quoted
        f" count(*) FILTER (id >= '{half:012x}') AS later FROM decisions"
        f" WHERE model = {named} AND id >= '{max(first, 0):012x}' AND arm <> 'shadow'"
    )
    events: Any = workspace.journal.query(
        "SELECT subject, actor, time_ns, body FROM events WHERE kind = 'outcome'"  # noqa: S608  # because the name is quoted
        f" AND model = {named} AND time_ns >= {now_ns - since_ns}"
        " AND (body LIKE '%\"reaction\":%' OR body LIKE '%\"dwell_ms\":%')"
    )
    said = [_said(row) for row in events.to_pylist()]
    [row] = counts.to_pylist()
    return engagement(said, row["earlier"], row["later"])


def _said(row: dict[str, Any]) -> Said:
    body = msgspec.json.decode(row["body"])
    reaction, dwell = body.get("reaction"), body.get("dwell_ms")
    return Said(row["subject"], row["actor"], row["time_ns"], reaction, dwell)
