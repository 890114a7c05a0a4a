"""What was heard of a model's decisions, by whom, as it was known at a moment (L2 M16)."""

from collections.abc import Callable
from typing import Any

import msgspec

from mainstay.journal.quoting import quoted

Query = Callable[[str], Any]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller said."""

    caller: str
    kind: str
    """`label`, `reaction`, `report` or `undo`."""
    count: int
    decisions: int
    """Of how many decisions."""
    first_ns: int
    last_ns: int
    """When the first and the last of it was heard."""
    delay_s: tuple[float, float]
    """After how many seconds half of it was heard, and nine tenths."""
    said: dict[str, int]
    """What was said how often, the commonest first; nothing of numbers."""


class OfKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller told of keys."""

    caller: str
    count: int
    joined: int
    """Of these a decision was found."""
    unknown: int
    """Of these nobody made a decision, as far as was known in time."""
    waiting: int
    """The others: their decision is looked for."""


def of_keys(query: Query, model: str, since_ns: int, known_ns: int) -> list[OfKeys]:
    """By caller; `since_ns` is of when it was told."""
    mine = f"model = {quoted(model)} AND known_ns <= {known_ns}"
    rows = query(
        "WITH became AS (SELECT json_extract_string(body, '$.keyed.event') AS event,"  # noqa: S608  # because what is put in is quoted or a number
        " json_extract_string(body, '$.keyed.found') AS found FROM events WHERE kind = 'outcome'"
        f""" AND {mine} AND body LIKE '%"keyed":%')"""
        " SELECT actor, count(*) AS count, count(*) FILTER (found = 'true') AS joined,"
        " count(*) FILTER (found = 'false') AS unknown FROM"
        f" (SELECT id, actor FROM events WHERE kind = 'keyed' AND {mine}"
        f" AND known_ns >= {since_ns}) LEFT JOIN became ON became.event = id"
        " GROUP BY actor ORDER BY actor"
    )
    return [
        OfKeys(
            caller=row["actor"],
            count=row["count"],
            joined=row["joined"],
            unknown=row["unknown"],
            waiting=row["count"] - row["joined"] - row["unknown"],
        )
        for row in rows.to_pylist()
    ]


def heard_of(query: Query, model: str, since_ns: int, known_ns: int) -> list[Heard]:
    """By caller and kind; `since_ns` is of when it was heard."""
    kinds = "CASE WHEN body LIKE '%\"label\":%' THEN 'label' WHEN body LIKE '%\"reaction\":%'"
    kinds += " THEN 'reaction' WHEN body LIKE '%\"undo\":%' THEN 'undo' ELSE 'report' END"
    word = "coalesce(json_extract_string(body, '$.label'), json_extract_string(body, '$.reaction'))"
    number = "json_type(body, '$.label') IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
    base = (
        f"SELECT actor, {kinds} AS what, subject, known_ns, CASE WHEN {number} THEN NULL"  # noqa: S608  # because what is put in is quoted or a number
        f" ELSE {word} END AS word, known_ns / 1e9 - ('0x' || subject[1:12])::BIGINT / 1e3 AS delay"
        f" FROM events WHERE kind = 'outcome' AND model = {quoted(model)}"
        f" AND known_ns <= {known_ns} AND known_ns >= {since_ns}"
    )
    rows = query(
        f"SELECT actor, what, count(*) AS count, count(DISTINCT subject) AS decisions,"  # noqa: S608  # because what is put in is quoted or a number
        " min(known_ns) AS first, max(known_ns) AS last, quantile_cont(delay, 0.5) AS half,"
        f" quantile_cont(delay, 0.9) AS most, histogram(word) AS said FROM ({base})"
        " GROUP BY actor, what ORDER BY actor, what"
    )
    return [
        Heard(
            caller=row["actor"],
            kind=row["what"],
            count=row["count"],
            decisions=row["decisions"],
            first_ns=row["first"],
            last_ns=row["last"],
            delay_s=(row["half"], row["most"]),
            said=dict(sorted(dict(row["said"] or {}).items(), key=lambda each: -each[1])[:20]),
        )
        for row in rows.to_pylist()
    ]
