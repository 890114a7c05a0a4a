"""Whatever people keep tables in, column by column, copied no more than needed.

Taken are pandas and Polars data frames, Arrow tables, batches and readers, mappings of names to
NumPy arrays or lists, Parquet files, whatever holds no rows yet (`lazy.py`: DuckDB, Ibis, Spark,
Dask, lazy Polars), and anything else that speaks the Arrow stream or the data frame protocol. No
library is imported for it but PyArrow, and that only when
it is needed. A column is handed on as a NumPy array or an Arrow chunked array; a Parquet file is
read one column at a time, so that it may be larger than memory.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.arrow import arrow
from mainstay.watch.lazy import library_of, rows_of_lazy

_TAKEN = (
    "a pandas or Polars data frame, an Arrow table, a DuckDB, Ibis, Spark or Dask relation, a"
    " mapping of names to arrays or the path of a Parquet file"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A data set: the names of its columns, its rows, and how to get one column."""

    names: tuple[str, ...]
    rows: int
    column: Callable[[str], Any]
    """From a name to a NumPy array or an Arrow chunked array; may be called by several threads."""


def frame_of(data: Any, role: str) -> Frame:
    """Any table as a frame; `role` is how messages name it."""
    if isinstance(data, Frame):
        return data
    if isinstance(data, str | Path):
        return _parquet(Path(data), role)
    if isinstance(data, Mapping):
        return _mapping(data, role)  # pyright: ignore[reportUnknownArgumentType]  # because a caller's mapping says nothing of its values
    rows = rows_of_lazy(data)
    data = data if rows is None else rows
    if library_of(data) == "pandas" and hasattr(data, "columns"):
        return _pandas(data, role)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        return _stream(data, role)
    if hasattr(data, "__dataframe__"):
        return _arrow(arrow().interchange.from_dataframe(data), role)
    raise InvalidUsage(
        f"{role} is nothing that columns can be taken from",
        field=role,
        got=type(data).__name__,
        expected=_TAKEN,
    )


def _named(names: list[str], role: str) -> tuple[str, ...]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidUsage(
                f"{role} has two columns called {name!r}",
                field=name,
                rule="names of columns are unique",
                expected="each column under a name of its own",
            )
        seen.add(name)
    return tuple(names)


def _mapping(data: Mapping[Any, Any], role: str) -> Frame:
    columns = {str(name): _array(values) for name, values in data.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    rows = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != rows:
            raise InvalidUsage(
                f"the columns of {role} have different lengths",
                field=name,
                got=length,
                expected=f"{rows} values, as the columns before it have",
            )
    return Frame(_named([str(name) for name in data], role), rows, columns.__getitem__)


def _array(values: Any) -> Any:
    """What a caller put under a name, as a NumPy or Arrow array."""
    if isinstance(values, np.ndarray):
        return values[np.newaxis] if values.ndim == 0 else values  # pyright: ignore[reportUnknownVariableType]  # because any array is taken
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        pa = arrow()
        if isinstance(values, pa.ChunkedArray):
            return values
        return pa.chunked_array(values if hasattr(values, "__arrow_c_stream__") else [values])
    if hasattr(values, "__array__"):
        return np.atleast_1d(np.asarray(values))
    # A list keeps its own types this way: NumPy would turn [1, "a"] into strings.
    listed = list(values)
    kept = np.empty(len(listed), dtype=object)
    kept[:] = listed
    return kept


def _pandas(data: Any, role: str) -> Frame:
    """By NumPy where pandas keeps NumPy's numbers, so that nothing is copied; else by Arrow."""
    labels = list(data.columns)
    names = _named([str(label) for label in labels], role)
    places = {name: at for at, name in enumerate(names)}

    def column(name: str) -> Any:
        series = data.iloc[:, places[name]]
        if isinstance(series.dtype, np.dtype):
            return series.to_numpy()
        pa = arrow()
        taken = pa.array(series, from_pandas=True)
        return taken if isinstance(taken, pa.ChunkedArray) else pa.chunked_array([taken])

    return Frame(names, len(data), column)


def _stream(data: Any, role: str) -> Frame:
    pa = arrow()
    try:
        return _arrow(pa.table(data), role)
    except (pa.ArrowInvalid, TypeError, ValueError) as error:
        raise InvalidUsage(
            f"{role} cannot be read as a table: {error}",
            field=role,
            got=type(data).__name__,
            expected=_TAKEN,
        ) from error


def _arrow(table: Any, role: str) -> Frame:
    return Frame(_named(list(table.column_names), role), table.num_rows, table.column)


def _parquet(path: Path, role: str) -> Frame:
    pa = arrow()
    try:
        opened = arrow().parquet.ParquetFile(path)
    except FileNotFoundError as error:
        near = difflib.get_close_matches(path.name, _beside(path), n=1)
        raise InvalidUsage(
            f"{role} is the path of a file that is not there",
            field=role,
            got=str(path),
            expected=f"did you mean {near[0]}?" if near else _TAKEN,
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidUsage(
            f"{role} is not a Parquet file: {error}", field=role, got=str(path), expected=_TAKEN
        ) from error
    with opened:
        names = _named(list(opened.schema_arrow.names), role)
        rows = int(opened.metadata.num_rows)

    def column(name: str) -> Any:
        # Opened anew, because a reader must not be shared by threads.
        with arrow().parquet.ParquetFile(path) as file:
            return file.read(columns=[name], use_threads=False).column(name)

    return Frame(names, rows, column)


def _beside(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
