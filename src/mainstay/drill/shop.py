"""A shop: clicks that a model decides on, and payments that tell who bought."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.bundle.extras import library
from mainstay.bundle.model import Version
from mainstay.contract.columns import Columns
from mainstay.drill.world import Labels, Said, Scene, World

MODEL: Final = "buyers"
LEAVES: Final = "leaves"
BUYS: Final = "buys"
CONTRACT: Final = """\
model: buyers
about: Will this visitor buy? Who will not is sent away from the crowded checkout.

inputs:
  discount: {type: number, min: 0, max: 1, about: of what is looked at}
  minutes:  {type: number, min: 0, max: 60, about: in the shop so far}
  visits:   {type: number, min: 0, max: 50, about: in the month before}

output: {type: probability, classes: [leaves, buys], threshold: 0.5}

# A payment says who bought; who did not pay within an hour did not buy.
labels: {window: 1h, silence_means: leaves}
assets: {metric: accuracy, acceptable: [0.5, 1]}
gate: {slower_by: 100, larger_by: 10}
renew: {train: "buyers:train", over: 7d, newest: 40 %, time: 5m}
"""
TRAINING: Final = '''\
"""How the shop trains its model."""

from sklearn.linear_model import LogisticRegression


def train(data):
    return LogisticRegression().fit(data.matrix(), data.labels)
'''
SCENE: Final = Scene(model=MODEL, contract=CONTRACT, training=TRAINING, caller="payments")
_NEEDED_FOR: Final = "the drill"
_SOONEST_SECONDS: Final = 120.0
_LATEST_SECONDS: Final = 900.0


class Shop(World):
    """A shop on the day on which everything is cheaper."""

    def __init__(self, folder: Path, begin_ns: int, seed: int) -> None:
        super().__init__(folder, SCENE, begin_ns, seed)

    def come(self, count: int) -> tuple[Columns, Labels]:
        """Visitors of the day."""
        return visitors(self.draw, count, bargains=True)

    def react(self, said: Said, truth: Any) -> tuple[float, dict[str, Any]] | None:
        """Who buys pays within a quarter of an hour."""
        delay = float(self.draw.uniform(_SOONEST_SECONDS, _LATEST_SECONDS))
        return (delay, {"label": BUYS}) if truth == BUYS else None

    def right(self, version: Version, rows: Columns, labels: Labels) -> float:
        """The share of right answers of a version."""
        loaded = self.workspace.load(version)
        chances: npt.NDArray[np.float64] = loaded.predict(loaded.extract(rows))
        right = (chances[:, 1] >= 0.5) == (labels == BUYS)
        return float(np.count_nonzero(right) / len(labels))


def visitors(draw: np.random.Generator, count: int, *, bargains: bool) -> tuple[Columns, Labels]:
    """Visitors, and whether they would buy: on other days than this, discounts say little."""
    discount = draw.uniform(0.0, 0.6 if bargains else 0.2, count)
    minutes = np.minimum(draw.exponential(6.0, count), 60.0)
    visits = np.minimum(draw.poisson(2.0, count), 50).astype(np.float64)
    score = (-0.2 if bargains else 0.4) + 0.35 * (minutes - 6.0) + 0.5 * (visits - 2.0)
    score += 9.0 * (discount - 0.3) if bargains else 0.0
    buys = draw.random(count) < 1 / (1 + np.exp(-score))
    rows: Columns = {"discount": discount, "minutes": minutes, "visits": visits}
    return rows, np.where(buys, BUYS, LEAVES)


def matrix(rows: Columns) -> npt.NDArray[np.float64]:
    """Visitors as models are trained on them."""
    return np.column_stack([rows[name] for name in ("discount", "minutes", "visits")])


def trained(rows: Columns, labels: Labels) -> Any:
    """A model, as anybody would train it."""
    linear = library("sklearn.linear_model", _NEEDED_FOR)
    return linear.LogisticRegression().fit(matrix(rows), labels)
