"""What the machine and this process use, read from the kernel's own files.

Promises a reading within a millisecond and never an error: a figure that this system does not
offer is `None`. Reads `/proc` (Linux); elsewhere only what the standard library knows.
"""

import os
import resource
import shutil
import sys
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_KIBIBYTE = 1024


class MachineUse(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the machine."""

    processors: int
    load_1m: float | None
    """How many threads wanted a processor, averaged over a minute."""
    busy_seconds: float | None
    """Processor time spent on anything since start, all processors together."""
    idle_seconds: float | None
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    disk_total_bytes: int | None
    disk_free_bytes: int | None


class ProcessUse(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of this process."""

    processor_seconds: float
    resident_bytes: int | None
    open_files: int | None


def machine_use(folder: Path, proc: Path = _PROC) -> MachineUse:
    """Read the machine; the disk is the one that holds `folder`."""
    busy, idle = _processor_seconds(proc)
    memory = _memory(proc)
    disk_total, disk_free = _disk(folder)
    return MachineUse(
        processors=os.cpu_count() or 1,
        load_1m=_load(),
        busy_seconds=busy,
        idle_seconds=idle,
        memory_total_bytes=memory.get("MemTotal"),
        memory_available_bytes=memory.get("MemAvailable"),
        disk_total_bytes=disk_total,
        disk_free_bytes=disk_free,
    )


def process_use(proc: Path = _PROC) -> ProcessUse:
    """Read this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return ProcessUse(
        processor_seconds=usage.ru_utime + usage.ru_stime,
        resident_bytes=_resident(proc, usage.ru_maxrss),
        open_files=_open_files(proc),
    )


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _processor_seconds(proc: Path) -> tuple[float | None, float | None]:
    """The first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks."""
    try:
        first = (proc / "stat").read_text().split("\n", 1)[0].split()
        ticks = [int(field) for field in first[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None, None
    if first[0] != "cpu" or len(ticks) < 5:
        return None, None
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / per_second, idle / per_second


def _memory(proc: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        for line in lines:
            name, _, rest = line.partition(":")
            fields = rest.split()
            if fields:
                found[name] = int(fields[0]) * _KIBIBYTE
    except (OSError, ValueError):
        return {}
    return found


def _disk(folder: Path) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None, None
    return usage.total, usage.free


def _resident(proc: Path, largest: int) -> int | None:
    try:
        pages = int((proc / "self" / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        # Elsewhere only the largest ever is known, in bytes on macOS and in kibibytes on BSD.
        return largest if sys.platform == "darwin" else largest * _KIBIBYTE


def _open_files(proc: Path) -> int | None:
    try:
        return sum(1 for _ in (proc / "self" / "fd").iterdir())
    except OSError:
        return None
