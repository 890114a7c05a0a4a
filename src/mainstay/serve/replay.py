"""Replay: a recorded model run, made again, and compared with what was answered then.

Promises that rows go through the version's own extractor and model in the very batch they were in,
so that the answer is the same bit for bit; and that where it is not, the first thing that differs
is named: the features, or with equal features the output. A run without the model (its version was
stopped, or failed) has no output to compare: the rest is, and the replay says so. Judgement is made
again where it looks at nothing but the run: not where it counts over time or asks another model.
Pure: it is handed the version and the record, and changes neither.
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.bundle.noise import apart
from mainstay.bundle.port import Loaded
from mainstay.contract.columns import MATRIX, Column, Columns, decode
from mainstay.contract.values import Checker
from mainstay.journal.model import STATUSES, DecisionBatch, Layout
from mainstay.judge.compile import compile_flow, stateless
from mainstay.judge.model import Case, Means
from mainstay.serve.pipeline import no_output

Verdict = Literal["same", "within", "different"]

_SHOWN_MAX = 20
_OUTPUT = "output"
_PREDICT = "predict"
_JUDGEMENT = "judgement"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One value that came out otherwise."""

    row: int
    where: str
    """`features.<name>` or `output.<name>`."""
    recorded: str
    replayed: str


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run."""

    verdict: Verdict
    """`same`: bit for bit; `within`: by no more than the version's own tolerance."""
    rows: int
    compared: tuple[str, ...]
    largest_difference: float
    tolerance: float
    differences: tuple[Difference, ...] = ()
    """The first of them; where the features differ, the output is not compared."""
    without_model: bool = False
    """The model had no part in the run: something else answered, or nothing."""

    def __str__(self) -> str:
        rows = f"{self.rows} row{'s' if self.rows != 1 else ''}"
        if self.without_model:
            return f"it was answered without the model ({rows}); {self._of_the_rest()}"
        if self.verdict == "same":
            return f"the same answer, bit for bit ({rows}, the run it was made in)"
        if self.verdict == "within":
            return (
                f"the same answer within the version's tolerance: it differs by "
                f"{self.largest_difference:.3g}, {self.tolerance:.3g} is allowed ({rows})"
            )
        first = self.differences[0] if self.differences else None
        said = f": {first.where} was {first.recorded} and is {first.replayed}" if first else ""
        return f"another answer{said}"

    def _of_the_rest(self) -> str:
        if not self.compared:
            return "nothing of it can be made again"
        what = " and ".join(self.compared)
        first = self.differences[0] if self.differences else None
        if first is not None and self.verdict == "different":
            return (
                f"its {what} come out otherwise: {first.where} was {first.recorded} and is "
                f"{first.replayed}"
            )
        return f"its {what} come out the same"


def replay(loaded: Loaded, batch: DecisionBatch, layout: Layout) -> Replayed:
    """Make a recorded run again."""
    tolerance = loaded.manifest.runs.tolerance
    columns = decode(batch.inputs)
    if batch.context:
        columns.update(decode(batch.context))
    compared: list[str] = []
    largest = 0.0
    if batch.steps_ns and _PREDICT not in batch.steps_ns:
        return _replay_rest(loaded, batch, layout, columns)
    features = loaded.extract(columns)
    if batch.features:
        compared.append("features")
        found = _compare("features", decode(batch.features), features, layout.features)
        if found.differences and found.largest > tolerance:
            return _told("different", batch, compared, found, tolerance)
        largest = found.largest
    compared.append(_OUTPUT)
    recorded = decode(batch.outputs)
    judged = _judged_otherwise(loaded, batch, recorded[_OUTPUT])
    outputs = {_OUTPUT: loaded.predict(features)}
    found = _compare(_OUTPUT, recorded, outputs, layout.outputs)
    found = _Found(max(largest, found.largest), found.differences)
    if judged is not None:
        compared.append(_JUDGEMENT)
        if judged and found.largest <= tolerance:
            return _told("different", batch, compared, _Found(found.largest, judged), tolerance)
    if not found.differences and not largest:
        return _told("same", batch, compared, found, tolerance)
    within = found.largest <= tolerance
    return _told("within" if within else "different", batch, compared, found, tolerance)


def _replay_rest(
    loaded: Loaded, batch: DecisionBatch, layout: Layout, columns: Columns
) -> Replayed:
    """Make again what there is of a run without the model."""
    tolerance = loaded.manifest.runs.tolerance
    compared: list[str] = []
    found = _Found(0.0, [])
    if batch.features:
        compared.append("features")
        features = loaded.extract(columns)
        found = _compare("features", decode(batch.features), features, layout.features)
    verdict: Verdict = "same"
    if found.differences:
        verdict = "within" if found.largest <= tolerance else "different"
    judged = _judged_otherwise(loaded, batch, None)
    if judged is not None:
        compared.append(_JUDGEMENT)
        if judged and verdict != "different":
            verdict, found = "different", _Found(found.largest, judged)
    told = _told(verdict, batch, compared, found, tolerance)
    return msgspec.structs.replace(told, without_model=True)


def _judged_otherwise(
    loaded: Loaded, batch: DecisionBatch, output: Column | None
) -> list[Difference] | None:
    """Rows whose status comes out otherwise when the recorded output is judged again; nothing where
    judgement looks at more than the run."""
    contract, manifest = loaded.manifest.contract, loaded.manifest
    if not stateless(contract):
        return None
    checker = Checker(contract)
    nothing = no_output(contract.output, batch.rows)
    statuses = np.zeros(batch.rows, dtype=np.uint8)
    case = Case(
        rows=batch.rows,
        inputs=decode(batch.inputs),
        context=decode(batch.context) if batch.context else {},
        output=nothing if output is None else output,
        names=checker.names,
        callers=lambda: [""] * batch.rows,
        time_ns=batch.time_ms * 1_000_000,
        statuses=statuses,
        reasons={},
    )
    means = Means(calibration=manifest.calibration, known=loaded.known)
    flow = compile_flow(contract, means)
    if output is None:
        flow.without_model(case, "")
    else:
        flow(case)
    return [
        Difference(
            row=row,
            where="status",
            recorded=STATUSES[batch.statuses[row]],
            replayed=STATUSES[int(statuses[row])],
        )
        for row in np.flatnonzero(statuses != np.frombuffer(batch.statuses, np.uint8)).tolist()
    ]


def _told(
    verdict: Verdict,
    batch: DecisionBatch,
    compared: list[str],
    found: "_Found",
    tolerance: float,
) -> Replayed:
    return Replayed(
        verdict=verdict,
        rows=batch.rows,
        compared=tuple(compared),
        largest_difference=found.largest,
        tolerance=tolerance,
        differences=tuple(found.differences[:_SHOWN_MAX]),
    )


class _Found(msgspec.Struct, frozen=True):
    largest: float
    """Infinite where values differ that no number can tell apart."""
    differences: list[Difference]


def _compare(where: str, recorded: Columns, replayed: Columns, names: tuple[str, ...]) -> _Found:
    """What differs between two batches, value by value and bit by bit."""
    largest = 0.0
    differences: list[Difference] = []
    for name in sorted({*recorded, *replayed}):
        before, after = recorded.get(name), replayed.get(name)
        place = where if name in {MATRIX, _OUTPUT} else f"{where}.{name}"
        if before is None or after is None or _form(before) != _form(after):
            differences.append(
                Difference(row=0, where=place, recorded=_form(before), replayed=_form(after))
            )
            largest = float("inf")
            continue
        spot, by = _compare_columns(before, after)
        largest = max(largest, by)
        differences += [
            Difference(
                row=int(index[0]),
                where=_name_of(place, index, names),
                recorded=str(before[tuple(index)]),
                replayed=str(after[tuple(index)]),
            )
            for index in spot[:_SHOWN_MAX]
        ]
    return _Found(largest, differences)


def _compare_columns(before: Column, after: Column) -> tuple[npt.NDArray[np.intp], float]:
    """The places at which two columns of one shape differ, and by how much at most."""
    found = apart(before, after)
    places = np.argwhere(found.differs)
    if not len(places):
        return places, 0.0
    return places, float(np.max(found.by)) if before.dtype.kind == "f" else float("inf")


def _form(column: Column | None) -> str:
    return "nothing" if column is None else f"{column.dtype} of shape {column.shape}"


def _name_of(place: str, index: npt.NDArray[np.intp], names: tuple[str, ...]) -> str:
    """The name of a value in a matrix or an output, where it has one."""
    if len(index) > 1 and index[1] < len(names):
        return f"{place}.{names[int(index[1])]}"
    return place if len(names) != 1 else f"{place}.{names[0]}"
