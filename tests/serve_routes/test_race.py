"""Of two simultaneous deployers exactly one wins and the other is told who did (S5, S10)."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from mainstay.base.clock import SystemClock
from mainstay.bundle.database import open_engine
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.sql import SqlRouteChain
from tests.serve_routes.drafts import draft
from tests.serve_routes.rivals import check_rounds, race, race_in_process
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
