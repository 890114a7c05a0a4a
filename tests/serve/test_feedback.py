"""What people say of a decision, at the door: reports, undoing, reactions (S26 S27 S28 S25)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.access.model import Caller, Key, digest_of
from mainstay.base.ids import DecisionIds
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract, NumberOutput
from mainstay.contract.people import Exposure, Report, Undo
from mainstay.journal.model import Event
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.follow import Follower
from mainstay.serve.http.app import App
from mainstay.serve.http.keyed import KeyedDoor
from mainstay.serve.http.request import Heads, Reply
from mainstay.serve.metrics import Metrics
from mainstay.serve.outcomes import Outcomes
from tests.serve.test_follow import Shelf, order, write
from tests.serve.world import World, contract_of

UNDO = Undo(within="24h", webhook_env="UNDO_URL", secret_env="UNDO_SECRET")
FULL = Judge(
    report=Report(say="Thanks! Somebody reads this today."),
    undo=UNDO,
    exposure=Exposure(errors="2 per 1d"),
)


class Desk:
    """A worker's application without sockets: a request in, an answer out."""

    def __init__(self, app: App, world: World) -> None:
        self.app = app
        self.world = world

    async def ask(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> tuple[int, Any]:
        told: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        begun = self.app.begin(method, path, b"", Heads(key=key))
        if isinstance(begun, tuple):
            return begun[0], json.loads(begun[1])
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.app.answer(begun, content, told.set_result)
        status, data, _ = await told
        return status, json.loads(data)

    async def decide(self, a: float = 1, key: str | None = None) -> str:
        _, said = await self.ask("POST", "/models/sum/decide", {"inputs": {"a": a, "b": 2}}, key)
        return said["id"]

    def events(self) -> list[Event]:
        return [event for event in self.world.log.events if event.kind == "outcome"]


Story = Callable[[Desk], Awaitable[None]]


@pytest.fixture
def at_desk(tmp_path: Path) -> Callable[..., None]:
    def run(story: Story, contract: Contract | None = None, *keys: Key) -> None:
        asyncio.run(_run(tmp_path, story, contract or contract_of(judge=FULL), keys))

    return run


async def _run(folder: Path, story: Story, contract: Contract, keys: tuple[Key, ...]) -> None:
    world = World()
    engine = world.engine()
    shelf = Shelf()
    shelf.contracts[f"{1:064x}"] = contract
    follower = Follower(engine, shelf, folder, 0, world.clock)
    write(folder, order(1, 1), keys=keys)
    await follower.look(local=True)

    async def find(decision: str) -> bytes:
        return msgspec.json.encode(world.journal.find_with_all(decision))

    ids = DecisionIds(8, world.clock)
    metrics = Metrics(0, 1, world.clock)
    outcomes = Outcomes(world.spool, ids, world.clock)
    chooser = Chooser(Choices(folder, world.clock), world.spool.append, ids, world.clock)
    app = App(engine, follower, metrics, world.clock, find, lambda: b"", outcomes.record, chooser)
    app.also(KeyedDoor(engine, outcomes.record_keyed, world.clock).handlers)
    await asyncio.wait_for(story(Desk(app, world)), timeout=120)


def test_a_report_is_kept_with_the_decision_and_says_what_happens_next(at_desk):
    """S26: the words of the contract answer; the report is shown with the decision."""

    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        report = {"what": "wrong", "words": "I am 34", "expected": "low"}
        status, said = await desk.ask("POST", f"/decisions/{decision}/report", report)
        assert (status, said["words"]) == (200, "Thanks! Somebody reads this today.")
        assert (said["decision"], said["model"]) == (decision, "sum")
        _, shown = await desk.ask("GET", f"/decisions/{decision}")
        assert shown["since"][0]["id"] == said["id"]
        assert shown["since"][0]["report"] == {**report, "version": 1, "status": "answered"}
        assert shown["since"][0]["actor"] == "local"

    at_desk(story)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "what"),
        ({"what": "bad"}, "what"),
        ({"what": "wrong", "expected": "medium"}, "label"),
        ({"what": "wrong", "words": "x" * 1001}, "words"),
        ({"what": "wrong", "word": "x"}, "word"),
        (b'{"what": "wrong", "what": "other"}', "what"),
    ],
)
def test_a_report_that_cannot_be_is_refused_in_words(at_desk, said, field):
    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        status, refused = await desk.ask("POST", f"/decisions/{decision}/report", said)
        assert (status, refused["field"]) == (400, field), refused
        assert refused["error"]
        assert not desk.events()

    at_desk(story)


@pytest.mark.parametrize("verb", ["report", "undo"])
def test_nobody_says_anything_of_a_decision_that_nobody_made(at_desk, verb):
    async def story(desk: Desk) -> None:
        said = {"reason": "x"} if verb == "undo" else {"what": "wrong"}
        status, _ = await desk.ask("POST", f"/decisions/{'0' * 28}/{verb}", said)
        assert status == 404
        assert (await desk.ask("POST", f"/decisions/x/{verb}", said))[0] == 404
        assert (await desk.ask("GET", f"/decisions/{'0' * 28}/{verb}"))[0] == 405
        assert not desk.events()

    at_desk(story)


def test_undoing_twice_is_undoing_once(at_desk):
    """S28: idempotent by decision id: the second answer names the first event."""

    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        path = f"/decisions/{decision}/undo"
        status, first = await desk.ask("POST", path, {"reason": "the customer called"})
        assert (status, first["already"]) == (200, False)
        assert "is told to take it back" in first["words"]
        status, again = await desk.ask("POST", path, {"reason": "and again"})
        assert (status, again["already"], again["id"]) == (200, True, first["id"])
        assert [event.body for event in desk.events()] == [
            {"undo": {"reason": "the customer called"}}
        ]

    at_desk(story)


def test_what_was_decided_too_long_ago_cannot_be_undone(at_desk):
    """S28: the time limit, in words; what was undone in time stays undone."""

    async def story(desk: Desk) -> None:
        early, late = await desk.decide(), await desk.decide()
        desk.world.clock.advance(24 * 3600 - 1)
        assert (await desk.ask("POST", f"/decisions/{early}/undo", {"reason": "x"}))[0] == 200
        desk.world.clock.advance(2)
        status, refused = await desk.ask("POST", f"/decisions/{late}/undo", {"reason": "x"})
        assert (status, refused["field"]) == (409, "judge.undo.within")
        assert "for 24h only" in refused["error"]
        status, again = await desk.ask("POST", f"/decisions/{early}/undo", {"reason": "x"})
        assert (status, again["already"]) == (200, True)

    at_desk(story)


def test_what_told_nothing_and_what_the_contract_does_not_say_cannot_be_undone(at_desk):
    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        status, refused = await desk.ask("POST", f"/decisions/{decision}/undo", {"reason": "x"})
        assert (status, refused["field"]) == (409, "judge.undo")

    at_desk(story, contract_of())

    async def declined(desk: Desk) -> None:
        decision = await desk.decide(a=1)
        status, refused = await desk.ask("POST", f"/decisions/{decision}/undo", {"reason": "x"})
        assert status == 409
        assert "nothing was told that" in refused["error"]

    at_desk(declined, contract_of(judge=Judge(undo=UNDO), output=NumberOutput(max=0)))


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 1001}])
def test_undoing_needs_a_reason(at_desk, body):
    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        status, refused = await desk.ask("POST", f"/decisions/{decision}/undo", body)
        assert (status, refused["field"]) == (400, "reason")

    at_desk(story)


def test_who_may_not_ask_a_model_may_not_speak_of_its_decisions(at_desk):
    """S26 S28: the grant is that of the model."""
    other = Key(
        id="k", digest=digest_of("secret"), caller=Caller(name="eve", models=("other",)),
        created_at_ns=0,
    )  # fmt: skip

    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        for verb, said in (("report", {"what": "wrong"}), ("undo", {"reason": "x"})):
            path = f"/decisions/{decision}/{verb}"
            assert (await desk.ask("POST", path, said, key="secret"))[0] == 403
        assert not desk.events()

    at_desk(story, None, other)


def test_errors_that_are_noticed_silence_the_model_for_their_person(at_desk):
    """S25: reports, undoing and corrections each count once for their decision; then the model is
    silent for this person, and says so in plain words."""

    async def story(desk: Desk) -> None:
        first, second, third = [await desk.decide() for _ in range(3)]
        for _ in range(3):
            await desk.ask("POST", f"/decisions/{first}/report", {"what": "harmful"})
        await desk.ask("POST", f"/decisions/{first}/undo", {"reason": "x"})
        await desk.ask("POST", f"/decisions/{second}/outcome", {"reaction": "ignored"})
        await desk.ask("POST", f"/decisions/{second}/outcome", {"label": "low"})
        assert (await _status(desk)) == "answered"
        corrected = {"reaction": "corrected", "model": "sum"}
        await desk.ask("POST", f"/decisions/{third}/outcome", corrected)
        assert (await _status(desk)) == "declined"
        desk.world.clock.advance(26 * 3600)
        assert (await _status(desk)) == "answered"

    at_desk(story)


async def _status(desk: Desk) -> str:
    body = {"inputs": {"a": 1, "b": 2}}
    _, said = await desk.ask("POST", "/models/sum/decide", body)
    assert said["status"] == "answered" or said["words"].startswith("We were wrong for you")
    return said["status"]


def test_a_reaction_is_kept_beside_or_without_a_label(at_desk):
    """S27: what a person did with an answer, and for how long it was looked at."""

    async def story(desk: Desk) -> None:
        decision = await desk.decide()
        path = f"/decisions/{decision}/outcome"
        for said in (
            {"reaction": "ignored"},
            {"reaction": "accepted", "dwell_ms": 1200},
            {"reaction": "clicked"},
            {"label": "high", "dwell_ms": 0},
        ):
            status, answer = await desk.ask("POST", path, said)
            assert status == 200
            assert {name: answer[name] for name in said} == said
            assert desk.events()[-1].body == said
        for said, field in (
            ({}, "label"),
            ({"model": "sum"}, "label"),
            ({"reaction": "liked"}, "reaction"),
            ({"dwell_ms": -1}, "dwell_ms"),
            ({"dwell_ms": 1e12}, "dwell_ms"),
            ({"dwell_ms": "long"}, "dwell_ms"),
        ):
            status, refused = await desk.ask("POST", path, said)
            assert (status, refused["field"]) == (400, field), refused
        assert len(desk.events()) == 4

    at_desk(story)
