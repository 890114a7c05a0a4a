"""A registry in the memory of one process: the twin of the one in a database."""

import threading
from collections.abc import Sequence

from mainstay.base.clock import Clock
from mainstay.bundle.model import Manifest, Version
from mainstay.bundle.numbering import next_version, no_version, oldest_first, only_one


class MemoryRegistry:
    """Numbers versions and forgets them with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._versions: list[Version] = []
        self._lock = threading.Lock()

    def register(self, manifest: Manifest, fingerprint: str, size_bytes: int) -> Version:
        """Give a version its number; registering the same fingerprint again returns it."""
        with self._lock:
            for version in self._versions:
                if version.fingerprint == fingerprint:
                    return version
            mine = self.versions(manifest.model)
            newest = mine[-1] if mine else None
            now_ns = self._clock.now_ns()
            version = next_version(newest, manifest, fingerprint, size_bytes, now_ns)
            self._versions.append(version)
            return version

    def find(self, model: str, number: int | None = None) -> Version:
        """One version, by default the newest; `NotFound` names what there is."""
        versions = self.versions(model)
        for version in reversed(versions):
            if number is None or version.number == number:
                return version
        known = [version.model for version in self.versions()]
        raise no_version(model, number, known, [version.number for version in versions])

    def find_fingerprint(self, fingerprint: str) -> Version:
        """The version with this fingerprint (or unambiguous beginning of it); `NotFound`."""
        found = [each for each in self.versions() if each.fingerprint == fingerprint]
        if not found and fingerprint:
            found = [each for each in self.versions() if each.fingerprint.startswith(fingerprint)]
        return only_one(fingerprint, found)

    def versions(self, model: str | None = None) -> Sequence[Version]:
        """All versions, oldest first."""
        kept = tuple(self._versions)
        return oldest_first(each for each in kept if model is None or each.model == model)
