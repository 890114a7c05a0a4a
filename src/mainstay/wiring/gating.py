"""The gate of one workspace: its stores, its machine and its journal brought together."""

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.bundle.extractor import digest_of
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.release.gate.fitness import fits
from mainstay.release.gate.gather import Opened
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


def extractor_changed(candidate: Opened, baseline: Opened | None) -> list[Finding]:
    """Says, where it is so, that a candidate makes its features by another extractor than what
    serves; that is no fault, and its answers are compared as ever."""
    if baseline is None:
        return []
    ours, theirs = (digest_of(each.folder, each.manifest) for each in (candidate, baseline))
    if ours == theirs:
        return []
    words = (
        f"another extractor than that of v{baseline.number}"
        if ours and theirs
        else f"an extractor, where v{baseline.number} has none"
        if ours
        else f"no extractor, where v{baseline.number} has one"
    )
    if ours and theirs:
        words += (
            f"; `mainstay experiment skew {candidate.manifest.model} --version {baseline.number} "
            f"--against {candidate.number}` names the features that come out otherwise"
        )
    return [Finding(check="extractor", verdict="pass", words=words)]
