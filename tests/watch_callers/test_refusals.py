"""Whose requests are suddenly refused is named, and who always was is left alone: M20 M6."""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.summaries.summary import merge
from mainstay.watch.callers.refusals import ASKING_MAX, KEY, look_at_refusals
from mainstay.watch.gather.model import REFUSED, STRETCH_MS, Part
from mainstay.watch.gather.refused import (
    ASKED,
    CALLERS_MAX,
    WHY,
    Count,
    Counted,
    Refused,
)
from mainstay.watch.monitors.model import CALM_STRETCHES, Change, Saved

LOOKS = 30 * 144 * 8 / 0.625
FIELD = "invalid_request amount"


def count(caller: str, asked: int, refused: int, why: str = FIELD, model: str = "fraud") -> Count:
    reasons = {why: refused} if refused else {}
    return Count(model=model, caller=caller, asked=asked, refused=refused, why=reasons)


class House:
    """One process, one keeper, one monitor, stretch by stretch."""

    def __init__(self) -> None:
        self.gather, self.saved, self.now_ms = Refused(), Saved(), 1_000 * STRETCH_MS
        self.saved = structs.replace(self.saved, until_ms=self.now_ms)
        self.total: dict[str, Count] = {}
        self.changes: list[Change] = []

    def stretch(self, why: str = FIELD, **callers: tuple[int, int]) -> list[Change]:
        """What each caller asked and was refused in ten minutes."""
        self.gather.take([self.look()], self.now_ms)
        for caller, (asked, refused) in callers.items():
            before = self.total.get(caller, count(caller, 0, 0))
            reasons = dict(before.why)
            if refused:
                reasons[why] = reasons.get(why, 0) + refused
            self.total[caller] = structs.replace(
                before, asked=before.asked + asked, refused=before.refused + refused, why=reasons
            )
        self.gather.take([self.look()], self.now_ms + STRETCH_MS // 2)
        self.now_ms += STRETCH_MS
        parts = self.gather.take([self.look()], self.now_ms)
        since_ms = self.saved.until_ms
        after = structs.replace(self.saved, until_ms=self.now_ms)
        self.saved, changes = look_at_refusals(after, parts, since_ms, LOOKS)
        self.changes += changes
        return changes

    def look(self) -> Counted:
        return Counted(process="0 1 2", born_ms=1_000 * STRETCH_MS, counts=(*self.total.values(),))


def test_a_burst_is_told_once_with_caller_code_and_field_and_ends():
    """M20 M23: since when, how much is usual, why; the others are nobody's business."""
    house = House()
    for _ in range(20):
        assert not house.stretch(shop=(100, 5), till=(80, 0))
    began_ms = house.now_ms
    (change,) = house.stretch(shop=(100, 90), till=(80, 1))
    assert change.kind == "opened"
    assert change.finding.check == "caller shop: refused requests"
    assert change.since_ms == began_ms
    assert "90% of 100 requests were refused, where 5% is usual" in change.finding.words
    assert "mostly invalid_request of amount (90 of 90" in change.finding.words
    assert (change.finding.figure, change.finding.samples) == (0.9, 100)
    assert not house.stretch(shop=(100, 90), till=(80, 1))
    for _ in range(CALM_STRETCHES - 1):
        assert not house.stretch(shop=(100, 5), till=(80, 0))
    (over,) = house.stretch(shop=(100, 5), till=(80, 0))
    assert (over.kind, over.key) == ("resolved", KEY + "shop")


def test_silence_ends_it_too_and_a_new_caller_is_held_against_every_second():
    """M20: a prober has no usual share, and goes away without having been right once."""
    house = House()
    found = [change for _ in range(3) for change in house.stretch(**{"": (60, 60)})]
    assert [each.kind for each in found] == ["opened"]
    assert found[0].finding.check == "somebody without a valid key: refused requests"
    for _ in range(CALM_STRETCHES - 1):
        assert not house.stretch(shop=(1, 0))
    assert [each.kind for each in house.stretch()] == ["resolved"]


def test_what_is_usual_of_a_caller_is_its_own():
    """M20 M23: a sloppy client stays untold at its share; a tenth more is not told, a third is."""
    house = House()
    for _ in range(60):
        house.stretch(sloppy=(100, 40), always=(100, 97))
    first = [each.finding.check for each in house.changes]
    assert first == ["caller always: refused requests"]
    for _ in range(CALM_STRETCHES):
        house.stretch(sloppy=(100, 40), always=(100, 1))
    assert (house.changes[-1].kind, house.changes[-1].key) == ("resolved", KEY + "always")
    for _ in range(20):
        assert not house.stretch(sloppy=(100, 50))[1:]
    assert not [each for each in house.changes if "sloppy" in each.key]
    told = [change for _ in range(10) for change in house.stretch(sloppy=(100, 75))]
    assert "caller sloppy: refused requests" in [each.finding.check for each in told]


def test_no_alarms_where_nothing_changes():
    """M23: thirty callers of their own shares for seven days, against one alarm in thirty days."""
    generator = np.random.default_rng(5)
    shares = {f"c{number}": share for number, share in enumerate(generator.uniform(0, 0.45, 30))}
    house = House()
    for _ in range(7 * 144 // 4):
        drawn = {
            name: (rows, int(generator.binomial(rows, share)))
            for name, share in shares.items()
            for rows in [int(generator.poisson(40)) + 1]
        }
        house.stretch(**drawn)
    assert not house.changes


def test_what_is_remembered_is_bounded():
    """A3: callers come and go."""
    house = House()
    for number in range(8):
        house.stretch(**{f"c{number}-{each}": (2, 1) for each in range(90)})
    assert len(house.saved.asking) == ASKING_MAX
    assert "c7-0" in house.saved.asking


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 9),
            st.sampled_from(["x", "y"]), st.integers(0, STRETCH_MS),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_nothing_counts_twice_however_keepers_look(steps):
    """M1 M20: sums over all parts are what the processes counted, whenever somebody looked and
    whichever process could not be read for a moment."""
    gather, now_ms = Refused(), 50 * STRETCH_MS
    total: dict[int, dict[str, Count]] = {}
    parts: list[Part] = []

    def looks(without: int = -1) -> list[Counted]:
        return [
            Counted(process=str(each), born_ms=now_ms, counts=tuple(own.values()))
            for each, own in total.items()
            if each != without
        ]

    for process, caller, refused, more, why, later in steps:
        parts += gather.take(looks(), now_ms)
        own = total.setdefault(process, {})
        before = own.get(caller, count(caller, 0, 0))
        reasons: Mapping[str, int] = {**before.why, why: before.why.get(why, 0) + refused}
        own[caller] = structs.replace(
            before, asked=before.asked + refused + more, refused=before.refused + refused,
            why={name: n for name, n in reasons.items() if n},
        )  # fmt: skip
        parts += gather.take(looks(without=process), now_ms)
        parts += gather.take(looks(), now_ms)
        now_ms += later
    parts += gather.take(looks(), now_ms)
    parts += gather.take(looks(), now_ms + 2 * STRETCH_MS)
    for caller in "ab":
        columns = [part.columns[ASKED + caller] for part in parts if ASKED + caller in part.columns]
        wanted = [own[caller] for own in total.values() if caller in own]
        counted = [sum(each.refused for each in wanted), sum(each.asked for each in wanted)]
        found = reduce(merge, columns).categories if columns else None
        named = (0, 0) if found is None else found.named
        assert [named[0], sum(named)] == counted
        whys = [part.columns[WHY + caller] for part in parts if WHY + caller in part.columns]
        reasons = reduce(merge, whys).categories if whys else None
        assert sum(reasons.others.values() if reasons else ()) == counted[0]
    assert all(part.key.slice == REFUSED for part in parts)


def test_a_part_holds_the_callers_who_were_refused_most():
    """A3: of very many callers."""
    gather = Refused()
    counts = tuple(count(f"c{each:04}", 10, each % 10) for each in range(500))
    gather.take([Counted(process="p", born_ms=5 * STRETCH_MS, counts=counts)], 5 * STRETCH_MS)
    (part,) = gather.take([], 6 * STRETCH_MS)
    names = [name for name in part.columns if name.startswith(ASKED)]
    assert len(names) == CALLERS_MAX
    assert all(int(name[-1]) >= 8 for name in names)
    late = Refused()
    assert not late.take([Counted(process="p", born_ms=0, counts=counts)], 9 * STRETCH_MS)
    assert not late.take([], 10 * STRETCH_MS), "what was counted before nobody knows when"


@pytest.mark.parametrize("caller", ["a|b", "x" * 200])
def test_names_of_callers_are_no_keys_of_ours(caller: str):
    """A3: whatever a caller is called."""
    house = House()
    (change,) = house.stretch(**{caller: (100, 100)})
    assert change.key.count("|") == KEY.count("|")
    assert len(change.finding.check) < 100
    assert not house.stretch(**{caller: (100, 100)}), "it goes on"
