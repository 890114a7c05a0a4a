"""Decision ids: they carry their time and the process that made them, so a look-up opens one file.

An id is 28 hexadecimal digits: 12 of wall time in milliseconds, 8 of the incarnation of the
process (drawn once at its start), 8 of a counter within that incarnation. The counter alone makes
an id unique within an incarnation; the time is a hint for finding it and never a proof of order.
"""

import secrets
from dataclasses import dataclass

from mainstay.base.clock import Clock
from mainstay.base.errors import NotFound

_ID_LENGTH = 28
_SEQUENCE_MAX = 1 << 32


def new_incarnation() -> int:
    """Draw the 32-bit mark of one life of one process."""
    return secrets.randbits(32)


def new_secret() -> str:
    """43 url-safe characters of 256 random bits. It is the one draw that no seed repeats: who can
    replay a drill must not be able to guess a key."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class DecisionId:
    """The three parts of a decision id."""

    time_ms: int
    incarnation: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.time_ms:012x}{self.incarnation:08x}{self.sequence:08x}"


def parse_decision_id(text: str) -> DecisionId:
    """Read an id back into its parts; anything else than an id is `NotFound`."""
    try:
        if len(text) != _ID_LENGTH or text != text.lower() or not text.isalnum():
            raise ValueError(text)
        return DecisionId(int(text[:12], 16), int(text[12:20], 16), int(text[20:], 16))
    except ValueError:
        raise NotFound(
            "this is not a decision id",
            field="id",
            got=text[:64],
            expected=f"{_ID_LENGTH} hexadecimal digits, as a decision's answer carries them",
        ) from None


class DecisionIds:
    """Hands out the ids of one incarnation, a run of them at a time."""

    def __init__(self, incarnation: int, clock: Clock) -> None:
        self.incarnation = incarnation
        self._clock = clock
        self._next = 0

    def take(self, count: int) -> tuple[int, int]:
        """Reserve `count` consecutive ids; returns (time_ms, first sequence)."""
        first = self._next
        if first + count > _SEQUENCE_MAX:
            raise OverflowError("one process made 2^32 decisions; start a new one")
        self._next = first + count
        return self._clock.now_ns() // 1_000_000, first
