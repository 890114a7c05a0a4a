"""Every store of alerts keeps the same promises: F4 M23 M24 (nothing is taken twice, or lost)."""

import pytest
from sqlalchemy import Engine

from mainstay.watch.alerts.memory import MemoryAlertStore
from mainstay.watch.alerts.model import Alert, Book, Item, Message, Notice, Silence
from mainstay.watch.alerts.port import AlertStore
from mainstay.watch.alerts.sql import SqlAlertStore


def full() -> Book:
    notice = Notice(
        event="e1", model="fraud", kind="opened", at_ns=2**62, words="ü moved", figure=0.5
    )
    item = Item(notice=notice, opened_ns=1, last_ns=2, events=["e1"])
    book = Book(next_alert=8)
    book.alerts["7"] = Alert(
        id="7", model="fraud", channel="team", opened_ns=1, items={"k|é": item}
    )
    book.silences.append(Silence(model="m", check="", until_ns=9, reason="r", by="ann"))
    book.messages.append(Message(id="7-1", channel="team", kind="opened", alerts=["7"], title="t",
                                 body="b", made_ns=3))  # fmt: skip
    book.log("opened", book.alerts["7"], 4, key="k")
    return book


@pytest.fixture
def store(kept_in: Engine | None) -> AlertStore:
    return MemoryAlertStore() if kept_in is None else SqlAlertStore(kept_in)


def test_what_is_saved_comes_back_whole_and_is_a_copy(store: AlertStore):
    assert store.load() == (Book(), 0)
    assert store.save(full(), 0, {"e1": 5})
    book, revision = store.load()
    assert (book, revision) == (full(), 1)
    book.alerts.clear()
    assert store.load() == (full(), 1)


def test_of_two_that_save_at_once_one_is_told_and_keeps_nothing(store: AlertStore):
    """F4: neither book nor events of whoever came second."""
    assert store.save(full(), 0, {"e1": 5})
    assert not store.save(Book(), 0, {"e2": 5})
    assert store.save(Book(next_alert=3), 1, {})
    assert not store.save(full(), 1, {"e3": 5})
    assert store.load() == (Book(next_alert=3), 2)
    assert store.known(["e1", "e2", "e3"]) == {"e1"}


def test_an_event_is_taken_into_account_once(store: AlertStore):
    """M24: who comes with an event that is known keeps nothing of what it did with it."""
    assert store.save(Book(next_alert=2), 0, {"e1": 5})
    assert not store.save(Book(next_alert=3), 1, {"e1": 5, "e2": 6})
    assert store.load() == (Book(next_alert=2), 1)
    assert store.known(["e1", "e2"]) == {"e1"}


def test_many_events_are_known_until_they_are_forgotten(store: AlertStore):
    many = {f"e{number}": number for number in range(1200)}
    assert store.save(Book(), 0, many)
    assert store.known([*many, "other"]) == set(many)
    assert store.known([]) == set()
    store.forget(before_ns=1000)
    assert store.known(many) == {f"e{number}" for number in range(1000, 1200)}
