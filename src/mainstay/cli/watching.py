"""`mainstay watch`: how models fare, in figures, and what is found wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from mainstay.base.errors import NotFound
from mainstay.base.files import write_whole
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.reactions import REACTIONS, rate_of
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.watch.gather.model import HOUR_MS
from mainstay.watch.labels.metrics import Metric
from mainstay.watch.overview import Overview, VersionView
from mainstay.watch.recommend.measures import Diversity, Recommended
from mainstay.watch.trends.page import page
from mainstay.wiring.referencing import keep_out_quarantined
from mainstay.wiring.running import Server
from mainstay.wiring.trending import trends_of
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace, open_workspace

_MAIN_METRICS = (
    "accuracy", "roc_auc", "log_loss", "rmse", "mae", "calibration error", "click-through rate",
    "hit rate at 1", "hit rate at 10",
)  # fmt: skip


@click.command(
    epilog="\b\nExamples:\n  mainstay watch fraud\n  mainstay watch --every 10\n"
    "  mainstay watch --json | jq '.[].findings'\n"
    "  mainstay watch fraud --html fraud.html --since 30d"
)
@click.argument("model", required=False)
@click.option(
    "--every", type=click.FloatRange(1), metavar="SECONDS", help="Show it anew, until Ctrl-C."
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write trend charts of the model to a page that needs nothing else.",
)
@click.option(
    "--since", default="7d", show_default=True, metavar="TIME", help="How far back the page goes."
)
@in_workspace
@speaking
def watch(
    output: Output,
    model: str | None,
    every: float | None,
    html: Path | None,
    since: str,
    workspace: str | None,
) -> None:
    """Show how models fare and what their monitors found.

    The keeper of a running server watches all the time; without one, this takes in what was
    recorded since. Exits 1 when something is found wrong.
    """
    if html is not None and (model is None or every is not None):
        raise click.UsageError("--html is for one MODEL, and without --every")
    opened = open_workspace(workspace)
    watching = Watching(opened)
    back_ns = opened.clock.now_ns() - moment_or_ago_ns(since, opened.clock.now_ns(), "since")
    if back_ns < HOUR_MS * 1_000_000:
        raise click.UsageError(f"--since {since} is less than an hour ago")

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
    if html is not None and model is not None:
        trends = trends_of(opened, watching, model, back_ns // 1_000_000)
        write_whole(html, page(trends).encode())
        output.note(f"{html} shows how {model} fared since {_time(trends.since_ms)}")
    if any(each.findings for each in found):
        raise Ending(NOT_SO)


def _look(
    opened: Workspace, watching: Watching, model: str | None, output: Output
) -> list[Overview]:
    if Server(opened.places.run, opened.clock).report() is None:
        with output.working("Taking in what was recorded"):
            opened.journal.seal()
            keep_out_quarantined(opened, watching)
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
            _processor(version),
            "-" if version.memory_bytes is None else f"{version.memory_bytes / 2**20:,.0f}",
            ", ".join(map(_metric, _chosen(version))) or "no labels",
        )
        for version in versions
    ]
    heads = ("  version", ">last hour", ">last day", ">answered", ">µs", ">MiB", "labels of 7 days")
    output.table(heads, rows)
    for each in {(v.number, v.reference) for v in versions if v.chosen}:
        output.say(f"  v{each[0]} is held against {escape(each[1])}")
    for version in versions:
        if version.recommended is not None and version.recommended.diversity is not None:
            _show_lists(output, version, version.recommended, version.recommended.diversity)


def _show_lists(output: Output, version: VersionView, found: Recommended, lists: Diversity) -> None:
    """What a recommender showed in seven days, and what became of it."""
    who = f"v{version.number}" + ("" if version.arm == "live" else f" ({version.arm})")
    overlap = "-" if lists.overlap is None else f"{lists.overlap:.1%}"
    output.say(
        f"  {escape(who)}: {lists.lists:,} lists in 7 days, {lists.coverage:.1%} of the items on"
        f" any; two lists share {overlap}; as various as {lists.effective:,.0f} items, Gini"
        f" {lists.gini:.2f}"
    )
    shares = ", ".join(f"{name} {share:.1%}" for name, share in lists.shares.items())
    if shares:
        output.say(f"    shown: {shares} [dim](by {found.popularity})[/]")
    if found.metrics:
        output.say(f"    {', '.join(map(_metric, found.metrics))}")


def _processor(version: VersionView) -> str:
    """Processor time of a decision of the last day."""
    used = version.windows[1].processor_us
    return "-" if used is None else f"{used:,.0f}"


def _told(version: VersionView) -> str:
    statuses = version.windows[1].statuses
    total = sum(statuses.values())
    return f"{statuses.get('answered', 0) / total:.1%}" if total else "-"


def _chosen(version: VersionView) -> list[Metric]:
    named = {metric.name: metric for metric in version.metrics}
    rates = [name for name in map(rate_of, REACTIONS) if name in named]
    return [named[name] for name in (*_MAIN_METRICS, *rates) if name in named]


def _metric(metric: Metric) -> str:
    low, high = metric.interval
    return f"{metric.name} {metric.figure:.3g} ({low:.3g} to {high:.3g}, {metric.rows:,})"


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
