"""A worker follows its orders between two requests, and refuses in words what it cannot follow."""

import asyncio
from pathlib import Path

import msgspec

from mainstay.access.model import Caller, Key
from mainstay.base.errors import InvalidBundle
from mainstay.bundle.port import Loaded
from mainstay.serve.follow import Follower
from mainstay.serve.gather import Sources
from mainstay.serve.routes.model import Order, Orders, WorkerState
from tests.serve.world import SumModel, World, route_of


class Shelf:
    """Versions by fingerprint, some of which cannot be loaded."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.loads: list[str] = []

    def load(self, folder: Path, fingerprint: str) -> Loaded:
        self.loads.append(fingerprint)
        if fingerprint in self.broken:
            raise InvalidBundle(f"{folder} does not hold {fingerprint}")
        return SumModel(fingerprint=fingerprint)

    def sources(self, loaded: Loaded) -> Sources:
        return {}

    def warm(self, loaded: Loaded) -> None:
        assert loaded.fingerprint not in self.broken


def order(number: int, epoch: int) -> Order:
    return Order(route=route_of(number, epoch, f"{number:064x}"), folder=f"/cache/{number}")


def write(folder: Path, *orders: Order, keys: tuple[Key, ...] = ()) -> None:
    file = folder / "new"
    file.write_bytes(msgspec.json.encode(Orders(written_at_ns=0, orders=orders, keys=keys)))
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
