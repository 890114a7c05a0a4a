"""How much, how well and how fast over the last minute, hour and day, in a fixed amount of memory.

Promises that one request costs a few additions, that a window of any workers is the sum of theirs,
and that the figures survive the restart of a worker. Windows move in steps of a second, a minute
and ten minutes; a latency is known to an eighth of a power of two (12 %), which is enough to see a
change and small enough to keep sixty of.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

SUB_BUCKETS = 8
_OCTAVES = 42
LATENCY_BUCKETS = SUB_BUCKETS * _OCTAVES
"""Covers one nanosecond to more than half an hour."""

_MINUTE = 60
_TEN_MINUTES = 600
_HOUR = 3600
_DAY = 86_400


class Tally(msgspec.Struct, array_like=True):
    """What happened within one step of time."""

    stamp: int
    """The step's number since 1970."""
    requests: int
    succeeded: int


class MinuteTally(msgspec.Struct, array_like=True):
    """What happened within one minute, with latencies."""

    stamp: int
    latency: dict[int, int]


class RollingState(msgspec.Struct, array_like=True):
    """A `Rolling` as it is kept in a file."""

    seconds: list[Tally] = []
    minutes: list[Tally] = []
    tens: list[Tally] = []
    latency: list[MinuteTally] = []


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one stretch of time."""

    requests: int
    succeeded: int

    @property
    def share_succeeded(self) -> float | None:
        """The share of 2xx; unknown when nobody asked."""
        return self.succeeded / self.requests if self.requests else None


class Rolling:
    """The recent past of one model's requests, as one worker saw it."""

    __slots__ = (
        "_latencies",
        "_latency",
        "_latency_minute",
        "_minutes",
        "_requests",
        "_second",
        "_seconds",
        "_succeeded",
        "_tens",
    )

    def __init__(self, state: RollingState | None = None) -> None:
        state = state or RollingState()
        self._second = -1
        self._requests = 0
        self._succeeded = 0
        self._seconds = deque(state.seconds, maxlen=_MINUTE)
        self._minutes = deque(state.minutes, maxlen=60)
        self._tens = deque(state.tens, maxlen=144)
        self._latencies = deque(state.latency, maxlen=60)
        self._latency_minute = -1
        self._latency = [0] * LATENCY_BUCKETS

    def add(self, second: int, succeeded: int, elapsed_ns: int) -> None:
        """One request was answered in the wall-clock second `second`; `succeeded` is 0 or 1."""
        if second != self._second:
            self._turn(second)
        self._requests += 1
        self._succeeded += succeeded
        self._latency[bucket_of(elapsed_ns)] += 1

    def _turn(self, second: int) -> None:
        """Close the running second, and the running minute when it is over."""
        self._fold()
        self._second = second
        minute = second // 60
        if minute != self._latency_minute:
            self._close_latency()
            self._latency_minute = minute

    def _fold(self) -> None:
        if self._requests:
            _merge(self._seconds, self._second, self._requests, self._succeeded)
            _merge(self._minutes, self._second // 60, self._requests, self._succeeded)
            _merge(self._tens, self._second // _TEN_MINUTES, self._requests, self._succeeded)
            self._requests = self._succeeded = 0

    def _close_latency(self) -> None:
        if self._latency_minute >= 0:
            self._latencies.append(MinuteTally(self._latency_minute, _sparse(self._latency)))
            self._latency = [0] * LATENCY_BUCKETS

    def state(self) -> RollingState:
        """Everything, for a file; the running second and minute included."""
        self._fold()
        latency = list(self._latencies)
        if self._latency_minute >= 0:
            latency.append(MinuteTally(self._latency_minute, _sparse(self._latency)))
        return RollingState(list(self._seconds), list(self._minutes), list(self._tens), latency)


def _merge(ring: deque[Tally], stamp: int, requests: int, succeeded: int) -> None:
    if ring and ring[-1].stamp == stamp:
        ring[-1].requests += requests
        ring[-1].succeeded += succeeded
    else:
        ring.append(Tally(stamp, requests, succeeded))


def _sparse(counts: list[int]) -> dict[int, int]:
    return {bucket: count for bucket, count in enumerate(counts) if count}


def bucket_of(elapsed_ns: int) -> int:
    """The latency bucket of a duration: eight to each power of two."""
    if elapsed_ns < SUB_BUCKETS:
        return max(elapsed_ns, 0)
    exponent = elapsed_ns.bit_length() - 4
    bucket = (exponent + 1) * SUB_BUCKETS + (elapsed_ns >> exponent) - SUB_BUCKETS
    return bucket if bucket < LATENCY_BUCKETS else LATENCY_BUCKETS - 1


def middle_of(bucket: int) -> float:
    """The nanoseconds that stand for a bucket: its middle."""
    if bucket < SUB_BUCKETS:
        return float(bucket)
    exponent = bucket // SUB_BUCKETS - 1
    return (SUB_BUCKETS + bucket % SUB_BUCKETS + 0.5) * 2.0**exponent


def last_minute(states: Iterable[RollingState], second: int) -> Window:
    """The sixty seconds before and with `second`."""
    return _window((state.seconds for state in states), second, _MINUTE, 1)


def last_hour(states: Iterable[RollingState], second: int) -> Window:
    """The sixty minutes before and with that of `second`."""
    return _window((state.minutes for state in states), second, _HOUR, 60)


def last_day(states: Iterable[RollingState], second: int) -> Window:
    """The 144 tens of minutes before and with that of `second`."""
    return _window((state.tens for state in states), second, _DAY, _TEN_MINUTES)


def _window(rings: Iterable[Sequence[Tally]], second: int, length: int, step: int) -> Window:
    newest = second // step
    oldest = newest - length // step
    requests = succeeded = 0
    for ring in rings:
        for tally in ring:
            if oldest < tally.stamp <= newest:
                requests += tally.requests
                succeeded += tally.succeeded
    return Window(requests=requests, succeeded=succeeded)


def latency_quantiles(
    states: Iterable[RollingState], second: int, quantiles: Sequence[float]
) -> list[float | None]:
    """Quantiles in nanoseconds of the latencies of the last hour; `None` when nobody asked."""
    newest = second // 60
    total = [0] * LATENCY_BUCKETS
    for state in states:
        for minute in state.latency:
            if newest - 60 < minute.stamp <= newest:
                for bucket, count in minute.latency.items():
                    if 0 <= bucket < LATENCY_BUCKETS:
                        total[bucket] += count
    return [_quantile(total, share) for share in quantiles]


def _quantile(counts: Sequence[int], share: float) -> float | None:
    everything = sum(counts)
    if not everything:
        return None
    wanted = max(1, round(share * everything))
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return middle_of(bucket)
    return None
