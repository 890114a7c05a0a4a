"""`mainstay held …`: answers outside their usual range, which wait for a person."""

from datetime import UTC, datetime
from typing import Any

import click

from mainstay.base.errors import NotFound
from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.model import Standing, Verdict, Waiting
from mainstay.serve.held.settle import still_waiting
from mainstay.wiring.workspace import Workspace, open_workspace, whoever_runs_this


@click.group()
def held() -> None:
    """Answers that wait for a person, because they are outside their usual range.

    What is held is told to nobody until somebody releases it. What nobody decides about within the
    contract's `wait` is rejected.
    """


@held.command(name="list", epilog="\b\nExample:\n  mainstay held list --json | jq -r .held[].id")
@in_workspace
@speaking
def list_(output: Output, workspace: str | None) -> None:
    """Show what waits, the oldest first."""
    opened = open_workspace(workspace)
    found = still_waiting(FolderDesk(opened.places.held), opened.clock.now_ns())
    output.result({"held": [_plain(each) for each in found]})
    if not found:
        output.say("Nothing waits for a person.")
        return
    rows = [
        (each.id, f"{each.model} v{each.version}", each.caller, each.holding.words,
         _moment(each.until_ns))
        for each in found
    ]  # fmt: skip
    output.table(("id", "model", "asked by", "why", "rejected at"), rows)
    output.note("`mainstay held show ID` shows one, `mainstay held release|reject ID` decides")


@held.command(epilog="\b\nExample:\n  mainstay held show 0196f0c2a1b34d5e6f7081920000")
@click.argument("decision", metavar="ID")
@in_workspace
@speaking
def show(output: Output, decision: str, workspace: str | None) -> None:
    """Show one answer that was held: what it is, why it was held, and what it was asked."""
    opened = open_workspace(workspace)
    waiting, standing = _found(opened, decision)
    found = opened.journal.find(decision)
    output.result({"standing": standing, "decision": found, "waiting": waiting and _plain(waiting)})
    _say_standing(output, standing)
    if waiting is not None:
        output.say(f"  [dim]why[/]       {escape(waiting.holding.words)}")
        output.say(f"  [dim]answer[/]    {escape(str(waiting.shown.answer))}")
        output.say(f"  [dim]asked by[/]  {escape(waiting.caller)}, {_moment(waiting.time_ns)}")
    inputs = "  ".join(f"{name}={value}" for name, value in found.inputs.items())
    output.say(f"  [dim]inputs[/]    {escape(inputs[:400])}")


@held.command(
    epilog='\b\nExample:\n  mainstay held release ID --reason "the customer called, it is right"'
)
@click.argument("decision", metavar="ID")
@click.option("--reason", required=True, help="Why; kept with the decision.")
@in_workspace
@speaking
def release(output: Output, decision: str, reason: str, workspace: str | None) -> None:
    """Let an answer be told; from now on its number counts as a usual one."""
    _decide(output, decision, "released", reason, workspace)


@held.command(epilog='\b\nExample:\n  mainstay held reject ID --reason "nobody pays that much"')
@click.argument("decision", metavar="ID")
@click.option("--reason", required=True, help="Why; kept with the decision.")
@in_workspace
@speaking
def reject(output: Output, decision: str, reason: str, workspace: str | None) -> None:
    """Let an answer never be told."""
    _decide(output, decision, "rejected", reason, workspace)


def _decide(
    output: Output, decision: str, verdict: Verdict, reason: str, workspace: str | None
) -> None:
    with open_workspace(workspace).settling() as settler:
        standing = settler.decide(decision, verdict, whoever_runs_this(), reason)
    output.result(standing)
    _say_standing(output, standing)


def _say_standing(output: Output, standing: Standing) -> None:
    about = f"{escape(standing.model)} {standing.id}"
    if standing.state == "held":
        output.say(f"[bold yellow]! held[/] {about}, rejected at {standing.until}")
        return
    mark = (
        "[bold green]✓ released[/]" if standing.state == "released" else "[bold red]✗ rejected[/]"
    )
    said = f"{standing.actor} at {standing.time}: {standing.reason}"
    output.say(f"{mark} {about}")
    output.say(f"  [dim]by[/]        {escape(said)}")


def _found(opened: Workspace, decision: str) -> tuple[Waiting | None, Standing]:
    waiting, settled = FolderDesk(opened.places.held).find(decision)
    if waiting is None and settled is None:
        raise NotFound(
            "no decision with this id waits for a person, or ever did",
            field="id",
            got=decision,
            expected="an id that `mainstay held list` shows",
        )
    with opened.settling() as settler:
        return waiting, settler.standing(decision)


def _plain(waiting: Waiting) -> dict[str, Any]:
    return {
        "id": waiting.id,
        "model": waiting.model,
        "version": waiting.version,
        "caller": waiting.caller,
        "time": _moment(waiting.time_ns),
        "until": _moment(waiting.until_ns),
        "answer": waiting.shown.answer,
        "holding": waiting.holding,
    }


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
