"""How often a model should be trained anew, found by training it again over its own history.

Promises that each training sees what had been decided by its moment and no more, runs as `mainstay
retrain` would run it, and keeps no version; and that the journal is read once, as one snapshot.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.contract.columns import take
from mainstay.contract.model import Contract
from mainstay.renew.schedule.model import Losses, Prices
from mainstay.renew.schedule.recommend import PERIODS_MIN, Advice, advise
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.training.backtest import Aged, Later
from mainstay.renew.training.model import ROWS_MIN
from mainstay.wiring.snapshotting import define, rows_of, take_snapshot
from mainstay.wiring.training import LearnedRows, in_child, learned_rows, task_of, trainable
from mainstay.wiring.workspace import Workspace, whoever_runs_this

PERIODS: Final = 12
PERIODS_MAX: Final = 400

_EVERYTHING: Final = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    model: str
    since_ns: int
    prices: Prices
    period_ns: int | None = None
    """How long a period is; a twelfth of the history where nobody says."""
    windows_ns: tuple[int, ...] = ()
    """Besides learning from everything: from the newest decisions of so long."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way of learning, and the advice for it."""

    window_ns: int
    """It learns from decisions of so long; 0: from all."""
    advice: Advice
    losses: list[list[float | None]]
    """In row i what the model trained at the end of period i lost in each later period."""


class Frequency(msgspec.Struct, frozen=True, kw_only=True):
    """How often to train."""

    model: str
    snapshot: str
    """The id of the data version."""
    period_ns: int
    rows: list[int]
    """Labelled decisions in each period."""
    prices: Prices
    variants: list[Variant]
    """The cheapest first, when its advice is followed."""


def frequency(
    workspace: Workspace,
    asked: Asked,
    tell: Callable[[int, int], None],
    *,
    actor: str | None = None,
) -> Frequency:
    """Train at the end of every period, hold each model against all later ones, and say which way
    of retraining would have been the cheapest. `tell` hears how many trainings are done, of how
    many."""
    contract = trainable(workspace, asked.model)
    who = actor or whoever_runs_this()
    snapshot = take_snapshot(workspace, define(workspace, asked.model, asked.since_ns), actor=who)
    rows = learned_rows(contract, snapshot, rows_of(workspace, snapshot))
    first_us, last_us = int(rows.times_us[0]), int(rows.times_us[-1])
    period_us = (asked.period_ns or (last_us + 1 - first_us) * 1000 // PERIODS) // 1000
    ends = _ends(rows, first_us, period_us)
    windows = (_EVERYTHING, *sorted(set(asked.windows_ns)))
    todo = len(windows) * (len(ends) - 1)
    done = 0
    variants: list[Variant] = []
    counts = np.diff([0, *ends])
    for window_ns in windows:
        table = np.full((len(ends), len(ends)), np.nan)
        for at in range(len(ends) - 1):
            begin = int(np.searchsorted(rows.times_us, _from(ends, rows, at, window_ns)))
            table[at, at + 1 :] = _aged(
                workspace, (contract, snapshot, rows), (begin, at), ends, who
            )
            done += 1
            tell(done, todo)
        losses = Losses(table=table, rows=counts.astype(np.float64))
        known = [[None if np.isnan(v) else float(v) for v in line] for line in table.tolist()]
        variants.append(
            Variant(window_ns=window_ns, advice=advise(losses, asked.prices), losses=known)
        )
    variants.sort(key=lambda each: each.advice.followed.run.cost)
    return Frequency(
        model=asked.model,
        snapshot=snapshot.id,
        period_ns=period_us * 1000,
        rows=counts.tolist(),
        prices=asked.prices,
        variants=variants,
    )


def _ends(rows: LearnedRows, first_us: int, period_us: int) -> list[int]:
    """Behind which row each period ends. The history begins where there is enough to learn from."""
    moments = np.arange(first_us + period_us, int(rows.times_us[-1]) + 1 + period_us, period_us)
    found = np.searchsorted(rows.times_us, moments).tolist()
    ends = [end for end in found if end >= 2 * ROWS_MIN]
    if not PERIODS_MIN <= len(ends) <= PERIODS_MAX:
        raise InvalidUsage(
            f"{len(rows.labels):,} labelled decisions make {len(ends)} periods in which there is"
            f" enough to learn from ({2 * ROWS_MIN} decisions)",
            field="period",
            got=len(ends),
            expected=f"{PERIODS_MIN} to {PERIODS_MAX}: another --period, a longer --since, or more "
            "labels",
        )
    return ends


def _from(ends: list[int], rows: LearnedRows, at: int, window_ns: int) -> int:
    """The first moment that a training at the end of a period learns from."""
    last_us = int(rows.times_us[ends[at] - 1])
    return last_us - window_ns // 1000 if window_ns else 0


def _aged(
    workspace: Workspace,
    given: tuple[Contract, Snapshot, LearnedRows],
    place: tuple[int, int],
    ends: list[int],
    who: str,
) -> list[float]:
    """What the model of one moment loses in each later period."""
    contract, snapshot, rows = given
    begin, at = place
    learn, later = slice(begin, ends[at]), slice(ends[at], ends[-1])
    part = LearnedRows(
        inputs=take(rows.inputs, learn),
        labels=rows.labels[learn],
        times_us=rows.times_us[learn],
        weights=rows.weights[learn],
        skipped=rows.skipped,
    )
    with tempfile.TemporaryDirectory(prefix="mainstay-experiment-") as folder:
        into = Path(folder)
        task = task_of(workspace, (contract, snapshot, part), into, who)
        examples = Examples(inputs=take(rows.inputs, later), expected=rows.labels[later])
        (into / "asked").write_bytes(encode_examples(examples))
        what = Later(
            task=task,
            asked=str(into / "asked"),
            ends=tuple(end - ends[at] for end in ends[at + 1 :]),
        )
        file = into / "later.json"
        file.write_bytes(msgspec.json.encode(what))
        found = in_child("mainstay.renew.training.backtest", file, Aged, contract)
    return [float("nan") if loss is None else loss for loss in found.losses]
