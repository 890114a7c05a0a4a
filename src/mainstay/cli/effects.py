"""`mainstay experiment effect`: what retraining has brought (N13)."""

import click

from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.schedule.effect import Saved
from mainstay.wiring.effect import Asked, Effect, Served
from mainstay.wiring.effect import effect as find_effect
from mainstay.wiring.workspace import open_workspace


@click.command(
    epilog="""
\b
Examples:
  mainstay experiment effect fraud
  mainstay experiment effect fraud --since 30d --error-cost 12 --training-cost 800
"""
)
@click.argument("model")
@click.option("--since", default="90d", show_default=True, metavar="TIME",
              help="Decisions from then on: a day, a moment (UTC), or such as 90d.")  # fmt: skip
@click.option("--error-cost", type=click.FloatRange(0),
              help="What an error costs; by default what the contract says.")  # fmt: skip
@click.option("--training-cost", type=click.FloatRange(0),
              help="What a training with its release costs; the same.")  # fmt: skip
@in_workspace
@speaking
def effect(
    output: Output, model: str, since: str, error_cost: float | None,
    training_cost: float | None, workspace: str | None,
) -> None:  # fmt: skip
    """What retraining MODEL has brought.

    Every version that answered is told with what it got wrong, and is held against the version
    before it and the first one, which are asked the very decisions that it made. Whoever adapts to
    what answers would have adapted to those as well: that no replay shows.
    """
    opened = open_workspace(workspace)
    asked = Asked(
        model=model,
        since_ns=moment_or_ago_ns(since, opened.clock.now_ns(), "since"),
        of_error=error_cost,
        of_training=training_cost,
    )
    with output.working("Asking earlier versions the same decisions"):
        found = find_effect(opened, asked)
    output.result(found)
    _show(output, found)


def _show(output: Output, found: Effect) -> None:
    heads = ("version", "trained", "answers since", ">labelled", ">wrong", "95 %",
             "fewer than before", "fewer than the first")  # fmt: skip
    output.table(heads, [_row(each) for each in found.versions])
    if found.together is None:
        output.say("[dim]nothing that came later can be held against the first version[/]")
        return
    together = found.together
    output.say(
        f"[bold]{escape(found.model)}[/]: later versions made {together.errors:,.4g} errors less"
        f" over {together.fewer.rows:,} labelled decisions than v{together.than} would have made"
        f" in their place: {_fewer(together)} for each"
    )
    if together.cost is not None:
        output.say(f"  [dim]saved[/]    {together.cost:,.4g} in errors")
    if found.gained is not None:
        output.say(f"  [dim]gained[/]   {found.gained:,.4g} with what the trainings cost")


def _row(each: Served) -> list[str]:
    low, high = each.wrong.interval
    return [
        f"v{each.version}", each.trained, each.came, f"{each.wrong.rows:,}",
        f"{each.wrong.figure:.4g}", f"{low:.4g} to {high:.4g}",
        _fewer(each.before), _fewer(each.first),
    ]  # fmt: skip


def _fewer(saved: Saved | None) -> str:
    if saved is None:
        return "-"
    low, high = saved.fewer.interval
    return f"{saved.fewer.figure:.3g} ({low:.3g} to {high:.3g})"
