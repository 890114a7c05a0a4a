"""Context is looked up with a time-out and a stand-in; a slow or broken source costs no request."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy

from mainstay.base.clock import ManualClock
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
from mainstay.judge.breaker import FAILURES_MAX
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
            self.gate.wait(timeout=120)
        if self.fails is not None:
            raise self.fails
        return {key: self.known[key] for key in keys if key in self.known}


class Told:
    """What a gatherer wants counted, and shown as it is."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.levels: dict[tuple[str, ...], float] = {}

    def __call__(self, counts: Mapping[tuple[str, ...], int], levels: Any) -> None:
        self.counts.update(counts)
        self.levels |= levels


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
        gatherer = Gatherer(contract, {"accounts": source}, executor, ManualClock(), Told())
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


ALONE = "look-up accounts failed or was slow again and again, and is left alone"


def one_after_the_other(
    source: Source, steps: Callable[[Callable[..., Any], ManualClock, Told], Any], timeout="5s"
) -> None:
    """Let a test ask one gatherer again and again: `await ask("a", "b")`."""
    known = msgspec.structs.replace(CONTRACT.context["known"], timeout=timeout)
    contract = msgspec.structs.replace(CONTRACT, context={"known": known})
    clock, told = ManualClock(), Told()
    with ThreadPoolExecutor(2) as executor:
        gatherer = Gatherer(contract, {"accounts": source}, executor, clock, told)

        async def ask(*accounts: str) -> tuple[Columns, dict[int, str]]:
            names = np.array(accounts, dtype=object)
            return await gatherer.gather({"account": names, "x": np.zeros(len(names))}, len(names))

        try:
            asyncio.run(steps(ask, clock, told))
        finally:
            if source.gate is not None:
                source.gate.set()


@pytest.mark.parametrize("trouble", ["failed", "slow"])
def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while(trouble: str) -> None:
    """S17 S30: nobody waits for it any more, the stand-in is there at once, and the decision says
    why; after the pause one request tries it, and when it answers all of them ask again."""
    source = Source({"a": {"age": 3}})
    if trouble == "failed":
        source.fails = ConnectionError("gone")
    else:
        source.gate = threading.Event()

    async def steps(ask: Any, clock: ManualClock, told: Told) -> None:
        for _ in range(FAILURES_MAX):
            assert ALONE not in (await ask("a"))[1][0]
        assert told.levels == {("lookup_breaker_open", "accounts"): 1.0}
        asked = len(source.asked)
        for _ in range(5):
            columns, notes = await ask("a", "b")
            assert columns["known.age"].tolist() == [0, 0]
            assert notes == {0: ALONE, 1: ALONE}
        assert len(source.asked) == asked
        clock.advance(1)
        assert ALONE not in (await ask("a"))[1][0], "one tries it"
        assert (await ask("a"))[1] == {0: ALONE}, "the try failed"
        clock.advance(1.5)
        assert (await ask("a"))[1] == {0: ALONE}, "the pause has doubled"
        assert told.counts["lookup_troubles", "accounts", trouble] == FAILURES_MAX + 1
        assert told.counts["lookup_troubles", "accounts", "paused"] == 7
        if trouble == "slow":  # how fast this machine is when it answers again is not ours to say
            return
        clock.advance(0.5)
        source.fails = None
        for _ in range(3):
            columns, notes = await ask("a")
            assert (columns["known.age"].tolist(), notes) == ([3], {})
        assert told.levels == {("lookup_breaker_open", "accounts"): 0.0}

    one_after_the_other(source, steps, timeout="5s" if trouble == "failed" else "20ms")


def test_one_request_of_many_tries_a_source_that_was_left_alone() -> None:
    """S17 S30: a source that is barely back is not met by all who waited for it."""
    source = Source({"a": {"age": 3}})
    source.fails = ConnectionError("gone")

    async def steps(ask: Any, clock: ManualClock, told: Told) -> None:
        for _ in range(FAILURES_MAX):
            await ask("a")
        source.fails = None
        clock.advance(1)
        found = await asyncio.gather(*(ask("a") for _ in range(20)))
        assert [notes for _, notes in found].count({}) == 1
        assert [notes for _, notes in found].count({0: ALONE}) == 19
        assert len(source.asked) == FAILURES_MAX + 1

    one_after_the_other(source, steps)


def test_a_key_that_is_not_known_is_no_trouble() -> None:
    """S17: a source that answers is asked, whatever it does not know or has wrong."""
    source = Source({"b": {"age": -5}})

    async def steps(ask: Any, clock: ManualClock, told: Told) -> None:
        for _ in range(2 * FAILURES_MAX):
            await ask("a", "b")
        assert len(source.asked) == 2 * FAILURES_MAX
        assert not told.counts
        assert not told.levels

    one_after_the_other(source, steps)


@pytest.mark.parametrize("answer", [None, [1], "a", {"a": 3}, {"a": "three"}])
def test_an_answer_that_is_none_is_a_failure_and_never_an_error(answer: Any) -> None:
    """S17: functions of users answer anything."""

    class Odd:
        def fetch(self, keys: Sequence[Any]) -> Any:
            return answer

    columns, notes = gather(Odd(), "a")
    assert columns["known.age"].tolist() == [0]
    assert "look-up accounts failed: it answered a" in notes[0]


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
