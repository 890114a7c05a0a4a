"""What bad data reached, asked of the journal: decisions, who got them, what became of them.

Promises bounded memory: figures are aggregated where the data is, and the ids of decisions come in
pages of a stretch of time each. Limits: only what went through the journal is known; whoever copied
an answer elsewhere without telling is not. What is sampled out of the journal is not counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from mainstay.base.errors import MainstayError
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import rfc3339
from mainstay.release.gate.habits import Query
from mainstay.release.recall.model import Blast, Fed, Made, Taint
from mainstay.serve.undoing import DELIVERY

CALLERS_SHOWN: Final = 20
PAGE_ROWS: Final = 50_000
"""So many ids are in memory at once; more where more than these were made in one second."""


def blast(query: Query, suspects: Sequence[Taint], fed: Sequence[Fed]) -> Blast:
    """What these versions decided, and what became of it; a journal that cannot be asked is named
    and holds nothing up."""
    if not suspects:
        return Blast(fed=tuple(fed))
    try:
        return _blast(query, suspects, fed)
    except MainstayError as error:
        return Blast(fed=tuple(fed), unknown=f"the journal does not say: {error.message}")


def _blast(query: Query, suspects: Sequence[Taint], fed: Sequence[Fed]) -> Blast:
    rows = _rows(query, _MADE.format(bad=bad(suspects)))
    by_version = {(row["fingerprint"], row["unseen"]): row for row in rows if row["whole"]}
    made = tuple(_made(each, by_version) for each in suspects)
    if not by_version:
        return Blast(made=made, fed=tuple(fed))
    callers = [(row["caller"], row["n"]) for row in rows if not (row["whole"] or row["unseen"])]
    callers.sort(key=lambda each: (-each[1], each[0]))
    became = _rows(query, _BECAME.format(bad=bad(suspects), delivery=DELIVERY))[0]
    first = min(each.first for each in made if each.first)
    return Blast(
        made=made,
        callers=tuple(callers[:CALLERS_SHOWN]),
        callers_in_all=len(callers),
        outcomes=became["outcomes"],
        undone=became["undone"],
        told=became["told"],
        fed=_counted(query, fed, first),
    )


# By version and by caller at once, because each look at a long history costs as much.
_MADE: Final = """
SELECT fingerprint, caller, arm = 'shadow' AS unseen, grouping(caller) = 1 AS whole,
    count(*) AS n, epoch_us(min(time)) AS first, epoch_us(max(time)) AS last
FROM decisions WHERE {bad} GROUP BY GROUPING SETS ((fingerprint, unseen), (caller, unseen))"""
_FED: Final = """
SELECT model, count(*) AS n FROM decisions
WHERE model IN ({names}) AND time >= {first}::TIMESTAMPTZ AND arm <> 'shadow' GROUP BY model"""
_LISTING: Final = "SELECT id FROM decisions WHERE {bad}"
_PAGE: Final = """
SELECT id, epoch_us(time) AS time, version, caller, status, arm FROM decisions
WHERE {bad} AND {within} ORDER BY time, id"""
_COUNTS: Final = """
SELECT date_trunc('{unit}', time AT TIME ZONE 'UTC') AS slot, count(*) AS n FROM decisions
WHERE {bad} AND {where} GROUP BY slot ORDER BY slot"""
_BECAME: Final = """
WITH said AS (
    SELECT subject,
        bool_or(kind = 'outcome' AND json_extract(body, '$.undo') IS NOT NULL) AS undone,
        bool_or(kind = 'outcome' AND json_extract(body, '$.undo') IS NULL
            AND json_extract(body, '$.report') IS NULL) AS outcome,
        bool_or(kind = 'action' AND json_extract_string(body, '$.{delivery}') = 'told') AS told
    FROM events WHERE kind IN ('outcome', 'action') GROUP BY subject)
SELECT count(*) FILTER (WHERE outcome) AS outcomes, count(*) FILTER (WHERE undone) AS undone,
    count(*) FILTER (WHERE told) AS told
FROM said SEMI JOIN (SELECT id FROM decisions WHERE {bad}) made ON said.subject = made.id"""


def _made(taint: Taint, by_version: Mapping[tuple[str, bool], Mapping[str, Any]]) -> Made:
    shown, unseen = (by_version.get((taint.fingerprint, each)) for each in (False, True))
    there = [row for row in (shown, unseen) if row is not None]
    return Made(
        number=taint.number,
        fingerprint=taint.fingerprint,
        judged=taint.judged,
        decisions=0 if shown is None else shown["n"],
        unseen=0 if unseen is None else unseen["n"],
        first=rfc3339(min(row["first"] for row in there)) if there else "",
        last=rfc3339(max(row["last"] for row in there)) if there else "",
    )


def _counted(query: Query, fed: Sequence[Fed], first: str) -> tuple[Fed, ...]:
    """What the models that are fed decided since a bad version answered first."""
    if not fed:
        return ()
    names = ", ".join(quoted(each.model) for each in fed)
    rows = _rows(
        query,
        _FED.format(names=names, first=quoted(first)),
    )
    counts = {row["model"]: row["n"] for row in rows}
    return tuple(
        Fed(model=e.model, live=e.live, suspects=e.suspects, decisions=counts.get(e.model, 0))
        for e in fed
    )


def bad(suspects: Sequence[Taint]) -> str:
    """The condition, in SQL, that a decision was made by one of these versions."""
    models = sorted({each.model for each in suspects})
    prints = sorted({each.fingerprint for each in suspects})
    return (
        f"model IN ({', '.join(map(quoted, models))}) "
        f"AND fingerprint IN ({', '.join(map(quoted, prints))})"
    )


def listing(suspects: Sequence[Taint]) -> str:
    """A question to the journal that lists the ids of these versions' decisions."""
    return _LISTING.format(bad=bad(suspects))


def decisions(
    query: Query, suspects: Sequence[Taint], page_rows: int = PAGE_ROWS
) -> Iterator[list[dict[str, Any]]]:
    """The ids of the decisions of these versions with what was told, page by page, by time."""
    if not suspects:
        return
    for begin, end in _stretches(query, suspects, page_rows):
        rows = _rows(
            query,
            _PAGE.format(bad=bad(suspects), within=_within(begin, end)),
        )
        for row in rows:
            row["time"] = rfc3339(row["time"])
        yield rows


def _stretches(
    query: Query, suspects: Sequence[Taint], page_rows: int
) -> Iterator[tuple[datetime, datetime]]:
    """Stretches of time, one after the other, that hold a page of decisions each."""
    hours = _counts(query, suspects, "hour", "true")
    for begin, end, count in _joined(hours, timedelta(hours=1), page_rows):
        if count <= page_rows:
            yield begin, end
            continue
        seconds = _counts(query, suspects, "second", _within(begin, end))
        for first, last, _ in _joined(seconds, timedelta(seconds=1), page_rows):
            yield first, last


def _counts(
    query: Query, suspects: Sequence[Taint], unit: str, where: str
) -> list[tuple[datetime, int]]:
    rows = _rows(
        query,
        _COUNTS.format(unit=unit, bad=bad(suspects), where=where),
    )
    return [(row["slot"], row["n"]) for row in rows]


def _joined(
    counts: Sequence[tuple[datetime, int]], length: timedelta, page_rows: int
) -> Iterator[tuple[datetime, datetime, int]]:
    """Neighbours taken together as long as they fit one page."""
    open_: tuple[datetime, datetime, int] | None = None
    for at, count in counts:
        if open_ is not None and open_[2] + count > page_rows:
            yield open_
            open_ = None
        begin, _, so_far = open_ or (at, at, 0)
        open_ = (begin, at + length, so_far + count)
    if open_ is not None:
        yield open_


def _within(begin: datetime, end: datetime) -> str:
    first, last = (quoted(each.isoformat() + "+00:00") for each in (begin, end))
    return f"time >= {first}::TIMESTAMPTZ AND time < {last}::TIMESTAMPTZ"


def _rows(query: Query, sql: str) -> list[dict[str, Any]]:
    table: Any = query(sql)
    return table.to_pylist()
