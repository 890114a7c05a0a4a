"""A circuit breaker: what fails or is slow again and again is left alone for a while.

Promises that after a few failures in a row nothing is asked for a pause; that then one run is let
through to try, and one failure more doubles the pause; and that one success ends all of it. Pure
but for the clock it is handed; used by one thread at a time.
"""

from typing import Final, Literal

from mainstay.base.clock import Clock

State = Literal["closed", "open", "half open"]

FAILURES_MAX: Final = 3
FIRST_PAUSE_NS: Final = 1_000_000_000
LONGEST_PAUSE_NS: Final = 60_000_000_000


class Breaker:
    """Whether something is asked at all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._until_ns: int | None = None

    @property
    def state(self) -> State:
        """`closed`: it is asked. `open`: it is not. `half open`: the next run tries it."""
        if self._until_ns is None:
            return "closed"
        return "open" if self._clock.elapsed_ns() < self._until_ns else "half open"

    def allows(self) -> bool:
        """Whether to ask now."""
        return self._until_ns is None or self._clock.elapsed_ns() >= self._until_ns

    def succeeded(self) -> None:
        """It answered in time."""
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._until_ns = None

    def failed(self) -> None:
        """It failed, or took too long."""
        if self._until_ns is not None:  # it was given a try
            self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
        else:
            self._failures += 1
            if self._failures < FAILURES_MAX:
                return
        self._until_ns = self._clock.elapsed_ns() + self._pause_ns
