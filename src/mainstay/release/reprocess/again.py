"""Recorded rows through all steps of another version: what was asked then, answered now.

Promises that inputs and context are those of the time, so nothing is looked up anew; that each
answer is a decision of its own, which names the one that it replaces; and that a row which the
version cannot answer is named, and holds up no other. Judgement that counts over time (budgets,
moving means) begins anew: a correction is nothing that somebody was shown. Pure but for the ids.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from mainstay.access.model import Caller
from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.bundle.calibration import correction_for
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Columns, decode, take
from mainstay.contract.model import columns_of
from mainstay.contract.values import Checker
from mainstay.journal.model import STATUSES, DecisionBatch
from mainstay.judge.present import NOTHING_INSTEAD, present
from mainstay.release.reprocess.model import DOOR, Refused, Told, Value
from mainstay.serve.model import Call, Ids, Run
from mainstay.serve.pipeline import Pipeline

ROWS: Final = 256
"""So many rows are answered in one run."""
_SAID: Final = frozenset({"answered", "asked"})


class Old(NamedTuple):
    """One recorded row."""

    id: str
    caller: str
    inputs: Columns
    context: Columns
    told: Told


class Answered(NamedTuple):
    """What one run came to; nothing is kept yet."""

    batches: list[DecisionBatch]
    values: list[Value]
    refused: list[Refused]


class Reading:
    """Reads the decisions of one version as its contract has them."""

    def __init__(self, manifest: Manifest, number: int) -> None:
        contract = manifest.contract
        self._number = number
        self._checker = Checker(contract)
        self._present = present(contract, correction_for(contract, manifest.calibration))

    def rows(self, batch: DecisionBatch, skip: Container[str]) -> Iterator[Old]:
        """The rows of a run whose ids are not to be skipped."""
        ids = ids_of(batch)
        wanted = [row for row, id_ in enumerate(ids) if id_ not in skip]
        if not wanted:
            return
        inputs = self._checker.spread(decode(batch.inputs))
        context = decode(batch.context) if batch.context else {}
        said = self._present(decode(batch.outputs)["output"], NOTHING_INSTEAD).answers()
        for row in wanted:
            status = STATUSES[batch.statuses[row]]
            one = slice(row, row + 1)
            yield Old(
                id=ids[row],
                caller=batch.callers[row if len(batch.callers) > 1 else 0],
                inputs=take(inputs, one),
                context=take(context, one),
                told=Told(
                    version=self._number,
                    status=status,
                    answer=said[row] if status in _SAID else None,
                ),
            )


class Again:
    """Lets one version answer recorded rows."""

    def __init__(self, pipeline: Pipeline, clock: Clock) -> None:
        """`pipeline` has the arm of shadows."""
        contract = pipeline.contract
        self._pipeline = pipeline
        self._clock = clock
        self._inputs = tuple(contract.inputs)
        self._context = tuple(columns_of({}, contract.context))

    def answer(self, rows: Sequence[Old]) -> Answered:
        """Answer rows, however many; those of one form together."""
        result = Answered([], [], [])
        fitting: list[Old] = []
        for row in rows:
            missing = self._missing(row)
            if missing:
                words = f"v{self._pipeline.route.number} takes {missing}, which was not recorded"
                result.refused.append(Refused(id=row.id, words=words))
            else:
                fitting.append(row)
        for _, alike in groupby(fitting, _form):
            self._together(list(alike), result)
        return result

    def _missing(self, row: Old) -> str:
        there = row.inputs.keys() | row.context.keys()
        return ", ".join(name for name in (*self._inputs, *self._context) if name not in there)

    def _together(self, rows: list[Old], result: Answered) -> None:
        """Answer rows in one run; where the version fails, one by one, so that one row that it
        cannot answer does not keep the others from being answered."""
        calls = [self._call(row) for row in rows]
        try:
            run, refusals = self._pipeline.run(calls)
        except MainstayError as error:
            if len(rows) == 1:
                result.refused.append(Refused(id=rows[0].id, words=error.message))
                return
            for row in rows:
                self._together([row], result)
            return
        for place, refusal in refusals.items():
            result.refused.append(Refused(id=rows[place].id, words=refusal.message))
        if run is not None:
            batch = self._pipeline.decisions(run)
            result.batches.append(batch)
            answered = [row for place, row in enumerate(rows) if place not in refusals]
            result.values.extend(self._values(answered, run, batch))

    def _call(self, row: Old) -> Call:
        inputs = {name: row.inputs[name] for name in self._inputs}
        return Call(
            caller=Caller(name=row.caller),
            door=DOOR,
            request="",
            inputs=self._pipeline.normal(inputs),
            context={name: row.context[name] for name in self._context},
            rows=1,
            received_ns=self._clock.elapsed_ns(),
            shadows=(row.id,),
        )

    def _values(self, rows: Sequence[Old], run: Run, batch: DecisionBatch) -> Iterable[Value]:
        said, told = run.shown.answers(), {*_SAID, "fallback"}
        for place, (row, new) in enumerate(zip(rows, ids_of(batch), strict=True)):
            status = STATUSES[run.statuses[place]]
            answer = said[place] if status in told else None
            after = Told(version=self._pipeline.route.number, status=status, answer=answer)
            yield Value(replaces=row.id, id=new, before=row.told, after=after)


def ids_of(batch: DecisionBatch) -> list[str]:
    """The ids of the decisions of a run."""
    mark = f"{batch.time_ms:012x}{batch.incarnation:08x}"
    return Ids(mark, batch.first_sequence, batch.rows).listed()


def _form(row: Old) -> Mapping[str, str]:
    """What must be the same of rows that are answered together."""
    return {name: np.asarray(c).dtype.str for name, c in (row.inputs | row.context).items()}
