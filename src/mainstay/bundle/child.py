"""Work on a bundle in a throw-away process, which may hang, crash or eat memory alone.

`ask_child` starts one of our own modules with limits on memory, processor time and file size, no
secrets in its environment and, where the kernel allows it, no network; it ends it when its time is
over. The module's `main` hands its work to `answer_over`. What comes back travels over a pipe of
its own, so nothing that a model prints is mistaken for it, is bounded, and is checked before it is
believed: anything else than an answer, also a child that dies, is `InvalidBundle`. The child guards
against accidents and broken files; what code may do that a trusted key signed is the signer's
responsibility.
"""

import contextlib
import ctypes
import math
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from mainstay.base import limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import InvalidBundle, MainstayError

_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

_ANSWER_MAX_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 20
_NOISE_SHOWN: Final = 600
_KEPT_ENVIRONMENT: Final = (
    "PATH",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "HOME",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYTHONHASHSEED",
)

T = TypeVar("T")


class TrialLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the child may use."""

    seconds: float = limits.TRIAL_MAX_SECONDS
    """Wall time; processor time is limited to the same."""
    memory_bytes: int = 8 * 1024 * 1024 * 1024
    """Address space: several times what is resident."""
    file_bytes: int = 1 << 24
    """The largest file that it may write."""


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    error: str
    field: str | None = None
    rule: str | None = None
    got: Any = None
    expected: str | None = None


class _Told(msgspec.Struct, Generic[T], frozen=True, kw_only=True, forbid_unknown_fields=True):
    result: T | None = None
    refusal: _Refusal | None = None


class _Heard(msgspec.Struct, frozen=True):
    data: bytearray
    too_late: bool


def ask_child(
    module: str,
    arguments: Sequence[str],
    answer: type[T],
    within: TrialLimits,
    max_bytes: int = _ANSWER_MAX_BYTES,
    what: str = "the bundle",
    through: Sequence[str] = (),
) -> T:
    """What a module of ours, run as a child, made of its arguments; `InvalidBundle` in words when
    it refused, failed, hung or died. `through` is a command that it is run behind: it keeps its
    surroundings, and the answer comes by file, because it may be on another machine."""
    if through:
        return _ask_through(through, _command(module, within, arguments), answer, (within, what))
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as noise:
        try:
            # The arguments are ours: no shell, and no text of a bundle.
            child = subprocess.Popen(
                _command(module, within, arguments)(str(writing)),
                stdin=subprocess.DEVNULL,
                stdout=noise,
                stderr=noise,
                pass_fds=(writing,),
                env=_environment(),
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(writing)
        heard: _Heard | None = None
        try:
            heard = _listen(reading, within.seconds, max_bytes)
        finally:
            os.close(reading)
            # The whole session, so that nothing the bundle started outlives its trial. The exit
            # status of a child that is already ending stays what it was.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        noise.seek(max(0, noise.seek(0, os.SEEK_END) - _NOISE_SHOWN))
        said = noise.read().decode("utf-8", "replace").strip()
    return _believe(heard, answer, (status, said, what), within)


def _command(
    module: str, within: TrialLimits, arguments: Sequence[str]
) -> Callable[[str], list[str]]:
    """The command line of a child that answers to a descriptor, or to a file."""
    figures = str(within.memory_bytes), str(within.seconds), str(within.file_bytes)
    return lambda to: [sys.executable, "-P", "-m", module, to, *figures, *arguments]


def _ask_through(
    through: Sequence[str],
    command: Callable[[str], list[str]],
    answer: type[T],
    given: tuple[TrialLimits, str],
) -> T:
    within, what = given
    with tempfile.TemporaryDirectory(prefix="mainstay-answer-") as folder:
        file = Path(folder) / "answer"
        with tempfile.TemporaryFile() as noise:
            try:
                child = subprocess.Popen(
                    [*through, *command(str(file))],
                    stdin=subprocess.DEVNULL,
                    stdout=noise,
                    stderr=noise,
                    start_new_session=True,
                )
            except OSError as error:
                raise InvalidBundle(
                    f"{through[0]} cannot be run: {error.strerror or error}",
                    rule="through",
                    got=through[0],
                    expected="a command of this machine",
                ) from error
            try:
                status, too_late = child.wait(within.seconds), False
            except subprocess.TimeoutExpired:
                status, too_late = -signal.SIGKILL, True
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            noise.seek(max(0, noise.seek(0, os.SEEK_END) - _NOISE_SHOWN))
            said = noise.read().decode("utf-8", "replace").strip()
        data = bytearray()
        with contextlib.suppress(OSError), file.open("rb") as told:
            data = bytearray(told.read(_ANSWER_MAX_BYTES + 1))
    return _believe(_Heard(data, too_late=too_late), answer, (status, said, what), within)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    if "PYTHONPATH" in kept:
        # The child runs in another folder, where a relative path would mean something else.
        paths = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths)
    # One thread: the memory limit counts address space, and a process with one thread can give up
    # its network.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONDONTWRITEBYTECODE": "1"}


def _listen(reading: int, seconds: float, max_bytes: int) -> _Heard:
    clock = SystemClock()
    deadline = clock.elapsed_ns() + round(seconds * 1e9)
    data = bytearray()
    while len(data) <= max_bytes:
        left = (deadline - clock.elapsed_ns()) / 1e9
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return _Heard(data, too_late=True)
        chunk = os.read(reading, _READ_BYTES)
        if not chunk:
            break
        data += chunk
    return _Heard(data, too_late=False)


def _believe(heard: _Heard, answer: type[T], ended: tuple[int, str, str], within: TrialLimits) -> T:
    status, said, what = ended
    noise = f"; it said: {said}" if said else ""
    if heard.too_late or status == -signal.SIGXCPU:
        raise InvalidBundle(
            f"{what} did not finish its first run in time and was ended" + noise,
            rule="trial time",
            expected=f"at most {within.seconds:g} seconds",
        )
    try:
        told = msgspec.msgpack.decode(heard.data, type=_Told[answer])
    except msgspec.MsgspecError:
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise InvalidBundle(
            f"{what} ended the process that tried it out ({how})" + noise,
            rule="trial",
            got=how,
            expected="a model that loads and answers",
        ) from None
    if told.result is not None:
        return told.result
    no = told.refusal or _Refusal(error=f"{what} could not be tried out")
    raise InvalidBundle(no.error, field=no.field, rule=no.rule, got=no.got, expected=no.expected)


def peak_resident_bytes() -> int:
    """The most memory that this process ever held at once."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Where there is no /proc: on Linux this figure would count the parent's memory as well.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _confine(memory_bytes: int, seconds: float, file_bytes: int) -> None:
    whole = math.ceil(seconds)
    _at_most(resource.RLIMIT_CPU, whole, whole + 1)
    _at_most(resource.RLIMIT_AS, memory_bytes, memory_bytes)
    _at_most(resource.RLIMIT_CORE, 0, 0)
    _at_most(resource.RLIMIT_FSIZE, file_bytes, file_bytes)
    if sys.platform == "linux":
        # A user and a network namespace of its own, with nothing in it; where the kernel says no,
        # the trial runs all the same: admission rests on the signature, not on this.
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _at_most(what: int, soft: int, hard: int) -> None:
    """A limit; a child of a child keeps the narrower one of its parent's."""
    _, given = resource.getrlimit(what)
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    resource.setrlimit(what, (soft, hard))


def answer_over(arguments: list[str], work: Callable[[list[str]], Any]) -> int:
    """The child's side: do the work on the arguments that `ask_child` was given, and write what
    came of it to the descriptor, or file, that was handed over."""
    descriptor, memory_bytes, seconds, file_bytes, *own = arguments
    _confine(int(memory_bytes), float(seconds), int(file_bytes))
    try:
        told = _Told[Any](result=work(own))
    except MainstayError as error:
        told = _Told[Any](refusal=_refusal_of(error))
    except MemoryError:
        told = _Told[Any](
            refusal=_Refusal(
                error="the bundle needs more memory than its first run may use",
                rule="trial memory",
                expected=f"at most {int(memory_bytes)} bytes of address space",
            )
        )
    except Exception as error:  # noqa: BLE001  # because this is the supervisor of code from outside
        told = _Told[Any](
            refusal=_Refusal(
                error=f"the bundle failed on its first run: {type(error).__name__}: {error}"[:2000],
                rule="trial",
            )
        )
    data = memoryview(msgspec.msgpack.encode(told))
    if not descriptor.isdigit():
        Path(descriptor).write_bytes(data)
        return 0
    while data:
        data = data[os.write(int(descriptor), data) :]
    return 0


def _refusal_of(error: MainstayError) -> _Refusal:
    got = error.got if isinstance(error.got, (int, float, str, bool)) else None
    return _Refusal(
        error=error.message[:2000],
        field=error.field,
        rule=error.rule,
        got=got,
        expected=error.expected,
    )


def end_child(status: int) -> None:
    """End this process without the interpreter's tidy end, which threads or hooks of a model
    could hold up."""
    sys.stdout.flush()
    os._exit(status)
