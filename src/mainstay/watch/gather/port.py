"""Where parts are kept, and what is asked of versions."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mainstay.contract.model import Contract
from mainstay.summaries.reference import Reference
from mainstay.watch.gather.model import Part


class SummaryStore(Protocol):
    """Parts by key, and which pieces they came from. One process at a time writes."""

    def taken(self) -> frozenset[str]:
        """Every piece whose parts are here."""
        ...

    def add(self, piece: str, parts: Iterable[Part]) -> bool:
        """Keep the parts of a piece, all or none; False when the piece was taken before."""
        ...

    def read(self, model: str, since_ms: int, until_ms: int, slice_: str = "") -> Sequence[Part]:
        """The parts that begin in a stretch of time, one for each key, in the order of keys."""
        ...

    def slices(self, model: str, since_ms: int, until_ms: int) -> Sequence[str]:
        """The slices that have parts there, without the whole."""
        ...

    def compact(self, before_ms: int, width_ms: int) -> int:
        """Merge parts of stretches that ended before a moment into ones of this width; how many
        parts there are fewer."""
        ...

    def reference(self, fingerprint: str) -> Reference | None:
        """The reference that was kept for a version without one of its own."""
        ...

    def keep_reference(self, fingerprint: str, reference: Reference) -> None:
        """Keep the reference of a version; the first stays."""
        ...


class Contracts(Protocol):
    """What is to be known of versions."""

    def contract(self, fingerprint: str) -> Contract | None:
        """The contract in the version's bundle; nothing when the version is gone."""
        ...
