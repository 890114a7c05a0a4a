"""Measure what alarms are worth: how often they are false, and how often a planted shift is found.

The data is real and shuffled, so that nothing can have changed: each run takes a reference and
compares chunks with it. Beside `compare` stand the Kolmogorov-Smirnov and chi-square tests for
each column with Bonferroni's correction, at the rate that makes their false alarms equal.

    MAINSTAY_DATA=../shared/data python bench/watch_alarms.py --runs 20
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mainstay.watch.column import checks_of
from mainstay.watch.compare import measure
from mainstay.watch.frames import frame_of
from mainstay.watch.model import WEIGHTS, Measured
from mainstay.watch.multiplicity import adjusted

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
SETS = {"adult": ("slices/adult.parquet", []),
        "car loan": ("estimation/car_loan_reference.parquet", ["id", "timestamp"])}  # fmt: skip


def p_values(before: pa.Table, after: pa.Table) -> tuple[float, float]:
    """The smallest corrected p-value of `compare`, and that of one test for each column."""
    first, second = frame_of(before, "reference"), frame_of(after, "current")
    checks, single = [], []
    columns: list[Measured] = measure(first, second, list(first.names))
    for column in columns:
        found, figures = checks_of(column, 0.0)
        checks += found
        single.append(figures.get("ks p", figures.get("chi-square p", 1.0)))
    weights = [WEIGHTS[check.question] for check in checks]
    own = min(adjusted([check.p for check in checks], weights), default=1.0)
    return own, min(1.0, min(single) * len(single))


def planted(chunk: pa.Table, kind: str, generator: np.random.Generator) -> pa.Table:
    """The chunk with one shift in its columns of numbers."""
    for at, name in enumerate(chunk.column_names):
        if not (pa.types.is_floating(chunk[name].type) or pa.types.is_integer(chunk[name].type)):
            continue
        values = chunk[name].to_numpy().astype(np.float64)
        spread = float(values.std()) or 1.0
        if kind == "place":
            values = values + 0.3 * spread
        elif kind == "spread":
            values = (values - values.mean()) * 1.4 + values.mean()
        elif kind == "noise":
            values = values + generator.normal(0, 0.5 * spread, len(values))
        else:
            some = generator.random(len(values)) < 0.1
            values = np.where(some, values + 2 * spread, values)
        chunk = chunk.set_column(at, name, pa.array(values))
        if kind != "noise":
            break
    return chunk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--power-runs", type=int, default=40)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    for name, (path, left_out) in SETS.items():
        if not (DATA / path).exists():
            print(f"{name}: {DATA / path} is not there; MAINSTAY_DATA names the folder")
            continue
        table = pq.read_table(DATA / path).drop_columns(left_out)
        false_alarms(name, table, options, generator)
        power(name, table, options, generator)
    return 0


def false_alarms(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    size = table.num_rows // 2 // options.chunks
    least: list[float] = []
    for _ in range(options.runs):
        shuffled = table.take(pa.array(generator.permutation(table.num_rows)))
        reference = shuffled.slice(0, table.num_rows // 2)
        least += [
            p_values(reference, shuffled.slice(table.num_rows // 2 + at * size, size))[0]
            for at in range(options.chunks)
        ]
    p = np.array(least).reshape(options.runs, options.chunks)
    chunks = (p <= options.rate).mean()
    runs = (p.min(axis=1) <= options.rate / options.chunks).mean()
    print(f"{name}: promised {options.rate:.0%}, chunks of {size} rows with any alarm {chunks:.1%}")
    print(f"{name}: {options.runs} runs of {options.chunks} chunks, with any alarm {runs:.1%}")


def power(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    print(f"{name}: share of planted shifts found, compare / one test per column at equal rate")
    for size in (10, 100, 1000, 10_000):
        shifts = {"none": [], "place": [], "spread": [], "noise": [], "tail": []}
        for kind, found in shifts.items():
            runs = options.power_runs * (4 if kind == "none" else 1)
            for _ in range(runs if size < 10_000 else runs // 2):
                rows = generator.permutation(table.num_rows)
                chunk = table.take(pa.array(rows[:size]))
                reference = table.take(pa.array(rows[size:][:20_000]))
                if kind != "none":
                    chunk = planted(chunk, kind, generator)
                found.append(p_values(reference, chunk))
        quiet = np.array(shifts.pop("none"))
        # Both are held at the threshold that raises 5 % false alarms in the same quiet chunks.
        limits = [
            max(options.rate, float(np.quantile(quiet[:, at], options.rate))) for at in (0, 1)
        ]
        cells = "  ".join(
            f"{kind} {(np.array(p)[:, 0] <= limits[0]).mean():.2f} /"
            f" {(np.array(p)[:, 1] <= limits[1]).mean():.2f}"
            for kind, p in shifts.items()
        )
        print(f"  {size:>6} rows: {cells}")


if __name__ == "__main__":
    sys.exit(main())
