"""`mainstay experiment frequency | due`: how often to train a model anew, and whether now."""

from collections.abc import Sequence

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.finding import worst
from mainstay.contract.times import duration_ns
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.schedule.model import Prices
from mainstay.renew.training.model import SCRATCH
from mainstay.wiring.frequency import Asked, Frequency, Variant
from mainstay.wiring.frequency import frequency as find_frequency
from mainstay.wiring.renewing import Renewing
from mainstay.wiring.workspace import open_workspace

_DAY_NS = 86_400_000_000_000
_WAYS_SHOWN = 5
_MARKS = {"fail": "[bold yellow]•[/]", "pass": "[dim]·[/]", "unsure": "[dim]?[/]"}
_AGES_SHOWN = (1, 2, 4, 8, 16, 32)


@click.command(
    epilog="""
\b
Examples:
  mainstay experiment frequency fraud --training-cost 200
  mainstay experiment frequency fraud --since 365d --period 7d --window 60d --training-cost 65
"""
)
@click.argument("model")
@click.option("--since", default="365d", show_default=True, metavar="TIME",
              help="Decisions from then on: a day, a moment (UTC), or such as 90d.")  # fmt: skip
@click.option("--period", metavar="TIME",
              help="How long a period is; by default a twelfth of the history.")  # fmt: skip
@click.option("--window", "windows", multiple=True, metavar="TIME",
              help="Try learning from only so much, too; may be given again.")  # fmt: skip
@click.option("--from-before", "start", is_flag=True,
              help="Try starting from what the training before left, too.")  # fmt: skip
@click.option("--training-cost", type=click.FloatRange(0), required=True,
              help="What a training with its release costs, in errors or units.")  # fmt: skip
@in_workspace
@speaking
def frequency(
    output: Output,
    model: str,
    since: str,
    period: str | None,
    windows: Sequence[str],
    start: bool,
    training_cost: float,
    workspace: str | None,
) -> None:
    """How often to train MODEL anew.

    Cuts the labelled decisions into periods, trains at the end of each with what was known then,
    and holds every model against all later periods. From that table of losses follows what each way
    of retraining would have cost. No version is kept, and nothing changes.
    """
    opened = open_workspace(workspace)
    asked = Asked(
        model=model,
        since_ns=moment_or_ago_ns(since, opened.clock.now_ns(), "since"),
        prices=Prices(of_error=1.0, of_training=training_cost),
        period_ns=None if period is None else duration_ns(period),
        windows_ns=tuple(map(duration_ns, windows)),
        start=start,
    )
    with output.working(f"Training {model} over its history", 1.0) as told:
        found = find_frequency(opened, asked, lambda done, total: told(done / total))
    output.result(found)
    show(output, found)


@click.command(
    epilog="""
\b
Examples:
  mainstay experiment due fraud
  mainstay experiment due fraud || mainstay retrain fraud
"""
)
@click.argument("model")
@in_workspace
@speaking
def due(output: Output, model: str, workspace: str | None) -> None:
    """Whether it is time to train MODEL anew, by what its contract says in `renew.when`.

    A running server's keeper looks every ten minutes and tells what it finds, as `retraining: …`; a
    rule of `[alerts]` with `do = ["retrain"]` then trains. Exits 1 when it is time.
    """
    found = Renewing(open_workspace(workspace)).conditions(model)
    output.result({"model": model, "due": worst(found) == "fail", "findings": found})
    for finding in found:
        mark = _MARKS[finding.verdict]
        output.say(f"{mark} [bold]{escape(finding.check)}[/]  {escape(finding.words)}")
    if worst(found) == "fail":
        output.say(f"[bold green]→[/] `mainstay retrain {escape(model)}`")
        raise Ending(NOT_SO)


def show(output: Output, found: Frequency) -> None:
    """What was found, for people: a sentence, and the table below it."""
    first = found.variants[0]
    length = _days(found.period_ns)
    rows = sum(found.rows)
    output.say(
        f"[bold]{escape(found.model)}[/]: {rows:,} labelled decisions in {len(found.rows)} periods"
        f" of {length}; a training costs as much as"
        f" {found.prices.of_training / found.prices.of_error:,.4g} errors"
    )
    output.say(
        f"[bold green]→[/] train [bold]{first.advice.take}[/], learning from {_window(first)}"
    )
    for variant in found.variants:
        _show_variant(output, variant, found.period_ns)


def _show_variant(output: Output, variant: Variant, period_ns: int) -> None:
    length = _days(period_ns)
    advice = variant.advice
    ages = [(age, advice.by_age[age - 1]) for age in _AGES_SHOWN if age <= len(advice.by_age)]
    said = ", ".join(f"{loss:.4g} at {age}" for age, loss in ages if loss is not None)
    output.say()
    output.say(f"Learning from {_window(variant)}: loss by age, in periods of {length}: {said}")
    output.say(f"  {_ageing(variant, period_ns)}")
    shown = [advice.followed, *advice.tried[:_WAYS_SHOWN]]
    output.table(
        (
            f"over the newer {advice.periods} periods",
            "trained",
            "errors",
            "training",
            "cost",
            "regret",
        ),
        [
            (
                escape(each.name),
                f"{len(each.run.trained_after) - 1}",
                f"{each.run.errors:,.4g}",
                f"{each.run.trainings:,.4g}",
                f"{each.run.cost:,.4g}",
                f"{each.regret:,.4g}",
            )
            for each in shown
        ],
    )


def _ageing(variant: Variant, period_ns: int) -> str:
    """How fast a version ages, in words."""
    kept, half = variant.advice.kept, variant.advice.half_life
    over = "its advantage over never retraining"
    if half is not None:
        return f"a version has lost half of {over} after {_days(round(half * period_ns))}"
    known = [(place + 1, part) for place, part in enumerate(kept) if part is not None]
    if not known:
        return "a fresh version has no advantage over never retraining"
    age, part = known[-1]
    return f"after {_days(age * period_ns)} a version still has {part:.0%} of {over}"


def _window(variant: Variant) -> str:
    learned = f"the newest {_days(variant.window_ns)}" if variant.window_ns else "everything"
    return learned if variant.start == SCRATCH else f"{learned}, from the model before"


def _days(length_ns: int) -> str:
    days = length_ns / _DAY_NS
    if days >= 1:
        return f"{days:.3g} days"
    return f"{days * 24:.3g} hours" if days * 24 >= 1 else f"{days * 86_400:.3g} seconds"
