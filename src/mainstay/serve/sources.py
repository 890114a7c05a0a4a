"""Where a contract's look-ups go that Mainstay makes itself: a URL, or one SELECT of a database.

Each is called in a thread and waited for with the contract's time-out, so a source may be slow;
it raises `ModelFailed` with words when it fails, and the contract's stand-in is used. Answers are
bounded in size. A library is imported only for a version whose contract needs it.
"""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import quote

import msgspec

from mainstay.base.errors import InvalidContract, ModelFailed
from mainstay.contract.model import FunctionSource, HttpSource, Source, SqlSource
from mainstay.serve.gather import LookupSource
from mainstay.serve.tracing import OUTGOING

_ANSWER_MAX_BYTES = 1024 * 1024
_PATIENCE_SECONDS = 10.0
"""A bound of its own beside the contract's time-out, so that no thread is stuck for ever."""
_CONNECTIONS = 16

_object = msgspec.json.Decoder(dict[str, Any])


class HttpLookup:
    """One GET for each key, on connections that are kept open."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._urllib3 = import_module("urllib3")
        self._pool = self._urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            retries=False,
            timeout=self._urllib3.Timeout(connect=_PATIENCE_SECONDS, read=_PATIENCE_SECONDS),
        )

    def fetch(self, keys: Sequence[Any]) -> Mapping[Any, Mapping[str, Any]]:
        """The object behind each key's URL; a key that answers 404 is not known."""
        return {key: found for key in keys if (found := self._one(key)) is not None}

    def _one(self, key: Any) -> dict[str, Any] | None:
        url = self._template.replace("{key}", quote(str(key), safe=""))
        try:
            parent = OUTGOING.get()
            headers = {"traceparent": parent} if parent else None
            answer = self._pool.request(
                "GET", url, headers=headers, preload_content=False, redirect=False
            )
            body = answer.read(_ANSWER_MAX_BYTES + 1)
            answer.drain_conn()
            answer.release_conn()
        except self._urllib3.exceptions.HTTPError as error:
            raise ModelFailed(f"the look-up's server did not answer: {error}") from error
        if answer.status == 404:
            return None
        if answer.status != 200 or len(body) > _ANSWER_MAX_BYTES:
            raise ModelFailed(
                f"the look-up's server answered {answer.status} with {len(body)} bytes",
                expected=f"200 with one JSON object of at most {_ANSWER_MAX_BYTES} bytes, or 404",
            )
        try:
            return _object.decode(body)
        except msgspec.MsgspecError as error:
            raise ModelFailed(f"the look-up's answer is not a JSON object: {error}") from error


class SqlLookup:
    """One SELECT for each key; the first row's columns are the fields."""

    def __init__(self, statement: str, variable: str) -> None:
        url = os.environ.get(variable)
        if not url:
            raise InvalidContract(
                f"a look-up reads the database that the environment variable {variable} names, "
                "and that variable is not set",
                field="database",
                got=variable,
                expected=f"the server to be started with {variable}=URL",
            )
        self._alchemy = import_module("sqlalchemy")
        try:
            self._engine = self._alchemy.create_engine(url, pool_pre_ping=True, pool_timeout=5)
        except self._alchemy.exc.ArgumentError as error:
            raise InvalidContract(
                f"the environment variable {variable} does not hold the URL of a database",
                field="database",
            ) from error
        self._statement = self._alchemy.text(statement)

    def fetch(self, keys: Sequence[Any]) -> Mapping[Any, Mapping[str, Any]]:
        """The fields of each key that has a row."""
        found: dict[Any, Mapping[str, Any]] = {}
        try:
            with self._engine.connect() as connection:
                for key in keys:
                    row = connection.execute(self._statement, {"key": key}).mappings().first()
                    if row is not None:
                        found[key] = dict(row)
        except self._alchemy.exc.SQLAlchemyError as error:
            raise ModelFailed(f"the look-up's database failed: {error}") from error
        return found


def open_source(source: Source) -> LookupSource:
    """The source that a contract declares, other than a function in the bundle."""
    if isinstance(source, HttpSource):
        return HttpLookup(source.http)
    if isinstance(source, SqlSource):
        return SqlLookup(source.sql, source.database)
    assert isinstance(source, FunctionSource)
    raise InvalidContract("a look-up function comes with its bundle", got=source.function)
