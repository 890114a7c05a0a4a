"""Rival deployers: many ask for the same place in a chain at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

from mainstay.base.clock import SystemClock
from mainstay.base.errors import Conflict
from mainstay.bundle.database import open_engine
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain
from mainstay.serve.routes.sql import SqlRouteChain
from tests.serve_routes.drafts import draft


def race(chain: RouteChain, rivals: int, rounds: int) -> list[list[Route | Conflict]]:
    """Each round, every rival appends to the same epoch; what each of them got, by round."""
    start = threading.Barrier(rivals, timeout=60)

    def run(rival: int) -> list[Route | Conflict]:
        got: list[Route | Conflict] = []
        for epoch in range(rounds):
            start.wait()
            got.append(_append(chain, epoch, f"rival {rival}"))
        return got

    with ThreadPoolExecutor(rivals) as pool:
        by_rival = list(pool.map(run, range(rivals)))
    return [list(each) for each in zip(*by_rival, strict=True)]


def race_in_process(url: str, rival: int, rounds: int, start: threading.Barrier) -> list[str]:
    """One rival in a process of its own; what it got, in words that can cross processes."""
    engine = open_engine(url)
    try:
        chain = SqlRouteChain(engine, SystemClock())
        got: list[str] = []
        for epoch in range(rounds):
            start.wait()
            answer = _append(chain, epoch, f"rival {rival}")
            got.append("won" if isinstance(answer, Route) else answer.message)
        return got
    finally:
        engine.dispose()


def _append(chain: RouteChain, epoch: int, actor: str) -> Route | Conflict:
    try:
        return chain.append(draft("fraud", epoch + 1, f"f{epoch}", actor, ""), epoch)
    except Conflict as conflict:
        return conflict


def check_rounds(chain: RouteChain, rounds: list[list[Route | Conflict]]) -> None:
    """Exactly one won each round, the losers were told who, and the chain has no gap."""
    history = chain.history("fraud")
    assert [route.epoch for route in history] == list(range(1, len(rounds) + 1))
    for route, answers in zip(history, rounds, strict=True):
        assert [each for each in answers if isinstance(each, Route)] == [route]
        for lost in answers:
            if isinstance(lost, Conflict):
                # `first:` ends at the actor, so "rival 1" cannot pass for "rival 12".
                assert lost.message.startswith(f"{route.actor} was first: fraud v{route.number} ")
                assert f"epoch {route.epoch} " in lost.message
