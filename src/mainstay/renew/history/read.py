"""A history as one asks the journal: decisions, and what was said of them.

Promises that its decisions and labels obey whatever holds for those of the journal, because the
same questions are asked of both; that rows of one id and moment are one decision, with the values
of the row whose label was heard first; and that a history in which one id stands at several
moments, or without any row, is refused.

An id becomes the millisecond of its decision and the id that the history gives it, as ids of the
journal begin with theirs. Moments are held to the microsecond.
"""

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.contract.renewing import History
from mainstay.journal.quoting import named, quoted
from mainstay.journal.reader import connected, lock, parquet
from mainstay.renew.history import database
from mainstay.renew.history import parquet as files
from mainstay.renew.history.model import Origin, Role, roles_of
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition
from mainstay.renew.labels.read import WEIGHT_MAX, Query

_SHOWN: Final = 3


def names_in(history: History, origin: Origin) -> list[str]:
    """The columns of a history."""
    if history.parquet:
        return files.names_in(files.files_of(history, origin))
    return database.names_in(history, origin)


@contextmanager
def asked(query: Query, origin: Origin, definition: Definition) -> Generator[Query]:
    """What is asked for the rows of a definition: the journal, by `query`, or its history."""
    if definition.history is None:
        yield query
        return
    roles = roles_of(definition)
    with tempfile.TemporaryDirectory(prefix="mainstay-history-") as folder:
        if definition.history.parquet:
            found = files.files_of(definition.history, origin)
            files.check(found, roles)
        else:
            found = [Path(folder) / "rows.parquet"]
            database.copy(definition.history, origin, roles, found[0])
            roles = [Role(each.name, each.name, each.kind, each.setting) for each in roles]
        with connected() as connection:
            _set_up(connection, definition, roles, [str(path) for path in found])
            yield lambda sql: _answer(connection, sql)


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    result: Any = _run(connection, sql)
    return result.to_arrow_table()


def _run(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    try:
        return connection.sql(sql)
    except duckdb.Error as error:
        raise StorageFailed(f"the history cannot be read: {error}", rule="storage") from error


def _set_up(
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    roles: Sequence[Role],
    paths: Sequence[str],
) -> None:
    """The views that questions are asked of; then the doors are shut."""
    there = {role.name: role for role in roles}
    history = definition.history
    assert history is not None
    _run(connection, "SET TimeZone = 'UTC'")
    rows = _rows(history, there, definition)
    _run(connection, f"CREATE VIEW rows AS {rows} FROM {parquet(paths)}")
    lock(connection, paths)
    values = "".join(f", {named(name)}" for name in definition.columns)
    once = (
        " QUALIFY row_number() OVER (PARTITION BY made_us, own_id ORDER BY known_us NULLS LAST,"
        f" arm, propensity{values}) = 1"
    )
    if _check_ids(connection):
        once = ""
    _run(
        connection,
        f"CREATE VIEW decisions AS SELECT {_ID} AS id, make_timestamp(made_us) AS time, made_us,"  # noqa: S608  # because names are quoted
        f" {quoted(definition.model)} AS model, arm, 'answered' AS status, 0 AS version,"
        f" '' AS fingerprint, true AS features_are_inputs, propensity{values}"
        f" FROM rows WHERE made_us IS NOT NULL{once}",
    )
    _run(connection, f"CREATE VIEW labels AS {_LABELS}")


_ID: Final = "format('{:012x}', made_us // 1000) || '-' || own_id"
_WEIGHED: Final = f"own >= 0 AND own <= {WEIGHT_MAX} AND propensity > 0 AND propensity <= 1"
_LABELS: Final = f"""
SELECT concat_ws('|', actor, label, own) AS id, {_ID} AS subject,
made_us, made_us // 1000 AS made_ms, known_us * 1000 AS known_ns, actor, label, own, CASE
WHEN known_us IS NULL THEN {quoted(words.UNHEARD)}
WHEN NOT ({_WEIGHED}) THEN {quoted(words.UNWEIGHED)} END AS wrong
FROM rows WHERE made_us IS NOT NULL AND label IS NOT NULL"""  # noqa: S608  # because nothing of it is a caller's


def _rows(history: History, roles: Mapping[str, Role], definition: Definition) -> str:
    """The columns of a history as snapshots call them, each row as it is."""
    own_id = f"CAST({named(roles['id'].column)} AS VARCHAR)"
    made = f"epoch_us({_moment(roles['time'])})"
    number = {
        name: f"TRY_CAST({named(roles[name].column)} AS DOUBLE)" if name in roles else "NULL"
        for name in ("weight", "propensity")
    }
    actor = f"CAST({named(roles['caller'].column)} AS VARCHAR)" if "caller" in roles else "NULL"
    arm = "'live'"
    if "held_out" in roles:
        arm = f"CASE WHEN {named(roles['held_out'].column)} THEN 'held_out' ELSE 'live' END"
    values = "".join(
        f", {_moment(roles[name]) if roles[name].kind == 'moment' else named(roles[name].column)}"
        f" AS {named(name)}"
        for name in definition.columns
    )
    return (
        f"SELECT {own_id} AS own_id,"
        f" CASE WHEN {made} >= 0 AND {own_id} IS NOT NULL THEN {made} END AS made_us,"
        f" epoch_us({_moment(roles['known'])}) AS known_us,"
        f" {_label(history, roles['label'])} AS label,"
        f" coalesce({number['weight']}, 1.0)::DOUBLE AS own, coalesce({actor}, '') AS actor,"
        f" {arm} AS arm,"
        f" coalesce({number['propensity']}, 1.0)::DOUBLE AS propensity{values}"
    )


def _label(history: History, role: Role) -> str:
    column = named(role.column)
    if role.kind == "number":
        return f"TRY_CAST({column} AS DOUBLE)"
    if role.kind == "text":
        return f"CAST({column} AS VARCHAR)"
    # Whole numbers are often kept as others, where some are missing.
    said = f"regexp_replace(CAST({column} AS VARCHAR), '[.]0+$', '')"
    cases = " ".join(
        f"WHEN {quoted(value)} THEN {quoted(answer)}" for value, answer in history.means.items()
    )
    return f"CASE {said} {cases} ELSE {said} END"


def _moment(role: Role) -> str:
    return f"TRY_CAST({named(role.column)} AS TIMESTAMPTZ)"


def _check_ids(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether every id stands there once; an id at several moments is refused."""
    ((rows, placed, ids, places),) = _run(
        connection,
        "SELECT count(*), count(made_us),"
        " count(DISTINCT hash(own_id)) FILTER (made_us IS NOT NULL),"
        " count(DISTINCT hash(own_id, made_us)) FILTER (made_us IS NOT NULL) FROM rows",
    ).fetchall()
    if not rows:
        raise InvalidUsage(
            "the history is empty: it has no row",
            field="renew.history",
            expected="decisions and their labels",
        )
    if places > ids:
        several = _run(
            connection,
            "SELECT own_id FROM rows WHERE made_us IS NOT NULL GROUP BY own_id"  # noqa: S608  # because it has a number only
            f" HAVING count(DISTINCT made_us) > 1 ORDER BY own_id LIMIT {_SHOWN}",
        ).fetchall()
        raise InvalidUsage(
            f"{places - ids:,} ids of the history stand at several moments, so nobody knows when"
            " these decisions were made",
            field="renew.history.time",
            got=", ".join(id_ for (id_,) in several),
            expected="the same moment in all rows of one id; when each label was heard is `known`",
        )
    return placed == ids
