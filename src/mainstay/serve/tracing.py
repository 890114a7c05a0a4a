"""What a request's way is told to, where somebody wants traces.

Promises that without one nothing is imported and nothing done but to see that there is none; that
whatever a collector does, no request waits for it. A trace goes on where the caller's began, by the
header `traceparent`, and look-ups over HTTP carry it on.
"""

from contextvars import ContextVar
from typing import Protocol

from mainstay.serve.routes.model import Route

OUTGOING: ContextVar[str] = ContextVar("mainstay_traceparent", default="")
"""What a look-up on behalf of a request says of its trace; nothing where there is none."""


class Timed(Protocol):
    """A run, as far as a trace tells of it."""

    rows: int
    started_ns: int
    steps_ns: dict[str, int]


class Trace(Protocol):
    """One request on its way. Times are readings of the clock that only grows."""

    @property
    def traceparent(self) -> str:
        """What names this request to others."""
        ...

    def step(self, name: str, began_ns: int, ended_ns: int) -> None:
        """Something took so long."""
        ...

    def ran(self, route: Route, run: Timed) -> None:
        """It took part in a run, whose steps are known now."""
        ...

    def decided(self, decision: str, status: str) -> None:
        """What became of its first row."""
        ...

    def replied(self, status: int) -> None:
        """It was answered, with an HTTP status; what is known of it by the next turn of the loop
        is told."""
        ...


class Tracing(Protocol):
    """Where traces go."""

    def begin(self, name: str, model: str, parents: tuple[str, str], began_ns: int) -> Trace:
        """A request that asks for something by this name; `parents` are the caller's headers
        `traceparent` and `tracestate`."""
        ...

    def close(self) -> None:
        """Send what is left, in a bounded time."""
        ...
