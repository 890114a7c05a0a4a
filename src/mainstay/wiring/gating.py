"""The gate of one workspace: its stores, its machine and its journal brought together."""

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.bundle.model import Version
from mainstay.release.gate.fitness import fits
from mainstay.release.gate.model import Machine
from mainstay.release.gate.run import Passage
from mainstay.serve.machine import machine_use
from mainstay.serve.routes.model import Route
from mainstay.wiring.folders import Places


def machine_of(places: Places) -> Machine:
    """What is free here, and how many workers share it."""
    use = machine_use(places.cache)
    return Machine(
        memory_bytes=use.memory_available_bytes,
        disk_bytes=use.disk_free_bytes,
        workers=places.settings.workers,
    )


def check_room(version: Version, machine: Machine) -> None:
    """Refuse a version that is larger than what is free, before anything of it is fetched (O19)."""
    for finding in fits(version.size_bytes, machine):
        if finding.verdict == "fail":
            raise InvalidBundle(
                f"{version} does not fit on this machine: it {finding.words}",
                field=finding.check,
                rule="room",
                got=version.size_bytes,
                expected="a smaller bundle, fewer workers, or a larger machine",
            )


def new_passage(
    ids: DecisionIds, now_ns: int, version: Version, current: Route | None, actor: str
) -> Passage:
    """A passage of a version through the gate, against the route in force."""
    if current is not None and current.fingerprint == version.fingerprint:
        raise InvalidUsage(
            f"{version} is live already, since epoch {current.epoch}: it would be compared with "
            "itself",
            field="version",
            got=version.number,
            expected="a version that is not live",
        )
    time_ms, sequence = ids.take(1)
    return Passage(
        id=str(DecisionId(time_ms, ids.incarnation, sequence)),
        model=version.model,
        epoch=current.epoch if current is not None else 0,
        actor=actor,
        time_ns=now_ns,
    )
