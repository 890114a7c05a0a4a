"""`mainstay undo`, `reports` and `engagement`: what people said of decisions, and did with them."""

from typing import Any, Final

import click
import msgspec

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.finding import worst
from mainstay.contract.times import duration_ns
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import rfc3339
from mainstay.serve.http.wire.feedback import check_reason
from mainstay.wiring.engaging import find_engagement
from mainstay.wiring.undoing import undo as undo_decision
from mainstay.wiring.workspace import open_workspace

_MARKS: Final = {
    "fail": "[bold red]✗ fails [/]",
    "unsure": "[bold yellow]! unsure[/]",
    "pass": "[bold green]✓ passes[/]",
}


@click.command(
    epilog="""
\b
Example (the id is part of every answer):
  mainstay undo 0196f0c2a1b34d5e6f7081920000 --reason "the customer called"
"""
)
@click.argument("decision", metavar="ID")
@click.option("--reason", required=True, help="Why; kept with it, and told to whoever acted.")
@in_workspace
@speaking
def undo(output: Output, decision: str, reason: str, workspace: str | None) -> None:
    """Take back what followed from a decision.

    Whoever acted on it is told, by the webhook that the contract names; a running server's keeper
    does that, again and again until it is heard. Undoing twice is undoing once. A decision that
    is older than the contract allows is refused.
    """
    check_reason(reason)
    event, model = undo_decision(open_workspace(workspace), decision, reason)
    output.result(
        {
            "decision": decision,
            "model": model,
            "already": event is None,
            "id": event.id if event else None,
        }
    )
    if event is None:
        output.say(f"{decision} of {escape(model)} was undone before")
        return
    output.say(f"[bold green]✓[/] {decision} of {escape(model)} is undone")
    output.note("`mainstay replay` and GET /decisions/ID show it; the keeper tells whoever acted")


@click.group()
def reports() -> None:
    """What people reported of answers: that they were wrong, harmful, or something else."""


@reports.command(
    "list",
    epilog="""
\b
Examples:
  mainstay reports list fraud
  mainstay reports list fraud --json
""",
)
@click.argument("model")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 100_000),
              help="How many, newest first.")  # fmt: skip
@in_workspace
@speaking
def list_reports(output: Output, model: str, most: int, workspace: str | None) -> None:
    """List what people reported of a model's answers, newest first."""
    opened = open_workspace(workspace)
    opened.registry.find(model, None)  # a model that nobody knows is told here
    with output.working("Asking the journal"):
        named = quoted(model)
        table: Any = opened.journal.query(
            "SELECT id, time_ns, actor, subject, body FROM events WHERE kind = 'outcome'"  # noqa: S608  # because the name is quoted
            f" AND model = {named} AND body LIKE '%\"report\":%' ORDER BY time_ns DESC"
            f" LIMIT {most}"
        )
    found = [_report(row) for row in table.to_pylist()]
    output.result({"model": model, "reports": found})
    heads = ("when", "what", "words", "expected", ">version", "decision", "by")
    names = ("time", "what", "words", "expected", "version", "decision", "by")
    output.table(heads, [[each.get(name) for name in names] for each in found])
    if not found:
        output.note(f"nobody reported anything of {model}")


def _report(row: dict[str, Any]) -> dict[str, Any]:
    said = msgspec.json.decode(row["body"])["report"]
    about = {"id": row["id"], "decision": row["subject"], "by": row["actor"]}
    return {"time": rfc3339(row["time_ns"] // 1000), **said, **about}


@click.command(
    epilog="""
\b
Examples:
  mainstay engagement fraud
  mainstay engagement fraud --since 30d --json
"""
)
@click.argument("model")
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="How far back.")
@in_workspace
@speaking
def engagement(output: Output, model: str, since: str, workspace: str | None) -> None:
    """Say whether people use what a model tells them, and whether it is people who say so.

    From what clients tell with `POST /decisions/ID/outcome`: reactions (accepted, ignored,
    abandoned, corrected) and for how long an answer was looked at. Exits 1 when something fails.
    """
    since_ns = duration_ns(since)
    opened = open_workspace(workspace)
    opened.registry.find(model, None)  # a model that nobody knows is told here
    with output.working("Asking the journal"):
        findings = find_engagement(opened, model, since_ns)
    output.result({"model": model, "since": since, "findings": findings})
    for finding in findings:
        output.say(f"{_MARKS[finding.verdict]} {finding.check.ljust(22)} {escape(finding.words)}")
    if worst(findings) == "fail":
        raise Ending(NOT_SO)
