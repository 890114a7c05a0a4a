"""How often a model should be trained anew, found by training it again over its own history.

Promises that each training sees what had been decided by its moment and no more, runs as `mainstay
retrain` would run it, and keeps no version; and that the journal is read once, as one snapshot.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import structs

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.contract.columns import take
from mainstay.contract.model import Contract
from mainstay.renew.schedule.model import Floats, Losses, Prices
from mainstay.renew.schedule.recommend import PERIODS_MIN, Advice, advise
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.training.backtest import Aged, Later
from mainstay.renew.training.model import KEPT, ROWS_MIN, SCRATCH
from mainstay.wiring.snapshotting import define, rows_of, take_snapshot
from mainstay.wiring.training import BEFORE, LearnedRows, in_child, learned_rows, task_of, trainable
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
    start: bool = False
    """Besides starting from scratch: from what the training of the period before left."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way of learning, and the advice for it."""

    window_ns: int
    """It learns from decisions of so long; 0: from all."""
    start: str
    """From `scratch`, or from what the training of the period `before` left."""
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
    history = _History(workspace, (contract, snapshot, rows), ends, who)
    ways = list(
        product(
            (_EVERYTHING, *sorted(set(asked.windows_ns))),
            (SCRATCH, BEFORE) if asked.start else (SCRATCH,),
        )
    )
    todo = len(ways) * (len(ends) - 1)
    counts = np.diff([0, *ends])
    variants: list[Variant] = []
    for number, (window_ns, start) in enumerate(ways):
        trained = number * (len(ends) - 1)
        table = history.losses(
            window_ns, start, lambda done, before=trained: tell(before + done, todo)
        )
        losses = Losses(table=table, rows=counts.astype(np.float64))
        known = [[None if np.isnan(v) else float(v) for v in line] for line in table.tolist()]
        advice = advise(losses, asked.prices)
        variants.append(Variant(window_ns=window_ns, start=start, advice=advice, losses=known))
    variants.sort(key=lambda each: each.advice.followed.run.cost)
    return Frequency(
        model=asked.model,
        snapshot=snapshot.id,
        period_ns=period_us * 1000,
        rows=counts.tolist(),
        prices=asked.prices,
        variants=variants,
    )


@dataclass(frozen=True, slots=True)
class _History:
    """Labelled rows, cut into periods."""

    workspace: Workspace
    given: tuple[Contract, Snapshot, LearnedRows]
    ends: list[int]
    who: str

    def losses(self, window_ns: int, start: str, tell: Callable[[int], None]) -> Floats:
        """What the model of the end of each period loses in every later one."""
        periods = len(self.ends)
        table = np.full((periods, periods), np.nan)
        with tempfile.TemporaryDirectory(prefix="mainstay-experiment-") as folder:
            before: Path | None = None
            for at in range(periods - 1):
                into = Path(folder) / str(at)
                into.mkdir()
                table[at, at + 1 :] = self._aged(at, window_ns, into, before)
                left = into / KEPT
                if start == BEFORE and any(left.iterdir()):
                    before = left
                tell(at + 1)
        return table

    def _aged(self, at: int, window_ns: int, into: Path, before: Path | None) -> list[float]:
        """What the model of one moment loses in each later period."""
        contract, snapshot, rows = self.given
        end = self.ends[at]
        since_us = int(rows.times_us[end - 1]) - window_ns // 1000 if window_ns else 0
        learn = slice(int(np.searchsorted(rows.times_us, since_us)), end)
        part = rows.some(learn)
        task = task_of(self.workspace, (contract, snapshot, part), into, self.who)
        later = slice(end, self.ends[-1])
        examples = Examples(inputs=take(rows.inputs, later), expected=rows.labels[later])
        (into / "asked").write_bytes(encode_examples(examples))
        what = Later(
            task=structs.replace(task, before=str(before or "")),
            asked=str(into / "asked"),
            ends=tuple(each - end for each in self.ends[at + 1 :]),
        )
        file = into / "later.json"
        file.write_bytes(msgspec.json.encode(what))
        found = in_child("mainstay.renew.training.backtest", file, Aged, contract)
        return [float("nan") if loss is None else loss for loss in found.losses]


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
