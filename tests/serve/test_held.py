"""Held answers through the HTTP door: waiting, released, rejected, and by time (S19 S21 S29)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.access.model import Caller, Key, digest_of
from mainstay.base.errors import Conflict, StorageFailed
from mainstay.base.ids import DecisionIds
from mainstay.contract.holding import Hold, Rule
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract
from mainstay.journal.model import Event
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.engine import Engine
from mainstay.serve.follow import Follower
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.memory import MemoryDesk
from mainstay.serve.held.settle import due, still_waiting
from mainstay.serve.http.app import App
from mainstay.serve.http.connection import Connections
from mainstay.serve.metrics import Metrics
from mainstay.serve.outcomes import Outcomes
from mainstay.tally.memory import MemoryTally
from mainstay.tally.sqlite import SqliteTally
from tests.serve.test_connection import Client, Server
from tests.serve.test_follow import Shelf, order, write
from tests.serve.world import World, contract_of

HOLD = Hold(what="a + b", above="mean + 3 sd", least=4, wait="2h")
HOUR = 3600.0


class Door(Server):
    """A worker's door, and everything behind it."""

    engine: Engine
    client: Client

    async def ask(
        self, method: str, path: str, body: Any = None, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        content = b"" if body is None else json.dumps(body).encode()
        headers = [f"authorization: Bearer {key}"] if key else []
        return await self.client.ask(method, path, content, *headers)

    async def decide(self, a: float, b: float = 0.0, key: str = "") -> dict[str, Any]:
        status, said = await self.ask(
            "POST", "/models/sum/decide", {"inputs": {"a": a, "b": b}}, key
        )
        assert status == 200, said
        return said

    async def make_usual(self, key: str = "") -> None:
        for a in (1.0, 2.0, 3.0, 4.0):
            assert (await self.decide(a, key=key))["status"] == "answered"

    def events(self, kind: str) -> list[Event]:
        return [event for event in self.world.log.events if event.kind == kind]


def keys(*names: str, models: tuple[str, ...] = ("*",)) -> tuple[Key, ...]:
    return tuple(
        Key(
            id=name,
            digest=digest_of(name),
            caller=Caller(name=name, models=models),
            created_at_ns=0,
        )
        for name in names
    )


def at_door(
    tmp_path: Path,
    judge: Judge,
    story: Callable[[Door], Awaitable[None]],
    *allowed: Key,
    **parts: Any,
) -> None:
    """Run a story against a server whose one model has this judgement."""
    contract: Contract = contract_of(judge=judge)

    async def run() -> None:
        world = World()
        engine = world.engine(**parts)
        shelf = Shelf()
        shelf.contracts[f"{1:064x}"] = contract
        follower = Follower(engine, shelf, tmp_path, 0, world.clock)
        write(tmp_path, order(1, 1), keys=allowed)
        await follower.look(local=not allowed)
        metrics = Metrics(0, 1, world.clock)
        metrics.loaded("sum", 1, ["a", "b"])

        async def find(decision: str) -> bytes:
            return msgspec.json.encode(world.journal.find_with_all(decision))

        ids = DecisionIds(8, world.clock)
        told = Outcomes(world.spool, ids, world.clock).record
        chooser = Chooser(Choices(tmp_path, world.clock), world.spool.append, ids, world.clock)
        app = App(engine, follower, metrics, world.clock, find, metrics.render, told, chooser)
        connections = Connections(app)
        server = await asyncio.get_running_loop().create_server(connections.make, "127.0.0.1", 0)
        door = Door(world, connections, follower, server.sockets[0].getsockname()[1])
        door.engine = engine
        try:
            door.client = await door.connect()
            await asyncio.wait_for(story(door), timeout=120)
        finally:
            await door.close()
            connections.stop()
            server.close()

    asyncio.run(run())


def test_held_then_released_by_somebody_else(tmp_path: Path) -> None:
    """S29: whoever asked gets an id and words and nothing else on any door, until another caller
    releases it; saying so twice changes nothing, the opposite is refused with who decided."""

    async def story(door: Door) -> None:
        await door.make_usual("ann")
        said = await door.decide(50.0, key="ann")
        assert said["status"] == "held"
        assert (said["answer"], said["confidence"], said["options"]) == (None, None, [])
        assert said["words"] == "A person looks at this one first."
        assert "reason" not in said, "why it is held says what it is"
        path = f"/decisions/{said['id']}"
        _, state = await door.ask("GET", f"{path}/state", key="ann")
        assert state == {"id": said["id"], "model": "sum", "state": "held", "until": state["until"]}
        _, record = await door.ask("GET", path, key="ann")
        assert record["held"]["state"] == "held"
        assert (record["output"], record["judged"], record["reason"]) == ({}, {}, "")
        assert record["since"] == []
        record["inputs"] = {}
        assert "50" not in json.dumps(record | {"id": "", "time": "", "held": ""})
        _, record = await door.ask("GET", path, key="bob")
        assert record["output"]["high"] > 0.99
        assert [event["figure"] for event in record["since"]] == [50.0]
        assert "a + b is 50, above" in record["held"]["words"]

        why = {"reason": "it is right"}
        status, refused = await door.ask("POST", f"{path}/release", why, "ann")
        assert (status, refused["code"]) == (403, "not_allowed")
        assert refused["error"].startswith("ann asked for this answer")
        status, _ = await door.ask("POST", f"{path}/release", {"reason": " "}, "bob")
        assert status in {422, 400}
        status, released = await door.ask("POST", f"{path}/release", why, "bob")
        assert (status, released["state"], released["actor"]) == (200, "released", "bob")
        assert released["answer"]["answer"] == "high"
        assert (await door.ask("POST", f"{path}/release", why, "bob"))[1] == released
        status, refused = await door.ask("POST", f"{path}/reject", {"reason": "no"}, "cid")
        assert (status, refused["code"]) == (409, "conflict")
        assert "released already, by bob" in refused["error"]
        assert "it is right" in refused["error"]
        assert (await door.ask("GET", f"{path}/state", key="ann"))[1] == released
        _, record = await door.ask("GET", path, key="ann")
        assert record["held"] == released
        assert record["output"]["high"] > 0.99
        [action] = door.events("action")
        assert (action.actor, action.subject) == ("bob", said["id"])
        assert action.body == {"check": "hold", "did": "released", "reason": "it is right"}

    at_door(tmp_path, Judge(hold=HOLD), story, *keys("ann", "bob", "cid"))


def test_a_finding_says_what_is_held(tmp_path: Path) -> None:
    """S29: the journal knows at once, with what was usual."""

    async def story(door: Door) -> None:
        await door.make_usual()
        said = await door.decide(50.0)
        [finding] = door.events("finding")
        assert (finding.subject, finding.model, finding.actor) == (said["id"], "sum", "judge")
        assert finding.body["check"] == "hold"
        assert (finding.body["figure"], finding.body["samples"]) == (50.0, 4)
        assert finding.body["words"] in door.world.journal.find(said["id"]).reason

    at_door(tmp_path, Judge(hold=HOLD), story)


def test_what_is_released_counts_from_then_on(tmp_path: Path) -> None:
    """S29: a released number moves the mean, a rejected or held one does not."""

    async def story(door: Door) -> None:
        await door.make_usual()
        first, second = await door.decide(50.0), await door.decide(50.0)
        for which, verb in ((first, "reject"), (second, "release")):
            status, _ = await door.ask("POST", f"/decisions/{which['id']}/{verb}", {"reason": "so"})
            assert status == 200
        third = await door.decide(90.0)
        assert third["status"] == "held"
        _, state = await door.ask("GET", f"/decisions/{third['id']}")
        assert "the 5 before have mean 12" in door.world.journal.find(third["id"]).reason
        assert state["held"]["state"] == "held"
        _, rejected = await door.ask("GET", f"/decisions/{first['id']}/state")
        assert rejected["state"] == "rejected"
        assert "answer" not in rejected

    at_door(tmp_path, Judge(hold=HOLD), story)


def test_time_rejects_what_nobody_decided_about(tmp_path: Path) -> None:
    """S29: after `wait` it is rejected, whoever looks; a finding says so, once."""

    async def story(door: Door) -> None:
        await door.make_usual()
        said, other = await door.decide(50.0), await door.decide(60.0)
        door.world.clock.advance(3 * HOUR)
        path = f"/decisions/{said['id']}"
        status, refused = await door.ask("POST", f"{path}/release", {"reason": "late"})
        assert status == 409
        assert "rejected already, by time" in refused["error"]
        assert "nobody released or rejected it within 2h" in refused["error"]
        assert door.engine.settler.tick() == 1
        assert door.engine.settler.tick() == 0
        _, state = await door.ask("GET", f"/decisions/{other['id']}/state")
        assert (state["state"], state["actor"]) == ("rejected", "time")
        by_time = [event for event in door.events("finding") if event.actor == "time"]
        assert {event.subject for event in by_time} == {said["id"], other["id"]}
        assert len(by_time) == 2

    at_door(tmp_path, Judge(hold=HOLD), story)


def test_what_was_never_held_has_a_state_too(tmp_path: Path) -> None:
    """S29: and nobody can release it; what nobody decided is not found."""

    async def story(door: Door) -> None:
        said = await door.decide(1.0)
        _, state = await door.ask("GET", f"/decisions/{said['id']}/state")
        assert state == {"id": said["id"], "model": "sum", "state": "answered"}
        for identity in (said["id"], "0" * 28, "x"):
            status, _ = await door.ask("POST", f"/decisions/{identity}/release", {"reason": "so"})
            assert status == 404, identity
        assert (await door.ask("GET", "/decisions/" + "0" * 28 + "/state"))[0] == 404
        assert (await door.ask("DELETE", f"/decisions/{said['id']}/release"))[0] == 405

    at_door(tmp_path, Judge(hold=HOLD), story)


def test_a_caller_needs_the_model_to_see_or_decide(tmp_path: Path) -> None:
    """S29 O18: a key for other models reaches none of it."""

    async def story(door: Door) -> None:
        await door.make_usual("ann")
        path = f"/decisions/{(await door.decide(50.0, key='ann'))['id']}"
        for method, way, body in (("GET", "/state", None), ("GET", "", None),
                                  ("POST", "/release", {"reason": "so"})):  # fmt: skip
            assert (await door.ask(method, path + way, body, "eve"))[0] == 403

    at_door(tmp_path, Judge(hold=HOLD), story, *keys("ann"), *keys("eve", models=("other",)))


def test_a_broken_rule_declines_at_the_door(tmp_path: Path) -> None:
    """S19 S21: in the rule's own words."""
    rule = Rule(must="a <= 10 or probability.high < 0.5", otherwise="That is too much.")

    async def story(door: Door) -> None:
        assert (await door.decide(5.0))["status"] == "answered"
        said = await door.decide(50.0)
        assert (said["status"], said["answer"]) == ("declined", None)
        assert said["words"] == "That is too much."
        assert said["reason"].startswith("rule 1 is not so: a <= 10")

    at_door(tmp_path, Judge(rules=(rule,)), story)


def test_a_full_desk_declines(tmp_path: Path) -> None:
    """S21 S29: what could never be released is not said to wait."""

    async def story(door: Door) -> None:
        await door.make_usual()
        first, second = await door.decide(50.0), await door.decide(50.0)
        assert (first["status"], second["status"]) == ("held", "declined")
        assert "too many answers wait for a person" in second["reason"]
        assert door.world.journal.find(second["id"]).status == "declined"

    at_door(tmp_path, Judge(hold=HOLD), story, desk=MemoryDesk(1))


def test_nothing_waits_that_was_not_recorded(tmp_path: Path) -> None:
    """S29 L3: a decision that could not be written down was not made, and waits for nobody."""
    desk = MemoryDesk()

    async def story(door: Door) -> None:
        await door.make_usual()
        door.world.spool.failure = StorageFailed("the disk is full")
        status, _ = await door.ask("POST", "/models/sum/decide", {"inputs": {"a": 50.0, "b": 0.0}})
        assert status >= 500
        assert desk.waiting() == []

    at_door(tmp_path, Judge(hold=HOLD), story, desk=desk)


def test_a_restart_forgets_neither_what_is_usual_nor_what_waits(tmp_path: Path) -> None:
    """S29: the next process holds by the same mean, and can release what the last one held."""
    seen: list[str] = []

    async def before(door: Door) -> None:
        await door.make_usual()
        seen.append((await door.decide(50.0))["id"])

    async def after(door: Door) -> None:
        said = await door.decide(50.0)
        assert said["status"] == "held"
        assert "the 4 before have mean 2.5" in door.world.journal.find(said["id"]).reason
        path = f"/decisions/{seen[0]}"
        status, state = await door.ask("POST", f"{path}/release", {"reason": "so"})
        assert (status, state["state"]) == (200, "released")

    for story in (before, after):
        tally = SqliteTally(tmp_path / "tally.db", World().clock)
        try:
            desk = FolderDesk(tmp_path / "held")
            at_door(tmp_path, Judge(hold=HOLD), story, desk=desk, tally=tally)
        finally:
            tally.close()


def test_what_a_dying_process_left_undone_is_made_up_for(tmp_path: Path) -> None:
    """S29: decided but not told to the journal: the keeper does it a minute later."""
    desk = FolderDesk(tmp_path / "held")

    async def story(door: Door) -> None:
        await door.make_usual()
        said = await door.decide(50.0)
        door.world.spool.failure = StorageFailed("the disk is full")
        path = f"/decisions/{said['id']}"
        status, _ = await door.ask("POST", f"{path}/release", {"reason": "so"})
        assert status >= 500
        door.world.spool.failure = None
        assert (await door.ask("GET", f"{path}/state"))[1]["state"] == "released"
        assert door.events("action") == []
        assert not due(desk, door.world.clock.now_ns())
        door.world.clock.advance(61)
        assert due(desk, door.world.clock.now_ns())
        assert door.engine.settler.tick() == 1
        assert [event.body["did"] for event in door.events("action")] == ["released"]
        assert still_waiting(desk, door.world.clock.now_ns()) == []
        assert desk.unfinished() == []
        assert door.engine.settler.tick() == 0
        with pytest.raises(Conflict, match="released already"):
            door.engine.settler.decide(said["id"], "rejected", "bob", "no")

    at_door(tmp_path, Judge(hold=HOLD), story, desk=desk, tally=MemoryTally())
