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


class NetworkUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine's network carried since its start, as far as this process may see it: in a
    container, that of the container."""

    received_bytes: int | None = None
    """Over all interfaces but the machine's own loop."""
    sent_bytes: int | None = None
    connections: int | None = None
    """TCP connections that are open now."""
    refused: int | None = None
    """Connections that found the queue of a listening socket full."""
    reset: int | None = None
    """Open connections that ended with a reset."""
    failed: int | None = None
    """Connections that could not be made."""
    sent_segments: int | None = None
    retransmitted_segments: int | None = None


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics processor."""

    index: int
    name: str
    busy_share: float | None
    """Of the last moments, 0 to 1."""
    memory_total_bytes: int | None
    memory_used_bytes: int | None


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
    network: NetworkUse = NetworkUse()
    gpus: tuple[GpuUse, ...] = ()
    """As the keeper saw them last; none where there are none."""


class ProcessUse(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of this process."""

    processor_seconds: float
    resident_bytes: int | None
    open_files: int | None


def machine_use(folder: Path, gpus: tuple[GpuUse, ...] = (), proc: Path = _PROC) -> MachineUse:
    """Read the machine; the disk is the one that holds `folder`. Graphics processors take longer to
    ask, and are handed in."""
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
        network=network_use(proc),
        gpus=gpus,
    )


def network_use(proc: Path = _PROC) -> NetworkUse:
    """Read the network."""
    received, sent = _interfaces(proc)
    tcp = _counters(proc / "net" / "snmp", "Tcp:")
    more = _counters(proc / "net" / "netstat", "TcpExt:")
    return NetworkUse(
        received_bytes=received,
        sent_bytes=sent,
        connections=tcp.get("CurrEstab"),
        refused=more.get("ListenOverflows"),
        reset=tcp.get("EstabResets"),
        failed=tcp.get("AttemptFails"),
        sent_segments=tcp.get("OutSegs"),
        retransmitted_segments=tcp.get("RetransSegs"),
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


def _interfaces(proc: Path) -> tuple[int | None, int | None]:
    """Bytes received and sent: the first and the ninth figure behind each interface's name."""
    received = sent = 0
    try:
        for line in (proc / "net" / "dev").read_text().splitlines():
            name, colon, rest = line.partition(":")
            if colon and name.strip() != "lo":
                figures = rest.split()
                received += int(figures[0])
                sent += int(figures[8])
    except (OSError, ValueError, IndexError):
        return None, None
    return received, sent


def _counters(file: Path, kind: str) -> dict[str, int]:
    """Two lines that begin with `kind`: the names, and their figures."""
    try:
        lines = [
            line.split()[1:]
            for line in file.read_text().splitlines()
            if line.startswith(f"{kind} ")
        ]
        names, figures = lines
        return {name: int(figure) for name, figure in zip(names, figures, strict=True)}
    except (OSError, ValueError):
        return {}


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
