"""Commands as somebody would type them: the real ones, in this process, with what they say.

Promises that what is shown is what the command itself printed, and that a program, which asked for
one JSON object, gets what each command told as a part of it. Must never imitate a command's output.
"""

import contextlib
import io
import shlex
from pathlib import Path
from typing import Any

import msgspec

from mainstay.cli import cli
from mainstay.cli.output import Output, escape


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was carried out."""

    command: str
    status: int
    """With which it ended: 0 it is so, 1 it is not."""
    told: list[Any] = []
    """What it told programs: most commands one object, one that watches many."""


def carry_out(output: Output, root: Path, *words: str) -> Typed:
    """Carry out `mainstay WORDS` on a workspace, and show what it says."""
    command = shlex.join(("mainstay", *words))
    output.say()
    output.say(f"[bold]$ {escape(command)}[/]")
    arguments = [*words, "--workspace", str(root)]
    if not output.as_json:
        return Typed(command=command, status=_status(arguments))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = _status([*arguments, "--json"])
    return Typed(command=command, status=status, told=_objects(said.getvalue()))


def _status(arguments: list[str]) -> int:
    try:
        cli.main(arguments, prog_name="mainstay", standalone_mode=False)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    return 0


def _objects(text: str) -> list[Any]:
    """The objects of a text, of which each is on lines of its own."""
    if text.startswith("{\n") or not text.strip():
        return [msgspec.json.decode(text)] if text.strip() else []
    return [msgspec.json.decode(line) for line in text.splitlines()]
