"""From a model run to one decision: the names of its columns, and its values as plain ones.

Must never import anything heavier than NumPy.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import numpy as np
from msgspec import structs

from mainstay.base.errors import InvalidBundle
from mainstay.base.ids import DecisionId
from mainstay.contract.columns import MATRIX, Column, Columns, decode
from mainstay.journal.model import STATUSES, Decision, DecisionBatch, Event, Layout

OUTPUT = "output"
"""The name of the one column that the outputs of a run are kept as."""

_NOT_A_TIME: Final = -(1 << 63)

GROUPS = ("inputs", "context", "features", "outputs", "judged")


def group_columns(batch: DecisionBatch, group: str) -> Columns | None:
    """One group of a run's columns as they were recorded; None when the group is empty.
    Columns that do not have the run's rows are `InvalidBundle`."""
    data: bytes = getattr(batch, group)
    if not data:
        return None
    columns = decode(data)
    for name, column in columns.items():
        if column.ndim == 0 or column.shape[0] != batch.rows:
            raise InvalidBundle(
                f"column {name!r} of the {group} does not have the rows of its run",
                field=name,
                got=list(column.shape),
                expected=f"{batch.rows} rows",
            )
    return columns


def named(columns: Columns, group: str, layout: Layout) -> Columns:
    """Split a matrix into the columns that the version's layout names; anything else stays."""
    names, whole = names_of(group, layout)
    if whole is None or set(columns) != {whole}:
        return columns
    return split(columns[whole], names) or columns


def names_of(group: str, layout: Layout) -> tuple[tuple[str, ...], str | None]:
    """The names of a group's columns, and the name of the matrix they may travel as."""
    if group == "inputs":
        return layout.inputs, MATRIX
    if group == "features":
        return layout.features, MATRIX
    if group == "outputs":
        return layout.outputs, OUTPUT
    return (), None


def split(column: Column, names: tuple[str, ...]) -> Columns | None:
    """The columns of a matrix by name, where there is one name for each."""
    if column.ndim == 1 and len(names) == 1:
        return {names[0]: column}
    if column.ndim == 2 and column.shape[1] == len(names) == len(set(names)):
        return {name: column[:, place] for place, name in enumerate(names)}
    return None


def decision_of(batch: DecisionBatch, layout: Layout, row: int) -> Decision:
    """Everything about one row of a run."""
    identity = DecisionId(batch.time_ms, batch.incarnation, batch.first_sequence + row)
    values = {group: _values(batch, layout, group, row) for group in GROUPS}
    if not batch.features:
        values["features"] = values["inputs"]
    return Decision(
        id=str(identity),
        model=layout.model,
        version=layout.number,
        fingerprint=batch.fingerprint,
        route=batch.route,
        door=batch.door,
        time=rfc3339(batch.time_ms * 1000),
        caller=batch.callers[row if len(batch.callers) > 1 else 0] if batch.callers else "",
        request=batch.requests[row] if batch.requests else "",
        status=STATUSES[batch.statuses[row]],
        reason=batch.reasons.get(row, ""),
        inputs=values["inputs"],
        context=values["context"],
        features=values["features"],
        output=values["outputs"],
        judged=values["judged"],
        waited_ns=batch.waited_ns[row] if batch.waited_ns else 0,
        steps_ns=batch.steps_ns,
        arm=batch.arm,
        propensity=batch.propensity,
        shadows=batch.shadows[row] if batch.shadows else "",
        processor_ns=batch.processor_ns,
        run_rows=batch.rows,
        run_row=row,
    )


def _values(batch: DecisionBatch, layout: Layout, group: str, row: int) -> dict[str, Any]:
    columns = group_columns(batch, group)
    if columns is None:
        return {}
    return {name: plain(c[row]) for name, c in named(columns, group, layout).items()}


def plain(value: Any) -> Any:
    """A value as JSON can say it: None where it is missing or NaN, words for the infinities."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        moment = isinstance(value, np.datetime64)
        value = cast("Any", value.view(np.int64) if moment else value).item()
        if moment:
            return None if value == _NOT_A_TIME else rfc3339(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def rfc3339(time_us: int) -> str:
    """A moment in words, in UTC."""
    seconds, micros = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def with_events(decision: Decision, events: Sequence[Event]) -> Decision:
    """A decision as it is shown, with what was said and done about it since."""
    return structs.replace(decision, since=[_told_of(event) for event in events])


def _told_of(event: Event) -> dict[str, Any]:
    return {
        **event.body,
        "id": event.id,
        "kind": event.kind,
        "time": rfc3339(event.time_ns // 1000),
        "actor": event.actor,
    }
