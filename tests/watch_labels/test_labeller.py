"""Outcomes meet their decisions: M3 M16 L2 (once, in the hour of the decision, the first counts)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionId
from mainstay.contract.columns import encode
from mainstay.contract.model import Category, Contract, Number, NumberOutput, Probability
from mainstay.contract.reactions import REACTIONS
from mainstay.journal.lake import Lake
from mainstay.journal.model import DecisionBatch, Event, Layout, Record
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import (
    ARRIVED,
    FAILED,
    NOBODY,
    RUNTIME_RULERS,
    STRETCH_MS,
    Part,
)
from mainstay.watch.labels.labeller import Labeller
from mainstay.watch.labels.metrics import metrics_of
from mainstay.watch.labels.reactions import DWELL, REACTED
from tests.journal.records import FRAUD_2, TIME_MS, batch

CONTRACT = Contract(
    model="fraud",
    inputs={"amount": Number(), "country": Category(values=("DE",), optional=True)},
    output=Probability(classes=("ok", "fraud")),
)
HOUR = TIME_MS - TIME_MS % STRETCH_MS
SECOND = np.array([0.9, 0.2, 0.7, 0.4])


class Known:
    def __init__(self, contract: Contract = CONTRACT) -> None:
        self._contract = contract

    def contract(self, fingerprint: str) -> Contract | None:
        return self._contract if fingerprint == FRAUD_2.fingerprint else None

    def slices(self, fingerprint: str) -> Sequence[str]:
        return ["country"]


class House:
    """A journal, and what hears its outcomes."""

    def __init__(
        self, folder: Path, contract: Contract = CONTRACT, layout: Layout = FRAUD_2
    ) -> None:
        self.folder = folder
        self.known, self.layout = Known(contract), layout
        self.journal = DiskJournal(folder / "spool", folder / "lake", clock=ManualClock())
        self.store = MemorySummaryStore()
        self._incarnation = 500

    def write(self, *records: Record) -> None:
        """A sealed piece with these."""
        self._incarnation += 1
        first = records[0]
        number = first.incarnation if isinstance(first, DecisionBatch) else self._incarnation
        spool = DiskSpool(
            self.folder / "spool", number, clock=ManualClock(),
            breath=SpoolLimits(free_disk_bytes=0),
        )  # fmt: skip
        spool.describe(self.layout)
        spool.append(list(records))
        spool.close()
        self.journal.seal()

    def labeller(self) -> Labeller:
        return Labeller(self.folder / "lake", self.journal.query, self.store, self.known)

    def parts(self, slice_: str = "") -> dict[tuple[str, int], Part]:
        found = self.store.read("fraud", 0, HOUR + 1000 * STRETCH_MS, slice_)
        return {(part.key.fingerprint, part.key.begin_ms): part for part in found}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def decisions(first: int = 0, hour: int = 0) -> DecisionBatch:
    """Four decisions: fraud, ok, fraud, ok."""
    output = np.stack([1 - SECOND, SECOND], axis=1)
    made = batch(first, 4, layout=FRAUD_2, time_ms=HOUR + hour * STRETCH_MS)
    return structs.replace(made, outputs=encode({"output": output}), statuses=bytes(4))


def identity(sequence: int, hour: int = 0) -> str:
    return str(DecisionId(HOUR + hour * STRETCH_MS, 7, sequence))


def outcome(name: str, subject: str, label: object, minutes: int = 5) -> Event:
    time_ns = (HOUR + minutes * 60_000) * 1_000_000
    return Event(
        id=name, kind="outcome", time_ns=time_ns, known_ns=time_ns, model="fraud", actor="shop",
        subject=subject, body={"label": label},
    )  # fmt: skip


def counts(part: Part, name: str) -> tuple[int, ...]:
    categories = part.columns[name].categories
    assert categories is not None
    return categories.named


def test_labels_land_in_the_hour_of_their_decisions(house: House):
    """M3 L2: three hours later, in another piece, and in the slice of their inputs too."""
    house.write(decisions(0), decisions(10, hour=1))
    house.write(
        outcome("e1", identity(0), "fraud", 200),
        outcome("e2", identity(1), "ok", 200),
        outcome("e3", identity(2), "ok", 200),
        outcome("e4", identity(10, 1), "fraud", 200),
    )
    assert house.labeller().take_in(10) == 1
    assert house.labeller().take_in(10) == 0
    parts = house.parts()
    assert counts(parts[FRAUD_2.fingerprint, HOUR], "label_pair") == (1, 1, 0, 1)
    assert counts(parts[FRAUD_2.fingerprint, HOUR + STRETCH_MS], "label_pair") == (0, 0, 0, 1)
    found = metrics_of(CONTRACT, parts[FRAUD_2.fingerprint, HOUR].columns)
    assert found["accuracy"].figure == pytest.approx(2 / 3)
    assert found["roc_auc"].figure == pytest.approx(1.0)
    german = house.parts("country=DE")[FRAUD_2.fingerprint, HOUR]
    assert counts(german, "label_pair") == (1, 1, 0, 0)
    delay = parts[FRAUD_2.fingerprint, HOUR].columns["label_delay_s"].numbers
    assert delay is not None
    assert delay.moments.mean == 200 * 60


def test_the_first_label_counts_and_the_others_are_counted(house: House):
    """M16: said again, taken back, in the same piece or a later one; wherever the keeper died."""
    house.write(decisions())
    house.write(outcome("e1", identity(0), "fraud"), outcome("e2", identity(0), "fraud", 6))
    house.write(outcome("e3", identity(0), "ok", 7))
    assert house.labeller().take_in(1) == 1
    assert house.labeller().take_in(1) == 1
    part = house.parts()[FRAUD_2.fingerprint, HOUR]
    assert counts(part, "label_pair") == (0, 0, 0, 1)
    assert counts(part, "label_again") == (1, 1)


def test_numbers_are_held_against_what_was_answered(tmp_path: Path):
    """M16: how many times the answer a label is, beside the version and the size of the answer; of
    an answer that is nought, or a label that is none, nothing."""
    contract = structs.replace(CONTRACT, output=NumberOutput())
    house = House(tmp_path, contract, structs.replace(FRAUD_2, outputs=("number",)))
    made = structs.replace(decisions(), outputs=encode({"output": np.array([4.0, 8.0, 0.0, -5.0])}))
    house.write(made)
    said = {0: 4.0, 1: -800.0, 2: 3.0, 3: -5.0}
    house.write(*(outcome(f"e{n}", identity(n), label) for n, label in said.items()),
                outcome("e9", identity(0), "high"))  # fmt: skip
    assert house.labeller().take_in(10) == 1
    heard = house.parts("heard|shop label")[NOBODY, HOUR].columns
    ratios = heard["heard_ratio"].categories
    assert ratios is not None
    assert ratios.others == {"+0 → v2+1": 1, "-32 → v2+1": 1, "+0 → v2-1": 1}
    assert "heard_pair" not in heard


def test_what_cannot_be_a_label_is_counted_and_harms_nothing(house: House):
    """M16: unknown decisions, words that are no class, decisions that the model had no part in."""
    silent = structs.replace(
        decisions(20), outputs=encode({"output": np.full((4, 2), np.nan)}), statuses=bytes([5] * 4)
    )
    house.write(decisions(), silent)
    house.write(
        outcome("e1", identity(77), "fraud"),
        outcome("e2", identity(0), "frad"),
        outcome("e3", identity(1), 3.5),
        outcome("e4", identity(20), "ok"),
        outcome("e5", identity(1), "ok"),
    )
    house.labeller().take_in(10)
    parts = house.parts()
    mine = parts[FRAUD_2.fingerprint, HOUR]
    assert counts(mine, "label_refused") == (0, 2, 1)
    assert counts(parts[NOBODY, HOUR], "label_refused") == (1, 0, 0)
    assert counts(mine, "label_pair") == (1, 0, 0, 0), "the first word for it was no label"


def test_what_was_withheld_is_not_what_was_shown(house: House):
    """M3: held, declined, answered by a fallback: the model's answer was not told."""
    house.write(structs.replace(decisions(), statuses=bytes([0, 5, 4, 1])))
    house.write(*(outcome(f"e{n}", identity(n), "ok") for n in range(4)))
    house.labeller().take_in(10)
    part = house.parts()[FRAUD_2.fingerprint, HOUR]
    assert counts(part, "label_pair") == (2, 2, 0, 0)
    assert counts(part, "label_shown") == (1, 1, 0, 0)


def test_labels_are_there_by_when_they_came_too(house: House):
    """M3 M7: once each, for who must take every one into account once."""
    house.write(decisions(0), decisions(10, hour=1))
    house.write(outcome("e1", identity(0), "fraud"), outcome("e2", identity(10, 1), "ok"))
    house.write(outcome("e3", identity(0), "fraud"), outcome("e4", identity(1), "ok"))
    house.labeller().take_in(10)
    arrived = house.store.read("fraud", -STRETCH_MS, 2**50, ARRIVED)
    whole = [part for part in arrived if not part.key.arm]
    assert sum(sum(counts(part, "label_pair")) for part in whole) == 3
    sealed = {marker.sealed_ns // 1_000_000 for marker in Lake(house.folder / "lake").markers()}
    assert {part.key.begin_ms for part in arrived} <= {ms - ms % STRETCH_MS for ms in sealed}
    assert {part.key.fingerprint for part in arrived} == {FRAUD_2.fingerprint}


def test_failures_are_counted_in_their_stretch(house: House):
    """M2: they leave no decision."""
    for number, rows in enumerate((3, 4)):
        time_ns = HOUR * 1_000_000
        body = {"epoch": 1, "arm": "live", "rows": rows, "draws": []}
        house.write(
            Event(
                id=f"f{number}", kind="failure", time_ns=time_ns, known_ns=time_ns, model="fraud",
                actor="worker 0", subject=FRAUD_2.fingerprint, body=body,
            )
        )  # fmt: skip
    house.labeller().take_in(10)
    (part,) = house.store.read("fraud", 0, 2**50)
    assert (part.key.begin_ms, part.key.arm, part.rows) == (HOUR, "live", 0)
    assert counts(part, FAILED) == (7,)


def reaction(name: str, subject: str, minutes: int = 5, **body: object) -> Event:
    return structs.replace(outcome(name, subject, "", minutes), body=body)


def test_labels_by_when_they_came_are_there_by_slice_too(house: House):
    """M3 M18: under the slice of their decision, whatever that is called."""
    house.write(decisions(0))
    house.write(outcome("e1", identity(0), "fraud"), outcome("e2", identity(1), "ok"))
    house.labeller().take_in(10)
    arrived = house.store.read("fraud", -STRETCH_MS, 2**50, ARRIVED)
    found = {part.key.arm: sum(counts(part, "label_pair")) for part in arrived}
    country = house.parts("country=DE")[FRAUD_2.fingerprint, HOUR]
    assert found == {"": 2, '"country=DE"': sum(counts(country, "label_pair"))}


def test_each_reaction_counts_once_for_its_decision(house: House):
    """M3: clicked and bought are two things; said again they are none, in this piece or a later."""
    house.write(decisions(0))
    house.write(
        reaction("e1", identity(0), reaction="clicked", dwell_ms=4000),
        reaction("e2", identity(0), reaction="clicked", dwell_ms=9000),
        reaction("e3", identity(0), reaction="bought"),
        reaction("e4", identity(1), reaction="clicked"),
        reaction("e5", identity(77), reaction="clicked"),
    )
    house.labeller().take_in(10)
    house.write(reaction("e6", identity(1), 300, reaction="clicked", dwell_ms=2000))
    house.labeller().take_in(10)
    (part,) = house.parts().values()
    assert dict(zip(REACTIONS, counts(part, REACTED), strict=True)) == {
        **dict.fromkeys(REACTIONS, 0), "clicked": 2, "bought": 1,
    }  # fmt: skip
    dwell = part.columns[DWELL].numbers
    assert dwell is not None
    assert (dwell.moments.count, dwell.moments.mean) == (2, 3.0)
    status = summarise(values_of(np.array(["answered"] * 4)), RUNTIME_RULERS["status"])
    found = metrics_of(CONTRACT, {**part.columns, "status": status})
    assert found["rate of clicked"].figure == 0.5
    assert found["rate of bought"].figure == 0.25
    assert found["mean dwell_s"].figure == 3.0
    assert "rate of shared" not in found
    german = house.parts("country=DE")[FRAUD_2.fingerprint, HOUR]
    assert sum(counts(german, REACTED)) >= 1


def test_the_same_piece_is_taken_once_by_however_many_labellers(house: House):
    """M3 F4: late and doubled outcomes change nothing that was counted."""
    house.write(decisions(0))
    house.write(outcome("e1", identity(0), "fraud"), reaction("e2", identity(0), reaction="shared"))
    for _ in range(3):
        house.labeller().take_in(10)
    house.write(outcome("e1b", identity(0), "fraud", 9000), outcome("e9", identity(0), "ok", 9000))
    house.labeller().take_in(10)
    part = house.parts()[FRAUD_2.fingerprint, HOUR]
    assert sum(counts(part, "label_pair")) == 1
    assert counts(part, "label_again") == (1, 1)
    assert sum(counts(part, REACTED)) == 1
