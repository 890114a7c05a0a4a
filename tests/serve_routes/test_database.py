"""The database under the chain: how it is opened, what its faults are called, what it never says.

The chain of routes stands in for every table here, as all of them go through the same file.
"""

import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from mainstay.base.clock import ManualClock, SystemClock
from mainstay.base.errors import InvalidUsage, MainstayError, StorageFailed
from mainstay.bundle.database import open_engine, place_of
from mainstay.serve.routes.model import Arm
from mainstay.serve.routes.sql import SqlRouteChain
from tests.serve_routes.drafts import draft
from tests.servers.postgres import PostgresServer


def test_a_dead_server_is_a_storage_failure_and_the_chain_goes_on_after(
    postgres: PostgresServer, clock: ManualClock
):
    """S5: a deployer lives through the death of the database, and what it was told is true."""
    engine = open_engine(postgres.new_database())
    chain = SqlRouteChain(engine, clock)
    kept = [chain.append(draft("fraud", epoch + 1, "f", "ann", ""), epoch) for epoch in range(5)]
    postgres.kill()
    try:
        for call in (
            lambda: chain.append(draft("fraud", 6, "f", "ann", ""), 5),
            lambda: chain.current("fraud"),
            lambda: chain.history("fraud"),
            chain.all_current,
        ):
            with pytest.raises(StorageFailed) as failed:
                call()
            assert f"127.0.0.1:{postgres.port}" in failed.value.message
            shown = "".join(traceback.format_exception(failed.value))
            assert postgres.password not in shown
    finally:
        postgres.start()
    assert list(chain.history("fraud")) == kept
    assert chain.append(draft("fraud", 6, "f", "ann", ""), 5).epoch == 6
    engine.dispose()


def test_a_server_that_dies_under_a_running_deployer_loses_nothing(postgres: PostgresServer):
    """S5: killed at an unknown moment; every append that was answered is there, in order, and one
    that was not answered is there once or not at all."""
    url = postgres.new_database()
    engine = open_engine(url)
    chain = SqlRouteChain(engine, SystemClock())
    with subprocess.Popen(
        [sys.executable, "-c", _DEPLOYER, url], stdout=subprocess.PIPE, text=True
    ) as deployer:
        assert deployer.stdout is not None
        answered = [int(deployer.stdout.readline()) for _ in range(20)]
        postgres.kill()
        try:
            *more, end = deployer.stdout.read().splitlines()
        finally:
            postgres.start()
    assert end == "StorageFailed"
    answered += [int(each) for each in more]
    assert answered == list(range(1, len(answered) + 1))
    epochs = [route.epoch for route in chain.history("fraud")]
    assert epochs in (answered, [*answered, len(answered) + 1])
    assert chain.append(draft("fraud", 1, "f", "ann", ""), epochs[-1]).epoch == epochs[-1] + 1
    engine.dispose()


_DEPLOYER = """
import itertools, sys
from mainstay.base.clock import SystemClock
from mainstay.base.errors import StorageFailed
from mainstay.bundle.database import open_engine
from mainstay.serve.routes.model import Draft
from mainstay.serve.routes.sql import SqlRouteChain

chain = SqlRouteChain(open_engine(sys.argv[1]), SystemClock())
try:
    for epoch in itertools.count():
        draft = Draft(model="fraud", number=1, fingerprint="f", actor="ann", reason="")
        print(chain.append(draft, epoch).epoch, flush=True)
except StorageFailed as failed:
    print(type(failed).__name__)
"""


def test_no_error_shows_a_password(postgres: PostgresServer):
    """S1: neither in the message, nor in the fields, nor in the traceback."""
    secret = "s3cret/word@home"  # what somebody may well choose
    port = postgres.port
    urls = [
        f"postgresql://mainstay:s3cret%2Fword%40home@127.0.0.1:{port}/postgres",
        f"postgresql://mainstay:s3cret%2Fword%40home@127.0.0.1:{port}/postgres?port=s3cret",
        f"postgresql://mainstay:{secret}@127.0.0.1:{port}/postgres",
        f"postgresql://mainstay@127.0.0.1:{port}/postgres?password=s3cret",
        f"postgresql://mainstay@127.0.0.1:{port}/postgres?password=s3cret-word&sslmode=s3cret-word",
        f"postgresql://mainstay:s3cret@127.0.0.1:{port}",
        "postgresql://mainstay:s3cret@127.0.0.1:port/postgres",
        "mysql://mainstay:s3cret@127.0.0.1/postgres",
        "s3cret",
    ]
    for url in urls:
        with pytest.raises(MainstayError) as failed:
            open_engine(url)
        shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value.as_dict())
        assert "s3cret" not in shown, shown
        assert "word@home" not in shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "not the URL of a database"),
        ("fraud.db", "not the URL of a database"),
        ("mysql://host/database", "the kind 'mysql'"),
        ("sqlite+aiosqlite:///x.db", "the kind 'sqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///workspace.db?mode=memory", "no settings"),
        ("postgresql://host", "cannot be taken apart"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_one_that_can(url: str, says: str):
    with pytest.raises(InvalidUsage, match=says) as refused:
        open_engine(url)
    assert "sqlite:///" in str(refused.value.expected)


def test_what_is_no_database_is_a_storage_failure_that_names_the_file(tmp_path: Path):
    """The user's side: which file, and what is wrong with it."""
    other = tmp_path / "notes.txt"
    other.write_text("milk, bread\n" * 100)
    for path in (other, tmp_path, tmp_path / "missing" / "workspace.db"):
        with pytest.raises(StorageFailed) as failed:
            open_engine(f"sqlite:///{path}")
        assert str(path) in failed.value.message
    assert other.read_text() == "milk, bread\n" * 100


def test_a_newer_schema_is_refused_in_words(engine: Engine, clock: ManualClock):
    """An older Mainstay must not write into what a newer one changed."""
    SqlRouteChain(engine, clock)
    with engine.begin() as connection:
        connection.execute(text("UPDATE mainstay_schema SET number = 3 WHERE part = 'routes'"))
    with pytest.raises(StorageFailed, match=r"the routes in .* by a newer Mainstay") as refused:
        SqlRouteChain(engine, clock)
    assert (refused.value.rule, refused.value.got) == ("schema", 3)
    assert refused.value.expected == "schema 2; update this Mainstay"
    with engine.begin() as connection:
        connection.execute(text("UPDATE mainstay_schema SET number = 0"))
    with pytest.raises(StorageFailed, match="an older Mainstay"):
        SqlRouteChain(engine, clock)


def test_a_chain_of_the_first_schema_is_brought_forward_whole(engine: Engine, clock: ManualClock):
    """S10: routes from before there were arms stay, and take arms from now on."""
    with engine.begin() as connection:
        for statement in _FIRST_SCHEMA:
            connection.execute(text(statement))
    for _ in range(2):  # the second opening finds nothing to do
        chain = SqlRouteChain(engine, clock)
        (old,) = chain.history("fraud")
        assert (old.number, old.actor, old.time_ns, old.arms) == (3, "ann", 7, ())
    arm = Arm(role="share", number=2, fingerprint="f2", share=0.5)
    chain.append(draft("fraud", 3, "f3", arms=(arm,), salt="s"), 1)
    assert [route.arms for route in SqlRouteChain(engine, clock).history("fraud")] == [(), (arm,)]
    with engine.connect() as connection:
        numbers = connection.execute(text("SELECT part, number FROM mainstay_schema")).all()
    assert [tuple(each) for each in numbers] == [("routes", 2)]


_FIRST_SCHEMA = (
    "CREATE TABLE mainstay_schema (part VARCHAR(64) PRIMARY KEY, number INTEGER NOT NULL)",
    """CREATE TABLE mainstay_routes (model VARCHAR NOT NULL, epoch INTEGER NOT NULL,
    number INTEGER NOT NULL, fingerprint VARCHAR NOT NULL, actor TEXT NOT NULL,
    reason TEXT NOT NULL, time_ns BIGINT NOT NULL, PRIMARY KEY (model, epoch))""",
    "INSERT INTO mainstay_schema VALUES ('routes', 1)",
    "INSERT INTO mainstay_routes VALUES ('fraud', 1, 3, 'f3', 'ann', 'first', 7)",
)


def test_a_database_that_is_held_by_another_is_a_storage_failure(
    sqlite_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    """S5: waiting has an end, and readers are not kept waiting by who only prepares to write."""
    monkeypatch.setattr("mainstay.bundle.database._WAIT_SECONDS", 0)
    engine = open_engine(sqlite_url)
    chain = SqlRouteChain(engine, clock)
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="database is locked"):
        chain.append(draft("fraud", 1, "f1", "ann", ""), 0)
    assert chain.current("fraud") is None
    holder.execute("ROLLBACK")
    holder.close()
    assert chain.append(draft("fraud", 1, "f1", "ann", ""), 0).epoch == 1
    engine.dispose()


def test_sqlite_keeps_the_journal_that_its_fault_does_not_touch(sqlite_url: str):
    """S5: never a write-ahead log, whoever opened the file before; and every commit is synced."""
    path = sqlite_url.removeprefix("sqlite:///")
    before = sqlite3.connect(path)
    before.execute("PRAGMA journal_mode=WAL")
    before.execute("CREATE TABLE other (x)")
    before.close()
    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3
    engine.dispose()


def test_a_place_is_named_without_its_secrets(postgres: PostgresServer, sqlite_url: str):
    engine = open_engine(postgres.new_database() + "?connect_timeout=7")
    assert place_of(engine).startswith("the PostgreSQL database workspace_")
    assert place_of(engine).endswith(f" at 127.0.0.1:{postgres.port}")
    engine.dispose()
    lite = open_engine(sqlite_url)
    assert place_of(lite) == f"the SQLite file {sqlite_url.removeprefix('sqlite:///')}"
    lite.dispose()
