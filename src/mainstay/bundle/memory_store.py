"""The version store in memory, for one process: the twin of the real ones, same checks."""

from collections.abc import Sequence
from pathlib import Path

from mainstay.bundle.archive import check_archive
from mainstay.bundle.store import check_fingerprint, not_kept, place


class MemoryStore:
    """See `port.Store`."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, fingerprint: str, file: Path) -> None:
        """Keep a bundle file."""
        check_archive(file, check_fingerprint(fingerprint))
        self._kept.setdefault(fingerprint, file.read_bytes())

    def fetch(self, fingerprint: str, into: Path) -> Path:
        """Bring a bundle file to a local folder, checked."""
        data = self._kept.get(check_fingerprint(fingerprint))
        if data is None:
            raise not_kept(fingerprint)
        return place([data], fingerprint, into)

    def fingerprints(self) -> Sequence[str]:
        """Everything that is kept."""
        return sorted(self._kept)
