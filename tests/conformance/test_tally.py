"""Every keeper of counts keeps the same promises: S25 S34 (state counted across requests)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage
from mainstay.tally.memory import MemoryTally
from mainstay.tally.port import Tally
from mainstay.tally.sqlite import SqliteTally

HOUR = 3_600_000_000_000
START = ManualClock().now_ns()
Make = Callable[..., Tally]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    made: list[Tally] = []

    def one(**limits: int) -> Tally:
        if request.param == "memory":
            made.append(MemoryTally(**limits))
        else:
            made.append(SqliteTally(tmp_path / "tally.db", ManualClock(), **limits))
        return made[-1]

    yield one
    for tally in made:
        tally.close()


def hours(tally: Tally, key: str, since: int, until: int) -> tuple[float, ...]:
    return tally.read("asked", key, START + since * HOUR, START + until * HOUR)


def test_what_was_added_counts_at_once_in_its_bucket(make: Make):
    """Sums over whole buckets: one that lies partly between the moments counts."""
    tally = make()
    tally.declare("asked", HOUR, 24, 2)
    tally.add("asked", "ann", (1, 10), START)
    tally.add("asked", "ann", (1, 5), START + HOUR)
    tally.add("asked", "bob", (1, 7), START)
    assert hours(tally, "ann", 0, 1) == (2, 15)
    assert hours(tally, "ann", 1, 1) == (1, 5)
    assert hours(tally, "bob", 0, 99) == (1, 7)
    assert hours(tally, "eve", 0, 99) == (0, 0)
    within = START - START % HOUR
    assert tally.read("asked", "ann", within + HOUR - 1, within + HOUR - 1) == (1, 10)


def test_only_as_many_buckets_are_kept_as_were_declared(make: Make):
    tally = make()
    tally.declare("asked", HOUR, 3, 1)
    for hour in range(5):
        tally.add("asked", "ann", (1,), START + hour * HOUR)
    assert hours(tally, "ann", 0, 99) == (3,)


def test_a_clock_that_ran_ahead_leaves_nothing_that_counts_for_ever(make: Make):
    """After the clock was put right again, what was counted in the future is let go of, and what
    is counted now is kept."""
    tally = make()
    tally.declare("asked", HOUR, 3, 1)
    tally.add("asked", "ann", (1,), START + 1000 * HOUR)
    tally.add("asked", "ann", (1,), START)
    assert hours(tally, "ann", 0, 9999) == (1,)


def test_saying_the_same_again_changes_nothing_and_another_form_is_refused(make: Make):
    tally = make()
    tally.declare("asked", HOUR, 3, 1)
    tally.add("asked", "ann", (1,), START)
    tally.declare("asked", HOUR, 30, 1)
    assert hours(tally, "ann", 0, 0) == (1,)
    for form in ((HOUR + 1, 3, 1), (HOUR, 3, 2)):
        with pytest.raises(InvalidUsage, match="another form"):
            tally.declare("asked", *form)


@pytest.mark.parametrize("form", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 99), (1, 10**9, 1)])
def test_a_form_that_cannot_be_is_refused(make: Make, form: tuple[int, int, int]):
    with pytest.raises(InvalidUsage, match="in this form"):
        make().declare("asked", *form)


@pytest.mark.parametrize("amounts", [(), (1, 2), (float("nan"),), (float("inf"),)])
def test_amounts_that_do_not_fit_are_refused(make: Make, amounts: tuple[float, ...]):
    """One bad number would spoil every sum after it."""
    tally = make()
    tally.declare("asked", HOUR, 3, 1)
    with pytest.raises(InvalidUsage, match="cannot be added"):
        tally.add("asked", "ann", amounts, START)
    assert hours(tally, "ann", 0, 9) == (0,)


def test_what_nobody_declared_is_refused(make: Make):
    tally = make()
    with pytest.raises(InvalidUsage, match="nobody declared"):
        tally.add("asked", "ann", (1,), START)
    with pytest.raises(InvalidUsage, match="nobody declared"):
        tally.read("asked", "ann", 0, START)


def test_keys_are_bounded_and_the_least_recently_used_make_room(make: Make):
    """Whoever invents keys cannot fill the memory; how many were forgotten is counted."""
    tally = make(keys_max=3)
    tally.declare("asked", HOUR, 3, 1)
    for key in ("a", "b", "c"):
        tally.add("asked", key, (1,), START)
    assert hours(tally, "a", 0, 0) == (1,)  # looked at, so it stays
    tally.add("asked", "d", (1,), START)
    assert [hours(tally, key, 0, 0)[0] for key in "acd"] == [1, 1, 1]
    assert hours(tally, "b", 0, 0) == (0,)
    assert tally.forgotten == 1


@pytest.mark.parametrize("key", ["", "\0", "\ud800", "ü" * 10_000, "a" * 10_000, "a'; --"])
def test_any_text_is_a_key(make: Make, key: str):
    tally = make()
    tally.declare("asked", HOUR, 3, 1)
    tally.add("asked", key, (1,), START)
    tally.add("asked", key + "b", (1,), START)
    assert hours(tally, key, 0, 0) == (1,)
    tally.close()


@given(
    additions=st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 9),
            st.tuples(st.integers(-5, 5), st.integers(0, 1000)),
        ),
        max_size=30,
    )
)
@settings(max_examples=50, deadline=None)
def test_sums_are_those_of_a_plain_list(additions):
    """An oracle that keeps everything: each read is the sum of what lies in the buckets."""
    tally = MemoryTally()
    tally.declare("asked", HOUR, 10, 2)
    for key, hour, amounts in additions:
        tally.add("asked", key, amounts, START + hour * HOUR)
    for key in "ab":
        for since in range(0, 10, 3):
            for until in range(since, 10, 2):
                wanted = [a for k, hour, a in additions if k == key and since <= hour <= until]
                sums = tuple(map(sum, zip(*wanted, strict=True))) if wanted else (0, 0)
                assert hours(tally, key, since, until) == sums
