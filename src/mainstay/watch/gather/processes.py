"""What the processes that answer use, as parts: their memory, by process and version.

Promises one part for each process, version and stretch, made of readings in that stretch alone, so
that what a process used can be told from what the next one does; what several versions in one
process use together is said of each of them.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import PROCESSES, STRETCH_MS, Key, Part

MEMORY: Final = "resident_bytes"
_BYTES: Final = Ruler("number", tuple((10.0 ** (np.arange(6 * 20, 13 * 20 + 1) / 20)).tolist()))
"""From a megabyte to ten terabytes, in cells of an eighth more."""


class Held(msgspec.Struct, frozen=True):
    """A version in a process."""

    model: str
    fingerprint: str
    number: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one process."""

    process: str
    """What tells it from all others, those before it as well: `worker 0 (18c4f2)`."""
    held: tuple[Held, ...]
    resident_bytes: int


class Processes:
    """Gathers readings until their stretch is over. Lives in one keeper."""

    def __init__(self) -> None:
        self._begin_ms = 0
        self._bytes: dict[tuple[str, Held], list[float]] = {}

    def take(self, readings: Iterable[Reading], now_ms: int) -> list[Part]:
        """Take a look into account; the parts of the stretch before it, once that is over."""
        begin_ms = now_ms - now_ms % STRETCH_MS
        parts: list[Part] = []
        if begin_ms != self._begin_ms:
            parts = [self._part(*key, values) for key, values in self._bytes.items()]
            self._begin_ms, self._bytes = begin_ms, {}
        for reading in readings:
            for held in reading.held:
                values = self._bytes.setdefault((reading.process, held), [])
                values.append(float(reading.resident_bytes))
        return parts

    def _part(self, process: str, held: Held, values: list[float]) -> Part:
        version = held.model, held.fingerprint, held.number
        key = Key(*version, process, PROCESSES, self._begin_ms)
        return Part(key, len(values), {MEMORY: summarise(values_of(np.array(values)), _BYTES)})
