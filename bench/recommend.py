"""Measure recommenders: real impressions in figures, and how soon a degenerate loop is found.

Open Bandit's impressions by chance and by Thompson sampling, each a list of one of 34 items: their
figures from merged parts beside those from all rows at once. Then simulated lists that stay as they
were, and such that grow alike slowly as a model learns from what it showed.

    MAINSTAY_DATA=../shared/data python bench/recommend.py --seeds 20
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from msgspec import structs

from mainstay.contract.model import Contract, Number, Ranking
from mainstay.summaries.rankings import ITEM, shown
from mainstay.summaries.reference import Reference
from mainstay.summaries.summary import merge
from mainstay.watch.gather.model import STRETCH_MS, Key, Part
from mainstay.watch.monitors.model import Saved
from mainstay.watch.recommend.measures import diversity
from mainstay.watch.recommend.monitor import look_at_lists
from mainstay.watch.watcher import OTHERS_PART

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
MARK = "ab" * 32
LOOKS = 30 * 144 / OTHERS_PART
ITEMS, TOP, LISTS = 200, 10, 100


def contract_of(items: int, top: int) -> Contract:
    named = tuple(f"i{n}" for n in range(items))
    return Contract(model="m", inputs={"x": Number()}, output=Ranking(items=named, top=top))


def open_bandit(name: str) -> None:
    """From parts, and by brute force."""
    table = pq.read_table(DATA / "obd" / f"{name}.parquet", columns=["item_id", "click"])
    items = table.column("item_id").to_numpy()
    contract = contract_of(34, 1)
    output = contract.output
    assert isinstance(output, Ranking)
    scores = np.eye(34)[items]
    whole = None
    for part in np.array_split(scores, 97):
        own = shown(contract, part, None)[ITEM].summary
        whole = own if whole is None else merge(whole, own)
    assert whole is not None
    found = diversity(output, {ITEM: whole}, None)
    assert found is not None
    counts = np.bincount(items, minlength=34)
    same = (counts * (counts - 1)).sum() / (len(items) * (len(items) - 1))
    assert found.overlap is not None
    assert abs(found.overlap - same) < 1e-12
    clicks = float(table.column("click").to_numpy().mean())
    print(
        f"{name:12} {len(items):7,} lists, clicked {clicks:.2%}, coverage {found.coverage:.0%},"
        f" two share {found.overlap:.2%} (all rows at once: {same:.2%}), as various as"
        f" {found.effective:.1f} of 34, Gini {found.gini:.3f}"
    )


class Versions:
    def __init__(self, known: Reference) -> None:
        self.known = known

    def reference(self, fingerprint: str) -> Reference:
        return self.known

    def source(self, fingerprint: str, column: str) -> str:
        return ""


def scores_of(generator: np.random.Generator, rows: int, popular: np.ndarray, pull: float):
    """Tastes of people; `pull` is how much the model goes by what everybody is shown."""
    return generator.normal(0, 1, (rows, ITEMS)) + popular * (0.6 + pull)


def one(seed: int, stretches: int, growth: float) -> tuple[float | None, int]:
    """After how many hours a loop that begins at once was found; and how many findings."""
    generator = np.random.default_rng(seed)
    popular = generator.normal(0, 1, ITEMS)
    contract = contract_of(ITEMS, TOP)
    reference = shown(contract, scores_of(generator, 3000, popular, 0.0), None)
    versions = Versions(Reference("rows", 3000, reference))
    saved, opened, first = Saved(), 0, None
    for stretch in range(stretches):
        scores = scores_of(generator, LISTS, popular, growth * stretch)
        columns = {name: each.summary for name, each in shown(contract, scores, None).items()}
        part = Part(Key("m", MARK, 1, "live", "", stretch * STRETCH_MS), LISTS, columns)
        saved = structs.replace(saved, until_ms=(stretch + 1) * STRETCH_MS)
        saved, changes = look_at_lists(saved, [part], (contract, MARK, versions), LOOKS)
        begun = [change for change in changes if change.kind == "opened"]
        opened += len(begun)
        if begun and first is None:
            first = (stretch + 1) / 6.0
    return first, opened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=int, default=3)
    options = parser.parse_args()
    for name in ("random_men", "bts_men"):
        if (DATA / "obd" / f"{name}.parquet").exists():
            open_bandit(name)
        else:
            print(f"{name}: not in {DATA}; MAINSTAY_DATA names the folder")
    stretches = options.days * 144
    for name, growth in (("as they were", 0.0), ("twice as alike in a week", 0.0004),
                         ("twice as alike in a day", 0.003)):  # fmt: skip
        begin = time.perf_counter()
        runs = [one(seed, stretches, growth) for seed in range(options.seeds)]
        told = [after for after, _ in runs if after is not None]
        hours = f"after {np.median(told):.1f} h (median)" if told else "-"
        took = (time.perf_counter() - begin) / options.seeds / stretches * 1000
        print(
            f"{name:26} found in {len(told):3} of {len(runs)} runs of {options.days} days,"
            f" {hours}; {took:.1f} ms a stretch"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
