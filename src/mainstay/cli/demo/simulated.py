"""Stories in simulated time: what went wrong with a model in use, in half a minute."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from mainstay.cli.output import Output, escape
from mainstay.drill import arms_race, black_friday, spam_folder, stale_recommender
from mainstay.drill.model import Drilled, Moment, Tell

BLACK_FRIDAY: Final = black_friday.NAME
STORIES: Final[dict[str, Callable[[Path, Tell], Drilled]]] = {
    BLACK_FRIDAY: black_friday.black_friday,
    spam_folder.NAME: spam_folder.spam_folder,
    stale_recommender.NAME: stale_recommender.stale_recommender,
    arms_race.NAME: arms_race.arms_race,
}


def simulated(output: Output, name: str, folder: Path) -> Drilled:
    """A story in a workspace of its own, each moment as it comes, and what is held of it."""
    output.say()
    output.say(f"[bold]{name.replace('-', ' ').capitalize()}, in simulated time[/]")
    days: list[str] = []

    def tell(moment: Moment) -> None:
        days.append(moment.day)
        output.say(_line(moment, days[0]))

    drilled = STORIES[name](folder, tell)
    for finding in drilled.findings:
        mark = "[bold green]✓[/]" if finding.verdict == "pass" else "[bold red]✗[/]"
        output.say(f"{mark} {finding.check}: {escape(finding.words)}")
    return drilled


def _line(moment: Moment, first_day: str) -> str:
    """What happened, and when: the day as well, after the first one."""
    shown = ", ".join(f"{name.replace('_', ' ')} {_said(v)}" for name, v in moment.figures.items())
    figures = f" [dim]({escape(shown)})[/]" if shown else ""
    day = "" if moment.day == first_day else f"{moment.day} "
    return f"  [cyan]{day}{moment.clock}[/] {escape(moment.what)}{figures}"


def _said(value: float) -> str:
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
