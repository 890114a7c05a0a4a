"""Context is looked up with a time-out and a stand-in; a slow or broken source costs no request."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy

from mainstay.base.errors import InvalidContract, ModelFailed
from mainstay.contract.columns import Columns
from mainstay.contract.model import (
    Category,
    Contract,
    FromLookup,
    FunctionSource,
    HttpSource,
    Integer,
    Number,
    NumberOutput,
    SqlSource,
)
from mainstay.serve.gather import Gatherer, LookupSource
from mainstay.serve.sources import open_source

CONTRACT = Contract(
    model="m",
    inputs={"account": Category(values=("a", "b", "c"), others=True), "x": Number()},
    context={
        "known": FromLookup(
            lookup="accounts",
            key="account",
            fields={"age": Integer(min=0), "debt": Number(optional=True)},
            timeout="5s",
            otherwise={"age": 0, "debt": None},
        )
    },
    lookups={"accounts": FunctionSource(function="accounts")},
    output=NumberOutput(),
)


class Source:
    """A source that can be told to wait, to fail, and what it knows."""

    def __init__(self, known: Mapping[Any, Mapping[str, Any]]) -> None:
        self.known = known
        self.asked: list[list[Any]] = []
        self.gate: threading.Event | None = None
        self.fails: Exception | None = None

    def fetch(self, keys: Sequence[Any]) -> Mapping[Any, Mapping[str, Any]]:
        self.asked.append(list(keys))
        if self.gate is not None:
            self.gate.wait(timeout=30)
        if self.fails is not None:
            raise self.fails
        return {key: self.known[key] for key in keys if key in self.known}


def gather(
    source: LookupSource, *accounts: str, timeout: str = "5s"
) -> tuple[Columns, dict[int, str]]:
    """What a gatherer finds for some accounts."""
    known = CONTRACT.context["known"]
    assert isinstance(known, FromLookup)
    lookup = FromLookup(
        lookup="accounts",
        key="account",
        fields=known.fields,
        timeout=timeout,
        otherwise=known.otherwise,
    )
    contract = Contract(
        model="m",
        inputs=CONTRACT.inputs,
        context={"known": lookup},
        lookups=CONTRACT.lookups,
        output=CONTRACT.output,
    )
    names = np.array(accounts, dtype=object)
    inputs: Columns = {"account": names, "x": np.zeros(len(accounts))}
    with ThreadPoolExecutor(2) as executor:
        gatherer = Gatherer(contract, {"accounts": source}, executor)
        assert gatherer.needed
        found = asyncio.run(gatherer.gather(inputs, len(accounts)))
        if isinstance(source, Source) and source.gate is not None:
            source.gate.set()
    return found


def test_each_key_is_asked_for_once_and_each_row_gets_its_own() -> None:
    """S17: rows that share a key share its look-up; fields come as columns of their kinds."""
    source = Source({"a": {"age": 3, "debt": 1.5}, "b": {"age": 7, "debt": None, "more": 1}})
    columns, notes = gather(source, "a", "b", "a")
    assert source.asked == [["a", "b"]]
    assert columns["known.age"].tolist() == [3, 7, 3]
    assert columns["known.debt"].tolist()[::2] == [1.5, 1.5]
    assert np.isnan(columns["known.debt"][1])
    assert notes == {}


def test_an_unknown_key_gets_the_stand_in_and_a_note() -> None:
    """S17: what is not known is stood in for, and the decision will say so."""
    columns, notes = gather(Source({"a": {"age": 3}}), "a", "c")
    assert columns["known.age"].tolist() == [3, 0]
    assert set(notes) == {1}
    assert "does not know" in notes[1]


def test_a_late_source_costs_its_time_out_and_no_more() -> None:
    """S17: the stand-in is used when the source is late."""
    source = Source({"a": {"age": 3}})
    source.gate = threading.Event()
    columns, notes = gather(source, "a", "b", timeout="20ms")
    assert columns["known.age"].tolist() == [0, 0]
    assert "took longer than 20ms" in notes[0]


def test_a_source_that_raises_anything_is_a_note() -> None:
    """S17: user code and networks may raise what they like."""
    source = Source({})
    source.fails = ZeroDivisionError("oh")
    columns, notes = gather(source, "a")
    assert columns["known.age"].tolist() == [0]
    assert "ZeroDivisionError" in notes[0]


@pytest.mark.parametrize("answer", [{"age": -1}, {"age": "three"}, {"age": 2.5}, {}])
def test_an_answer_that_breaks_its_kind_is_not_believed(answer: dict[str, Any]) -> None:
    """S17: what comes back is held to the contract like what is sent; its neighbours are not
    disturbed."""
    columns, notes = gather(Source({"a": answer, "b": {"age": 4}}), "a", "b")
    assert columns["known.age"].tolist() == [0, 4]
    assert set(notes) <= {0}


class _Accounts(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        key = self.path.rsplit("/", 1)[-1]
        bodies = {"a%20b": b'{"age": 5}', "bad": b"[1, 2]", "big": b" " * 2_000_000}
        status = 500 if key == "broken" else 200 if key in bodies else 404
        body = bodies.get(key, b"")
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # because the base class names it so
        """Quietly."""


@contextmanager
def accounts() -> Iterator[str]:
    """A small HTTP service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Accounts)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/accounts/{{key}}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_http_source_asks_once_a_key() -> None:
    """S17: keys are quoted, 404 is not knowing, anything else but one JSON object is a failure."""
    with accounts() as url:
        source = open_source(HttpSource(http=url))
        assert source.fetch(["a b", "nobody"]) == {"a b": {"age": 5}}
        for key, words in (("bad", "not a JSON object"), ("broken", "500"), ("big", "bytes")):
            with pytest.raises(ModelFailed, match=words):
                source.fetch([key])
    with pytest.raises(ModelFailed, match="did not answer"):
        source.fetch(["a b"])


def test_a_sql_source_asks_the_database_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S17: the key is bound, never pasted; no URL of a database stands in a contract."""
    url = f"sqlite:///{tmp_path / 'accounts.db'}"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table accounts (id text, age integer)"))
        connection.execute(sqlalchemy.text("insert into accounts values ('a', 9)"))
    engine.dispose()
    declared = SqlSource(sql="select age from accounts where id = :key", database="ACCOUNTS")
    with pytest.raises(InvalidContract, match="ACCOUNTS"):
        open_source(declared)
    monkeypatch.setenv("ACCOUNTS", url)
    source = open_source(declared)
    assert source.fetch(["a", "b", "' or '1'='1"]) == {"a": {"age": 9}}
    broken = open_source(SqlSource(sql="select nothing from nowhere", database="ACCOUNTS"))
    with pytest.raises(ModelFailed, match="database failed"):
        broken.fetch(["a"])
