"""Measure what it costs to compare two data sets: time, and memory beside the data itself.

Each size runs in a process of its own, so that its peak of memory is its own: two Arrow tables of
n rows and 50 columns (35 of numbers, 15 of categories with 3 to 1,000 values), all default tests.

    python bench/watch.py
    python bench/watch.py --short      seconds; exits 1 when a verdict is wrong
    python bench/watch.py --rows 10000000 --columns 10
    python bench/watch.py --peers      beside others, on pandas frames from the same files
    python bench/watch.py --lazy       relations of engines beside Arrow tables; exits 1 when the
                                       findings differ

`bench/peers.sh evidently nannyml whylogs` installs the others, `bench/peers.sh lazy` the engines
(PySpark needs Java). Each runs in a process of its own,
one after another; on a machine that others use too, trust the seconds of the processor.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mainstay.watch import compare

CATEGORIES = (3, 10, 30, 100, 1000)
SIZES = (10_000, 100_000, 1_000_000)
NAMES = ("nannyml", "whylogs", "evidently")
ENGINES = ("polars", "duckdb", "ibis", "sqlframe", "dask", "pyspark")
PEERS = Path(__file__).parents[1] / ".venv-peers"
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
"""Nobody is told that others are measured."""


def table(seed: int, rows: int, columns: int) -> pa.Table:
    """Seven columns of numbers for three of categories."""
    generator = np.random.default_rng(seed)
    made = {}
    for at in range(columns):
        if at % 10 < 7:
            made[f"number {at}"] = (
                generator.normal(size=rows) if at % 3 == 0
                else generator.lognormal(size=rows) if at % 3 == 1
                else generator.integers(0, 1000, rows).astype(float)
            )  # fmt: skip
        else:
            values = pa.array([f"value {n}" for n in range(CATEGORIES[at % 5])])
            made[f"category {at}"] = values.take(
                pa.array(generator.integers(0, len(values), rows)))  # fmt: skip
    return pa.table(made)


def written(folder: str, rows: int, columns: int) -> list[str]:
    """Two files, and where they are."""
    paths = [str(Path(folder) / f"{role}.parquet") for role in ("reference", "current")]
    for seed, path in enumerate(paths, 1):
        pq.write_table(table(seed, rows, columns), path, row_group_size=100_000)
    return paths


def lazily(rows: int, columns: int, engines: list[str]) -> int:
    """The same two files, as relations of engines that have read nothing yet."""
    python = PEERS / "lazy" / "bin" / "python"
    if not python.exists():
        print("the engines are not installed: bench/peers.sh lazy")
        return 1
    script = str(Path(__file__).parent / "peers" / "lazy.py")
    path = str(Path(__file__).parents[1] / "src")
    same = True
    with tempfile.TemporaryDirectory() as folder:
        paths = written(folder, rows, columns)
        print(f"{rows:,} rows x {columns} columns, twice; load {os.getloadavg()[0]:.1f}")
        print(f"{'':>10} {'seconds':>8} {'more memory, in times the data':>32}  findings")
        for engine in engines:
            done = subprocess.run(
                [str(python), script, engine, *paths], env={**os.environ, "PYTHONPATH": path},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                print(f"{engine:>10} failed\n{done.stderr[-2000:]}", file=sys.stderr)
                return 1
            got = json.loads(done.stdout.splitlines()[-1])
            same = same and got["same"]
            print(f"{engine:>10} {got['seconds']:>8.1f} {got['more'] / got['data']:>32.2f}"
                  f"  {'the same' if got['same'] else 'others'}", flush=True)  # fmt: skip
    return int(not same)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(rows: int, columns: int, rounds: int) -> dict[str, float]:
    """The best of some rounds, and the peak of memory over what the data takes."""
    before, after = table(1, rows, columns), table(2, rows, columns)
    compare(before.slice(0, 1000), after.slice(0, 1000))
    held = peak_bytes()
    best, cpu = float("inf"), float("inf")
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        report = compare(before, after)
        best, cpu = min(best, time.perf_counter() - started), min(cpu, time.process_time() - used)
    data = before.nbytes + after.nbytes
    assert report.verdict != "fail", str(report)
    moved = compare(before, after.set_column(0, "number 0", pa.array(np.ones(rows))))
    assert [found.check for found in moved.failures][:1] == ["number 0: shape"], str(moved)
    return {"rows": rows, "seconds": best, "cpu": cpu, "data": data, "more": peak_bytes() - held}


def beside(rows: int, columns: int, names: list[str]) -> int:
    """The same two files, compared by everybody."""
    with tempfile.TemporaryDirectory() as folder:
        paths = written(folder, rows, columns)
        print(f"{rows:,} rows x {columns} columns, twice; load {os.getloadavg()[0]:.1f}")
        print(f"{'':>10} {'seconds':>8} {'CPU s':>8} {'peak MB':>8} {'of the data':>12}"
              f" {'times longer':>13} {'times CPU':>10}")  # fmt: skip
        own: dict[str, float] = {}
        for name in ["mainstay", *names]:
            python = Path(sys.executable if name == "mainstay" else PEERS / name / "bin" / "python")
            if not python.exists():
                print(f"{name:>10} is not installed: bench/peers.sh {name}")
                continue
            script = str(Path(__file__).parent / "peers" / "compare.py")
            done = subprocess.run([str(python), script, name, *paths], env={**os.environ, **QUIET},
                                  capture_output=True, text=True, check=False)  # fmt: skip
            if done.returncode:
                print(f"{name:>10} failed\n{done.stderr}", file=sys.stderr)
                return 1
            got = json.loads(done.stdout.splitlines()[-1])
            own = own or got
            print(f"{name:>10} {got['seconds']:>8.1f} {got['cpu']:>8.1f} {got['peak'] / 1e6:>8.0f}"
                  f" {got['peak'] / got['data']:>12.2f} {got['seconds'] / own['seconds']:>13.0f}"
                  f" {got['cpu'] / own['cpu']:>10.0f}", flush=True)  # fmt: skip
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--peers", nargs="*", choices=NAMES)
    parser.add_argument("--lazy", nargs="*", choices=ENGINES)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.columns, options.rounds)))
        return 0
    if options.peers is not None:
        rows = (options.rows or [1_000_000])[0]
        return beside(rows, options.columns, options.peers or list(NAMES))
    if options.lazy is not None:
        rows = 10_000 if options.short else (options.rows or [1_000_000])[0]
        return lazily(rows, options.columns, options.lazy or list(ENGINES))
    sizes = (10_000,) if options.short else options.rows or SIZES
    print(
        f"{'rows':>10} {'seconds':>8} {'CPU s':>7} {'data MB':>8} {'peak, in times the data':>24}"
    )
    for rows in sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(rows), "--columns", str(options.columns),
             "--rounds", str(options.rounds)], capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        got = json.loads(done.stdout)
        peak = 1 + got["more"] / got["data"]
        print(f"{rows:>10,} {got['seconds']:>8.2f} {got['cpu']:>7.2f} {got['data'] / 1e6:>8.0f}"
              f" {peak:>24.2f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
