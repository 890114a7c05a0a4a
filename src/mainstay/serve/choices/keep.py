"""The keeper's side of choices: from the workers into the store, and from the store to them.

Promises that a choice that was written down reaches the store however often a keeper dies on the
way, because it is removed only once it is kept and keeping it twice changes nothing; and that with
the database away, the workers of this machine still follow what is chosen here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from mainstay.base.files import write_whole
from mainstay.base.limits import CHOICES_AT_ONCE_MAX
from mainstay.serve.choices.model import (
    CHOICES_FILE,
    WAITING_FOLDER,
    Choice,
    Packed,
    Table,
    Tables,
    merge,
    packed,
)
from mainstay.serve.choices.port import ChoiceStore

_choice = msgspec.json.Decoder(Choice)
_tables = msgspec.json.Decoder(Tables)

InForce = Callable[[], Mapping[str, str]]
"""Model to the rollout whose choices hold on this machine."""


class ChoiceKeeper:
    """What the keeper of one machine does for choices."""

    def __init__(self, store: Callable[[], ChoiceStore], in_force: InForce, folder: Path) -> None:
        """`store` is opened when it is first needed, and may fail."""
        self._store = store
        self._in_force = in_force
        self._file = folder / CHOICES_FILE
        self._waiting = folder / WAITING_FOLDER
        self._known: dict[tuple[str, str], dict[int, int]] = {}
        self._revisions: dict[tuple[str, str], int] = {}
        self._untold = False
        self._start_from_last()

    def _start_from_last(self) -> None:
        """Begin with what the workers were told last, for the case that the store is away."""
        try:
            last = _tables.decode(self._file.read_bytes()).models
            known = {
                (model, each.rollout): Packed(each.packed).all() for model, each in last.items()
            }
        except (OSError, msgspec.MsgspecError, ValueError):
            return
        self._known = known

    def look(self) -> None:
        """Take what waits, learn what is new elsewhere, and tell the workers."""
        files = sorted(self._waiting.glob("*.json"))[:CHOICES_AT_ONCE_MAX]
        in_force = dict(self._in_force())
        if not files and not in_force and not self._known:
            return
        taken = [choice for file in files if (choice := _read(file)) is not None]
        before = set(self._known)
        self._known = {key: self._known.get(key, {}) for key in in_force.items()}
        self._revisions = {key: self._revisions.get(key, 0) for key in self._known}
        self._untold = self._untold or set(self._known) != before
        for choice in taken:
            self._learn((choice.model, choice.rollout), {choice.mark: choice.stamp})
        try:
            self._exchange(taken)
        finally:
            self._tell()
        for file in files:
            file.unlink(missing_ok=True)

    def _exchange(self, taken: list[Choice]) -> None:
        if not taken and not self._known:
            return
        store = self._store()
        if taken:
            store.keep(taken)
        for key in self._known:
            self._revisions[key], new = store.since(*key, self._revisions[key])
            self._learn(key, new)

    def _learn(self, key: tuple[str, str], stamps: Mapping[int, int]) -> None:
        known = self._known.get(key)
        if known is not None and merge(known, stamps):
            self._untold = True

    def _tell(self) -> None:
        """Write the file anew, where something in it changed."""
        if self._untold:
            models = {
                model: Table(rollout=rollout, packed=packed(stamps))
                for (model, rollout), stamps in sorted(self._known.items())
            }
            write_whole(self._file, msgspec.json.encode(Tables(models=models)), 0o600)
            self._untold = False


def _read(file: Path) -> Choice | None:
    """What waits in a file; nothing where it was not written by a worker."""
    try:
        return _choice.decode(file.read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
