"""Find concept drift in the errors of a model, beside River's detectors and one that never looks.

A Gaussian naive Bayes classifier is tested on each row before it learns it. Every detector is given
the same errors, one row at a time, and as it comes: what nobody set is not set here either. The
product's is the question about accuracy that the monitor of labels asks, in stretches of 30 labels:
held against the 1 000 labels before it, as a version is against what it was packed with; after an
alarm it learns from the next 1 000 what is usual.

Streams with changes known to the row come from River's generators; INSECTS (gradual) changes around
row 14,028, and in electricity three columns come alive at row 17,424. Both change elsewhere too, so
there only detection is counted. False alarms are counted on streams where nothing changes: errors
in an order drawn at random, with the share they have.

    bench/peers.sh river
    MAINSTAY_DATA=../shared/data python bench/streams.py
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.naive_bayes import GaussianNB

from mainstay.contract.model import Contract, Number, Probability
from mainstay.watch.monitors.detector import Question, State, advance, evidence
from mainstay.watch.monitors.label_questions import LEAST_CHANGE
from mainstay.watch.watcher import looks_per_alarm

HERE = Path(__file__).parent
RIVER = HERE.parent / ".venv-peers" / "river" / "bin" / "python"
DATA = Path(os.environ.get("MAINSTAY_DATA") or HERE.parents[1] / "shared" / "data")
CHANGES = (5_000, 10_000, 15_000)
WINDOW = 2_500
"""For so many rows after a change an alarm has found it."""
REAL = {"insects_gradual": 14_028, "electricity": 17_424}
STRETCH = 30
LEARNED = 1_000
QUESTIONS = 7
"""As many as a classifier of two classes is asked about labels."""
CHUNK = 10
Errors = npt.NDArray[np.int8]


class Stream(NamedTuple):
    """Where a model was wrong, and where the world changed."""

    errors: Errors
    changes: tuple[int, ...]
    """Nothing where no alarm is wrong for being elsewhere."""
    window: int = WINDOW


def errors_of(rows: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]) -> Errors:
    model = GaussianNB()
    every = np.unique(classes)
    wrong = np.zeros(len(rows), dtype=np.int8)
    model.partial_fit(rows[:CHUNK], classes[:CHUNK], classes=every)
    for begin in range(CHUNK, len(rows), CHUNK):
        part = slice(begin, begin + CHUNK)
        with np.errstate(divide="ignore"):  # a class that has not come yet is impossible
            wrong[part] = model.predict(rows[part]) != classes[part]
        model.partial_fit(rows[part], classes[part])
    return wrong


def real(name: str) -> Stream:
    table = pq.read_table(DATA / "streams" / f"{name}.parquet").to_pandas()
    classes = np.unique(table.iloc[:, -1].astype(str), return_inverse=True)[1]
    return Stream(errors_of(table.iloc[:, :-1].to_numpy(dtype=float), classes), (REAL[name],))


def made(seeds: int, folder: Path) -> dict[str, Stream]:
    found: dict[str, Stream] = {}
    for seed in range(seeds):
        file = folder / f"{seed}.npz"
        subprocess.run(
            [RIVER, HERE / "peers" / "drift.py", "make", file, str(seed)], check=True, cwd=folder
        )
        with np.load(file) as streams:
            names = [name.removesuffix("|x") for name in streams.files if name.endswith("|x")]
            for name in names:
                errors = errors_of(streams[f"{name}|x"], streams[f"{name}|y"])
                found[f"{name}|{seed}"] = Stream(errors, CHANGES)
    return found


def shuffled(streams: Mapping[str, Stream]) -> dict[str, Stream]:
    random = np.random.default_rng(0)
    return {
        f"still {name}": Stream(random.permutation(each.errors), ())
        for name, each in streams.items()
    }


def ours(errors: Errors) -> list[int]:
    """The product's question about accuracy."""
    contract = Contract(
        model="m", inputs={"x": Number()}, output=Probability(classes=("no", "yes"))
    )
    limit = math.log(looks_per_alarm(contract) * QUESTIONS)
    alarms: list[int] = []
    learn_until, question, state = LEARNED, None, State()
    for end in range(STRETCH, len(errors) + 1, STRETCH):
        if question is None:
            if end < learn_until:
                continue
            usual = float(errors[learn_until - LEARNED : learn_until].mean())
            spread = 3.0 * math.sqrt(max(usual * (1.0 - usual), 1.0 / LEARNED) / LEARNED)
            question = Question((1.0, 0.0), usual, max(LEAST_CHANGE, spread))
        wrong = int(errors[end - STRETCH : end].sum())
        state = advance(state, question, np.array([wrong, STRETCH - wrong]), end)
        if evidence(state, question).wealth >= limit:
            alarms.append(end - 1)
            learn_until, question, state = end + LEARNED, None, State()
    return alarms


class Judged(NamedTuple):
    """What alarms were worth."""

    changes: int
    found: int
    delays: list[int]
    alarms: int
    rows: int


def judged(alarms: Sequence[int], stream: Stream) -> Judged:
    delays: list[int] = []
    for change in stream.changes:
        after = [at - change for at in alarms if change <= at < change + stream.window]
        delays += after[:1]
    return Judged(len(stream.changes), len(delays), delays, len(alarms), len(stream.errors))


def line(name: str, found: Sequence[Judged], still: Sequence[Judged]) -> str:
    delays = [each for one in found for each in one.delays]
    changes = sum(one.changes for one in found)
    rate = 1e4 * sum(one.alarms for one in still) / sum(one.rows for one in still)
    alarms = 1e4 * sum(one.alarms for one in found) / sum(one.rows for one in found)
    delay = f"{np.mean(delays):,.0f}" if delays else "-"
    share = f"{len(delays)} of {changes}"
    return f"{name:28}{share:>12}{delay:>12}{alarms:>12.2f}{rate:>14.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    streams = {name: real(name) for name in REAL if (DATA / "streams" / f"{name}.parquet").exists()}
    with tempfile.TemporaryDirectory() as folder:
        if RIVER.exists():
            streams |= made(options.seeds, Path(folder))
        else:
            print("without River: bench/peers.sh river installs it")
        every = streams | shuffled(streams)
        found = {
            "Mainstay": {name: ours(each.errors) for name, each in every.items()},
            "an alarm every 100": {
                name: list(range(99, len(each.errors), 100)) for name, each in every.items()
            },
        }
        if RIVER.exists():
            file = Path(folder) / "errors.npz"
            errors: dict[str, Any] = {name: each.errors for name, each in every.items()}
            np.savez(file, **errors)
            told = subprocess.run(
                [RIVER, HERE / "peers" / "drift.py", "detect", file],
                check=True, cwd=folder, capture_output=True,
            )  # fmt: skip
            found |= json.loads(told.stdout)
    for title, chosen in (
        ("abrupt changes of River's generators", " abrupt|"),
        ("gradual ones, over 1 000 rows", " gradual|"),
        *((name, name) for name in REAL),
    ):
        names = [name for name in streams if chosen in name]
        if not names:
            continue
        print(f"\n{title}: {len(names)} streams")
        print(f"{'':28}{'found':>12}{'mean delay':>12}{'alarms per':>12}{'false alarms':>14}")
        print(f"{'':28}{'':>12}{'(rows)':>12}{'10k rows':>12}{'per 10k still':>14}")
        for detector, alarms in found.items():
            moved = [judged(alarms[name], streams[name]) for name in names]
            still = [judged(alarms[f"still {n}"], every[f"still {n}"]) for n in names]
            print(line(detector, moved, still))
    return 0


if __name__ == "__main__":
    sys.exit(main())
