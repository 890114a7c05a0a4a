"""Tables that hold no rows yet: asked of their engine once, and kept as the rows come.

Taken are DuckDB, Ibis and PySpark relations, lazy frames of Polars, SQLFrame's, and Dask's. Their
rows are read as a stream, in one go: asked for column by column, an engine would do its work as
many times, and might answer in another order each time, so that columns no longer go together.

Promises the same rows as one Arrow table, with little of them in memory: beyond `HELD_BYTES_MAX`
they go into a file in the folder for temporary ones, which has no name any more once it is written,
and columns are views of it. Must never ask an engine twice.
"""

from collections.abc import Iterator
from itertools import chain
from tempfile import NamedTemporaryFile
from typing import Any, Final

import numpy as np

from mainstay.summaries.arrow import arrow

HELD_BYTES_MAX: Final = 256 << 20
"""What is not larger is kept in memory alone."""
_SQLFRAME_ROWS: Final = 1 << 17
_STREAMS: Final = frozenset({"duckdb", "ibis", "pyspark"})
"""Libraries whose relations speak the Arrow stream, and do their work while it is read."""


def library_of(data: Any) -> str:
    """Whose object it is: the first part of the module of its type."""
    return type(data).__module__.partition(".")[0].lstrip("_")


def rows_of_lazy(data: Any) -> Any | None:
    """All rows as an Arrow table (or, of Dask's with columns of objects, a pandas frame); nothing
    where the data holds its rows already, or is no table."""
    library = library_of(data)
    if library in _STREAMS and hasattr(data, "__arrow_c_stream__"):
        return _drained(arrow().RecordBatchReader.from_stream(data))
    if library == "pyspark" and hasattr(data, "toPandas"):
        # Before 4.1 there is no stream, and before 4.0 no Arrow for others.
        return data.toArrow() if hasattr(data, "toArrow") else data.toPandas()
    # A frame of SQLFrame has every attribute: each is taken for a column.
    if library == "sqlframe" and type(data).__name__.endswith("DataFrame"):
        return _sqlframe(data)
    if library == "polars" and hasattr(data, "collect"):
        return _polars(data)
    if library == "dask" and hasattr(data, "columns") and hasattr(data, "npartitions"):
        return _dask(data)
    return None


def _sqlframe(data: Any) -> Any:
    try:
        return _drained(data.toArrow(_SQLFRAME_ROWS))
    except NotImplementedError:
        # Some of its engines have no Arrow.
        return data.toPandas()


def _polars(data: Any) -> Any:
    if not hasattr(data, "collect_batches"):
        return data.collect().to_arrow()
    frames = (frame.to_arrow() for frame in data.collect_batches(maintain_order=True))
    return _whole(frames) or data.limit(0).collect().to_arrow()


def _dask(data: Any) -> Any:
    if any(isinstance(each, np.dtype) and each.kind == "O" for each in data.dtypes) or any(
        str(each) == "category" for each in data.dtypes
    ):
        # What such columns hold is known when all of them is there.
        return data.compute()
    parts = (data.partitions[at].compute() for at in range(data.npartitions))
    return _whole(_table(part) for part in parts)


def _table(frame: Any) -> Any:
    """A pandas frame as Arrow; what is not a number stays that, and does not turn into missing."""
    pa = arrow()
    columns: dict[str, Any] = {}
    for at, name in enumerate(frame.columns):
        series = frame.iloc[:, at]
        values = series.to_numpy() if isinstance(series.dtype, np.dtype) else series
        columns[str(name)] = pa.array(values, from_pandas=values is series)
    return pa.table(columns)


def _whole(tables: Iterator[Any]) -> Any | None:
    """Tables one below the other, all with the types of the first; nothing where there is none."""
    first = next(tables, None)
    if first is None:
        return None
    pa = arrow()
    rest = (table.cast(first.schema) for table in tables)
    batches = (batch for table in chain([first], rest) for batch in table.to_batches())
    return _drained(pa.RecordBatchReader.from_batches(first.schema, batches))


def _drained(reader: Any) -> Any:
    """Everything that comes, kept."""
    held: list[Any] = []
    size = 0
    for batch in reader:
        held.append(batch)
        size += batch.nbytes
        if size > HELD_BYTES_MAX:
            return _filed(reader.schema, held, reader)
    return arrow().Table.from_batches(held, reader.schema)


def _filed(schema: Any, held: list[Any], rest: Iterator[Any]) -> Any:
    """A table whose columns are views of a file that has no name any more."""
    pa = arrow()
    held.reverse()
    with NamedTemporaryFile(prefix="mainstay-") as file:
        with pa.ipc.new_stream(file, schema) as writer:
            while held:
                writer.write_batch(held.pop())
            for batch in rest:
                writer.write_batch(batch)
        file.flush()
        return pa.ipc.open_stream(pa.memory_map(file.name)).read_all()
