"""`mainstay alerts …`: what was found and is not over, who was told, and what to do about it."""

from collections.abc import Sequence
from typing import Any

import click
from msgspec import structs

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.contract.times import duration_ns
from mainstay.watch.alerts.model import Alert, Book, Health, Item, Silence
from mainstay.watch.alerts.words import check_of, moment, plain
from mainstay.watch.monitors.tolerance import TUNED_MAX
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.running import Server
from mainstay.wiring.workspace import Workspace, open_workspace, whoever_runs_this


@click.group()
def alerts() -> None:
    """What was found and is not over, and who is told.

    Channels and rules are the part [alerts] of mainstay.toml; a running server tells people.
    """


@alerts.command(
    name="list", epilog="\b\nExample:\n  mainstay alerts list --json | jq -r '.alerts[].id'"
)
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@in_workspace
@speaking
def list_(output: Output, every: bool, workspace: str | None) -> None:
    """Show alerts that are not over, oldest first. Exits 1 when there are any."""
    book, opened = _look(output, workspace)
    found = [alert for alert in book.alerts.values() if every or not alert.closed_ns]
    raised = opened.tolerances()
    output.result(
        {
            "alerts": [_plain(alert) for alert in found],
            "silences": book.silences,
            "channels": _channels(opened, book),
            "tolerances": raised,
        }
    )
    if found:
        heads = ("id", "model", "what", "since", "told", "state")
        output.table(heads, [_row(alert) for alert in found])
        output.note("`mainstay alerts show ID` shows one, `mainstay alerts ack ID` sees to it")
    else:
        output.say("[green]✓[/] no alerts" + ("" if every else " that are not over"))
    for each in book.silences:
        what = escape(each.model + (f"/{each.check}" if each.check else ""))
        why = escape(f"{each.by}: {each.reason}")
        output.say(f"[dim]silent until {moment(each.until_ns)}: {what} ({why})[/]")
    for model, questions in raised.items():
        for question, wanted in questions.items():
            numbers = ", ".join(sorted(wanted))
            said = f"{model} {_question(question)}: least effect {_least(wanted):.2f}"
            output.say(f"[dim]{escape(said)}, since alert {numbers} was called false[/]")
    if any(not alert.closed_ns for alert in found):
        raise Ending(NOT_SO)


@alerts.command(epilog="\b\nExample:\n  mainstay alerts show 7")
@click.argument("number", metavar="ID")
@in_workspace
@speaking
def show(output: Output, number: str, workspace: str | None) -> None:
    """Show one alert: what was found, and which messages were sent about it."""
    book, opened = _look(output, workspace)
    alert = opened.find(number)
    told = [message for message in book.messages if alert.id in message.alerts]
    acted = [action for action in book.actions if action.alert == alert.id]
    output.result({**_plain(alert), "messages": told, "actions": acted})
    output.say(f"[bold]{alert.id}[/] {escape(alert.model)}: {_state(alert)}")
    for item in alert.items.values():
        _show_item(output, item)
    if alert.acknowledged_ns:
        who = escape(alert.acknowledged_by)
        output.say(f"  [dim]seen to[/]   by {who}, {moment(alert.acknowledged_ns)}")
    if alert.false_alarm:
        output.say(f"  [dim]false[/]     {escape(alert.false_alarm)}")
    for message in told:
        how = message.state + (f" ({message.why})" if message.why else "")
        said = f"{message.id} {message.kind} to {message.channel}, {moment(message.made_ns)}: {how}"
        output.say(f"  [dim]message[/]   {escape(said)}")
    for action in acted:
        said = f"{action.do}: {action.state}" + (f", {action.words}" if action.words else "")
        output.say(f"  [dim]action[/]    {escape(said)}")


@alerts.command(epilog="\b\nExample:\n  mainstay alerts ack 7")
@click.argument("number", metavar="ID")
@in_workspace
@speaking
def ack(output: Output, number: str, workspace: str | None) -> None:
    """Say that you see to it: it is neither repeated nor passed on, and its end is still told."""
    alert = Alerts(open_workspace(workspace)).acknowledge(number, whoever_runs_this())
    output.result(_plain(alert))
    who = escape(alert.acknowledged_by)
    output.say(f"[green]✓[/] alert {alert.id} of {escape(alert.model)} is seen to by {who}")


@alerts.command(
    epilog='\b\nExample:\n  mainstay alerts silence fraud --for 2h --reason "new terminals"'
)
@click.argument("what", metavar="MODEL[/CHECK]")
@click.option("--for", "period", metavar="TIME", help="How long: 30m, 2h, 1d.")
@click.option("--reason", default="", help="Why; kept with it, and needed to begin one.")
@click.option("--end", is_flag=True, help="End it now.")
@in_workspace
@speaking
def silence(
    output: Output, what: str, period: str | None, reason: str, end: bool, workspace: str | None
) -> None:
    """Tell nobody of a model, or of one of its checks, for a while; alerts are still kept."""
    if end == bool(period) or not (end or reason.strip()):
        raise click.UsageError("say --for TIME and --reason WHY, or --end")
    opened = open_workspace(workspace)
    model, _, check = what.partition("/")
    until_ns = opened.clock.now_ns() + (duration_ns(period) if period else 0)
    wanted = Silence(
        model=model, check=check, until_ns=until_ns, reason=reason, by=whoever_runs_this()
    )
    Alerts(opened).silence(wanted)
    output.result(wanted)
    until = "may be told of again" if end else f"is silent until {moment(until_ns)}"
    output.say(f"[green]✓[/] {escape(what)} {until}")


@alerts.command(epilog="\b\nExample:\n  mainstay alerts test team")
@click.argument("channel")
@in_workspace
@speaking
def test(output: Output, channel: str, workspace: str | None) -> None:
    """Send a message to a channel now, with the environment of this command."""
    opened = Alerts(open_workspace(workspace))
    with output.working(f"Sending to {channel}"):
        opened.test(channel, whoever_runs_this())
    output.result({"channel": channel, "arrived": True})
    output.say(f"[green]✓[/] {escape(channel)} took it")


@alerts.command(
    name="false",
    epilog='\b\nExample:\n  mainstay alerts false 7 --reason "the sales, as every November"',
)
@click.argument("number", metavar="ID")
@click.option("--reason", required=True, help="Why; kept with it.")
@in_workspace
@speaking
def false_(output: Output, number: str, reason: str, workspace: str | None) -> None:
    """It was no trouble: close it, and raise the least effect of what was asked, within a bound."""
    opened = Alerts(open_workspace(workspace))
    alert, tuned = opened.call_false(number, whoever_runs_this(), reason)
    output.result({**_plain(alert), "tolerances": tuned})
    output.say(f"[green]✓[/] alert {alert.id} of {escape(alert.model)} was a false alarm")
    for question, least in tuned.items():
        bound = ", which is as far as that goes" if least >= TUNED_MAX else ""
        said = f"{_question(question)} counts from an effect of {least:.2f} on{bound}"
        output.say(f"  {escape(said)}")
    if not tuned:
        output.say("  No question of a monitor is behind it, so nothing was made more tolerant.")
        output.note("`mainstay alerts silence` holds back what is not to be told")
    else:
        output.note(f"`mainstay alerts true {alert.id}` takes that back")
    done = [each for each in opened.book.actions if each.alert == alert.id and each.state == "done"]
    for action in done:
        output.say(escape(f"  was done meanwhile, and stays: {action.do}, {action.words}"))


@alerts.command(name="true", epilog="\b\nExample:\n  mainstay alerts true 7")
@click.argument("number", metavar="ID")
@in_workspace
@speaking
def true_(output: Output, number: str, workspace: str | None) -> None:
    """It was trouble after all: what calling it false has changed is as it was."""
    alert = Alerts(open_workspace(workspace)).call_true(number, whoever_runs_this())
    output.result(_plain(alert))
    output.say(f"[green]✓[/] alert {alert.id} of {escape(alert.model)} is no false alarm any more")


def _look(output: Output, workspace: str | None) -> tuple[Book, Alerts]:
    """How things stand; where no server runs, with what was found since."""
    opened: Workspace = open_workspace(workspace)
    found = Alerts(opened)
    if Server(opened.places.run, opened.clock).report() is None:
        with output.working("Taking in what was found"):
            found.take_in()
    return found.book, found


def _row(alert: Alert) -> tuple[Any, ...]:
    first = next(iter(alert.items.values()))
    more = f" and {len(alert.items) - 1} more" if len(alert.items) > 1 else ""
    told = moment(alert.told_ns) if alert.told_ns else "nobody"
    since = moment(min(item.opened_ns for item in alert.items.values()))
    return (alert.id, alert.model, check_of(first.notice) + more, since, told, _state(alert))


def _state(alert: Alert) -> str:
    if alert.closed_ns:
        return f"closed: {alert.closed_why}"
    if any(item.flapping for item in alert.items.values()):
        return "comes and goes"
    return "seen to" if alert.acknowledged_ns else "silent" if alert.hushed else "open"


def _show_item(output: Output, item: Item) -> None:
    mark = "[green]✓[/]" if item.resolved_ns else "[bold red]✗[/]"
    output.say(f"{mark} {escape(plain(item.notice.words))}")
    until = f" until {moment(item.resolved_ns)}" if item.resolved_ns else ""
    seen = f", in {item.notice.samples:,} decisions" if item.notice.samples else ""
    times = f", {item.count:,} times" if item.count > 1 else ""
    output.say(f"  [dim]found {moment(item.opened_ns)}{until}{seen}{times}[/]")
    output.say(f"  [dim]events[/]    {' '.join(item.events)}")


def _question(question: str) -> str:
    column, _, what = question.partition("|")
    return f"{column.replace('_', ' ', 1)}: {plain(what, 60)}"


def _least(wanted: dict[str, float]) -> float:
    return min(TUNED_MAX, max(wanted.values()))


def _channels(opened: Alerts, book: Book) -> dict[str, Any]:
    waiting = [message for message in book.messages if message.state == "waiting"]
    found: dict[str, Any] = {}
    for name in opened.policy.channels:
        health = book.channels.get(name, Health())
        found[name] = {
            "waiting": sum(message.channel == name for message in waiting),
            "failing_since_ns": health.failing_since_ns,
            "why": health.why,
        }
    return found


def _plain(alert: Alert) -> dict[str, Any]:
    items: Sequence[Item] = list(alert.items.values())
    return {**structs.asdict(alert), "items": items, "state": _state(alert)}
