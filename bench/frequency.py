"""Measure what the recommended way of retraining costs beside a calendar's.

Two real streams, cut into periods: electricity prices by the week, and insects (whose file has no
times) in blocks of 150 rows, which stand for a day. A model is trained at the end of each period on
everything until then, or on a window of the newest periods, and asked about every later one: that
is the table which `mainstay experiment frequency` works on. The way to retrain is chosen on the
older half; all figures are of the newer half, in errors, with trainings at several prices.

    MAINSTAY_DATA=../shared/data python bench/frequency.py
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mainstay.renew.schedule.model import Losses, Prices
from mainstay.renew.schedule.policies import Every
from mainstay.renew.schedule.recommend import Advice, advise

DATA = Path(os.environ.get("MAINSTAY_DATA") or Path(__file__).parents[2] / "shared" / "data")
PRICES = (5.0, 20.0, 80.0)
MODELS: dict[str, Callable[[], Any]] = {
    "naive Bayes": GaussianNB,
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """A history cut into periods of the same number of rows."""

    name: str
    rows: np.ndarray
    labels: np.ndarray
    period: int
    week: int
    month: int


def streams(*, short: bool) -> list[Stream]:
    """The two, in their own order."""
    electricity = pq.read_table(DATA / "streams" / "electricity.parquet")
    names = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    insects = pq.read_table(DATA / "streams" / "insects_gradual.parquet")
    found = [
        Stream(
            "electricity, by the week", matrix(electricity, names),
            np.asarray(electricity.column("class").to_pylist()), 336, 1, 4,
        ),
        Stream(
            "insects, by 150 rows", matrix(insects, [f"f{n}" for n in range(33)]),
            insects.column("label").to_numpy(), 150, 7, 30,
        ),
    ]  # fmt: skip
    return [shortened(each) for each in found] if short else found


def shortened(stream: Stream) -> Stream:
    """Its first twenty periods."""
    rows = slice(0, 20 * stream.period)
    return replace(stream, rows=stream.rows[rows], labels=stream.labels[rows])


def matrix(table: Any, names: list[str]) -> np.ndarray:
    """Columns side by side."""
    return np.column_stack([table.column(name).to_numpy() for name in names]).astype(np.float64)


def losses_of(stream: Stream, make: Callable[[], Any], window: int) -> Losses:
    """How often the model of each period errs in every later one; 0: learn from everything."""
    periods = len(stream.labels) // stream.period
    table = np.full((periods, periods), np.nan)
    for end in range(1, periods):
        first = max(0, end - window) * stream.period if window else 0
        last = end * stream.period
        model = make().fit(stream.rows[first:last], stream.labels[first:last])
        beyond = slice(last, periods * stream.period)
        wrong = model.predict(stream.rows[beyond]) != stream.labels[beyond]
        table[end - 1, end:] = wrong.reshape(-1, stream.period).mean(axis=1)
    return Losses(table=table, rows=np.full(periods, float(stream.period)))


def cost(advice: Advice, name: str) -> float:
    """What a way cost over the newer half."""
    return next(each.run.cost for each in advice.tried if each.name == name)


def main() -> int:
    """Print one line for each stream, model, window and price."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few periods, for correctness")
    short = parser.parse_args().short
    print("cost on the newer half, in errors; a training costs `price` errors\n")
    print(
        f"{'stream and model':<44}{'price':>6}{'weekly':>9}{'monthly':>9}{'never':>9}{'best':>9}"
        f"{'advised':>9}  trained"
    )
    beaten = asked = 0
    totals = np.zeros(5)
    for stream in streams(short=short):
        for name, make in MODELS.items():
            for window in (0, 8 * stream.week):
                losses = losses_of(stream, make, window)
                said = f"{stream.name}, {name}" + (f", newest {window}" if window else "")
                for price in PRICES:
                    also = (Every(stream.week), Every(stream.month))
                    advice = advise(losses, Prices(of_error=1.0, of_training=price), also)
                    taken = advice.followed.run
                    fixed = [cost(advice, way.name) for way in also]
                    totals += (*fixed, cost(advice, "never"), advice.best.cost, taken.cost)
                    asked += 1
                    beaten += taken.cost <= min(fixed)
                    figures = (*fixed, cost(advice, "never"), advice.best.cost, taken.cost)
                    shown = "".join(f"{figure:>9,.0f}" for figure in figures)
                    print(f"{said:<44}{price:>6.0f}{shown}{len(taken.trained_after) - 1:>9}")
    print(f"{'together':<50}" + "".join(f"{total:>9,.0f}" for total in totals))
    print(f"\nadvised costs at most the cheaper of weekly and monthly: {beaten} of {asked}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
