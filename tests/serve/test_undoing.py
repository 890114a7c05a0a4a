"""Whoever acted on what was undone hears of it, however often something fails (S28)."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionIds
from mainstay.contract.people import Undo
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.serve.outcomes import event_about
from mainstay.serve.undoing import Undoing
from mainstay.serve.webhook import signature

UNDO = {"sum": Undo(webhook_env="UNDO_URL", secret_env="UNDO_SECRET")}
VARIABLES = {"UNDO_URL": "http://shop/undo", "UNDO_SECRET": "secret"}


class Shop:
    """Whoever acted: hears, or is away."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any], Mapping[str, str]]] = []
        self.answers: int | None = 204

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        if self.answers is None:
            raise StorageFailed("nobody answered at the undo webhook")
        wanted = hmac.new(
            b"secret", headers["x-mainstay-timestamp"].encode() + b"." + body, hashlib.sha256
        )
        assert headers["x-mainstay-signature"] == f"sha256={wanted.hexdigest()}"
        self.heard.append((url, json.loads(body), headers))
        return self.answers


class Place:
    """A journal, a clock and a shop; keepers come and go."""

    def __init__(self, variables: Mapping[str, str] = VARIABLES) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.ids = DecisionIds(7, self.clock)
        self.spool = MemorySpool(self.log, 7)
        self.shop = Shop()
        self.variables = variables

    def keeper(self) -> Undoing:
        journal = MemoryJournal(self.log)
        return Undoing(journal.news, self.shop.post, self.tell, self.variables, self.clock)

    def tell(self, model: str, decision: str, body: Mapping[str, Any]) -> None:
        self.say(decision, dict(body), "action", model)

    def say(self, decision: str, body: dict[str, Any], kind: Any = "outcome", model: str = "sum"):
        about = (model, "ann", decision)
        self.spool.append([event_about(self.ids, self.clock, about, body, kind)])

    def undo(self, decision: str) -> None:
        self.say(decision, {"undo": {"reason": "the customer called"}})

    def deliveries(self) -> list[dict[str, Any]]:
        return [event.body for event in self.log.events if event.kind == "action"]


def test_what_was_undone_is_told_once_and_signed():
    """The decision is the idempotency key; how it went is an event about the decision."""
    place = Place()
    keeper = place.keeper()
    place.say("other", {"label": "low"})
    place.say("third", {"report": {"what": "wrong"}})
    place.undo("d1")
    place.undo("d1")
    for _ in range(3):
        keeper.look(UNDO)
    [(url, body, headers)] = place.shop.heard
    assert url == "http://shop/undo"
    assert (body["undo"], body["model"], body["by"]) == ("d1", "sum", "ann")
    assert body["reason"] == "the customer called"
    assert headers["idempotency-key"] == "d1"
    assert place.deliveries() == [{"undo_delivery": "told", "status": 204, "attempts": 1}]


@pytest.mark.parametrize("answer", [None, 500, 302, 404])
def test_who_does_not_hear_is_told_again_after_longer_pauses(answer):
    """S28: only 2xx is hearing; the journal says once that it could not be told yet."""
    place = Place()
    keeper = place.keeper()
    place.shop.answers = answer
    place.undo("d1")
    attempts = []
    for second in range(70):
        before = len(place.shop.heard)
        keeper.look(UNDO)
        if answer is not None and len(place.shop.heard) > before:
            attempts.append(second)
        place.clock.advance(1)
    if answer is not None:
        assert attempts == [0, 1, 3, 7, 15, 31, 63]
    [said] = place.deliveries()
    assert said["undo_delivery"] == "not yet"
    assert "secret" not in said["why"]
    place.shop.answers = 200
    place.clock.advance(600)
    keeper.look(UNDO)
    assert place.deliveries()[-1]["undo_delivery"] == "told"


def test_a_keeper_that_died_left_everything_it_had_to_do():
    """At-least-once over restarts: the next one finds in the journal what was not told yet, and
    tells nobody again what was."""
    place = Place()
    place.undo("d1")
    place.keeper().look(UNDO)
    place.shop.answers = None
    place.undo("d2")
    place.keeper().look(UNDO)
    place.shop.answers = 200
    place.keeper().look(UNDO)
    assert [body["undo"] for _, body, _ in place.shop.heard] == ["d1", "d2"]


def test_after_a_week_it_is_given_up_and_said():
    place = Place()
    keeper = place.keeper()
    place.shop.answers = 500
    place.undo("d1")
    keeper.look(UNDO)
    place.clock.advance(7 * 86_400 + 1)
    keeper.look(UNDO)
    assert place.deliveries()[-1]["undo_delivery"] == "given up"
    heard = len(place.shop.heard)
    place.keeper().look(UNDO)
    assert len(place.shop.heard) == heard


@pytest.mark.parametrize("missing", VARIABLES)
def test_a_variable_that_is_not_set_is_named(missing):
    place = Place({name: value for name, value in VARIABLES.items() if name != missing})
    place.undo("d1")
    place.keeper().look(UNDO)
    assert not place.shop.heard
    assert missing in place.deliveries()[0]["why"]


def test_nothing_is_told_where_the_contract_names_nobody():
    place = Place()
    place.undo("d1")
    place.keeper().look({"sum": Undo()})
    assert not place.shop.heard
    assert not place.deliveries()


def test_another_secret_or_another_time_is_another_signature():
    known = signature("secret", "1", b"{}")
    assert len({known, signature("secre", "1", b"{}"), signature("secret", "2", b"{}")}) == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("undo"), st.sampled_from("abc")),
        st.tuples(st.just("look"), st.integers(0, 700)),
        st.tuples(st.just("answers"), st.sampled_from([None, 500, 200])),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=80, deadline=None)
def test_everything_undone_is_heard_in_the_end(steps):
    """Whatever fails in whatever order: once the shop hears, each undone decision was heard, and
    none that was not undone; while one keeper lives, none is heard twice with success."""
    place = Place()
    keeper = place.keeper()
    undone: set[str] = set()
    for what, value in steps:
        if what == "undo":
            undone.add(value)
            place.undo(value)
        elif what == "look":
            place.clock.advance(value)
            keeper.look(UNDO)
        elif what == "answers":
            place.shop.answers = value
        else:
            keeper = place.keeper()
    place.shop.answers = 200
    place.clock.advance(601)
    keeper.look(UNDO)
    assert {body["undo"] for _, body, _ in place.shop.heard} == undone
    told = [e.subject for e in place.log.events if e.body.get("undo_delivery") == "told"]
    assert sorted(told) == sorted(undone)
