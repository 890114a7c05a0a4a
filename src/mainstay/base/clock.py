"""Time is a parameter: every clock reading in the product comes through a `Clock`.

Wall time (`now_ns`) names moments and may jump; monotonic time (`elapsed_ns`) measures
durations and never goes back. Durations must never be computed from wall time.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the product reads time."""

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 in UTC."""
        ...

    def elapsed_ns(self) -> int:
        """A reading that only grows; the difference of two is a duration."""
        ...


def busy_ns() -> int:
    """Processor time that this thread has had so far; the difference of two is what was used."""
    return time.thread_time_ns()


class SystemClock:
    """The clock of the machine."""

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 in UTC."""
        return time.time_ns()

    def elapsed_ns(self) -> int:
        """A reading that only grows; the difference of two is a duration."""
        return time.perf_counter_ns()


class ManualClock:
    """A clock that moves only when told to, for simulated time."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = now_ns
        self._elapsed_ns = 0

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 in UTC."""
        return self._now_ns

    def elapsed_ns(self) -> int:
        """A reading that only grows; the difference of two is a duration."""
        return self._elapsed_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("elapsed time cannot go back; use jump() for the wall clock")
        step = round(seconds * 1e9)
        self._now_ns += step
        self._elapsed_ns += step

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, forwards or back, as a clock correction does."""
        self._now_ns += round(seconds * 1e9)
