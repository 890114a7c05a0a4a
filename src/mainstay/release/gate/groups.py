"""Rows parted by what they are: by the value of an input, or by their truth.

Few values are groups of their own; many whole numbers are parted at their quartiles; the rarest of
very many words are one group together. Every row is in exactly one group of an input.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column

GROUPS_MAX: Final = 50
_VALUES_MAX: Final = 12
"""More whole numbers than this are parted at their quartiles."""

Mask = npt.NDArray[np.bool_]


def groups_of(name: str, column: Column) -> Iterator[tuple[str, Mask]]:
    """The groups of an input, each with its name and its rows."""
    if column.dtype.kind in "iuf" and np.unique(column).size > _VALUES_MAX:
        yield from _quarters(name, column.astype(np.float64))
        return
    words = np.array([_word(value) for value in column.tolist()], dtype=object)
    names, places, counts = np.unique(words.astype(str), return_inverse=True, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:GROUPS_MAX]
    for place in sorted(often.tolist(), key=lambda each: names[each]):
        yield f"{name}={names[place]}", places == place
    if names.size > GROUPS_MAX:
        yield f"{name} is any of {names.size - GROUPS_MAX} rarer values", ~np.isin(places, often)


def _word(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124  # because NaN is what differs from itself
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _quarters(name: str, column: npt.NDArray[np.float64]) -> Iterator[tuple[str, Mask]]:
    known = column[~np.isnan(column)]
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="lower"))
    place = np.searchsorted(edges, column, side="left")
    for each in range(edges.size + 1):
        rows = (place == each) & ~np.isnan(column)
        if rows.any():
            low = f"{edges[each - 1]:g} < " if each else ""
            high = f" ≤ {edges[each]:g}" if each < edges.size else ""
            yield f"{low}{name}{high}", rows
    if known.size < column.size:
        yield f"{name}=missing", np.isnan(column)


def classes_of(classes: tuple[str, ...], labels: Column) -> Iterator[tuple[str, Mask]]:
    """The rows of each class by their truth."""
    counts = np.bincount(labels[labels >= 0].astype(np.int64), minlength=len(classes))
    often = np.argsort(-counts, kind="stable")[:GROUPS_MAX]
    for place in sorted(often.tolist()):
        if counts[place]:
            yield f"truth={classes[place]}", labels == place
