"""What processes use becomes parts: one for each process, version and stretch. M1 M11."""

import pytest

from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import HOUR_MS, PROCESSES, STRETCH_MS
from mainstay.watch.gather.processes import MEMORY, Held, Processes, Reading

BEGIN = 1_700_000_400_000 // HOUR_MS * HOUR_MS
FRAUD, CHURN = Held("fraud", "a" * 64, 3), Held("churn", "b" * 64, 1)


def reading(process: str, used: int, *held: Held) -> Reading:
    return Reading(process=process, held=held, resident_bytes=used)


def test_readings_become_parts_when_their_stretch_is_over():
    """M1: every process by itself, and every version that it has."""
    gathered = Processes()
    assert gathered.take([reading("worker 0 (1)", 100_000_000, FRAUD, CHURN)], BEGIN) == []
    later = [reading("worker 0 (1)", 300_000_000, FRAUD, CHURN), reading("worker 1 (1)", 7, FRAUD)]
    assert gathered.take(later, BEGIN + STRETCH_MS - 1) == []
    parts = gathered.take([reading("worker 0 (2)", 1, FRAUD)], BEGIN + STRETCH_MS)
    found = {}
    for part in parts:
        memory = part.columns[MEMORY].numbers
        assert memory is not None
        assert (part.key.slice, part.key.begin_ms) == (PROCESSES, BEGIN)
        found[part.key.model, part.key.number, part.key.arm] = part.rows, memory.moments.mean
    assert found == {
        ("fraud", 3, "worker 0 (1)"): (2, 200_000_000.0),
        ("churn", 1, "worker 0 (1)"): (2, 200_000_000.0),
        ("fraud", 3, "worker 1 (1)"): (1, 7.0),
    }
    (after,) = gathered.take([], BEGIN + 3 * STRETCH_MS)
    assert (after.key.arm, after.key.begin_ms) == ("worker 0 (2)", BEGIN + STRETCH_MS)
    assert gathered.take([], BEGIN + 4 * STRETCH_MS) == []


def test_they_are_no_slice_and_stay_bounded_when_stretches_become_hours():
    """M1: kept like all parts; nobody takes a process for a value of an input."""
    store, gathered = MemorySummaryStore(), Processes()
    for place in range(7):
        used = 100_000_000 * (place + 1)
        parts = gathered.take([reading("worker 0 (1)", used, FRAUD)], BEGIN + place * STRETCH_MS)
        store.add(f"processes-{place}", parts)
    assert store.slices("fraud", BEGIN, BEGIN + HOUR_MS) == [PROCESSES]
    assert "=" not in PROCESSES, "which is in the name of every slice"
    assert store.read("fraud", BEGIN, BEGIN + HOUR_MS) == []
    store.compact(BEGIN + 2 * HOUR_MS, HOUR_MS)
    (whole,) = store.read("fraud", BEGIN, BEGIN + HOUR_MS, PROCESSES)
    memory = whole.columns[MEMORY].numbers
    assert memory is not None
    assert whole.rows == 6
    assert memory.moments.mean == pytest.approx(350_000_000)
    assert memory.high == 600_000_000
