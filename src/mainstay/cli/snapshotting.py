"""`mainstay snapshot …`: versions of the data that models learn from."""

from typing import Any

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.finding import worst
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.journal.rows import rfc3339
from mainstay.renew.labels.model import OTHERWISE
from mainstay.renew.snapshots.model import SHOWN_CHARACTERS, Snapshot
from mainstay.wiring.snapshotting import (
    changed_without,
    contract_of,
    define,
    find_snapshot,
    snapshots_of,
    take_snapshot,
)
from mainstay.wiring.snapshotting import verify as verify_snapshot
from mainstay.wiring.workspace import open_workspace

_SINCE = "90d"


class _TakesByDefault(click.Group):
    """`mainstay snapshot fraud` takes one; `list`, `show` and `verify` are named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["take", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_TakesByDefault,
    epilog="""
\b
Examples:
  mainstay snapshot fraud                               the labelled decisions of the last 90 days
  mainstay snapshot fraud --since 2026-09-01 --until 2026-11-27
  mainstay snapshot fraud --known-at 2026-11-27T08:00   as it was known then
""",
)
def snapshot() -> None:
    """Versions of data: labelled decisions, without what is quarantined.

    `mainstay snapshot MODEL` takes one. Its id stands for every value of every row: the same id is
    the same data. A decision without a label is never in it. Where the contract names a history
    (`renew.history`), its rows stand in the place of the journal's.
    """


@snapshot.command()
@click.argument("model")
@click.option("--since", default=_SINCE, show_default=True, metavar="TIME",
              help="Decisions from then on: a day, a moment (UTC), or such as 90d.")  # fmt: skip
@click.option("--until", metavar="TIME", help="Decisions before then; by default all there are.")
@click.option("--known-at", metavar="TIME",
              help="Labels that had been heard by then; by default by now.")  # fmt: skip
@click.option("--without", multiple=True, metavar="CALLER",
              help="Without what this caller said; shows what that changes.")  # fmt: skip
@in_workspace
@speaking
def take(
    output: Output,
    model: str,
    since: str,
    until: str | None,
    known_at: str | None,
    without: tuple[str, ...],
    workspace: str | None,
) -> None:
    """Take a snapshot of MODEL; `take` may be left out."""
    opened = open_workspace(workspace)
    now_ns = opened.clock.now_ns()
    definition = define(
        opened,
        model,
        moment_or_ago_ns(since, now_ns, "since"),
        None if until is None else moment_or_ago_ns(until, now_ns, "until"),
        None if known_at is None else moment_or_ago_ns(known_at, now_ns, "known-at"),
        without,
    )
    with output.working("Finding the rows"):
        taken = take_snapshot(opened, definition)
        changed = changed_without(opened, taken, without) if without else None
    output.result(taken if changed is None else {"snapshot": taken, "without": changed})
    output.say(f"[bold green]✓[/] {escape(str(taken))}")
    _say(output, taken)
    if changed is not None:
        output.say(f"  [dim]changed[/]    {escape(changed.words)}")


@snapshot.command("list")
@click.argument("model", required=False)
@in_workspace
@speaking
def list_snapshots(output: Output, model: str | None, workspace: str | None) -> None:
    """The snapshots of MODEL, or of all, the newest first."""
    opened = open_workspace(workspace)
    if model is not None:
        contract_of(opened, model)  # a model that nobody knows is told here
    found = snapshots_of(opened).of(model)
    output.result({"snapshots": found})
    if found:
        output.table(("id", "model", ">rows", "from", "to", "made", "by"), [*map(_row, found)])
    else:
        output.say("there is no snapshot; `mainstay snapshot MODEL` takes one")


@snapshot.command()
@click.argument("id_", metavar="ID")
@in_workspace
@speaking
def show(output: Output, id_: str, workspace: str | None) -> None:
    """What a snapshot is: its definition, its columns, and what is not in it."""
    found = find_snapshot(open_workspace(workspace), id_)
    output.result(found)
    output.say(f"[bold]{escape(str(found))}[/]  [dim]{found.id}[/]")
    _say(output, found)
    output.table(("column", "hash"), [(name, hash_[:16]) for name, hash_ in found.columns.items()])


@snapshot.command()
@click.argument("id_", metavar="ID")
@in_workspace
@speaking
def verify(output: Output, id_: str, workspace: str | None) -> None:
    """Whether a snapshot's file is what was written, and the same rows are found again.

    Exits 1 where one of them is not so, and says what differs.
    """
    opened = open_workspace(workspace)
    found = find_snapshot(opened, id_)
    with output.working("Finding the rows"):
        findings = verify_snapshot(opened, found)
    output.result({"id": found.id, "findings": findings})
    for finding in findings:
        mark = "[bold green]✓[/]" if finding.verdict == "pass" else "[bold red]✗[/]"
        output.say(f"{mark} {escape(finding.words)}")
    if worst(findings) == "fail":
        raise Ending(NOT_SO)


def _say(output: Output, taken: Snapshot) -> None:
    definition = taken.definition
    which = {"last": "the last label", "first": "the first label", "majority": "the label of most"}
    output.say(
        f"  [dim]rows[/]       {taken.rows:,} decisions, with {which[definition.counts]} of each"
    )
    if taken.silent:
        meant = f"{taken.silent:,} are {definition.silence}, because nobody said anything"
        output.say(f"  [dim]silence[/]    {escape(meant)}")
    if taken.late:
        output.say(f"  [dim]late[/]       {taken.late:,} labels came after the feedback window")
    if definition.history is not None:
        whence = definition.history.parquet or f"the database of {definition.history.database_env}"
        output.say(f"  [dim]history[/]    {escape(whence)}")
    begin, end = (rfc3339(moment // 1000) for moment in taken.reaches)
    output.say(f"  [dim]reaches[/]    {begin} to {end}")
    output.say(f"  [dim]known at[/]   {rfc3339(definition.known_ns // 1000)}")
    for left, right in definition.without:
        output.say(f"  [dim]without[/]    {rfc3339(left // 1000)} to {rfc3339(right // 1000)}")
    for why, count in taken.left_out.items():
        output.say(f"  [dim]left out[/]   {count:,} {escape(why)}")
    if taken.contradicted:
        output.say(f"  [dim]unclear[/]    {taken.contradicted:,} {OTHERWISE}")
    output.say(f"  [dim]content[/]    {taken.content}")


def _row(taken: Snapshot) -> list[Any]:
    begin, end = (rfc3339(moment // 1000)[:19] for moment in taken.reaches)
    made = rfc3339(taken.made_ns // 1000)[:19]
    short = taken.id[:SHOWN_CHARACTERS]
    return [short, taken.definition.model, f"{taken.rows:,}", begin, end, made, taken.actor]
