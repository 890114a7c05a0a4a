"""`mainstay recall …`: back to before bad data, and what that comes to, shown first."""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import click
from msgspec import structs

from mainstay.base.errors import InvalidUsage, MainstayError, NotFound
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.recalls import lines, show_plan, show_recall, told, words_of_status
from mainstay.cli.retraining import show_retrained
from mainstay.cli.routing import because, wait_for, waiting
from mainstay.contract.windows import window_ns
from mainstay.release.recall.model import Plan, Recall, Window
from mainstay.serve.routes.model import Route
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.recall_training import train_after, wants_training, with_training
from mainstay.wiring.recalling import (
    Recalled,
    carry_out_recall,
    decisions_of,
    plan_recall,
    recalls_of,
    take_back_recall,
)
from mainstay.wiring.running import Server
from mainstay.wiring.training import Retrained
from mainstay.wiring.workspace import Workspace, open_workspace

_DEFAULT = "model"
_POLLUTED = "--polluted"


class _Recall(click.Group):
    """Whatever is not one of its commands is the name of a model."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`recall fraud …` is `recall model fraud …`, also for a model that is called `list`."""
        named = any(each.partition("=")[0] == _POLLUTED for each in args)
        if args and args[0] != _DEFAULT and (named or args[0] not in self.commands):
            args = [_DEFAULT, *args]
        return super().resolve_command(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The way it is mostly used."""
        formatter.write_usage(ctx.command_path, "MODEL --polluted BEGIN..END [OPTIONS]")
        formatter.write_usage(ctx.command_path, "undo|list|show …")


@click.group(
    cls=_Recall,
    epilog="""
\b
Examples:
  mainstay recall fraud --polluted 2026-11-27T08:00..2026-11-28T02:00 --dry-run
  mainstay recall fraud --polluted 2026-11-27T08:00+01:00..2026-11-28T02:00+01:00 --yes
  mainstay recall list --json
  mainstay recall show 3 --decisions --json > ids.jsonl
  mainstay recall undo 3
""",
)
def recall() -> None:
    """Back to before bad data: which version, what changes, what the bad data reached.

    Nothing changes before the plan was shown and confirmed. `mainstay recall model --help` has the
    options.
    """


class _Go(NamedTuple):
    """How far to go."""

    sure: bool | None
    """False: only show it; True: do not ask."""
    train: bool


def _confirming(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--dry-run`, `--yes` and `--no-retrain`, as one `go`."""

    @click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
    @click.option("--yes", is_flag=True, help="Carry the plan out without asking.")
    @click.option("--no-retrain", is_flag=True,
                  help="Do not train the next version afterwards.")  # fmt: skip
    @functools.wraps(command)
    def run(*arguments: Any, dry_run: bool, yes: bool, no_retrain: bool, **options: Any) -> Any:
        go = _Go(False if dry_run else yes or None, not no_retrain)
        return command(*arguments, go=go, **options)

    return run


@recall.command(
    _DEFAULT,
    epilog="""
\b
Examples:
  mainstay recall fraud --polluted 2026-11-27T08:00..2026-11-28T02:00
  mainstay recall fraud --polluted 2026-11-27..2026-11-28 --to 4 --reason "a sensor was stuck"
""",
)
@click.argument("model")
@click.option(_POLLUTED, "polluted", required=True, metavar="BEGIN..END",
              help="From when until when (without the end); UTC if no offset is said.")  # fmt: skip
@click.option("--to", type=click.IntRange(min=1), metavar="N",
              help="The version to go back to; by default the newest that is clean.")  # fmt: skip
@_confirming
@because
@waiting
@in_workspace
@speaking
def recall_model(
    output: Output,
    model: str,
    polluted: str,
    to: int | None,
    go: _Go,
    reason: str,
    wait_seconds: float,
    workspace: str | None,
) -> None:
    """Let the newest version of MODEL answer that did not learn from a stretch of time.

    Shows first which versions learned from it, or may have; which one is to answer, and why no
    newer one; what they decided and for whom; and which models it feeds. Then quarantines the
    stretch for all of these, so that no later snapshot has it, and lets that version answer, by the
    checks of `mainstay rollback`. Run again after it was interrupted, it comes to the same end;
    `mainstay recall undo` takes it back. Exits 1, and changes nothing, where no version is known to
    be clean. Where the contract says how the model is trained, the next version is trained at once,
    as by `mainstay retrain`, without the stretch, and goes through the gate and the strategy of the
    contract; exits 1 where that comes to nothing, and the recall stays.
    """
    window = Window(*window_ns(polluted, "polluted"))
    opened = open_workspace(workspace)
    with output.working(f"Looking at what learned from {window}, and what that reached"):
        plan = plan_recall(opened, model, window, to)
        if go.train and plan.possible:
            plan = with_training(opened, plan)
    show_plan(output, plan)
    if not plan.possible:
        output.result({"plan": plan, "done": False, "error": _nobody(plan)})
        raise Ending(NOT_SO)
    if go.sure is False:
        output.result({"plan": plan, "done": False})
        output.say("Nothing was changed: this is a dry run.")
        return
    if go.sure is None:
        _confirm(output)
    began = time.monotonic()
    with output.working("Quarantining, then changing the route"):
        done = carry_out_recall(opened, plan, reason)
    # A recall in force from before keeps the plan that it had; what is wanted now is in this one.
    wanted = wants_training(structs.replace(done.recall, plan=plan))
    if wanted:
        train = partial(_train, output, opened, done.recall)
        _wait_and_tell(output, opened, done, (began, wait_seconds), train)
    else:
        _wait_and_tell(output, opened, done, (began, wait_seconds))


def _train(output: Output, opened: Workspace, done: Recall) -> tuple[Retrained | None, str]:
    """Train the next version, or say why there is none; snapshots leave out what is quarantined."""
    try:
        with output.working(f"Training {done.model} without the stretch"):
            return train_after(opened, done.number), ""
    except MainstayError as error:
        return None, error.message


def _nobody(plan: Plan) -> str:
    return f"no version of {plan.model} is known to be clean of {plan.window}"


def _confirm(output: Output) -> None:
    """Ask a person; a program must have said `--yes`."""
    if output.as_json or not sys.stdin.isatty():
        raise InvalidUsage(
            "nothing was changed: nobody is there who could be asked",
            field="yes",
            expected="--yes to carry the plan out, or --dry-run to see it",
        )
    if not click.confirm("Carry this out?", err=True):
        output.say("Nothing was changed.")
        raise Ending(NOT_SO)


def _wait_and_tell(
    output: Output,
    opened: Workspace,
    done: Recalled,
    patience: tuple[float, float],
    afterwards: Callable[[], tuple[Retrained | None, str]] = lambda: (None, ""),
) -> None:
    """Wait until the workers answer with what is in force, and tell what was done; then what is to
    be done afterwards."""
    began, seconds = patience
    everywhere = True
    if done.changed:
        with output.working("Waiting for the workers"):
            everywhere = _reached(opened, done, seconds)
    taken = round(time.monotonic() - began, 3)
    _tell(output, done, taken)
    retrained, failed = afterwards()
    output.result(told(recalls_of(opened).find(done.recall.number)) | {
        "done": True, "changed": done.changed, "everywhere": everywhere, "seconds": taken,
        "retrained": retrained, **({"error": failed} if failed else {}),
    })  # fmt: skip
    if retrained is not None:
        show_retrained(output, retrained)
    if failed:
        output.say(f"[bold red]✗[/] it is recalled; no version was trained: {escape(failed)}")
        again = f"the same command again trains, or `mainstay retrain {escape(done.recall.model)}`"
        output.say(f"  [dim]next[/]       {again}")
    if not everywhere:
        output.say("[bold yellow]![/] not every worker answers with it yet; `mainstay status`")
    if not everywhere or failed or (retrained is not None and retrained.why_not):
        raise Ending(NOT_SO)


def _tell(output: Output, done: Recalled, taken: float) -> None:
    """What a recall, or taking it back, came to."""
    output.say()
    if not done.changed:
        output.say(f"[green]✓[/] {escape(words_of_status(done.recall))} already; nothing changed")
        return
    output.say(f"[bold green]✓[/] {escape(words_of_status(done.recall))}, in {taken:.2f} s")
    for route in done.along:
        output.say(f"  and with it {escape(route.model)} v{route.number}")
    if done.recall.status == "in force":
        number = done.recall.number
        output.say(f"  `mainstay recall undo {number}` takes it back; `mainstay recall show "
                   f"{number} --decisions` lists what was decided")  # fmt: skip
        if done.recall.plan.blast.decisions:
            output.say(f"  `mainstay reprocess --recall {number}` answers that anew")


def _reached(opened: Workspace, done: Recalled, seconds: float) -> bool:
    """Whether every worker answers with the routes in force; without a server there is none."""
    server = Server(opened.places.run, opened.clock)
    current = opened.chain.current(done.recall.model)
    if current is None:
        return True
    if server.report() is None:
        OrderWriter(opened, opened.bring).look()
        return True
    end = time.monotonic() + seconds
    routes: Sequence[Route] = (current, *done.along)
    return all(
        wait_for(server, route, max(0.0, end - time.monotonic())).everywhere for route in routes
    )


@recall.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@waiting
@in_workspace
@speaking
def undo(output: Output, number: int, wait_seconds: float, workspace: str | None) -> None:
    """Take a recall back: what answered before answers again, and the quarantine is lifted.

    The route goes forward by the same checks that it went back by; where somebody deployed since,
    it stays as it is. A rollout that the recall ended is not taken up again.
    """
    opened = open_workspace(workspace)
    began = time.monotonic()
    with output.working(f"Taking recall {number} back"):
        done = take_back_recall(opened, number)
    _wait_and_tell(output, opened, done, (began, wait_seconds))


@recall.command("list")
@click.argument("model", required=False)
@in_workspace
@speaking
def list_recalls(output: Output, model: str | None, workspace: str | None) -> None:
    """The recalls of MODEL, or of all, those that were taken back too."""
    opened = open_workspace(workspace)
    if model is not None:
        opened.registry.find(model)
    found = recalls_of(opened).of(model)
    output.result({"recalls": [told(each) for each in found]})
    if not found:
        output.say("nothing was ever recalled")
        return
    heads = (">id", "model", "polluted", "answers", "status", "by", "reason")
    output.table(heads, [_row(each) for each in found])


def _row(recall: Recall) -> Sequence[object]:
    plan = recall.plan
    was = f"v{recall.before.number} → " if recall.before and plan.to else ""
    answers = f"{was}{plan.to}" if plan.to else "-"
    return (
        recall.number,
        recall.model,
        str(recall.window),
        answers,
        recall.status,
        recall.actor,
        recall.reason,
    )


@recall.command()
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@click.option("--decisions", is_flag=True,
              help="Every decision of the versions concerned, one per line.")  # fmt: skip
@in_workspace
@speaking
def show(output: Output, number: int, decisions: bool, workspace: str | None) -> None:
    """One recall: its plan, how far it is, and what the bad versions decided.

    With --decisions, one line per decision: its id, time, version, caller, status and arm; with
    --json, an object per line. However many they are, they are never in memory together.
    """
    opened = open_workspace(workspace)
    found = recalls_of(opened).find(number)
    if decisions:
        count = 0
        for page in decisions_of(opened, found):
            click.echo(lines(page, as_json=output.as_json), nl=False)
            count += len(page)
        if not count:
            raise NotFound(
                f"the journal has no decision of the versions of recall {number}",
                field="decisions",
                got=number,
                expected="decisions of versions that learned from the stretch, or may have",
            )
        return
    output.result(told(found))
    show_recall(output, found)
