"""Labelled decisions of the journal, found by one join.

Promises that no row was decided in a stretch that is left out, nor got its label in one; that no
label was heard later than the definition says; that every row is there once, in the order of the
ids; and that what is not there is counted, with the reason. Values are those that were logged when
the decision was made. They are found part by part, so that neither they nor the decisions they are
found among have to fit into memory; what was decided within one millisecond is one part.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from mainstay.journal.arrow import pc
from mainstay.journal.quoting import named, quoted
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition, Labelled, Lists, Stretch, together

Query = Callable[[str], Any]

OWN: Final = (
    "id", "time_us", "label", "heard_us", "version", "arm", "propensity", "weight", "source",
)  # fmt: skip
"""Columns of every snapshot; the others are the values that were logged."""
WEIGHT_MAX: Final = 100.0
"""How much one row may count, however improbable its version was."""
APART_MS: Final = 60_000
"""How far the clocks of two machines may be apart."""
DECISIONS_AT_ONCE_MAX: Final = 1_000_000
"""Of how many decisions rows are made in one go, where milliseconds can tell them apart."""
_STEPS_MS: Final = (60_000, 1000, 1)
"""By how much time decisions are told apart: by the minute, and by less where there are many."""


def logged_now(query: Query) -> frozenset[str]:
    """The columns that decisions have in the journal."""
    return frozenset(query("SELECT * FROM decisions LIMIT 0").schema.names)


def read(query: Query, definition: Definition) -> Labelled:
    """The rows that a definition means, all of them in memory."""
    whole = together([*parts(query, definition)])
    return replace(whole, table=whole.table.combine_chunks())


def parts(
    query: Query, definition: Definition, most: int = DECISIONS_AT_ONCE_MAX
) -> Iterator[Labelled]:
    """The same, of `most` decisions at a time, the earliest first; at least one part."""
    definition.check()
    nameless = 0
    if definition.history is not None:
        nameless = query("SELECT count(*) FROM rows WHERE made_us IS NULL").column(0)[0].as_py()
    for begin_ns, end_ns in _cuts(query, definition, most, list(_STEPS_MS)):
        part = _read(query, replace(definition, since_ns=begin_ns, until_ns=end_ns))
        if nameless:
            part = replace(part, left_out={**part.left_out, words.NAMELESS: nameless})
            nameless = 0
        yield part


def _cuts(query: Query, definition: Definition, most: int, steps_ms: list[int]) -> list[Stretch]:
    """Stretches of at most so many decisions that may become rows, as far as milliseconds can tell
    them apart."""
    step_ns = steps_ms.pop(0) * 1_000_000
    rows = _said(definition)
    if definition.silence is not None:
        rows = (
            "SELECT epoch_us(time) // 1000 AS made_ms FROM decisions"  # noqa: S608  # because names are quoted and the rest are numbers
            f" WHERE model = {quoted(definition.model)} AND {_between('id', definition)}"
        )
    told = query(
        f"SELECT made_ms * 1000000 // {step_ns} * {step_ns} AS begin_ns, count(*) AS count"  # noqa: S608  # because names are quoted and the rest are numbers
        f" FROM ({rows}) GROUP BY begin_ns ORDER BY begin_ns"
    )
    counts = told.column("count").to_numpy()
    if counts.sum() <= most:
        return [(definition.since_ns, definition.until_ns)]
    begins = told.column("begin_ns").to_numpy()
    found: list[Stretch] = []
    begin_ns, there = definition.since_ns, 0
    for at_ns, count in zip(begins.tolist(), counts.tolist(), strict=True):
        if there and there + count > most:
            found.append((begin_ns, at_ns))
            begin_ns, there = at_ns, 0
        if count > most and steps_ms:
            inside = replace(
                definition, since_ns=begin_ns, until_ns=min(at_ns + step_ns, definition.until_ns)
            )
            found += _cuts(query, inside, most, [*steps_ms])
            begin_ns = inside.until_ns
        else:
            there += count
    if begin_ns < definition.until_ns:
        found.append((begin_ns, definition.until_ns))
    return found


def _read(query: Query, definition: Definition) -> Labelled:
    found = query(_rows(definition, logged_now(query)))
    outcomes = query(_outcomes(definition)).to_pylist()[0]
    why = found.column("why")
    left_out = Counter({each["values"]: each["counts"] for each in why.value_counts().to_pylist()})
    used = left_out.pop("", 0)
    rows = found if used == found.num_rows else found.filter(pc.equal(why, ""))
    told = found.num_rows - int(pc.sum(pc.is_null(found.column("answers"))).as_py() or 0)
    contradicted = int(pc.sum(pc.greater(rows.column("answers"), 1)).as_py() or 0)
    silent = int(pc.sum(pc.is_null(rows.column("answers"))).as_py() or 0)
    waited = pc.subtract(rows.column("heard_us"), rows.column("time_us"))
    late = 0
    if definition.window_ns:
        late = int(pc.sum(pc.greater(waited, definition.window_ns // 1000)).as_py() or 0)
    left_out[words.GONE] = (outcomes["subjects"] or 0) - told
    left_out[words.UNKNOWN] = outcomes["unknown"] or 0
    left_out[words.SAID_AWAY] = outcomes["away"] or 0
    left_out[words.AGAIN] = outcomes["again"] or 0
    left_out[words.DISTRUSTED] = outcomes["distrusted"] or 0
    left_out[words.TOO_SOON] = outcomes["too_soon"] or 0
    counted = {each["why"]: each["count"] for each in query(_eligible(definition)).to_pylist()}
    if definition.history is not None:
        wrong = query(_wrong(definition)).to_pylist()
        left_out.update({each["wrong"]: each["count"] for each in wrong})
    left_out[words.UNLABELLED] = counted.pop("", 0) - used
    reaches = None
    if rows.num_rows:
        times, heard = pc.min_max(rows.column("time_us")), pc.max(rows.column("heard_us"))
        last_us = max(times["max"].as_py(), heard.as_py())
        reaches = times["min"].as_py() * 1000, last_us * 1000
    return Labelled(
        rows.drop_columns(["why", "answers"]),
        {reason: int(n) for reason, n in sorted({**left_out, **counted}.items()) if n},
        contradicted,
        silent,
        late,
        reaches,
    )


def count(query: Query, definition: Definition) -> int:
    """How many rows a definition means."""
    definition.check()
    bare = replace(definition, columns={})
    rows = f"SELECT count(*) AS n FROM ({_rows(bare, frozenset())}) WHERE why = ''"  # noqa: S608  # because names are quoted and the rest are numbers
    return query(rows).to_pylist()[0]["n"]


def _rows(definition: Definition, there: frozenset[str]) -> str:
    features = definition.features.columns if definition.features is not None else {}
    values = logged_values({**definition.columns, **features}, there)
    why = (
        f"CASE WHEN {_within('decision_ns', definition.without)} THEN {quoted(words.QUARANTINED)}"
        f" WHEN arm = 'shadow' THEN {quoted(words.SHADOW)}"
        f" WHEN status = 'held' THEN {quoted(words.HELD)}"
        f" {_health(definition)} ELSE '' END"
    )
    weight = "coalesce(last.weight, 1.0)"
    if definition.by_propensity:
        weight = f"least({WEIGHT_MAX}, {weight} / greatest(decided.propensity, 1e-9))"
    label, heard, join = "last.label", "last.time_ns // 1000", "JOIN"
    if definition.silence is not None:
        silence = definition.silence
        meant = quoted(silence) if isinstance(silence, str) else f"{float(silence)!r}::DOUBLE"
        label = f"coalesce(last.label, {meant})"
        silent = f"(decision_ns + {definition.window_ns}) // 1000"
        heard, join = f"coalesce({heard}, {silent})", "LEFT JOIN"
    place, shown, also = "", "", ""
    if definition.places:
        place = f", {_place(definition.lists, label)} AS place"
        if definition.lists is None:
            shown = f" shown AS ({_shown(definition)}),"
            also = " LEFT JOIN shown ON decided.id = shown.subject"
    return (
        f"{_heard(definition)}, told AS ({_told(definition)}),{shown}"  # noqa: S608  # because names are quoted and the rest are numbers
        " decided AS (SELECT *, epoch_us(time) * 1000 AS decision_ns FROM decisions"
        f" WHERE model = {quoted(definition.model)} AND {_between('id', definition)})"
        f" SELECT decided.id AS id, epoch_us(time) AS time_us, {label} AS label,"
        f" {heard} AS heard_us, version, arm, propensity, {weight} AS weight,"
        f" coalesce(last.actor, '') AS source{place}{values}, {why} AS why, answers"
        f" FROM decided {join} told ON decided.id = told.subject{also} ORDER BY decided.id"
    )


def _shown(definition: Definition) -> str:
    """Where decisions were shown, by the last one who said so and is trusted."""
    place = "json_extract(body, '$.place')"
    return (
        f"SELECT subject, arg_max(TRY_CAST({place} AS BIGINT), struct_pack(known_ns := known_ns,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" id := id)) AS place FROM events WHERE kind = 'outcome'"
        f" AND model = {quoted(definition.model)} AND known_ns <= {definition.known_ns}"
        f""" AND body LIKE '%"place":%' AND {place} IS NOT NULL"""
        f" AND {_between('subject', definition)}"
        f" AND NOT {_within('time_ns', definition.without)} AND {_trust(definition)} > 0"
        " GROUP BY subject"
    )


def _place(lists: Lists | None, label: str) -> str:
    """Where an answer was shown, 1 the first; 0 where nobody knows, or it was not shown."""
    if lists is None:
        return "coalesce(shown.place, 0)"
    if not lists.tops or not lists.items:
        return "0"
    items = ", ".join(map(quoted, lists.items))
    scores = f"[{', '.join(named(f'output_{item}') for item in lists.items)}]"
    at = f"list_position([{items}], {label})"
    tops = " ".join(
        f"WHEN fingerprint = {quoted(version)} THEN {top}" for version, top in lists.tops.items()
    )
    top = f"CASE WHEN status IN ('answered', 'asked') THEN CASE {tops} ELSE 0 END ELSE 0 END"
    before = f"score > {scores}[{at}] OR (score = {scores}[{at}] AND i < {at})"
    rank = f"(1 + len(list_filter({scores}, lambda score, i: {before})))"
    return f"CASE WHEN {scores}[{at}] IS NOT NULL AND {rank} <= {top} THEN {rank} ELSE 0 END"


def _told(definition: Definition) -> str:
    """The label that counts of each decision, and how many different ones there are."""
    usable = "FROM heard WHERE label IS NOT NULL AND NOT away AND weight > 0 AND NOT too_soon"
    said = "struct_pack(label := label, time_ns := time_ns, weight := weight, actor := actor)"
    place = "struct_pack(known_ns := known_ns, id := id)"
    if definition.counts == "majority":
        # Each caller's last word, then what most of them say; of two that are equal the later.
        return (
            f"WITH word AS (SELECT subject, actor, arg_max({said}, {place}) AS said,"  # noqa: S608  # because nothing of it is a caller's
            f" max({place}) AS place, list_distinct(list(label)) AS every {usable}"
            " GROUP BY subject, actor),"
            " voice AS (SELECT subject, said.label AS label, arg_max(said, place) AS said,"
            " struct_pack(votes := sum(said.weight), place := max(place)) AS place FROM word"
            " GROUP BY subject, said.label)"
            " SELECT voice.subject AS subject, arg_max(voice.said, voice.place) AS last,"
            " any_value(answers) AS answers FROM voice JOIN (SELECT subject,"
            " len(list_distinct(flatten(list(every)))) AS answers FROM word GROUP BY subject)"
            " spread ON voice.subject = spread.subject GROUP BY voice.subject"
        )
    pick = "arg_min" if definition.counts == "first" else "arg_max"
    return (
        f"SELECT subject, {pick}({said}, {place}) AS last, count(DISTINCT label) AS answers"
        f" {usable} GROUP BY subject"
    )


def _outcomes(definition: Definition) -> str:
    usable = "label IS NOT NULL AND NOT away AND weight > 0 AND NOT too_soon"
    trusted = "label IS NOT NULL AND weight > 0"
    return (
        f"{_heard(definition)} SELECT count(*) FILTER (label IS NULL) AS unknown,"  # noqa: S608  # because names are quoted and the rest are numbers
        " count(*) FILTER (label IS NOT NULL AND weight = 0) AS distrusted,"
        f" count(*) FILTER ({trusted} AND too_soon) AS too_soon,"
        f" count(*) FILTER ({trusted} AND NOT too_soon AND away) AS away,"
        f" count(DISTINCT subject) FILTER ({usable}) AS subjects,"
        f" count(*) FILTER ({usable}) - count(DISTINCT subject) FILTER ({usable}) AS again"
        " FROM heard"
    )


def _eligible(definition: Definition) -> str:
    """How many decisions could have had a label, and how many of them are left out all the same."""
    return (
        f"SELECT CASE WHEN false THEN '' {_health(definition)} ELSE '' END AS why,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" count(*) AS count FROM ({_candidates(definition)}) GROUP BY why"
    )


def decided(query: Query, definition: Definition) -> Any:
    """How many decisions there are that could have a label, by the minute (in ns) they were made
    in."""
    return query(
        f"SELECT decision_ns // 60000000000 * 60000000000 AS minute_ns, count(*) AS count FROM"  # noqa: S608  # because names are quoted and the rest are numbers
        f" ({_candidates(definition)}) WHERE CASE WHEN false THEN '' {_health(definition)}"
        " ELSE '' END = '' GROUP BY minute_ns ORDER BY minute_ns"
    )


def _candidates(definition: Definition) -> str:
    return (
        "SELECT * FROM (SELECT epoch_us(time) * 1000 AS decision_ns, arm, status, fingerprint,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" features_are_inputs FROM decisions WHERE model = {quoted(definition.model)}"
        f" AND {_between('id', definition)} AND arm <> 'shadow' AND status <> 'held')"
        f" WHERE NOT {_within('decision_ns', definition.without)}"
    )


def _health(definition: Definition) -> str:
    """Why a decision is left out whatever was said of it, be it much or nothing."""
    parts = [
        f"WHEN {_within('decision_ns', [(each.begin_ns, each.end_ns)])} THEN {quoted(each.why)}"
        for each in definition.unhealthy
    ]
    if definition.window_ns:
        youngest = definition.known_ns - definition.window_ns
        parts.append(f"WHEN decision_ns > {youngest} THEN {quoted(words.YOUNG)}")
    if definition.silence is not None and definition.without:
        # What is said in a stretch that is left out does not count, so nobody's silence does.
        cut = [(begin - definition.window_ns, begin) for begin, _ in definition.without]
        parts.append(f"WHEN {_within('decision_ns', cut)} THEN {quoted(words.CUT_SHORT)}")
    if definition.unshaped:
        shaped = "arm <> 'held_out' AND status <> 'declined'"
        parts.append(f"WHEN {shaped} THEN {quoted(words.SHAPED)}")
    if definition.features is not None:
        made_by = ", ".join(map(quoted, definition.features.made_by)) or "''"
        parts.append(f"WHEN fingerprint NOT IN ({made_by}) THEN {quoted(words.OTHER_FEATURES)}")
        parts.append(f"WHEN features_are_inputs THEN {quoted(words.UNMADE)}")
    return " ".join(parts)


def _heard(definition: Definition) -> str:
    """What was said of decisions by then: the label, where it is one, and whether it is away."""
    soon = f"(time_ns // 1000000 + {APART_MS} < made_ms OR time_ns > known_ns + {APART_MS}000000)"
    return (
        f"WITH heard AS (SELECT id, subject, known_ns, time_ns, actor, label,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" weight, {soon} AS too_soon,"
        f" {_within('time_ns', definition.without)} AS away FROM ({_said(definition)})"
        f" WHERE known_ns <= {definition.known_ns})"
    )


def _said(definition: Definition) -> str:
    """What was ever said of these decisions."""
    if definition.history is None:
        return _said_in_journal(definition)
    return _said_in_history(definition)


def _said_in_journal(definition: Definition) -> str:
    kind, said = "json_type(body, '$.label')", "json_extract_string(body, '$.label')"
    if definition.answers:
        label = (
            f"CASE WHEN {kind} = 'VARCHAR' AND {said} IN ({_answers(definition)}) THEN {said} END"
        )
    else:
        number = f"TRY_CAST({said} AS DOUBLE)"
        label = (
            f"CASE WHEN {kind} IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')"
            f" AND isfinite({number}) THEN {number} END"
        )
    # An id begins with the millisecond of its decision.
    return (
        f"SELECT id, subject, known_ns, time_ns, actor, {label} AS label,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" {_trust(definition)} AS weight, ('0x' || subject[1:12])::BIGINT AS made_ms"
        f" FROM events WHERE kind = 'outcome' AND model = {quoted(definition.model)}"
        f""" AND body LIKE '%"label":%' AND {kind} IS NOT NULL"""
        f" AND {_between('subject', definition)}"
    )


def _said_in_history(definition: Definition) -> str:
    label = f"CASE WHEN label IN ({_answers(definition)}) THEN label END"
    if not definition.answers:
        label = "CASE WHEN isfinite(label) THEN label END"
    return (
        f"SELECT id, subject, known_ns, known_ns AS time_ns, actor, {label} AS label,"  # noqa: S608  # because names are quoted and the rest are numbers
        f" own * {_callers(definition)} AS weight, made_ms FROM labels"
        f" WHERE wrong IS NULL AND {_between('subject', definition)}"
    )


def _wrong(definition: Definition) -> str:
    """Labels of a history that nobody can use, whatever they say."""
    return (
        "SELECT wrong, count(*) AS count FROM labels"  # noqa: S608  # because the rest are numbers
        f" WHERE wrong IS NOT NULL AND coalesce(known_ns, 0) <= {definition.known_ns}"
        f" AND {_between('subject', definition)} GROUP BY wrong"
    )


def _answers(definition: Definition) -> str:
    return ", ".join(map(quoted, definition.answers))


def _trust(definition: Definition) -> str:
    """How much a label of the journal counts: its caller's trust, times what it says of itself."""
    own = "coalesce(TRY_CAST(json_extract_string(body, '$.weight') AS DOUBLE), 1.0)"
    return f"greatest(0.0, least(1.0, {own})) * {_callers(definition)}"


def _callers(definition: Definition) -> str:
    """How far the callers of labels are trusted."""
    cases = " ".join(
        f"WHEN actor = {quoted(caller)} THEN {float(trust)!r}"
        for caller, trust in sorted(definition.trust.items())
    )
    return f"CASE {cases} ELSE 1.0 END" if cases else "1.0"


def _between(column: str, definition: Definition) -> str:
    """The stretch. In the journal by ids: they begin with the millisecond of the decision, so this
    is exact, and few files are opened."""
    begin, end = definition.since_ns, min(definition.until_ns, definition.known_ns + 1)
    if definition.history is not None:
        first, beyond = (-(-max(moment, 0) // 1000) for moment in (begin, end))
        return f"made_us >= {first} AND made_us < {beyond}"
    first, beyond = (-(-max(moment, 0) // 1_000_000) for moment in (begin, end))
    return f"{column} >= '{first:012x}' AND {column} < '{beyond:012x}'"


def _within(column: str, stretches: Sequence[Stretch]) -> str:
    parts = [f"({column} >= {begin} AND {column} < {end})" for begin, end in stretches]
    return f"({' OR '.join(parts)})" if parts else "false"


def logged_values(columns: Mapping[str, str], there: frozenset[str]) -> str:
    """Columns of decisions, each as its type, behind what is asked for besides."""
    return "".join(
        f", {_cast(name, kind, there)} AS {named(name)}" for name, kind in columns.items()
    )


def _cast(name: str, kind: str, there: frozenset[str]) -> str:
    # What nobody logged is missing everywhere.
    column = named(name) if name in there else f"CAST(NULL AS {kind})"
    # Moments as numbers: in which time zone they are shown must not be part of a version.
    return f"epoch_us({column})" if kind == "TIMESTAMPTZ" else f"TRY_CAST({column} AS {kind})"
