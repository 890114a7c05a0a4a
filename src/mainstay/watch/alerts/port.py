"""Where alerts are kept, and what tells people."""

from collections.abc import Collection, Mapping
from typing import Protocol

from mainstay.contract.alerting import Do
from mainstay.watch.alerts.model import Action, Book


class AlertStore(Protocol):
    """One book for a workspace, and which events were taken into account."""

    def load(self) -> tuple[Book, int]:
        """The book, and its revision; an empty one has revision 0."""
        ...

    def save(self, book: Book, replaces: int, seen: Mapping[str, int]) -> bool:
        """Save it in place of that revision, and the ids of events (with their times, ns) that it
        has taken into account, both or neither; False when another one came in between, or has
        taken one of these events into account."""
        ...

    def known(self, events: Collection[str]) -> set[str]:
        """Which of these events were taken into account."""
        ...

    def forget(self, before_ns: int) -> None:
        """Let go of the ids of events from before then."""
        ...


class Post(Protocol):
    """Tells somebody something."""

    def send(self, url: str, title: str, body: str, *, good: bool) -> None:
        """Done when it returns; `StorageFailed` says why not, without the URL. `good` is news that
        something is over."""
        ...


class Doer(Protocol):
    """Does what rules want done."""

    def do(self, action: Action) -> str:
        """Done when it returns, in words; done twice it is done once. `StorageFailed` is tried
        again, any other `MainstayError` says why it cannot be."""
        ...

    def then(self, action: Action) -> tuple[Do, str] | None:
        """What is to be done now that this is, and about what; as a rule nothing."""
        ...
