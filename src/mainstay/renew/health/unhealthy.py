"""Which decisions nothing may learn from, because of labels that did not come as they should.

By the findings that the journal knew at a moment: what was found later, or ended later, changes
nothing. Silence and a changed meaning leave decisions out whatever was heard of them, because what
is heard beside them is one-sided. Labels that come late, or in smaller numbers, are labels; only
silence says nothing then. Somebody may say that labels were all right after all.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from mainstay.journal.quoting import quoted
from mainstay.journal.rows import rfc3339
from mainstay.renew.health.model import FEWER, LATE, MEANING, SILENT
from mainstay.renew.labels.model import Unhealthy

TRUSTED: Final = "labels trusted"
"""What the body of an action holds that says so: a begin, an end, and why."""
_ALWAYS: Final = frozenset({SILENT, MEANING})
_SAID: Final = {
    SILENT: "were silent",
    MEANING: "meant something else",
    LATE: "came late",
    FEWER: "came in smaller numbers",
}
_REACTIONS: Final = " reaction"
_MS: Final = 1_000_000

Query = Callable[[str], Any]


class Hearing(msgspec.Struct, frozen=True, kw_only=True):
    """How labels are understood."""

    trust: dict[str, float] = {}
    """Callers whose labels do not count at all have 0; their health does not matter."""
    silence_counts: bool = False
    """Silence has a meaning."""


class _Spell(msgspec.Struct, frozen=True, kw_only=True):
    """One finding from its begin on."""

    check: str
    source: str
    begin_ns: int
    end_ns: int


def unhealthy(query: Query, model: str, known_ns: int, hearing: Hearing) -> tuple[Unhealthy, ...]:
    """The decisions to leave out, by the earliest first."""
    where = (
        f"model = {quoted(model)} AND known_ns <= {known_ns}"
        " AND (kind = 'finding' AND body LIKE '%\"labels.%'"
        f" OR kind = 'action' AND body LIKE '%\"{TRUSTED}\"%')"
    )
    table = query(
        f"SELECT kind, known_ns, body FROM events WHERE {where} ORDER BY known_ns, time_ns, id"  # noqa: S608  # because what is put in is quoted
    )
    rows: list[dict[str, Any]] = table.to_pylist()
    found = [(row, msgspec.json.decode(row["body"])) for row in rows]
    spells = _spells([body for row, body in found if row["kind"] == "finding"], known_ns)
    trusted = [body[TRUSTED] for row, body in found if row["kind"] == "action"]
    away = [(int(each["begin_ns"]), int(each["end_ns"])) for each in trusted]
    kept = [each for each in spells if _matters(each, hearing)]
    parts = [part for each in kept for part in _less(each, away)]
    return tuple(
        Unhealthy(
            begin_ns=each.begin_ns,
            end_ns=each.end_ns,
            check=each.check,
            source=each.source,
            why=why(each.check, each.source, each.begin_ns, each.end_ns),
        )
        for each in sorted(parts, key=lambda each: (each.begin_ns, each.end_ns, each.check))
    )


def why(check: str, source: str, begin_ns: int, end_ns: int) -> str:
    """Why decisions are left out, as people are told."""
    who = f"labels of {source.removesuffix(' label')}" if source else "labels"
    times = " to ".join(rfc3339(moment // 1000)[:16] + "Z" for moment in (begin_ns, end_ns))
    return f"decisions whose {who} {_SAID[check]}, {times}"


def _spells(bodies: Sequence[dict[str, Any]], known_ns: int) -> list[_Spell]:
    """What was found, as far as it was known; each finding once, by its key and begin."""
    found: dict[tuple[str, int], _Spell | None] = {}
    for body in bodies:
        if body.get("check") not in _SAID or body.get("state") not in {"opened", "resolved"}:
            continue
        at = str(body["key"]), int(body["since_ms"])
        touched: list[int] = body.get("touched_ms") or []
        if not touched:
            found[at] = None
            continue
        begin_ns, end_ns = (moment * _MS for moment in touched)
        source = str(body.get("slice", "")).removeprefix("source=")
        found[at] = _Spell(
            check=body["check"],
            source="" if source == "all" else source,
            begin_ns=begin_ns,
            end_ns=end_ns if body["state"] == "resolved" else known_ns + 1,
        )
    return [each for each in found.values() if each is not None and each.begin_ns < each.end_ns]


def _matters(spell: _Spell, hearing: Hearing) -> bool:
    if spell.source.endswith(_REACTIONS):
        return False
    if hearing.trust.get(spell.source.removesuffix(" label"), 1.0) <= 0.0:
        return False
    return spell.check in _ALWAYS or hearing.silence_counts


def _less(spell: _Spell, away: Sequence[tuple[int, int]]) -> list[_Spell]:
    """What is left of a finding outside some stretches."""
    parts = [spell]
    for begin, end in away:
        cut: list[_Spell] = []
        for part in parts:
            before = msgspec.structs.replace(part, end_ns=min(part.end_ns, begin))
            after = msgspec.structs.replace(part, begin_ns=max(part.begin_ns, end))
            cut += [each for each in (before, after) if each.begin_ns < each.end_ns]
        parts = cut
    return parts
