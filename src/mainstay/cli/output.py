"""What every command has in common: how it speaks, in which form, and how it ends.

For people on a terminal: sentences, tables and progress; with `--json`: exactly one JSON object
on standard output, also for errors. Exit status: 0 it is so, 1 it is not (a check fails, something
is refused or broken), 2 the command was used wrongly. Must never show a traceback for an error
that we foresaw, nor colours where nobody looks.
"""

import contextlib
import functools
import io
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec

import click
import msgspec

from mainstay.base.errors import InvalidUsage, MainstayError

if TYPE_CHECKING:
    from rich.console import Console

FINE, NOT_SO, USAGE = 0, 1, 2
_GOT_MAX = 300
_PIPE_WIDTH = 500

P = ParamSpec("P")


def escape(text: str) -> str:
    """Text in which nothing is taken for markup."""
    from rich.markup import escape as escaped

    return escaped(text)


class Output:
    """Where a command speaks."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @cached_property
    def _people(self) -> "Console":
        from rich.console import Console

        # Into a file or a pipe, a table is as wide as it needs to be.
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        return Console(highlight=False, soft_wrap=True, width=width)

    @cached_property
    def _aside(self) -> "Console":
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str = "") -> None:
        """A line of the answer, for people; may hold markup."""
        if not self.as_json:
            self._people.print(text)

    def note(self, text: str) -> None:
        """A line beside the answer (what is going on), for people; plain text."""
        if not self.as_json:
            self._aside.print(f"[dim]{escape(text)}[/dim]")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Rows under heads; heads that begin with `>` are for numbers."""
        if self.as_json:
            return
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in heads:
            right = head.startswith(">")
            table.add_column(
                head.removeprefix(">"), justify="right" if right else "left", overflow="fold"
            )
        for row in rows:
            table.add_row(*("-" if cell is None else escape(str(cell)) for cell in row))
        self._people.print(table)

    def result(self, value: Any) -> None:
        """The answer for programs."""
        if self.as_json:
            data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
            click.echo(data.decode())

    def event(self, value: Any) -> None:
        """One of several answers for programs, on a line of its own."""
        if self.as_json:
            click.echo(msgspec.json.encode(value).decode())
            sys.stdout.flush()

    @contextmanager
    def working(self, what: str, total: float | None = None) -> Generator[Callable[[float], None]]:
        """Show that something takes time; yields a function that is told how far it got."""
        if self.as_json or not self._aside.is_terminal:
            yield lambda _done: None
            return
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        bar = (BarColumn(),) if total is not None else ()
        with Progress(
            *columns, *bar, TimeElapsedColumn(), console=self._aside, transient=True
        ) as progress:
            task = progress.add_task(escape(what), total=total)
            yield lambda done: progress.update(task, completed=done)

    @property
    def in_place(self) -> bool:
        """Whether what is shown anew takes the place of what was shown before: on a terminal."""
        return not self.as_json and self._people.is_terminal

    def watch(self, draw: Callable[["Output"], bool | None], every_seconds: float = 1.0) -> None:
        """Draw again and again, in place where there is a terminal, until Ctrl-C or until `draw`
        says that this was all; what was drawn last then stays."""
        page = ""
        with contextlib.suppress(KeyboardInterrupt):
            if not self.in_place:
                while not draw(self):
                    time.sleep(every_seconds)
                return
            page = self._watch_in_place(draw, every_seconds)
        if page:
            from rich.text import Text

            self._people.print(Text.from_ansi(page))

    def _watch_in_place(self, draw: Callable[["Output"], bool | None], every_seconds: float) -> str:
        """Draw on a screen of its own; what was drawn last."""
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        people = self._people
        with Live(console=people, auto_refresh=False, screen=True) as live:
            while True:
                sheet = Output(as_json=False)
                page = io.StringIO()
                sheet._people = Console(  # because it is one of us
                    file=page, force_terminal=True, highlight=False, width=people.width
                )
                over = draw(sheet)
                live.update(Text.from_ansi(page.getvalue()), refresh=True)
                if over:
                    return page.getvalue()
                time.sleep(every_seconds)

    def error(self, error: MainstayError) -> None:
        """An error: what is wrong, where, and what would be right."""
        if self.as_json:
            self.result(error.as_dict())
            return
        show = self._aside.print
        show(f"[bold red]✗[/] {escape(error.message)}")
        if error.field is not None and f"{error.field}" not in error.message:
            show(f"  [dim]where[/]  {escape(error.field)}")
        if error.got is not None and str(error.got) not in error.message:
            show(f"  [dim]found[/]  {escape(str(error.got)[:_GOT_MAX])}")
        if error.expected is not None:
            show(f"  [dim]right[/]  {escape(error.expected)}")
        for extra in getattr(error, "__notes__", ()):
            show(f"  [dim]also[/]   {escape(str(extra))}")


class Ending(Exception):
    """Ends a command with a status after it has said everything."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def status_of(error: MainstayError) -> int:
    """The exit status an error stands for."""
    return USAGE if isinstance(error, InvalidUsage) else NOT_SO


def speaking(command: Callable[P, None]) -> Callable[..., None]:
    """Give a command its `--json`, its `Output` and its way to end."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
    @functools.wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> None:
        output = Output(as_json=as_json)
        try:
            command(output, *arguments, **options)  # pyright: ignore[reportCallIssue]  # because click, not the caller, fills in the options
        except MainstayError as error:
            output.error(error)
            sys.exit(status_of(error))
        except Ending as ending:
            sys.exit(ending.status)
        except KeyboardInterrupt:
            output.note("Stopped.")
            sys.exit(130)
        except BrokenPipeError:
            # Whoever read us (head, less) has seen enough.
            sys.stderr.close()
            sys.exit(FINE)

    return run


def in_workspace(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its `--workspace`."""
    return click.option(
        "--workspace",
        metavar="FOLDER",
        help="The workspace; by default $MAINSTAY_WORKSPACE, else the current folder.",
    )(command)
