"""What the keeper sees of the machine and of itself. Workers show it and never look themselves:
what takes long to read must not cost an answer.

Promises that a machine without graphics processors is asked for them without starting a process,
and that a program that hangs or says something else leaves them out. One file in the run folder.
"""

import shutil
import subprocess
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.files import write_whole
from mainstay.serve.machine import GpuUse, ProcessUse, process_use

BESIDE_FILE = "beside.json"
FRESH_SECONDS = 120
"""What is older tells of a keeper that is gone."""
_PROGRAM = "nvidia-smi"
_QUESTION = (
    "--query-gpu=index,name,utilization.gpu,memory.total,memory.used",
    "--format=csv,noheader,nounits",
)
_PATIENCE_SECONDS = 10.0
_MEBIBYTE = 1024 * 1024
_NAME_MAX = 60
_GPUS_MAX = 64


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    time_ns: int
    keeper: ProcessUse
    gpus: tuple[GpuUse, ...] = ()


def look_beside(run: Path, clock: Clock) -> Beside:
    """Look, and leave it where workers find it."""
    found = Beside(time_ns=clock.now_ns(), keeper=process_use(), gpus=gpus())
    write_whole(run / BESIDE_FILE, msgspec.json.encode(found))
    return found


def read_beside(run: Path, clock: Clock) -> Beside | None:
    """What the keeper saw last; nothing when that is long ago."""
    try:
        found = msgspec.json.decode((run / BESIDE_FILE).read_bytes(), type=Beside)
    except (OSError, msgspec.MsgspecError):
        return None
    fresh = clock.now_ns() - found.time_ns < FRESH_SECONDS * 1_000_000_000
    return found if fresh else None


def gpus() -> tuple[GpuUse, ...]:
    """The graphics processors, as the driver's own program tells them."""
    program = shutil.which(_PROGRAM)
    if program is None:
        return ()
    try:
        told = subprocess.run(
            [program, *_QUESTION],
            capture_output=True,
            check=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
        ).stdout
        return tuple(_gpu(line) for line in told.splitlines()[:_GPUS_MAX] if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def _gpu(line: str) -> GpuUse:
    index, name, busy, total, used = (part.strip() for part in line.split(","))
    share = _figure(busy)
    return GpuUse(
        index=int(index),
        name=name[:_NAME_MAX],
        busy_share=None if share is None else share / 100,
        memory_total_bytes=_bytes(total),
        memory_used_bytes=_bytes(used),
    )


def _figure(text: str) -> float | None:
    """A card says `[N/A]` of what it does not measure."""
    return None if text.startswith("[") else float(text)


def _bytes(text: str) -> int | None:
    figure = _figure(text)
    return None if figure is None else round(figure * _MEBIBYTE)
