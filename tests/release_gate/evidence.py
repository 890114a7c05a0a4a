"""Evidence as the gate gathers it, made from numbers instead of from processes."""

import numpy as np

from mainstay.bundle.answering import Cost, Speed
from mainstay.contract.model import (
    Assets,
    Category,
    Contract,
    Gate,
    NumberOutput,
    Output,
    Probability,
)
from mainstay.release.gate.model import Evidence, Machine, Side

COST = Cost(
    load_ms=5.0,
    one_row=Speed(best=100.0, typical=110.0),
    in_batches=Speed(best=10.0, typical=11.0),
    peak_resident_bytes=100 << 20,
    bundle_bytes=1 << 20,
)
ROOM = Machine(memory_bytes=1 << 34, disk_bytes=1 << 36, workers=2)
CLASSES = Probability(classes=("ok", "fraud"))


def contract(metric: str | None, output: Output = CLASSES, **gate) -> Contract:
    """A contract with one input that parts the rows."""
    return Contract(
        model="fraud",
        inputs={"country": Category(values=("DE", "FR"))},
        output=output,
        assets=Assets(metric=metric),
        gate=Gate(**gate),
    )


def side(promised: Contract, raw: np.ndarray, number: int, cost: Cost = COST) -> Side:
    """One version that answered so."""
    chosen = None
    if not isinstance(promised.output, NumberOutput):
        chosen = (raw[:, 1] >= 0.5).astype(np.int64)
    return Side(
        number=number,
        fingerprint=f"f{number}",
        contract=promised,
        raw=raw,
        chosen=chosen,
        cost=cost,
    )


def evidence(
    promised: Contract,
    candidate: np.ndarray,
    baseline: np.ndarray | None,
    labels: np.ndarray,
    countries: np.ndarray | None = None,
    **more,
) -> Evidence:
    """Two versions that answered the same rows."""
    rows = len(labels)
    if countries is None:
        countries = np.array(["DE", "FR"] * rows, dtype=object)[:rows]
    return Evidence(
        candidate=side(promised, candidate, 2),
        baseline=None if baseline is None else side(promised, baseline, 1),
        inputs={"country": countries},
        labels=labels,
        asked=rows,
        machine=ROOM,
        **more,
    )


def two_models(
    random: np.random.Generator,
    rows: int,
    wrong: float = 0.1,
    worse: float = 0.0,
    apart: float = 0.05,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a candidate and a baseline, and the truth. Both are wrong in a share of the
    rows, in `apart` of all rows one of them only, and the candidate in `worse` more."""
    labels = (random.random(rows) < 0.3).astype(np.int64)
    draw = random.random(rows)
    both = draw < wrong - apart / 2
    one = (draw >= wrong - apart / 2) & (draw < wrong + apart / 2)
    coin = random.random(rows) < 0.5
    more = (draw >= 0.9) & (draw < 0.9 + worse)
    made = []
    for mistakes in (both | (one & coin) | more, both | (one & ~coin)):
        sure = random.uniform(0.55, 0.98, rows)
        said = np.where(mistakes, 1 - labels, labels)
        second = np.where(said == 1, sure, 1 - sure)
        made.append(np.stack([1 - second, second], axis=1))
    return made[0], made[1], labels
