"""Model runs as Arrow tables with one row per decision, and back again without loss.

Columns of a row: who, when, which version, which answer, then one flat column per value:
`input_<name>`, `context_<name>`, `feature_<name>`, `output_<name>`; a vector is one column of
fixed-size lists. Where a version's features are its inputs, `features_are_inputs` is true and there
are no `feature_` columns. A missing input or context value (None, NaT, the ordinary NaN) is null;
every other bit pattern, and every NaN in features and outputs, is kept as it is.

One table holds runs of one *form*: one version, and the same columns with the same types. The form
travels in the table's metadata, so `fold` rebuilds each `DecisionBatch` bit for bit. A run whose
columns cannot be read is kept whole, as bytes, in a table of its own: it must not stop the others.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidBundle, StorageFailed
from mainstay.contract.columns import Column, Columns, encode
from mainstay.journal.arrow import ArrowArray, ArrowTable, ArrowType, pa, pc
from mainstay.journal.model import STATUSES, DecisionBatch, Event, Layout
from mainstay.journal.rows import GROUPS, group_columns, names_of, split
from mainstay.journal.tail import Run, decode_batch

FORM: Final = b"mainstay.form"
PREFIXES: Final = {
    "inputs": "input_",
    "context": "context_",
    "features": "feature_",
    "outputs": "output_",
    "judged": "judged_",
}
_OPTIONAL: Final = ("inputs", "context")
_MISSING_BITS: Final = {"<f8": (np.int64, 0x7FF8000000000000), "<f4": (np.int32, 0x7FC00000)}
_TYPES: Final[dict[str, ArrowType]] = {
    "<f8": pa.float64(),
    "<f4": pa.float32(),
    "<i8": pa.int64(),
    "<i4": pa.int32(),
    "|b1": pa.bool_(),
    "<M8[us]": pa.timestamp("us", tz="UTC"),
    "|O": pa.string(),
}
_TIME: Final = pa.timestamp("us", tz="UTC")

DECISION_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("time", _TIME),
        ("model", pa.string()),
        ("version", pa.int32()),
        ("fingerprint", pa.string()),
        ("route", pa.int64()),
        ("door", pa.string()),
        ("caller", pa.string()),
        ("request", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("waited_ns", pa.int64()),
        ("incarnation", pa.int64()),
        ("sequence", pa.int64()),
        ("run_first_sequence", pa.int64()),
        ("run_rows", pa.int32()),
        ("run_callers", pa.int32()),
        ("steps", pa.string()),
        ("features_are_inputs", pa.bool_()),
        ("arm", pa.string()),
        ("propensity", pa.float64()),
        ("shadows", pa.string()),
        ("processor_ns", pa.int64()),
    ]
)
_ADDED: Final = {"arm": "live", "propensity": 1.0, "shadows": None, "processor_ns": 0}
"""Columns that older tables do not have, and what they would say there."""
EVENT_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("kind", pa.string()),
        ("time", _TIME),
        ("known", _TIME),
        ("model", pa.string()),
        ("actor", pa.string()),
        ("subject", pa.string()),
        ("body", pa.string()),
        ("time_ns", pa.int64()),
        ("known_ns", pa.int64()),
    ]
)


class _ColumnForm(msgspec.Struct, frozen=True, array_like=True):
    """One encoded column: its name, type, and shape without the rows."""

    name: str
    dtype: str
    trailing: tuple[int, ...]


_GroupForm = tuple[_ColumnForm, ...] | None


class _Form(msgspec.Struct, frozen=True):
    """What the runs of one table have in common."""

    layout: Layout
    groups: dict[str, _GroupForm]
    whole: bool = False
    """Runs are kept as bytes, in the column `record` of their first row."""


_Decoded = dict[str, Columns | None]


def unfold(runs: Sequence[Run]) -> list[ArrowTable]:
    """One table for each form among the runs, each in the order of the runs."""
    forms: dict[bytes, _Form] = {}
    members: dict[bytes, list[tuple[DecisionBatch, _Decoded]]] = {}
    for batch, layout in runs:
        form, decoded = _form_of(batch, layout)
        key = msgspec.msgpack.encode(form)
        forms[key] = form
        members.setdefault(key, []).append((batch, decoded))
    return [_table(forms[key], members[key]) for key in members]


def _form_of(batch: DecisionBatch, layout: Layout) -> tuple[_Form, _Decoded]:
    try:
        _check_rows(batch)
        decoded = {group: group_columns(batch, group) for group in GROUPS}
    except (InvalidBundle, TypeError):
        return _Form(layout, {}, whole=True), {}
    groups = {group: _group_form(columns) for group, columns in decoded.items()}
    return _Form(layout, groups), decoded


def _check_rows(batch: DecisionBatch) -> None:
    lengths = {len(batch.requests), len(batch.waited_ns), len(batch.shadows)}
    if (
        len(batch.statuses) != batch.rows
        or not lengths <= {0, batch.rows}
        or len(batch.callers) not in {0, 1, batch.rows}
        or any(not 0 <= row < batch.rows for row in batch.reasons)
        or any(status >= len(STATUSES) for status in batch.statuses)
    ):
        raise InvalidBundle("a run does not have as many values as rows", got=batch.rows)


def _group_form(columns: Columns | None) -> _GroupForm:
    if columns is None:
        return None
    return tuple(_ColumnForm(n, c.dtype.str, c.shape[1:]) for n, c in columns.items())


# ---------------------------------------------------------------------------------- to Arrow


def _table(form: _Form, members: list[tuple[DecisionBatch, _Decoded]]) -> ArrowTable:
    table = _base_table(form.layout, [batch for batch, _ in members])
    if form.whole:
        records: list[bytes | None] = []
        for batch, _ in members:
            records += [msgspec.msgpack.encode(batch), *[None] * (batch.rows - 1)]
        table = table.append_column("record", pa.array(records, pa.binary()))
    for group, columns in form.groups.items():
        for place in columns or ():
            parts = [(decoded[group] or {})[place.name] for _, decoded in members]
            whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
            for name, values in _flat(form, group, place, whole).items():
                table = table.append_column(name, _arrow(values, missing=group in _OPTIONAL))
    return table.replace_schema_metadata({FORM: msgspec.json.encode(form)})


def _base_table(layout: Layout, batches: list[DecisionBatch]) -> ArrowTable:
    rows = np.array([batch.rows for batch in batches], np.int64)
    first = np.repeat(np.array([b.first_sequence for b in batches], np.int64), rows)
    starts = np.repeat(np.cumsum(rows) - rows, rows)
    sequence = first + np.arange(len(first)) - starts

    def per_run(values: Iterable[Any], kind: ArrowType) -> ArrowArray:
        array = pa.array(list(values), kind)
        return array.take(pa.array(np.repeat(np.arange(len(batches)), rows)))

    arrays = [
        pa.array(_ids(batches), pa.string()),
        per_run((b.time_ms * 1000 for b in batches), pa.int64()).cast(_TIME),
        per_run((layout.model for _ in batches), pa.string()),
        per_run((layout.number for _ in batches), pa.int32()),
        per_run((b.fingerprint for b in batches), pa.string()),
        per_run((b.route for b in batches), pa.int64()),
        per_run((b.door for b in batches), pa.string()),
        pa.array(_per_row(batches, "callers"), pa.string()),
        pa.array(_per_row(batches, "requests"), pa.string()),
        pa.array([_status(b, row) for b in batches for row in range(b.rows)], pa.string()),
        pa.array([b.reasons.get(row) for b in batches for row in range(b.rows)], pa.string()),
        pa.array(_per_row(batches, "waited_ns"), pa.int64()),
        per_run((b.incarnation for b in batches), pa.int64()),
        pa.array(sequence),
        pa.array(first),
        per_run((b.rows for b in batches), pa.int32()),
        per_run((len(b.callers) for b in batches), pa.int32()),
        per_run((msgspec.json.encode(b.steps_ns).decode() for b in batches), pa.string()),
        per_run((not b.features for b in batches), pa.bool_()),
        per_run((b.arm for b in batches), pa.string()),
        per_run((b.propensity for b in batches), pa.float64()),
        pa.array(_per_row(batches, "shadows"), pa.string()),
        per_run((b.processor_ns for b in batches), pa.int64()),
    ]
    return pa.Table.from_arrays(arrays, schema=DECISION_SCHEMA)


def _ids(batches: list[DecisionBatch]) -> list[str]:
    ids: list[str] = []
    for batch in batches:
        start = f"{batch.time_ms:012x}{batch.incarnation:08x}"
        first = batch.first_sequence
        ids += [f"{start}{sequence:08x}" for sequence in range(first, first + batch.rows)]
    return ids


def _per_row(batches: list[DecisionBatch], field: str) -> list[Any]:
    """A value per row: given per row, once for all, or not at all."""
    values: list[Any] = []
    for batch in batches:
        given: tuple[Any, ...] = getattr(batch, field)
        if len(given) != batch.rows:
            given = (given[0] if given else None,) * batch.rows
        values += given
    return values


def _status(batch: DecisionBatch, row: int) -> str | None:
    code = batch.statuses[row] if row < len(batch.statuses) else len(STATUSES)
    return STATUSES[code] if code < len(STATUSES) else None


def _flat(form: _Form, group: str, place: _ColumnForm, values: Column) -> Columns:
    """A column as one or more flat ones; a dimension without length leaves none."""
    prefix = PREFIXES[group]
    names, whole = names_of(group, form.layout)
    columns = form.groups[group] or ()
    if place.name == whole and len(columns) == 1:
        parts = split(values, names)
        if parts is not None:
            return {prefix + name: part for name, part in parts.items()}
    return {} if 0 in place.trailing else {prefix + place.name: values}


def _arrow(values: Column, *, missing: bool) -> ArrowArray:
    if values.ndim > 1:
        width = int(np.prod(values.shape[1:]))
        return pa.FixedSizeListArray.from_arrays(_arrow(values.reshape(-1), missing=False), width)
    if values.dtype == object:
        return pa.array(values.tolist(), pa.string())
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "M":
        return pa.array(values.view(np.int64), pa.int64(), mask=np.isnat(values)).cast(_TIME)
    mask = None
    if missing and values.dtype.str in _MISSING_BITS:
        integer, bits = _MISSING_BITS[values.dtype.str]
        mask = values.view(integer) == bits
        mask = mask if mask.any() else None
    return pa.array(values, _TYPES[values.dtype.str], mask=mask)


# -------------------------------------------------------------------------------- from Arrow


def fold(table: ArrowTable) -> list[Run]:
    """The runs of a table that `unfold` made; it may hold some of them only, each complete."""
    form = _form_in(table.schema)
    if form.whole:
        records: list[bytes | None] = table.column("record").to_pylist()
        return [(decode_batch(data), form.layout) for data in records if data is not None]
    table = _with_added(table)
    firsts = table.column("run_first_sequence").to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], firsts[1:] != firsts[:-1]]))
    ends = [*starts[1:].tolist(), table.num_rows]
    # Tables from before a group was known do not name it in their form.
    groups = {group: _unflat(form, group, table) for group in GROUPS}
    return [
        (_batch(groups, table.slice(start, end - start), start), form.layout)
        for start, end in zip(starts.tolist(), ends, strict=True)
        if end > start
    ]


def layout_in(schema: Any) -> Layout:
    """The layout of all runs of a table that `unfold` made."""
    return _form_in(schema).layout


def _form_in(schema: Any) -> _Form:
    metadata: dict[bytes, bytes] = schema.metadata or {}
    if FORM not in metadata:
        raise StorageFailed("this table does not say which form its runs have", field="form")
    return msgspec.json.decode(metadata[FORM], type=_Form)


def _with_added(table: ArrowTable) -> ArrowTable:
    """The table with the columns that were added to the schema since it was written."""
    for name, value in _ADDED.items():
        if name not in table.column_names:
            values = pa.array([value] * table.num_rows, DECISION_SCHEMA.field(name).type)
            table = table.append_column(name, values)
    return table


def _batch(groups: _Decoded, part: ArrowTable, start: int) -> DecisionBatch:
    def encoded(group: str) -> bytes:
        columns = groups[group]
        if columns is None:
            return b""
        return encode({name: c[start : start + part.num_rows] for name, c in columns.items()})

    column: dict[str, list[Any]] = {
        name: part.column(name).to_pylist()
        for name in ("caller", "request", "status", "reason", "waited_ns", "shadows")
    }
    one = part.slice(0, 1).select(DECISION_SCHEMA.names)
    head: dict[str, Any] = one.drop_columns(["time"]).to_pylist()[0]
    time_us = part.column("time").slice(0, 1).cast(pa.int64())[0].as_py()
    requests, waited_ns = column["request"], column["waited_ns"]
    shadows = column["shadows"]
    return DecisionBatch(
        fingerprint=head["fingerprint"],
        route=head["route"],
        door=head["door"],
        time_ms=time_us // 1000,
        incarnation=head["incarnation"],
        first_sequence=head["run_first_sequence"],
        rows=part.num_rows,
        callers=tuple(column["caller"][: head["run_callers"]]),
        requests=() if requests[0] is None else tuple(requests),
        inputs=encoded("inputs"),
        context=encoded("context"),
        features=encoded("features"),
        outputs=encoded("outputs"),
        judged=encoded("judged"),
        statuses=bytes(STATUSES.index(status) for status in column["status"]),
        reasons={row: text for row, text in enumerate(column["reason"]) if text is not None},
        waited_ns=() if waited_ns[0] is None else tuple(waited_ns),
        steps_ns=msgspec.json.decode(head["steps"], type=dict[str, int]),
        arm=head["arm"],
        propensity=head["propensity"],
        shadows=() if shadows[0] is None else tuple(shadows),
        processor_ns=head["processor_ns"],
    )


def _unflat(form: _Form, group: str, table: ArrowTable) -> Columns | None:
    places = form.groups.get(group)
    if places is None:
        return None
    return {place.name: _joined(form, group, place, table) for place in places}


def _joined(form: _Form, group: str, place: _ColumnForm, table: ArrowTable) -> Column:
    rows = table.num_rows
    empty = np.empty((rows, *place.trailing), _dtype(place))
    parts = _flat(form, group, place, empty)
    whole = PREFIXES[group] + place.name
    if not parts:
        return empty
    if list(parts) == [whole] and parts[whole].shape == empty.shape:
        flat = _numpy(table.column(whole), place, listed=bool(place.trailing))
        return flat.reshape(empty.shape)
    for name, part in parts.items():
        part[...] = _numpy(table.column(name), place, listed=False).reshape(part.shape)
    return empty


def _dtype(place: _ColumnForm) -> npt.DTypeLike:
    return object if place.dtype == "|O" else place.dtype


def _numpy(column: ArrowArray, place: _ColumnForm, *, listed: bool) -> Column:
    array = column.combine_chunks()
    if listed:
        array = array.flatten()
    if place.dtype in _MISSING_BITS and array.null_count:
        array = pc.fill_null(array, np.nan)
    if place.dtype == "<M8[us]":
        missing = array.is_null().to_numpy(zero_copy_only=False)
        times = pc.fill_null(array.cast(pa.int64()), 0).to_numpy().view("<M8[us]").copy()
        times[missing] = np.datetime64("NaT")
        return times
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=_dtype(place))


def unfold_events(events: Sequence[Event]) -> ArrowTable:
    """Events as a table; `body` is JSON."""
    return pa.table(
        {
            "id": [e.id for e in events],
            "kind": [e.kind for e in events],
            "time": pa.array([e.time_ns // 1000 for e in events], pa.int64()).cast(_TIME),
            "known": pa.array([e.known_ns // 1000 for e in events], pa.int64()).cast(_TIME),
            "model": [e.model for e in events],
            "actor": [e.actor for e in events],
            "subject": [e.subject for e in events],
            "body": [msgspec.json.encode(e.body).decode() for e in events],
            "time_ns": [e.time_ns for e in events],
            "known_ns": [e.known_ns for e in events],
        },
        schema=EVENT_SCHEMA,
    )
