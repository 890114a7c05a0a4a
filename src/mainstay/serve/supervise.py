"""The process that keeps the others alive: one keeper and n workers on one listening socket.

Promises that a worker or keeper that dies is started again at once, and more and more slowly while
it keeps dying at once; that SIGTERM or Ctrl-C drains the workers before anything ends, in a
bounded time, and that a second one ends everything now; that SIGHUP replaces workers one at a
time, a new one ready before an old one drains; and that no child outlives it. Must never import
anything of the request path, so that it starts at once and has next to nothing to go wrong.

Workers share the socket, which this process holds open: connections that arrive while a worker is
being replaced wait in its queue and are never refused; in a stop it lets go of it first. Slots 0 …
n name the workers' files; one slot is spare, so that two processes never share a name while one
replaces the other.
"""

import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import InvalidUsage
from mainstay.base.files import write_whole

Say = Callable[[str], None]
Command = Callable[[int, int, int], list[str]]
"""(slot, socket, lifeline) to a command line."""

LISTEN_QUEUE = 2048
GRACE_SECONDS = 30.0
STEADY_SECONDS = 5.0
"""A process that lived this long, or got ready, did not die at once."""
READY_MAX_SECONDS = 120.0
"""A new worker that is not ready by then is given up, and the old ones stay."""
_BACKOFF_FIRST_SECONDS = 0.25
_BACKOFF_MAX_SECONDS = 30.0
_TICK_SECONDS = 0.05
_IDLE_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SUPERVISOR_FILE = "supervisor.json"


class PlaceReport(msgspec.Struct, kw_only=True):
    """One process, as `mainstay status` shows it."""

    role: str
    slot: int
    pid: int | None
    ready: bool
    draining: bool
    started_ns: int
    restarts: int
    last_death: str


class SupervisorReport(msgspec.Struct, kw_only=True):
    """The file that tells the other commands what runs here."""

    pid: int
    url: str
    started_ns: int
    workers: int
    rolling: bool
    stopping: bool
    places: list[PlaceReport]


class _Readiness(msgspec.Struct):
    """The part of a process's own file that says whether it is ready."""

    pid: int
    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run, and where."""

    folder: Path
    """The run folder: each process keeps a file here with its pid and whether it is ready."""
    url: str
    workers: int
    worker: Command
    keeper: Command
    environment: Mapping[str, str] | None = None
    grace_seconds: float = GRACE_SECONDS


@dataclass(slots=True)
class _Place:
    """One process that should be there."""

    role: str
    slot: int
    process: subprocess.Popen[bytes] | None = None
    started_ns: int = 0
    started_at: float = 0.0
    start_due: float = 0.0
    quick_deaths: int = 0
    restarts: int = 0
    ready: bool = False
    draining: bool = False
    kill_at: float | None = None
    last_death: str = ""

    @property
    def name(self) -> str:
        return "keeper" if self.role == "keeper" else f"worker {self.slot}"


@dataclass(slots=True)
class _Asked:
    """What signals asked for since the last look."""

    stops: int = 0
    rolls: int = 0
    wakes: list[int] = field(default_factory=list[int])


def listen(host: str, port: int) -> socket.socket:
    """Bind the socket that all workers share."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=LISTEN_QUEUE)
    except OSError as error:
        raise InvalidUsage(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            field="port",
            got=port,
            expected="a free port: `--port 0` takes any, `mainstay status` shows what runs here",
        ) from error


def url_of(listening: socket.socket) -> str:
    """Where the socket can be reached."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # because it is only shown, as the local address
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Supervisor:
    """Keeps the plan's processes running until it is told to stop."""

    def __init__(self, plan: Plan, listening: socket.socket, clock: Clock, say: Say) -> None:
        self._plan = plan
        self._socket = listening
        self._clock = clock
        self._say = say
        self._asked = _Asked()
        self._stopping = False
        self._killed = False
        self._announced = False
        self._started_ns = clock.now_ns()
        self._keeper = _Place("keeper", 0)
        self._workers = [_Place("worker", slot) for slot in range(plan.workers)]
        self._to_replace: list[_Place] = []
        self._newcomer: _Place | None = None
        self._roll_keeper = False
        self._published = b""
        self._lifeline_read, self._lifeline_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    # The loop ---------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until a signal ends it; 0 when everything ended in order."""
        previous = self._take_signals()
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_read, selectors.EVENT_READ)
                while True:
                    self._step()
                    if self._stopping and not self._alive():
                        break
                    selector.select(self._patience())
                    self._drain_wakes()
        finally:
            self._end_everything()
            self._give_back_signals(previous)
        return 1 if self._killed else 0

    def _step(self) -> None:
        self._reap()
        self._obey()
        if not self._stopping:
            self._start_due()
        self._look_for_readiness()
        if not self._stopping:
            self._roll()
        self._kill_overdue()
        self._publish()

    def _now(self) -> float:
        return self._clock.elapsed_ns() / 1e9

    def _patience(self) -> float:
        """How long nothing can happen that no signal announces."""
        places = self._places()
        if any(not place.ready for place in places) or self._newcomer or self._stopping:
            return _TICK_SECONDS
        return _IDLE_SECONDS

    def _places(self) -> list[_Place]:
        return [self._keeper, *self._workers]

    def _alive(self) -> list[_Place]:
        return [place for place in self._places() if place.process is not None]

    # Signals ----------------------------------------------------------------------------------

    def _take_signals(self) -> list[Callable[[], object]]:
        """Have signals told to this object; returns how to give them back."""
        wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        undo: list[Callable[[], object]] = [partial(signal.set_wakeup_fd, wakeup)]
        undo += [
            partial(signal.signal, number, signal.signal(number, self._on_signal))
            for number in (*_SIGNALS, signal.SIGCHLD)
        ]
        return undo

    def _give_back_signals(self, undo: list[Callable[[], object]]) -> None:
        for each in undo:
            each()
        for end in (self._wake_read, self._wake_write):
            os.close(end)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._asked.rolls += 1
        elif number != signal.SIGCHLD:
            self._asked.stops += 1

    def _drain_wakes(self) -> None:
        try:
            while os.read(self._wake_read, 512):
                pass
        except BlockingIOError:
            pass

    def _obey(self) -> None:
        """Do what signals asked for."""
        asked, self._asked = self._asked, _Asked()
        if asked.stops and not self._stopping:
            self._begin_stop()
            asked.stops -= 1
        if asked.stops:
            self._say("Stopping now, without waiting for requests in flight.")
            self._kill(self._alive())
        if asked.rolls and not self._stopping:
            self._begin_roll()

    # Starting and dying -----------------------------------------------------------------------

    def _start_due(self) -> None:
        now = self._now()
        # The keeper comes first: no worker answers before it has looked what is in force.
        for place in self._places():
            if place.process is None and place.start_due <= now:
                self._start(place)

    def _start(self, place: _Place) -> None:
        build = self._plan.keeper if place.role == "keeper" else self._plan.worker
        command = build(place.slot, self._socket.fileno(), self._lifeline_read)
        fds = (
            (self._lifeline_read,)
            if place.role == "keeper"
            else (
                self._lifeline_read,
                self._socket.fileno(),
            )
        )
        place.ready = place.draining = False
        place.kill_at = None
        place.started_ns = self._clock.now_ns()
        place.started_at = self._now()
        # A group of its own: a Ctrl-C at the terminal reaches this process alone, which drains.
        place.process = subprocess.Popen(
            command,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            env=None if self._plan.environment is None else dict(self._plan.environment),
            process_group=0,
        )

    def _reap(self) -> None:
        for place in self._places():
            if place.process is not None and place.process.poll() is not None:
                self._died(place, place.process)

    def _died(self, place: _Place, process: subprocess.Popen[bytes]) -> None:
        place.process = None
        lived = self._now() - place.started_at
        was_ready, was_draining = place.ready, place.draining
        place.ready = place.draining = False
        self._to_replace = [other for other in self._to_replace if other is not place]
        if self._stopping or was_draining:
            if place.role == "worker":
                self._workers.remove(place)
            return
        place.last_death = f"{_reason(process.returncode)} after {_seconds(lived)}"
        if place is self._newcomer:
            self._newcomer = None
            self._to_replace = []
            self._workers.remove(place)
            self._say(
                f"The new {place.name} did not get ready ({place.last_death}); "
                "the replacement is called off and the old workers go on serving."
            )
            return
        steady = was_ready or lived >= STEADY_SECONDS
        place.quick_deaths = 0 if steady else place.quick_deaths + 1
        place.restarts += 1
        delay = backoff_seconds(place.quick_deaths)
        place.start_due = self._now() + delay
        when = "starting it again" if not delay else f"starting it again in {_seconds(delay)}"
        self._say(f"The {place.name} (process {process.pid}) {place.last_death}; {when}.")

    def _look_for_readiness(self) -> None:
        for place in self._alive():
            if not place.ready and self._is_ready(place):
                place.ready = True
        if not self._announced and any(worker.ready for worker in self._workers):
            self._announced = True
            self._say(f"Serving at {self._plan.url}")

    def _is_ready(self, place: _Place) -> bool:
        name = "keeper.json" if place.role == "keeper" else f"worker-{place.slot}.json"
        try:
            data = (self._plan.folder / name).read_bytes()
            told = msgspec.json.decode(data, type=_Readiness)
        except (OSError, msgspec.MsgspecError):
            return False
        return place.process is not None and told.pid == place.process.pid and told.ready

    # Replacing one by one ---------------------------------------------------------------------

    def _begin_roll(self) -> None:
        self._to_replace = [worker for worker in self._workers if worker is not self._newcomer]
        self._roll_keeper = True
        self._say(f"Replacing {len(self._to_replace)} worker(s), one at a time.")

    def _roll(self) -> None:
        """The next step of a replacement, if the last one is done."""
        newcomer = self._newcomer
        if newcomer is not None:
            if newcomer.ready:
                self._newcomer = None
                if self._to_replace:
                    self._drain(self._to_replace.pop(0))
            elif newcomer.process and self._now() - newcomer.started_at > READY_MAX_SECONDS:
                newcomer.process.kill()
            return
        if any(worker.draining for worker in self._workers):
            return
        if self._to_replace:
            used = {worker.slot for worker in self._workers}
            free = next(slot for slot in range(self._plan.workers + 1) if slot not in used)
            self._newcomer = _Place("worker", free)
            self._workers.append(self._newcomer)
            self._start(self._newcomer)
        elif self._roll_keeper:
            self._roll_keeper = False
            self._renew_keeper()
            self._say("All workers are replaced.")

    def _renew_keeper(self) -> None:
        if self._keeper.process is not None:
            self._keeper.draining = True
            self._keeper.kill_at = self._now() + self._plan.grace_seconds
            self._keeper.process.terminate()

    def _drain(self, place: _Place) -> None:
        """Let a process finish what it has, and end."""
        place.draining = True
        place.kill_at = self._now() + self._plan.grace_seconds
        if place.process is not None:
            place.process.terminate()

    # Stopping ---------------------------------------------------------------------------------

    def _begin_stop(self) -> None:
        self._stopping = True
        self._say("Stopping: answering what is in flight, then ending. Again to stop now.")
        # Who comes after the last worker has gone is refused, and does not wait for the keeper.
        self._socket.close()
        for worker in list(self._workers):
            if worker.process is None:
                self._workers.remove(worker)
            else:
                self._drain(worker)

    def _kill_overdue(self) -> None:
        now = self._now()
        late = [p for p in self._alive() if p.kill_at is not None and now >= p.kill_at]
        for place in late:
            self._say(f"The {place.name} did not end within {_seconds(self._plan.grace_seconds)}.")
        self._kill(late)
        # The keeper answers look-ups until the last worker is gone.
        keeper = self._keeper
        if self._stopping and not self._workers and keeper.process and not keeper.draining:
            self._drain(keeper)

    def _kill(self, places: list[_Place]) -> None:
        for place in places:
            if place.process is not None:
                self._killed = True
                place.kill_at = None
                place.process.kill()

    def _end_everything(self) -> None:
        """Nothing outlives this process, whatever ended it."""
        left = self._alive()
        self._kill(left)
        for place in left:
            if place.process is not None:
                place.process.wait()
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
        (self._plan.folder / SUPERVISOR_FILE).unlink(missing_ok=True)

    # Telling ----------------------------------------------------------------------------------

    def _publish(self) -> None:
        report = SupervisorReport(
            pid=os.getpid(),
            url=self._plan.url,
            started_ns=self._started_ns,
            workers=self._plan.workers,
            rolling=bool(self._to_replace or self._newcomer),
            stopping=self._stopping,
            places=[_report(place) for place in self._places()],
        )
        data = msgspec.json.encode(report)
        if data != self._published:
            write_whole(self._plan.folder / SUPERVISOR_FILE, data)
            self._published = data


def backoff_seconds(quick_deaths: int) -> float:
    """How long to wait before starting a process that died at once so many times in a row."""
    if quick_deaths == 0:
        return 0.0
    return min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2.0 ** (quick_deaths - 1))


def _report(place: _Place) -> PlaceReport:
    return PlaceReport(
        role=place.role,
        slot=place.slot,
        pid=None if place.process is None else place.process.pid,
        ready=place.ready and not place.draining,
        draining=place.draining,
        started_ns=place.started_ns,
        restarts=place.restarts,
        last_death=place.last_death,
    )


def _reason(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if -code == signal.SIGKILL:
        return f"was killed ({name}: by hand, or out of memory)"
    return f"was ended by {name}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
