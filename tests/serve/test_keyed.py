"""What is told of keys, at the door (L2 M16): kept whole, or refused in words; personal keys too."""

import json
from typing import Any

import pytest

from mainstay.access.model import Caller, Key, digest_of
from mainstay.base.limits import ROWS_PER_CALL_MAX
from mainstay.contract.hearing import Labels
from mainstay.contract.model import Context, Contract, FromRequest, Integer, NumberOutput, Text
from mainstay.journal.model import Event
from tests.serve.test_feedback import Desk, at_desk
from tests.serve.world import contract_of

__all__ = ["at_desk"]  # a fixture
PATH = "/models/sum/outcome"


def contract(kind: Any = None, **changes: Any) -> Contract:
    context: dict[str, Context] = {"order": FromRequest(value=kind or Text(max_length=8))}
    return contract_of(context=context, labels=Labels(key="order", within="7d"), **changes)


def keyed(desk: Desk) -> list[Event]:
    return [event for event in desk.world.log.events if event.kind == "keyed"]


def test_one_and_many_are_kept_as_they_were_told(at_desk):
    """L2: when it happened and when it was told are both kept; nothing is an outcome yet."""

    async def story(desk: Desk) -> None:
        now_ns = desk.world.clock.now_ns()
        one = {"key": "A-17", "label": "high", "time": "1970-01-01T00:00:01.5Z"}
        status, said = await desk.ask("POST", PATH, one)
        assert (status, said["model"], said["label"]) == (200, "sum", "high")
        rows = [{"key": "b", "reaction": "ignored", "dwell_ms": 5}, {"key": "c", "label": "low"}]
        status, many = await desk.ask("POST", PATH, {"outcomes": rows})
        assert status == 200
        first, second, third = keyed(desk)
        assert [said["id"], *many["ids"]] == [first.id, second.id, third.id]
        assert (first.subject, first.actor, first.time_ns) == ("A-17", "local", now_ns)
        by = {"column": "context_order", "within_ns": 7 * 86_400 * 10**9}
        assert first.body == {"label": "high", "by": {**by, "time_ns": 1_500_000_000}}
        assert second.body["by"]["time_ns"] == now_ns
        assert {name: second.body[name] for name in ("reaction", "dwell_ms")} == {
            "reaction": "ignored", "dwell_ms": 5.0,
        }  # fmt: skip
        assert not desk.events()

    at_desk(story, contract())


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"label": "high"}, "key", "does not say of what"),
        ({"key": "A-17"}, "label", "says nothing"),
        ({"key": "A-17", "label": "medium"}, "label", "nothing that this model could"),
        ({"key": "A-17", "label": "low", "time": "2026-11-20"}, "time", "no moment since 1970"),
        ({"key": "A-17", "label": "low", "time": "2126-11-20T12:00:00Z"}, "time", "not happened"),
        ({"key": "A-17", "label": "low", "dwell_ms": -1}, "dwell_ms", "so long"),
        ({"key": "A-17", "labl": "low"}, "labl", "not part of this request"),
        ({"key": 17, "label": "low"}, "order", "is a number"),
        ({"key": 1.5, "label": "low"}, "key", "not"),
        ({"key": "", "label": "low"}, "order", "1 to 256 characters"),
        ({"key": "a\nb", "label": "low"}, "order", "can be printed"),
        ({"key": "A-17 is long", "label": "low"}, "order", "expected"),
        ({"outcomes": []}, "outcomes", "0 outcomes"),
        ({"outcomes": [{}] * 2}, "outcomes[0].key", "missing"),
        ({"outcomes": [{"key": "A"}], "label": "low"}, "label", "something beside it"),
        (
            {"outcomes": [{"key": "A", "label": "low"}, {"key": "B", "label": "lo"}]},
            "label",
            "row 1: the label lo",
        ),
        ({"outcomes": [{"key": "A"}] * (ROWS_PER_CALL_MAX + 1)}, "outcomes", "8193 outcomes"),
        (b'{"key": "A", "key": "B", "label": "low"}', "key", "twice"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_kept(at_desk, said, field, words):
    async def story(desk: Desk) -> None:
        status, refused = await desk.ask("POST", PATH, said)
        assert (status, refused["field"]) == (400, field), refused
        assert words in refused["error"] + str(refused.get("expected"))
        assert not desk.world.log.events

    at_desk(story, contract())


def test_a_key_that_is_personal_is_kept_as_a_digest_and_told_to_nobody(at_desk):
    """Not even in a refusal; whole numbers are the same with and without a point."""

    async def story(desk: Desk) -> None:
        for key in (1717, 1717):
            status, said = await desk.ask("POST", PATH, {"key": key, "label": "low"})
            assert (status, "1717" in json.dumps(said["model"])) == (200, False)
        first, second = keyed(desk)
        assert first.subject == second.subject
        assert len(first.subject) == 64
        assert "1717" not in str(first.body) + first.subject
        status, refused = await desk.ask("POST", PATH, {"key": -1717, "label": "low"})
        assert (status, refused["field"]) == (400, "order")
        assert "1717" not in json.dumps(refused)

    at_desk(story, contract(Integer(min=0, sensitivity="personal")))


def test_numbers_are_told_of_models_of_numbers(at_desk):
    async def story(desk: Desk) -> None:
        assert (await desk.ask("POST", PATH, {"key": "A", "label": 12}))[0] == 200
        assert (await desk.ask("POST", PATH, {"key": "A", "label": "12"}))[0] == 400

    at_desk(story, contract(output=NumberOutput()))


def test_without_a_key_and_to_strangers_it_is_said_what_to_do(at_desk):
    """The same callers may tell as by id; a model without a key says so."""
    caller = Caller(name="ann", models=("other",))
    key = Key(id="k1", caller=caller, digest=digest_of("secret"), created_at_ns=0)

    async def story(desk: Desk) -> None:
        status, refused = await desk.ask("POST", PATH, {"key": "A", "label": "low"})
        assert (status, refused["field"]) == (409, "labels.key")
        assert "labels: {key:" in refused["expected"]
        assert (await desk.ask("GET", PATH))[0] == 405

    async def strangers(desk: Desk) -> None:
        said = {"key": "A", "label": "low"}
        assert (await desk.ask("POST", PATH, said, key="secret"))[0] == 403
        assert not desk.world.log.events

    at_desk(story)
    at_desk(strangers, contract(), key)
