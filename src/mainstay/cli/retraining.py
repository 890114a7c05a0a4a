"""`mainstay retrain`: the next version of a model, from what was decided and turned out."""

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.snapshots.model import SHOWN_CHARACTERS
from mainstay.wiring.training import Asked, Retrained
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
@in_workspace
@speaking
def retrain(
    output: Output,
    model: str,
    snapshot: str,
    since: str | None,
    seed: int | None,
    dry_run: bool,
    workspace: str | None,
) -> None:
    """Train the next version of MODEL by the function that its contract names.

    It learns on the older decisions of a snapshot and is measured on the newest. The version goes
    through the gate and comes to answer as its contract says. Exits 1 when it does not; what
    serves stays as it is then.
    """
    if snapshot and since:
        raise click.UsageError("a snapshot says by itself since when; leave out --since")
    opened = open_workspace(workspace)
    now_ns = opened.clock.now_ns()
    asked = Asked(
        model=model,
        snapshot=snapshot,
        since_ns=None if since is None else moment_or_ago_ns(since, now_ns, "since"),
        seed=seed,
        dry_run=dry_run,
    )
    with output.working(f"Training {model}"):
        found = retrain_model(opened, asked)
    output.result(found)
    _show(output, found)
    if found.why_not:
        raise Ending(NOT_SO)


def _show(output: Output, found: Retrained) -> None:
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
    if run.repeated:
        output.say(f"  [dim]repeated[/]   {run.repeated:,} rows say what an earlier one says")
    output.say(f"  [dim]code[/]       {escape(run.function)}, {run.code[:12]}; seed {run.seed}")
