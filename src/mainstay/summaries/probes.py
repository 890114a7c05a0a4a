"""How a caller asks, row by row: signs of somebody who tries a model out rather than using it.

probe_far     the share of a row's inputs that are unusual: in the outer twentieth of the
              reference's numbers or lengths, or a category that it does not know
probe_near    1 where the model itself was nearly undecided
probe_swept   1 where, among a hundred rows of the caller, five or more differ in one input alone

Promises the same measure of the reference and of what came later, and time in proportion to rows
and columns. Limits: the first 64 inputs are looked at; who mixes several sweeps into less than five
in a hundred rows, or waits between two rows for the next sealed piece, is not seen to sweep.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from mainstay.contract.model import Contract, Probability, threshold_of
from mainstay.summaries.reference import Known
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Numbers, summarise
from mainstay.summaries.values import dimensions, values_of, vectors

PROBE: Final = "probe_"
"""How the names of these columns begin."""
FAR: Final = "probe_far"
NEAR: Final = "probe_near"
SWEPT: Final = "probe_swept"
MEAN: Final = Ruler("number")
"""Only the mean counts."""
COLUMNS_MAX: Final = 64
BLOCK_ROWS: Final = 100
"""So many rows in a row of one caller are looked at together."""
_SAME_LEAST: Final = 5
_OUTER: Final = 0.025
_UNDECIDED: Final = 0.05
"""So near to the threshold, or half as near to each other the two likeliest."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def probes(
    contract: Contract,
    inputs: Mapping[str, Sequence[Any]],
    outputs: Floats,
    known: Mapping[str, Known],
) -> dict[str, Known]:
    """All of them, of the rows of a reference: what is usual."""
    rows = len(outputs)
    columns = {FAR: far(inputs, known, rows), SWEPT: swept(inputs, rows)[0]}
    undecided = near(contract, outputs)
    if undecided is not None:
        columns[NEAR] = undecided
    return {
        name: Known(MEAN, summarise(values_of(column), MEAN)) for name, column in columns.items()
    }


def listed(column: Any) -> list[Any]:
    """The values of a column, of NumPy or Arrow, as what can be told apart; a vector as its
    bytes."""
    if isinstance(column, np.ndarray):
        whole = cast("npt.NDArray[Any]", column)
        return [row.tobytes() for row in whole] if whole.ndim > 1 else whole.tolist()
    if dimensions(column) and not column.null_count:
        return [row.tobytes() for block in vectors(values_of(column)) for row in block]
    return column.to_pylist()


def far(columns: Mapping[str, Sequence[Any]], known: Mapping[str, Known], rows: int) -> Floats:
    """For each row the share of its inputs that are unusual; missing values are not."""
    total, looked = np.zeros(rows), 0
    for name in list(columns)[:COLUMNS_MAX]:
        usual = known.get(name)
        odd = None if usual is None else _odd(columns[name], usual)
        if odd is not None:
            total += odd
            looked += 1
    return total / max(looked, 1)


def _odd(values: Sequence[Any], known: Known) -> Floats | None:
    summary = known.summary
    if known.ruler.kind == "vector":
        return None
    if summary.numbers is not None:
        return _outer(_numbers(values), summary.numbers, known.ruler)
    if summary.lengths is not None:
        lengths = [len(each) if isinstance(each, str) else np.nan for each in values]
        return _outer(np.array(lengths, dtype=np.float64), summary.lengths, known.ruler)
    if summary.categories is None or summary.categories.others_cut:
        return None
    names = {*known.ruler.names, *summary.categories.others}
    return np.array([each is not None and _text(each) not in names for each in values], float)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(values: Sequence[Any]) -> Floats:
    try:
        return np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    except (TypeError, ValueError):
        return np.full(len(values), np.nan)


def _outer(values: Floats, usual: Numbers, ruler: Ruler) -> Floats | None:
    """Below or above all but a fortieth of the reference each."""
    cells = np.array(usual.cells, dtype=np.float64)
    if len(ruler.edges) < 2 or not cells.sum():
        return None
    below = np.cumsum(cells) / cells.sum()
    edges = np.array(ruler.edges)
    # The cell of a value ends at its edge, which is included.
    low = edges[min(int(np.searchsorted(below, _OUTER)), len(edges) - 1)]
    high = edges[min(int(np.searchsorted(below, 1.0 - _OUTER)), len(edges) - 1)]
    return ((values < low) | (values > high)).astype(np.float64)


def near(contract: Contract, outputs: Floats) -> Floats | None:
    """Where the model was nearly undecided; nothing where that cannot be told of its outputs."""
    output = contract.output
    if not isinstance(output, Probability) or outputs.ndim != 2:
        return None
    if len(output.classes) == 2:
        return (np.abs(outputs[:, 1] - threshold_of(output)) <= _UNDECIDED).astype(np.float64)
    best = np.sort(outputs, axis=1)
    return (best[:, -1] - best[:, -2] <= _UNDECIDED).astype(np.float64)


def swept(columns: Mapping[str, Sequence[Any]], rows: int) -> tuple[Floats, Codes]:
    """Where a row is one of several that differ in one input alone, and the place of that input
    (−1 elsewhere); the rows are in the order in which one caller sent them."""
    found, which = np.zeros(rows), np.full(rows, -1, dtype=np.int64)
    names = list(columns)[:COLUMNS_MAX]
    if len(names) < 2:
        return found, which
    codes = [_codes(columns[name]) for name in names]
    mixed = [_mix(code, place + 1) for place, code in enumerate(codes)]
    block = _mix(np.arange(rows) // BLOCK_ROWS, 0)
    whole = block.copy()
    for each in mixed:
        whole += each
    for place, (code, each) in enumerate(zip(codes, mixed, strict=True)):
        _, group = np.unique(whole - each, return_inverse=True)
        pairs = np.unique(np.stack([group, code]), axis=1)
        different = np.bincount(pairs[0])[group] >= _SAME_LEAST
        which[different & (which < 0)] = place
        found[different] = 1.0
    return found, which


def _codes(values: Sequence[Any]) -> Codes:
    """Equal values have equal numbers."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(_key(each), len(known)) for each in values], dtype=np.int64)


def _key(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _mix(codes: Codes, place: int) -> npt.NDArray[np.uint64]:
    """Numbers spread over 64 bits, otherwise for each place."""
    mixed = codes.astype(np.uint64) + np.uint64((place * 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
