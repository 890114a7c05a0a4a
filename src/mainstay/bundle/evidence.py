"""How much the confidence set knows of which values, and where the model errs more often.

Promises small figures that say where there is little to go by: for each input the range that
numbers usually lie in and their tenths, or its values, with how many rows there were and how often
the model was wrong. A part is called worse only when chance does not explain it, however many parts
were looked at. Limits: `INPUTS_SHOWN_MAX` inputs and `PARTS_MAX` values of each; texts, moments and
vectors are not looked into.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.judgement import Evidence, InputEvidence, Part
from mainstay.bundle.metrics import wilson
from mainstay.contract.columns import Column, Columns, rows_of
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Input,
    Integer,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
)

INPUTS_SHOWN_MAX: Final = 60
PARTS_MAX: Final = 40
_TENTHS: Final = 10
_WORSE_BY: Final = 3.5
"""Standard errors: by chance alone one of two thousand parts would look so bad."""
_ROWS_MIN: Final = 30
_Z: Final = 1.959963984540054
_Floats = npt.NDArray[np.float64]


def evidence_of(
    contract: Contract, inputs: Columns, raw: Column, labels: Column | None
) -> Evidence:
    """What these rows tell; `raw` is what the version answered to them."""
    errors = None if labels is None else _errors(contract.output, raw, labels)
    known = np.zeros(0) if errors is None else errors[~np.isnan(errors)]
    shown = list(contract.inputs.items())[:INPUTS_SHOWN_MAX]
    found = [_input(name, kind, inputs[name], errors) for name, kind in shown if name in inputs]
    overall = float(known.mean()) if known.size else None
    return Evidence(
        rows=rows_of(inputs),
        labelled=int(known.size),
        error=None if overall is None else round(overall, 6),
        interval=_interval(contract.output, known),
        inputs=tuple(each for each in found if each is not None),
    )


def _errors(output: Output, raw: Column, labels: Column) -> _Floats | None:
    """How wrong each row is; NaN where nobody knows."""
    if isinstance(output, (Probability, Label)):
        wrong = (chosen_classes(output, raw) != labels).astype(np.float64)
        return np.where(labels >= 0, wrong, np.nan)
    if isinstance(output, NumberOutput):
        return np.abs(raw.astype(np.float64) - labels)
    return None


def _interval(output: Output, known: _Floats) -> tuple[float, float] | None:
    if known.size < 2:
        return None
    middle = float(known.mean())
    if isinstance(output, NumberOutput):
        half = _Z * float(known.std(ddof=1)) / known.size**0.5
        return round(max(0.0, middle - half), 6), round(middle + half, 6)
    low, high = wilson(middle, known.size, _Z)
    return round(low, 6), round(high, 6)


def _input(name: str, kind: Input, column: Column, errors: _Floats | None) -> InputEvidence | None:
    if column.ndim != 1:
        return None
    match kind:
        case Number() | Integer():
            return _numbers(name, column.astype(np.float64), errors)
        case Category() | Boolean():
            return _values(name, column, errors)
        case _:
            return None


def _numbers(name: str, column: _Floats, errors: _Floats | None) -> InputEvidence:
    there = ~np.isnan(column)
    values = column[there]
    if not values.size:
        return InputEvidence(input=name, missing=int((~there).sum()), parts=())
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _TENTHS + 1)))
    low, high = (float(each) for each in np.quantile(values, (0.01, 0.99)))
    places = np.searchsorted(edges[1:-1], values, side="right")
    parts: list[Part] = []
    for place in range(max(1, len(edges) - 1)):
        inside = np.flatnonzero(there)[places == place]
        if inside.size:
            bottom, top = float(edges[place]), float(edges[min(place + 1, len(edges) - 1)])
            parts.append(_part(inside, errors, low=bottom, high=top))
    return InputEvidence(
        input=name, missing=int((~there).sum()), usual=(low, high), parts=tuple(parts)
    )


def _values(name: str, column: Column, errors: _Floats | None) -> InputEvidence:
    texts = [_text(value) for value in column.tolist()]
    places: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if text is not None:
            places.setdefault(text, []).append(row)
    most = sorted(places, key=lambda text: (-len(places[text]), text))[:PARTS_MAX]
    parts = [_part(np.array(places[text]), errors, value=text) for text in most]
    return InputEvidence(input=name, missing=texts.count(None), parts=tuple(parts))


def _text(value: object) -> str | None:
    if value is None or value != value:  # noqa: PLR0124  # because only NaN differs from itself
        return None
    if isinstance(value, bool | float | int):
        return "true" if value else "false"
    return str(value)


def _part(
    rows: npt.NDArray[np.int64],
    errors: _Floats | None,
    *,
    value: str | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Part:
    own = np.zeros(0) if errors is None else errors[rows]
    own = own[~np.isnan(own)]
    error, worse = None, False
    if own.size and errors is not None:
        error = float(own.mean())
        everything = errors[~np.isnan(errors)]
        if own.size >= _ROWS_MIN:
            spread = float(everything.std()) / own.size**0.5
            worse = error - float(everything.mean()) > _WORSE_BY * spread > 0
    shown = None if error is None else round(error, 6)
    return Part(value=value, low=low, high=high, rows=int(rows.size), error=shown, worse=worse)
