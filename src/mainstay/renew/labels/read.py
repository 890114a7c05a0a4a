"""Labelled decisions of the journal, found by one join.

Promises that no row was decided in a stretch that is left out, nor got its label in one; that no
label was heard later than the definition says; that every row is there once, in the order of the
ids; and that what is not there is counted, with the reason. Values are those that were logged when
the decision was made. Limit: the rows have to fit into memory, not the decisions they are found
among.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from mainstay.journal.arrow import pc
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition, Labelled, Stretch

Query = Callable[[str], Any]

OWN: Final = ("id", "time_us", "label", "heard_us", "version", "arm")
"""Columns of every snapshot; the others are the values that were logged."""


def logged_now(query: Query) -> frozenset[str]:
    """The columns that decisions have in the journal."""
    return frozenset(query("SELECT * FROM decisions LIMIT 0").schema.names)


def read(query: Query, definition: Definition) -> Labelled:
    """The rows that a definition means."""
    definition.check()
    found = query(_rows(definition, logged_now(query)))
    outcomes = query(_outcomes(definition)).to_pylist()[0]
    why = found.column("why")
    left_out = Counter({each["values"]: each["counts"] for each in why.value_counts().to_pylist()})
    used = left_out.pop("", 0)
    rows = found.filter(pc.equal(why, ""))
    contradicted = int(pc.sum(pc.greater(rows.column("answers"), 1)).as_py() or 0)
    left_out[words.GONE] = (outcomes["subjects"] or 0) - found.num_rows
    left_out[words.UNKNOWN] = outcomes["unknown"] or 0
    left_out[words.SAID_AWAY] = outcomes["away"] or 0
    left_out[words.AGAIN] = outcomes["again"] or 0
    left_out[words.UNLABELLED] = query(_eligible(definition)).column(0)[0].as_py() - used
    return Labelled(
        rows.drop_columns(["why", "answers"]).combine_chunks(),
        {reason: int(count) for reason, count in sorted(left_out.items()) if count},
        contradicted,
    )


def _rows(definition: Definition, there: frozenset[str]) -> str:
    values = "".join(
        f", {_cast(name, kind, there)} AS {_named(name)}"
        for name, kind in definition.columns.items()
    )
    why = (
        f"CASE WHEN {_within('decision_ns', definition.without)} THEN {_quoted(words.QUARANTINED)}"
        f" WHEN arm = 'shadow' THEN {_quoted(words.SHADOW)}"
        f" WHEN status = 'held' THEN {_quoted(words.HELD)} ELSE '' END"
    )
    return (
        f"{_heard(definition)}, told AS (SELECT subject,"  # noqa: S608  # because names are quoted and the rest are numbers
        " arg_max(struct_pack(label := label, time_ns := time_ns),"
        " struct_pack(known_ns := known_ns, id := id)) AS last, count(DISTINCT label) AS answers"
        " FROM heard WHERE label IS NOT NULL AND NOT away GROUP BY subject),"
        " decided AS (SELECT *, epoch_us(time) * 1000 AS decision_ns FROM decisions"
        f" WHERE model = {_quoted(definition.model)} AND {_between('id', definition)})"
        " SELECT decided.id AS id, epoch_us(time) AS time_us, last.label AS label,"
        f" last.time_ns // 1000 AS heard_us, version, arm{values}, {why} AS why, answers"
        " FROM decided JOIN told ON decided.id = told.subject ORDER BY decided.id"
    )


def _outcomes(definition: Definition) -> str:
    usable = "label IS NOT NULL AND NOT away"
    return (
        f"{_heard(definition)} SELECT count(*) FILTER (label IS NULL) AS unknown,"  # noqa: S608  # because names are quoted and the rest are numbers
        " count(*) FILTER (label IS NOT NULL AND away) AS away,"
        f" count(DISTINCT subject) FILTER ({usable}) AS subjects,"
        f" count(*) FILTER ({usable}) - count(DISTINCT subject) FILTER ({usable}) AS again"
        " FROM heard"
    )


def _eligible(definition: Definition) -> str:
    """How many decisions could have had a label."""
    return (
        "SELECT count(*) FROM (SELECT epoch_us(time) * 1000 AS decision_ns FROM decisions"  # noqa: S608  # because names are quoted and the rest are numbers
        f" WHERE model = {_quoted(definition.model)} AND {_between('id', definition)}"
        " AND arm <> 'shadow' AND status <> 'held')"
        f" WHERE NOT {_within('decision_ns', definition.without)}"
    )


def _heard(definition: Definition) -> str:
    """What was said of decisions by then: the label, where it is one, and whether it is away."""
    kind, said = "json_type(body, '$.label')", "json_extract_string(body, '$.label')"
    if definition.answers:
        listed = ", ".join(map(_quoted, definition.answers))
        label = f"CASE WHEN {kind} = 'VARCHAR' AND {said} IN ({listed}) THEN {said} END"
    else:
        number = f"TRY_CAST({said} AS DOUBLE)"
        label = (
            f"CASE WHEN {kind} IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
            f" AND isfinite({number}) THEN {number} END"
        )
    return (
        f"WITH heard AS (SELECT id, subject, known_ns, time_ns, {label} AS label,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" {_within('time_ns', definition.without)} AS away FROM events"
        f" WHERE kind = 'outcome' AND model = {_quoted(definition.model)}"
        f" AND known_ns <= {definition.known_ns}"
        f""" AND body LIKE '%"label":%' AND {kind} IS NOT NULL"""
        f" AND {_between('subject', definition)})"
    )


def _between(column: str, definition: Definition) -> str:
    """The stretch, in ids: they begin with the millisecond of the decision, so this is exact, and
    few files are opened."""
    begin, end = definition.since_ns, min(definition.until_ns, definition.known_ns + 1)
    first, beyond = (-(-max(moment, 0) // 1_000_000) for moment in (begin, end))
    return f"{column} >= '{first:012x}' AND {column} < '{beyond:012x}'"


def _within(column: str, stretches: Sequence[Stretch]) -> str:
    parts = [f"({column} >= {begin} AND {column} < {end})" for begin, end in stretches]
    return f"({' OR '.join(parts)})" if parts else "false"


def _cast(name: str, kind: str, there: frozenset[str]) -> str:
    # What nobody logged is missing everywhere.
    column = _named(name) if name in there else f"CAST(NULL AS {kind})"
    # Moments as numbers: in which time zone they are shown must not be part of a version.
    return f"epoch_us({column})" if kind == "TIMESTAMPTZ" else f"TRY_CAST({column} AS {kind})"


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
