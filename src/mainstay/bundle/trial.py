"""The first load of a version, in a child process that may hang, crash or eat memory alone.

`try_out` starts the child with limits on memory, processor time and file size, no secrets in its
environment and, where the kernel allows it, no network; it ends it when its time is over. The child
loads the version, answers the end-to-end set (one wrong example is enough to refuse), answers the
confidence set and measures. Its verdict comes back over a pipe of its own, so nothing that the
model prints is mistaken for it, and is checked before it is believed: anything else than a verdict,
also a child that dies, is `InvalidBundle`. The child guards against accidents and broken files;
what code may do that a trusted key signed is the signer's responsibility.
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
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base import limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import Failed, InvalidBundle, MainstayError
from mainstay.bundle.archive import read_checked
from mainstay.bundle.assets import (
    CONFIDENCE_FILE,
    END_TO_END_FILE,
    Examples,
    decode_examples,
    first_wrong,
)
from mainstay.bundle.load import LoadedVersion, load
from mainstay.bundle.metrics import measure
from mainstay.contract.columns import Column, Columns, rows_of, take

_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000

_ANSWER_MAX_BYTES: Final = 1 << 20
_NOISE_SHOWN: Final = 600
_KEPT_ENVIRONMENT: Final = (
    "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR",
    "VIRTUAL_ENV", "PYTHONHASHSEED",
)


class TrialLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the child may use."""

    seconds: float = limits.TRIAL_MAX_SECONDS
    """Wall time; processor time is limited to the same."""
    memory_bytes: int = 8 * 1024 * 1024 * 1024
    """Address space: several times what is resident."""


class TrialResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the first load showed."""

    end_to_end_rows: int
    confidence_rows: int
    load_ms: float
    call_us: float
    """One call with one row, extraction included; the best of several."""
    row_us: float
    """Per row in calls of up to 256 rows."""
    peak_resident_bytes: int
    bundle_bytes: int
    metrics: dict[str, float] = {}


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    error: str
    field: str | None = None
    rule: str | None = None
    got: Any = None
    expected: str | None = None


class _Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    result: TrialResult | None = None
    refusal: _Refusal | None = None


def try_out(folder: Path, fingerprint: str, within: TrialLimits | None = None) -> TrialResult:
    """Load and run a version in a child process; `InvalidBundle` in words when it does not do."""
    within = within or TrialLimits()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as noise:
        try:
            # The arguments are ours: no shell, and no text of a bundle.
            child = subprocess.Popen(
                [
                    sys.executable, "-P", "-m", "mainstay.bundle.trial", str(folder.resolve()),
                    fingerprint, str(writing), str(within.memory_bytes), str(within.seconds),
                ],
                stdin=subprocess.DEVNULL, stdout=noise, stderr=noise, pass_fds=(writing,),
                env=_environment(), start_new_session=True, cwd="/",
            )
        finally:
            os.close(writing)
        heard: _Heard | None = None
        try:
            heard = _listen(reading, within.seconds)
        finally:
            os.close(reading)
            # The whole session, so that nothing the bundle started outlives its trial. The exit
            # status of a child that is already ending stays what it was.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        noise.seek(max(0, noise.seek(0, os.SEEK_END) - _NOISE_SHOWN))
        said = noise.read().decode("utf-8", "replace").strip()
    return _believe(heard, status, said, within)


class _Heard(msgspec.Struct, frozen=True):
    data: bytes
    too_late: bool


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


def _listen(reading: int, seconds: float) -> _Heard:
    clock = SystemClock()
    deadline = clock.elapsed_ns() + round(seconds * 1e9)
    data = b""
    while len(data) <= _ANSWER_MAX_BYTES:
        left = (deadline - clock.elapsed_ns()) / 1e9
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return _Heard(data, too_late=True)
        chunk = os.read(reading, 65536)
        if not chunk:
            break
        data += chunk
    return _Heard(data, too_late=False)


def _believe(heard: _Heard, status: int, said: str, within: TrialLimits) -> TrialResult:
    noise = f"; it said: {said}" if said else ""
    if heard.too_late or status == -signal.SIGXCPU:
        raise InvalidBundle(
            "the bundle did not finish its first run in time and was ended" + noise,
            rule="trial time", expected=f"at most {within.seconds:g} seconds",
        )
    try:
        verdict = msgspec.json.decode(heard.data, type=_Verdict)
    except msgspec.MsgspecError:
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise InvalidBundle(
            f"the bundle ended the process that tried it out ({how})" + noise,
            rule="trial", got=how, expected="a model that loads and answers",
        ) from None
    if verdict.result is not None:
        return verdict.result
    no = verdict.refusal or _Refusal(error="the bundle could not be tried out")
    raise InvalidBundle(
        no.error, field=no.field, rule=no.rule, got=no.got, expected=no.expected
    )


def run_trial(folder: Path, fingerprint: str) -> TrialResult:
    """What the child does, in this process: load, answer, compare, measure."""
    clock = SystemClock()
    begin = clock.elapsed_ns()
    loaded = load(folder, fingerprint)
    load_ms = (clock.elapsed_ns() - begin) / 1e6
    manifest = loaded.manifest
    if END_TO_END_FILE not in manifest.files:
        raise InvalidBundle(
            "the bundle has no end-to-end set", field=END_TO_END_FILE, rule="assets",
            expected="at least one example with its answer",
        )
    examples = decode_examples(read_checked(folder, manifest, END_TO_END_FILE), END_TO_END_FILE)
    check_end_to_end(loaded, examples)
    confidence = Examples(inputs={})
    if CONFIDENCE_FILE in manifest.files:
        data = read_checked(folder, manifest, CONFIDENCE_FILE)
        confidence = decode_examples(data, CONFIDENCE_FILE)
    metrics: dict[str, float] = {}
    if confidence.rows:
        raw = answer_all(loaded, confidence.inputs)
        if confidence.label is not None:
            metrics = measure(manifest.contract.output, raw, confidence.label)
    sample = confidence if confidence.rows else examples
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return TrialResult(
        end_to_end_rows=examples.rows,
        confidence_rows=confidence.rows,
        load_ms=load_ms,
        call_us=_time_of_call(loaded, sample.inputs, 1),
        row_us=_time_of_call(loaded, sample.inputs, min(256, sample.rows)),
        peak_resident_bytes=_peak_resident_bytes(),
        bundle_bytes=size,
        metrics=metrics,
    )


def check_end_to_end(loaded: LoadedVersion, examples: Examples) -> None:
    """Answer every example, together and the first of them one by one; one wrong is enough."""
    if examples.expected is None or not examples.rows:
        raise InvalidBundle(
            "the end-to-end set is empty", field=END_TO_END_FILE, rule="assets",
            expected="at least one example with its answer",
        )
    output, tolerance = loaded.manifest.contract.output, loaded.manifest.runs.tolerance
    batches = [slice(0, examples.rows)] + [slice(i, i + 1) for i in range(min(5, examples.rows))]
    for batch in batches:
        try:
            got = loaded.predict(loaded.extract(take(examples.inputs, batch)))
        except Failed as error:
            raise InvalidBundle(
                f"the end-to-end set cannot be answered: {error.message}",
                field=error.field or END_TO_END_FILE, rule=error.rule, got=error.got,
                expected=error.expected,
            ) from error
        wrong = first_wrong(output, got, examples.expected[batch], tolerance)
        if wrong is not None:
            row, said, right = wrong
            raise InvalidBundle(
                f"end-to-end example {batch.start + row + 1} is answered wrong",
                field=END_TO_END_FILE, rule="end-to-end", got=said,
                expected=f"{right} (within {tolerance:g})",
            )


def answer_all(loaded: LoadedVersion, inputs: Columns) -> Column:
    """Raw output of many rows, in calls of a bounded size."""
    rows = rows_of(inputs)
    pieces: list[Column] = []
    for begin in range(0, rows, limits.JOINED_ROWS_MAX):
        batch = take(inputs, slice(begin, begin + limits.JOINED_ROWS_MAX))
        try:
            pieces.append(loaded.predict(loaded.extract(batch)))
        except Failed as error:
            raise InvalidBundle(
                f"rows {begin + 1} to {begin + rows_of(batch)} of the confidence set cannot be "
                f"answered: {error.message}",
                field=error.field or CONFIDENCE_FILE, rule=error.rule, got=error.got,
                expected=error.expected,
            ) from error
    return np.concatenate(pieces)


def _time_of_call(loaded: LoadedVersion, inputs: Columns, rows: int) -> float:
    """Microseconds per row, the best of a few calls within a twentieth of a second."""
    clock = SystemClock()
    batch = take(inputs, slice(0, rows))
    best = float("inf")
    begin = clock.elapsed_ns()
    for _ in range(200):
        start = clock.elapsed_ns()
        loaded.predict(loaded.extract(batch))
        end = clock.elapsed_ns()
        best = min(best, (end - start) / 1e3 / max(rows, 1))
        if end - begin > 50_000_000:
            break
    return best


def _peak_resident_bytes() -> int:
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Where there is no /proc: on Linux this figure would count the parent's memory as well.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _confine(memory_bytes: int, seconds: float) -> None:
    whole = math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))
    if sys.platform == "linux":
        # A user and a network namespace of its own, with nothing in it; where the kernel says no,
        # the trial runs all the same: admission rests on the signature, not on this.
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main(arguments: list[str]) -> int:
    """The child: try a version out and write the verdict to the descriptor that was handed over."""
    folder, fingerprint, descriptor, memory_bytes, seconds = arguments
    _confine(int(memory_bytes), float(seconds))
    try:
        verdict = _Verdict(result=run_trial(Path(folder), fingerprint))
    except MainstayError as error:
        verdict = _Verdict(refusal=_refusal_of(error))
    except MemoryError:
        verdict = _Verdict(refusal=_Refusal(
            error="the bundle needs more memory than its first run may use", rule="trial memory",
            expected=f"at most {int(memory_bytes)} bytes of address space",
        ))
    except Exception as error:  # noqa: BLE001  # because this is the supervisor of code from outside
        verdict = _Verdict(refusal=_Refusal(
            error=f"the bundle failed on its first run: {type(error).__name__}: {error}"[:2000],
            rule="trial",
        ))
    data = memoryview(msgspec.json.encode(verdict))
    while data:
        data = data[os.write(int(descriptor), data):]
    return 0


def _refusal_of(error: MainstayError) -> _Refusal:
    got = error.got if isinstance(error.got, (int, float, str, bool)) else None
    return _Refusal(
        error=error.message[:2000], field=error.field, rule=error.rule, got=got,
        expected=error.expected,
    )


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Without the interpreter's tidy end: threads or hooks of a model must not hold it up.
    sys.stdout.flush()
    os._exit(status)
