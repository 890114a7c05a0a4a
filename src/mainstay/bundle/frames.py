"""Whatever a data scientist holds rows in, as columns: NumPy, a dictionary, pandas, Polars, Arrow.

Nothing here imports a data frame library: a frame is recognised by what it can do. Text, category
and object columns become text with None where missing; moments become UTC microseconds; numbers
stay whole or become float64. A column that is none of these is refused by name.
"""

import math
from datetime import UTC
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.anything import is_array, is_dict, is_list
from mainstay.contract.columns import Column, Columns, rows_of

_MEANT: Final = (
    "a NumPy array [rows, columns], a dictionary of columns, a pandas or Polars data frame or an "
    "Arrow table"
)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows as columns, and what they came as."""

    columns: Columns
    form: Literal["matrix", "columns", "frame"]

    @property
    def rows(self) -> int:
        """How many."""
        return rows_of(self.columns)


def table_of(data: Any, what: str, names: tuple[str, ...] | None = None) -> Table:
    """Rows as columns; `names` are those of a matrix's columns, where they are known."""
    if is_array(data):
        table = _from_matrix(data, what, names)
    elif is_dict(data):
        columns = {
            str(name): column_of(values, f"{what}[{name!r}]") for name, values in data.items()
        }
        table = Table(columns=columns, form="columns")
    elif hasattr(data, "column_names") and hasattr(data, "column"):
        table = Table(
            form="frame",
            columns={
                str(name): column_of(_arrow_column(data.column(place)), f"{what}[{name!r}]")
                for place, name in enumerate(data.column_names)
            },
        )
    elif hasattr(data, "columns") and hasattr(data, "shape") and not hasattr(data, "collect"):
        table = _from_frame(data, what)
    elif is_list(data):
        return table_of(np.asarray(data), what, names)
    else:
        raise InvalidUsage(
            f"{what} is a {type(data).__qualname__}, which holds no rows we can read",
            field=what,
            got=type(data).__qualname__,
            expected=_MEANT,
        )
    _check(table, what)
    return table


def _from_matrix(data: npt.NDArray[Any], what: str, names: tuple[str, ...] | None) -> Table:
    if data.ndim != 2:
        raise InvalidUsage(
            f"{what} must have rows and columns",
            field=what,
            got=f"the shape {list(data.shape)}",
            expected="the shape [rows, columns]; one row is X.reshape(1, -1)",
        )
    width = data.shape[1]
    if names is not None and len(names) != width:
        raise InvalidUsage(
            f"{what} has another number of columns than the model takes",
            field=what,
            got=width,
            expected=f"{len(names)} columns: {', '.join(names[:10])} …"
            if len(names) > 10
            else f"{len(names)} columns: {', '.join(names)}",
        )
    names = names or tuple(f"f{place}" for place in range(width))
    columns = {
        name: column_of(data[:, place], f"{what}[:, {place}]") for place, name in enumerate(names)
    }
    return Table(columns=columns, form="matrix")


def _from_frame(data: Any, what: str) -> Table:
    columns: Columns = {}
    for name in data.columns:
        if str(name) in columns:
            raise InvalidUsage(
                f"{what} has two columns named {str(name)!r}", field=what, expected="unique names"
            )
        columns[str(name)] = column_of(data[name].to_numpy(), f"{what}[{str(name)!r}]")
    return Table(columns=columns, form="frame")


def _arrow_column(chunked: Any) -> Any:
    dictionary = getattr(chunked.type, "value_type", None)
    plain = (
        chunked.cast(dictionary)
        if dictionary is not None and hasattr(chunked.type, "index_type")
        else chunked
    )
    return plain.to_numpy()


def _check(table: Table, what: str) -> None:
    if not table.columns or not table.rows:
        raise InvalidUsage(
            f"{what} is empty",
            field=what,
            got=f"{table.rows} rows, {len(table.columns)} columns",
            expected="at least one row and one column",
        )
    counts = {name: int(column.shape[0]) for name, column in table.columns.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:10])
        raise InvalidUsage(
            f"the columns of {what} have different numbers of rows",
            field=what,
            got=shown,
            expected="one value per row in every column",
        )


def column_of(values: Any, what: str) -> Column:
    """One column in one of the types that cross the rooms."""
    array = np.asarray(values)
    if array.ndim != 1 and not (array.ndim == 2 and array.dtype.kind == "f"):
        raise InvalidUsage(
            f"{what} must be one value per row",
            field=what,
            got=f"the shape {list(array.shape)}",
            expected="one dimension (or two of floats, for a vector per row)",
        )
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.bool_)
    if kind in "iu":
        return array.astype(np.int64)
    if kind == "f":
        return array.astype(np.float64)
    if kind == "M":
        return array.astype("datetime64[us]")
    if kind in "UST":
        return _text(array.tolist())
    if kind == "O":
        return _from_objects(array.tolist(), what)
    raise InvalidUsage(
        f"{what} holds values of the type {array.dtype}",
        field=what,
        got=str(array.dtype),
        expected="numbers, booleans, text, categories or moments in time",
    )


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def _from_objects(values: list[Any], what: str) -> Column:
    present = [value for value in values if not is_missing(value)]
    if all(isinstance(value, str) for value in present):
        return _text(values)
    if all(isinstance(value, (bool, np.bool_)) for value in present):
        if len(present) == len(values):
            return np.array(values, dtype=np.bool_)
        return _floats(values)
    if all(isinstance(value, (int, float, np.number)) for value in present):
        whole = all(isinstance(value, (int, np.integer)) for value in values)
        return np.array(values, dtype=np.int64) if whole else _floats(values)
    if all(hasattr(value, "tzinfo") for value in present):
        return _moments(values)
    if all(isinstance(value, (list, tuple, np.ndarray)) for value in present) and present:
        return column_of(np.array([list(v) for v in values], dtype=np.float64), what)
    strange = next(type(v).__qualname__ for v in present if not isinstance(v, (str, int, float)))
    raise InvalidUsage(
        f"{what} mixes values of different types",
        field=what,
        got=strange,
        expected="all numbers, all booleans, all text or all moments in time",
    )


def _floats(values: list[Any]) -> Column:
    return np.array([np.nan if is_missing(v) else float(v) for v in values], dtype=np.float64)


def _moments(values: list[Any]) -> Column:
    made: list[Any] = []
    for value in values:
        if is_missing(value):
            made.append(np.datetime64("NaT"))
        else:
            utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            made.append(np.datetime64(utc, "us"))
    return np.array(made, dtype="datetime64[us]")


def _text(values: list[Any]) -> Column:
    made = np.empty(len(values), dtype=object)
    made[:] = [
        None if is_missing(v) else v.decode("utf-8") if isinstance(v, bytes) else str(v)
        for v in values
    ]
    return made


def matrix_of(columns: Columns, what: str) -> npt.NDArray[np.float64]:
    """Columns of numbers side by side."""
    for name, column in columns.items():
        if column.dtype.kind not in "fiub":
            raise InvalidUsage(
                f"{what} has the column {name!r}, which is not of numbers",
                field=name,
                got=str(column.dtype),
                expected="numbers; encode it in a features function, or pack a scikit-learn "
                "Pipeline whose ColumnTransformer does",
            )
    return np.column_stack([column.astype(np.float64) for column in columns.values()])
