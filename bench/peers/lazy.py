"""Compare the same rows as an Arrow table and as one engine's relation, in its own environment.

    PYTHONPATH=src python bench/peers/lazy.py ENGINE BEFORE.parquet AFTER.parquet

prints whether the findings are the same, seconds, the bytes of the rows and how much more memory
the process took than before, at its peak.
"""

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq

from mainstay.watch import compare

warnings.simplefilter("ignore")


def polars() -> Callable[[str], Any]:
    import polars as pl

    return pl.scan_parquet


def duckdb() -> Callable[[str], Any]:
    import duckdb

    return duckdb.connect().read_parquet


def dask() -> Callable[[str], Any]:
    import dask.dataframe as dd

    return lambda path: dd.read_parquet(path, split_row_groups=True)


def ibis() -> Callable[[str], Any]:
    import ibis

    return ibis.duckdb.connect().read_parquet


def sqlframe() -> Callable[[str], Any]:
    from sqlframe.duckdb import DuckDBSession

    return DuckDBSession().read.parquet


def pyspark() -> Callable[[str], Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.log.level", "OFF").getOrCreate()
    return session.read.parquet


ENGINES = {each.__name__: each for each in (polars, duckdb, dask, ibis, sqlframe, pyspark)}


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    name, *paths = sys.argv[1:]
    read = ENGINES[name]()
    before, after = (read(path) for path in paths)
    few = before.head(100) if name == "dask" else before.limit(100)
    compare(few, few)
    held, started = peak_bytes(), time.perf_counter()
    report = compare(before, after)
    seconds, more = time.perf_counter() - started, peak_bytes() - held
    tables = [pq.read_table(path) for path in paths]
    same = report.findings == compare(*tables).findings
    print(json.dumps({"same": same, "rows": report.rows, "seconds": seconds, "more": more,
                      "data": sum(table.nbytes for table in tables)}))  # fmt: skip


if __name__ == "__main__":
    main()
