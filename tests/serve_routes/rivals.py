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


def race_for_sets(chain: RouteChain, rounds: int) -> list[list[bool]]:
    """Each round, four rivals want sets that overlap in a ring; who of them got theirs."""
    names = ["a", "b", "c", "d"]
    start = threading.Barrier(len(names), timeout=60)

    def run(rival: int) -> list[bool]:
        won: list[bool] = []
        mine = [names[rival], names[(rival + 1) % len(names)]]
        for _ in range(rounds):
            start.wait()
            newest = {name: _newest(chain, name) for name in mine}
            start.wait()
            wanted = [
                (
                    draft(name, rival, f"{name} {newest[name]} {rival}", f"rival {rival}"),
                    newest[name],
                )
                for name in mine
            ]
            try:
                chain.append_all(wanted)
                won.append(True)
            except Conflict:
                won.append(False)
            start.wait()
        return won

    with ThreadPoolExecutor(len(names)) as pool:
        by_rival = list(pool.map(run, range(len(names))))
    return [list(each) for each in zip(*by_rival, strict=True)]


def check_sets(chain: RouteChain, rounds: list[list[bool]]) -> None:
    """Neighbours never both won, somebody always did, and no half of a set was kept."""
    entries = sum(len(chain.history(name)) for name in "abcd")
    assert entries == 2 * sum(sum(won) for won in rounds)
    for won in rounds:
        assert any(won)
        assert not any(won[rival] and won[(rival + 1) % 4] for rival in range(4))
    for rival, name in enumerate("abcd"):
        mine = sum(route.actor == f"rival {rival}" for route in chain.history(name))
        assert mine == sum(won[rival] for won in rounds)


def _newest(chain: RouteChain, model: str) -> int:
    route = chain.current(model)
    return 0 if route is None else route.epoch


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
