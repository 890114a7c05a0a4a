"""Which versions passed their trial on this machine, so that going back need not wait for another.

Promises that a trial is believed only for the very bytes that passed, on the machine and with the
libraries that they passed with, and for a month; whatever is installed or removed makes it void.
What it does not spare anybody: a version's bytes, signature and facts are checked each time, and
each worker lets it prove itself before it answers.
"""

import hashlib
import platform
import sys
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.files import write_whole

_HOLDS_NS = 30 * 24 * 3600 * 1_000_000_000


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """One trial that was passed."""

    at_ns: int
    surroundings: str


class Trials:
    """Trials passed on this machine, a small file each."""

    def __init__(self, cache: Path, clock: Clock) -> None:
        self._folder = cache / "trials"
        self._clock = clock

    def keep(self, fingerprint: str) -> None:
        """A version passed just now."""
        self._folder.mkdir(exist_ok=True)
        passed = Passed(at_ns=self._clock.now_ns(), surroundings=surroundings())
        write_whole(self._folder / f"{fingerprint}.json", msgspec.json.encode(passed))

    def holds(self, fingerprint: str) -> bool:
        """Whether a version passed lately, with what is here now."""
        file = self._folder / f"{fingerprint}.json"
        try:
            passed = msgspec.json.decode(file.read_bytes(), type=Passed)
        except (OSError, msgspec.MsgspecError):
            return False
        age_ns = self._clock.now_ns() - passed.at_ns
        return 0 <= age_ns <= _HOLDS_NS and passed.surroundings == surroundings()


def surroundings() -> str:
    """What a first load depends on beside the bundle: the machine, the interpreter, the libraries
    that are installed."""
    parts = [platform.platform(), platform.machine(), platform.node(), sys.version]
    for entry in sys.path:
        folder = Path(entry)
        if folder.name in {"site-packages", "dist-packages"} and folder.is_dir():
            parts.append(f"{folder} {folder.stat().st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
