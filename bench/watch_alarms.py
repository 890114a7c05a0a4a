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

from mainstay.summaries.arrow import arrow
from mainstay.summaries.reference import Reference, reference_of
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.column import checks_of
from mainstay.watch.compare import FirstLook, against, known_of
from mainstay.watch.frames import frame_of
from mainstay.watch.gather.model import STRETCH_MS, Key, Part
from mainstay.watch.model import WEIGHTS, Measured
from mainstay.watch.monitors.columns import GRACE_MS, look
from mainstay.watch.monitors.model import Saved
from mainstay.watch.multiplicity import adjusted
from mainstay.watch.sample import rows_of
from mainstay.watch.together import together

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
SETS = {"adult": ("slices/adult.parquet", []),
        "car loan": ("estimation/car_loan_reference.parquet", ["id", "timestamp"])}  # fmt: skip
REFERENCE_ROWS = 20_000
SIZES = (10, 100, 1000, 10_000)
LOOKS = 10
"""Into how many stretches the rows are cut that the monitors see."""
LEAST_ROWS = 10
"""In each of them."""
Shift = tuple[str, float]
SHIFTS: tuple[Shift, ...] = (
    ("place", 0.1), ("place", 0.3), ("place", 1.0), ("spread", 1.15), ("spread", 1.4),
    ("share", 0.05), ("share", 0.2), ("missing", 0.02), ("missing", 0.1), ("tail", 0.1),
    ("noise", 0.5), ("connection", 1.0),
)  # fmt: skip
"""Of one column: moved by so many deviations; spread so many times; so many of the rows made the
rarest frequent category; so many missing; so many moved by two deviations. Of all columns of
numbers: so much noise; shuffled, so that only what goes with what has changed."""
MARK = "ab" * 32


def known_before(before: pa.Table) -> list[FirstLook]:
    """The reference, looked at once for however many chunks."""
    frame = frame_of(before, "reference")
    rows = rows_of(frame.rows)
    return [known_of(frame, name, rows) for name in frame.names]


def p_values(before: list[FirstLook], after: pa.Table) -> tuple[float, float]:
    """The smallest corrected p-value of `compare`, and that of one test for each column."""
    frame = frame_of(after, "current")
    rows = rows_of(frame.rows)
    checks, single = [], []
    columns = [against(known, frame, rows) for known in before]
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


def planted(chunk: pa.Table, shift: Shift, generator: np.random.Generator) -> pa.Table:
    """The chunk with one shift, in a column that is drawn by lot or in all of numbers."""
    kind, size = shift
    numbers = [
        name for name in chunk.column_names
        if pa.types.is_floating(chunk[name].type) or pa.types.is_integer(chunk[name].type)
    ]  # fmt: skip
    others = [name for name in chunk.column_names if name not in numbers]
    some = pa.array(generator.random(len(chunk)) < size)
    if kind in {"noise", "connection"}:
        for name in numbers:
            values = chunk[name].to_numpy().astype(np.float64)
            if kind == "noise":
                values = values + generator.normal(0, size * (values.std() or 1.0), len(values))
            else:
                values = generator.permutation(values)
            chunk = replaced(chunk, name, pa.array(values))
        return chunk
    if kind in {"share", "missing"}:
        name = str(generator.choice(others))
        column = chunk[name].combine_chunks().cast(pa.string())
        new = pa.scalar(None, pa.string())
        if kind == "share":
            counted = arrow().compute.value_counts(column.drop_null())
            new = counted.field("values")[int(np.argmin(counted.field("counts").to_numpy()))]
        return replaced(chunk, name, arrow().compute.if_else(some, new, column))
    name = str(generator.choice(numbers))
    values = chunk[name].to_numpy().astype(np.float64)
    deviation = float(values.std()) or 1.0
    if kind == "place":
        values = values + size * deviation
    elif kind == "spread":
        values = (values - values.mean()) * size + values.mean()
    else:
        values = np.where(some.to_numpy(zero_copy_only=False), values + 2 * deviation, values)
    return replaced(chunk, name, pa.array(values))


def replaced(chunk: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return chunk.set_column(chunk.column_names.index(name), name, column)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--power-runs", type=int, default=40)
    parser.add_argument("--set", action="append", choices=SETS, help="all of them unless named")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    options.sizes = SIZES
    if options.short:
        options.runs, options.chunks, options.power_runs = 2, 10, 2
        options.sizes = (1000,)
    generator = np.random.default_rng(0)
    kept = True
    for name in options.set or SETS:
        path, left_out = SETS[name]
        if not (DATA / path).exists():
            print(f"{name}: {DATA / path} is not there; MAINSTAY_DATA names the folder")
            continue
        table = pq.read_table(DATA / path).drop_columns(left_out)
        if options.runs:
            kept = false_alarms(name, table, options, generator) and kept
        if options.power_runs:
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
        known = known_before(reference)
        least += [p_values(known, chunk)[0] for chunk in chunks]
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


Drawn = tuple[pa.Table, Callable[[Shift | None], pa.Table]]


def drawn_from(table: pa.Table, size: int, generator: np.random.Generator) -> Drawn:
    """A reference, and what draws others of the rows, with a shift."""
    mixed = table.take(pa.array(generator.permutation(table.num_rows)))
    rest = mixed.slice(REFERENCE_ROWS)

    def draw(shift: Shift | None) -> pa.Table:
        rows = generator.choice(rest.num_rows, size, replace=False)
        chunk = rest.take(pa.array(rows))
        return chunk if shift is None else planted(chunk, shift, generator)

    return mixed.slice(0, REFERENCE_ROWS), draw


def power(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    print(f"{name}: share of planted shifts found, compare / one test for each column, equal rate")
    shares: dict[Shift, list[str]] = {shift: [] for shift in SHIFTS}
    for size in options.sizes:
        reference, draw = drawn_from(table, size, generator)
        known = known_before(reference)
        quiet = np.array([p_values(known, draw(None)) for _ in range(4 * options.power_runs)])
        # Both are held at the threshold that raises 5 % false alarms in the same quiet chunks.
        limits = [
            max(options.rate, float(np.quantile(quiet[:, at], options.rate))) for at in (0, 1)
        ]
        for shift in SHIFTS:
            p = np.array([p_values(known, draw(shift)) for _ in range(options.power_runs)])
            own, other = ((p[:, at] <= limits[at]).mean() for at in (0, 1))
            shares[shift].append(f"{own:.2f} / {other:.2f}")
    print_shares(shares, options.sizes)


def sequential_power(
    name: str, table: pa.Table, options: argparse.Namespace, generator: np.random.Generator
) -> None:
    print(f"{name}: the same rows in {LOOKS} looks, monitors / one test for each column and look")
    runs = options.power_runs
    shares: dict[Shift, list[str]] = {shift: [] for shift in SHIFTS if shift[0] != "connection"}
    # One row a look says nothing to a test for each look, and SciPy takes seconds to say so.
    sizes = [size for size in options.sizes if size >= LEAST_ROWS * LOOKS]
    for size in sizes:
        (reference, draw), step = drawn_from(table, size, generator), size // LOOKS
        watching = Watching(reference)
        for shift, cells in shares.items():
            own = other = 0
            for _ in range(runs):
                chunk = draw(shift)
                stretches = [chunk.slice(at * step, step) for at in range(LOOKS)]
                own += watching.alarms(stretches, options.rate)
                other += watching.single_alarms(stretches, options.rate)
            cells.append(f"{own / runs:.2f} / {other / runs:.2f}")
    print_shares(shares, sizes)


def print_shares(shares: dict[Shift, list[str]], sizes: Sequence[int]) -> None:
    print(f"  {'rows':18}" + "".join(f"{size:>14,}" for size in sizes))
    for (kind, size), cells in shares.items():
        print(f"  {f'{kind} {size:g}':18}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
