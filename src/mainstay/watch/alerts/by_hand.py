"""What people do about alerts: see to them, silence them, call them false.

Changes the book that it is given, and writes down who did what.
"""

from typing import Final

from mainstay.base.errors import Conflict, NotFound
from mainstay.watch.alerts.group import close
from mainstay.watch.alerts.model import Alert, Book, Item, Silence
from mainstay.watch.monitors.questions import LEAST_SHIFT
from mainstay.watch.monitors.tolerance import TUNED_MAX

_MARGIN: Final = 1.2
_PLAIN_QUESTIONS: Final = frozenset({"place", "spread", "missing"})
_SHARE: Final = "share of "
_COLUMNS: Final = (
    "input_", "context_", "feature_", "output_", "judged_", "format_", "source_",
)  # fmt: skip


def find(book: Book, number: str) -> Alert:
    """An alert by its number; `NotFound`."""
    alert = book.alerts.get(number.removeprefix("#"))
    if alert is None:
        raise NotFound(
            f"there is no alert {number[:20]!r}",
            field="id",
            got=number[:20],
            expected="a number that `mainstay alerts list --all` shows",
        )
    return alert


def acknowledge(book: Book, number: str, who: str, now_ns: int) -> Alert:
    """Somebody sees to it: no repeats, no escalation."""
    alert = find(book, number)
    if not alert.acknowledged_ns:
        alert.acknowledged_ns, alert.acknowledged_by = now_ns, who
        book.log("acknowledged", alert, now_ns, actor=who)
    return alert


def silence(book: Book, wanted: Silence, now_ns: int) -> None:
    """Tell nobody for a while; one that is over already ends what there was."""
    same = (wanted.model, wanted.check)
    book.silences = [each for each in book.silences if (each.model, each.check) != same]
    if wanted.until_ns > now_ns:
        book.silences.append(wanted)
    book.log(
        "silence", None, now_ns, actor=wanted.by, model=wanted.model, check=wanted.check,
        until_ns=wanted.until_ns, reason=wanted.reason,
    )  # fmt: skip


def call_false(book: Book, number: str, who: str, reason: str, now_ns: int) -> dict[str, float]:
    """It was no trouble. What is asked more tolerantly from now on: column and question to the
    least effect."""
    alert = find(book, number)
    if alert.false_alarm:
        raise Conflict(
            f"alert {alert.id} was called false already: {alert.false_alarm}",
            field="id",
            got=number,
            expected=f"`mainstay alerts true {alert.id}` takes that back",
        )
    tuned: dict[str, float] = {}
    for key, item in alert.items.items():
        question = question_of(key, item)
        if question:
            tuned[question] = max(tuned.get(question, 0.0), _tolerance(item))
    alert.false_alarm = reason
    book.log("called false", alert, now_ns, actor=who, reason=reason, tolerances=tuned)
    if not alert.closed_ns:
        close(book, alert, "called false", now_ns)
    return tuned


def call_true(book: Book, number: str, who: str, now_ns: int) -> Alert:
    """It was trouble after all: tolerances are as they were."""
    alert = find(book, number)
    if not alert.false_alarm:
        raise Conflict(
            f"alert {alert.id} was not called false", field="id", got=number,
            expected="an alert that somebody called false",
        )  # fmt: skip
    alert.false_alarm = ""
    book.log("called true", alert, now_ns, actor=who)
    return alert


def question_of(key: str, item: Item) -> str:
    """`input_amount|place`, the question that the monitor of columns asked; nothing for a fact, for
    what else monitors find, or what no monitor found."""
    notice = item.notice
    # A slice and a category are callers' text and may hold anything; a column's name has no bar.
    before = f"{notice.subject}|{notice.slice}|"
    if notice.origin != "watch" or not key.startswith(before):
        return ""
    column, _, what = key.removeprefix(before).partition("|")
    asked = what in _PLAIN_QUESTIONS or what.startswith(_SHARE)
    return f"{column}|{what}" if asked and column.startswith(_COLUMNS) else ""


def _tolerance(item: Item) -> float:
    """So much that this very effect would not have been told, within the bound."""
    notice = item.notice
    effect = abs((notice.figure or 0.0) - (notice.compared or 0.0))
    return round(min(TUNED_MAX, max(2 * LEAST_SHIFT, _MARGIN * effect)), 4)
