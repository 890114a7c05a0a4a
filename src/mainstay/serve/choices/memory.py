"""Choices in the memory of one process: the twin of those in a database."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mainstay.base.clock import Clock
from mainstay.serve.choices.model import Choice, went_back
from mainstay.serve.choices.port import Page


@dataclass(slots=True)
class _Book:
    revision: int = 0
    changed_ns: int = 0
    stamps: dict[int, int] = field(default_factory=dict[int, int])
    revisions: dict[int, int] = field(default_factory=dict[int, int])


class MemoryChoiceStore:
    """Keeps choices and forgets them with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._books: dict[tuple[str, str], _Book] = {}
        self._lock = threading.Lock()

    def keep(self, choices: Sequence[Choice]) -> None:
        """Add choices; one that is older than what is known of its unit changes nothing."""
        with self._lock:
            for choice in choices:
                book = self._books.setdefault((choice.model, choice.rollout), _Book())
                book.changed_ns = self._clock.now_ns()
                if choice.stamp > book.stamps.get(choice.mark, 0):
                    book.revision += 1
                    book.stamps[choice.mark] = choice.stamp
                    book.revisions[choice.mark] = book.revision

    def since(self, model: str, rollout: str, revision: int) -> Page:
        """What came to be known after a revision (0: everything), and the revision reached."""
        with self._lock:
            book = self._books.get((model, rollout), _Book())
            new = [mark for mark, at in book.revisions.items() if at > revision]
            return book.revision, {mark: book.stamps[mark] for mark in new}

    def went_back(self, model: str, rollout: str) -> int:
        """How many units have chosen the version before."""
        with self._lock:
            book = self._books.get((model, rollout), _Book())
            return sum(map(went_back, book.stamps.values()))

    def forget(self, in_force: Mapping[str, str], before_ns: int) -> int:
        """Remove all of other rollouts than those in force that did not change since a moment."""
        with self._lock:
            old = [
                key
                for key, book in self._books.items()
                if in_force.get(key[0]) != key[1] and book.changed_ns < before_ns
            ]
            for key in old:
                del self._books[key]
            return len(old)
