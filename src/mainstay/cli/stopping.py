"""`mainstay stop`: a version answers no more."""

import time

import click
import msgspec

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.routing import because, wait_for, waiting
from mainstay.serve.routes.model import Route
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.running import Server
from mainstay.wiring.stopping import stop as stop_version
from mainstay.wiring.workspace import open_workspace, whoever_runs_this


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What stopping came to, for programs."""

    stopped: bool
    """False when it was stopped already."""
    route: Route | None
    workers: int = 0
    follow: int = 0
    """How many of them do not answer with it any more."""


@click.command(
    epilog="""
\b
Examples:
  mainstay stop fraud --reason "wrong for all of Austria"
  mainstay deploy fraud@3              lets it answer again
  mainstay rollback fraud              the version before answers instead
"""
)
@click.argument("model")
@click.option(
    "--must-fall-back", is_flag=True, help="Only where its contract has a chain of fallbacks."
)
@because
@waiting
@in_workspace
@speaking
def stop(
    output: Output,
    model: str,
    must_fall_back: bool,
    reason: str,
    wait_seconds: float,
    workspace: str | None,
) -> None:
    """Let the version in force of a model answer no more.

    What its contract has for a fallback answers in its place; without one, requests are refused
    with 503 and the reason. It lasts until somebody deploys or goes back.
    """
    opened = open_workspace(workspace)
    why = reason or f"{whoever_runs_this()} stopped it"
    done = stop_version(opened, model, why, must_fall_back=must_fall_back)
    if done is None:
        output.result(Ended(stopped=False, route=opened.chain.current(model)))
        output.say(f"{escape(model)} was stopped before.")
        return
    server = Server(opened.places.run, opened.clock)
    if server.report() is None:
        OrderWriter(opened, opened.bring).look()
        output.result(Ended(stopped=True, route=done.route))
        output.say(f"[bold green]✓[/] {escape(model)}: {escape(done.words)}")
        return
    began = time.monotonic()
    with output.working("Waiting for the workers"):
        reached = wait_for(server, done.route, wait_seconds)
    output.result(
        Ended(stopped=True, route=done.route, workers=reached.workers, follow=reached.serving)
    )
    mark = "[bold green]✓[/]" if reached.everywhere else "[bold yellow]![/]"
    output.say(f"{mark} {escape(model)}: {escape(done.words)}")
    output.say(
        f"  {reached.serving} of {reached.workers} workers do so, "
        f"{time.monotonic() - began:.2f} s after the command"
    )
    if not reached.everywhere:
        raise Ending(NOT_SO)
