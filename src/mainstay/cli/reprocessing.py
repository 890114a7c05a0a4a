"""`mainstay reprocess`: what a bad version decided, decided anew by the version in force."""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.release.reprocess.model import Done, Work
from mainstay.wiring.correcting import Corrections, Heard
from mainstay.wiring.reprocessing import Reprocessing, versions_of_recall
from mainstay.wiring.workspace import Workspace, open_workspace

_ATTEMPTS = 3
"""So often a command tries to tell somebody; a keeper goes on for ever."""


@click.command(
    epilog="""
\b
Examples:
  mainstay reprocess fraud --version v7 --dry-run
  mainstay reprocess --recall 3
  mainstay reprocess --recall 3 --values --json > replaced.jsonl
"""
)
@click.argument("model", required=False)
@click.option("--version", "versions", multiple=True, metavar="N",
              help="A version whose decisions are replaced; may be repeated.")  # fmt: skip
@click.option("--recall", type=click.IntRange(min=1), metavar="ID",
              help="The versions that this recall names.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what there is to do, and do nothing.")
@click.option("--values", is_flag=True,
              help="Only list what was replaced by what, one per line.")  # fmt: skip
@in_workspace
@speaking
def reprocess(
    output: Output,
    model: str | None,
    versions: tuple[str, ...],
    recall: int | None,
    dry_run: bool,
    values: bool,
    workspace: str | None,
) -> None:
    """Let the version in force answer anew what a bad version of MODEL decided.

    Those decisions only, each once, with the inputs and the context of the time. Each answer is a
    decision of its own that names the one it replaces, and is not shown to anybody: whoever copied
    the old answer elsewhere takes the new one from --values, by the id that they kept, or is told
    of it, where mainstay.toml has a part [corrections.NAME]. What was undone is left alone.
    Interrupted and run again, it goes on. Exits 1 where some decisions cannot be answered, or
    somebody could not be told; a server that runs goes on telling.
    """
    opened = open_workspace(workspace)
    if recall is not None and model is None and not versions:
        model, numbers = versions_of_recall(opened, recall)
    elif recall is None and model is not None and versions:
        numbers = [version_number(each) for each in versions]
    else:
        raise InvalidUsage(
            "say whose decisions are to be replaced",
            field="version",
            expected="MODEL --version N, or --recall ID alone",
        )
    with output.working("Asking the journal"):
        reprocessing = Reprocessing(opened, model, numbers)
    if values:
        for page in reprocessing.values():
            click.echo(_lines(page, as_json=output.as_json), nl=False)
        return
    _show_work(output, reprocessing.work)
    if dry_run:
        output.result({"work": reprocessing.work, "left": reprocessing.work.left, "done": False})
        output.say("Nothing was changed: this is a dry run.")
        return
    with output.working("Answering anew", reprocessing.work.left) as progress:
        done = reprocessing.run(progress)
    with output.working("Telling who keeps the old answers"):
        heard = _tell(opened, model)
    output.result({"work": done.work, "left": done.work.left, "done": True,
                   "answered": done.answered, "changed": done.changed, "refused": done.refused,
                   "first_refused": done.first_refused, "told": heard})  # fmt: skip
    _show_done(output, done)
    for name, each in heard.items():
        _show_heard(output, name, each)
    if done.refused or any(each.why for each in heard.values()):
        raise Ending(NOT_SO)


def _tell(opened: Workspace, model: str) -> dict[str, Heard]:
    """Tell what is left to tell, unless the keeper is at it."""
    corrections = Corrections(opened, wait=time.sleep)
    try:
        return corrections.tell(model, _ATTEMPTS)
    except Conflict as error:
        return {name: Heard(values=0, why=error.message) for name in corrections.receivers(model)}


def _show_heard(output: Output, name: str, heard: Heard) -> None:
    if heard.values or not heard.why:
        output.say(f"[bold green]✓[/] {escape(name)} was told of {heard.values:,} corrected values")
    if heard.why:
        output.say(f"[bold red]✗[/] {escape(name)} was not told of {heard.left:,}: "
                   f"{escape(heard.why)}")  # fmt: skip
        output.say(
            "  [dim]next[/]       the same command again; a server that runs goes on by itself"
        )


def version_number(text: str) -> int:
    """`v7` or `7`, as an option says it."""
    digits = text.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and int(digits)):
        raise InvalidUsage(
            f"{text!r} is no version", field="version", got=text, expected="a number, such as v7"
        )
    return int(digits)


def _show_work(output: Output, work: Work) -> None:
    names = _names(work.versions)
    output.say(f"[bold]{escape(work.model)}[/]   decisions of {names}, answered anew by v{work.by}")
    output.say(
        f"  {work.decisions:,} decisions: {work.replaced:,} replaced already, {work.undone:,} "
        f"undone, [bold]{work.left:,}[/] to do"
    )


def _show_done(output: Output, done: Done) -> None:
    work = done.work
    mark = "[bold yellow]![/]" if done.refused else "[bold green]✓[/]"
    output.say(
        f"{mark} v{work.by} answered {done.answered:,} anew; {done.changed:,} of them say "
        "something else now"
    )
    if done.refused:
        output.say(f"  [bold red]✗[/] {done.refused:,} cannot be answered by v{work.by}:")
    for each in done.first_refused:
        output.say(f"    {each.id}  {escape(each.words)}")
    if done.answered or work.replaced:
        versions = " ".join(f"--version v{number}" for number in work.versions)
        output.say(f"  `mainstay reprocess {escape(work.model)} {versions} --values` lists them")


def _lines(page: Sequence[dict[str, Any]], *, as_json: bool) -> bytes:
    """What was replaced by what, one on a line."""
    if as_json:
        return msgspec.json.Encoder().encode_lines(page)
    return "".join(
        f"{row['replaces']} {_told(row['before'])}  →  {row['by']} {_told(row['after'])}"
        f"{_heard(row['told'])}\n"
        for row in page
    ).encode()


def _heard(told: dict[str, str | None]) -> str:
    """Who was told of one value."""
    said = [f"told {name}" if time else f"not told {name}" for name, time in told.items()]
    return f"  ({', '.join(said)})" if said else ""


def _told(said: dict[str, Any]) -> str:
    answer = "" if said["answer"] is None else f" {said['answer']}"
    return f"v{said['version']} {said['status']}{answer}"


def _names(numbers: Sequence[int]) -> str:
    return ", ".join(f"v{number}" for number in numbers)
