"""What a look costs, and the memory of a keeper that goes on looking.

A look is what the keeper does every ten minutes, here with 30 days of a model with 50 features
behind it, and an expectation that goes over all of them; beside it the first look after a week
without a keeper, which takes in a thousand stretches at once. For the memory, decisions are taken
in, a piece of 20 000 rows after the other, as the gatherer does with sealed pieces: summed up, kept
in SQLite, looked at by all monitors, and tidied.

    python bench/ticks.py
    python bench/ticks.py --rows 1000000
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mainstay.bundle.database import open_engine
from mainstay.contract.model import Category, Contract, Number, Probability
from mainstay.contract.watching import Watch
from mainstay.summaries.labels import columns_of, rulers_of
from mainstay.summaries.reference import Known, Reference, reference_of
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.gatherer import HOURS_KEPT_MS, STRETCHES_KEPT_MS
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, STRETCH_MS, Key, Part
from mainstay.watch.gather.read import parts_of
from mainstay.watch.gather.sql import SqlSummaryStore
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.watch.monitors.sql import SqlMonitorStore
from mainstay.watch.watcher import Watched, Watcher

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // DAY_MS * DAY_MS
FEATURES = 50
PIECE_ROWS = 20_000
SHOWN = (1, 2, 5, 10)
CONTRACT = Contract(
    model="m",
    inputs={
        **{f"x{n}": Number() for n in range(FEATURES)},
        "country": Category(values=("DE", "FR", "IT", "US")),
    },
    output=Probability(classes=("no", "yes")),
    watch=Watch(slices=("country",)),
    expect=("accuracy >= 0.5 over 30 days", "p99 latency < 50 ms", "share of 2xx >= 99 %"),
)


class House:
    """One model, watched: the stores of a workspace, and what it knows of the version."""

    def __init__(self, folder: Path, slices: Sequence[str]) -> None:
        engine = open_engine(f"sqlite:///{folder / 'watch.db'}")
        self.summaries, self.monitors = SqlSummaryStore(engine), SqlMonitorStore(engine)
        self.generator = np.random.default_rng(0)
        self.names = slices
        rows = self.table(PIECE_ROWS, BEGIN)
        own = {n: rows.column(n) for n in rows.column_names if n.startswith(("input_", "output_"))}
        known = reference_of(own, "rows")
        rulers = rulers_of(CONTRACT)
        labels = {name: Known(rulers[name], each) for name, each in self.labels(2000).items()}
        self.known = Reference(known.source, known.rows, {**known.columns, **labels})
        self.pieces = 0
        self.watcher = Watcher(
            self,  # pyright: ignore[reportArgumentType]  # because it takes pieces in itself
            self,  # pyright: ignore[reportArgumentType]  # because there are no labels to join
            (self.summaries, self.monitors),
            self,
            lambda *_: None,
        )

    # What the watcher asks of versions, and of what takes pieces in.

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == MARK else None

    def source(self, fingerprint: str, column: str) -> str:
        del fingerprint, column
        return ""

    def contract(self, _fingerprint: str) -> Contract | None:
        return CONTRACT

    def slices(self, _fingerprint: str) -> Sequence[str]:
        return self.names

    def take_in(self, _at_most: int) -> int:
        return 0

    def add(self, rows: pa.Table) -> None:
        self.pieces += 1
        self.summaries.add(f"piece {self.pieces}", parts_of(rows, self.known, self.names))

    def tidy(self, now_ms: int) -> None:
        self.summaries.compact(now_ms - STRETCH_MS, STRETCH_MS)
        self.summaries.compact(now_ms - STRETCHES_KEPT_MS, HOUR_MS)
        self.summaries.compact(now_ms - HOURS_KEPT_MS, DAY_MS)

    # What there is to see.

    def table(self, rows: int, begin_ms: int) -> pa.Table:
        draw = self.generator
        chance = draw.random(rows)
        texts = np.array(["DE", "FR", "IT", "US"], dtype=object)[draw.integers(0, 4, rows)]
        base = draw.normal(0, 1, (rows, FEATURES))
        times = (begin_ms + draw.integers(0, STRETCH_MS, rows)) * 1000
        return pa.table({
            "model": pa.repeat("m", rows), "fingerprint": pa.repeat(MARK, rows),
            "version": pa.repeat(1, rows), "arm": pa.repeat("live", rows),
            "time": pa.array(times, pa.timestamp("us")), "status": pa.repeat("answered", rows),
            "door": pa.repeat("http", rows), "caller": pa.repeat("shop", rows),
            "waited_ns": pa.array(draw.integers(10**5, 10**6, rows)),
            "run_rows": pa.repeat(1, rows), "steps": pa.repeat('{"predict": 400000}', rows),
            "input_country": pa.array(texts, pa.string()),
            **{f"input_x{n}": pa.array(base[:, n]) for n in range(FEATURES)},
            "output_no": pa.array(1 - chance), "output_yes": pa.array(chance),
        })  # fmt: skip

    def labels(self, rows: int) -> Mapping[str, Summary]:
        chance = self.generator.random(rows)
        names = np.array(["no", "yes"], dtype=object)
        truth = names[(self.generator.random(rows) < chance).astype(int)]
        answers = names[(chance >= 0.5).astype(int)]
        outputs = np.stack([1 - chance, chance], axis=1)
        columns = columns_of(CONTRACT, truth.tolist(), outputs, answers.tolist(), [True] * rows)
        rulers = rulers_of(CONTRACT)
        return {name: summarise(values_of(each), rulers[name]) for name, each in columns.items()}

    def look(self, now_ms: int) -> None:
        watched = Watched("m", CONTRACT, frozenset({MARK}), MARK)
        self.watcher.tick([watched], now_ms + GRACE_MS)


def history(house: House, days: int, *, coarse: bool) -> int:
    """Days of parts, in the widths that tidying leaves or in stretches; where they end."""
    found: list[Part] = []
    end = BEGIN + days * DAY_MS
    decided = next(iter(parts_of(house.table(1000, BEGIN), house.known, ()))).columns
    columns: dict[str, Any] = {**decided, **house.labels(1000)}
    at = BEGIN
    while at < end:
        width = STRETCH_MS
        if coarse and at < end - HOURS_KEPT_MS:
            width = DAY_MS
        elif coarse and at < end - STRETCHES_KEPT_MS:
            width = HOUR_MS
        found.append(Part(Key("m", MARK, 1, "live", "", at, width), 1000, columns))
        at += width
    house.summaries.add("history", found)
    return end


def seconds(house: House, now_ms: int) -> tuple[float, float]:
    """By the clock, and of a processor."""
    began, busy = time.perf_counter(), time.process_time()
    house.look(now_ms)
    return time.perf_counter() - began, time.process_time() - busy


def times() -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), ())
        end = history(house, 30, coarse=True)
        house.look(end)
        found: list[tuple[float, float]] = []
        for _ in range(20):
            house.add(house.table(1000, end))
            end += STRETCH_MS
            found.append(seconds(house, end))
        wall, busy = np.median(found, axis=0).tolist()
        print(f"30 days x {FEATURES} features behind it: {wall:.2f} s, {busy:.2f} s of a processor")
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), ())
        house.look(BEGIN)
        wall, busy = seconds(house, history(house, 7, coarse=False))
        print(f"the first after a week without: {wall:.2f} s, {busy:.2f} s of a processor")


def resident() -> float:
    """Megabytes in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), ("country",))
        at = BEGIN
        print(f"\nmemory of the process, {PIECE_ROWS:,} decisions in a piece, 4 slices")
        for done in range(PIECE_ROWS, rows + 1, PIECE_ROWS):
            house.add(house.table(PIECE_ROWS, at))
            at += STRETCH_MS
            house.look(at)
            if done % (10 * PIECE_ROWS) == 0:
                house.tidy(at)
            if done == 10 * PIECE_ROWS or done in {n * 1_000_000 for n in SHOWN}:
                print(f"  {done / 1e6:>5.1f} million: {resident():,.0f} MB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    times()
    memory(options.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
