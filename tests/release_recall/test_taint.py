"""Whether a version learned from a stretch: never clean by mistake (N2)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainstay.release.recall.taint import taint
from tests.release_recall.world import HOUR, START, hours, stretch, version

hour = st.integers(0, 60)


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    begin = draw(hour)
    return begin, begin + draw(st.integers(1, 30))


@settings(max_examples=300, deadline=None)
@given(spans(), spans(), st.lists(spans(), max_size=3))
def test_with_moments_it_is_as_counting_hours_says(
    trained: tuple[int, int], polluted: tuple[int, int], holes: list[tuple[int, int]]
):
    """N2: a second way to find out, hour by hour; exactly, with all that was left out."""
    seen = set(range(*trained)).difference(*(range(*hole) for hole in holes))
    touched = bool(seen & set(range(*polluted)))
    found = taint(version(1, trained, without=holes), [stretch(*polluted)])
    assert found.judged == ("trained" if touched else "clean")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 6), st.integers(0, 3), spans(), st.booleans())
def test_days_may_be_those_of_any_time_zone(
    first: int, more: int, polluted: tuple[int, int], whole: bool
):
    """N2: clean only where it is clean wherever on earth the card was written, and learned from it
    only where it is so everywhere."""
    day = datetime(2023, 11, 14, tzinfo=UTC)
    begin, end = day + timedelta(days=first), day + timedelta(days=first + more)
    if whole:
        said = (f"{begin:%Y-%m-%d}", f"{end:%Y-%m-%d}")
        end += timedelta(days=1)
    else:
        end += timedelta(hours=1)
        said = (f"{begin:%Y-%m-%dT%H:%M}", f"{end:%Y-%m-%d %H:%M:%S}")
    window = stretch(*polluted)

    def touches(offset: int) -> bool:
        shift = timedelta(hours=offset)
        low, high = ((each - shift).timestamp() * 1e9 for each in (begin, end))
        return low < window.end_ns and window.begin_ns < high

    everywhere = [touches(offset) for offset in range(-12, 15)]
    found = taint(version(1, said), [window]).judged
    expected = "unsure" if any(everywhere) else "clean"
    # Halfway between two whole hours nothing is different, and the narrowest stretch may be empty.
    assert found == expected or (found == "trained" and all(everywhere))


def test_what_a_card_does_not_say_is_unsure_and_said():
    """N2: never silently clean; but nothing can have learned from what came after it."""
    window = stretch(10, 20)
    for said in (None, ("last week", "now"), (hours(9), hours(5)), ("2023-13-01", "2023-14-01")):
        found = taint(version(1, said), [window])
        assert found.judged == "unsure"
        assert "card does not say" in found.words or "no stretch of time" in found.words
        came_before = taint(version(1, said, at=window.begin_ns), [window])
        assert (came_before.judged, came_before.words) == (
            "clean",
            "it came before the stretch began",
        )
        assert taint(version(1, said, at=window.begin_ns + 1), [window]).judged == "unsure"


def test_a_card_that_says_so_is_believed_over_the_clock():
    """A clock may be wrong, and what a card admits is not."""
    assert taint(version(1, (5, 12), at=START), [stretch(10, 20)]).judged == "trained"


@pytest.mark.parametrize("text", ["2023-11-14T22:00Z", "2023-11-14T23:00+01:00"])
def test_moments_without_seconds_are_moments(text: str):
    """As `--polluted` takes them."""
    found = taint(version(1, (text, hours(3))), [stretch(0, 1)])
    assert found.judged == "trained"


def test_a_quarantined_stretch_is_named():
    """What else a version learned from is told apart from what is asked about."""
    found = taint(version(1, (5, 12)), [stretch(20, 30), stretch(6, 7)])
    assert found.judged == "trained"
    assert str(stretch(6, 7)) in found.words
    assert START % HOUR == 0


def test_days_that_were_left_out_count_as_left_out_only_where_they_were_everywhere():
    """N2: a day left out in some time zone does not cover the same day in another one."""
    found = version(1, (0, 200))
    day = ("2023-11-16", "2023-11-16")
    without = replace(found, card=replace(found.card, without=(day,)))
    noon, midnight = stretch(36, 37), stretch(26, 27)
    assert hours(26).startswith("2023-11-16T00")
    assert taint(without, [noon]).judged == "unsure"
    assert taint(without, [midnight]).judged == "unsure"
    three = replace(found, card=replace(found.card, without=(("2023-11-15", "2023-11-17"),)))
    assert taint(three, [noon]).judged == "clean"
    assert "without the stretch" in taint(three, [noon]).words
    assert taint(three, [stretch(100, 101)]).judged == "trained"
