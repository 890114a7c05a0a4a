"""What retraining has brought a model, by its own history: replayed and weighed (N13).

Promises that every version that answered is asked again the labelled decisions it made, and that
the version before it and the first one are asked the very same ones; that the journal is read once,
as one snapshot; and that nothing changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Version
from mainstay.bundle.port import Loaded
from mainstay.bundle.trial import answer_all
from mainstay.journal.rows import rfc3339
from mainstay.release.gate.rows import fit
from mainstay.renew.schedule.effect import Mean, Saved, mean_of, saved
from mainstay.renew.schedule.model import Floats
from mainstay.renew.training.backtest import errors_of
from mainstay.serve.engine import HELD_OUT
from mainstay.wiring.snapshotting import contract_of, define, rows_of, take_snapshot
from mainstay.wiring.training import LearnedRows, learned_rows
from mainstay.wiring.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    model: str
    since_ns: int
    of_error: float | None = None
    """What an error costs; by default what the contract says in `renew.when.costs`."""
    of_training: float | None = None


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One version that answered."""

    version: int
    trained: str
    """When it was packed."""
    learned_until: str
    """The newest of what it learned from; empty where its card does not say."""
    came: str
    """When it first came to answer."""
    wrong: Mean
    """Of its own labelled decisions."""
    before: Saved | None = None
    """Against the version that answered before it; nothing for the first, or where too few rows
    can be held against each other."""
    first: Saved | None = None
    """Against the first version."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What retraining has brought."""

    model: str
    snapshot: str
    versions: list[Served]
    """In the order in which they came to answer."""
    together: Saved | None
    """Of all decisions that later versions made, against the first one."""
    of_error: float | None
    of_training: float | None
    gained: float | None
    """What the errors that were not made would have cost, less what the trainings did."""


def effect(workspace: Workspace, asked: Asked) -> Effect:
    """Ask every version, the one before it and the first one the decisions that it made."""
    contract = contract_of(workspace, asked.model)
    costs = contract.renew.when.costs if contract.renew.when else None
    if costs is not None:
        asked = replace(
            asked,
            of_error=costs.of_error if asked.of_error is None else asked.of_error,
            of_training=costs.of_training if asked.of_training is None else asked.of_training,
        )
    snapshot = take_snapshot(workspace, define(workspace, asked.model, asked.since_ns))
    table = rows_of(workspace, snapshot)
    rows = learned_rows(contract, snapshot, table)
    version, arm = (
        np.array(table.column(name).to_pylist(), dtype=object)[rows.in_snapshot]
        for name in ("version", "arm")
    )
    answered = set(version[arm != HELD_OUT].tolist())
    came = [each for each in _came(workspace, asked.model) if each.version.number in answered]
    if not came:
        raise InvalidUsage(
            f"no labelled decision of {asked.model} was made by a version that is known",
            field="since",
            expected="a longer time, or labels: POST /decisions/<id>/outcome tells them",
        )
    asking = _Asking(workspace)
    first = came[0].version
    versions: list[Served] = []
    pairs: list[tuple[Floats, Floats]] = []
    for each in came:
        own = rows.some((version == each.version.number) & (arm != HELD_OUT))
        others = [] if each.version is first else [first, each.before or first]
        wrong = asking.wrong(own, [each.version, *others])
        if not len(wrong[0]):
            continue
        against = [
            saved(other.number, told, wrong[0], asked.of_error)
            for other, told in zip(others, wrong[1:], strict=True)
        ]
        if others:
            pairs.append((wrong[1], wrong[0]))
        versions.append(_served(each, mean_of(wrong[0]), against))
    together = None
    if pairs:
        theirs, ours = (np.concatenate(side) for side in zip(*pairs, strict=True))
        together = saved(first.number, theirs, ours, asked.of_error)
    gained = None
    if together is not None and together.cost is not None and asked.of_training is not None:
        gained = together.cost - asked.of_training * (len(versions) - 1)
    return Effect(
        model=asked.model,
        snapshot=snapshot.id,
        versions=versions,
        together=together,
        of_error=asked.of_error,
        of_training=asked.of_training,
        gained=gained,
    )


@dataclass(frozen=True, slots=True)
class _Came:
    """A version that came to answer."""

    version: Version
    at_ns: int
    before: Version | None
    """What had answered until then."""


def _came(workspace: Workspace, model: str) -> list[_Came]:
    """Every version that ever answered, in the order in which they first did."""
    found: dict[str, _Came] = {}
    before: Version | None = None
    for route in workspace.chain.history(model):
        version = workspace.registry.find_fingerprint(route.fingerprint)
        found.setdefault(version.fingerprint, _Came(version, route.time_ns, before))
        before = version
    return list(found.values())


def _served(came: _Came, wrong: Mean, against: Sequence[Saved | None]) -> Served:
    card = came.version.card
    return Served(
        version=came.version.number,
        trained=card.packed_at,
        learned_until=card.window[1] if card.window else "",
        came=rfc3339(came.at_ns // 1000),
        wrong=wrong,
        first=against[0] if against else None,
        before=against[1] if against else None,
    )


class _Asking:
    """Versions in the memory of this process, asked recorded rows."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._loaded: dict[str, Loaded] = {}

    def wrong(self, rows: LearnedRows, versions: Sequence[Version]) -> list[Floats]:
        """How wrong each version is on the rows that all of them take."""
        all_loaded = [self._load(version) for version in versions]
        places = np.arange(len(rows.labels))
        for loaded, version in zip(all_loaded, versions, strict=True):
            fitted = fit(loaded.manifest.contract, rows.inputs, frozenset(), f"v{version.number}")
            places = np.intersect1d(places, fitted.rows)
        common = rows.some(places)
        found: list[Floats] = []
        for loaded, version in zip(all_loaded, versions, strict=True):
            if not len(places):
                found.append(np.empty(0))
                continue
            contract = loaded.manifest.contract
            asked = fit(contract, common.inputs, frozenset(), f"v{version.number}").columns
            found.append(errors_of(contract.output, answer_all(loaded, asked), common.labels))
        return found

    def _load(self, version: Version) -> Loaded:
        if version.fingerprint not in self._loaded:
            self._loaded[version.fingerprint] = self._workspace.load(version)
        return self._loaded[version.fingerprint]
