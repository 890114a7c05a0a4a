"""Rollouts for people: how one is asked for, and how one that goes on is shown."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from mainstay.cli.output import Output, escape
from mainstay.release.rollout.experiments import is_experiment, outline
from mainstay.release.rollout.model import Record, Strategy, spoken
from mainstay.wiring.rollouts import Wanted
from mainstay.wiring.running import Server
from mainstay.wiring.workspace import Workspace

_MARKS = {
    "pass": "[green]✓[/]",
    "fail": "[bold red]✗[/]",
    "unsure": "[yellow]?[/]",
}
_STATES = {
    "running": "[green]running[/]",
    "paused": "[yellow]paused[/]",
    "finished": "[green]finished[/]",
    "kept": "[green]kept[/]",
    "rolled back": "[bold red]rolled back[/]",
    "overtaken": "[yellow]overtaken[/]",
}


def releasing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how a version is released, as one `wanted`."""

    @click.option(
        "--strategy",
        type=click.Choice(["direct", "shadow", "canary", "gradual", "ab", "bandit", "opt_back"]),
        help="How it comes to answer; by default what its contract says.",
    )
    @click.option("--steps", default="", metavar="SHARES", help='Such as "1 %, 10 %, 100 %".')
    @click.option("--bake", default="", metavar="TIME", help="How long each step lasts at least.")
    @click.option(
        "--until", default="", metavar="TIME", help="With opt_back: how long people may go back."
    )
    @click.option(
        "--tell", default="", metavar="WORDS", help="With opt_back: what changed, for people."
    )
    @functools.wraps(command)
    def run(
        *arguments: Any,
        strategy: Strategy | None,
        steps: str,
        bake: str,
        until: str,
        tell: str,
        **options: Any,
    ) -> Any:
        texts = tuple(text.strip() for text in steps.split(",")) if steps else ()
        wanted = Wanted(strategy, texts, bake, until, tell)
        return command(*arguments, wanted=wanted, **options)

    return run


def tell_started(output: Output, opened: Workspace, record: Record) -> None:
    """What a rollout that was just started is going to do."""
    plan = record.rollout.plan
    output.result(record)
    steps = ", ".join(f"{step * 100:g} %" for step in plan.steps)
    how = "unseen, beside it" if plan.strategy == "shadow" else f"in steps of {steps}"
    against = f", against {plan.current}"
    if is_experiment(plan):
        how = outline(plan)
    if plan.strategy == "opt_back":
        left = spoken(plan.until_ns - opened.clock.now_ns())
        how = f"it answers everybody, and who wants may go back to {plan.current} for {left}"
        against = ""
    output.say(
        f"[bold green]✓[/] {escape(plan.model)} {plan.candidate} passed the gate; "
        f"its {plan.strategy} begins: {how}{against}"
    )
    if Server(opened.places.run, opened.clock).report() is None:
        output.say("  No server is running here, so nothing happens until `mainstay up`.")
    output.say(
        f"  `mainstay status --watch` shows it; `mainstay rollback {escape(plan.model)}` ends it."
    )


def show_rollouts(output: Output, records: Sequence[Record], ago: Callable[[int], str]) -> None:
    """The rollouts that go on, and those that ended last."""
    for record in records:
        rollout, plan = record.rollout, record.rollout.plan
        output.say()
        stepping = rollout.active and not is_experiment(plan) and plan.strategy != "opt_back"
        step = f"step {rollout.step + 1} of {len(plan.steps)}, " if stepping else ""
        where = "unseen" if plan.strategy == "shadow" and rollout.active else None
        where = where or f"{rollout.share * 100:g} % of the units"
        output.say(
            f"[bold]{escape(plan.model)}[/]   {plan.strategy} of {plan.candidate} against "
            f"{plan.current}   {_STATES[rollout.status]}   {step}{where}   "
            f"since {ago(rollout.since_ns)}"
        )
        output.say(f"  {escape(rollout.words)}")
        for finding in rollout.findings:
            output.say(f"  {_MARKS[finding.verdict]} {finding.check}: {escape(finding.words)}")
