"""New rows parted into groups that have a name: by time, by who said the label, by the version
that decided, by the value of an input.

Rows may be in a group of each kind. A group that is nearly everything new is none, and neither is
one of a few rows: nobody could tell what they did.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column
from mainstay.journal.rows import rfc3339
from mainstay.renew.suspects.model import KINDS, Group, Kind, Mask

PERIODS: Final = 5
MOST: Final = 14
"""Groups that are asked about; each is a training."""
_ROWS_MIN: Final = 20
_NEARLY_ALL: Final = 0.9
_SHARE_MIN: Final = 0.5
"""A class of which the rest of the newest rows have a smaller part than this of what all of them
have: the rest cannot be measured on."""

Words = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows to learn from and the newest ones, which are measured on."""

    times_us: Column
    new: Mask
    sources: Words
    versions: Words
    newest_labels: Words
    newest_sources: Words
    parted: Mapping[str, Sequence[tuple[str, Mask]]]
    """Of each input that is looked at, the names and rows of its groups."""


def groups_of(
    rows: Rows, kinds: Sequence[Kind] = KINDS, periods: int = PERIODS, most: int = MOST
) -> tuple[list[Group], list[str]]:
    """The groups to ask about, the larger ones of every kind first, and the names of the others."""
    made = {
        "period": lambda: _periods(rows, periods),
        "source": lambda: _sources(rows),
        "version": lambda: _versions(rows),
        "input": lambda: _inputs(rows),
    }
    of_kind = [[group for group in made[kind]() if _sensible(rows, group)] for kind in kinds]
    by_size = [sorted(each, key=lambda group: -int(group.rows.sum())) for each in of_kind]
    turns = [group for turn in zip_longest(*by_size) for group in turn if group is not None]
    return turns[:most], [group.name for group in turns[most:]]


def _sensible(rows: Rows, group: Group) -> bool:
    count = int(group.rows.sum())
    return _ROWS_MIN <= count <= _NEARLY_ALL * int(rows.new.sum())


def _group(rows: Rows, kind: Kind, name: str, among: Mask, **about: Any) -> Group:
    own: Mask = rows.new & among
    times = rows.times_us[own]
    begin, end = (int(times.min()), int(times.max()) + 1) if times.size else (0, 0)
    about = {"stretch": (begin * 1000, end * 1000)} | about
    return Group(kind, name, own, **about)


def _periods(rows: Rows, periods: int) -> Iterator[Group]:
    times = rows.times_us[rows.new]
    if not times.size:
        return
    first, last = int(times.min()), int(times.max()) + 1
    edges = [first + (last - first) * each // periods for each in range(periods + 1)]
    for begin, end in pairwise(edges):
        name = f"decided from {_moment(begin)} to {_moment(end)}"
        among = (rows.times_us >= begin) & (rows.times_us < end)
        yield _group(rows, "period", name, among, stretch=(begin * 1000, end * 1000))


def _moment(time_us: int) -> str:
    return rfc3339(time_us)


def _sources(rows: Rows) -> Iterator[Group]:
    """What silence was taken for is no source: nobody said it."""
    for caller in _values(rows.sources[rows.new]):
        if caller:
            yield _group(
                rows, "source", f"labels of {caller}", rows.sources == caller,
                value=caller, newest=_others(rows, caller),
            )  # fmt: skip


def _others(rows: Rows, caller: str) -> Mask:
    """The newest rows of which somebody else said what is right; none where those are other ones:
    who says only of fraud that it was fraud leaves no fraud to be measured on."""
    others: Mask = rows.newest_sources != caller
    none = np.zeros_like(others)
    if rows.newest_labels.size and isinstance(rows.newest_labels[0], str):
        for label in _values(rows.newest_labels):
            of_label = rows.newest_labels == label
            if of_label[others].sum() < _SHARE_MIN * of_label.mean() * others.sum():
                return none
    return others


def _versions(rows: Rows) -> Iterator[Group]:
    for version in _values(rows.versions[rows.new]):
        yield _group(rows, "version", f"decided by v{version}", rows.versions == version)


def _inputs(rows: Rows) -> Iterable[Group]:
    for parts in rows.parted.values():
        for name, among in parts:
            yield _group(rows, "input", name, among)


def _values(column: Words) -> list[Any]:
    return sorted(set(column.tolist()))
