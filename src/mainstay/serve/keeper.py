"""The process beside the workers that does what may wait: a loop for each of a few named duties.

Promises that a duty that raises is reported, counted and tried again, and never stops another duty
or the keeper; and that the state of every duty can be read from one file. Must never answer
requests or know what its duties are about: wiring names them.

Each duty has a thread of its own, so that one that waits for a database or a download holds up
nobody. A duty that goes on failing is reported when its failure changes and when it works again,
not every time.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.base.files import write_whole

KEEPER_FILE = "keeper.json"
_STATUS_SECONDS = 0.5
_STOP_SECONDS = 10.0
GENTLE_NICENESS = 5
GENTLE_AFTER_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do again and again."""

    name: str
    every_seconds: float
    run: Callable[[], None]
    gently: bool = False
    """Where processors are busy, let others go first; and when all starts, begin a little later."""


class DutyReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a duty fares."""

    name: str
    runs: int = 0
    failures: int = 0
    failing_since_ns: int | None = None
    error: str = ""
    """Why the newest run failed; empty when it worked."""


class KeeperReport(msgspec.Struct, frozen=True, kw_only=True):
    """The keeper's file."""

    pid: int
    ready: bool
    started_ns: int
    duties: list[DutyReport]


class DutyLoop:
    """One duty's life."""

    def __init__(self, duty: Duty, clock: Clock, say: Say) -> None:
        self.report = DutyReport(name=duty.name)
        self._duty = duty
        self._clock = clock
        self._say = say

    def once(self) -> None:
        """Do it once; whatever goes wrong ends up in the report."""
        try:
            self._duty.run()
        except Exception as error:  # noqa: BLE001  # because one failing duty must not end the keeper
            self._failed(error)
        else:
            self._worked()

    def until(self, stop: threading.Event) -> None:
        """Do it every so often until told to stop."""
        if self._duty.gently:
            _let_others_go_first()
            stop.wait(min(self._duty.every_seconds, GENTLE_AFTER_SECONDS))
        while not stop.is_set():
            self.once()
            stop.wait(self._duty.every_seconds)

    def _worked(self) -> None:
        before = self.report
        if before.error:
            self._say(f"{before.name}: works again after {before.failures} failure(s).")
        self.report = DutyReport(
            name=before.name, runs=before.runs + 1, failures=0 if before.error else before.failures
        )

    def _failed(self, error: Exception) -> None:
        before = self.report
        words = words_of(error)
        if words != before.error:
            self._say(f"{before.name}: {words}")
        self.report = DutyReport(
            name=before.name,
            runs=before.runs + 1,
            failures=before.failures + 1,
            failing_since_ns=before.failing_since_ns or self._clock.now_ns(),
            error=words,
        )


def _let_others_go_first() -> None:
    """For this thread and those it starts; only Linux knows the niceness of a thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GENTLE_NICENESS)


def words_of(error: BaseException) -> str:
    """An error as one sentence for people."""
    if isinstance(error, MainstayError):
        tail = f" (expected {error.expected})" if error.expected else ""
        return error.message + tail
    return f"{type(error).__name__}: {error}"


class Keeper:
    """Runs the duties and keeps the file that tells how they fare."""

    def __init__(self, folder: Path, duties: Sequence[Duty], clock: Clock, say: Say) -> None:
        self._path = folder / KEEPER_FILE
        self._clock = clock
        self._started_ns = clock.now_ns()
        self._stop = threading.Event()
        self._loops = [DutyLoop(duty, clock, say) for duty in duties]
        self._published = b""

    def stop(self) -> None:
        """End after the duties that are being done; safe to call from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Do the duties until `stop`."""
        threads = [
            threading.Thread(
                target=loop.until, args=(self._stop,), name=loop.report.name, daemon=True
            )
            for loop in self._loops
        ]
        for thread in threads:
            thread.start()
        while not self._stop.is_set():
            self.publish(ready=True)
            self._stop.wait(_STATUS_SECONDS)
        deadline = self._clock.elapsed_ns() + _STOP_SECONDS * 1e9
        for thread in threads:
            thread.join(max(0.0, (deadline - self._clock.elapsed_ns()) / 1e9))
        self.publish(ready=False)

    def reports(self) -> list[DutyReport]:
        """How the duties fare now."""
        return [loop.report for loop in self._loops]

    def publish(self, *, ready: bool) -> None:
        """Write the file, when something in it changed that people would want to know."""
        quiet = [msgspec.structs.replace(report, runs=0) for report in self.reports()]
        report = KeeperReport(
            pid=os.getpid(), ready=ready, started_ns=self._started_ns, duties=quiet
        )
        data = msgspec.json.encode(report)
        if data != self._published:
            write_whole(self._path, data)
            self._published = data
