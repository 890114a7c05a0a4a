"""Measure how often new data that made a model worse is found, and how often nothing is named.

Histories of payments with one planted fault: a caller who says the opposite, a bad day, a category
whose labels were joined wrongly for a while, or none (also while the world moves on). A logistic
regression is trained with each group left out, by the code behind `mainstay experiment data`.

    python bench/suspects.py
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mainstay.renew.suspects.find import Finder, Found, Inquiry, Told
from mainstay.renew.suspects.groups import Rows, groups_of

OLD, NEW, NEWEST, BEFORE = 1_000, 3_000, 800, 400
CALLERS = np.array(["desk", "partner", "phone", "shop"], dtype=object)
COUNTRIES = np.array(["AT", "DE", "FR", "IT"], dtype=object)
DAY_US = 86_400_000_000
DAYS = 5
BAD = {
    "a bad caller": "labels of partner",
    "a bad day": "decided from",
    "a bad category": "country=FR",
}
MODELS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda _seed: LogisticRegression(),
    "tree": lambda seed: DecisionTreeClassifier(min_samples_leaf=20, random_state=seed),
}
PLANTS = (*BAD, "nothing", "nothing, while the world moves on")


@dataclass(frozen=True)
class Part:
    """Rows of one time."""

    numbers: np.ndarray
    country: np.ndarray
    caller: np.ndarray
    label: np.ndarray
    times_us: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """As the model takes them."""
        return np.column_stack([self.numbers, *(self.country == each for each in COUNTRIES)])


def part(draw: np.random.Generator, count: int, days: tuple[float, float], moved: float) -> Part:
    """Rows of some days, as they are in truth."""
    numbers = draw.normal(size=(count, 4))
    country = COUNTRIES[draw.integers(0, 4, count)]
    turned = np.array([2.0, -1.0, 1.0 - 3.0 * moved, 3.0 * moved])
    score = numbers @ turned + 0.7 * (country == "IT") - 0.5
    fraud = draw.random(count) < 1 / (1 + np.exp(-score))
    return Part(
        numbers=numbers,
        country=country,
        caller=CALLERS[draw.choice(4, count, p=[0.4, 0.25, 0.15, 0.2])],
        label=np.where(fraud, "fraud", "ok").astype(object),
        times_us=np.sort(draw.uniform(days[0] * DAY_US, days[1] * DAY_US, count)).astype(np.int64),
    )


def flipped(rows: Part, which: np.ndarray) -> Part:
    """The opposite of what is true, of some."""
    other = np.where(rows.label == "ok", "fraud", "ok").astype(object)
    return Part(
        rows.numbers, rows.country, rows.caller, np.where(which, other, rows.label), rows.times_us
    )


def spoilt(rows: Part, plant: str) -> Part:
    """The new rows with what was planted."""
    if plant == "a bad caller":
        return flipped(rows, rows.caller == "partner")
    if plant == "a bad day":
        return flipped(rows, rows.times_us // DAY_US == 2)
    if plant == "a bad category":
        return flipped(rows, (rows.country == "FR") & (rows.times_us < DAYS * DAY_US))
    return rows


def found(plant: str, seed: int, kind: str) -> Found:
    """One history, asked about."""
    draw = np.random.default_rng(seed)
    moved = 1.0 if "moves" in plant else 0.0
    old = part(draw, OLD, (-20, 0), 0.0)
    new = spoilt(part(draw, NEW, (0, DAYS), moved), plant)
    newest = spoilt(part(draw, NEWEST, (DAYS, DAYS + 2), moved), plant)
    before = part(draw, BEFORE, (-3, 0), 0.0)
    numbers = np.concatenate([old.matrix, new.matrix])
    labels = np.concatenate([old.label, new.label]).astype(str)
    asked = np.concatenate([newest.matrix, before.matrix])
    right = np.concatenate([newest.label, before.label]).astype(str)

    def told(keep: np.ndarray) -> Told:
        model = MODELS[kind](seed).fit(numbers[keep], labels[keep])
        chance = model.predict_proba(asked)[:, 1]
        is_ok = right == "ok"
        return Told(lost=(chance - is_ok) ** 2, wrong=((chance >= 0.5) != is_ok).astype(np.float64))

    is_new = np.arange(OLD + NEW) >= OLD
    country = np.concatenate([old.country, new.country])
    rows = Rows(
        times_us=np.concatenate([old.times_us, new.times_us]),
        new=is_new,
        sources=np.concatenate([old.caller, new.caller]),
        versions=np.ones(OLD + NEW, dtype=object),
        newest_labels=newest.label,
        newest_sources=newest.caller,
        parted={"country": [(f"country={each}", country == each) for each in COUNTRIES]},
    )
    inquiry = Inquiry(told, is_new, NEWEST, BEFORE, seed)
    return Finder(inquiry, lambda _done, _total: None).find(groups_of(rows)[0])


def outcomes(plant: str, seeds: range, kind: str) -> Iterator[str]:
    """What became of each history, in a word."""
    for seed in seeds:
        judged = found(plant, seed, kind).judged
        named = [e.group for e in judged if e.verdict == "fail" and not e.explained_by]
        unsure = any(each.verdict == "unsure" for each in judged)
        bad = BAD.get(plant, "?")
        hit = [
            each.name.startswith(bad)
            and (plant != "a bad day" or each.stretch[0] <= 2.5 * DAY_US * 1000 < each.stretch[1])
            for each in named
        ]
        if not named:
            yield "unsure" if unsure else "nothing named"
        else:
            yield "found alone" if all(hit) else "found" if any(hit) else "another one named"


def main() -> None:
    """A table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--model", choices=MODELS, default="logistic")
    given = parser.parse_args()
    seeds = range(given.seeds)
    heads = ("found alone", "found", "another one named", "unsure", "nothing named")
    print(f"{'planted':36}" + "".join(f"{head:>20}" for head in heads))
    for plant in PLANTS:
        counts = Counter(outcomes(plant, seeds, given.model))
        print(f"{plant:36}" + "".join(f"{counts[head]:>20}" for head in heads), flush=True)


if __name__ == "__main__":
    main()
