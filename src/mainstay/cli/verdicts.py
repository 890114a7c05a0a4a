"""`mainstay verdict`, and how a verdict is shown wherever one is spoken."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from mainstay.base.errors import NotFound
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.finding import Finding
from mainstay.release.gate.fitness import ACCEPTED_BY_NAME
from mainstay.release.gate.model import Verdict, name_of
from mainstay.release.gate.run import Wish
from mainstay.wiring.workspace import Workspace, open_workspace

_MARKS: Final = {
    "fail": "[bold red]✗ fails   [/]",
    "unsure": "[bold yellow]! unsure  [/]",
    "forced": "[bold red]! forced  [/]",
    "accepted": "[bold yellow]~ accepted[/]",
    "pass": "[bold green]✓ passes  [/]",
}
_NAME_WIDTH: Final = 40


def wishing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how far to go against the gate, as one `wish`."""

    @click.option("--reason", default="", help="Why; kept with the route and the verdict.")
    @click.option(
        "--accept",
        multiple=True,
        metavar="NAME",
        help="Accept what breaks a contract, changes a habit or closes a loop, by the name in the "
        "verdict.",
    )
    @click.option("--accept-unsure", is_flag=True, help="Deploy in doubt; needs a --reason.")
    @click.option("--force", is_flag=True, help="Deploy against the gate; needs a --reason.")
    @functools.wraps(command)
    def run(
        *arguments: Any,
        reason: str,
        accept: tuple[str, ...],
        accept_unsure: bool,
        force: bool,
        **options: Any,
    ) -> Any:
        wish = Wish(accept=accept, unsure=accept_unsure, force=force, reason=reason)
        return command(*arguments, wish=wish, **options)

    return run


@click.command(
    epilog="""
\b
Examples:
  mainstay verdict fraud               the newest verdict on a candidate of the model
  mainstay verdict 01a1f8f78e7e --json that verdict (the beginning of its id will do)
"""
)
@click.argument("which", metavar="ID|MODEL")
@in_workspace
@speaking
def verdict(output: Output, which: str, workspace: str | None) -> None:
    """Show what the gate said of a candidate, check by check.

    Exits 1 when the candidate may not go live by it.
    """
    found = _find(open_workspace(workspace), which)
    output.result(found)
    show_verdict(output, found)
    if not found.allows:
        raise Ending(NOT_SO)


def _find(opened: Workspace, which: str) -> Verdict:
    latest = opened.verdicts.latest(which)
    if latest is not None:
        return latest
    try:
        return opened.verdicts.find(which)
    except NotFound:
        if any(version.model == which for version in opened.registry.versions(which)):
            raise NotFound(
                f"the gate has not judged any version of {which} yet",
                field="verdict",
                got=which,
                expected=f"`mainstay deploy {which} --dry-run` lets it judge the newest",
            ) from None
        raise


def show_verdict(output: Output, found: Verdict) -> None:
    """The verdict in a line, then every check, what needs a person first."""
    against = f" against v{found.baseline_number}, which serves" if found.baseline else ""
    judged = found.verdict
    if found.allows and judged != "pass":
        judged = "forced" if found.forced else "accepted"
    output.say(f"{_MARKS[judged]} {escape(f'{found.model} v{found.number}')}{against}")
    moment = datetime.fromtimestamp(found.time_ns // 1_000_000_000, UTC)
    output.say(
        f"  [dim]verdict {found.id}, {moment:%Y-%m-%d %H:%M:%S} UTC, {escape(found.actor)}[/]"
    )
    for words in _overruled(found):
        output.say(f"  [bold yellow]{words}[/]: {escape(found.reason)}")
    rows = [(_standing(found, each), name_of(each), each.words) for each in _short(found)]
    rows.sort(key=lambda row: list(_MARKS).index(row[0]))
    width = min(_NAME_WIDTH, max((len(name) for _, name, _ in rows), default=0))
    for standing, name, words in rows:
        output.say(f"  {_MARKS[standing]} {escape(name.ljust(width))}  {escape(words)}")
    wanted = [
        name
        for standing, name, _ in rows
        if standing in {"fail", "unsure"} and name.startswith(ACCEPTED_BY_NAME)
    ]
    if wanted and not found.allows:
        output.say(f'  [dim]Wanted all the same? For each: --accept "{escape(wanted[0])}"[/]')


def _overruled(found: Verdict) -> list[str]:
    said = ["forced against the gate"] if found.forced else []
    return [*said, *(["accepted in doubt"] if found.unsure_accepted else [])]


def _standing(found: Verdict, finding: Finding) -> str:
    return "accepted" if name_of(finding) in found.accepted else finding.verdict


def _short(found: Verdict) -> list[Finding]:
    """The findings, with the parts of a check that all pass in one line."""
    parts: dict[str, list[Finding]] = {}
    shown: list[Finding] = []
    for finding in found.findings:
        if finding.slice and finding.verdict == "pass":
            parts.setdefault(finding.check, []).append(finding)
        else:
            shown.append(finding)
    for check, passing in parts.items():
        names = ", ".join(each.slice for each in passing[:4])
        more = f" and {len(passing) - 4} more" if len(passing) > 4 else ""
        words = f"not worse in {names}{more}"
        shown.append(msgspec.structs.replace(passing[0], check=check, slice="by part", words=words))
    return shown
