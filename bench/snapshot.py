"""Measure the join of outcomes to decisions, and snapshots of everything that was decided.

A lake of decisions of 20 columns, and labels that one in ten of them got, some twice. What is timed
is what `mainstay snapshot` does, in a process of its own, with its largest memory: first only
decisions with a label (the join), then all of them, because silence has a meaning.

    python bench/snapshot.py
    python bench/snapshot.py --short                  seconds; exits 1 when rows are wrong
    python bench/snapshot.py --decisions 10000000
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mainstay.base.clock import SystemClock
from mainstay.base.ids import DecisionId, new_incarnation
from mainstay.contract.columns import encode
from mainstay.journal.model import DecisionBatch, Event, Layout
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool

MODEL, COLUMNS, ROWS = "sums", 20, 1000
START_MS = 1_760_000_000_000
NAMES = tuple(f"x{place}" for place in range(COLUMNS))
ASKED = """
import json, resource, sys, time
from pathlib import Path
from mainstay.journal.reader import DiskJournal
from mainstay.renew.history.model import Origin
from mainstay.renew.labels.model import Definition
from mainstay.renew.snapshots.memory import MemorySnapshotStore
from mainstay.renew.snapshots.take import Shelf, take
folder, names, silence = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] or None
journal = DiskJournal(folder / "spool", folder / "lake")
definition = Definition(
    model="sums", since_ns=0, until_ns=2**62, known_ns=2**61, answers=("a", "b"),
    columns={f"input_{name}": "DOUBLE" for name in names},
    window_ns=60_000_000_000 if silence else 0, silence=silence,
)
from mainstay.renew.labels.read import parts
began, used = time.perf_counter(), time.process_time()
found = sum(part.table.num_rows for part in parts(journal.query, definition))
joined, joined_used = time.perf_counter() - began, time.process_time() - used
peak_of_join = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, used = time.perf_counter(), time.process_time()
shelf = Shelf(journal.query, MemorySnapshotStore(), folder / "snapshots", Origin(folder, {}))
taken = take(shelf, definition, "b", 1)
whole, whole_used = time.perf_counter() - began, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rows": taken.rows, "silent": taken.silent, "join_s": joined, "whole_s": whole,
                  "join_gb": peak_of_join / 1e6, "whole_gb": peak / 1e6,
                  "join_cpu_s": joined_used, "whole_cpu_s": whole_used}))
"""


def build(folder: Path, decisions: int) -> int:
    """A sealed lake; how many decisions have a label."""
    incarnation = new_incarnation()
    spool = DiskSpool(folder / "spool", incarnation)
    spool.describe(
        Layout(
            fingerprint="f1" * 32, model=MODEL, number=1, inputs=NAMES, features=NAMES,
            outputs=("a", "b"),
        )
    )  # fmt: skip
    generator = np.random.default_rng(1)
    outputs = encode({"output": generator.random((ROWS, 2)).astype(np.float32)})
    labelled = 0
    for run in range(decisions // ROWS):
        time_ms = START_MS + run * 1000
        inputs = encode({"matrix": generator.normal(size=(ROWS, COLUMNS))})
        spool.append(
            [
                DecisionBatch(
                    fingerprint="f1" * 32, route=1, door="http", time_ms=time_ms,
                    incarnation=incarnation, first_sequence=run * ROWS, rows=ROWS,
                    callers=("shop",), inputs=inputs, outputs=outputs, statuses=bytes(ROWS),
                    waited_ns=(0,) * ROWS,
                )
            ]
        )  # fmt: skip
        chosen = np.flatnonzero(generator.random(ROWS) < 0.1)
        labelled += len(chosen)
        said: list[Event] = []
        for place in (*chosen.tolist(), *chosen[:3].tolist()):
            known_ns = (time_ms + 60_000) * 1_000_000 + len(said)
            said.append(
                Event(
                    id=f"e{run:06d}{len(said):06d}", kind="outcome", time_ns=known_ns,
                    known_ns=known_ns, model=MODEL, actor="shop",
                    subject=str(DecisionId(time_ms, incarnation, run * ROWS + place)),
                    body={"label": "a" if place % 3 else "b"},
                )
            )  # fmt: skip
        spool.append(said)
    spool.close()
    DiskJournal(folder / "spool", folder / "lake", clock=SystemClock()).seal()
    return labelled


def ask(folder: Path, silence: str) -> dict[str, float]:
    arguments = [sys.executable, "-c", ASKED, str(folder), json.dumps(NAMES), silence]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    count = 100_000 if options.short else options.decisions
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        began = time.perf_counter()
        labelled = build(folder, count)
        took = time.perf_counter() - began
        print(f"{count:,} decisions, {labelled:,} of them labelled, built in {took:.0f} s")
        found = {"with a label": ask(folder, ""), "all, silence means a": ask(folder, "a")}
    print(f"{'':<24}{'rows':>12}  {'clock':>10}{'processor':>12}{'memory':>12}")
    for name, each in found.items():
        for what in ("join", "whole"):
            said = name if what == "join" else "  and the snapshot of it"
            print(
                f"{said:<24}{each['rows']:>12,}  {each[what + '_s']:>8.2f} s"
                f"{each[what + '_cpu_s']:>10.2f} s{each[what + '_gb']:>9.2f} GB"
            )
    rows = found["with a label"]["rows"], found["all, silence means a"]["rows"]
    if rows != (labelled, count) or found["all, silence means a"]["silent"] != count - labelled:
        print(f"wrong: {rows} instead of {(labelled, count)}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
