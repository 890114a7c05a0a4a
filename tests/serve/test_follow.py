"""A worker follows its orders between two requests, and refuses in words what it cannot follow."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from mainstay.access.model import Caller, Key, KeyRing, digest_of
from mainstay.base.errors import InvalidBundle, NotAuthenticated
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence
from mainstay.contract.model import Contract, NumberOutput
from mainstay.serve.follow import Follower
from mainstay.serve.gather import Sources
from mainstay.serve.routes.model import Arm, Order, Orders, WorkerState
from tests.serve.world import SumModel, World, contract_of, evidence_of, route_of


class Shelf:
    """Versions by fingerprint, some of which cannot be loaded."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.loads: list[str] = []
        self.contracts: dict[str, Contract] = {}
        self.while_loading: Callable[[], object] = lambda: None

    def load(self, folder: Path, fingerprint: str) -> Loaded:
        self.loads.append(fingerprint)
        self.while_loading()
        if fingerprint in self.broken:
            raise InvalidBundle(f"{folder} does not hold {fingerprint}")
        contract = self.contracts.get(fingerprint, contract_of())
        return SumModel(fingerprint=fingerprint, contract=contract)

    def sources(self, loaded: Loaded) -> Sources:
        return {}

    def evidence(self, folder: Path, loaded: Loaded) -> Evidence:
        return evidence_of(loaded)

    def warm(self, loaded: Loaded) -> None:
        assert loaded.fingerprint not in self.broken


def order(number: int, epoch: int) -> Order:
    route = route_of(number, epoch, f"{number:064x}")
    return Order(route=route, folders={route.fingerprint: f"/cache/{number}"})


def write(folder: Path, *orders: Order, keys: tuple[Key, ...] = (), start: str = "") -> None:
    file = folder / "new"
    content = Orders(written_at_ns=0, orders=orders, keys=keys, start=start)
    file.write_bytes(msgspec.json.encode(content))
    file.replace(folder / "orders.json")


def state(folder: Path) -> WorkerState:
    return msgspec.json.decode((folder / "worker-3.json").read_bytes(), type=WorkerState)


def test_orders_are_followed_and_said_to_be(tmp_path: Path) -> None:
    """S5 S6: not ready before the first orders; then what was ordered serves, and the state file
    says so."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        assert not await follower.look(local=True)
        follower.report()
        assert not state(tmp_path).ready
        write(tmp_path, order(1, 1))
        assert await follower.look(local=True)
        assert not await follower.look(local=True), "the same orders are not followed twice"
        follower.report()
        said = state(tmp_path)
        assert said.ready
        assert said.serving["sum"].number == 1
        assert engine.find("sum").route.epoch == 1
        assert [route.number for route in world.announced] == [1]

    asyncio.run(story())


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(tmp_path: Path) -> None:
    """S5: a broken order is refused once, in words; nothing else changes."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        write(tmp_path, order(1, 1))
        await follower.look(local=True)
        shelf.broken.add(f"{2:064x}")
        write(tmp_path, order(2, 2))
        await follower.look(local=True)
        write(tmp_path, order(2, 2))
        await follower.look(local=True)
        follower.report()
        said = state(tmp_path)
        assert said.serving["sum"].number == 1
        assert said.refused["sum"].epoch == 2
        assert "does not hold" in said.refused["sum"].error
        assert shelf.loads.count(f"{2:064x}") == 1, "a refused order is not tried again"
        shelf.broken.clear()
        write(tmp_path, order(2, 3))
        await follower.look(local=True)
        assert engine.find("sum").route.number == 2

    asyncio.run(story())


def test_the_same_version_under_a_new_epoch_is_not_loaded_again(tmp_path: Path) -> None:
    """S10: going back to a version that is in memory costs nothing; decisions carry the epoch."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        write(tmp_path, order(1, 1))
        await follower.look(local=True)
        write(tmp_path, order(1, 2))
        await follower.look(local=True)
        assert engine.find("sum").route.epoch == 2
        assert len(shelf.loads) == 1

    asyncio.run(story())


def test_a_swap_finishes_what_stands_in_the_old_line(tmp_path: Path) -> None:
    """S5: a call that was in line when its version was replaced is still answered by it."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        write(tmp_path, order(1, 1))
        await follower.look(local=True)
        asked = asyncio.ensure_future(engine.find("sum").joiner.ask(world.call((1, 1))))
        await asyncio.sleep(0)
        write(tmp_path, order(2, 2))
        await follower.look(local=True)
        assert (await asked).number == 1
        assert (await engine.find("sum").joiner.ask(world.call((1, 1)))).number == 2
        assert engine.idle

    asyncio.run(story())


def test_models_and_keys_that_are_no_longer_ordered_are_gone(tmp_path: Path) -> None:
    """S2: a withdrawn model is not found any more; a revoked key is not known any more."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        key = Key(id="k", digest="0" * 64, caller=Caller(name="ann"), created_at_ns=0)
        write(tmp_path, order(1, 1), keys=(key,))
        await follower.look(local=False)
        assert engine.serving
        write(tmp_path)
        await follower.look(local=False)
        assert not engine.serving

    asyncio.run(story())


def test_orders_of_an_earlier_start_are_loaded_and_not_followed(tmp_path: Path) -> None:
    """S1 S5 S6: before the keeper of this start has looked nobody is let in, nothing answers and
    the worker is not ready; then it has in memory what it needs, and takes keys and versions of
    this start only."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        shelf.broken.add(f"{4:064x}")
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock, start="now")
        old = "ms_old"
        ann = Caller(name="ann")
        revoked = Key(id="k", digest=digest_of(old), caller=ann, created_at_ns=0)
        write(tmp_path, order(1, 1), order(4, 1), keys=(revoked,), start="before")
        await follower.look_ahead()
        assert not await follower.look(local=False)
        assert follower.keys is None
        assert not follower.ready
        assert engine.serving == {}
        assert world.announced == []
        assert shelf.loads == [f"{1:064x}", f"{4:064x}"]

        secret = "ms_new"
        caller = Caller(name="bob")
        made = structs.replace(revoked, id="l", digest=digest_of(secret), caller=caller)
        write(tmp_path, order(1, 2), keys=(made,), start="now")
        assert await follower.look(local=False)
        assert follower.ready
        assert follower.keys is not None
        assert follower.keys.authenticate(secret).name == "bob"
        with pytest.raises(NotAuthenticated):
            follower.keys.authenticate(old)
        assert engine.find("sum").route.epoch == 2
        assert shelf.loads.count(f"{1:064x}") == 1, "what was loaded ahead is not loaded again"

        write(tmp_path, order(2, 3), keys=(revoked,), start="before")
        assert not await follower.look(local=False), "a command wrote what it knew of no server"
        assert engine.find("sum").route.epoch == 2

    asyncio.run(story())


def test_what_could_not_be_loaded_ahead_is_loaded_when_it_is_ordered(tmp_path: Path) -> None:
    """S5: the bundle may have been brought anew since."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        shelf.broken.add(f"{1:064x}")
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock, start="now")
        write(tmp_path, order(1, 1), start="before")
        await follower.look_ahead()
        shelf.broken.clear()
        write(tmp_path, order(1, 1), start="now")
        await follower.look(local=False)
        assert engine.find("sum").route.number == 1
        assert follower.ready

    asyncio.run(story())


def test_nobody_is_let_in_before_the_first_versions_are_there(tmp_path: Path) -> None:
    """S6: a caller who comes while they load is told to wait, not that there is no such model; a
    key that is revoked later is gone before anything is loaded."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        seen: list[KeyRing | None] = []
        follower = Follower(world.engine(), shelf, tmp_path, 3, world.clock)
        shelf.while_loading = lambda: seen.append(follower.keys)
        secret = "ms_ann"
        ann = Caller(name="ann")
        key = Key(id="k", digest=digest_of(secret), caller=ann, created_at_ns=0)
        write(tmp_path, order(1, 1), keys=(key,))
        await follower.look(local=False)
        assert follower.keys is not None
        assert follower.keys.authenticate(secret) == ann
        write(tmp_path, order(2, 2))
        await follower.look(local=False)
        first, second = seen
        assert first is None
        assert second is not None
        with pytest.raises(NotAuthenticated):
            second.authenticate(secret)

    asyncio.run(story())


def rollout(epoch: int, *arms: Arm, without: int | None = None) -> Order:
    """An order for version 1 with arms; the keeper could not bring one of them."""
    plain = route_of(1, epoch, f"{1:064x}")
    route = structs.replace(plain, arms=arms, salt="s")
    numbers = [1, *(arm.number for arm in arms)]
    folders = {f"{n:064x}": f"/cache/{n}" for n in numbers if n != without}
    return Order(route=route, folders=folders)


def arm(number: int, share: float) -> Arm:
    return Arm(role="share", number=number, fingerprint=f"{number:064x}", share=share)


def test_the_arms_of_a_route_are_loaded_once_and_leave_with_it(tmp_path: Path) -> None:
    """S31: shares change between two requests, without loading anything again."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        for epoch, share in enumerate((0.1, 0.5, 1.0), start=1):
            write(tmp_path, rollout(epoch, arm(2, share)))
            await follower.look(local=True)
            mixture = engine.find("sum").mixture
            assert mixture is not None
            assert [each.share for each in mixture.route.arms] == [share]
            assert engine.find("sum", "2").route.epoch == epoch
        assert shelf.loads == [f"{1:064x}", f"{2:064x}"]
        write(tmp_path, order(2, 4))
        await follower.look(local=True)
        assert engine.find("sum").mixture is None
        assert engine.find("sum").route.number == 2
        assert len(shelf.loads) == 2, "an arm that becomes the live version is in memory already"
        assert engine.idle

    asyncio.run(story())


def test_an_arm_that_cannot_serve_is_refused_in_words_and_its_share_stays_live(
    tmp_path: Path,
) -> None:
    """S31, N12: the others go on, and propensities say what really happens here."""

    async def story() -> None:
        world, shelf = World(), Shelf()
        shelf.broken.add(f"{2:064x}")
        shelf.contracts[f"{3:064x}"] = contract_of(output=NumberOutput())
        engine = world.engine()
        follower = Follower(engine, shelf, tmp_path, 3, world.clock)
        arms = [arm(number, 0.2) for number in (2, 3, 4, 5)]
        write(tmp_path, rollout(1, *arms, without=5))
        await follower.look(local=True)
        serving = engine.find("sum")
        assert serving.pipeline.propensity == 0.8
        assert serving.mixture is not None
        assert [each.number for each in serving.mixture.route.arms] == [4]
        assert serving.route.arms == tuple(arms)
        follower.report()
        said = state(tmp_path)
        assert said.ready
        assert said.refused == {}
        errors = {each.fingerprint[-1]: each.error for each in said.refused_arms["sum"]}
        assert errors.keys() == {"2", "3", "5"}
        assert "does not hold" in errors["2"]
        assert "output has another shape" in errors["3"]
        assert "could not be brought" in errors["5"]

        shelf.loads.clear()
        write(tmp_path, rollout(1, *arms))
        await follower.look(local=True)
        assert engine.find("sum", "5").route.number == 5, "the keeper has brought it since"
        assert f"{4:064x}" not in shelf.loads
        write(tmp_path, order(1, 2))
        await follower.look(local=True)
        follower.report()
        assert state(tmp_path).refused_arms == {}

    asyncio.run(story())
