"""`mainstay quarantine …`: stretches of time that no snapshot of a model may use."""

from typing import Any

import click

from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.contract.windows import window_ns
from mainstay.renew.quarantine.model import Quarantine
from mainstay.wiring.quarantining import lift as lift_quarantine
from mainstay.wiring.quarantining import quarantine as quarantine_window
from mainstay.wiring.quarantining import quarantines_of, shown
from mainstay.wiring.workspace import open_workspace


@click.group()
def quarantine() -> None:
    """Stretches of time that nothing may learn from, such as a day of polluted data.

    What was decided or heard in such a stretch is in no later snapshot of the model. Nothing is
    deleted: when a quarantine is lifted, everything counts again.
    """


@quarantine.command(
    epilog="""
\b
Examples:
  mainstay quarantine add fraud --window 2026-11-27T08:00..2026-11-28T02:00 --reason "silent"
  mainstay quarantine add fraud --window 2026-11-27..2026-11-28 --reason "test traffic, all day"
"""
)
@click.argument("model")
@click.option("--window", required=True, metavar="BEGIN..END",
              help="From when until when (without the end); UTC if no offset is said.")  # fmt: skip
@click.option("--reason", required=True, help="Why; kept with it.")
@in_workspace
@speaking
def add(output: Output, model: str, window: str, reason: str, workspace: str | None) -> None:
    """Let no later snapshot of MODEL use a stretch of time."""
    made = quarantine_window(open_workspace(workspace), model, window_ns(window), reason)
    output.result(shown(made))
    told = shown(made)
    output.say(
        f"[bold green]✓[/] {escape(model)}: {told['begin']} to {told['end']} is in no later"
        f" snapshot  [dim]{made.id}[/]"
    )


@quarantine.command("list")
@click.argument("model", required=False)
@in_workspace
@speaking
def list_quarantines(output: Output, model: str | None, workspace: str | None) -> None:
    """The quarantines of MODEL, or of all, lifted ones too."""
    opened = open_workspace(workspace)
    if model is not None:
        opened.registry.find(model, None)  # a model that nobody knows is told here
    found = quarantines_of(opened).of(model)
    output.result({"quarantines": [shown(each) for each in found]})
    if found:
        heads = ("id", "model", "begin", "end", "in force", "reason", "by")
        output.table(heads, [_row(each) for each in found])
    else:
        output.say("nothing is quarantined")


@quarantine.command()
@click.argument("id_", metavar="ID")
@in_workspace
@speaking
def lift(output: Output, id_: str, workspace: str | None) -> None:
    """Take a quarantine back: later snapshots use its stretch again."""
    lifted = lift_quarantine(open_workspace(workspace), id_)
    told = shown(lifted)
    output.result(told)
    output.say(
        f"[bold green]✓[/] {escape(lifted.model)}: {told['begin']} to {told['end']} may be"
        " learnt from again"
    )


def _row(quarantine: Quarantine) -> list[Any]:
    told = shown(quarantine)
    state = "yes" if quarantine.lifted_at_ns is None else f"lifted {told['lifted']}"
    names = ("id", "model", "begin", "end")
    return [*(told[name] for name in names), state, quarantine.reason, quarantine.actor]
