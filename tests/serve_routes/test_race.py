"""Of two simultaneous deployers exactly one wins and the other is told who did (S5, S10)."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from mainstay.base.clock import SystemClock
from mainstay.base.errors import Conflict
from mainstay.bundle.database import open_engine
from mainstay.serve.routes.append import AS_SEEN
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.sql import SqlRouteChain
from tests.serve_routes.drafts import draft
from tests.serve_routes.rivals import check_rounds, check_sets, race, race_for_sets, race_in_process
from tests.servers.postgres import PostgresServer


@pytest.mark.usefixtures("hasty_threads")
def test_a_thousand_rounds_in_memory():
    """The twin keeps the promise that it stands in for."""
    chain = MemoryRouteChain(SystemClock())
    check_rounds(chain, race(chain, rivals=8, rounds=1000))


@pytest.mark.slow
def test_a_thousand_rounds_over_one_sqlite_file(sqlite_url: str):
    """S5: eight threads, each with connections of its own."""
    engine = open_engine(sqlite_url)
    chain = SqlRouteChain(engine, SystemClock())
    check_rounds(chain, race(chain, rivals=8, rounds=1000))
    engine.dispose()


def test_two_hundred_rounds_on_postgresql(postgres: PostgresServer):
    """S5: two may both see the old epoch; the constraint lets one in."""
    engine = open_engine(postgres.new_database())
    chain = SqlRouteChain(engine, SystemClock())
    check_rounds(chain, race(chain, rivals=8, rounds=200))
    engine.dispose()


@pytest.mark.usefixtures("hasty_threads")
def test_sets_that_overlap_in_memory():
    """N9: of two sets with a model in common one goes live, whole."""
    chain = MemoryRouteChain(SystemClock())
    check_sets(chain, race_for_sets(chain, rounds=300))


def test_sets_that_overlap_in_a_database(engine: Engine):
    """N9, S5: neither half a set nor a deadlock, whichever order the models are named in."""
    chain = SqlRouteChain(engine, SystemClock())
    check_sets(chain, race_for_sets(chain, rounds=30))


def test_of_two_that_looked_at_each_other_one_wins(kept_in: Engine | None):
    """N9: each changes what the other only saw; both may not go live."""
    clock = SystemClock()
    chain = MemoryRouteChain(clock) if kept_in is None else SqlRouteChain(kept_in, clock)
    chain.append_all([(draft("a", 1, "a1"), 0), (draft("b", 1, "b1"), 0)])
    start = threading.Barrier(2, timeout=60)

    def run(mine: str) -> int:
        won = 0
        for each in range(20):
            seen = {route.model: route.epoch for route in chain.all_current()}
            start.wait()
            wanted = draft(mine, each, f"{mine} {each} {seen[mine]}")
            try:
                chain.append_all([(wanted, seen[mine])], seen)
                won += 1
            except Conflict as conflict:
                assert conflict.rule == AS_SEEN
            start.wait()
        return won

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, "ab")) == 20


def test_four_processes_over_one_database(engine: Engine, database_url: str):
    """S5: nothing in the memory of a process decides who wins, nor who creates the tables."""
    rivals, rounds = 4, 40
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(rivals, mp_context=context) as pool:
        start = manager.Barrier(rivals, timeout=60)
        futures = [
            pool.submit(race_in_process, database_url, rival, rounds, start)
            for rival in range(rivals)
        ]
        by_rival = [future.result() for future in futures]
    history = SqlRouteChain(engine, SystemClock()).history("fraud")
    assert [route.epoch for route in history] == list(range(1, rounds + 1))
    for route, answers in zip(history, zip(*by_rival, strict=True), strict=True):
        winners = [f"rival {rival}" for rival, answer in enumerate(answers) if answer == "won"]
        assert winners == [route.actor]
        told = [answer for answer in answers if answer != "won"]
        assert all(each.startswith(f"{route.actor} was first: ") for each in told)


def test_many_create_the_tables_at_once(database_url: str):
    """S5: two processes that start at the same time do not trip over each other."""
    engines = [open_engine(database_url) for _ in range(8)]
    race_to_create(engines)
    chain = SqlRouteChain(engines[0], SystemClock())
    assert chain.append(draft("fraud", 1, "f1", "ann", ""), 0).epoch == 1
    for engine in engines:
        engine.dispose()


def race_to_create(engines: list[Engine]) -> None:
    """Open the chain, and so create its tables, from as many threads as there are engines."""
    start = threading.Barrier(len(engines), timeout=60)

    def create(engine: Engine) -> None:
        start.wait()
        SqlRouteChain(engine, SystemClock())

    with ThreadPoolExecutor(len(engines)) as pool:
        list(pool.map(create, engines))
