"""Recalls for people and programs: plans, how far they are, and lists of decisions."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import structs

from mainstay.cli.output import Output, escape
from mainstay.release.recall.model import Blast, Fed, Made, Next, Plan, Recall, Taint
from mainstay.release.recall.reached import listing

_SHOWN = 10
_MARKS = {"trained": "[bold red]✗[/]", "unsure": "[yellow]?[/]", "clean": "[green]✓[/]"}
_JUDGED = {"trained": "learned from it", "unsure": "may have learned from it"}


def told(recall: Recall) -> dict[str, Any]:
    """A recall for programs."""
    return {**structs.asdict(recall), "polluted": str(recall.window)}


def words_of_status(recall: Recall) -> str:
    """How far a recall is, in a sentence."""
    name = f"recall {recall.number} of {recall.model}"
    if recall.status == "taken back":
        return f"{name} is taken back: {recall.words}"
    if recall.status == "taking back":
        return f"{name} is being taken back"
    if recall.status == "begun":
        return f"{name} was begun, and is not finished"
    plan = recall.plan
    answers = f"{plan.to} answers" if plan.to is not None else "nothing answers, as before"
    models = ", ".join(recall.quarantined)
    return f"{name} is in force: {answers}, {recall.window} is quarantined for {models}"


def show_plan(output: Output, plan: Plan) -> None:
    """What a recall found, and what it is going to do."""
    output.say(f"[bold]Recall of {escape(plan.model)}[/]   polluted: {plan.window}")
    _versions(output, plan.suspects, plan.clean)
    output.say()
    _route(output, plan)
    if plan.possible:
        output.say(f"  [dim]quarantine[/]  {escape(', '.join(plan.quarantined))}")
        if plan.next is not None:
            output.say(f"  [dim]train[/]       {escape(_trains(plan.next))}")
    output.say()
    _blast(output, plan.blast)


def _versions(output: Output, suspects: Sequence[Taint], clean: int) -> None:
    for each in suspects[:_SHOWN]:
        said = f"{_JUDGED[each.judged]}: {each.words}"
        output.say(f"  {_MARKS[each.judged]} v{each.number} {escape(said)}")
    if len(suspects) > _SHOWN:
        output.say(f"    … and {len(suspects) - _SHOWN} more; --json has them all")
    output.say(f"  {_MARKS['clean']} {clean} {'version' if clean == 1 else 'versions'} did not")


def _route(output: Output, plan: Plan) -> None:
    if plan.to is None and plan.live is not None:
        output.say(
            f"[bold red]✗[/] No version is known to be clean; {plan.live} goes on answering."
        )
        _passed_over(output, plan)
        output.say("  What can be done:")
        for offer in plan.offers:
            output.say(f"    • {escape(offer)}")
        return
    if plan.to is None:
        output.say("  [dim]route[/]       nothing answers, so nothing changes")
        return
    change = f"{plan.live} → [bold]{plan.to}[/]" if plan.moves else f"{plan.live} stays"
    output.say(f"  [dim]route[/]       {change}   {escape(plan.why)}")
    _passed_over(output, plan)
    for other in plan.along:
        output.say(f"  [dim]with it[/]     {escape(other)}")
    if plan.ends:
        output.say(f"  [dim]ends[/]        the {escape(plan.ends)} that goes on")


def _passed_over(output: Output, plan: Plan) -> None:
    for each in plan.passed_over[:_SHOWN]:
        output.say(f"  [dim]not[/]         v{each.number}: {escape(each.words)}")
    if len(plan.passed_over) > _SHOWN:
        output.say(f"  [dim]not[/]         … {len(plan.passed_over) - _SHOWN} more")


def _trains(next_: Next) -> str:
    if next_.why_not:
        return f"nothing: {next_.why_not}"
    return (
        f"the next version, on {next_.rows:,} labelled decisions since {next_.since[:10]}, without "
        "the stretch; --no-retrain leaves it out"
    )


def _blast(output: Output, reached: Blast) -> None:
    output.say("What it reached, as far as the journal knows:")
    if reached.unknown:
        output.say(f"  [yellow]?[/] {escape(reached.unknown)}")
    made = [each for each in reached.made if each.decisions or each.unseen]
    for each in made[:_SHOWN]:
        output.say(f"  {_MARKS[each.judged]} {escape(_decided(each))}")
    if not made and not reached.unknown:
        output.say("  no decisions")
    if reached.callers_in_all:
        names = ", ".join(f"{name} ({n:,})" for name, n in reached.callers[:_SHOWN])
        more = reached.callers_in_all - len(reached.callers[:_SHOWN])
        rest = f" and {more} more" if more > 0 else ""
        output.say(f"  [dim]told to[/]     {escape(names)}{rest}")
    for words in _became(reached):
        output.say(f"  [dim]since[/]       {words}")
    for each in reached.fed:
        _fed(output, each)


def _decided(made: Made) -> str:
    unseen = f", and {made.unseen:,} that nobody was shown" if made.unseen else ""
    return f"v{made.number}: {made.decisions:,} decisions{unseen}, {made.first} to {made.last}"


def _became(reached: Blast) -> Iterator[str]:
    if reached.outcomes:
        yield f"{reached.outcomes:,} of them have an outcome: somebody acted on them"
    if reached.undone:
        yield f"{reached.undone:,} were undone; a webhook was told of {reached.told:,}"


def _fed(output: Output, fed: Fed) -> None:
    live = f"v{fed.live} answers" if fed.live else "nothing answers"
    output.say(
        f"  [dim]feeds[/]       {escape(fed.model)} ({live}): {fed.decisions:,} decisions since"
    )
    for each in fed.suspects[:_SHOWN]:
        said = f"{_JUDGED[each.judged]}: {each.words}"
        output.say(f"              {_MARKS[each.judged]} v{each.number} {escape(said)}")
    if fed.suspects:
        output.say(f"              it is not routed: `mainstay recall {escape(fed.model)}`")


def show_recall(output: Output, recall: Recall) -> None:
    """One recall, and how far it is."""
    output.say(f"[bold]{escape(words_of_status(recall))}[/]")
    output.say(f"  [dim]by[/]          {escape(recall.actor)}   {escape(recall.reason)}")
    if recall.trained is not None:
        output.say(f"  [dim]trained[/]     {escape(str(recall.trained))}")
    if recall.taken_back_by:
        output.say(f"  [dim]taken back[/]  {escape(recall.taken_back_by)}")
    output.say()
    show_plan(output, recall.plan)
    if recall.plan.suspects:
        output.say()
        output.say("Its decisions, for `mainstay query`:")
        output.say("  " + escape(listing(recall.plan.suspects)))


def lines(page: Sequence[dict[str, Any]], *, as_json: bool) -> bytes:
    """Decisions, one on a line."""
    if as_json:
        return msgspec.json.Encoder().encode_lines(page)
    return "".join(f"{'  '.join(_column(row))}\n" for row in page).encode()


def _column(row: dict[str, Any]) -> tuple[str, ...]:
    number = f"v{row['version']}"
    return (row["id"], row["time"], number, row["status"], row["arm"], row["caller"])
