"""A desk in a folder that the processes of one machine share: one small file for each answer.

Promises that a file is there whole or not at all, and that what was decided is kept by the first
who says it: its file is made once, under its own name, and never written again. Only this user can
read them, since they hold what is not told yet.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from mainstay.base.errors import StorageFailed
from mainstay.base.files import write_whole
from mainstay.base.ids import parse_decision_id
from mainstay.base.limits import HELD_MAX
from mainstay.serve.held.memory import too_many
from mainstay.serve.held.model import Settled, Waiting

_encode = msgspec.json.Encoder().encode
_waiting = msgspec.json.Decoder(Waiting)
_settled = msgspec.json.Decoder(Settled)
Kept = TypeVar("Kept", Waiting, Settled)


class FolderDesk:
    """Keeps what waits and what was decided in two folders."""

    def __init__(self, folder: Path, most: int = HELD_MAX) -> None:
        self._waits = folder / "waiting"
        self._decided = folder / "settled"
        self._most = most

    def put(self, waiting: Waiting) -> None:
        """Let something wait."""
        try:
            self._waits.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(os.listdir(self._waits)) >= self._most:  # noqa: PTH208  # because only their number is wanted
                raise too_many()
            write_whole(self._waits / f"{waiting.id}.json", _encode(waiting), 0o600)
        except OSError as error:
            raise StorageFailed(f"what waits for a person cannot be kept: {error}") from error

    def take_back(self, decision: str) -> None:
        """Forget something that was put by mistake."""
        with suppress(OSError):
            (self._waits / f"{decision}.json").unlink(missing_ok=True)

    def find(self, decision: str) -> tuple[Waiting | None, Settled | None]:
        """What is known of one decision; `NotFound` when it is not an id."""
        parse_decision_id(decision)  # no other name may become a path
        waits = _read(self._waits / f"{decision}.json", _waiting)
        return waits, _read(self._decided / f"{decision}.json", _settled)

    def waiting(self) -> Sequence[Waiting]:
        """Everything that nobody has decided about, oldest first."""
        decided = {path.name for path in _files(self._decided)}
        found = [
            waiting
            for path in _files(self._waits)
            if path.name not in decided and (waiting := _read(path, _waiting)) is not None
        ]
        return sorted(found, key=lambda each: (each.time_ns, each.id))

    def settle(self, settled: Settled) -> Settled:
        """Keep what was decided, unless somebody was first."""
        name = f"{settled.id}.json"
        try:
            self._decided.mkdir(mode=0o700, parents=True, exist_ok=True)
            parts = self._decided / f".{settled.event}.{os.getpid()}"
            descriptor = os.open(parts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_encode(settled))
                file.flush()
                os.fsync(file.fileno())
            try:
                # A second name cannot be given to what has one: the first who links it decided.
                (self._decided / name).hardlink_to(parts)
            except FileExistsError:
                return _read(self._decided / name, _settled) or settled
            finally:
                parts.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(f"what was decided cannot be kept: {error}") from error
        return settled

    def close(self, decision: str) -> None:
        """All that follows is done."""
        self.take_back(decision)

    def unfinished(self) -> Sequence[tuple[Waiting, Settled]]:
        """What was decided, and not closed."""
        found: list[tuple[Waiting, Settled]] = []
        for path in _files(self._waits):
            settled = _read(self._decided / path.name, _settled)
            waiting = _read(path, _waiting) if settled is not None else None
            if settled is not None and waiting is not None:
                found.append((waiting, settled))
        return found

    def forget(self, before_ns: int) -> int:
        """Remove what was closed and decided before a moment."""
        forgotten = 0
        for path in _files(self._decided):
            settled = _read(path, _settled)
            if (
                settled is not None
                and settled.time_ns < before_ns
                and not (self._waits / path.name).exists()
            ):
                path.unlink(missing_ok=True)
                forgotten += 1
        return forgotten


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*.json")) if not path.name.startswith("."))


def _read(path: Path, decoder: "msgspec.json.Decoder[Kept]") -> Kept | None:
    """What a file holds; nothing where there is none, or it was not written by this class."""
    try:
        return decoder.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error}") from error
