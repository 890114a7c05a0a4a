"""From what is found to what is done about it, where a rule says so: claimed, done, crossed out.

Promises that an action is wanted once for each beginning of something that fails, at most one of
its kind for a model in a day, and none in a silence; and that it is done at least once over
restarts, by a doer for whom twice is once. Every step is an event. Must never undo what people did
since: an action names the version that it is about.
"""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError, StorageFailed
from mainstay.contract.alerting import Do, Rule
from mainstay.watch.alerts.model import DAY_NS, HOUR_NS, Action, Alert, Book, Item, Notice
from mainstay.watch.alerts.port import Doer

CLAIM_NS: Final[dict[Do, int]] = {
    "roll back": HOUR_NS // 12,
    "fall back": HOUR_NS // 60,
    "stop": HOUR_NS // 60,
    "quarantine": HOUR_NS // 60,
    "recall": HOUR_NS // 12,
    "retrain": 6 * HOUR_NS,
}
"""So long a keeper may be at an action before another one takes it to be dead."""
ATTEMPTS_MAX: Final = 5
ONCE_IN_NS: Final = DAY_NS
"""An action of one kind for one model, but for those about a stretch of time, which only leave out
what is in it, and move away from a version at most once."""
_OF_A_STRETCH: Final[tuple[Do, ...]] = ("quarantine", "recall")
_OF_A_VERSION: Final[tuple[Do, ...]] = ("roll back", "fall back", "stop")
_PAUSE_NS: Final = 60_000_000_000
_SETTLED_MAX: Final = 200

Change = Callable[[Callable[[Book], Action | None]], Action | None]


def want(book: Book, alert: Alert, notice: Notice, rule: Rule, now_ns: int) -> None:
    """What a rule wants done about something that began."""
    if notice.verdict != "fail":
        return
    item = alert.items[notice.key]
    for do in rule.do:
        _want(book, alert, item, (do, notice.since_ns or notice.at_ns, notice.at_ns), now_ns)


def want_at_the_end(book: Book, alert: Alert, item: Item, rule: Rule, now_ns: int) -> None:
    """What is over was wrong until now: what was decided since it was found is left out too."""
    if item.notice.verdict == "fail" and item.opened_ns < now_ns:
        until_ns = item.resolved_ns or item.away_ns
        for do in _OF_A_STRETCH:
            if do in rule.do:
                _want(book, alert, item, (do, item.opened_ns, until_ns), now_ns)


def _want(book: Book, alert: Alert, item: Item, wanted: tuple[Do, int, int], now_ns: int) -> None:
    do, since_ns, until_ns = wanted
    notice = item.notice
    action = Action(
        id=str(book.next_action), alert=alert.id, model=alert.model, do=do, check=notice.check,
        subject=notice.subject, since_ns=since_ns, until_ns=max(until_ns, since_ns + 1),
        wanted_ns=now_ns,
    )  # fmt: skip
    book.next_action += 1
    why = _not_now(book, item, action, now_ns)
    book.actions.append(action)
    book.log("wanted", alert, now_ns, do=do, action=action.id, key=notice.key)
    if why:
        _settle(book, action, "left out", why, now_ns)
    _forget(book)


def _follow(book: Book, action: Action, then: tuple[Do, str], now_ns: int) -> None:
    """What is done because another action was, wanted at the same moment that this is done."""
    do, subject = then
    number = str(book.next_action)
    book.next_action += 1
    next_ = structs.replace(
        action, id=number, do=do, subject=subject, wanted_ns=now_ns, attempts=0, next_ns=0,
        state="waiting", settled_ns=0, words="",
    )  # fmt: skip
    why = _enough(book, next_, now_ns)
    book.actions.append(next_)
    book.log("wanted", book.alerts.get(action.alert), now_ns, do=do, action=number)
    if why:
        _settle(book, next_, "left out", why, now_ns)


def _not_now(book: Book, item: Item, action: Action, now_ns: int) -> str:
    if book.silenced(item, now_ns):
        return "it is silenced"
    return _enough(book, action, now_ns)


def _enough(book: Book, action: Action, now_ns: int) -> str:
    if action.do in _OF_A_STRETCH:
        return ""
    if action.do in _OF_A_VERSION and not action.subject:
        return "it is not about one version"
    for other in book.actions:
        same = other.model == action.model and other.do == action.do
        late = other.state == "waiting" or other.settled_ns > now_ns - ONCE_IN_NS
        if same and late and other.state in {"waiting", "done"}:
            return f"action {other.id} was the one of this kind for today"
    return ""


def _settle(book: Book, action: Action, state: str, words: str, now_ns: int) -> None:
    action.state = "done" if state == "done" else "left out" if state == "left out" else "failed"
    action.settled_ns, action.words, action.claimed_ns = now_ns, words, 0
    book.log(
        f"action {action.state}", book.alerts.get(action.alert), now_ns, do=action.do,
        action=action.id, words=words,
    )  # fmt: skip


def _forget(book: Book) -> None:
    settled = [action for action in book.actions if action.state != "waiting"]
    gone = {action.id for action in settled[:-_SETTLED_MAX]}
    if gone:
        book.actions = [action for action in book.actions if action.id not in gone]


class Acting:
    """What one keeper does of what is wanted."""

    def __init__(self, change: Change, doer: Doer, clock: Clock) -> None:
        self._change = change
        self._doer = doer
        self._clock = clock

    def look(self) -> int:
        """Do what is wanted now, the oldest first; how many actions were done."""
        done = 0
        while True:
            action = self._change(self._claim)
            if action is None:
                return done
            again, why, then = False, "", None
            try:
                words = self._doer.do(action)
                then = self._doer.then(action)
            except StorageFailed as error:
                words, why, again = "", error.message, True
            except MainstayError as error:
                words, why = "", error.message
            self._change(
                lambda book, id_=action.id, told=(words, why, again), then=then: self._told(
                    book, id_, told, then
                )
            )
            done += not why

    def _claim(self, book: Book) -> Action | None:
        now_ns = self._clock.now_ns()
        for action in book.actions:
            free = action.claimed_ns <= now_ns and action.next_ns <= now_ns
            if action.state == "waiting" and free:
                action.claimed_ns = now_ns + CLAIM_NS[action.do]
                action.attempts += 1
                return action
        return None

    def _told(
        self, book: Book, id_: str, told: tuple[str, str, bool], then: tuple[Do, str] | None
    ) -> Action | None:
        words, why, again = told
        action = next((each for each in book.actions if each.id == id_), None)
        if action is None or action.state != "waiting":
            return None
        now_ns = self._clock.now_ns()
        if not why:
            _settle(book, action, "done", words, now_ns)
            if then is not None:
                _follow(book, action, then, now_ns)
        elif again and action.attempts < ATTEMPTS_MAX:
            action.claimed_ns, action.words = 0, why
            action.next_ns = now_ns + (_PAUSE_NS << action.attempts)
            book.log("action put off", book.alerts.get(action.alert), now_ns, do=action.do,
                     action=action.id, why=why)  # fmt: skip
        else:
            _settle(book, action, "failed", why, now_ns)
        return action
