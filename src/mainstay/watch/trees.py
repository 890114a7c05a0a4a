"""A classifier for two data sets: a few shallow boosted trees over cells, in plain NumPy.

It is learned to tell current rows from reference rows by all columns together, so it sees what no
test of one column can: columns that no longer go with each other. Trees that look for one split at
a time are blind to those, so the pairs whose correlation differs most are columns of their own.
Promises the same trees for the same rows; bounded work however many columns there are (each tree
looks at some of them). It needs to be no better than it is: whatever it finds is tried on rows that
it has not learned from.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.watch.correlated import correlations

Cells = npt.NDArray[np.uint8]
"""One row each, one column for each column of the data; below `CELLS`."""
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

CELLS: Final = 32
_TREES: Final = 24
_DEPTH: Final = 3
_STEP: Final = 0.3
_DAMPING: Final = 5.0
"""Rows by which each leaf is drawn to nothing."""
_LEAF_ROWS_MIN: Final = 5
_COLUMNS_PER_TREE: Final = 32
_PAIRS: Final = 8
_PAIRED_COLUMNS_MAX: Final = 400
_SEED: Final = 8
_ONE_ROW: Final = float(2**36)
_UNIT: Final = float(2**20)
"""Counts and sums share one number while they are added up: whole multiples of `_ONE_ROW` are
rows, and what is left is the sum in parts of `_UNIT`. Exact up to `ROWS_MAX` rows."""
ROWS_MAX: Final = 1 << 13


class Tree(NamedTuple):
    """Level by level: which column each node asks for, and up to which cell a row goes left."""

    columns: Places
    upto: Places
    leaves: Floats


class Trees(NamedTuple):
    """What was learned."""

    shape: "Shape"
    trees: tuple[Tree, ...]
    gains: dict[tuple[int, ...], float]
    """How much each column helped, and each pair of columns."""

    def score(self, rows: Cells) -> Floats:
        """The higher, the more like the current rows."""
        placed = self.shape.placed(rows)
        total = np.zeros(len(rows))
        for tree in self.trees:
            total += tree.leaves[_leaf(tree, placed)]
        return total


class Shape(NamedTuple):
    """How rows are laid out for the trees."""

    order: Places
    """For each column the place of each cell: categories by how much they speak for current."""
    middle: Floats
    pairs: list[tuple[int, int]]
    bounds: Floats
    """Of the cells of each pair's product."""

    def placed(self, rows: Cells) -> Places:
        """The columns, one after another, and after them the pairs."""
        single = _ordered(rows, self.order)
        products = [
            np.searchsorted(bounds, product)
            for bounds, product in zip(self.bounds, self.products(single), strict=True)
        ]
        return np.concatenate([single, np.array(products, dtype=np.int64).reshape(-1, len(rows))])

    def products(self, single: Places) -> list[Floats]:
        """Of each pair, how far both columns of a row are on the same side of their middle."""
        return [(single[a] - self.middle[a]) * (single[b] - self.middle[b]) for a, b in self.pairs]


def learned(before: Cells, after: Cells, unordered: npt.NDArray[np.bool_]) -> Trees:
    """Trees that tell `after` from `before`; `unordered` columns are those of categories."""
    assert len(before) + len(after) <= ROWS_MAX
    rows = np.concatenate([before, after])
    truth = np.repeat([0.0, 1.0], [len(before), len(after)])
    shape = _shape(rows, truth, unordered)
    placed = shape.placed(rows)
    left = truth - truth.mean()
    total = np.zeros(len(placed))
    generator = np.random.default_rng(_SEED)
    trees: list[Tree] = []
    for _ in range(_TREES):
        chosen: Places = np.arange(rows.shape[1], dtype=np.int64)
        if len(chosen) > _COLUMNS_PER_TREE:
            chosen = np.sort(generator.choice(chosen, _COLUMNS_PER_TREE, replace=False))
        chosen = np.append(chosen, np.arange(rows.shape[1], len(placed), dtype=np.int64))
        tree, leaf = _grown(placed[chosen], left, chosen, total)
        left = left - tree.leaves[leaf]
        trees.append(tree)
    names = [*((at,) for at in range(rows.shape[1])), *shape.pairs]
    gains = {name: gain for name, gain in zip(names, total.tolist(), strict=True) if gain > 0.0}
    return Trees(shape, tuple(trees), gains)


def _shape(rows: Cells, truth: Floats, unordered: npt.NDArray[np.bool_]) -> Shape:
    order = _order(rows, truth, unordered)
    single = _ordered(rows, order)
    shape = Shape(order, single.mean(axis=1), _pairs(single, truth), np.zeros((0, CELLS - 1)))
    at = np.linspace(0.0, 1.0, CELLS + 1)[1:-1]
    bounds = [np.quantile(product, at) for product in shape.products(single)]
    return shape._replace(bounds=np.array(bounds).reshape(-1, CELLS - 1))


def _order(rows: Cells, truth: Floats, unordered: npt.NDArray[np.bool_]) -> Places:
    """Where each cell of each column stands. Categories have no order of their own, and get that
    of their share of current rows, drawn to the mean where they are rare."""
    order = np.tile(np.arange(CELLS, dtype=np.int64), (rows.shape[1], 1))
    mean = float(truth.mean())
    for at in np.flatnonzero(unordered).tolist():
        count = np.bincount(rows[:, at], minlength=CELLS)
        current = np.bincount(rows[:, at], weights=truth, minlength=CELLS)
        share = (current + _DAMPING * mean) / (count + _DAMPING)
        order[at, np.argsort(share, kind="stable")] = np.arange(CELLS, dtype=np.int64)
    return order


def _ordered(rows: Cells, order: Places) -> Places:
    """The places of all rows, column by column."""
    return np.array([places[cells] for places, cells in zip(order, rows.T, strict=True)])


def _pairs(single: Places, truth: Floats) -> list[tuple[int, int]]:
    """The pairs of columns whose correlation differs most between the two samples."""
    if not 2 <= len(single) <= _PAIRED_COLUMNS_MAX:
        return []
    first, second = (correlations(single[:, truth == side]) for side in (0.0, 1.0))
    apart = np.abs(np.triu(second - first, 1))
    best = np.argsort(-apart, axis=None, kind="stable")[:_PAIRS]
    rows, columns = np.unravel_index(best, apart.shape)
    return [(a, b) for a, b in zip(rows.tolist(), columns.tolist(), strict=True) if apart[a, b] > 0]


def _grown(placed: Places, left: Floats, chosen: Places, gains: Floats) -> tuple[Tree, Places]:
    """One tree on what the trees before it have left to explain, and the leaf of each row."""
    wide, rows = placed.shape
    flat: Places = placed + (np.arange(wide, dtype=np.int64) * CELLS)[:, np.newaxis]
    weights = np.tile(np.rint(left * _UNIT) + _ONE_ROW, wide)
    node = np.zeros(rows, dtype=np.int64)
    columns: list[Places] = []
    upto: list[Places] = []
    for level in range(_DEPTH):
        nodes = 2**level
        at: Places = (flat + node * (wide * CELLS)).ravel()
        both = np.bincount(at, weights=weights, minlength=nodes * wide * CELLS)
        both = both.reshape(nodes, wide, CELLS)
        count = np.rint(both / _ONE_ROW)
        column, cell, gain = _splits(count, (both - count * _ONE_ROW) / _UNIT)
        np.add.at(gains, chosen[column], gain)
        columns.append(chosen[column])
        upto.append(cell)
        node = 2 * node + (placed[column[node], np.arange(rows, dtype=np.int64)] > cell[node])
    leaves = 2**_DEPTH
    count = np.bincount(node, minlength=leaves)
    sums = np.bincount(node, weights=left, minlength=leaves)
    tree = Tree(np.concatenate(columns), np.concatenate(upto), _STEP * sums / (count + _DAMPING))
    return tree, node


def _splits(counts: Floats, sums: Floats) -> tuple[Places, Places, Floats]:
    """The best split of each node: a column, the last cell on the left, and what is gained; where
    none is good, all rows go left."""
    nodes, _, cells = counts.shape
    few, some = np.cumsum(counts, axis=2), np.cumsum(sums, axis=2)
    many, whole = few[:, :1, -1:], some[:, :1, -1:]
    rest, others = many - few, whole - some
    gain = some**2 / (few + _DAMPING) + others**2 / (rest + _DAMPING)
    gain -= whole**2 / (many + _DAMPING)
    gain[(few < _LEAF_ROWS_MIN) | (rest < _LEAF_ROWS_MIN)] = 0.0
    best = gain.reshape(nodes, -1).argmax(axis=1)
    most = np.maximum(0.0, gain.reshape(nodes, -1)[np.arange(nodes, dtype=np.int64), best])
    upto = best % cells
    upto[most == 0.0] = cells
    return best // cells, upto, most


def _leaf(tree: Tree, placed: Places) -> Places:
    rows: Places = np.arange(placed.shape[1], dtype=np.int64)
    node = np.zeros(placed.shape[1], dtype=np.int64)
    for level in range(_DEPTH):
        at = 2**level - 1 + node
        node = 2 * node + (placed[tree.columns[at], rows] > tree.upto[at])
    return node
