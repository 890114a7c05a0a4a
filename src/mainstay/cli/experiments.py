"""`mainstay experiment …`: what the history of a model says about how to run it."""

import click

from mainstay.cli.effects import effect
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.schedules import due, frequency
from mainstay.cli.skewing import skew
from mainstay.cli.suspects import data
from mainstay.contract.shares import share
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.health.loops import Difference
from mainstay.renew.health.window import Row
from mainstay.wiring.experimenting import Wait, loops, wait_for_labels
from mainstay.wiring.workspace import open_workspace

_SINCE = click.option(
    "--since", default="90d", show_default=True, metavar="TIME",
    help="Decisions from then on: a day, a moment (UTC), or such as 90d.",
)  # fmt: skip


@click.group()
def experiment() -> None:
    """What the history of a model says about how to run it.

    Nothing is changed by an experiment.
    """


@experiment.command(
    epilog="""
\b
Examples:
  mainstay experiment window fraud
  mainstay experiment window fraud --silence ok --missing 2%
"""
)
@click.argument("model")
@_SINCE
@click.option("--silence", metavar="LABEL",
              help="What silence would mean; by default what the contract says.")  # fmt: skip
@click.option("--missing", default="5 %", show_default=True, metavar="SHARE",
              help="The share of labels that may come after the window.")  # fmt: skip
@in_workspace
@speaking
def window(
    output: Output, model: str, since: str, silence: str | None, missing: str,
    workspace: str | None,
) -> None:  # fmt: skip
    """How long to wait for labels of MODEL: speed against accuracy.

    For each length of `labels.window`: the share of all labels that are known by then, and how
    many decisions would be learned wrongly if silence counted. Recommended is the shortest after
    which few labels come. Exits 1 when the history is too short to recommend any.
    """
    opened = open_workspace(workspace)
    since_ns = moment_or_ago_ns(since, opened.clock.now_ns(), "since")
    with output.working("Asking the journal"):
        found = wait_for_labels(opened, model, since_ns, share(missing), silence)
    output.result(found)
    _show_window(output, found)
    if not found.trade_off.recommended:
        raise Ending(NOT_SO)


def _show_window(output: Output, found: Wait) -> None:
    told = found.trade_off
    output.say(
        f"[bold]{escape(found.model)}[/]: something is said of {told.labels:.1%} of decisions"
    )
    heads = ("window", ">labels known", ">silence is wrong", ">decisions", "")
    output.table(heads, [_cells(row, found) for row in told.rows])
    if not told.recommended:
        output.say("[yellow]?[/] nobody has waited long enough to tell; ask again later")
        return
    output.say(
        f"[bold green]✓[/] labels: {{window: {told.recommended}}} is the shortest after which at"
        f" most {told.missing:.0%} of labels come"
    )


def _cells(row: Row, found: Wait) -> list[str]:
    marks = [
        "recommended" if row.window == found.trade_off.recommended else "",
        "the contract's" if row.window == found.window else "",
        "" if row.sure else "too few have waited",
    ]
    wrong = "-"
    if row.wrong is not None and row.interval is not None:
        low, high = row.interval
        wrong = f"{row.wrong:.2%} ({low:.2%} to {high:.2%})"
    named = ", ".join(filter(None, marks))
    return [row.window, f"{row.known:.1%}", wrong, f"{row.decisions:,}", named]


@experiment.command(
    epilog="\b\nExamples:\n  mainstay experiment loop shop\n  mainstay experiment loop shop --json"
)
@click.argument("model")
@_SINCE
@in_workspace
@speaking
def loop(output: Output, model: str, since: str, workspace: str | None) -> None:
    """How strongly the answers of MODEL shape what is heard of them.

    Holds labels of decisions in which the model had its say against those of the units that
    `labels.hold_out` answers without it. Exits 1 where they differ in a way that matters.
    """
    opened = open_workspace(workspace)
    since_ns = moment_or_ago_ns(since, opened.clock.now_ns(), "since")
    with output.working("Asking the journal"):
        found = loops(opened, model, since_ns)
    output.result(found)
    marks = {"pass": "[bold green]✓[/]", "fail": "[bold red]✗[/]", "unsure": "[yellow]?[/]"}
    output.say(f"{marks[found.finding.verdict]} {escape(found.finding.words)}")
    output.say(f"  [dim]labelled[/]   {found.shaped:,} with the model, {found.held_out:,} without")
    if found.differences:
        heads = ("label", ">with the model", ">held out", ">difference", "95 % of all together")
        output.table(heads, [_difference(each) for each in found.differences])
    if found.finding.verdict == "fail":
        raise Ending(NOT_SO)


def _difference(each: Difference) -> list[str]:
    low, high = each.interval
    numbers = (each.shaped, each.held_out, each.difference)
    return [each.label, *(f"{number:.4g}" for number in numbers), f"{low:.4g} to {high:.4g}"]


experiment.add_command(frequency)
experiment.add_command(due)
experiment.add_command(data)
experiment.add_command(effect)
experiment.add_command(skew)
