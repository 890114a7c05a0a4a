"""From inputs to features: a plan where the inputs are the features, a gate where code makes them.

The same rules hold at training, in pack and in every request, so a feature cannot be in another
place, of another type or of another number than the version was packed with. Missing values are
NaN (or None in text); infinity is refused where code makes it. A vector input without extractor
becomes one feature per element, `name[0]`, `name[1]` …
"""

import difflib
from typing import Any

import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidBundle, ModelFailed
from mainstay.bundle.anything import is_array, is_dict
from mainstay.bundle.model import Manifest, ModelPart
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromLookup,
    Input,
    Integer,
    Text,
    Timestamp,
    Vector,
)


def kinds_of(contract: Contract) -> dict[str, Input]:
    """The kind of every column an extractor may see: inputs, then context."""
    kinds: dict[str, Input] = dict(contract.inputs)
    for name, context in contract.context.items():
        if isinstance(context, FromLookup):
            kinds.update({f"{name}.{field}": kind for field, kind in context.fields.items()})
        else:
            kinds[name] = context.value
    return kinds


def input_features(contract: Contract) -> tuple[str, ...]:
    """The names of the features where no extractor makes them: the inputs, vectors spread out."""
    names: list[str] = []
    for name, kind in contract.inputs.items():
        if isinstance(kind, Timestamp):
            raise InvalidBundle(
                f"{name!r} is a moment in time, which no model takes as it is",
                field=name,
                rule="features",
                expected="a features function that makes numbers of it",
            )
        if isinstance(kind, Vector):
            names.extend(f"{name}[{position}]" for position in range(kind.length))
        else:
            names.append(name)
    return tuple(names)


def as_named(columns: Columns, contract: Contract) -> Columns:
    """Named columns of the contract's types, also where the caller sent one matrix, so that an
    extractor sees the same whichever door a row came through."""
    matrix = columns.get(MATRIX)
    if matrix is None or MATRIX in contract.inputs:
        return columns
    named: Columns = {}
    for position, (name, kind) in enumerate(contract.inputs.items()):
        column = matrix[:, position]
        if isinstance(kind, Integer) and not kind.optional:
            column = column.astype(np.int64)
        elif isinstance(kind, Boolean) and not kind.optional:
            column = column.astype(np.bool_)
        named[name] = column
    named.update({name: column for name, column in columns.items() if name != MATRIX})
    return named


class InputPlan:
    """How the inputs become the features of a version without extractor, worked out once."""

    def __init__(self, manifest: Manifest) -> None:
        kinds = kinds_of(manifest.contract)
        vectors = {
            f"{name}[{position}]": (name, position)
            for name, kind in manifest.contract.inputs.items()
            if isinstance(kind, Vector)
            for position in range(kind.length)
        }
        inputs = list(manifest.contract.inputs)
        self._sources: list[tuple[str, str, int | None]] = []
        for feature in manifest.features:
            if feature in vectors:
                self._sources.append((feature, *vectors[feature]))
                continue
            kind = kinds.get(feature)
            if kind is None:
                raise _unknown_feature(feature, list(kinds))
            in_matrix = manifest.runs.layout == "matrix"
            unfit = (Timestamp, Vector, Category, Text) if in_matrix else (Timestamp, Vector)
            if isinstance(kind, unfit):
                raise InvalidBundle(
                    f"the input {feature!r} cannot be a feature as it is",
                    field=feature,
                    rule="features",
                    expected="a features function that makes numbers of it",
                )
            self._sources.append((feature, feature, None))
        self._in_order = list(manifest.features) == inputs and not vectors
        self._dtype: Any = np.dtype(manifest.runs.numbers)
        self._positions = [inputs.index(s) if s in inputs else -1 for _, s, _ in self._sources]
        self._matrix = manifest.runs.layout == "matrix"
        self._contract = manifest.contract

    def features(self, columns: Columns) -> Columns:
        """The features of a batch."""
        matrix = columns.get(MATRIX)
        # A number too large for 32 bits becomes infinity, which the models take and judge sees.
        with np.errstate(over="ignore"):
            if not self._matrix:
                return self._named(as_named(columns, self._contract))
            if matrix is None or MATRIX in self._contract.inputs:
                return {MATRIX: self._stack(columns)}
            if self._in_order:
                return {MATRIX: matrix.astype(self._dtype, order="C", copy=False)}
            return {MATRIX: self._stack(as_named(columns, self._contract))}

    def _stack(self, columns: Columns) -> npt.NDArray[Any]:
        rows = rows_of(columns)
        out = np.empty((rows, len(self._sources)), dtype=self._dtype)
        for place, (_, source, position) in enumerate(self._sources):
            column = columns[source]
            out[:, place] = column if position is None else column[:, position]
        return out

    def _named(self, columns: Columns) -> Columns:
        made: Columns = {}
        for feature, source, position in self._sources:
            column = columns[source] if position is None else columns[source][:, position]
            made[feature] = as_feature(column)
        return made


class FeatureGate:
    """Checks what an extractor returned against the manifest."""

    def __init__(self, features: tuple[str, ...], runs: ModelPart) -> None:
        self._features = features
        self._known = frozenset(features)
        self._matrix = runs.layout == "matrix"
        self._dtype: Any = np.dtype(runs.numbers)

    def check(self, made: Any, rows: int) -> Columns:
        """The features of a batch, or `ModelFailed` naming what differs."""
        if is_array(made):
            return self._check_matrix(made, rows)
        if not is_dict(made):
            raise ModelFailed(
                "the feature extractor must return a dictionary of columns or one matrix",
                rule="features",
                got=type(made).__qualname__,
            )
        columns = as_columns(made)
        self._check_names(columns)
        checked = {
            name: check_feature(name, columns[name], rows, text=not self._matrix)
            for name in self._features
        }
        with np.errstate(over="ignore"):
            if not self._matrix:
                return {name: as_feature(column) for name, column in checked.items()}
            out = np.empty((rows, len(self._features)), dtype=self._dtype)
            for place, name in enumerate(self._features):
                out[:, place] = checked[name]
        return {MATRIX: out}

    def _check_matrix(self, made: npt.NDArray[Any], rows: int) -> Columns:
        expected = (rows, len(self._features))
        if made.shape != expected or made.dtype.kind not in "fiub" or not self._matrix:
            raise ModelFailed(
                "the feature extractor returned another shape than this version was packed with",
                rule="features",
                got=f"{made.dtype} {list(made.shape)}",
                expected=f"numbers in the shape {list(expected)}"
                if self._matrix
                else "a dictionary of columns",
            )
        if made.dtype.kind == "f" and np.isinf(made).any():
            place = int(np.argwhere(np.isinf(made))[0][1])
            raise _infinite(self._features[place])
        with np.errstate(over="ignore"):
            return {MATRIX: made.astype(self._dtype, order="C", copy=False)}

    def _check_names(self, columns: Columns) -> None:
        if columns.keys() == self._known:
            return
        missing = sorted(self._known - columns.keys())
        strangers = sorted(columns.keys() - self._known)
        said = [f"lacks {', '.join(missing[:10])}"] if missing else []
        said += [f"has {', '.join(strangers[:10])} besides"] if strangers else []
        raise ModelFailed(
            "what the feature extractor made does not fit the model: it " + " and ".join(said),
            field=(missing or strangers)[0],
            rule="features",
            got=len(columns),
            expected=f"the {len(self._features)} features the version was packed with",
        )


def as_feature(column: Column) -> Column:
    """A named feature in one of the types that cross the rooms; the runner narrows it."""
    kind = column.dtype.kind
    if kind in "iu":
        return column.astype(np.int64, copy=False)
    return column.astype(np.float64, copy=False) if kind == "f" else column


def as_columns(made: dict[Any, Any]) -> Columns:
    """A dictionary of array-likes as columns."""
    columns: Columns = {}
    for name, value in made.items():
        array = np.asarray(value)
        columns[str(name)] = array.astype(object) if array.dtype.kind in "US" else array
    return columns


def check_feature(name: str, column: Column, rows: int, *, text: bool) -> Column:
    """Refuse a feature of the wrong number of rows, type or of infinite value."""
    if column.shape != (rows,):
        raise ModelFailed(
            f"the feature extractor made {name!r} for another number of rows",
            field=name,
            rule="rows",
            got=f"the shape {list(column.shape)}",
            expected=f"one value for each of the {rows} rows",
        )
    kinds = "fiubO" if text else "fiub"
    if column.dtype.kind not in kinds:
        raise ModelFailed(
            f"the feature extractor made {name!r} of a type the model does not take",
            field=name,
            rule="type",
            got=str(column.dtype),
            expected="numbers" + (" or text" if text else ""),
        )
    if column.dtype.kind == "f" and np.isinf(column).any():
        raise _infinite(name)
    return column


def _infinite(name: str) -> ModelFailed:
    return ModelFailed(
        f"the feature extractor made an infinite {name!r}",
        field=name,
        rule="finite",
        expected="finite numbers, or NaN where there is none",
    )


def _unknown_feature(feature: str, known: list[str]) -> InvalidBundle:
    near = difflib.get_close_matches(feature, known, 1)
    return InvalidBundle(
        f"the model takes {feature!r}, which is not among the contract's inputs"
        + (f"; did you mean {near[0]!r}?" if near else ""),
        field=feature,
        rule="features",
        got=feature,
        expected=", ".join(known[:20]),
    )
