"""`mainstay up`: one supervisor, one keeper and n workers on one workspace.

Light on purpose: what this process imports delays the first answer.
"""

import fcntl
import ipaddress
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mainstay.base.clock import SystemClock
from mainstay.base.errors import InvalidUsage
from mainstay.base.ids import new_incarnation
from mainstay.serve.supervise import (
    SUPERVISOR_FILE,
    Plan,
    Supervisor,
    SupervisorReport,
    listen,
    url_of,
)
from mainstay.wiring.folders import Places
from mainstay.wiring.telemetry import telemetry_of, trouble

Say = Callable[[str], None]

_LOCK_FILE = "supervisor.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_door(host: str) -> InvalidUsage:
    """Why an address that others can reach is not bound without keys."""
    return InvalidUsage(
        f"other machines could reach {host}, and no caller has a key yet",
        field="host",
        got=host,
        expected="`mainstay key create NAME` first; then callers send `Authorization: Bearer KEY`",
    )


def serve(places: Places, how: Serving, has_keys: Callable[[], bool], say: Say) -> int:
    """Serve a workspace until a signal ends it."""
    telemetry_of(places.settings.telemetry)
    why = trouble(places.settings.telemetry)
    if why:
        say(why)
    local = is_loopback(how.host)
    if not local and not has_keys():
        raise refuse_open_door(how.host)
    with _only_one(places.run), listen(how.host, how.port) as listening:
        _forget_the_last(places.run)
        start = f"{new_incarnation():08x}"
        plan = Plan(
            folder=places.run,
            url=url_of(listening),
            workers=how.workers or places.settings.workers,
            worker=lambda slot, fd, line: _worker(places, start, (slot, fd, line), local=local),
            keeper=lambda _slot, _fd, line: _keeper(places, start, line),
        )
        return Supervisor(plan, listening, SystemClock(), say).run()


def _worker(places: Places, start: str, given: tuple[int, int, int], *, local: bool) -> list[str]:
    slot, fd, line = map(str, given)
    command = _python("mainstay.wiring.worker", places, start)
    command += ["--slot", slot, "--fd", fd, "--lifeline", line]
    return [*command, "--local"] if local else command


def _keeper(places: Places, start: str, line: int) -> list[str]:
    return [*_python("mainstay.wiring.keeper", places, start), "--lifeline", str(line)]


def _python(module: str, places: Places, start: str) -> list[str]:
    return [sys.executable, "-m", module, "--workspace", str(places.root), "--start", start]


@contextmanager
def _only_one(run: Path) -> Generator[None]:
    """Two supervisors on one workspace would overwrite each other's files."""
    descriptor = os.open(run / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = running(run)
            where = f" at {other.url} (process {other.pid})" if other else ""
            raise InvalidUsage(
                f"this workspace is being served already{where}",
                field="workspace",
                got=str(run.parent),
                expected="another workspace, or to stop that server first",
            ) from None
        yield
    finally:
        os.close(descriptor)


def running(run: Path) -> SupervisorReport | None:
    """The server that serves a workspace now, if there is one."""
    try:
        report = msgspec.json.decode((run / SUPERVISOR_FILE).read_bytes(), type=SupervisorReport)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return report if _is_served(run) else None


def _is_served(run: Path) -> bool:
    """Whether somebody holds the lock: a file that was left by a killed one tells nothing."""
    try:
        descriptor = os.open(run / _LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _forget_the_last(run: Path) -> None:
    """Remove what processes of an earlier server said of themselves. Their counts stay, and the
    last orders: workers load ahead from them, and with the database away the keeper confirms
    them."""
    for file in (*run.glob("worker-*.json"), run / "keeper.json", run / SUPERVISOR_FILE):
        file.unlink(missing_ok=True)
