"""How machine and workers fare, in a few lines of `mainstay status`."""

from collections.abc import Iterable, Mapping

import msgspec

from mainstay.cli.output import Output, escape
from mainstay.serve.machine import GpuUse, MachineUse, NetworkUse
from mainstay.serve.snapshots import Snapshot, Traffic

_GIB = 2.0**30


class WorkerUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker has in hand, and what it uses."""

    slot: int
    pid: int
    in_flight: int
    waiting_rows: int
    connections: int
    resident_bytes: int
    processor_seconds: float


def use_of(shot: Snapshot) -> WorkerUse:
    """What a worker's file says."""
    return WorkerUse(
        slot=shot.slot,
        pid=shot.pid,
        in_flight=shot.in_flight,
        waiting_rows=shot.waiting_rows,
        connections=shot.connections_open,
        resident_bytes=shot.resident_bytes,
        processor_seconds=shot.processor_seconds,
    )


def show_machine(output: Output, use: MachineUse, workers: Iterable[WorkerUse]) -> None:
    """Workers, machine, network and graphics processors, a line each."""
    output.say()
    for worker in workers:
        memory = f"{worker.resident_bytes / 2**20:,.0f} MiB"
        output.say(
            f"[dim]in worker {worker.slot}: {worker.in_flight} in flight,"
            f" {worker.waiting_rows} rows waiting, {worker.connections} connections,"
            f" memory {memory}[/]"
        )
    parts = [f"{use.processors} processors"]
    if use.load_1m is not None:
        parts.append(f"load {use.load_1m:.1f}")
    if use.memory_total_bytes and use.memory_available_bytes is not None:
        free = f"{use.memory_available_bytes / _GIB:.1f}"
        parts.append(f"memory {free} of {use.memory_total_bytes / _GIB:.1f} GiB free")
    if use.disk_total_bytes and use.disk_free_bytes is not None:
        free = f"{use.disk_free_bytes / _GIB:.1f}"
        parts.append(f"disk {free} of {use.disk_total_bytes / _GIB:.1f} GiB free")
    output.say(f"[dim]{'   '.join(parts)}[/]")
    network = _network(use.network)
    if network:
        output.say(f"[dim]network since boot: {network}[/]")
    for gpu in use.gpus:
        output.say(f"[dim]{_gpu(gpu)}[/]")


def show_costs(output: Output, traffic: Mapping[str, Traffic]) -> None:
    """How many rows a run has, and what one costs."""
    for model, each in sorted(traffic.items()):
        if each.rows_per_run is not None and each.processor_us is not None:
            output.say(
                f"[dim]{escape(model)}: {each.rows_per_run:.1f} rows a run, "
                f"{each.processor_us:,.0f} µs of processor time a row[/]"
            )


def _network(use: NetworkUse) -> str:
    parts: list[str] = []
    if use.received_bytes is not None and use.sent_bytes is not None:
        received, sent = use.received_bytes / _GIB, use.sent_bytes / _GIB
        parts.append(f"{received:.2f} GiB in, {sent:.2f} GiB out")
    if use.refused is not None and use.reset is not None:
        parts.append(f"connections: {use.refused:,} refused, {use.reset:,} reset")
    if use.retransmitted_segments is not None and use.sent_segments:
        parts.append(f"{use.retransmitted_segments / use.sent_segments:.2%} sent again")
    return "   ".join(parts)


def _gpu(use: GpuUse) -> str:
    parts = [f"GPU {use.index} ({escape(use.name)})"]
    if use.busy_share is not None:
        parts.append(f"{use.busy_share:.0%} busy")
    if use.memory_total_bytes and use.memory_used_bytes is not None:
        used = f"{use.memory_used_bytes / _GIB:.1f}"
        parts.append(f"memory {used} of {use.memory_total_bytes / _GIB:.1f} GiB used")
    return ", ".join(parts)
