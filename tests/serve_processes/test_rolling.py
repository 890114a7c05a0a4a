"""Windows over the recent past agree with a plain list of what happened (M1)."""

import statistics

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainstay.serve.rolling import (
    LATENCY_BUCKETS,
    Rolling,
    RollingState,
    bucket_of,
    last_day,
    last_hour,
    last_minute,
    latency_quantiles,
    middle_of,
)

START = 1_700_000_000

requests = st.lists(
    st.tuples(st.integers(0, 5000), st.booleans(), st.integers(0, 10**10)), max_size=60
)


def replayed(steps: list[tuple[int, bool, int]], into: Rolling) -> list[tuple[int, bool, int]]:
    """Feed requests, each so many seconds after the one before; returns their seconds."""
    second, happened = START, []
    for gap, succeeded, elapsed in steps:
        second += gap
        into.add(second, succeeded, elapsed)
        happened.append((second, succeeded, elapsed))
    return happened


def counted(happened, now: int, length: int, step: int) -> tuple[int, int]:
    """The oracle: count in a list."""
    inside = [ok for second, ok, _ in happened if now // step - second // step < length // step]
    return len(inside), sum(inside)


@given(requests, st.integers(0, 100_000))
def test_windows_agree_with_a_list(steps, later):
    """M1: requests in the last minute, hour and day, and the share of 2xx."""
    rolling = Rolling()
    happened = replayed(steps, rolling)
    now = (happened[-1][0] if happened else START) + later
    states = [rolling.state()]
    for window, length, step in (
        (last_minute(states, now), 60, 1),
        (last_hour(states, now), 3600, 60),
        (last_day(states, now), 86_400, 600),
    ):
        assert (window.requests, window.succeeded) == counted(happened, now, length, step)


@given(requests, requests)
def test_two_workers_and_a_restart_are_a_sum(first, second):
    """M1: windows are sums over workers, and a state survives its file."""
    one, other = Rolling(), Rolling()
    happened = replayed(first, one)
    kept = msgspec.json.decode(msgspec.json.encode(one.state()), type=RollingState)
    again = Rolling(kept)
    happened += replayed(second, again)
    happened += replayed(second, other)
    now = max((each[0] for each in happened), default=START)
    found = last_day([again.state(), other.state()], now)
    newest = [each for each in happened if now // 600 - each[0] // 600 < 144]
    assert found.requests == len(newest)


@given(st.integers(0, 2**60))
def test_a_latency_is_known_to_an_eighth_of_a_power_of_two(elapsed):
    bucket = bucket_of(elapsed)
    assert 0 <= bucket < LATENCY_BUCKETS
    if bucket < LATENCY_BUCKETS - 1:
        assert abs(middle_of(bucket) - elapsed) <= max(1, elapsed / 8)


@given(st.lists(st.integers(10_000, 10**9), min_size=1, max_size=200))
def test_quantiles_are_near_those_of_a_list(latencies):
    rolling = Rolling()
    for elapsed in latencies:
        rolling.add(START, True, elapsed)
    found = latency_quantiles([rolling.state()], START, (0.5,))[0]
    assert found is not None
    ordered = sorted(latencies)
    nearby = ordered[max(0, len(ordered) // 2 - 1) : len(ordered) // 2 + 1]
    assert (
        min(nearby) * 0.87 <= found <= max(nearby) * 1.13
        or abs(found - statistics.median(latencies)) <= statistics.median(latencies) * 0.13
    )


def test_nobody_asked_is_not_zero():
    assert last_minute([], START).share_succeeded is None
    assert latency_quantiles([Rolling().state()], START, (0.5, 0.99)) == [None, None]
