"""What every test may ask for: a clock that is set by hand, and databases that are real."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mainstay.base.clock import ManualClock
from mainstay.bundle.database import open_engine
from tests.servers.environments import environment
from tests.servers.mainstay import running_server
from tests.servers.objects import ObjectServer
from tests.servers.postgres import PostgresServer, binaries

__all__ = ["running_server"]

# No example fails for how long it took: that says how busy the machine was. In CI the examples are
# the same each time, as the library has it.
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

TOGETHER = {"tests/story": "load", "tests/fuzz": "server", "tests/clients": "server"}
"""Folders whose tests run one after the other in one process: they load the machine, or share one
running server. (`xdist_group` is without effect since pytest 9.2.)"""


class Together(LoadScopeScheduling):
    """Tests of one of these groups go to one process, every other test to any."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get("/".join(nodeid.split("/")[:2]), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors: a test that waits for its server leaves them idle."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together | None:
    """Where tests run in several processes, keep groups together."""
    return Together(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when told to."""
    return ManualClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server for this session; needed in CI, optional elsewhere."""
    programs = binaries()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL is installed here, and CI must not do without")
        pytest.skip("no PostgreSQL is installed here")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectServer]:
    """A real server that speaks S3, for this session; needed in CI, optional elsewhere."""
    server = ObjectServer(environment("objects"))
    yield server
    server.stop()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/workspace.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, once for each kind that Mainstay keeps its metadata in."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An open, empty database, once for each kind."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kept_in(request: pytest.FixtureRequest) -> Iterator[Engine | None]:
    """Where a conformance suite keeps its things: in memory (None) or in an empty database."""
    if request.param == "memory":
        yield None
        return
    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
    else:
        url = request.getfixturevalue("postgres").new_database()
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns so often that one is interrupted in the middle of anything."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Tell a figure: it is shown at the end of the run, and never compared with a limit."""
    return lambda name, value: record_property(f"measured: {name}", value)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests measured."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name.startswith("measured: "):
                where = report.nodeid.rpartition("/")[2].partition("::")[0]
                terminalreporter.write_line(f"{where}: {name.removeprefix('measured: ')} = {value}")
