"""What a reference of a period is made of: M4 M5 M7 M20."""

import numpy as np
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.chosen import held_anew, made_of
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import CALLERS, DAY_MS, STRETCH_MS, Key, Part
from mainstay.watch.monitors.detector import State
from mainstay.watch.monitors.model import Chosen, Saved

MARK = "ab" * 32
NUMBER = Ruler("number", (0.0, 1.0, 2.0))
NAMES = (
    "input_x", "label_loss", "label_loss|country=DE", "label_loss|country=FR", "probe_far",
)  # fmt: skip


def of(*values: float) -> Summary:
    return summarise(values_of(np.array(values)), NUMBER)


PACKED = Reference("packed", 9, {name: Known(NUMBER, of(0.5)) for name in NAMES})


def part(begin_ms: int, rows: int, slice_: str = "", arm: str = "live", **columns: Summary) -> Part:
    width = DAY_MS if begin_ms < 10 * DAY_MS else STRETCH_MS
    return Part(Key("fraud", MARK, 1, arm, slice_, begin_ms, width), rows, columns)


def made(*parts: Part, window=(0, 30 * DAY_MS), without=()):
    store = MemorySummaryStore()
    for place, each in enumerate(parts):
        store.add(str(place), [each])
    return made_of(PACKED, store, ("fraud", MARK), window, without, frozenset({"shadow"}))


def mean(reference: Reference, name: str) -> float:
    numbers = reference.columns[name].summary.numbers
    assert numbers is not None
    return numbers.moments.mean


def test_each_column_is_of_the_period_where_that_says_enough_of_it():
    """M4 M7 M20: of labels thirty, by slice; of callers all together; shadows and other versions
    say nothing; what lies beyond the packed cells is named."""
    day = 20 * DAY_MS
    found = made(
        part(day, 1_000, input_x=of(*[9.0] * 1_000), label_loss=of(*[3.0] * 30)),
        part(day, 99_000, arm="shadow", input_x=of(*[0.0] * 99)),
        part(day, 500, "country=DE", label_loss=of(*[4.0] * 40)),
        part(day, 500, "country=FR", label_loss=of(*[5.0] * 29)),
        part(day, 0, CALLERS, **{"probe_far|ann": of(0.0), "probe_far|bob": of(1.0)}),
    )
    reference = found.reference
    assert [mean(reference, name) for name in NAMES] == [9.0, 3.0, 4.0, 0.5, 0.5]
    assert reference.columns["probe_far"].summary.rows == 2
    assert reference.rows == 1_000
    assert found.coarse == ("input_x",)
    assert all(known.ruler is NUMBER for known in reference.columns.values())


def test_only_what_lies_in_the_period_whole_and_is_not_quarantined():
    """M4 N2: a day that is one part counts as a whole or not at all."""
    days = [part(each * DAY_MS, 1_000, input_x=of(float(each))) for each in range(5)]
    assert mean(made(*days, window=(0, 3 * DAY_MS)).reference, "input_x") == 1.0
    assert mean(made(*days, window=(1, 3 * DAY_MS + 1)).reference, "input_x") == 1.5
    late = made(*days, window=(0, 3 * DAY_MS), without=[(2 * DAY_MS + 5, 2 * DAY_MS + 6)])
    assert (mean(late.reference, "input_x"), late.left_out) == (0.5, 1)
    assert late.span == (0, 2 * DAY_MS)
    edge = made(*days, window=(0, 3 * DAY_MS), without=[(3 * DAY_MS, 4 * DAY_MS)])
    assert edge.left_out == 0
    with pytest.raises(InvalidUsage, match=r"0 decisions .* 3 stretches of it are quarantined"):
        made(*days, window=(0, 3 * DAY_MS), without=[(0, 3 * DAY_MS)])


def test_what_was_gathered_against_the_reference_before_is_forgotten():
    """M8 M24: of this version alone; what people do with answers is held against something else."""
    keys = [f"{MARK[:16]}||input_x|place", f"{MARK[:16]}||feedback|clicked", "cd" * 8 + "||x|y"]
    saved = Saved(states={key: State() for key in keys})
    chosen = Chosen("chosen:1", 0, 1)
    after = held_anew(saved, MARK, chosen)
    assert (list(after.states), after.chosen) == (keys[1:], {MARK: chosen})
    assert held_anew(after, MARK, None).chosen == {}
