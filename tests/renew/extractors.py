"""What training modules may look like: extractors that can be made again, and some that cannot."""

import os
import time

import numpy as np

SEEN: list[int] = []
EDGES = np.array([0.0, 0.5])


def binned(column):
    return np.digitize(column, EDGES)


def honest(rows):
    words = [None if each is None else each.strip().upper() for each in rows["note"]]
    return {
        "sum": rows["a"] + rows["b"],
        "root": np.sqrt(np.where(rows["a"] < 0, np.nan, rows["a"])),
        "bin": binned(rows["a"]),
        "up": rows["b"] > 0,
        "word": np.array([*words, None], dtype=object)[:-1],
        "length": np.hypot(rows["v"][:, 0], rows["v"][:, 1]),
    }


def shifty(rows):
    """Honest features, and one for each way in which a feature can depend on something else."""
    SEEN.append(1)
    count = len(rows["a"])
    made = honest(rows)
    made["clock"] = np.full(count, time.time())
    made["chance"] = np.random.random(count)  # noqa: NPY002  # because users write it so
    made["state"] = np.full(count, len(SEEN))
    made["batch"] = rows["a"] - rows["a"].mean()
    made["zone"] = np.full(count, float(len(os.environ.get("TZ", ""))))
    made["hour"] = np.array([f"hour {time.time_ns()}"] * count, dtype=object)
    return made


def renamed(rows):
    """Another extractor, with another bin and without a root."""
    made = honest(rows)
    del made["root"]
    made["bin"] = binned(rows["a"] * 2)
    made["more"] = rows["b"] * 3
    return made


def doubled(rows):
    """Numbers alone, as one matrix."""
    return np.column_stack([rows["a"] * 2 / 2, rows["b"], np.float32(0.1) * rows["c"] * 10])


class Rule:
    """High where the sum is positive; takes no other feature into account."""

    def __init__(self, weight):
        self.weight = weight
        self.classes_ = ["low", "high"]

    def predict_proba(self, rows):
        high = 1 / (1 + np.exp(-self.weight * rows["sum"]))
        return np.column_stack([1 - high, high])
