"""Parts in memory: the twin of the database, for tests and simulations.

Promises everything but to outlive its process.
"""

from collections.abc import Iterable, Sequence

from mainstay.summaries.reference import Reference
from mainstay.watch.gather.model import Key, Part, merge_parts, widened


class MemorySummaryStore:
    """Keeps parts in a dictionary."""

    def __init__(self) -> None:
        self._pieces: set[str] = set()
        self._parts: dict[Key, Part] = {}
        self._references: dict[str, Reference] = {}

    def taken(self) -> frozenset[str]:
        """Every piece whose parts are here."""
        return frozenset(self._pieces)

    def add(self, piece: str, parts: Iterable[Part]) -> bool:
        """Keep the parts of a piece, all or none; False when the piece was taken before."""
        if piece in self._pieces:
            return False
        new = list(parts)
        self._pieces.add(piece)
        for part in new:
            self._merge(part)
        return True

    def _merge(self, part: Part) -> None:
        before = self._parts.get(part.key)
        self._parts[part.key] = part if before is None else merge_parts(before, part, part.key)

    def read(self, model: str, since_ms: int, until_ms: int, slice_: str = "") -> Sequence[Part]:
        """The parts that begin in a stretch of time, one for each key, in the order of keys."""
        found = [
            part
            for key, part in self._parts.items()
            if key.model == model and key.slice == slice_ and since_ms <= key.begin_ms < until_ms
        ]
        return sorted(found, key=lambda part: part.key)

    def slices(self, model: str, since_ms: int, until_ms: int) -> Sequence[str]:
        """The slices that have parts there, without the whole."""
        return sorted({
            key.slice
            for key in self._parts
            if key.model == model and key.slice and since_ms <= key.begin_ms < until_ms
        })  # fmt: skip

    def compact(self, before_ms: int, width_ms: int) -> int:
        """Merge parts of stretches that ended before a moment into ones of this width."""
        old = [
            key
            for key in self._parts
            if key.width_ms < width_ms and widened(key, width_ms).begin_ms + width_ms <= before_ms
        ]
        count = len(self._parts)
        for key in old:
            part = self._parts.pop(key)
            self._merge(Part(widened(key, width_ms), part.rows, part.columns))
        return count - len(self._parts)

    def reference(self, fingerprint: str) -> Reference | None:
        """The reference that was kept for a version without one of its own."""
        return self._references.get(fingerprint)

    def keep_reference(self, fingerprint: str, reference: Reference) -> None:
        """Keep the reference of a version; the first stays."""
        self._references.setdefault(fingerprint, reference)
