"""`mainstay watch`: how models fare, in figures, and what is found wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from mainstay.base.errors import NotFound
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.watch.labels.metrics import Metric
from mainstay.watch.overview import Overview, VersionView
from mainstay.wiring.running import Server
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace, open_workspace

_MAIN_METRICS = ("accuracy", "roc_auc", "log_loss", "rmse", "mae", "calibration error")


@click.command(
    epilog="\b\nExamples:\n  mainstay watch fraud\n  mainstay watch --every 10\n"
    "  mainstay watch --json | jq '.[].findings'"
)
@click.argument("model", required=False)
@click.option(
    "--every", type=click.FloatRange(1), metavar="SECONDS", help="Show it anew, until Ctrl-C."
)
@in_workspace
@speaking
def watch(output: Output, model: str | None, every: float | None, workspace: str | None) -> None:
    """Show how models fare and what their monitors found.

    The keeper of a running server watches all the time; without one, this takes in what was
    recorded since. Exits 1 when something is found wrong.
    """
    opened = open_workspace(workspace)
    watching = Watching(opened)

    if every is not None:

        def draw(sheet: Output) -> None:
            found = _look(opened, watching, model, output)
            sheet.event(found)
            _show(sheet, found)

        output.watch(draw, every)
        return
    found = _look(opened, watching, model, output)
    output.result(found)
    _show(output, found)
    if any(each.findings for each in found):
        raise Ending(NOT_SO)


def _look(
    opened: Workspace, watching: Watching, model: str | None, output: Output
) -> list[Overview]:
    if Server(opened.places.run, opened.clock).report() is None:
        with output.working("Taking in what was recorded"):
            opened.journal.seal()
            while watching.tick():
                pass
    found = watching.overviews(model)
    if model is not None and not found:
        raise NotFound(
            f"no version of {model!r} answers here",
            field="model",
            got=model,
            expected="a model that `mainstay status` shows",
        )
    return found


def _show(output: Output, found: Sequence[Overview]) -> None:
    if not found:
        output.say("Nothing answers here yet. `mainstay deploy` puts a version in force.")
    for each in found:
        output.say(f"[bold]{escape(each.model)}[/]")
        _show_findings(output, each)
        _show_expected(output, each)
        _show_versions(output, each.versions)
        output.say()


def _show_findings(output: Output, found: Overview) -> None:
    if not found.until_ms:
        output.say("  Nothing was looked at yet: stretches of ten minutes are, once they are over.")
        return
    until = _time(found.until_ms)
    if not found.findings:
        output.say(f"  [green]✓[/] nothing has changed that matters, up to {until}")
    for each in found.findings:
        output.say(f"  [bold red]✗[/] {escape(each.finding.words)}")
        output.say(
            f"    [dim]found {_time(each.opened_ms)}, in {each.finding.samples:,} decisions[/]"
        )


def _show_expected(output: Output, found: Overview) -> None:
    """What holds and what nobody knows yet; what does not hold is among the findings."""
    for each in found.expected if found.until_ms else ():
        if each.verdict == "pass":
            output.say(f"  [green]✓[/] {escape(each.words)}")
        elif each.verdict == "unsure":
            output.say(f"  [yellow]?[/] {escape(each.words)}")


def _show_versions(output: Output, versions: Sequence[VersionView]) -> None:
    if not versions:
        output.say("  No decision was taken in yet; the newest come within about two minutes.")
        return
    rows = [
        (
            f"  v{version.number}" + ("" if version.arm == "live" else f" ({version.arm})"),
            f"{version.windows[0].decisions:,}",
            f"{version.windows[1].decisions:,}",
            _told(version),
            ", ".join(map(_metric, _chosen(version))) or "no labels",
        )
        for version in versions
    ]
    heads = ("  version", ">last hour", ">last day", ">answered", "labels of 7 days")
    output.table(heads, rows)


def _told(version: VersionView) -> str:
    statuses = version.windows[1].statuses
    total = sum(statuses.values())
    return f"{statuses.get('answered', 0) / total:.1%}" if total else "-"


def _chosen(version: VersionView) -> list[Metric]:
    named = {metric.name: metric for metric in version.metrics}
    return [named[name] for name in _MAIN_METRICS if name in named]


def _metric(metric: Metric) -> str:
    low, high = metric.interval
    return f"{metric.name} {metric.figure:.3g} ({low:.3g} to {high:.3g}, {metric.rows:,})"


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
