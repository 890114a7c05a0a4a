"""A simulated model that answers numbers, and sources that say what the number really was."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mainstay.base.ids import DecisionId
from mainstay.watch.labels.heard import Word
from tests.renew.sources import Source, World

Numbers = np.ndarray


@dataclass
class Prices:
    """What is asked about, how it is answered, and what is true."""

    spread: float = 0.6
    """Of the logarithm of what is asked about."""
    middle: float = 100.0
    errs: float = 0.05
    """The error of the model, as a part of the answer."""
    bent: float = 0.0
    """How much the model shrinks what is far from 100: it is wrong where inputs move to."""
    version: int = 1

    def drawn(self, draw: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
        """Answers, and what was right."""
        real = self.middle * np.exp(self.spread * draw.normal(size=rows))
        answers = real ** (1.0 - self.bent) * 100.0**self.bent
        return answers, real * (1.0 + self.errs * draw.normal(size=rows))


class Market(World):
    """Sources say numbers, which may be turned into others on the way."""

    def __init__(self, sources: Sequence[Source], prices: Prices, seed: int = 1) -> None:
        super().__init__(sources, seed)
        self.prices = prices
        self.unit: Callable[[Numbers], Numbers] = lambda labels: labels

    def _say(self, source: Source, moments: np.ndarray) -> None:
        rows = len(moments)
        answers, labels = self.prices.drawn(self.draw, rows)
        known = moments + (source.delay_s(self.draw, rows) * 1000.0).astype(np.int64)
        told = self.unit(labels)
        for row in np.flatnonzero(self.draw.random(rows) < source.share).tolist():
            identity = str(DecisionId(int(moments[row]), 7, row))
            word = Word(
                source.name, "label", identity, int(known[row]), label=float(told[row]),
                answer=float(answers[row]), version=self.prices.version,
            )  # fmt: skip
            at = word.known_ms - word.known_ms % 600_000
            self.pending.setdefault(max(at, self.now_ms), []).append(word)


def settled(prices: Prices, seed: int = 1) -> Market:
    """A day and a half in which all was as it should be."""
    made = Market([Source("shop")], prices, seed)
    made.run(20, look=False)
    made.run(8)
    return made
