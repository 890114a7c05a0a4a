"""What was counted as the page that Prometheus reads: names, labels and values, as text."""

from collections.abc import Iterable, Sequence

import msgspec

from mainstay.serve.machine import MachineUse


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
    return [gauge(name, about, [({}, value)]) for name, about, value in figures]
