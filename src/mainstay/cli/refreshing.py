"""`mainstay refresh`: the same model, measured on what was decided and turned out since."""

import click

from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.wiring.refreshing import RefreshedVersion
from mainstay.wiring.refreshing import refresh as refresh_version
from mainstay.wiring.workspace import open_workspace


@click.command(
    epilog="""
\b
Examples:
  mainstay refresh fraud             the live version, on what was labelled since it was packed
  mainstay refresh fraud@3 --over 30d  a certain version, on the outcomes of the last 30 days
  mainstay deploy fraud              lets the new version go live, through the gate
"""
)
@click.argument("model", metavar="MODEL|MODEL@N")
@click.option(
    "--over",
    default="",
    metavar="TIME",
    help="How far back outcomes are taken; by default since the version was packed.",
)
@in_workspace
@speaking
def refresh(output: Output, model: str, over: str, workspace: str | None) -> None:
    """Make a version of the same MODEL with a confidence set of newly labelled decisions.

    Takes the decisions whose outcome was heard in the window; shadows and held actions are left
    out. The new version is kept, and goes live like any other one.
    """
    name, number = model_and_number(model)
    opened = open_workspace(workspace)
    with output.working(f"Refreshing {name}: joining outcomes, answering them, a first load"):
        found = refresh_version(opened, name, number, over)
    output.result(found)
    _show(output, found)


def _show(output: Output, found: RefreshedVersion) -> None:
    said = found.confidence
    output.say(
        f"[bold green]✓[/] {escape(str(found.version))} is v{found.of.number} with "
        f"{said.rows:,} newly labelled rows"
    )
    output.say(f"  window     {said.window[0]} to {said.window[1]}")
    if said.classes:
        shares = "  ".join(f"{escape(name)} {share:.1%}" for name, share in said.classes.items())
        output.say(f"  classes    {shares}")
    for why, count in said.left_out.items():
        output.say(f"  left out   {count:,} {why}")
    for name, figure in found.metrics.items():
        before = found.metrics_before.get(name)
        was = "" if before is None else f" (was {before:.4g})"
        output.say(f"  {name:<10} {figure:.4g}{was}")
    output.say(f"  next       mainstay deploy {escape(found.version.model)}")
