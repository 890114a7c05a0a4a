"""Counts in the memory of one process: the twin of those in a file."""

import threading

from mainstay.base.limits import TALLY_KEYS_MAX
from mainstay.tally.model import Counts, Form, key_of


class MemoryTally:
    """Counts, and forgets with the process."""

    def __init__(self, keys_max: int = TALLY_KEYS_MAX) -> None:
        self._counts = Counts(keys_max)
        self._lock = threading.Lock()

    def declare(self, name: str, bucket_ns: int, buckets: int, width: int) -> None:
        """Say how a name is counted."""
        with self._lock:
            self._counts.declare(name, Form(bucket_ns, buckets, width))

    def add(self, name: str, key: str, amounts: tuple[float, ...], time_ns: int) -> None:
        """Add to the bucket of a moment."""
        amounts = tuple(map(float, amounts))
        with self._lock:
            form = self._counts.check(name, amounts)
            self._counts.add(name, key_of(key), time_ns // form.bucket_ns, amounts)

    def read(self, name: str, key: str, since_ns: int, until_ns: int) -> tuple[float, ...]:
        """The sums of the buckets between two moments."""
        with self._lock:
            return self._counts.read(name, key_of(key), since_ns, until_ns)

    @property
    def forgotten(self) -> int:
        """How many keys were let go of."""
        return self._counts.forgotten

    def close(self) -> None:
        """Nothing is kept."""
