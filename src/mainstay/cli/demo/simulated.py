"""The part of the demonstration that is in simulated time: a day at a shop, in half a minute."""

from pathlib import Path

from mainstay.cli.output import Output, escape
from mainstay.drill.black_friday import black_friday
from mainstay.drill.model import Drilled, Moment


def black_friday_in(output: Output, folder: Path) -> Drilled:
    """The day in a workspace of its own, each moment as it comes, and what is held of it."""
    output.say()
    output.say("[bold]Black Friday, in simulated time[/]")
    drilled = black_friday(folder, lambda moment: output.say(_line(moment)))
    for finding in drilled.findings:
        mark = "[bold green]✓[/]" if finding.verdict == "pass" else "[bold red]✗[/]"
        output.say(f"{mark} {finding.check}: {escape(finding.words)}")
    return drilled


def _line(moment: Moment) -> str:
    shown = ", ".join(f"{name.replace('_', ' ')} {_said(v)}" for name, v in moment.figures.items())
    figures = f" [dim]({escape(shown)})[/]" if shown else ""
    return f"  [cyan]{moment.clock}[/] {escape(moment.what)}{figures}"


def _said(value: float) -> str:
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
