"""A model that turns sick on command: its sums are right until the file it watches is there."""

import os

import numpy as np


class Sums:
    """The probability that a + b + c is positive."""

    def __init__(self, file: str) -> None:
        self.file = file

    def predict_proba(self, rows):
        high = 1 / (1 + np.exp(-rows.sum(axis=1)))
        if os.path.exists(self.file):  # noqa: PTH110  # because only what is imported here travels
            high = 1 - high
        return np.column_stack([1 - high, high])
