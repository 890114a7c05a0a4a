"""A version that answers in place of another one: the rows it can take, judged as its own are.

Promises that what it says went through its own judgement; that a row it may not take, or whose
answer it may not show, comes back with the reason; and that its model is never asked twice at once,
however many versions fall back on it. Must never fall back itself, so chains cannot go in circles.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mainstay.bundle.answers import form_of
from mainstay.bundle.calibration import correction_for
from mainstay.contract.columns import MATRIX, Column, Columns, take
from mainstay.contract.model import (
    Contract,
    FromLookup,
    Input,
)
from mainstay.contract.values import Checker
from mainstay.judge.flow import Flow
from mainstay.judge.model import ANSWERED, Case, Other, Places
from mainstay.judge.present import Presented, present

_WITHHELD = "it withheld its answer"


@dataclass(slots=True, frozen=True)
class Stood:
    """What became of some rows."""

    good: Places
    """Those that are answered, counted among the rows that were asked."""
    output: Column
    """Of the answered rows."""
    shown: Presented
    """Of the answered rows."""
    refused: dict[int, str]
    """The others, and why."""


@dataclass(slots=True, frozen=True)
class Judged:
    """What a version said to some rows, and what its own judgement made of that."""

    part: Case
    """The rows that it may take."""
    asked: Places
    """Their places among the rows that were handed in."""
    untaken: dict[int, str]
    """The other places, and why."""

    @property
    def good(self) -> Places:
        """The rows of `part` that are answered."""
        return np.flatnonzero(self.part.statuses == ANSWERED)

    def refused(self) -> dict[int, str]:
        """The places that are not answered, and why."""
        refused = dict(self.untaken)
        for place in np.flatnonzero(self.part.statuses != ANSWERED).tolist():
            refused[int(self.asked[place])] = self.part.reasons.get(place) or _WITHHELD
        return refused


class Standby:
    """One such version with its judgement, folded once."""

    def __init__(self, other: Other, flow: Flow) -> None:
        self.number = other.number
        self._loaded = other.loaded
        self._turn = other.turn
        self._flow = flow
        contract = other.loaded.manifest.contract
        self._checker = Checker(contract)
        self._context = _context_names(contract)
        calibration = other.loaded.manifest.calibration
        self._present = present(contract, correction_for(contract, calibration))

    @property
    def takes(self) -> tuple[str, ...]:
        """Its inputs."""
        return self._checker.names

    def __call__(self, case: Case, rows: Places) -> Stood:
        """Its answers to some rows of a case. Raises what its model raises."""
        judged = self.judged(case, rows)
        good = judged.good
        output = judged.part.output[good]
        return Stood(judged.asked[good], output, self._present(output, {}), judged.refused())

    def judged(self, case: Case, rows: Places) -> Judged:
        """The same with all that its judgement looked at, before anything is put into words."""
        inputs = self._inputs(case, rows)
        refused = {
            problem.row or 0: problem.message for problem in self._checker.check_columns(inputs)
        }
        asked = np.arange(len(rows))
        if refused:
            asked = np.array([row for row in range(len(rows)) if row not in refused], dtype=np.intp)
            inputs = take(inputs, asked)
        return Judged(self._judged(case, inputs, rows[asked]), asked, refused)

    def _inputs(self, case: Case, rows: Places) -> Columns:
        columns = {name: case.column(name)[rows] for name in self._checker.names}
        if not self._checker.numeric:
            return columns
        return {MATRIX: np.column_stack([c.astype(np.float64) for c in columns.values()])}

    def _judged(self, case: Case, inputs: Columns, rows: Places) -> Case:
        context = {name: case.context[name][rows] for name in self._context}
        callers = case.callers
        if len(rows):
            with self._turn:
                output = self._loaded.predict(self._loaded.extract({**inputs, **context}))
        else:
            output = np.empty((0, 2))
        part = Case(
            rows=len(rows),
            inputs=inputs,
            context=context,
            output=output,
            names=self._checker.names,
            callers=lambda: [callers()[row] for row in rows.tolist()],
            time_ns=case.time_ns,
            statuses=np.zeros(len(rows), dtype=np.uint8),
            reasons={},
        )
        if len(rows):
            self._flow(part)
        return part


def _context_names(contract: Contract) -> tuple[str, ...]:
    names: list[str] = []
    for name, source in contract.context.items():
        if isinstance(source, FromLookup):
            names += [f"{name}.{field}" for field in source.fields]
        else:
            names.append(name)
    return tuple(names)


def unfit(contract: Contract, other: Contract) -> str:
    """Why a version cannot answer in place of another one, in words; nothing when it can.

    It is handed what the other one was sent, and whoever asked reads the other one's form.
    """
    why = inputs_unfit(contract.inputs, other.inputs, contract.model)
    if why:
        return why
    for name, source in other.context.items():
        if contract.context.get(name) != source:
            return f"it needs the context {name!r}, which {contract.model} does not gather so"
    if form_of(contract.output) != form_of(other.output):
        return f"it does not answer in the form of {contract.model}: the same type and classes"
    return ""


def inputs_unfit(given: Mapping[str, Input], taken: Mapping[str, Input], model: str) -> str:
    """Why a version that takes these inputs cannot be handed what a model has, in words."""
    for name, kind in taken.items():
        mine = given.get(name)
        if mine is None:
            return f"it takes the input {name!r}, which {model} has not"
        if type(kind) is not type(mine):
            tags = mine.__struct_config__.tag, kind.__struct_config__.tag
            return f"its input {name!r} is a {tags[1]}, that of {model} a {tags[0]}"
        if mine.optional and not kind.optional:
            return f"its input {name!r} must be there, that of {model} may be missing"
        if getattr(mine, "length", None) != getattr(kind, "length", None):
            return f"its input {name!r} has another length than that of {model}"
        if getattr(mine, "space", None) != getattr(kind, "space", None):
            return f"its input {name!r} lives in another embedding space"
    return ""
