"""Measure what alarms are worth: how often they are false, and how often a planted shift is found.

The data is real and shuffled, so that nothing can have changed. Two ways of watching are measured:
`compare`, which looks once, and the monitors, which look at every stretch for ever. Beside them
stand the Kolmogorov-Smirnov and chi-square tests for each column with Bonferroni's correction (over
the looks too, where there are several), at the rate that makes their false alarms equal. Least
effects are off for `compare`, and as always for the monitors.

    MAINSTAY_DATA=../shared/data python bench/watch_alarms.py --runs 20
    python bench/watch_alarms.py --short      a minute; exits 1 when a promise is plainly broken
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mainstay.summaries.reference import Reference, reference_of
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.column import checks_of
from mainstay.watch.compare import measure
from mainstay.watch.frames import frame_of
from mainstay.watch.gather.model import STRETCH_MS, Key, Part
from mainstay.watch.model import WEIGHTS, Measured
from mainstay.watch.monitors.columns import GRACE_MS, look
from mainstay.watch.monitors.model import Saved
from mainstay.watch.multiplicity import adjusted
from mainstay.watch.together import together

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
SETS = {"adult": ("slices/adult.parquet", []),
        "car loan": ("estimation/car_loan_reference.parquet", ["id", "timestamp"])}  # fmt: skip
SIZES = (10, 100, 1000, 10_000)
LOOKS = 10
"""Into how many stretches the rows are cut that the monitors see."""
KINDS = ("place", "spread", "noise", "tail", "connection")
MARK = "ab" * 32


def p_values(before: pa.Table, after: pa.Table) -> tuple[float, float]:
    """The smallest corrected p-value of `compare`, and that of one test for each column."""
    first, second = frame_of(before, "reference"), frame_of(after, "current")
    checks, single = [], []
    columns = measure(first, second, list(first.names))
    for column in columns:
        found, figures = checks_of(column, 0.0)
        checks += found
        single.append(figures.get("ks p", figures.get("chi-square p", 1.0)))
    whole = together(columns, 0.0)
    checks += [whole[0]] if whole else []
    weights = [WEIGHTS[check.question] for check in checks]
    own = min(adjusted([check.p for check in checks], weights), default=1.0)
    return own, min(1.0, min(single) * len(single))


class Watching:
    """The monitors of one version, fed stretch by stretch."""

    def __init__(self, reference: pa.Table) -> None:
        columns = dict(zip(reference.column_names, reference.columns, strict=True))
        self.known: Reference = reference_of(columns, "the reference")

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == MARK else None

    def source(self, fingerprint: str, column: str) -> str:
        return ""

    def summaries(self, rows: pa.Table) -> dict[str, Summary]:
        return {
            name: summarise(values_of(rows.column(name)), known.ruler)
            for name, known in self.known.columns.items()
        }

    def single_alarms(self, stretches: Sequence[pa.Table], rate: float) -> bool:
        """Whether any test of one column alarms at any look, corrected for all of them."""
        for stretch in stretches:
            now = self.summaries(stretch)
            figures = [
                checks_of(Measured(name, known.ruler, known.summary, now[name], ("", "")), 0.0)[1]
                for name, known in self.known.columns.items()
            ]
            single = [each.get("ks p", each.get("chi-square p", 1.0)) for each in figures]
            if min(single) * len(single) * len(stretches) <= rate:
                return True
        return False

    def alarms(self, stretches: Sequence[pa.Table], rate: float) -> bool:
        """Whether anything is found that may be found at this rate in so many stretches."""
        saved, begin = Saved(), STRETCH_MS
        for stretch in stretches:
            columns = self.summaries(stretch)
            part = Part(Key("m", MARK, 1, "live", "", begin), stretch.num_rows, columns)
            begin += STRETCH_MS
            limit = len(stretches) / rate
            saved, changes = look(saved, [part], self, limit, begin + GRACE_MS)
            if changes:
                return True
        return False


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
        elif kind == "connection":
            values = generator.permutation(values)
        else:
            some = generator.random(len(values)) < 0.1
            values = np.where(some, values + 2 * spread, values)
        chunk = chunk.set_column(at, name, pa.array(values))
        if kind not in {"noise", "connection"}:
            break
    return chunk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--power-runs", type=int, default=40)
    parser.add_argument("--set", action="append", choices=SETS, help="all of them unless named")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        options.runs, options.chunks, options.power_runs = 2, 10, 4
    generator = np.random.default_rng(0)
    kept = True
    for name in options.set or SETS:
        path, left_out = SETS[name]
        if not (DATA / path).exists():
            print(f"{name}: {DATA / path} is not there; MAINSTAY_DATA names the folder")
            continue
        table = pq.read_table(DATA / path).drop_columns(left_out)
        kept = false_alarms(name, table, options, generator) and kept
        power(name, table, options, generator)
        sequential_power(name, table, options, generator)
    return 0 if kept else 1


def false_alarms(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> bool:
    """Shuffled runs of many chunks; whether the promise held as far as so few runs can tell."""
    size = table.num_rows // 2 // options.chunks
    least: list[float] = []
    watched = 0
    for _ in range(options.runs):
        shuffled = table.take(pa.array(generator.permutation(table.num_rows)))
        reference = shuffled.slice(0, table.num_rows // 2)
        chunks = [
            shuffled.slice(table.num_rows // 2 + at * size, size) for at in range(options.chunks)
        ]
        least += [p_values(reference, chunk)[0] for chunk in chunks]
        watched += Watching(reference).alarms(chunks, options.rate)
    p = np.array(least).reshape(options.runs, options.chunks)
    each = (p <= options.rate).mean()
    runs = int((p.min(axis=1) <= options.rate / options.chunks).sum())
    print(f"{name}: {table.num_columns} columns, {options.runs} shuffled runs of {options.chunks}")
    print(f"  chunks of {size} rows; promised: an alarm in {options.rate:.0%} of all runs")
    print(f"  compare, one promise for each chunk (looks=1): {each:.1%} of the chunks")
    print(f"  compare, one promise for all chunks (looks={options.chunks}): {runs} runs")
    print(f"  monitors, one promise for all chunks: {watched} runs", flush=True)
    # Four standard errors above what was promised.
    far = options.rate + 4 * (options.rate * (1 - options.rate) / p.size) ** 0.5
    most = options.runs * options.rate + 4 * (options.runs * options.rate) ** 0.5 + 1
    return bool(each <= far and max(runs, watched) <= most)


Drawn = Callable[[str], tuple[pa.Table, pa.Table]]


def drawn_from(table: pa.Table, size: int, generator: np.random.Generator) -> Drawn:
    """What draws a reference and other rows with a shift."""

    def draw(kind: str) -> tuple[pa.Table, pa.Table]:
        rows = generator.permutation(table.num_rows)
        chunk = table.take(pa.array(rows[:size]))
        if kind != "none":
            chunk = planted(chunk, kind, generator)
        return table.take(pa.array(rows[size:][:20_000])), chunk

    return draw


def power(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    print(f"{name}: share of planted shifts found, compare / one test for each column, equal rate")
    for size in SIZES:
        draw = drawn_from(table, size, generator)
        quiet = np.array([p_values(*draw("none")) for _ in range(4 * options.power_runs)])
        # Both are held at the threshold that raises 5 % false alarms in the same quiet chunks.
        limits = [
            max(options.rate, float(np.quantile(quiet[:, at], options.rate))) for at in (0, 1)
        ]
        cells: list[str] = []
        for kind in KINDS:
            p = np.array([p_values(*draw(kind)) for _ in range(options.power_runs)])
            own, other = ((p[:, at] <= limits[at]).mean() for at in (0, 1))
            cells.append(f"{kind} {own:.2f} / {other:.2f}")
        print(f"  {size:>6} rows: {'  '.join(cells)}", flush=True)


def sequential_power(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    print(f"{name}: the same rows in {LOOKS} looks, monitors / one test for each column and look")
    runs = options.power_runs
    for size in SIZES:
        draw, step = drawn_from(table, size, generator), size // LOOKS
        cells: list[str] = []
        for kind in KINDS[:-1]:
            own = other = 0
            for _ in range(runs):
                reference, chunk = draw(kind)
                stretches = [chunk.slice(at * step, step) for at in range(LOOKS)]
                watching = Watching(reference)
                own += watching.alarms(stretches, options.rate)
                other += watching.single_alarms(stretches, options.rate)
            cells.append(f"{kind} {own / runs:.2f} / {other / runs:.2f}")
        print(f"  {size:>6} rows: {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
