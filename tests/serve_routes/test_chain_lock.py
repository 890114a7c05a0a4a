"""Two deployers inside the chain in memory at the same moment: S5."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Route
from tests.serve_routes.drafts import draft

DEADLINE = 20.0


class Paused(MemoryRouteChain):
    """A chain that stops once, between looking at the newest entry and adding the next one."""

    def __init__(self, clock: ManualClock, meanwhile: Callable[[], None]) -> None:
        super().__init__(clock)
        self._meanwhile: Callable[[], None] | None = None
        self.met = threading.Event()
        """The other one stands before the lock, or is through."""
        self._lock = Door(self)
        self._meanwhile = meanwhile

    def _pause(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def current(self, model: str) -> Route | None:
        found = super().current(model)
        self._pause()
        return found

    def all_current(self) -> Sequence[Route]:
        found = super().all_current()
        self._pause()
        return found


class Door:
    """A lock that says when a second one comes to it."""

    def __init__(self, chain: Paused) -> None:
        self._chain = chain
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if self._lock.locked():
            self._chain.met.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def one(chain: MemoryRouteChain, number: int) -> None:
    chain.append(draft("fraud", number, f"f{number}", "ann"), 0)


def several(chain: MemoryRouteChain, number: int) -> None:
    chain.append_all([(draft("fraud", number, f"f{number}", "ann"), 0)])


@pytest.mark.parametrize("first", [one, several])
@pytest.mark.parametrize("second", [one, several])
def test_who_comes_while_another_adds_an_entry_waits_and_loses(first: Any, second: Any):
    """The newest entry is looked at and the next one added as one step, whoever adds how many."""
    lost: list[Conflict] = []
    threads: list[threading.Thread] = []

    def late() -> None:
        try:
            second(chain, 2)
        except Conflict as error:
            lost.append(error)
        chain.met.set()

    def meanwhile() -> None:
        threads.append(threading.Thread(target=late))
        threads[0].start()
        assert chain.met.wait(DEADLINE)

    chain = Paused(ManualClock(), meanwhile)
    first(chain, 1)
    threads[0].join(DEADLINE)
    assert [route.number for route in chain.history("fraud")] == [1]
    assert len(lost) == 1
    assert "ann was first: fraud v1" in lost[0].message
