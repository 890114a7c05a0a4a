"""What a user's training module may look like: functions, classes and constants that are carried."""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy import log1p

EDGES = np.array([0.0, 1.5, 2.25])
NAMES = {"a": (1, 2.5), "b": [None, True, float("inf")]}
WORD = re.compile(r"[a-z]+", re.IGNORECASE)
HANDLE = open  # an object of the standard library, under another name
LOCK = object()


@dataclass
class Scale:
    """A helper with state."""

    factor: float = 2.0

    def apply(self, column: np.ndarray) -> np.ndarray:
        return column * self.factor


def logged(column):
    return log1p(np.abs(column))


def features(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Uses a function, a class, constants and imports of its module."""
    scaled = Scale(math.sqrt(4)).apply(columns["a"])
    words = np.array([len(WORD.findall(str(v))) for v in columns["b"]], dtype=float)
    return {
        "scaled": scaled,
        "logged": logged(columns["a"]),
        "words": words,
        "bin": np.digitize(columns["a"], EDGES) + NAMES["a"][0],
    }


def total(columns):
    """A matrix in, a matrix out."""
    return np.column_stack([columns["f0"], columns["f1"], columns["f0"] * columns["f1"]])


def locked(columns):
    with LOCK:
        return columns


def around(factor):
    def inner(columns):
        return {"x": columns["x"] * factor}

    return inner


nameless = lambda columns: columns  # noqa: E731  # because this is what must be refused


class Threshold:
    """A plain model: predict_proba from a threshold on one column."""

    def __init__(self, edge):
        self.edge = edge
        self.classes_ = np.array(["no", "yes"])
        self.table = {"weights": np.array([0.25, 0.75], dtype=np.float32), 3: ("t", None)}

    def predict_proba(self, rows):
        second = np.where(rows[:, 0] > self.edge, self.table["weights"][1], 0.125)
        return np.column_stack([1 - second, second])


class Sum:
    """A plain regressor on named columns."""

    def predict(self, columns):
        return columns["a"] + columns["b"]
