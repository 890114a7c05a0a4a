"""What each caller is refused is counted at the door, and nothing of what it said: M20 M6."""

import asyncio
from pathlib import Path

import msgspec

from mainstay.access.model import Caller, Key, digest_of
from mainstay.base.errors import InvalidRequest, ModelFailed, NotFound, Withheld
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import REFUSED_CALLERS_MAX, REFUSED_REASONS_MAX
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.make import Chooser
from mainstay.serve.follow import Follower
from mainstay.serve.http.app import App
from mainstay.serve.metrics import Metrics
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.refusals import OTHERS, AskedBy, Refusals
from mainstay.serve.snapshots import decode_snapshot
from tests.serve.test_feedback import Desk
from tests.serve.test_follow import Shelf, order, write
from tests.serve.world import World


def key(secret: str, name: str, *models: str) -> Key:
    caller = Caller(name=name, models=models)
    return Key(id=name, digest=digest_of(secret), caller=caller, created_at_ns=0)


def asked_by(metrics: Metrics) -> dict[str, AskedBy]:
    shot = decode_snapshot(metrics.snapshot())
    assert shot is not None
    assert b"shop" not in metrics.render(), "the page of figures names nobody"
    return {each.caller: each for each in shot.asked}


def test_who_is_refused_and_why_is_counted_for_the_keeper(tmp_path: Path) -> None:
    """M20: contract errors by declared field, wrong keys and models that were not granted; what is
    asked of models that are not there, or fails by our fault, is nobody's refusal."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 0, world.clock)
        write(tmp_path, order(1, 1), keys=(key("s", "shop", "sum"), key("t", "till", "other")))
        await follower.look(local=False)
        metrics = Metrics(0, 1, world.clock)
        metrics.loaded("sum", 1, ("a", "b"))
        ids = DecisionIds(8, world.clock)

        async def find(decision: str) -> bytes:
            raise NotFound(decision)

        app = App(
            engine, follower, metrics, world.clock, find, lambda: b"",
            Outcomes(world.spool, ids, world.clock).record,
            Chooser(Choices(tmp_path, world.clock), world.spool.append, ids, world.clock),
        )  # fmt: skip
        desk = Desk(app, world)
        path = "/models/sum/decide"
        for value in (1, "x", 1000, 2):
            await desk.ask("POST", path, {"inputs": {"a": value, "b": 2}}, "s")
        await desk.ask("POST", path, {"inputs": {"a": 1, "b": 2, "zzz": 1}}, "s")
        await desk.ask("POST", path, b"{", "s")
        for wrong in ("x", "y"):
            assert (await desk.ask("POST", path, {}, wrong))[0] == 401
        assert (await desk.ask("POST", path, {}, "t"))[0] == 403
        assert (await desk.ask("POST", "/models/nothing/decide", {}, "s"))[0] in {403, 404}
        found = asked_by(metrics)
        assert {name: (each.asked, each.refused) for name, each in found.items()} == {
            "shop": (6, 4), "": (2, 2), "till": (1, 1),
        }  # fmt: skip
        assert found["shop"].why["invalid_request a"] == 2
        assert sum(found["shop"].why.values()) == 4
        assert not any("zzz" in why for why in found["shop"].why)
        assert found[""].why == {"not_authenticated": 2}
        assert found["till"].why == {"not_allowed": 1}

    asyncio.run(story())


def test_counts_are_bounded_and_no_fault_of_ours_is_among_them() -> None:
    """M20 A3: however many callers and reasons there are; all of it fits on one small page."""
    refusals = Refusals()
    refusals.asked("sum", None)
    for error in (Withheld("no", decisions=()), ModelFailed("broke")):
        refusals.refused("sum", None, error, frozenset())
    assert refusals.counted()[0].refused == 0
    fields = frozenset(f"f{number}" for number in range(100))
    caller = Caller(name="shop")
    for number in range(100):
        refusals.refused("sum", caller, InvalidRequest("no", field=f"f{number}"), fields)
    (shop,) = (each for each in refusals.counted() if each.caller == "shop")
    assert len(shop.why) == REFUSED_REASONS_MAX + 1
    assert shop.why[OTHERS] == 100 - REFUSED_REASONS_MAX
    for number in range(2 * REFUSED_CALLERS_MAX):
        refusals.asked("sum", Caller(name=f"c{number}"))
    found = {each.caller: each.asked for each in refusals.counted()}
    assert len(found) == REFUSED_CALLERS_MAX + 1
    assert found[OTHERS] == REFUSED_CALLERS_MAX + 2
    assert len(msgspec.json.encode(refusals.counted())) < 200_000
