"""The inbox: a bundle file dropped into a folder goes live.

    inbox/fraud.mainstay               dropped; taken once it has stopped growing
    inbox/.taking/fraud.mainstay       being taken, beside fraud.mainstay.json: how far it got
    inbox/done/fraud.mainstay          live (or live already), beside fraud.mainstay.txt
    inbox/refused/fraud.mainstay       not live, beside fraud.mainstay.txt: why, in words

Promises that a file is deployed at most once, even when the process is killed between any two
steps: before it deploys, it writes down the epoch that it is going to replace, and that epoch can
be replaced only once. A file that cannot go live is refused once and never looked at again; one
that only has to wait (a database is down) is tried again, at growing intervals. Names that begin
with '.', '~' or '#' or do not end in '.mainstay' are left alone.

Limits: one process takes in one inbox. The folder and its parts must be on one file system. What
is in `done` is for people, and is theirs to delete.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import structs

from mainstay.base.clock import Clock
from mainstay.base.errors import (
    Conflict,
    InvalidBundle,
    MainstayError,
    NotReady,
    Overloaded,
    StorageFailed,
)
from mainstay.bundle.model import Version
from mainstay.serve.routes.append import lost_to
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain

SUFFIX: Final = ".mainstay"

_SETTLED_NS: Final = 500_000_000
"""Two looks at a file count as two only when this much time lies between them."""
_DEATHS_MAX: Final = 3
"""A file that the process died over this often is taken to be the cause."""
_WAIT_FIRST_NS: Final = 1_000_000_000
_WAIT_MAX_NS: Final = 60_000_000_000
_STILL_COPYING: Final = (
    "If it was still being copied: copy it under a name that begins with a dot, and rename it when"
    " it is whole."
)

_End = Literal["deployed", "unchanged", "refused"]

Admit = Callable[[Path], Version]
"""Checks a bundle file and registers it; doing it again gives the same version."""
Deploy = Callable[[Version, int], Route]
"""Lets a version go live, if the epoch named is the one in force; else `Conflict`."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file."""

    file: str
    status: Literal["deployed", "unchanged", "refused", "waiting"]
    words: str
    at_ns: int
    version: Version | None = None
    route: Route | None = None


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """How far the taking of a file got, as written beside it."""

    begun: int = 0
    """How often it was begun without coming to an end that is known."""
    model: str = ""
    fingerprint: str = ""
    replaces: int = -1
    """The epoch that the deployment replaces; -1 until that is settled."""


@dataclass(slots=True)
class _Waiting:
    until_ns: int
    pause_ns: int


class Inbox:
    """One inbox folder, and what was seen there."""

    def __init__(self, folder: Path, chain: RouteChain, clock: Clock) -> None:
        self._folder = folder
        self._chain = chain
        self._clock = clock
        self._seen: dict[str, tuple[tuple[int, ...], int]] = {}
        self._waiting: dict[str, _Waiting] = {}

    def take_in(self, admit: Admit, deploy: Deploy) -> list[Outcome]:
        """Look once: take every file that has stopped growing, and go on with those begun."""
        taking = self._folder / ".taking"
        try:
            taking.mkdir(parents=True, exist_ok=True)
            # Before anything is claimed, so that no file finds the note of an earlier one.
            _drop_leftovers(taking)
            outcomes = self._claim_settled(taking)
            names = sorted(path.name for path in taking.iterdir() if _wanted(path.name))
        except OSError as error:
            raise StorageFailed(
                f"the inbox {self._folder} cannot be looked into: {error.strerror}",
                field="inbox",
                expected="a folder that may be read and written",
            ) from error
        ready = [name for name in names if not self._is_waiting(name)]
        return outcomes + [self._take(taking / name, admit, deploy) for name in ready]

    def _claim_settled(self, taking: Path) -> list[Outcome]:
        """Move what has not changed for a while out of reach of whoever dropped it."""
        now_ns = self._clock.elapsed_ns()
        seen: dict[str, tuple[tuple[int, ...], int]] = {}
        stuck: list[Outcome] = []
        for path in sorted(self._folder.iterdir()):
            # A file of the same name is being taken: this one has to wait for its turn.
            if not _wanted(path.name) or os.path.lexists(taking / path.name):
                continue
            if self._is_waiting(path.name):
                continue
            try:
                facts = path.lstat()
                look = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
                before, since_ns = self._seen.get(path.name, (None, now_ns))
                if look != before:
                    seen[path.name] = (look, now_ns)
                elif now_ns - since_ns < _SETTLED_NS:
                    seen[path.name] = (look, since_ns)
                else:
                    path.rename(taking / path.name)
            except FileNotFoundError:
                continue
            except OSError as error:
                stuck.append(self._pause(path, f"It cannot be moved: {error.strerror}."))
        self._seen = seen
        return stuck

    def _take(self, path: Path, admit: Admit, deploy: Deploy) -> Outcome:
        """Bring one claimed file to its end, or leave it to be tried again."""
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return self._refuse(path, "This is not a plain file; drop the bundle file itself.")
            note = _read_note(path)
            if note.begun >= _DEATHS_MAX and self._landed(note) is None:
                return self._refuse(
                    path, f"Mainstay died {note.begun} times while it took this file in."
                )
            return self._go_live(path, structs.replace(note, begun=note.begun + 1), admit, deploy)
        except (StorageFailed, NotReady, Overloaded) as error:
            return self._wait(path, f"{error.message}.")
        except MainstayError as error:
            return self._refuse(path, _words_of(error))
        except OSError as error:
            return self._wait(path, f"{error.strerror or type(error).__name__}.")
        except Exception as error:  # noqa: BLE001  # because one file must not stop the keeper
            return self._refuse(path, f"Mainstay failed over this file: {error!r}.")

    def _go_live(self, path: Path, note: _Note, admit: Admit, deploy: Deploy) -> Outcome:
        landed = self._landed(note)
        if landed is not None:
            return self._finish(path, f"{note.model} v{landed.number}", None, landed, note)
        _write_note(path, note)
        version = admit(path)
        if note.fingerprint != version.fingerprint:
            current = self._chain.current(version.model)
            note = structs.replace(
                note,
                model=version.model,
                fingerprint=version.fingerprint,
                replaces=current.epoch if current is not None else 0,
            )
            _write_note(path, note)
        route = deploy(version, note.replaces)
        return self._finish(path, str(version), version, route, note)

    def _landed(self, note: _Note) -> Route | None:
        """The entry by which this file went live already, before a kill or an outage.

        `Conflict` when somebody else has taken its place in the chain.
        """
        if note.replaces < 0:
            return None
        for route in self._chain.history(note.model):
            if route.epoch == note.replaces + 1:
                if route.fingerprint == note.fingerprint:
                    return route
                raise lost_to(route, note.replaces)
        return None

    def _finish(
        self, path: Path, name: str, version: Version | None, route: Route, note: _Note
    ) -> Outcome:
        if version is not None and route.fingerprint != version.fingerprint:
            words = f"{name} passed, and its rollout has begun."
            return self._settle(path, "deployed", words, version, route)
        if route.epoch == note.replaces:
            words = f"{name} was live already, since epoch {route.epoch} by {route.actor}."
            return self._settle(path, "unchanged", words, version, route)
        words = f"{name} went live as epoch {route.epoch}."
        return self._settle(path, "deployed", words, version, route)

    def _refuse(self, path: Path, words: str) -> Outcome:
        try:
            return self._settle(path, "refused", words)
        except OSError as error:
            return self._pause(path, f"{words} It could not be put aside: {error.strerror}.")

    def _wait(self, path: Path, words: str) -> Outcome:
        """Leave a claimed file to be tried again; whatever failed, it was not the process."""
        with contextlib.suppress(OSError):
            _write_note(path, structs.replace(_read_note(path), begun=0))
        return self._pause(path, words)

    def _pause(self, path: Path, words: str) -> Outcome:
        """Leave a file alone for a while, each time for longer."""
        before = self._waiting.get(path.name)
        pause_ns = min(before.pause_ns * 2, _WAIT_MAX_NS) if before else _WAIT_FIRST_NS
        self._waiting[path.name] = _Waiting(self._clock.elapsed_ns() + pause_ns, pause_ns)
        again = f"{words} It is tried again in {pause_ns // 1_000_000_000} s."
        return self._outcome(path, "waiting", again)

    def _is_waiting(self, name: str) -> bool:
        waiting = self._waiting.get(name)
        return waiting is not None and self._clock.elapsed_ns() < waiting.until_ns

    def _settle(
        self,
        path: Path,
        status: _End,
        words: str,
        version: Version | None = None,
        route: Route | None = None,
    ) -> Outcome:
        """Put the file where it ends, with the words beside it. The words come first and the note
        goes last, so that a kill in between leads back here and not to another deployment."""
        folder = self._folder / ("refused" if status == "refused" else "done")
        folder.mkdir(exist_ok=True)
        target = _free(folder / path.name)
        _write_whole(target.with_name(target.name + ".txt"), f"{words}\n".encode())
        path.rename(target)
        _sync(folder)
        _sync(path.parent)
        _note_of(path).unlink(missing_ok=True)
        self._waiting.pop(path.name, None)
        return self._outcome(path, status, words, version, route)

    def _outcome(
        self,
        path: Path,
        status: Literal[_End, "waiting"],
        words: str,
        version: Version | None = None,
        route: Route | None = None,
    ) -> Outcome:
        return Outcome(
            file=_shown(path.name),
            status=status,
            words=words,
            at_ns=self._clock.now_ns(),
            version=version,
            route=route,
        )


def _wanted(name: str) -> bool:
    return name.endswith(SUFFIX) and len(name) > len(SUFFIX) and name[0] not in ".~#"


def _words_of(error: MainstayError) -> str:
    if isinstance(error, Conflict):
        return _shown(f"{error.message}.\nDrop the file again if it should still go live.")
    parts = [f"{error.message}."]
    if error.field is not None:
        parts.append(f"Where: {error.field}.")
    if error.got is not None:
        parts.append(f"Found: {error.got}.")
    if error.expected is not None:
        parts.append(f"Right would be: {error.expected}.")
    if isinstance(error, InvalidBundle):
        parts.append(_STILL_COPYING)
    return _shown("\n".join(parts))


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _free(target: Path) -> Path:
    """The path itself, or with a number before its ending when there is such a file."""
    number = 1
    path = target
    while os.path.lexists(path):
        number += 1
        path = target.with_name(f"{target.name.removesuffix(SUFFIX)}.{number}{SUFFIX}")
    return path


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_note(path: Path) -> _Note:
    """How far it got; a note that was cut off was written before anything was deployed."""
    try:
        return msgspec.json.decode(_note_of(path).read_bytes(), type=_Note)
    except (FileNotFoundError, msgspec.DecodeError):
        return _Note()


def _write_note(path: Path, note: _Note) -> None:
    _write_whole(_note_of(path), msgspec.json.encode(note))


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file such that, after a kill or a power cut, it is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make what was renamed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_leftovers(taking: Path) -> None:
    """Remove the notes of files that reached their end, should a kill have left some."""
    paths = list(taking.iterdir())
    known = {path.name for path in paths}
    for path in paths:
        if not _wanted(path.name) and path.suffix in {".json", ".part"}:
            name = path.name.removeprefix(".").removesuffix(".part").removesuffix(".json")
            if name not in known:
                path.unlink(missing_ok=True)
