"""What the reference fixes once, so that every later summary of the column can be compared to it:
the cells of a histogram, or the categories that are counted by name.

Promises cells that hold about equally many rows of the reference (or one value each where there
are few), and one cell each below and above everything the reference has seen. They depend on the
reference alone, so a test on what falls into them is as honest as one on the values.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.summaries.arrow import arrow
from mainstay.summaries.values import (
    Tally,
    Values,
    arrays,
    blocks,
    lengths,
    sampled,
    tally_of,
    vector_lengths,
)

CELLS_MAX: Final = 256
NAMES_MAX: Final = 1000
_SAMPLE_ROWS: Final = 1 << 16
_SEQUENCE_ROWS_MIN: Final = 20
_TEXT_DISTINCT_MIN: Final = 50

RulerKind = Literal[
    "number", "sequence", "category", "text", "vector", "time", "unordered", "empty"
]


class Ruler(msgspec.Struct, frozen=True):
    """How a column is measured."""

    kind: RulerKind
    """`sequence` is a running number or another key: its values say nothing about the world."""
    edges: tuple[float, ...] = ()
    """The upper bounds of the cells, each included; one more cell lies above the last."""
    names: tuple[str, ...] = ()
    type: str = ""
    """The type of the column in the reference, in words."""


def fingerprint(ruler: Ruler) -> str:
    """What tells two rulers apart, in 16 characters."""
    return hashlib.sha256(msgspec.msgpack.encode(ruler)).hexdigest()[:16]


def ruler_of(values: Values) -> tuple[Ruler, Tally | None]:
    """The ruler of a reference column, and the tally of its strings if one was made for it."""
    match values.kind:
        case "number":
            if _is_sequence(values):
                return Ruler("sequence", type=values.type), None
            pieces = [_thinned(array, values.rows) for array in arrays(values)]
            ends = _ends(values)
            return Ruler("number", _edges(pieces, ends), type=values.type), None
        case "strings":
            return _of_strings(values)
        case "vector":
            return Ruler("vector", _of_lengths(vector_lengths(values)), type=values.type), None
        case other:
            return Ruler(other, type=values.type), None


def _thinned(array: npt.NDArray[np.generic], rows: int) -> npt.NDArray[np.float64]:
    """Evenly spaced values: enough to place 256 cells."""
    return array[:: max(1, rows // _SAMPLE_ROWS)].astype(np.float64)


def _ends(values: Values) -> tuple[float, float]:
    """The smallest and largest finite value of a column."""
    low, high = np.inf, -np.inf
    for block in blocks(values):
        block[~np.isfinite(block)] = np.nan
        if not np.isnan(block).all():
            low, high = min(low, float(np.nanmin(block))), max(high, float(np.nanmax(block)))
    return float(low), float(high)


def _edges(pieces: list[npt.NDArray[np.float64]], ends: tuple[float, float]) -> tuple[float, ...]:
    values = np.concatenate(pieces) if pieces else np.zeros(0)
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return ()
    inner = np.unique(values)
    if len(inner) > CELLS_MAX - 2:
        at = np.linspace(0, len(values) - 1, CELLS_MAX - 1).astype(np.int64)
        inner = np.unique(values[at])
    # The first cell lies strictly below the reference, the last strictly above it.
    return tuple(np.unique([np.nextafter(ends[0], -np.inf), *inner, ends[1]]).tolist())


def _is_sequence(values: Values) -> bool:
    """Whole numbers that are all different and lie close together: rows that were numbered."""
    first = next(arrays(values), None)
    if first is None or first.dtype.kind not in "iu" or values.rows < _SEQUENCE_ROWS_MIN:
        return False
    sample = sampled(values, np.linspace(0, values.rows - 1, 1000).astype(np.int64))
    head = np.unique(first[:_SAMPLE_ROWS])
    if len(head) < len(first[:_SAMPLE_ROWS]):
        return False
    reach = float(np.nanmax(sample) - np.nanmin(sample)) + 1.0
    return reach <= 2.0 * values.rows


def _of_strings(values: Values) -> tuple[Ruler, Tally | None]:
    if _is_text(values):
        return Ruler("text", _of_lengths(lengths(values)), type=values.type), None
    tally = tally_of(values)
    if len(tally.counts) > NAMES_MAX:
        # The commonest, and where the counts are equal the first in the alphabet.
        floor = np.partition(tally.counts, -NAMES_MAX)[-NAMES_MAX]
        kept = [(name, count) for name, count in zip(
            tally.strings.filter(tally.counts >= floor).to_pylist(),
            tally.counts[tally.counts >= floor].tolist(), strict=True)]  # fmt: skip
    else:
        kept = list(zip(tally.strings.to_pylist(), tally.counts.tolist(), strict=True))
    kept.sort(key=lambda pair: (-pair[1], pair[0]))
    names = tuple(name for name, _ in kept[:NAMES_MAX])
    return Ruler("category", names=names, type=values.type), tally


def _of_lengths(pieces: Iterable[npt.NDArray[np.float64]]) -> tuple[float, ...]:
    every = np.concatenate([np.zeros(0), *pieces])
    every = every[np.isfinite(every)]
    ends = (float(every.min()), float(every.max())) if len(every) else (0.0, 0.0)
    return _edges([_thinned(every, len(every))], ends)


def _is_text(values: Values) -> bool:
    """Strings of which most are there once are texts or keys, not categories."""
    pa = arrow()
    if pa.types.is_dictionary(values.column.type) or pa.types.is_boolean(values.column.type):
        return False
    head = values.column.slice(0, _SAMPLE_ROWS).drop_null()
    distinct = len(head.unique())
    return distinct > _TEXT_DISTINCT_MIN and distinct * 2 > len(head)
