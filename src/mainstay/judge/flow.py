"""The way of an answer through judgement, folded once from the contract.

    sense → the stages the contract declares → fallback for what was declined → the last stages

Promises that a contract which declares nothing pays for nothing but sense; that no stage sees the
rows of another run; and that what a fallback says is judged as well. A stage that breaks down
declines the rows of its run: a check that cannot run is a failing check.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column
from mainstay.contract.model import Contract
from mainstay.journal.model import STATUSES
from mainstay.judge.model import ANSWERED, DECLINED, Case, Mask, Stage
from mainstay.judge.sense import Sense

WITHHELD_BY: Final = "withheld_by"


class SenseStage:
    """Declines what makes no sense: not finite, out of range, of the wrong form."""

    def __init__(self, contract: Contract) -> None:
        self._sense = Sense(contract)

    def __call__(self, case: Case) -> None:
        good = self._sense(case.output)
        if good.all():
            return
        case.turn(~good, DECLINED, lambda row: self._sense.reason(case.output, row))


class Flow:
    """The judgement of one version."""

    def __init__(
        self,
        first: Sequence[Stage],
        fallback: Stage | None = None,
        last: Sequence[Stage] = (),
    ) -> None:
        """`last` judges what a fallback said too."""
        self._first = tuple(first)
        self._fallback = fallback
        self._last = tuple(last)
        stages = [*first, *([] if fallback is None else [fallback]), *last]
        self._names: tuple[str, ...] = ("model", *map(_name_of, stages))
        self._words = np.array(self._names, dtype=object)
        self._more_than_sense = len(stages) > 1

    @property
    def falls_back(self) -> bool:
        """Whether something else may answer what this version does not."""
        return self._fallback is not None

    def __call__(self, case: Case) -> None:
        """Judge every row of a run."""
        for stage in self._first:
            case.stage += 1
            _pass(stage, case)
        self._finish(case)

    def without_model(self, case: Case, why: str) -> None:
        """Judge a run that the model had no part in: whatever there is to say is a fallback."""
        everything: Mask = np.ones(case.rows, dtype=np.bool_)
        case.turn(everything, DECLINED, why)
        case.stage = len(self._first)
        self._finish(case)

    def _finish(self, case: Case) -> None:
        if self._fallback is not None:
            self._fall_back(self._fallback, case)
        for stage in self._last:
            case.stage += 1
            _pass(stage, case)
        if case.taken_by is not None:
            self._count(case, case.taken_by)
            if self._more_than_sense:
                case.judged[WITHHELD_BY] = self._takers(case, case.taken_by)

    @staticmethod
    def _fall_back(fallback: Stage, case: Case) -> None:
        """What took an answer back stays known, whatever is tried in its place."""
        case.stage += 1
        if case.taken_by is None:
            _pass(fallback, case)
            return
        declined = case.statuses == DECLINED
        before = case.taken_by[declined]
        _pass(fallback, case)
        case.taken_by[declined] = before

    def _takers(self, case: Case, taken_by: npt.NDArray[np.uint8]) -> Column:
        """Which check took back what: names for those rows, nothing elsewhere."""
        column: Column = self._words[taken_by]  # a copy
        column[case.statuses == ANSWERED] = None
        return column

    def _count(self, case: Case, taken_by: npt.NDArray[np.uint8]) -> None:
        """How many rows have which status that is not `answered`, because of which stage."""
        statuses: list[int] = np.unique(case.statuses).tolist()
        for status in statuses:
            if status == ANSWERED:
                continue
            places: list[int] = np.unique(taken_by[case.statuses == status]).tolist()
            for place in places:
                rows = int(np.count_nonzero((case.statuses == status) & (taken_by == place)))
                case.count("withheld", STATUSES[status], self._names[place], by=rows)


def _name_of(stage: Stage) -> str:
    """What a stage is called in metrics and where it breaks down."""
    return type(stage).__name__.removesuffix("Stage").lower()


def _pass(stage: Stage, case: Case) -> None:
    try:
        stage(case)
    except Exception as error:  # noqa: BLE001  # because a broken check must withhold, not crash the run
        everything: Mask = np.ones(case.rows, dtype=np.bool_)
        case.turn(everything, DECLINED, f"the check `{_name_of(stage)}` broke down: {error!r}")
