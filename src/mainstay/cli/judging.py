"""`mainstay judge`: which bars history recommends, and what other bars would have led to."""

from contextlib import suppress
from typing import Final

import click
import msgspec

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.bundle.judgement import ThresholdChoice
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.contract.times import duration_ns
from mainstay.contract.words import did_you_mean, one_of
from mainstay.judge.explain import Verdict, path_of
from mainstay.judge.tune import Bars, Goal, Replayed, Tuned, plot, under
from mainstay.wiring.tuning import Logged, logged, tuned
from mainstay.wiring.workspace import open_workspace

_BARS: Final = ("confidence", "ask_above", "decline_above", "threshold")
_ROWS_SHOWN: Final = 10


@click.command(
    epilog="""
\b
Examples:
  mainstay judge fraud --tune --since 30d
  mainstay judge fraud --tune --error-at-most 0.02 --cost "0.5 * amount"
  mainstay judge fraud --bars confidence=0.7,ask_above=50
  mainstay judge --explain 019a9e7c26d30c15a1b200000004
"""
)
@click.argument("model", metavar="[MODEL|MODEL@N]", default="")
@click.option("--tune", "tuning", is_flag=True, help="Recommend bars from what was logged.")
@click.option("--since", metavar="DURATION", help="How far back to look, such as 30d.")
@click.option("--cost", metavar="EXPRESSION", help="What a mistake costs; by default the "
              "contract's judge.cost.")  # fmt: skip
@click.option("--withhold-at-most", default=0.15, show_default=True, metavar="SHARE",
              help="The share of answers that may be withheld or asked about.")  # fmt: skip
@click.option("--error-at-most", type=float, metavar="SHARE",
              help="Instead: the highest share of wrong ones among the answers told.")  # fmt: skip
@click.option("--bars", metavar="NAME=NUMBER,…", help="Show what these bars would have led to.")
@click.option("--explain", metavar="ID", help="Tell the way of one answer through judgement.")
@in_workspace
@speaking
def judge(  # noqa: PLR0913  # because each is an option of the command
    output: Output,
    *,
    model: str,
    tuning: bool,
    since: str | None,
    cost: str | None,
    withhold_at_most: float,
    error_at_most: float | None,
    bars: str | None,
    explain: str | None,
    workspace: str | None,
) -> None:
    """Show how often answers were wrong by how sure the model was, and recommend bars.

    Looks at logged decisions whose outcome is known. Exits 1 when there are too few to tell.
    """
    if explain is not None:
        _explain(output, explain, workspace)
        return
    if not tuning and bars is None:
        expected = "--tune, --bars or --explain"
        raise InvalidUsage("say what to look for", field="judge", expected=expected)
    if not model:
        raise InvalidUsage("say of which model", field="model", expected="its name, such as fraud")
    goal = _goal(withhold_at_most, error_at_most)
    opened = open_workspace(workspace)
    name, number = model_and_number(model)
    since_ns = None if since is None else duration_ns(since)
    with output.working("Asking the journal"):
        found = logged(opened, name, number, since_ns, cost)
    if bars is not None:
        _replay(output, found, _parsed(bars))
        return
    result = tuned(found, goal)
    output.result({"model": name, "version": found.number, "tuned": result})
    _show(output, f"{name} v{found.number}", result)
    if result.verdict == "unsure":
        raise Ending(NOT_SO)


_MARKS: Final[dict[Verdict, str]] = {
    "pass": "[green]✓[/]",
    "changed": "[yellow]~[/]",
    "withheld": "[yellow]✗[/]",
    "told": "[bold]→[/]",
}


def _explain(output: Output, identity: str, workspace: str | None) -> None:
    """The way of one answer, line by line."""
    opened = open_workspace(workspace)
    with output.working("Asking the journal"):
        decision = opened.journal.find(identity)
    contract = None
    with suppress(MainstayError):  # a bundle that is gone takes its bars with it, not the rest
        contract = opened.unpacked(decision.fingerprint).manifest.contract
    path = path_of(decision, contract)
    output.result({"id": decision.id, "status": decision.status, "path": path})
    output.say(f"[bold]{escape(decision.id)}[/]  {decision.status}")
    for each in path:
        output.say(f"  {_MARKS[each.verdict]} [dim]{each.where:<10}[/] {escape(each.words)}")


def _goal(withhold: float, error: float | None) -> Goal:
    for field, share in (("--withhold-at-most", withhold), ("--error-at-most", error)):
        if share is not None and not 0 < share < 1:
            raise InvalidUsage("is a share, more than 0 and less than 1", field=field, got=share)
    return Goal(withhold_at_most=withhold, error_at_most=error)


def _parsed(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (each.strip() for each in part.partition("="))
        if name not in _BARS:
            raise InvalidUsage(
                f"there is no bar {name[:40]!r}{did_you_mean(name, _BARS)}",
                field="--bars",
                got=part[:80],
                expected=one_of(_BARS),
            )
        try:
            found[name] = float(number)
        except ValueError:
            raise InvalidUsage(
                f"the bar {name} needs a number", field="--bars", got=part[:80],
                expected=f"{name}=0.7",
            ) from None  # fmt: skip
    return found


def _show(output: Output, named: str, result: Tuned) -> None:
    mark = "[bold green]✓[/]" if result.verdict == "found" else "[bold yellow]! unsure[/]"
    output.say(f"{mark} {escape(named)}: {escape(result.words)}")
    if result.wrong is not None and result.interval is not None:
        low, high = result.interval
        output.say(
            f"  told everything, {100 * result.wrong:.2f} % would be wrong "
            f"({100 * low:.2f} to {100 * high:.2f} %)"
        )
    for advice in result.advice:
        output.say(f"  [bold]{advice.setting}: {advice.value:g}[/]  {escape(advice.words)}")
    if result.threshold is not None:
        _threshold(output, result.threshold)
    if not result.curve:
        return
    output.say()
    output.say("  wrong among those told, by the share told")
    for line in plot(result.curve):
        output.say(f"  {line}")
    output.say()
    step = max(1, len(result.curve) // _ROWS_SHOWN)
    costs = any(point.cost is not None for point in result.curve)
    output.table(
        (">confidence", ">told", ">wrong", "19 times in 20", *([">cost"] if costs else [])),
        [
            (
                f"{p.bar:.4f}",
                f"{100 * p.told:.1f} %",
                f"{100 * p.wrong:.2f} %",
                f"{100 * p.interval[0]:.2f} to {100 * p.interval[1]:.2f} %",
                *([f"{p.cost:.4g}"] if p.cost is not None else []),
            )
            for p in result.curve[::-1][::step][::-1]
        ],
    )


def _threshold(output: Output, choice: ThresholdChoice) -> None:
    reached = choice.reached
    output.say(
        f"  [bold]output.threshold: {choice.chosen:.6g}[/]  what its rule would lead to on these "
        f"decisions: precision {reached.precision:.3f}, recall {reached.recall:.3f}"
    )


def _replay(output: Output, found: Logged, bars: dict[str, float]) -> None:
    history = found.history(bars.pop("threshold", None))
    named = msgspec.convert(bars, Bars)
    if history.amounts is None and (named.ask_above, named.decline_above) != (float("inf"),) * 2:
        raise InvalidUsage(
            "no cost of a mistake is known, so ask_above and decline_above mean nothing",
            field="--bars",
            expected="--cost, or judge.cost in the contract",
        )
    replayed = under(history, named)
    output.result({"version": found.number, "bars": bars, "replayed": replayed})
    _show_replayed(output, replayed)
    if not replayed.labels:
        raise Ending(NOT_SO)


def _show_replayed(output: Output, replayed: Replayed) -> None:
    if not replayed.labels:
        output.say("[bold yellow]! unsure[/] no decision has a known outcome yet")
        return
    output.say(
        f"{replayed.labels} decisions with a known outcome; told without a question at the time: "
        f"{replayed.was_told}, {replayed.was_wrong} of them wrong"
    )
    output.table(
        ("would have been", ">decisions", ">wrong"),
        [
            ("told", replayed.told, replayed.wrong_told),
            ("asked about", replayed.asked, replayed.wrong_asked),
            ("withheld", replayed.withheld, replayed.wrong_withheld),
        ],
    )
    if replayed.wrong is not None and replayed.interval is not None:
        low, high = replayed.interval
        output.say(
            f"wrong among those told: {100 * replayed.wrong:.2f} % "
            f"({100 * low:.2f} to {100 * high:.2f} %)"
        )
    if replayed.cost is not None:
        output.say(f"what told mistakes cost, spread over all decisions: {replayed.cost:.6g}")
