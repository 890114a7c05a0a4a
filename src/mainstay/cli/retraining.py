"""`mainstay retrain`: the next version of a model, from what was decided and turned out."""

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.snapshots.model import SHOWN_CHARACTERS
from mainstay.renew.training.model import SCRATCH
from mainstay.wiring.training import Asked, Both, Retrained, retrain_both
from mainstay.wiring.training import retrain as retrain_model
from mainstay.wiring.workspace import open_workspace


@click.command(
    epilog="""
\b
Examples:
  mainstay retrain fraud                       on the labelled decisions of `renew.over`
  mainstay retrain fraud --since 30d --dry-run  train and measure, and keep no version
  mainstay retrain fraud --snapshot 4f2a91c03b7d
"""
)
@click.argument("model")
@click.option("--snapshot", default="", metavar="ID",
              help="Learn from this one; by default a new one is taken.")  # fmt: skip
@click.option("--since", metavar="TIME",
              help="Decisions from then on: a day, a moment (UTC), or such as 90d.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1),
              help="For every draw; by default the data's own.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Train and measure, and keep no version.")
@click.option("--without", multiple=True, metavar="CALLER",
              help="Train with and without what this caller said; keep no version.")  # fmt: skip
@in_workspace
@speaking
def retrain(
    output: Output,
    model: str,
    snapshot: str,
    since: str | None,
    seed: int | None,
    dry_run: bool,
    without: tuple[str, ...],
    workspace: str | None,
) -> None:
    """Train the next version of MODEL by the function that its contract names.

    It learns on the older decisions of a snapshot and is measured on the newest. The version goes
    through the gate and comes to answer as its contract says. Exits 1 when it does not; what
    serves stays as it is then.
    """
    if snapshot and (since or without):
        name = "--since" if since else "--without"
        raise click.UsageError(f"a snapshot says by itself what is in it; leave out {name}")
    opened = open_workspace(workspace)
    now_ns = opened.clock.now_ns()
    asked = Asked(
        model=model,
        snapshot=snapshot,
        since_ns=None if since is None else moment_or_ago_ns(since, now_ns, "since"),
        seed=seed,
        dry_run=dry_run,
    )
    if without:
        with output.working(f"Training {model} with them and without"):
            pair = retrain_both(opened, asked, without)
        output.result(pair)
        _show_both(output, pair)
        return
    with output.working(f"Training {model}"):
        found = retrain_model(opened, asked)
    output.result(found)
    show_retrained(output, found)
    if found.why_not:
        raise Ending(NOT_SO)


def _show_both(output: Output, pair: Both) -> None:
    names = ", ".join(pair.callers)
    both = (pair.whole, pair.without)
    rows = [["learned from", *(f"{each.run.rows:,}" for each in both)]]
    for name in pair.whole.metrics:
        values = [each.metrics.get(name) for each in both]
        rows.append([name, *("-" if value is None else f"{value:.4g}" for value in values)])
    output.table(("", ">with all", f">without {names}"), rows)
    output.say(f"  [dim]changed[/]    {escape(pair.changed.words)}")
    output.say("  each is measured on its own newest decisions; no version was kept")


def show_retrained(output: Output, found: Retrained) -> None:
    """What came of a training run."""
    run = found.run
    if found.version is None:
        output.say(f"[bold green]✓[/] {escape(found.model)} can be trained; no version was kept")
    elif found.why_not:
        output.say(f"[bold red]✗[/] {escape(str(found.version))} is kept and does not answer")
        output.say(f"  [dim]because[/]    {escape(found.why_not)}")
        again = f"{found.version.model}@{found.version.number}"
        output.say(f"  [dim]next[/]       `mainstay deploy {escape(again)}` asks the gate again")
    else:
        goes = "" if found.released == "direct" else f", by the strategy {found.released}"
        output.say(f"[bold green]✓[/] {escape(str(found.version))} goes live{goes}")
    short = run.snapshot[:SHOWN_CHARACTERS]
    output.say(f"  [dim]learned[/]    from {run.rows:,} decisions of snapshot {short}")
    output.say(f"  [dim]measured[/]   on the {run.tested:,} newest")
    for name, value in found.metrics.items():
        output.say(f"    {escape(name)}  {value:.4g}")
    for why, count in run.skipped.items():
        output.say(f"  [dim]left out[/]   {count:,} {escape(why)}")
    if run.started != SCRATCH:
        output.say(f"  [dim]started[/]    from what version {run.started[:12]} left")
    if run.placed:
        output.say(f"  [dim]places[/]     {run.placed:,} of them say where they were shown")
    if run.repeated:
        output.say(f"  [dim]repeated[/]   {run.repeated:,} rows say what an earlier one says")
    output.say(f"  [dim]code[/]       {escape(run.function)}, {run.code[:12]}; seed {run.seed}")
