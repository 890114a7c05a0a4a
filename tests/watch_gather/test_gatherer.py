"""What is kept of the journal's decisions is what the journal holds: M4 M5 M6 M13 M22."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.contract.columns import encode
from mainstay.journal.model import STATUSES, DecisionBatch
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.summaries.reference import Reference, reference_of
from mainstay.watch.gather.gatherer import Gatherer
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import DECIDED, LATENCY, PROCESSOR, STRETCH_MS, Part
from tests.journal.records import CHURN, FRAUD, FRAUD_2, TIME_MS, batch

HOUR = TIME_MS - TIME_MS % STRETCH_MS


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


class Known:
    """Versions whose references are these."""

    def __init__(self, references: dict[str, Reference], slices: Sequence[str] = ()) -> None:
        self._references = references
        self._slices = slices

    def reference(self, fingerprint: str) -> Reference | None:
        return self._references.get(fingerprint)

    def slices(self, fingerprint: str) -> Sequence[str]:
        return self._slices


class House:
    """A journal, and what watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = DiskJournal(folder / "spool", folder / "lake", clock=ManualClock())
        self.store = MemorySummaryStore()

    def write(self, *batches: DecisionBatch) -> None:
        """A sealed piece with these runs."""
        spool = DiskSpool(
            self.folder / "spool",
            batches[0].incarnation,
            clock=ManualClock(),
            breath=SpoolLimits(free_disk_bytes=0),
        )
        for layout in (FRAUD, FRAUD_2, CHURN):
            spool.describe(layout)
        spool.append(list(batches))
        spool.close()
        self.journal.seal()

    def gatherer(self, known: Known) -> Gatherer:
        return Gatherer(self.folder / "lake", self.store, known)

    def parts(self, model: str = "fraud", slice_: str = "") -> Sequence[Part]:
        return self.store.read(model, 0, HOUR + 1000 * STRETCH_MS, slice_)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def of_fraud(*slices: str) -> Known:
    amounts = {"input_amount": np.arange(0.0, 40.0, 0.5), "input_age": -np.arange(80.0)}
    return Known({FRAUD.fingerprint: reference_of(amounts, "training data")}, slices)


def test_every_decision_is_in_its_hour_once(house: House):
    """M4 L7: late pieces land in the hour of their decisions; counts are those of the journal."""
    hours = [3, 0, 1, 0, 3, 2]
    for number, hour in enumerate(hours):
        house.write(batch(number * 10, 4, incarnation=number, time_ms=HOUR + hour * STRETCH_MS))
    gatherer = house.gatherer(of_fraud())
    assert gatherer.take_in(at_most=4) == 4
    assert gatherer.take_in(at_most=4) == 2
    assert gatherer.take_in(at_most=4) == 0
    asked = house.journal.query(
        "SELECT epoch_ms(time) // 600000 * 600000 AS hour, count(*) AS n, avg(input_amount) AS mean,"
        " min(input_age) AS low, count(*) FILTER (status = 'asked') AS asked"
        " FROM decisions GROUP BY hour ORDER BY hour"
    ).to_pylist()
    parts = house.parts()
    assert [(p.key.begin_ms, p.rows) for p in parts] == [(row["hour"], row["n"]) for row in asked]
    for part, row in zip(parts, asked, strict=True):
        amount, age = part.columns["input_amount"].numbers, part.columns["input_age"].numbers
        assert amount is not None
        assert age is not None
        assert amount.moments.mean == pytest.approx(row["mean"])
        assert age.low == row["low"]
        status = part.columns["status"].categories
        assert status is not None
        assert status.named[STATUSES.index("asked")] == row["asked"]


def test_a_keeper_that_is_killed_takes_nothing_twice(house: House):
    """M4 F4: wherever it dies, what the next one has is the same."""
    for number in range(4):
        house.write(batch(number * 10, 3, incarnation=number))

    def die(piece: str) -> None:
        died.append(piece)
        if len(died) == 3:
            raise Killed

    died: list[str] = []
    with pytest.raises(Killed):
        house.gatherer(of_fraud()).take_in(10, die)
    assert sum(part.rows for part in house.parts()) == 6
    assert house.gatherer(of_fraud()).take_in(10) == 2
    assert sum(part.rows for part in house.parts()) == 12


def test_versions_arms_and_slices_are_parts_of_their_own(house: House):
    """M4 M18: nothing is mixed that somebody may want to tell apart."""
    runs = batch(0, 4, layout=FRAUD_2)
    house.write(batch(10, 3), runs, structs.replace(runs, first_sequence=50, arm="shadow"))
    assert house.gatherer(of_fraud("country")).take_in(10) == 1
    assert {(p.key.number, p.key.arm, p.rows) for p in house.parts()} == {
        (1, "live", 3), (2, "live", 4), (2, "shadow", 4),
    }  # fmt: skip
    assert house.store.slices("fraud", 0, HOUR + STRETCH_MS) == ["country=DE", DECIDED]
    assert [(p.key.arm, p.rows) for p in house.parts(slice_="country=DE")] == [
        ("live", 2), ("shadow", 2),
    ]  # fmt: skip


def test_a_version_without_a_reference_is_held_to_its_first_decisions(house: House):
    """M4: and a keeper that starts later holds it to the same ones."""
    house.write(batch(0, 4, layout=CHURN))
    house.write(batch(10, 4, layout=CHURN, incarnation=9))
    assert house.gatherer(Known({})).take_in(1) == 1
    first = house.store.reference(CHURN.fingerprint)
    assert first is not None
    assert first.source == "its first 4 decisions"
    assert house.gatherer(Known({})).take_in(1) == 1
    (part,) = house.parts("churn/eu")
    assert part.rows == 8
    assert {"input_note", "feature_length", "output_score", "status", "step_predict"} <= set(
        part.columns
    )


def test_step_times_are_shares_of_their_run(house: House):
    """M22 M1: a run of four rows that took 5 ns took 1.25 for each."""
    house.write(batch(0, 4))
    house.gatherer(of_fraud()).take_in(1)
    (part,) = house.parts()
    predict = part.columns["step_predict"].numbers
    assert predict is not None
    assert (predict.moments.count, predict.moments.mean) == (4, 1.25)


def test_a_damaged_value_is_counted_and_nothing_stops(house: House):
    """M10: infinities and NaN have counts of their own."""
    odd = encode({"matrix": np.array([[np.inf, 1.0], [np.nan, 2.0], [3.0, -np.inf]])})
    house.write(structs.replace(batch(0, 3), inputs=odd))
    house.gatherer(of_fraud()).take_in(1)
    (part,) = house.parts()
    amount, age = part.columns["input_amount"], part.columns["input_age"]
    assert amount.numbers is not None
    assert age.numbers is not None
    assert (amount.missing, amount.numbers.infinite, age.numbers.infinite) == (1, (0, 1), (1, 0))


def test_a_row_waits_for_its_whole_run(house: House):
    """M1 M2: its latency is the run's time and what it stood in line, not its share of the run."""
    house.write(batch(0, 4))
    house.gatherer(of_fraud()).take_in(10)
    (part,) = house.parts()
    latency = part.columns[LATENCY].numbers
    assert latency is not None
    assert latency.moments.mean == pytest.approx(5 + 1 + (0 + 1 + 2 + 3) / 4)
    assert latency.high == 9.0


def test_processor_time_is_shared_by_the_rows_of_a_run(house: House):
    """M1 M11: by version and stretch, for good; runs that were not measured say nothing."""
    measured = structs.replace(batch(0, 4), processor_ns=8_000)
    house.write(measured, batch(10, 3))
    house.gatherer(of_fraud()).take_in(10)
    (part,) = house.parts()
    used = part.columns[PROCESSOR].numbers
    assert used is not None
    assert (used.moments.count, used.moments.mean) == (4, 2_000.0)
