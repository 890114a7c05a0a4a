"""Several versions in force for one model: who answers a call, and who shadows it.

Promises that every row is answered by the version that its unit is drawn to, on every replica the
same; that a call whose rows belong to several versions is taken apart, answered by all of them and
put together again in its own order, as one answer or one error; and that a shadow sees what the
live version has answered already, in a line of its own, so nothing it does can be noticed by whom
it shadows. Shadows are bounded: what comes while one is behind, or while callers wait, is dropped
and counted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from msgspec import structs

from mainstay.base.draws import draw
from mainstay.base.errors import MainstayError, ModelFailed, Overloaded, TooLate
from mainstay.base.limits import SHADOW_ROWS_MAX, SHADOW_YIELDS_TO_ROWS
from mainstay.bundle.answers import form_of
from mainstay.contract.columns import MATRIX, take
from mainstay.contract.model import (
    Contract,
    Input,
    Vector,
)
from mainstay.contract.problems import Problem, refusal
from mainstay.judge.present import woven
from mainstay.serve.join import Joiner, Tell, Told
from mainstay.serve.model import Answer, Call, OwnIds, Row
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.assign import Chose, assign, is_held_out, nobody, shadowed
from mainstay.serve.routes.model import Arm, Route

MIXED = "mixed"
"""The arm of an answer whose rows were answered by several versions."""


class Version(Protocol):
    """One version as a mixture needs it."""

    @property
    def route(self) -> Route:
        """Its number and fingerprint stand where those of the live version would."""
        ...

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def joiner(self) -> Joiner: ...


@dataclass(slots=True, frozen=True)
class Missed:
    """Rows that a version did not answer: a shadow, or one that somebody waited for."""

    route: Route
    rows: int
    why: str
    """`dropped`: a shadow had no time for them; `failed`: the model could not."""
    arm: str = "shadow"
    draws: tuple[float, ...] = ()
    """The units' numbers, each once: they tell units apart and do not name them."""


@dataclass(slots=True, frozen=True)
class HeldOut:
    """The units that are answered without the model, whatever the route."""

    version: Version
    share: float
    unit: str
    """The input that names a unit."""


class Mixture:
    """The line in front of all versions of one model. Lives on one event loop."""

    def __init__(
        self,
        route: Route,
        live: Version,
        arms: Mapping[Arm, Version],
        missed: Callable[[Missed], None],
        chose: Chose = nobody,
        held_out: HeldOut | None = None,
    ) -> None:
        """`route` has only those arms that are in force here, and `arms` a version for each;
        `chose` says who went back."""
        self.route = route
        self._chose = chose
        self._held_out = held_out
        self._live = live
        self._arms = arms
        self._missed = missed
        self._shadows = [(arm, arms[arm]) for arm in route.arms if arm.role == "shadow"]
        self._names = live.pipeline.checker.names

    def submit(self, call: Call, tell: Tell) -> None:
        """Stand in the lines that the call's units are drawn to; `tell` is called once."""
        units = self._units(call, self.route.unit)
        who = self._who(call, units)
        rows_of: dict[int, list[int]] = {}
        for row, version in enumerate(who):
            rows_of.setdefault(id(version), []).append(row)
        if len(rows_of) == 1:
            self._send(who[0], call, units, tell)
            return
        parts = [_Part(who[rows[0]], _part_of(call, rows), rows) for rows in rows_of.values()]
        _refuse_bad(parts, call.rows)
        merging = _Merging(self._live.route, len(parts), tell)
        for part in parts:
            own = [units[row] for row in part.rows]
            tell_part = merging.teller(part.rows)
            try:
                self._send(part.version, part.call, own, tell_part)
            except Overloaded as error:
                tell_part(error)

    def _who(self, call: Call, units: list[str]) -> list[Version]:
        """Who answers each row. Who is held out is held out of everything."""
        known = {unit: self._drawn(unit) for unit in set(units)}
        who = [known[unit] for unit in units]
        held_out = self._held_out
        if held_out is not None:
            for row, unit in enumerate(self._units(call, held_out.unit)):
                if is_held_out(self.route.model, unit, held_out.share):
                    who[row] = held_out.version
        return who

    def _drawn(self, unit: str) -> Version:
        if not self.route.arms:
            return self._live
        arm, _ = assign(self.route, unit, self._chose)
        return self._live if arm is None else self._arms[arm]

    def _units(self, call: Call, name: str) -> list[str]:
        """The unit of each row: the value of an input, or without a name the caller."""
        if not name:
            return [call.caller.name] * call.rows
        if MATRIX in call.inputs:
            column = call.inputs[MATRIX][:, self._names.index(name)]
        else:
            column = call.inputs[name]
        return [unit_of(value) for value in column.tolist()]

    def _send(self, version: Version, call: Call, units: list[str], tell: Tell) -> None:
        def then(told: Told) -> None:
            tell(told)
            if not isinstance(told, Answer):
                self._note_failure(version, units, told)
            elif version is self._live and self._shadows:
                self._shadow(call, units, told)

        version.joiner.submit(call, then)

    def _note_failure(self, version: Version, units: list[str], error: MainstayError) -> None:
        if isinstance(error, ModelFailed | TooLate):
            draws = tuple({draw(self.route.salt, unit) for unit in units})
            arm = version.pipeline.arm
            self._missed(Missed(version.route, len(units), "failed", arm, draws))

    def _shadow(self, call: Call, units: list[str], answer: Answer) -> None:
        """Let the shadows answer what was answered."""
        for arm, version in self._shadows:
            rows = [row for row, unit in enumerate(units) if shadowed(self.route, arm, unit)]
            if not rows:
                continue
            part = call if len(rows) == call.rows else _part_of(call, rows)
            ids = tuple(answer.ids[row] for row in rows)
            shadow = structs.replace(part, door="shadow", shadows=ids)
            self._submit_shadow(version, shadow, [units[row] for row in rows])

    def _submit_shadow(self, version: Version, call: Call, units: list[str]) -> None:
        behind = version.joiner.waiting_rows + call.rows > SHADOW_ROWS_MAX
        if behind or self._live.joiner.waiting_rows > SHADOW_YIELDS_TO_ROWS:
            self._missed(Missed(version.route, call.rows, "dropped"))
            return

        def tell(told: Told) -> None:
            if not isinstance(told, Answer):
                self._note_failure(version, units, told)

        try:
            version.joiner.submit(call, tell)
        except Overloaded:
            self._missed(Missed(version.route, call.rows, "dropped"))


def unit_of(value: Any) -> str:
    """The value of an input as the unit it names: 7 and 7.0 are one, missing ones are one."""
    if value is None:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        if value.is_integer():
            return str(int(value))
    return str(value)


def why_not(live: Contract, arm: Contract, unit: str) -> str:
    """Why a version cannot be an arm beside another one, in words; nothing when it can.

    Callers write to one model and must be understood, and be answered in one form, by whichever
    version they are drawn to. Ranges may differ: each version checks its own.
    """
    if unit and unit not in live.inputs:
        return f"the unit {unit!r} is no input of {live.model}: it has {', '.join(live.inputs)}"
    if unit and isinstance(live.inputs[unit], Vector):
        return f"the unit {unit!r} is a vector, which names nobody"
    if tuple(live.inputs) != tuple(arm.inputs):
        odd = sorted(live.inputs.keys() ^ arm.inputs.keys())
        what = f"({', '.join(odd)})" if odd else "(their order)"
        return f"its inputs are not those of the live version {what}"
    for name, kind in live.inputs.items():
        other = arm.inputs[name]
        if _form(kind) != _form(other):
            return f"its input {name} has another type than in the live version"
    if live.repair != arm.repair:
        return "it repairs values otherwise than the live version, which reads them first"
    if live.context != arm.context or live.lookups != arm.lookups:
        return "its context is not gathered as the live version's is"
    if form_of(live.output) != form_of(arm.output):
        return "its output has another shape than the live version's, so callers could not read it"
    return ""


def _form(kind: Input) -> tuple[Any, ...]:
    vector = (kind.length, kind.space) if isinstance(kind, Vector) else ()
    return (type(kind).__name__, kind.optional, *vector)


@dataclass(slots=True, frozen=True)
class _Part:
    version: Version
    call: Call
    rows: list[int]
    """Its rows, as the whole call counts them."""


def _part_of(call: Call, rows: list[int]) -> Call:
    """Some rows of a call, as a call."""
    chosen = np.array(rows)
    notes = {place: call.notes[row] for place, row in enumerate(rows) if row in call.notes}
    places = {row: place for place, row in enumerate(rows)}
    repaired = tuple(
        structs.replace(change, row=places[change.row])
        for change in call.repaired
        if change.row in places
    )
    return structs.replace(
        call,
        repaired=repaired,
        inputs=take(call.inputs, chosen),
        context=take(call.context, chosen),
        rows=len(rows),
        notes=notes,
    )


def _refuse_bad(parts: Sequence[_Part], rows: int) -> None:
    """Refuse a call before any part of it is answered, in the row numbers that it was sent in."""
    found: list[Problem] = []
    for part in parts:
        for problem in part.version.pipeline.check(part.call.inputs):
            place = None if problem.row is None else part.rows[problem.row]
            found.append(structs.replace(problem, row=place))
    if found:
        raise refusal(sorted(found, key=lambda problem: problem.row or 0), rows)


class _Merging:
    """Waits for the parts of one call."""

    def __init__(self, live: Route, parts: int, tell: Tell) -> None:
        self._live = live
        self._left = parts
        self._tell = tell
        self._answers: list[tuple[list[int], Answer]] = []

    def teller(self, rows: list[int]) -> Tell:
        """What the version that answers these rows calls."""

        def tell(told: Told) -> None:
            if isinstance(told, MainstayError):
                if self._left > 0:
                    self._left = 0
                    self._tell(told)
                return
            self._answers.append((rows, told))
            self._left -= 1
            if not self._left:
                self._tell(merged(self._live, self._answers))

        return tell


def merged(live: Route, parts: Sequence[tuple[list[int], Answer]]) -> Answer:
    """The answers to the parts of a call as the answer to the whole of it."""
    order = np.argsort(np.concatenate([np.array(own) for own, _ in parts]))
    cells = [
        (row, identity, status, reason, answer)
        for own, answer in parts
        for row, identity, status, reason in zip(
            own, answer.ids, answer.statuses, answer.reasons, strict=True
        )
    ]
    cells.sort(key=itemgetter(0))
    return Answer(
        live.model,
        live.number,
        live.fingerprint,
        live.epoch,
        OwnIds([cell[1] for cell in cells]),
        np.concatenate([answer.output for _, answer in parts])[order],
        woven([(own, answer.shown) for own, answer in parts]),
        [cell[2] for cell in cells],
        [cell[3] for cell in cells],
        parts[0][1].contract,
        MIXED,
        [Row(cell[4].arm, cell[4].number) for cell in cells],
        {own[n]: said for own, answer in parts for n, said in answer.words.items()},
    )
