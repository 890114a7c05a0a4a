"""Alerts in memory: the twin of the database and of the post, for tests and simulations.

Promises everything but to outlive its process.
"""

import threading
from collections.abc import Collection, Mapping

import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.watch.alerts.model import Book


class MemoryAlertStore:
    """Keeps the book as it would be written."""

    def __init__(self) -> None:
        self._book = msgspec.msgpack.encode(Book())
        self._revision = 0
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def load(self) -> tuple[Book, int]:
        """The book, and its revision; an empty one has revision 0."""
        with self._lock:
            return msgspec.msgpack.decode(self._book, type=Book), self._revision

    def save(self, book: Book, replaces: int, seen: Mapping[str, int]) -> bool:
        """Save it in place of that revision, with the events it has taken into account."""
        with self._lock:
            if self._revision != replaces or self._seen.keys() & seen.keys():
                return False
            self._book, self._revision = msgspec.msgpack.encode(book), replaces + 1
            self._seen.update(seen)
            return True

    def known(self, events: Collection[str]) -> set[str]:
        """Which of these events were taken into account."""
        return {event for event in events if event in self._seen}

    def forget(self, before_ns: int) -> None:
        """Let go of the ids of events from before then."""
        with self._lock:
            self._seen = {event: at for event, at in self._seen.items() if at >= before_ns}


class MemoryPost:
    """Remembers what it was given, unless it is down."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.down: set[str] = set()

    def send(self, url: str, title: str, body: str, *, good: bool) -> None:
        """Done when it returns."""
        if url in self.down:
            raise StorageFailed("nobody answers there")
        self.sent.append((url, title, body))
