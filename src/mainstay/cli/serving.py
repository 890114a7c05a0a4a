"""`mainstay init` and `mainstay up`."""

from pathlib import Path

import click

import mainstay
from mainstay.cli.output import Ending, Output, in_workspace, speaking
from mainstay.wiring.folders import Places, locate, make_workspace, open_or_make
from mainstay.wiring.server import Serving, is_loopback, serve


@click.command(
    epilog="""
\b
Example:
  mainstay init shop && cd shop && mainstay up
"""
)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@speaking
def init(output: Output, folder: Path | None) -> None:
    """Make a workspace in FOLDER, by default the current one.

    What is there already stays as it is. Each setting is explained in `mainstay.toml`.
    """
    places, made = make_workspace(locate(folder))
    output.result({"workspace": str(places.root), "made": made})
    if made:
        output.say(f"[bold green]✓[/] {places.root} is a workspace now")
        output.say(f"  [dim]made[/]  {'  '.join(made)}")
        output.say(
            "  [dim]next[/]  `mainstay up` serves it; `mainstay.pack(...)` at the end of a "
            "training script fills it"
        )
    else:
        output.say(f"{places.root} is a workspace already; nothing was changed")


@click.command(
    epilog="""
\b
Examples:
  mainstay up                          this machine only, http://127.0.0.1:8080
  mainstay up --workers 4 --port 0     four workers on any free port
  mainstay up --host 0.0.0.0           for other machines too; callers need keys

\b
Signals: SIGTERM or Ctrl-C drains and stops, a second one stops at once;
SIGHUP replaces the workers one by one without losing a request.
"""
)
@in_workspace
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes any free one.",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes; else the setting.")
@speaking
def up(output: Output, workspace: str | None, host: str, port: int, workers: int | None) -> None:
    """Serve the workspace until stopped; in a folder without one, make it first.

    Starts one keeper and the workers, and starts again whichever of them dies.
    """
    places, made = open_or_make(workspace)
    if made:
        output.note(f"Made a workspace in {places.root}: {'  '.join(made)}")

    def say(text: str) -> None:
        output.event({"event": text})
        if text.startswith("Serving at"):
            output.say(f"[bold green]✓[/] {text}   [dim](Ctrl-C stops)[/]")
        else:
            output.note(text)

    how = Serving(host=host, port=port, workers=workers)
    if not is_loopback(host):
        output.note(f"Other machines can reach {host}: every caller needs a key.")
    status = serve(places, how, lambda: _has_keys(places), say)
    output.note("Stopped." if status == 0 else "Stopped; not everything ended in order.")
    raise Ending(status)


def _has_keys(places: Places) -> bool:
    """Whether any caller has a key that was not revoked."""
    keys = mainstay.open_workspace(places.root).all_keys()
    return any(key.revoked_at_ns is None for key in keys)
