"""A version of a workspace whose confidence set is made of what was decided and turned out."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import JOINED_ROWS_MAX
from mainstay.bundle.model import Refreshed, Version
from mainstay.bundle.port import Loaded
from mainstay.bundle.refresh import with_confidence
from mainstay.contract.columns import Column, Columns, rows_of, take
from mainstay.contract.times import duration_ns
from mainstay.release.refresh import labelled
from mainstay.wiring.workspace import Workspace


class RefreshedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The new version, the one it was made of, and how good both sets say it is."""

    version: Version
    of: Version
    confidence: Refreshed
    metrics: dict[str, float]
    metrics_before: dict[str, float]


def refresh(
    workspace: Workspace, model: str, number: int | None, over: str = ""
) -> RefreshedVersion:
    """Make a version of the same model with a confidence set of what was newly labelled; it is
    kept and not deployed. By default of the live version, and of all outcomes that were heard since
    it was packed, or refreshed."""
    live = workspace.chain.current(model) if number is None else None
    of = workspace.registry.find(model, number if live is None else live.number)
    until_ns = workspace.clock.now_ns()
    since_ns = until_ns - _period_ns(over) if over else _packed_ns(of)
    opened = workspace.unpacked(of.fingerprint)
    contract = opened.manifest.contract
    found = labelled(workspace.journal.query, contract, since_ns, until_ns)
    said = Refreshed(
        of=of.fingerprint,
        window=(_moment(since_ns), _moment(until_ns)),
        rows=found.examples.rows,
        classes=found.classes,
        left_out=found.left_out,
    )
    raw = _answers(workspace.load(of), found.examples.inputs)
    with tempfile.TemporaryDirectory(prefix="mainstay-refresh-") as folder:
        file = with_confidence(
            opened,
            found.examples,
            raw,
            said,
            clock=workspace.clock,
            sign_with=workspace.places.signing_key,
            into=Path(folder),
        )
        version = workspace.admit(file)
    return RefreshedVersion(
        version=version,
        of=of,
        confidence=said,
        metrics=version.card.metrics,
        metrics_before=of.card.metrics,
    )


def _answers(loaded: Loaded, inputs: Columns) -> Column:
    rows = rows_of(inputs)
    pieces = [slice(at, at + JOINED_ROWS_MAX) for at in range(0, rows, JOINED_ROWS_MAX)]
    return np.concatenate([loaded.predict(loaded.extract(take(inputs, each))) for each in pieces])


def _period_ns(over: str) -> int:
    period = duration_ns(over)
    if period <= 0:
        raise InvalidUsage(
            "a window of no length has no outcomes", field="over", got=over, expected="such as 30d"
        )
    return period


def _packed_ns(version: Version) -> int:
    """When its confidence set was made."""
    return round(datetime.fromisoformat(version.card.packed_at).timestamp() * 1e9)


def _moment(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
