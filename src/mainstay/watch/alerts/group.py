"""From what is found to alerts: what began together, what goes on, what comes and goes, what ended.

Promises that each notice changes one item of one alert; that something that began more than
`FLAPS_MAX` times in a day is one item that flaps, until it has stayed away for a day; and that
what is remembered stays bounded. Changes the book that it is given.
"""

from collections.abc import Iterable
from typing import Final

from mainstay.contract.alerting import Alerting
from mainstay.watch.alerts.acting import want, want_at_the_end
from mainstay.watch.alerts.model import DAY_NS, HOUR_NS, ONE_OFF, Alert, Book, Item, Notice

FLAPS_MAX: Final = 3
"""How often something may begin in a day before it is said to come and go."""
TOGETHER_NS: Final = HOUR_NS
"""What begins so soon after an alert is part of it, unless somebody has seen to that."""
ITEMS_MAX: Final = 50
_EVENTS_MAX: Final = 10
_CLOSED_MAX: Final = 200
_SETTLED_MAX: Final = 200


def take(book: Book, notices: Iterable[Notice], policy: Alerting, now_ns: int) -> None:
    """Take what was found into account, in the order in which it happened."""
    for notice in sorted(notices, key=lambda each: each.at_ns):
        if notice.kind == "routed":
            _routed(book, notice, now_ns)
        elif notice.kind == "opened":
            _began(book, notice, policy, now_ns)
        else:
            _ended(book, notice, policy, now_ns)


def _began(book: Book, notice: Notice, policy: Alerting, now_ns: int) -> None:
    alert = _with_key(book, notice)
    item = None if alert is None else alert.items[notice.key]
    if item is not None and not item.resolved_ns and not item.away_ns:
        _again(item, notice, now_ns)
        return
    begun = [*_recent(book, notice), notice.at_ns]
    book.tracks[_track(notice)] = begun
    flapping = len(begun) > FLAPS_MAX
    if alert is None or item is None:
        alert = _place_for(book, notice, policy, now_ns)
        item = Item(notice=notice, opened_ns=notice.at_ns, last_ns=now_ns, events=[notice.event])
        alert.items[notice.key] = item
        book.log("opened", alert, now_ns, key=notice.key, event=notice.event)
    else:
        _again(item, notice, now_ns)
        item.resolved_ns = item.away_ns = 0
        if alert.ended_to:
            # Somebody heard that it is over, and it is not.
            alert.ended_to.clear()
            item.told = ""
        book.log("came back", alert, now_ns, key=notice.key, event=notice.event)
    if flapping and not item.flapping:
        item.flapping = True
        book.log("flapping", alert, now_ns, key=notice.key, times=len(begun))
    if not flapping:
        rule = policy.rule_for(notice.model, notice.check, notice.verdict)
        want(book, alert, notice, rule, now_ns)


def _again(item: Item, notice: Notice, now_ns: int) -> None:
    item.notice, item.last_ns = notice, now_ns
    item.count += 1
    item.events = [*item.events, notice.event][-_EVENTS_MAX:]


def _place_for(book: Book, notice: Notice, policy: Alerting, now_ns: int) -> Alert:
    """An alert of the model that has just begun and tells the same people, else a new one."""
    channel = policy.rule_for(notice.model, notice.check, notice.verdict).to
    for alert in book.open_alerts():
        young = now_ns - alert.opened_ns < TOGETHER_NS and not alert.acknowledged_ns
        same = alert.model == notice.model and alert.channel == channel
        if young and same and len(alert.items) < ITEMS_MAX:
            return alert
    number = str(book.next_alert)
    book.next_alert += 1
    made = Alert(id=number, model=notice.model, channel=channel, opened_ns=now_ns)
    book.alerts[number] = made
    return made


def _ended(book: Book, notice: Notice, policy: Alerting, now_ns: int) -> None:
    alert = _with_key(book, notice)
    if alert is None:
        return
    item = alert.items[notice.key]
    item.events = [*item.events, notice.event][-_EVENTS_MAX:]
    if item.flapping:
        item.away_ns = notice.at_ns
    elif not item.resolved_ns:
        item.resolved_ns = notice.at_ns
    book.log("ended", alert, now_ns, key=notice.key, event=notice.event)
    if not item.flapping:
        rule = policy.rule_for(alert.model, item.notice.check, item.notice.verdict)
        want_at_the_end(book, alert, item, rule, now_ns)


def _routed(book: Book, notice: Notice, now_ns: int) -> None:
    """A version that was stopped and answers no more is no trouble any more."""
    for alert in book.open_alerts():
        if alert.model == notice.model:
            for key, item in alert.items.items():
                gone = item.notice.subject not in notice.versions
                late = item.opened_ns <= notice.at_ns
                if item.notice.origin == "stopped" and gone and late and not item.resolved_ns:
                    item.resolved_ns = notice.at_ns
                    book.log("ended", alert, now_ns, key=key, event=notice.event)


def settle(book: Book, now_ns: int) -> None:
    """What time alone changes: things that stayed away, that happened once, that are long over."""
    for alert in book.open_alerts():
        for key, item in alert.items.items():
            if item.resolved_ns:
                continue
            over = item.notice.origin in ONE_OFF and now_ns - item.last_ns >= HOUR_NS
            known = item.told or not alert.channel or book.silenced(item, now_ns)
            stayed_away = item.away_ns and now_ns - item.away_ns >= DAY_NS
            if (over and known) or stayed_away:
                item.resolved_ns = now_ns
                book.log("ended", alert, now_ns, key=key)
        resolved = all(item.resolved_ns for item in alert.items.values())
        happened = all(item.notice.origin in ONE_OFF for item in alert.items.values())
        if resolved and (happened or not alert.first_told_ns):
            close(book, alert, "over" if alert.first_told_ns else "over before it was told", now_ns)
    _forget(book, now_ns)


def close(book: Book, alert: Alert, why: str, now_ns: int) -> None:
    """An alert is over."""
    alert.closed_ns, alert.closed_why = now_ns, why
    book.log("closed", alert, now_ns, why=why)


def _forget(book: Book, now_ns: int) -> None:
    for name, begun in list(book.tracks.items()):
        if begun[-1] <= now_ns - DAY_NS:
            del book.tracks[name]
    closed = sorted((a for a in book.alerts.values() if a.closed_ns), key=lambda a: a.closed_ns)
    for alert in closed[:-_CLOSED_MAX]:
        del book.alerts[alert.id]
    settled = [message for message in book.messages if message.state != "waiting"]
    if len(settled) > _SETTLED_MAX:
        old = {message.id for message in settled[:-_SETTLED_MAX]}
        book.messages = [message for message in book.messages if message.id not in old]
    for silence in [each for each in book.silences if each.until_ns <= now_ns]:
        book.silences.remove(silence)
        book.log("silence over", None, now_ns, model=silence.model, check=silence.check)


def _with_key(book: Book, notice: Notice) -> Alert | None:
    """The newest open alert that it is part of."""
    for alert in reversed(book.open_alerts()):
        if alert.model == notice.model and notice.key in alert.items:
            return alert
    return None


def _track(notice: Notice) -> str:
    return f"{notice.model}|{notice.key}"


def _recent(book: Book, notice: Notice) -> list[int]:
    known = book.tracks.get(_track(notice), [])
    return [each for each in known if each > notice.at_ns - DAY_NS][-20:]
