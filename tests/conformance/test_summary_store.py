"""Every store of parts keeps the same promises: M4 M5 (each piece once, whatever it is merged with)."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from mainstay.summaries.reference import Reference, reference_of
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, Key, Part, merge_parts
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.sql import SqlSummaryStore

MARK = "ab" * 32
RULER = Ruler("number", (0.0, 1.0, 2.0, 3.0))


@pytest.fixture
def store(kept_in: Engine | None) -> SummaryStore:
    return MemorySummaryStore() if kept_in is None else SqlSummaryStore(kept_in)


def part(
    hour: int, values: list[float], *, slice_: str = "", arm: str = "live", model: str = "fraud"
) -> Part:
    key = Key(model, MARK, 3, arm, slice_, hour * HOUR_MS, HOUR_MS)
    column = values_of(np.array(values))
    return Part(key, len(values), {"input_amount": summarise(column, RULER)})


def test_a_piece_counts_once(store: SummaryStore):
    """L7 M4: a keeper that is killed between two pieces takes the second again, not the first."""
    assert store.add("one", [part(0, [1.0]), part(1, [2.0, 2.5])])
    assert not store.add("one", [part(0, [1.0])])
    assert store.add("two", [part(1, [0.5])])
    assert store.taken() == {"one", "two"}
    found = store.read("fraud", 0, DAY_MS)
    assert [(each.key.begin_ms, each.rows) for each in found] == [(0, 1), (HOUR_MS, 3)]
    both = merge_parts(part(1, [2.0, 2.5]), part(1, [0.5]), found[1].key)
    assert found[1].columns["input_amount"].numbers.cells == both.columns["input_amount"].numbers.cells  # fmt: skip


def test_windows_models_and_slices_are_kept_apart(store: SummaryStore):
    """M4 M18: what is asked for is what is told."""
    odd = "country=\0é"
    store.add("one", [part(h, [1.0]) for h in range(5)])
    store.add("two", [part(2, [1.0], slice_=odd), part(2, [1.0], slice_="country=DE")])
    store.add("three", [part(2, [1.0], model="churn"), part(2, [1.0], arm="shadow")])
    assert [p.key.begin_ms for p in store.read("fraud", HOUR_MS, 3 * HOUR_MS)] == [
        HOUR_MS, 2 * HOUR_MS, 2 * HOUR_MS,
    ]  # fmt: skip
    assert store.slices("fraud", 0, DAY_MS) == sorted(["country=DE", odd])
    assert store.slices("churn", 0, DAY_MS) == []
    assert [p.key.slice for p in store.read("fraud", 0, DAY_MS, odd)] == [odd]
    assert store.read("nobody", 0, DAY_MS) == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.lists(st.floats(-1, 4), min_size=1, max_size=4)),
        min_size=1,
        max_size=12,
    )
)
def test_merging_changes_no_count(kept_in: Engine | None, pieces: list[tuple[int, list[float]]]):
    """M4: hours become days, in any order of pieces, and every row is still there once."""
    store = MemorySummaryStore() if kept_in is None else SqlSummaryStore(kept_in)
    model = f"m{abs(hash(str(pieces)))}"
    for number, (hour, values) in enumerate(pieces):
        store.add(f"{model}-{number}", [part(hour, values, model=model)])
    before = store.read(model, 0, 100 * HOUR_MS)
    store.compact(50 * HOUR_MS, HOUR_MS)
    again = store.read(model, 0, 100 * HOUR_MS)
    assert [(p.key, p.rows) for p in again] == [(p.key, p.rows) for p in before]
    store.compact(50 * HOUR_MS, DAY_MS)
    store.compact(50 * HOUR_MS, DAY_MS)
    after = store.read(model, 0, 100 * HOUR_MS)
    widths = {p.key.width_ms for p in after if p.key.begin_ms < 2 * DAY_MS}
    assert widths <= {DAY_MS}
    for first, parts in ((0, after), (2 * DAY_MS, after)):
        rows = sum(p.rows for p in parts if p.key.begin_ms >= first)
        assert rows == sum(len(v) for hour, v in pieces if hour * HOUR_MS >= first)
    cells = np.sum([p.columns["input_amount"].numbers.cells for p in after], axis=0)
    every = np.concatenate([values for _, values in pieces])
    expected = np.histogram(every, [-np.inf, *np.nextafter(RULER.edges, np.inf), np.inf])[0]
    assert cells.tolist() == expected.tolist()


def test_the_first_reference_stays(store: SummaryStore):
    """M4: a version that brought no reference is held to one and the same ever after."""
    assert store.reference(MARK) is None
    first = reference_of({"input_amount": np.arange(50.0)}, "its first 50 decisions")
    store.keep_reference(MARK, first)
    store.keep_reference(MARK, Reference("another", 1, {}))
    assert store.reference(MARK) == first
