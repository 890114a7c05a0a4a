"""River's generators and drift detectors, in their own environment.

    python bench/peers/drift.py make STREAMS.npz SEED
    python bench/peers/drift.py detect ERRORS.npz

`make` writes streams whose changes are known to the row; `detect` prints where each detector, as it
comes, raised an alarm on each row of errors.
"""

import json
import sys

import numpy as np
from river import drift
from river.datasets import synth

ROWS = 20_000
CHANGES = (5_000, 10_000, 15_000)


def concepts(name: str, seed: int) -> list:
    """Four concepts of a generator, one after the other."""
    match name:
        case "SEA":
            return [synth.SEA(variant=each, seed=seed, noise=0.1) for each in (0, 2, 1, 3)]
        case "Sine":
            return [synth.Sine(classification_function=each, seed=seed) for each in (0, 1, 2, 3)]
        case "STAGGER":
            return [synth.STAGGER(classification_function=each, seed=seed) for each in (0, 1, 2, 0)]
        case "Agrawal":
            return [synth.Agrawal(classification_function=e, seed=seed) for e in (0, 2, 4, 6)]
    raise ValueError(name)


def stream(name: str, seed: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes; over `width` rows after each change the new concept takes over."""
    random = np.random.default_rng(seed)
    sources = [iter(each) for each in concepts(name, seed)]
    rows, classes = [], []
    for at in range(ROWS):
        now = sum(at >= change for change in CHANGES)
        if now and at < CHANGES[now - 1] + width:
            gone = (at - CHANGES[now - 1]) / width
            now -= int(random.random() > gone)
        x, y = next(sources[now])
        rows.append([float(value) for value in x.values()])
        classes.append(int(y))
    return np.array(rows), np.array(classes)


def make(path: str, seed: int) -> None:
    found = {}
    for name in ("SEA", "Sine", "STAGGER", "Agrawal"):
        for kind, width in (("abrupt", 0), ("gradual", 1_000)):
            rows, classes = stream(name, seed, width)
            found[f"{name} {kind}|x"], found[f"{name} {kind}|y"] = rows, classes
    np.savez(path, **found)


DETECTORS = {
    "ADWIN": drift.ADWIN,
    "HDDM_A": drift.binary.HDDMA,
    "HDDM_W": drift.binary.HDDMW,
    "Page-Hinkley": drift.PageHinkley,
}


def detect(path: str) -> None:
    errors = np.load(path)
    found: dict[str, dict[str, list[int]]] = {}
    for name, detector in DETECTORS.items():
        found[name] = {}
        for stream_name in errors.files:
            one = detector()
            alarms = []
            for at, wrong in enumerate(errors[stream_name].tolist()):
                one.update(wrong)
                if one.drift_detected:
                    alarms.append(at)
            found[name][stream_name] = alarms
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        detect(sys.argv[2])
