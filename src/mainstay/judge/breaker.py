"""A circuit breaker: what fails or is slow again and again is left alone for a while.

Promises that after a few failures in a row nothing is asked for a pause; that then one run is let
through to try, however many want to ask, and one failure more doubles the pause; that one success
ends all of it; and that a try of which nothing is ever heard keeps nobody out for more than one
pause. Pure but for the clock it is handed; used by one thread at a time.
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
        self._trying = False

    @property
    def state(self) -> State:
        """`closed`: it is asked. `open`: it is not. `half open`: one run tries it, or the next
        one will."""
        if self._until_ns is None:
            return "closed"
        trying = self._trying or self._clock.elapsed_ns() >= self._until_ns
        return "half open" if trying else "open"

    def allows(self) -> bool:
        """Whether to ask now. After a pause the first who wants to ask is the try, and whoever
        comes before its end is told not to."""
        if self._until_ns is None:
            return True
        now = self._clock.elapsed_ns()
        if now < self._until_ns:
            return False
        self._until_ns = now + self._pause_ns
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It answered in time."""
        self._failures = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._until_ns = None
        self._trying = False

    def failed(self) -> None:
        """It failed, or took too long."""
        if self._until_ns is None:
            self._failures += 1
            if self._failures < FAILURES_MAX:
                return
        elif not self._trying:  # it was asked before the pause began
            return
        else:
            self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
        self._trying = False
        self._until_ns = self._clock.elapsed_ns() + self._pause_ns
