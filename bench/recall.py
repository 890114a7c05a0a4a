"""Measure a recall: its plan on a long history, and the route back.

A workspace with 200 versions, each of which was in force and made its share of the decisions; the
newest hundred learned from the polluted stretch. Two of them are real, the one that answers and the
one that is gone back to; the others are only registered. What is timed is what the command does, in
a process of its own, from its first import on.

    python bench/recall.py
    python bench/recall.py --short                  seconds; exits 1 when the plan is wrong
    python bench/recall.py --decisions 10000000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from msgspec import structs
from sklearn.linear_model import LogisticRegression

from mainstay.base.ids import new_incarnation
from mainstay.bundle.model import Card, Manifest, Version
from mainstay.contract.columns import encode
from mainstay.journal.model import DecisionBatch, Layout
from mainstay.journal.spool import DiskSpool
from mainstay.serve.routes.model import Draft
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import Workspace, open_workspace

VERSIONS, BAD_FROM = 200, 101
DAY_MS = 86_400_000
START_MS = 1_760_000_000_000
ROWS = 1000
MODEL = "sums"
COLUMNS = 20


def day(number: int) -> str:
    moment = datetime.fromtimestamp((START_MS + number * DAY_MS) / 1000, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def window(number: int) -> tuple[str, str]:
    """Each version learned from the days before it."""
    return day(0), day(number)


def build(folder: Path, decisions: int) -> None:
    """A workspace with a long history."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(400, COLUMNS))
    versions: list[Version] = []
    manifest: Manifest | None = None
    for number in range(1, VERSIONS + 1):
        card = Card(packed_at=day(number), window=window(number))
        if number in {1, BAD_FROM - 1, VERSIONS}:
            model = LogisticRegression(C=number).fit(rows, rows[:, 0] > 0)
            made = pack(
                MODEL, model=model, confidence=rows[:100], workspace=folder, quiet=True,
                card={"window": window(number)}, into=folder.parent,
            )  # fmt: skip
            opened = open_workspace(folder)
            manifest = manifest or opened.unpacked(made.version.fingerprint).manifest
            versions.append(made.version)
        else:
            assert manifest is not None
            other = structs.replace(manifest, card=card)
            versions.append(opened.registry.register(other, f"{number:064x}", 1))
    for version in versions:
        draft = Draft(
            model=MODEL, number=version.number, fingerprint=version.fingerprint, actor="bench",
            reason="newer",
        )  # fmt: skip
        opened.chain.append(draft, version.number - 1)
    record(opened, versions, decisions)


def record(opened: Workspace, versions: list[Version], decisions: int) -> None:
    """Each version's share of the decisions, in the days that it was in force."""
    incarnation = new_incarnation()
    spool = DiskSpool(opened.places.spool, incarnation)
    names = tuple(f"x{place}" for place in range(COLUMNS))
    generator = np.random.default_rng(2)
    inputs = encode({"matrix": generator.normal(size=(ROWS, COLUMNS))})
    outputs = encode({"output": generator.random((ROWS, 2)).astype(np.float32)})
    sequence, each = 0, max(1, decisions // VERSIONS // ROWS)
    for version in versions:
        spool.describe(Layout(
            fingerprint=version.fingerprint, model=MODEL, number=version.number, inputs=names,
            features=names, outputs=("a", "b"),
        ))  # fmt: skip
        for run in range(each):
            spool.append([DecisionBatch(
                fingerprint=version.fingerprint, route=version.number, door="http",
                time_ms=START_MS + version.number * DAY_MS + run * (DAY_MS // each),
                incarnation=incarnation, first_sequence=sequence, rows=ROWS,
                callers=("shop",), inputs=inputs, outputs=outputs, statuses=bytes(ROWS),
                waited_ns=(0,) * ROWS,
            )])  # fmt: skip
            sequence += ROWS
    spool.close()
    opened.journal.seal()


def mainstay(folder: Path, *arguments: str) -> tuple[str, str]:
    """A command: how long it took, on the clock and of a processor, and what it said."""
    began, used = time.perf_counter(), processor()
    done = subprocess.run(
        [sys.executable, "-m", "mainstay", *arguments, "--workspace", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{time.perf_counter() - began:>8.2f} s {processor() - used:>8.2f} s", done.stdout


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    count = 200_000 if options.short else options.decisions
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "shop"
        began = time.perf_counter()
        build(folder, count)
        print(f"{VERSIONS} versions, {count:,} decisions, built in "
              f"{time.perf_counter() - began:.0f} s")  # fmt: skip
        asked = ("recall", MODEL, "--polluted", f"{day(BAD_FROM - 1)}..{day(BAD_FROM)}", "--json")
        empty, _ = mainstay(folder, "recall", "list", "--json")
        plan, said = mainstay(folder, *asked, "--dry-run")
        found = json.loads(said)["plan"]
        whole, said = mainstay(folder, *asked, "--yes")
        done = json.loads(said)
        listed, ids = mainstay(folder, "recall", "show", "1", "--decisions", "--json")
        lines = ids.count("\n")
    print(f"{'':<44}{'clock':>10} {'processor':>10}")
    print(f"{'a command that does nothing':<44}{empty}")
    print(f"{'plan, whole command':<44}{plan}")
    print(f"{'plan and execution, whole command':<44}{whole}")
    print(f"{'execution: quarantine, checks, route':<44}{done['seconds']:>8.2f} s")
    print(f"{f'list of {lines:,} decisions':<44}{listed}")
    each = max(1, count // VERSIONS // ROWS) * ROWS * (VERSIONS - BAD_FROM + 1)
    decided = sum(one["decisions"] for one in found["blast"]["made"])
    right = (found["to"]["number"], len(found["suspects"]), decided, lines)
    wanted = (BAD_FROM - 1, VERSIONS - BAD_FROM + 1, each, each)
    if right != wanted:
        print(f"wrong: {right} instead of {wanted}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
