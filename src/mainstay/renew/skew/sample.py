"""Some decisions of one version, drawn by lot among its newest.

Promises that the same history gives the same decisions, that another salt gives others, and that
what is read of the journal is bounded whatever there is.
"""

from collections.abc import Mapping
from heapq import nsmallest
from typing import Final

from mainstay.base.draws import draw
from mainstay.journal.arrow import ArrowTable
from mainstay.renew.labels.read import Query, logged_now, logged_values

NEWEST: Final = 50_000
"""Decisions are drawn among so many."""


def drawn(
    query: Query, fingerprint: str, since_ms: int, rows: int, salt: str = "skew"
) -> list[str]:
    """The ids of decisions with features, in their order; a fingerprint is hexadecimal."""
    table = query(
        f"SELECT id FROM decisions WHERE {_of(fingerprint, since_ms)} AND NOT features_are_inputs"  # noqa: S608  # because both are hexadecimal
        f" ORDER BY id DESC LIMIT {NEWEST}"
    )
    return sorted(nsmallest(rows, table.column("id").to_pylist(), key=lambda id_: draw(salt, id_)))


def values(
    query: Query, fingerprint: str, ids: list[str], columns: Mapping[str, str]
) -> ArrowTable:
    """What was logged of these decisions, in their order."""
    since_ms = int(ids[0][:12], 16)
    listed = ", ".join(f"'{id_}'" for id_ in ids)
    return query(
        f"SELECT id{logged_values(columns, logged_now(query))} FROM decisions"  # noqa: S608  # because names are quoted and the rest is hexadecimal
        f" WHERE {_of(fingerprint, since_ms)} AND id IN ({listed}) ORDER BY id"
    )


def _of(fingerprint: str, since_ms: int) -> str:
    return f"fingerprint = '{fingerprint}' AND id >= '{since_ms:012x}'"
