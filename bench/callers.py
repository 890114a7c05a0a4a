"""Measure how many callers who try a model out are found, how soon, and how many others are blamed.

Simulated: a model of six numbers and a country, and four callers who each ask a little differently.
From the third hour on one of them probes; in as many runs nobody does.

    python bench/callers.py --seeds 20
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import structs

from mainstay.bundle.reference import packed_reference
from mainstay.contract.model import Category, Contract, Number, Probability
from mainstay.summaries.reference import Reference
from mainstay.watch.callers.gather import Callers
from mainstay.watch.callers.monitor import look_at_callers
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.model import Saved
from mainstay.watch.watcher import OTHERS_PART

MARK = "ab" * 32
COUNTRIES = ("DE", "FR", "US", "PL", "IT")
CONTRACT = Contract(
    model="m",
    inputs={**{f"x{n}": Number() for n in range(6)}, "c": Category(values=COUNTRIES, others=True)},
    output=Probability(classes=("no", "yes")),
)
LOOKS = 30 * 144 / OTHERS_PART
"""What the watcher passes on for one alarm in 30 days."""
BEGIN = 18
Rows = dict[str, Any]


def ordinary(generator: np.random.Generator, rows: int, shift: float = 0.0) -> Rows:
    common = generator.normal(0, 1, rows)
    found: Rows = {f"x{n}": 0.6 * common + 0.8 * generator.normal(shift, 1, rows) for n in range(6)}
    found["c"] = generator.choice(COUNTRIES, rows, p=[0.5, 0.2, 0.15, 0.1, 0.05]).astype(object)
    return found


def sweeping(generator: np.random.Generator, rows: int) -> Rows:
    base = ordinary(generator, -(-rows // 10))
    found = {name: np.repeat(column, 10)[:rows] for name, column in base.items()}
    found["x2"] = np.tile(np.linspace(-2, 2, 10), len(base["x2"]))[:rows]
    return found


def drawing(generator: np.random.Generator, rows: int) -> Rows:
    found: Rows = {f"x{n}": generator.uniform(-3.5, 3.5, rows) for n in range(6)}
    found["c"] = generator.choice(COUNTRIES, rows).astype(object)
    return found


def at_boundary(generator: np.random.Generator, rows: int) -> Rows:
    found = ordinary(generator, rows)
    found["x5"] = generator.normal(0, 0.1, rows) - sum(found[f"x{n}"] for n in range(5))
    return found


def third(probe: Callable[..., Rows]) -> Callable[..., Rows]:
    """Two thirds of what is asked is ordinary."""

    def mixed(generator: np.random.Generator, rows: int) -> Rows:
        some = rows // 3
        parts = ordinary(generator, rows - some), probe(generator, some)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return mixed


def answers(rows: Rows) -> np.ndarray:
    risk = 1 / (1 + np.exp(-sum(rows[f"x{n}"] for n in range(6))))
    return np.stack([1 - risk, risk], axis=1)


class Versions:
    def __init__(self, generator: np.random.Generator) -> None:
        rows = ordinary(generator, 3000)
        self.known = packed_reference(CONTRACT, rows, {}, answers(rows), None)

    def reference(self, fingerprint: str) -> Reference:
        return self.known

    def contract(self, fingerprint: str) -> Contract:
        return CONTRACT

    def source(self, fingerprint: str, column: str) -> str:
        return ""


def table(stretch: int, asked: dict[str, Rows]) -> pa.Table:
    parts = []
    for caller, rows in asked.items():
        count, output = len(rows["c"]), answers(rows)
        parts.append(pa.table({
            "model": ["m"] * count, "fingerprint": [MARK] * count,
            "version": pa.array([1] * count, pa.int32()), "arm": ["live"] * count,
            "time": pa.array([stretch * STRETCH_MS * 1000] * count, pa.timestamp("us", "UTC")),
            "caller": [caller] * count, "output_no": output[:, 0], "output_yes": output[:, 1],
            **{f"input_{name}": pa.array(column) for name, column in rows.items()},
        }))  # fmt: skip
    return pa.concat_tables(parts)


def one(seed: int, probe: Callable[..., Rows] | None, stretches: int) -> tuple[int | None, int]:
    """After how many decisions the probing caller was named, and how often others were."""
    generator = np.random.default_rng(seed)
    versions = Versions(generator)
    gather, saved = Callers(versions), Saved()
    shifts = generator.normal(0, 0.15, 4)
    found: int | None = None
    blamed = 0
    for stretch in range(stretches):
        asked = {
            f"c{n}": ordinary(generator, int(generator.integers(30, 120)), shift)
            for n, shift in enumerate(shifts)
        }
        if probe is not None and stretch >= BEGIN:
            asked["c0"] = probe(generator, 60)
        parts = list(gather.parts(table(stretch, asked), versions.known))
        saved = structs.replace(saved, until_ms=(stretch + 1) * STRETCH_MS)
        saved, changes = look_at_callers(saved, parts, (MARK, versions), LOOKS)
        for change in changes:
            if change.kind == "opened":
                right = change.key.endswith("|c0") and probe is not None and stretch >= BEGIN
                blamed += not right
                if right and found is None:
                    found = (stretch - BEGIN + 1) * 60
    return found, blamed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--stretches", type=int, default=54)
    options = parser.parse_args()
    kinds: dict[str, Callable[..., Rows] | None] = {
        "nobody probes": None,
        "sweeps": sweeping,
        "a third of it sweeps": third(sweeping),
        "inputs drawn evenly": drawing,
        "a third of them drawn evenly": third(drawing),
        "at the boundary": at_boundary,
        "a third at the boundary": third(at_boundary),
    }
    print(f"{'':30} {'found':>9} {'after decisions (median)':>26} {'others blamed':>14}")
    for name, probe in kinds.items():
        runs = [one(seed, probe, options.stretches) for seed in range(options.seeds)]
        told = [after for after, _ in runs if after is not None]
        share = f"{len(told)} of {len(runs)}" if probe else "-"
        median = f"{np.median(told):.0f}" if told else "-"
        print(f"{name:30} {share:>9} {median:>26} {sum(blamed for _, blamed in runs):>14}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
