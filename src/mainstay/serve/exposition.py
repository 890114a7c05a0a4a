"""What was counted as the page that Prometheus reads: names, labels and values, as text."""

from collections.abc import Iterable, Sequence

import msgspec

from mainstay.serve.machine import GpuUse, MachineUse, ProcessUse


class Sample(msgspec.Struct, array_like=True):
    """One line of the page."""

    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, array_like=True):
    """A metric with its lines."""

    name: str
    kind: str
    about: str
    samples: list[Sample]


def page(families: Sequence[Family]) -> bytes:
    """Families in the text form of Prometheus, written by its own library, which is imported here
    so that a worker answers its first request without it."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector

    class Page(Collector):
        def collect(self) -> Iterable[Metric]:
            for family in families:
                metric = Metric(family.name, family.about, family.kind)
                for sample in family.samples:
                    metric.add_sample(sample.name, sample.labels, sample.value)
                yield metric

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Page())
    return generate_latest(registry)


def histogram_samples(
    name: str, labels: dict[str, str], bounds: Sequence[str], counts: Sequence[int], total: float
) -> list[Sample]:
    """The lines of a histogram: `counts` up to each bound and beyond the last."""
    samples: list[Sample] = []
    cumulative = 0
    for bound, count in zip((*bounds, "+Inf"), counts, strict=True):
        cumulative += count
        samples.append(Sample(f"{name}_bucket", {**labels, "le": bound}, cumulative))
    samples.append(Sample(f"{name}_count", labels, cumulative))
    samples.append(Sample(f"{name}_sum", labels, total))
    return samples


def gauge(name: str, about: str, values: Iterable[tuple[dict[str, str], float | None]]) -> Family:
    """A figure that goes up and down, one line for each set of labels."""
    full = f"mainstay_{name}"
    samples = [Sample(full, labels, value) for labels, value in values if value is not None]
    return Family(full, "gauge", about, samples)


def machine_families(use: MachineUse) -> list[Family]:
    """The machine that the workers run on."""
    figures: tuple[tuple[str, str, float | None], ...] = (
        ("machine_processors", "Processors of the machine.", use.processors),
        ("machine_load_1m", "Threads that wanted a processor, over a minute.", use.load_1m),
        ("machine_busy_seconds", "Processor time spent since boot.", use.busy_seconds),
        ("machine_idle_seconds", "Processor time not spent since boot.", use.idle_seconds),
        ("machine_memory_bytes", "Memory of the machine.", use.memory_total_bytes),
        ("machine_memory_available_bytes", "Memory still free.", use.memory_available_bytes),
        ("machine_disk_bytes", "Size of the workspace's disk.", use.disk_total_bytes),
        ("machine_disk_free_bytes", "Free space on it.", use.disk_free_bytes),
    )
    network = use.network
    figures += (
        ("machine_connections", "TCP connections that are open now.", network.connections),
        (
            "machine_received_bytes",
            "Bytes that came by network, since boot.",
            network.received_bytes,
        ),
        ("machine_sent_bytes", "Bytes that left by network, since boot.", network.sent_bytes),
        ("machine_connections_refused", "Connections that found a full queue.", network.refused),
        ("machine_connections_reset", "Connections that ended with a reset.", network.reset),
        ("machine_connections_failed", "Connections that could not be made.", network.failed),
        ("machine_sent_segments", "TCP segments sent.", network.sent_segments),
        (
            "machine_retransmitted_segments",
            "TCP segments sent again.",
            network.retransmitted_segments,
        ),
    )
    return [
        *(gauge(name, about, [({}, value)]) for name, about, value in figures),
        *_gpu_families(use.gpus),
    ]


def _gpu_families(gpus: Sequence[GpuUse]) -> list[Family]:
    named = [({"gpu": str(gpu.index), "card": gpu.name}, gpu) for gpu in gpus]
    return [
        gauge("gpu_busy_share", "How busy a graphics processor is, 0 to 1.",
              [(labels, gpu.busy_share) for labels, gpu in named]),
        gauge("gpu_memory_bytes", "Memory of a graphics processor.",
              [(labels, gpu.memory_total_bytes) for labels, gpu in named]),
        gauge("gpu_memory_used_bytes", "Memory of a graphics processor that is in use.",
              [(labels, gpu.memory_used_bytes) for labels, gpu in named]),
    ]  # fmt: skip


def keeper_families(use: ProcessUse) -> list[Family]:
    """The process beside the workers."""
    return [
        gauge("keeper_processor_seconds", "Processor time of the keeper since its start.",
              [({}, use.processor_seconds)]),
        gauge("keeper_resident_bytes", "Memory of the keeper.", [({}, use.resident_bytes)]),
    ]  # fmt: skip
