"""N2 N5 M16: labelled decisions are those of the definition, as known then, and no others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromRequest,
    Integer,
    Label,
    Number,
    NumberOutput,
    Ranking,
    Timestamp,
    Vector,
    VectorOutput,
    columns_of,
)
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import (
    Definition,
    answers_of,
    logged_columns,
    sql_type,
    together,
)
from mainstay.renew.labels.read import logged_now, parts, read
from mainstay.renew.snapshots.content import content_of
from tests.renew.history import (
    CLASSES,
    COLUMNS,
    MS,
    History,
    Made,
    Said,
    definition_of,
    history_of,
)

SEEDS = st.integers(0, 2**32)
ALL = Definition(
    model="fraud", since_ns=0, until_ns=10**18, known_ns=10**18, answers=CLASSES, columns=COLUMNS
)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_rows_are_those_of_the_promise(seed: int):
    """Held against a plain second account: as known then, nothing quarantined, nothing assumed,
    and what is left out adds up."""
    history, definition = history_of(seed), definition_of(seed)
    found = read(history.query, definition)
    rows = found.table.to_pylist()
    told = [(r["id"], r["label"], r["input_amount"], r["input_country"]) for r in rows]
    assert told == history.labelled(definition)
    for row in rows:
        for begin, end in definition.without:
            assert not begin <= row["time_us"] * 1000 < end
            assert not begin // 1000 <= row["heard_us"] < end // 1000
    end = min(definition.until_ns, definition.known_ns + 1)
    whole = [
        each for each in history.made
        if each.model == "fraud" and definition.since_ns <= each.time_ms * MS < end
        and each.arm != "shadow" and each.status != "held"
        and not any(begin <= each.time_ms * MS < end for begin, end in definition.without)
    ]  # fmt: skip
    assert len(whole) == len(rows) + found.left_out.get(words.UNLABELLED, 0)
    assert all(count > 0 for count in found.left_out.values())


@settings(max_examples=3, deadline=None)
@given(SEEDS, st.integers(8, 30))
def test_parts_are_the_whole(seed: int, most: int):
    """N1: however many decisions are looked at in one go, rows and reasons are the same."""
    history, definition = history_of(seed), definition_of(seed)
    whole, found = (
        read(history.query, definition),
        [*parts(history.query, definition, most)],
    )
    assert together(found).table.equals(whole.table)
    assert replace(together(found), table=None) == replace(whole, table=None)
    for part in found:
        times = {row["time_us"] // 1000 for row in part.table.to_pylist()}
        assert part.table.num_rows <= most or len(times) == 1


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_what_is_heard_later_changes_nothing(seed: int):
    """As known at a time: the same rows, and the same hash, whether or not more came since."""
    history, known = history_of(seed), definition_of(seed)
    heard = [each for each in history.said if each.known_ns <= known.known_ns]
    until_then = History(history.made, heard)
    now, then = read(history.query, known), read(until_then.query, known)
    assert content_of(now.table) == content_of(then.table)
    assert now.left_out == then.left_out


def test_what_is_left_out_is_counted_by_reason():
    """O10 M16: shadows, held ones, strangers, nonsense, repetitions, contradictions, silence."""
    made = [Made(place, 1000 + place) for place in range(5)]
    shadow, held = Made(5, 1005, arm="shadow"), Made(6, 1006, status="held")
    polluted = Made(7, 1007)
    subjects = [(made[0], "ok"), (made[0], "ok"), (made[1], "ok"), (made[1], "it's fraud"),
                (made[2], "nonsense"), (shadow, "ok"), (held, "ok"), (polluted, "ok")]  # fmt: skip
    said = [
        Said(place, one.id, (2000 + place) * MS, (2000 + place) * MS, (("label", label),))
        for place, (one, label) in enumerate(subjects)
    ]
    said.append(Said(50, Made(90, 1001).id, 2050 * MS, 2050 * MS, (("label", "ok"),)))
    said.append(Said(51, made[3].id, 3000 * MS, 3000 * MS, (("label", "ok"),)))
    without = ((1007 * MS, 1008 * MS), (3000 * MS, 3001 * MS))
    found = read(
        History([*made, shadow, held, polluted], said).query, replace(ALL, without=without)
    )
    assert [row["label"] for row in found.table.to_pylist()] == ["ok", "it's fraud"]
    assert found.contradicted == 1
    assert found.left_out == {
        words.SHADOW: 1, words.HELD: 1, words.QUARANTINED: 1, words.GONE: 1, words.UNKNOWN: 1,
        words.SAID_AWAY: 1, words.AGAIN: 2, words.UNLABELLED: 3,
    }  # fmt: skip


def test_numbers_are_labels_where_the_model_answers_one():
    made = [Made(place, 1000 + place) for place in range(5)]
    labels = [3, 2.5, "3", True, -1e300]
    said = [
        Said(place, one.id, 2000 * MS, 2000 * MS, (("label", label),))
        for place, (one, label) in enumerate(zip(made, labels, strict=True))
    ]
    found = read(History(made, said).query, replace(ALL, answers=()))
    assert [row["label"] for row in found.table.to_pylist()] == [3.0, 2.5, -1e300]
    assert found.left_out == {words.UNKNOWN: 2, words.UNLABELLED: 2}


def test_a_stretch_without_length_is_refused():
    with pytest.raises(InvalidUsage, match="begins before it ends"):
        read(History([], []).query, replace(ALL, until_ns=0))


def test_every_kind_of_column_has_a_form_to_be_kept_in():
    contract = Contract(
        model="fraud",
        inputs={
            "n": Number(), "i": Integer(), "io": Integer(optional=True), "b": Boolean(),
            "bo": Boolean(optional=True), "c": Category(values=("x",)), "v": Vector(length=2),
        },
        context={"t": FromRequest(value=Timestamp(), otherwise=None)},
        output=Label(classes=("a", "b")),
    )  # fmt: skip
    kinds = columns_of(contract.inputs, contract.context)
    types = {column: sql_type(kinds[name]) for column, name in logged_columns(contract).items()}
    assert types == {
        "input_n": "DOUBLE", "input_i": "BIGINT", "input_io": "DOUBLE", "input_b": "BOOLEAN",
        "input_bo": "DOUBLE", "input_c": "VARCHAR", "input_v": "DOUBLE[2]",
        "context_t": "TIMESTAMPTZ",
    }  # fmt: skip
    assert answers_of(contract) == ("a", "b")
    assert answers_of(replace(contract, output=Ranking(items=("x", "y")))) == ("x", "y")
    assert answers_of(replace(contract, output=NumberOutput())) == ()
    with pytest.raises(InvalidUsage, match="no labels"):
        answers_of(replace(contract, output=VectorOutput(length=2)))


def test_only_what_was_ever_logged_can_be_a_column():
    history = History([Made(0, 1000)], [])
    assert {"input_amount", "input_country"} <= logged_now(history.query)
    assert not any(name.startswith("input_") for name in logged_now(History([], []).query))
