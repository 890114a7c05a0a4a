"""`mainstay experiment data`: which new training data made a model worse (N11)."""

from collections.abc import Callable, Sequence

import click

from mainstay.base.clock import Clock
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.renew.snapshots.model import SHOWN_CHARACTERS
from mainstay.renew.suspects.groups import MOST, PERIODS
from mainstay.renew.suspects.model import BOTH, KINDS, Suspect, Suspected
from mainstay.wiring.suspecting import Asked, suspects
from mainstay.wiring.workspace import open_workspace

_MARKS = {"fail": "[bold red]✗[/]", "unsure": "[yellow]?[/]", "pass": "[bold green]✓[/]"}
_SHOWN = 8


@click.command(
    epilog="""
\b
Examples:
  mainstay experiment data fraud
  mainstay experiment data fraud --by source --by period --most 8
  mainstay experiment data fraud --believe auditors    their labels are right; measure on those
"""
)
@click.argument("model")
@click.option("--snapshot", default="", metavar="ID",
              help="The data in question; by default that of the newest version where it does not "
              "answer, else what would be learned now.")  # fmt: skip
@click.option("--by", "kinds", multiple=True, type=click.Choice(KINDS),
              help="How new rows are parted; may be given again; by default all ways.")  # fmt: skip
@click.option("--periods", default=PERIODS, show_default=True, type=click.IntRange(2, 50),
              help="Into how many equal stretches of time.")  # fmt: skip
@click.option("--most", default=MOST, show_default=True, type=click.IntRange(1, 200),
              help="Ask about so many groups; each is a training.")  # fmt: skip
@click.option("--believe", multiple=True, metavar="CALLER",
              help="This caller's labels are right: measure on its newest ones.")  # fmt: skip
@in_workspace
@speaking
def data(
    output: Output, model: str, snapshot: str, kinds: Sequence[str], periods: int, most: int,
    believe: Sequence[str], workspace: str | None,
) -> None:  # fmt: skip
    """Which new training data made MODEL worse.

    Parts what the version that answers has not learned by time, by who said the labels, by the
    version that decided and by the values of categories and slices; trains without each part; and
    holds all models against the newest rows and against the confidence set of the version that
    answers. Names what the model is surely better without. Nothing is kept, and nothing changes.
    Exits 1 when something is named or cannot be told.
    """
    opened = open_workspace(workspace)
    asked = Asked(
        model=model,
        snapshot=snapshot,
        kinds=tuple(kind for kind in KINDS if not kinds or kind in kinds),
        periods=periods,
        most=most,
        believe=tuple(believe),
    )
    with output.working(f"Training {model} without parts of its data", 1.0) as told:
        found = suspects(opened, asked, _Progress(output, opened.clock, told))
    output.result(found)
    show(output, found)
    if found.finding.verdict != "pass":
        raise Ending(NOT_SO)


class _Progress:
    """Says how many trainings there are, and after the first how long they take."""

    def __init__(self, output: Output, clock: Clock, told: Callable[[float], None]) -> None:
        self._output = output
        self._clock = clock
        self._told = told
        self._begin_ns = 0

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` trainings are done."""
        if not done:
            self._begin_ns = self._clock.elapsed_ns()
            self._output.note(f"{total} trainings, more where groups share rows")
        elif done == 1:
            seconds = (self._clock.elapsed_ns() - self._begin_ns) / 1e9
            self._output.note(
                f"the first took {seconds:.3g} seconds; all take about {seconds * total:.3g}"
            )
        self._told(done / total)


def show(output: Output, found: Suspected) -> None:
    """What was found, for people: a sentence, what to type, and the table below it."""
    output.say(f"{_MARKS[found.finding.verdict]} {escape(found.finding.words)}")
    short = found.snapshot[:SHOWN_CHARACTERS]
    output.say(
        f"  [dim]new[/]        {found.new:,} of {found.learned:,} rows of snapshot {short} are new"
        f" since v{found.version}, which answers"
    )
    for each in found.yardsticks:
        output.say(f"  [dim]measured[/]   on {each.rows:,} rows: {escape(each.words)}")
    for each in found.suspects:
        if each.verdict != "pass":
            output.say(f"  [dim]{escape(each.name)}[/]  {escape(each.words)}")
            for line in each.next:
                output.say(f"    [dim]next[/]  {escape(line)}")
    heads = ("without", "by", ">rows", ">better by", "at least", "at most")
    output.table(heads, [_row(each) for each in found.suspects[:_SHOWN]])
    for name in found.not_asked:
        output.say(f"  [dim]not asked[/]  {escape(name)}")


def _row(each: Suspect) -> list[str]:
    both = next((side for side in each.without if side.yardstick == BOTH), None)
    figures = ["-"] * 3 if both is None else [f"{v:.2g}" for v in (both.better_by, *both.interval)]
    return [each.name, each.kind, f"{each.rows:,}", *figures]
