"""Features as they were served: whose extractor is meant, and which versions have the same one.

Promises that only features which one and the same extractor made stand in one snapshot, told by the
digest of its source; and that no code of a version is run to find that out. A version whose bundle
is gone has no extractor that anybody knows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidUsage, MainstayError, NotFound
from mainstay.bundle.archive import Unpacked
from mainstay.bundle.extractor import digest_of
from mainstay.bundle.model import Version
from mainstay.contract.columns import Columns, decode, encode, take
from mainstay.contract.model import Contract, Timestamp, columns_of
from mainstay.journal.arrow import ArrowTable, pa
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import named
from mainstay.release.gate.habits import column_of
from mainstay.renew.labels.model import Features, logged_columns
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.training.model import Served
from mainstay.wiring.workspace import Workspace

PREFIX: Final = "feature_"
"""How the journal's columns of features begin."""
_SETTING: Final = "renew.features"
_TYPES: Final = {
    "<f4": "FLOAT",
    "<f8": "DOUBLE",
    "<i8": "BIGINT",
    "|b1": "BOOLEAN",
    "|O": "VARCHAR",
}
_KEPT: Final = {"float": "FLOAT", "double": "DOUBLE", "int64": "BIGINT", "bool": "BOOLEAN"}
"""Types of the journal's columns; one of text says nothing, because another model made it so."""
_WIDER: Final = frozenset({"FLOAT", "DOUBLE", "BIGINT", "BOOLEAN"})


def version_of(workspace: Workspace, model: str, number: int | None = None) -> Version:
    """A version by its number; else the one that answers, else the newest."""
    live = workspace.chain.current(model)
    if number is None and live is not None:
        number = live.number
    return workspace.registry.find(model, number)


def features_of(workspace: Workspace, model: str, since_ns: int) -> Features:
    """The features that the extractor of the version in use made since then."""
    version = version_of(workspace, model)
    opened = workspace.here(version.fingerprint)
    extractor = digest_of(opened.folder, opened.manifest)
    if not extractor:
        raise InvalidUsage(
            f"{version} has no extractor, so its inputs are its features",
            field=_SETTING,
            got="logged",
            expected="`renew: {features: made}`; the inputs are logged as they were anyway",
        )
    same = {
        fingerprint: decision
        for fingerprint, decision in _answered(workspace, model, since_ns)
        if _digest(workspace, fingerprint) == extractor
    }
    types: dict[str, str] = {}
    for decision in same.values():
        for name, kind in feature_types(workspace, decision).items():
            types[name] = kind if types.get(name, kind) == kind else _wider(types[name], kind)
    if not types:
        raise InvalidUsage(
            f"no decision of {model} since then has features that the extractor of {version} made",
            field=_SETTING,
            got="logged",
            expected="a longer --since, or `renew: {features: made}` until there are some",
        )
    return Features(
        extractor=extractor,
        made_by=tuple(same),
        columns={PREFIX + name: types[name] for name in types},
    )


def maker_of(workspace: Workspace, features: Features) -> Unpacked:
    """A version with the extractor that made these features, on this machine."""
    for fingerprint in features.made_by:
        if _digest(workspace, fingerprint) == features.extractor:
            return workspace.here(fingerprint)
    raise NotFound(
        "no version with the extractor that made these features is left",
        field=_SETTING,
        got=features.extractor[:12],
        expected="a snapshot of what newer versions decided",
    )


def feature_types(workspace: Workspace, decision: str) -> dict[str, str]:
    """Feature to its type, as SQL names it, by a decision that has them: as its run has them, and
    wide enough for runs in which numbers were of another type."""
    batch, layout = workspace.journal.run_of(decision)
    made = named(decode(batch.features), "features", layout)
    schema = workspace.journal.query("SELECT * FROM decisions LIMIT 0").schema
    types: dict[str, str] = {}
    for name, column in made.items():
        kind = _TYPES[column.dtype.str]
        kept = _KEPT.get(str(schema.field(PREFIX + name).type), kind)
        types[name] = kind if kind == kept else _wider(kind, kept)
    return types


def logged_inputs(contract: Contract, table: ArrowTable) -> Columns:
    """The inputs and the context in a table of logged columns, as a contract calls and takes
    them."""
    kinds = columns_of(contract.inputs, contract.context)
    found: Columns = {}
    for column, name in logged_columns(contract).items():
        if column in table.column_names:
            values = table.column(column)
            if isinstance(kinds[name], Timestamp):
                values = values.cast(pa.timestamp("us", tz="UTC"))
            found[name] = column_of(values, kinds[name])
    return found


def logged_features(snapshot: Snapshot, table: ArrowTable) -> Columns:
    """The features in the rows of a snapshot; `InvalidUsage` where it has none."""
    features = snapshot.definition.features
    if features is None:
        raise InvalidUsage(
            f"{snapshot} has no features, and the contract says to learn from logged ones",
            field="snapshot",
            got=snapshot.id,
            expected="a snapshot that was taken since then, or `renew: {features: made}`",
        )
    return as_features(table, features.columns)


def as_features(table: ArrowTable, types: Mapping[str, str]) -> Columns:
    """Columns of features in a table, by feature, as their types say."""
    found: Columns = {}
    for column, kind in types.items():
        values = table.column(column).combine_chunks()
        name = column.removeprefix(PREFIX)
        if kind == "VARCHAR":
            found[name] = np.array([*values.to_pylist(), None], dtype=object)[:-1]
        else:
            found[name] = values.to_numpy(zero_copy_only=False)
    return found


def served_of(
    workspace: Workspace,
    snapshot: Snapshot,
    features: Columns,
    parts: tuple[slice, slice],
    into: Path,
) -> Served | None:
    """Features as they were served, written into a folder, and whose extractor made them; nothing
    where there are none."""
    wanted = snapshot.definition.features
    if not features or wanted is None:
        return None
    files = [into / "learned-features", into / "tested-features"]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(encode(take(features, part)))
    maker = maker_of(workspace, wanted)
    return Served(
        learned=str(files[0]),
        tested=str(files[1]),
        extractor=wanted.extractor,
        folder=str(maker.folder.resolve()),
        fingerprint=maker.fingerprint,
    )


def _answered(workspace: Workspace, model: str, since_ns: int) -> list[tuple[str, str]]:
    """The versions of a model that extracted features since then, each with such a decision."""
    first = f"{max(since_ns, 0) // 1_000_000:012x}"
    table: Any = workspace.journal.query(
        f"SELECT fingerprint, min(id) AS id FROM decisions WHERE model = {quoted(model)}"  # noqa: S608  # because the name is quoted and the rest is a number
        f" AND id >= '{first}' AND NOT features_are_inputs GROUP BY ALL ORDER BY ALL"
    )
    return [(row["fingerprint"], row["id"]) for row in table.to_pylist()]


def _digest(workspace: Workspace, fingerprint: str) -> str:
    try:
        opened = workspace.here(fingerprint)
        return digest_of(opened.folder, opened.manifest)
    except MainstayError:
        return ""


def _wider(one: str, other: str) -> str:
    return "DOUBLE" if {one, other} <= _WIDER else "VARCHAR"
