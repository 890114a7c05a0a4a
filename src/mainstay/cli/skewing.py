"""`mainstay experiment skew`: are features made again what they were when they were served?"""

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.reprocessing import version_number
from mainstay.contract.finding import worst
from mainstay.contract.windows import moment_or_ago_ns
from mainstay.renew.skew.compare import Skewed
from mainstay.wiring.skewing import ROWS, Skew, Wanted
from mainstay.wiring.skewing import skew as make_again
from mainstay.wiring.workspace import open_workspace

_MARKS = {"pass": "[bold green]✓[/]", "fail": "[bold red]✗[/]", "unsure": "[yellow]?[/]"}
_CELL_MAX = 24


@click.command(
    epilog="""
\b
Examples:
  mainstay experiment skew fraud                  the version that answers, on 1,000 decisions
  mainstay experiment skew fraud --version v7 --rows 10000 --since 7d
  mainstay experiment skew fraud --against v8     what another extractor would make of them
"""
)
@click.argument("model")
@click.option("--version", metavar="N",
              help="Whose decisions; by default those of the version that answers.")  # fmt: skip
@click.option("--against", metavar="N",
              help="Ask the extractor of this version, not the one that made them.")  # fmt: skip
@click.option("--since", default="30d", show_default=True, metavar="TIME",
              help="Decisions from then on: a day, a moment (UTC), or such as 90d.")  # fmt: skip
@click.option("--rows", default=ROWS, show_default=True, type=click.IntRange(min=1),
              help="How many decisions, drawn by lot among the newest 50,000.")  # fmt: skip
@in_workspace
@speaking
def skew(
    output: Output, model: str, version: str | None, against: str | None, since: str, rows: int,
    workspace: str | None,
) -> None:  # fmt: skip
    """Whether the features of MODEL come out again as they were served.

    Makes the features of logged decisions again, from what was logged, in a process of its own, and
    compares them with those that were logged. Exits 1 where a feature comes out otherwise, or
    nothing could be compared. A running server's keeper looks by itself and tells it as a finding.
    """
    opened = open_workspace(workspace)
    since_ns = moment_or_ago_ns(since, opened.clock.now_ns(), "since")
    wanted = Wanted(
        model=model,
        version=None if version is None else version_number(version),
        against=None if against is None else version_number(against),
        since_ns=since_ns,
        rows=rows,
    )
    with output.working("Making features again"):
        found = make_again(opened, wanted)
    output.result(found)
    _show(output, found)
    if worst(found.findings) != "pass":
        raise Ending(NOT_SO)


def _show(output: Output, found: Skew) -> None:
    asked = "" if found.against is None else f", by the extractor of v{found.against}"
    if found.rows:
        output.say(
            f"[bold]{escape(found.model)} v{found.version}[/]: the features of {found.rows:,} "
            f"decisions made again{asked}"
        )
    if found.left_out:
        output.say(f"  [dim]left out[/]   {found.left_out:,} that it does not take")
    compared = found.compared
    if compared is None or not (compared.skewed or compared.gone or compared.new):
        for finding in found.findings:
            output.say(f"{_MARKS[finding.verdict]} {escape(finding.words)}")
        return
    if compared.skewed:
        heads = ("feature", ">otherwise", ">by at most", "decision", ">logged", ">made again")
        output.table(heads, [_row(each) for each in compared.skewed])
        for causes in dict.fromkeys(each.causes for each in compared.skewed):
            named = ", ".join(each.feature for each in compared.skewed if each.causes == causes)
            if causes:
                output.say(f"  [dim]perhaps[/]    {escape(named + ': ' + '; '.join(causes))}")
    for names, said in ((compared.gone, "not made"), (compared.new, "new")):
        if names:
            output.say(f"  [dim]{said:<10}[/] {escape(', '.join(names))}")
    output.say(
        f"{_MARKS['fail']} {len(compared.skewed):,} features come out otherwise; "
        f"{compared.same:,} bit for bit as they were, {len(compared.noisy):,} but for noise"
    )


def _row(each: Skewed) -> list[str]:
    far = "-" if each.furthest is None else f"{each.furthest:.4g}"
    shown = each.example
    cells = (_cell(shown.logged), _cell(shown.made))
    return [each.feature, f"{each.rows:,} of {each.of:,}", far, shown.decision, *cells]


def _cell(value: object) -> str:
    text = f"{value:.8g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL_MAX else f"{text[: _CELL_MAX - 1]}…"
