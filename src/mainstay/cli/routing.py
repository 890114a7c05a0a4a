"""`mainstay deploy` and `mainstay rollback`: the same operation, and the same wait for it."""

import time
from pathlib import Path

import click
import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Version
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.rollouts import releasing, tell_started
from mainstay.cli.verdicts import show_verdict, wishing
from mainstay.release.gate.model import NotPassed, Verdict
from mainstay.release.gate.run import Wish
from mainstay.release.model import Deployed
from mainstay.serve.routes.model import Route
from mainstay.wiring.duties import FOLLOW_DUTY
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.rollouts import Wanted, start_rollout, strategy_of
from mainstay.wiring.running import Reached, Server
from mainstay.wiring.workspace import Workspace, open_workspace

_SUFFIX = ".mainstay"
_LOOK_SECONDS = 0.02

waiting = click.option(
    "--wait",
    "wait_seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait until the running workers answer with it.",
)
because = click.option("--reason", default="", help="Why; kept with the route.")


@click.command(
    epilog="""
\b
Examples:
  mainstay deploy fraud-3.mainstay     a bundle file: checked, kept, numbered, live
  mainstay deploy fraud                the newest version of the model
  mainstay deploy fraud@2              that very version
  mainstay deploy fraud --dry-run      the gate's verdict alone
  mainstay deploy fraud --strategy canary --steps "5 %, 50 %, 100 %" --bake 30m
"""
)
@click.argument("what", metavar="FILE|MODEL|MODEL@N")
@click.option("--dry-run", is_flag=True, help="Let the gate judge it; nothing goes live.")
@click.option(
    "--expected-epoch",
    type=click.IntRange(min=0),
    metavar="N",
    help="Refuse unless this epoch is still in force (0: none); `mainstay status --json` shows it.",
)
@releasing
@wishing
@waiting
@in_workspace
@speaking
def deploy(
    output: Output,
    what: str,
    dry_run: bool,
    expected_epoch: int | None,
    wanted: Wanted,
    wish: Wish,
    wait_seconds: float,
    workspace: str | None,
) -> None:
    """Let a version answer for its model, without a restart and without losing a request.

    Checks the version first: every byte, the signature, a first load in a child process and its
    own examples. Then the gate compares it with the version that serves, over its confidence set;
    `mainstay verdict` shows what it found. Then waits until every running worker answers with it.

    With a strategy other than direct, here or in the contract, the keeper takes it live step by
    step and back by itself; `mainstay status --watch` shows how far it is.
    """
    wish.check()
    opened = open_workspace(workspace)
    if what.endswith(_SUFFIX) or "/" in what:
        with output.working(f"Checking {what}"):
            version = opened.admit(_file(what))
        output.note(f"{what} is {version}")
        model, number = version.model, version.number
    else:
        model, number = model_and_number(what)
    if dry_run:
        _judge_only(output, opened, opened.registry.find(model, number), wish)
        return
    began = time.monotonic()
    try:
        version = opened.registry.find(model, number)
        if strategy_of(opened, version, wanted) != "direct":
            with output.working(f"Checking {model} and comparing it with what serves"):
                record = start_rollout(opened, version, wanted, wish, expected_epoch=expected_epoch)
            tell_started(output, opened, record)
            return
        with output.working(f"Checking {model}, comparing it with what serves, making it live"):
            deployed = opened.deploy(
                model, number, wish.reason, wish=wish, expected_epoch=expected_epoch
            )
    except NotPassed as refused:
        output.result(refused.as_dict())
        show_verdict(output, refused.verdict)
        raise Ending(NOT_SO) from refused
    _wait_and_tell(output, opened, deployed, began, wait_seconds)


def _judge_only(output: Output, opened: Workspace, version: Version, wish: Wish) -> None:
    """The gate's verdict on a version and on all that would go along; nothing goes live."""
    plan = opened.cascades.planned(version).plan.check()
    others = [node.model for node in plan.along]
    verdicts: list[Verdict] = []
    for node in plan.moves:
        with output.working(f"Comparing {node.model} with what serves"):
            mine = wish.about(node.model, others)
            verdicts.append(opened.judge_alone(node.version, mine))
    output.result(verdicts[0] if len(verdicts) == 1 else verdicts)
    if plan.along:
        output.say(f"Together, at one moment: {', '.join(map(str, plan.moves))}")
    if plan.kept:
        output.say(f"Fits and stays: {', '.join(map(str, plan.kept))}")
    for verdict in verdicts:
        show_verdict(output, verdict)
    if not all(verdict.allows for verdict in verdicts):
        raise Ending(NOT_SO)


@click.command(
    epilog="""
\b
Examples:
  mainstay rollback fraud              to the version before
  mainstay rollback fraud --to 2       to version 2
"""
)
@click.argument("model")
@click.option("--to", type=click.IntRange(min=1), metavar="N", help="The version to go back to.")
@because
@waiting
@in_workspace
@speaking
def rollback(
    output: Output,
    model: str,
    to: int | None,
    reason: str,
    wait_seconds: float,
    workspace: str | None,
) -> None:
    """Let the version before answer again, as easily as deploying and faster.

    Every byte and the signature are checked again, and each worker lets it prove itself on its own
    examples. Its first load in a child process is repeated only if it did not pass on this machine
    with the libraries installed now, and the gate, which it went through when it was deployed, is
    not asked again.
    """
    opened = open_workspace(workspace)
    began = time.monotonic()
    with output.working(f"Checking the version of {model} to go back to"):
        deployed = opened.rollback(model, to, reason)
    _wait_and_tell(output, opened, deployed, began, wait_seconds)


def model_and_number(text: str) -> tuple[str, int | None]:
    """`fraud@2` is version 2 of fraud; `fraud` is its newest."""
    model, at, number = text.partition("@")
    if not at:
        return model, None
    digits = number.removeprefix("v")
    if not model or not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise InvalidUsage(
            f"{text!r} names no version",
            field="version",
            got=number,
            expected="MODEL@N with the number of a version, such as fraud@2",
        )
    return model, int(digits)


def _file(what: str) -> Path:
    path = Path(what)
    if not path.is_file():
        raise InvalidUsage(
            f"there is no file {what}",
            field="file",
            expected="a bundle file that `mainstay pack` wrote, or the name of a model",
        )
    return path


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment came to, for programs."""

    deployed: Deployed
    server: bool
    workers: int = 0
    serving: int = 0
    refused: str = ""
    seconds: float = 0.0


def _wait_and_tell(
    output: Output, opened: Workspace, deployed: Deployed, began: float, wait_seconds: float
) -> None:
    server = Server(opened.places.run, opened.clock)
    if server.report() is None:
        # With the orders written now, the next server begins with this version at once.
        OrderWriter(opened, opened.bring).look()
        output.result(Confirmed(deployed=deployed, server=False))
        output.say(f"[bold green]✓[/] {escape(str(deployed))}{_by(deployed)}")
        output.say("  No server is running here; `mainstay up` will answer with it.")
        return
    with output.working("Waiting for the workers"):
        late, reached = _wait_for_all(server, deployed, wait_seconds)
    seconds = time.monotonic() - began
    refused = reached.refused[0].error if reached.refused else ""
    output.result(
        Confirmed(
            deployed=deployed,
            server=True,
            workers=reached.workers,
            serving=reached.serving,
            refused=refused,
            seconds=round(seconds, 3),
        )
    )
    if reached.everywhere:
        output.say(f"[bold green]✓[/] {escape(str(deployed))}{_by(deployed)}")
        output.say(f"  {_workers(reached)} with it, {seconds:.2f} s after the command")
        return
    _tell_not_everywhere(output, server, late, reached, refused)
    raise Ending(NOT_SO)


def _tell_not_everywhere(
    output: Output, server: Server, deployed: Route, reached: Reached, refused: str
) -> None:
    name = f"{deployed.model} v{deployed.number}"
    if refused:
        output.say(
            f"[bold red]✗[/] {len(reached.refused)} of {reached.workers} workers refuse "
            f"{name}: {escape(refused)}"
        )
        output.say(
            "  The version before goes on serving. `mainstay rollback "
            f"{deployed.model}` puts the route back."
        )
        return
    output.say(
        f"[bold yellow]![/] {name} is the route in force, but {reached.serving} of "
        f"{reached.workers} workers answer with it yet"
    )
    keeper = server.keeper()
    errors = [d.error for d in keeper.duties if d.name == FOLLOW_DUTY and d.error] if keeper else []
    for error in errors:
        output.say(f"  [dim]keeper[/]  {escape(error)}")
    output.say("  They will follow as soon as they can; `mainstay status` shows how far they are.")


def _by(deployed: Deployed) -> str:
    """By which verdict; a rollback asks no gate."""
    return f"\n  [dim]gate[/] `mainstay verdict {deployed.verdict}`" if deployed.verdict else ""


def _wait_for_all(server: Server, deployed: Deployed, seconds: float) -> tuple[Route, Reached]:
    """Wait for a route and those that changed with it; the first that is late, or the last."""
    end = time.monotonic() + seconds
    route: Route = deployed
    reached = wait_for(server, route, seconds)
    for other in deployed.along:
        if reached.everywhere:
            route = other
            reached = wait_for(server, route, max(0.0, end - time.monotonic()))
    return route, reached


def wait_for(server: Server, deployed: Route, seconds: float) -> Reached:
    """Wait until all workers answer with a route, one refuses it, or the time is over."""
    end = time.monotonic() + seconds
    while True:
        reached = server.reached(deployed.model, deployed.epoch)
        settled = reached.serving + len(reached.refused)
        if reached.everywhere or (reached.refused and settled >= reached.workers):
            return reached
        if time.monotonic() >= end or server.report() is None:
            return reached
        time.sleep(_LOOK_SECONDS)


def _workers(reached: Reached) -> str:
    if reached.workers == 1:
        return "The worker answers"
    return f"All {reached.workers} workers answer"
