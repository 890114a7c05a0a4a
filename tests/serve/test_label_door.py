"""The doors for people who label: who may, what they may say, and what is passed on (N8 S2 S3)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainstay.access.model import Caller, Key, Purpose, digest_of
from mainstay.base.errors import Conflict
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import LABEL_BODY_MAX_BYTES
from mainstay.serve.asking import Asker, Labelling, QuestionServer, socket_path
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.follow import Follower
from mainstay.serve.http.app import App
from mainstay.serve.http.labelling import LabelDoor, nobody_asks
from mainstay.serve.metrics import Metrics
from mainstay.serve.outcomes import Outcomes
from tests.serve.test_feedback import Desk
from tests.serve.test_follow import Shelf, order, write
from tests.serve.world import World, contract_of
from tests.servers.until import until


class Heard:
    """What reached the keeper's side; it answers with what was wanted."""

    def __init__(self) -> None:
        self.wanted: list[Labelling] = []

    async def __call__(self, wanted: Labelling) -> bytes:
        self.wanted.append(wanted)
        return msgspec.json.encode({"want": wanted.want})


def key(name: str, *purposes: Purpose, models: tuple[str, ...] = ("sum",)) -> Key:
    caller = Caller(name=name, models=models, purposes=purposes)
    return Key(id=name, digest=digest_of(name), caller=caller, created_at_ns=0)


KEYS = (
    key("ann", "label"),
    key("shop", "call"),
    key("both", "call", "label"),
    key("eve", "label", models=("other",)),
)
Story = Callable[[Desk, Heard], Awaitable[None]]


@pytest.fixture
def at_door(tmp_path: Path) -> Callable[[Story], None]:
    def run(story: Story) -> None:
        asyncio.run(_run(tmp_path, story))

    return run


async def _run(folder: Path, story: Story) -> None:
    world = World()
    engine, shelf = world.engine(), Shelf()
    shelf.contracts[f"{1:064x}"] = contract_of()
    follower = Follower(engine, shelf, folder, 0, world.clock)
    write(folder, order(1, 1), keys=KEYS)
    await follower.look(local=True)

    async def find(decision: str) -> bytes:
        raise AssertionError(decision)

    ids = DecisionIds(8, world.clock)
    app = App(
        engine, follower, Metrics(0, 1, world.clock), world.clock, find, lambda: b"",
        Outcomes(world.spool, ids, world.clock).record,
        Chooser(Choices(folder, world.clock), world.spool.append, ids, world.clock),
    )  # fmt: skip
    heard = Heard()
    app.also(LabelDoor(heard).handlers)
    await asyncio.wait_for(story(Desk(app, world), heard), timeout=60)


def test_what_labelers_want_is_passed_on_with_who_they_are(at_door):
    """N8: identity is the key's; without a key, on this machine, `local`."""

    async def story(desk: Desk, heard: Heard) -> None:
        for body in (b"", b" ", {}):
            assert await desk.ask("POST", "/models/sum/label/next", body, "ann") == (
                200, {"want": "next"},
            )  # fmt: skip
        assert (await desk.ask("POST", "/labels/t1", {"label": "low"}, "both"))[0] == 200
        assert (await desk.ask("POST", "/labels/t1", {"label": 2}))[0] == 200
        assert (await desk.ask("POST", "/labels/t1/skip", b"", "ann"))[0] == 200
        first, *_, answer, number, skip = heard.wanted
        assert (first.want, first.model, first.caller.name) == ("next", "sum", "ann")
        assert (answer.want, answer.task, answer.label) == ("answer", "t1", "low")
        assert (answer.caller.name, answer.caller.models) == ("both", ("sum",))
        assert (number.label, number.caller.name) == (2.0, "local")
        assert (skip.want, skip.task, skip.label) == ("skip", "t1", None)

    at_door(story)


def test_keys_are_for_what_they_were_made_for(at_door):
    """S2 N8: who calls may not label, who labels may not call, nor look a decision up."""

    async def story(desk: Desk, heard: Heard) -> None:
        status, said = await desk.ask("POST", "/models/sum/label/next", {}, "shop")
        assert (status, said["field"]) == (403, "purpose")
        assert "mainstay key create shop --for label" in said["expected"]
        status, said = await desk.ask("POST", "/models/sum/label/next", {}, "eve")
        assert (status, said["field"]) == (403, "model")
        status, said = await desk.ask("POST", "/models/sum/label/next", {}, "nobody")
        assert status == 401
        row = {"inputs": {"a": 1, "b": 2}}
        status, said = await desk.ask("POST", "/models/sum/decide", row, "ann")
        assert (status, said["field"]) == (403, "purpose")
        assert (await desk.ask("POST", "/models/sum/decide", row, "both"))[0] == 200
        assert heard.wanted == []

    at_door(story)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "label"),
        ({"label": None}, 400, "label"),
        ({"label": True}, 400, "label"),
        ({"label": ["low"]}, 400, "label"),
        ({"label": "low", "task": "t2"}, 400, "task"),
        (b'{"label": "low", "label": "high"}', 400, "label"),
        (b"", 400, "body"),
        (b'{"label": NaN}', 400, "body"),
        (b'{"label": 1e999}', 400, "label"),
        (json.dumps({"label": "x" * LABEL_BODY_MAX_BYTES}).encode(), 413, "body"),
    ],
)
def test_what_is_no_label_is_refused_in_words(at_door, body: Any, status: int, field: str):
    """N8 S3: a wrong type, nothing, too much, twice, a huge text."""

    async def story(desk: Desk, heard: Heard) -> None:
        got, said = await desk.ask("POST", "/labels/t1", body, "ann")
        assert (got, said["field"]) == (status, field), said
        assert len(json.dumps(said)) < 1000
        assert heard.wanted == []

    at_door(story)


def test_nothing_is_said_beside_the_path_of_next_and_skip(at_door):
    async def story(desk: Desk, heard: Heard) -> None:
        for path in ("/models/sum/label/next", "/labels/t1/skip"):
            status, said = await desk.ask("POST", path, {"label": "low"}, "ann")
            assert (status, said["field"]) == (400, "label")
            status, said = await desk.ask("POST", path, b" " * (LABEL_BODY_MAX_BYTES + 1), "ann")
            assert status == 413
            status, said = await desk.ask("GET", path, {}, "ann")
            assert (status, said["expected"]) == (405, "POST")
        assert (await desk.ask("POST", "/labels", {}, "ann"))[0] == 404
        assert heard.wanted == []

    at_door(story)


def test_a_worker_without_a_keeper_says_so(at_door):
    async def story(desk: Desk, heard: Heard) -> None:
        desk.app.also(LabelDoor(nobody_asks).handlers)
        status, said = await desk.ask("POST", "/labels/t1/skip", {}, "ann")
        assert (status, said["code"]) == (503, "not_ready")

    at_door(story)


def test_the_keeper_hears_it_and_its_refusals_keep_their_words(tmp_path: Path):
    """N8 S3: over the socket, beside look-ups; a keeper that asks nobody says so."""
    wanted = Labelling(
        want="answer", caller=Caller(name="ann", models=tuple(f"m{n}" * 20 for n in range(1000))),
        task="t1", label=2.5,
    )  # fmt: skip

    def label(asked: Labelling) -> dict[str, Any]:
        if asked.task == "mine":
            raise Conflict("this task was not given to you", field="task", got=asked.task)
        assert asked == wanted
        return {"task": asked.task, "label": asked.label}

    def find(decision: str) -> Any:
        raise AssertionError(decision)

    async def both() -> None:
        for desk in (label, None):
            stop, server = asyncio.Event(), QuestionServer(tmp_path, find, desk)
            task = asyncio.create_task(server.run(stop))
            await asyncio.to_thread(until, socket_path(tmp_path).is_socket, what="the socket")
            asker = Asker(tmp_path, timeout_seconds=60)
            if desk is None:
                with pytest.raises(Exception, match="nobody is asked for labels here"):
                    await asker.label(wanted)
            else:
                assert json.loads(await asker.label(wanted)) == {"task": "t1", "label": 2.5}
                with pytest.raises(Conflict, match="not given to you") as told:
                    await asker.label(msgspec.structs.replace(wanted, task="mine"))
                assert (told.value.field, told.value.got) == ("task", "mine")
            stop.set()
            await task

    asyncio.run(both())
