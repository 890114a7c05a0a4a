"""`mainstay label …`: people say what is right of decisions that were set aside."""

import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from mainstay.access.model import Caller
from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.finding import worst
from mainstay.renew.labelling.model import Answer
from mainstay.renew.labelling.report import Labeler, Report
from mainstay.wiring.label_exchange import (
    annotations_of,
    configuration_of,
    shown_task,
    tasks_out,
)
from mainstay.wiring.labelling import Labelling, labelling_of
from mainstay.wiring.workspace import open_workspace, whoever_runs_this

_MARKS: Final = {
    "fail": "[bold red]✗ fails [/]",
    "unsure": "[bold yellow]! unsure[/]",
    "pass": "[bold green]✓ passes[/]",
}
_FILE_MAX_BYTES: Final = 1024 * 1024 * 1024


class _AsksByDefault(click.Group):
    """`mainstay label fraud` asks at the terminal; everything else is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["ask", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_AsksByDefault,
    epilog="""
\b
Examples:
  mainstay label fraud                     one task after the other, at this terminal
  mainstay label next fraud --json         the next task, for programs
  mainstay label report fraud              agreement, probes, contradictions, accuracy
""",
)
def label() -> None:
    """People label what was decided: drawn at random, and asked one by one.

    What is asked is said in the contract (`labels.ask`). Over HTTP, labelers have keys made with
    `mainstay key create NAME --for label`. A running server sets decisions aside and makes labels
    of the answers.
    """


def _me() -> Caller:
    """Whoever runs this, who may label everything."""
    return Caller(name=whoever_runs_this(), purposes=("label",))


def _opened(workspace: str | None) -> Labelling:
    return labelling_of(open_workspace(workspace))


@label.command()
@click.argument("model")
@in_workspace
@speaking
def ask(output: Output, model: str, workspace: str | None) -> None:
    """Ask for one label after the other; `ask` may be left out."""
    if output.as_json or not sys.stdin.isatty():
        raise InvalidUsage(
            "nobody sits at a terminal here",
            field="terminal",
            expected="`mainstay label next MODEL --json` and `mainstay label answer TASK LABEL`",
        )
    labelling, said = _opened(workspace), 0
    while True:
        shown = labelling.next(model, _me())
        if shown["task"] is None:
            output.say(f"{escape(shown['words'])} You gave {said}; thank you.")
            return
        _show(output, shown)
        if not _answered(output, labelling, shown):
            output.say(f"You gave {said}; thank you.")
            return
        said += 1


def _answered(output: Output, labelling: Labelling, shown: dict[str, Any]) -> bool:
    """Ask until one answer is taken; whether to go on."""
    while True:
        text = click.prompt("Label (a number or its name; s to skip, q to stop)").strip()
        if text == "q":
            return False
        try:
            chosen = None if text == "s" else _chosen(text, shown["answers"])
            labelling.answer(shown["task"], _me(), chosen)
            return True
        except MainstayError as error:
            output.error(error)


def _chosen(text: str, answers: list[str]) -> Answer:
    """What was typed, as a label: a class by its name or its place, or a number."""
    if not answers:
        return _number(text)
    if text in answers or not text.isdecimal() or not 1 <= int(text[:6]) <= len(answers):
        return text
    return answers[int(text) - 1]


def _number(text: str) -> Answer:
    try:
        return float(text)
    except ValueError:
        return text  # refused in words where labels are checked


def _show(output: Output, shown: dict[str, Any]) -> None:
    output.say(f"\n[bold]{escape(shown['question'])}[/]  [dim]{shown['task']}[/]")
    for name, value in shown["inputs"].items():
        output.say(f"  [dim]{escape(name)}[/]  {escape(str(value))}")
    if "answer" in shown:
        output.say(f"  [dim]the model said[/]  {escape(str(shown['answer']))}")
    for place, name in enumerate(shown["answers"][:50], 1):
        output.say(f"  {place}  {escape(name)}")
    output.say(f"  [dim]yours until {shown['until']}[/]")


@label.command("next")
@click.argument("model")
@in_workspace
@speaking
def next_(output: Output, model: str, workspace: str | None) -> None:
    """The task you have, or the next; it is yours until the lease ends."""
    shown = _opened(workspace).next(model, _me())
    output.result(shown)
    if shown["task"] is None:
        output.say(shown["words"])
    else:
        _show(output, shown)
        output.note(f"`mainstay label answer {shown['task']} LABEL`, or `label skip`")


@label.command(epilog="\b\nExample:\n  mainstay label answer 3f1c09a7d2e84b56a1f0 fraud")
@click.argument("task")
@click.argument("label_", metavar="LABEL")
@in_workspace
@speaking
def answer(output: Output, task: str, label_: str, workspace: str | None) -> None:
    """Say what is right of TASK. Saying it twice is saying it once."""
    labelling = _opened(workspace)
    model = labelling.queue.find(task)[0].model
    told = labelling.answer(task, _me(), _typed(labelling, model, label_))
    output.result(told)
    output.say(f"[bold green]✓[/] {escape(str(told['label']))} is kept, for {escape(model)}")


@label.command()
@click.argument("task")
@in_workspace
@speaking
def skip(output: Output, task: str, workspace: str | None) -> None:
    """Leave TASK to others."""
    told = _opened(workspace).answer(task, _me(), None)
    output.result(told)
    output.say("[bold green]✓[/] it is left to others")


@label.command(epilog="\b\nExample:\n  mainstay label gold fraud 0196f0c2a1b34d5e6f7081920000 ok")
@click.argument("model")
@click.argument("decision")
@click.argument("label_", metavar="LABEL")
@in_workspace
@speaking
def gold(output: Output, model: str, decision: str, label_: str, workspace: str | None) -> None:
    """Mix a DECISION whose label is known in with the tasks, to see how often labelers are right.

    Nobody who labels can tell it from the others.
    """
    labelling = _opened(workspace)
    made = labelling.know(model, decision, _typed(labelling, model, label_))
    output.result(shown_task(made))
    output.say(f"[bold green]✓[/] {escape(str(made.gold))} is known of {decision}")


def _typed(labelling: Labelling, model: str, text: str) -> Answer:
    """What was typed, as a label of a model."""
    return text if labelling.classes(model) else _number(text)


@label.command("export")
@click.argument("model")
@click.option("--config", is_flag=True, help="The labelling configuration in place of the tasks.")
@in_workspace
@speaking
def export(output: Output, model: str, config: bool, workspace: str | None) -> None:
    """Print the tasks that wait in Label Studio's import form."""
    labelling = _opened(workspace)
    if config:
        click.echo(configuration_of(labelling, model), nl=False)
        return
    labelling.terms(model)
    with output.working("Looking the decisions up"):
        found = tasks_out(labelling, model)
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


@label.command("import")
@click.argument("model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@in_workspace
@speaking
def import_(output: Output, model: str, file: Path, workspace: str | None) -> None:
    """Keep what was annotated in Label Studio: its JSON or JSON-MIN export.

    An annotation that cannot be kept is named by task and field, and the others are kept; exits 1
    where there is one. What is marked as ground truth becomes a probe.
    """
    if file.stat().st_size > _FILE_MAX_BYTES:
        raise InvalidUsage(
            f"{file} is too large",
            field="file",
            got=f"{file.stat().st_size} bytes",
            expected=f"at most {_FILE_MAX_BYTES} bytes; export a part of the tasks at a time",
        )
    done = annotations_of(_opened(workspace), model, file.read_bytes())
    output.result(done)
    output.say(
        f"[bold green]✓[/] {done.answers:,} answers, {done.skipped:,} skipped, {done.probes:,}"
        f" probes; {done.known_already:,} were known already"
    )
    for problem in done.problems:
        where = " ".join(part for part in (f"task {problem.task}", problem.field) if part)
        output.say(f"[bold red]✗[/] {escape(where)}: {escape(problem.words)}")
    if done.problems:
        raise Ending(NOT_SO)


@label.command()
@click.argument("model")
@in_workspace
@speaking
def report(output: Output, model: str, workspace: str | None) -> None:
    """What labelers said: agreement, probes, contradictions, and how often the model was right.

    Accuracy is of the random sample, each decision weighed by its chance to be drawn. Exits 1
    when something fails.
    """
    found = _opened(workspace).report(model)
    output.result(found)
    _say_report(output, found)
    if worst(found.findings) == "fail":
        raise Ending(NOT_SO)


def _say_report(output: Output, found: Report) -> None:
    counted = ", ".join(f"{count:,} {state}" for state, count in found.tasks.items())
    output.say(
        f"[bold]{escape(found.model)}[/]  {counted or 'no tasks yet'}; {found.probes} probes"
    )
    for score in found.scores:
        low, high = score.interval
        where = f" where it is {score.stratum}" if score.stratum else ""
        output.say(
            f"  {score.metric} {score.figure:.4g} ({low:.4g} to {high:.4g}){escape(where)}, by"
            f" {score.tasks:,} labels that stand for {score.stands_for:,.0f} decisions"
        )
    heads = ("labeler", ">answers", ">skipped", ">seconds", ">became it", ">skill", ">probes",
             "counts")  # fmt: skip
    if found.labelers:
        output.table(heads, [_labeler_row(each) for each in found.labelers])
    for finding in found.findings:
        output.say(f"{_MARKS[finding.verdict]} {escape(finding.words)}")
    if found.contradicted:
        output.say(f"{found.contradicted:,} tasks were answered differently, the newest:")
        for each in found.contradictions[-10:]:
            said = ", ".join(f"{who}: {what}" for who, what in each.said.items())
            became = "nothing" if each.label is None else str(each.label)
            output.say(f"  {each.decision}  {escape(said)}  [dim]became[/] {escape(became)}")


def _labeler_row(labeler: Labeler) -> list[Any]:
    def percent(part: float | None) -> str | None:
        return None if part is None else f"{part:.0%}"

    took = None if labeler.took_ms is None else f"{labeler.took_ms / 1000:.1f}"
    probes = f"{labeler.right}/{labeler.probes}"
    return [labeler.name, labeler.answers, labeler.skipped, took, percent(labeler.agreed),
            percent(labeler.skill), probes, "yes" if labeler.counts else "no"]  # fmt: skip
