"""Which messages are due: by rule, quiet hours, silences, repeats, escalation, and the hour's room.

Promises that a message is made once for each thing to be told, that no channel is sent more than
`per_hour` messages an hour (the last of them is a digest of all that is left), and that nothing
due is dropped: what may not be told now is told later. Changes the book that it is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mainstay.contract.alerting import Alerting, Rule, after_ns, is_quiet
from mainstay.watch.alerts.group import close
from mainstay.watch.alerts.model import HOUR_NS, Alert, Book, Health, Item, Kind, Message
from mainstay.watch.alerts.words import Names, digest_of, letter_of

WAIT_NS: Final = 15_000_000_000
"""So long an alert waits for more that began with it."""
MORE_NS: Final = 600_000_000_000
"""So long what joins an alert waits after the message before."""


@dataclass(frozen=True, slots=True)
class _Due:
    alert: Alert
    channel: str
    kind: Kind
    items: Sequence[Item]


def plan(book: Book, policy: Alerting, names: Names, now_ns: int) -> None:
    """Make the messages that are due."""
    due: dict[str, list[_Due]] = {}
    for alert in book.open_alerts():
        first = next(iter(alert.items.values())).notice
        rule = policy.rule_for(alert.model, first.check, first.verdict)
        for each in _due(book, alert, rule, now_ns):
            due.setdefault(each.channel, []).append(each)
    for channel, waiting in due.items():
        _make(book, channel, (waiting, policy.per_hour), names, now_ns)


def _due(book: Book, alert: Alert, rule: Rule, now_ns: int) -> list[_Due]:
    if not alert.channel or is_quiet(rule.quiet, now_ns):
        return []
    here = [item for item in alert.items.values() if not item.resolved_ns]
    loud = [item for item in here if not book.silenced(item, now_ns)]
    _note_silence(book, alert, hushed=bool(here) and not loud, now_ns=now_ns)
    if not here:
        items = list(alert.items.values())
        return [_Due(alert, each, "resolved", items) for each in _to_hear_of_the_end(alert)]
    if not loud:
        return []
    found: list[_Due] = []
    untold = [item for item in loud if item.told != _state(item)]
    seen_to = bool(alert.acknowledged_ns)
    repeat_ns, escalate_ns = after_ns(rule.repeat_after), after_ns(rule.escalate_after)
    if untold:
        before_ns, wait_ns = (
            (alert.told_ns, MORE_NS) if alert.first_told_ns else (alert.opened_ns, WAIT_NS)
        )
        if now_ns - before_ns >= wait_ns:
            kind = "more" if alert.first_told_ns else "opened"
            found.append(_Due(alert, alert.channel, kind, untold))
    elif repeat_ns and not seen_to and now_ns - alert.told_ns >= repeat_ns:
        found.append(_Due(alert, alert.channel, "repeat", loud))
    told_for_ns = now_ns - alert.first_told_ns if alert.first_told_ns else 0
    late = bool(escalate_ns) and told_for_ns >= escalate_ns
    if late and not seen_to and not alert.escalated_to:
        found.append(_Due(alert, rule.escalate_to, "escalated", loud))
    return found


def _note_silence(book: Book, alert: Alert, *, hushed: bool, now_ns: int) -> None:
    if hushed != alert.hushed:
        alert.hushed = hushed
        book.log("silenced" if hushed else "not silenced any more", alert, now_ns)


def _to_hear_of_the_end(alert: Alert) -> list[str]:
    told = dict.fromkeys(each for each in (alert.channel, alert.escalated_to) if each)
    return [each for each in told if each not in alert.ended_to]


def _state(item: Item) -> str:
    return "flapping" if item.flapping else "opened"


def _make(
    book: Book, channel: str, told: tuple[list[_Due], int], names: Names, now_ns: int
) -> None:
    waiting, per_hour = told
    health = book.channels.setdefault(channel, Health())
    health.queued = [each for each in health.queued if each > now_ns - HOUR_NS]
    room = per_hour - len(health.queued)
    if room <= 0:
        return
    alone = waiting if len(waiting) <= room else waiting[: room - 1]
    rest = waiting[len(alone) :]
    for each in alone:
        alert = each.alert
        alert.messages += 1
        number = f"{alert.id}-{alert.messages}"
        title, body = letter_of(alert, each.items, each.kind, number, names)
        _queue(book, [each], Message(
            id=number, channel=channel, kind=each.kind, alerts=[alert.id], title=title, body=body,
            made_ns=now_ns,
        ))  # fmt: skip
    if rest:
        number = f"digest-{book.next_digest}"
        book.next_digest += 1
        title, body = digest_of([(each.alert, each.kind) for each in rest], number)
        _queue(book, rest, Message(
            id=number, channel=channel, kind="digest", alerts=[each.alert.id for each in rest],
            title=title, body=body, made_ns=now_ns,
        ))  # fmt: skip


def _queue(book: Book, told: Sequence[_Due], message: Message) -> None:
    """The message waits to be sent, and the alerts know that it does."""
    now_ns = message.made_ns
    book.messages.append(message)
    book.channels[message.channel].queued.append(now_ns)
    for each in told:
        alert = each.alert
        book.log("queued", alert, now_ns, message=message.id, channel=message.channel,
                 kind=each.kind)  # fmt: skip
        if each.kind == "escalated":
            alert.escalated_to = message.channel
            continue
        if each.kind == "resolved":
            alert.ended_to.append(message.channel)
            if not _to_hear_of_the_end(alert):
                close(book, alert, "over", now_ns)
            continue
        alert.told_ns = now_ns
        alert.first_told_ns = alert.first_told_ns or now_ns
        for item in each.items:
            item.told = "flapping" if item.flapping else "opened"
