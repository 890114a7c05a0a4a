"""Corrected values on their way to the systems that keep the old ones.

Promises that what is sent at once is bounded, in values and in bytes; that the same values sent
again to the same system have the same key; and that each line says by itself which value it is
about, what it was and what it is. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from mainstay.base.limits import CORRECTIONS_AT_ONCE_MAX, CORRECTIONS_AT_ONCE_MAX_BYTES
from mainstay.release.reprocess.model import Told

DELIVERED: Final = "corrected"
"""What events about what was told have in their body."""
FORM: Final = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """One value that says something else now, as it is told: a line of JSON."""

    replaces: str
    """The decision whose answer was kept somewhere."""
    by: str
    """The decision that replaces it; never the same for two corrections."""
    model: str
    time: str
    """When it was answered anew, RFC 3339."""
    before: Told
    after: Told


class Delivery(NamedTuple):
    """What is sent at once."""

    key: str
    body: bytes
    values: tuple[str, ...]
    """The new decisions in it."""


def deliveries(receiver: str, corrections: Iterable[Correction]) -> Iterator[Delivery]:
    """Corrections in their order, so many at once."""
    lines: list[bytes] = []
    values: list[str] = []
    size = 0
    for each in corrections:
        line = _encode(each) + b"\n"
        full = len(lines) == CORRECTIONS_AT_ONCE_MAX or size + len(line) > (
            CORRECTIONS_AT_ONCE_MAX_BYTES
        )
        if lines and full:
            yield _delivery(receiver, lines, values)
            lines, values, size = [], [], 0
        lines.append(line)
        values.append(each.by)
        size += len(line)
    if lines:
        yield _delivery(receiver, lines, values)


def _delivery(receiver: str, lines: list[bytes], values: list[str]) -> Delivery:
    digest = hashlib.sha256("\n".join((receiver, *values)).encode())
    return Delivery(digest.hexdigest()[:32], b"".join(lines), tuple(values))
