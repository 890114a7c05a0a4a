"""Every spool keeps the same promises, on disk and in memory: L1, L7."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstay.base.errors import InvalidUsage, MainstayError, StorageFailed
from mainstay.base.ids import DecisionId
from mainstay.journal.port import Spool
from tests.journal.place import Place
from tests.journal.records import CHURN, FRAUD_2, TIME_MS, batch, event

IDS = "SELECT id FROM decisions ORDER BY id"


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(None if request.param == "memory" else tmp_path)
    yield place
    place.close()


@pytest.fixture
def spool(place: Place) -> Spool:
    return place.spool()


def ids(place: Place) -> list[str]:
    return [row["id"] for row in place.journal().query(IDS).to_pylist()]


def identity(sequence: int) -> str:
    return str(DecisionId(TIME_MS, 7, sequence))


def durable(spool: Spool, *records) -> MainstayError | None:
    """Wait for the outcome of a durable append."""
    told, outcome = threading.Event(), []

    def done(error):
        outcome.append(error)
        told.set()

    spool.append_durable(records, done)
    assert told.wait(30), "nobody was told"
    assert len(outcome) == 1
    return outcome[0]


def test_what_is_appended_is_there_at_once(place: Place, spool: Spool):
    """L7: the append has returned, so the decisions are found."""
    spool.append([batch(0, 2)])
    assert ids(place) == [identity(0), identity(1)]


def test_one_append_may_carry_many_records_of_all_kinds(place: Place, spool: Spool):
    spool.append(
        [
            batch(0, 1),
            event("e1"),
            batch(1, 2, layout=CHURN),
            event("e2"),
            batch(3, 1, layout=FRAUD_2),
        ]
    )
    assert ids(place) == [identity(n) for n in range(4)]
    events = place.journal().query("SELECT id, model FROM events ORDER BY id").to_pylist()
    assert events == [{"id": "e1", "model": "fraud"}, {"id": "e2", "model": "fraud"}]


def test_many_more_records_than_one_statement_takes(place: Place, spool: Spool):
    spool.append([batch(n, 1) for n in range(150)])
    assert ids(place) == [identity(n) for n in range(150)]


def test_nothing_appended_is_nothing(place: Place, spool: Spool):
    spool.append([])
    assert durable(spool) is None
    assert ids(place) == []


def test_a_durable_append_is_confirmed_when_it_is_there(place: Place, spool: Spool):
    """L7."""
    assert durable(spool, batch(0, 1), event("e1")) is None
    assert ids(place) == [identity(0)]


def test_a_buffered_append_is_there_after_closing(place: Place, spool: Spool):
    spool.append_buffered([batch(0, 1)])
    spool.close()
    assert ids(place) == [identity(0)]


def test_all_levels_mix(place: Place, spool: Spool):
    for n in range(0, 90, 3):
        spool.append([batch(n, 1)])
        spool.append_buffered([batch(n + 1, 1)])
        assert durable(spool, batch(n + 2, 1)) is None
    spool.close()
    assert ids(place) == [identity(n) for n in range(90)]


def test_a_version_must_be_described_first(place: Place, spool: Spool):
    stranger = batch(
        0,
        layout=FRAUD_2.__class__(
            fingerprint="99", model="m", number=1, inputs=(), features=(), outputs=()
        ),
    )
    with pytest.raises(InvalidUsage) as refusal:
        spool.append([batch(8), stranger])
    assert refusal.value.field == "fingerprint"
    assert isinstance(durable(spool, stranger), InvalidUsage)
    assert ids(place) == []


def test_only_decisions_of_this_process_are_taken(spool: Spool):
    with pytest.raises(InvalidUsage) as refusal:
        spool.append([batch(0, incarnation=8)])
    assert refusal.value.field == "incarnation"


def test_an_id_is_never_used_twice_and_the_others_are_kept(place: Place, spool: Spool):
    """L7: an append is kept whole or not at all."""
    spool.append([batch(0, 1)])
    with pytest.raises(InvalidUsage):
        spool.append([batch(1, 1), batch(0, 1)])
    assert isinstance(durable(spool, batch(0, 1)), InvalidUsage)
    assert durable(spool, batch(2, 1)) is None
    assert ids(place) == [identity(0), identity(2)]


def test_of_many_records_none_is_kept_when_the_last_is_wrong(place: Place, spool: Spool):
    """L7: whole or not at all, also where it takes several statements."""
    spool.append([batch(500, 1)])
    with pytest.raises(InvalidUsage):
        spool.append([event("e"), *(batch(n, 1) for n in range(150)), batch(500, 1)])
    assert ids(place) == [identity(500)]
    assert place.journal().query("SELECT * FROM events").num_rows == 0
    assert durable(spool, batch(0, 1)) is None


def test_a_run_without_rows_leaves_nothing(place: Place, spool: Spool):
    spool.append([batch(0, 0)])
    spool.append([batch(0, 1)])
    assert ids(place) == [identity(0)]


def test_a_closed_spool_says_so(spool: Spool):
    spool.close()
    with pytest.raises(StorageFailed, match="closed"):
        spool.append([batch(0)])
    with pytest.raises(StorageFailed, match="closed"):
        spool.append_buffered([batch(0)])
    assert isinstance(durable(spool, batch(0)), StorageFailed)
    spool.close()
