"""Rows as a data scientist has them become the inputs, features and answers that pack works with.

The same path for the confidence set and the end-to-end set: read the rows, bring them into the
types the contract gives, run the user's extractor, put the features into the model's order, and
ask the model. Every likely mistake is caught at the step it belongs to and said in its terms.
"""

import difflib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage, MainstayError, ModelFailed
from mainstay.bundle.anything import is_array, is_dict
from mainstay.bundle.features import as_columns, as_feature, check_feature, kinds_of
from mainstay.bundle.frames import Table, table_of
from mainstay.bundle.trained import Given, TrainedModel
from mainstay.contract.columns import Column, Columns, rows_of
from mainstay.contract.model import Boolean, Contract, Input, Integer, Number, Vector

Extractor = Callable[[Columns], Any]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, what was made of them, and what the model said."""

    inputs: Columns
    given: Given
    raw: Column


def read_rows(
    data: Any,
    what: str,
    trained: TrainedModel,
    features: Extractor | None,
    contract: Contract | None,
) -> Table:
    """The rows as input columns."""
    names: tuple[str, ...] | None = None
    if contract is not None:
        names = tuple(contract.inputs)
        if any(isinstance(kind, Vector) for kind in contract.inputs.values()):
            names = None
    elif features is None:
        names = trained.feature_names
    shape = getattr(data, "shape", None)
    if features is None and trained.width is not None and len(shape or ()) == 2:
        columns = int(data.shape[1])
        if columns != trained.width and not (contract is not None and contract.context):
            raise InvalidUsage(
                f"{what} has another number of columns than the model takes",
                field=what,
                got=columns,
                expected=f"{trained.width} columns; or features=…, the function that "
                "makes the model's features of them",
            )
    return table_of(data, what, names)


def conform(columns: Columns, contract: Contract, what: str) -> Columns:
    """The columns in the contract's order and types."""
    kinds = kinds_of(contract)
    missing = [name for name in contract.inputs if name not in columns]
    strangers = [name for name in columns if name not in kinds]
    if missing or strangers:
        wrong = (missing or strangers)[0]
        near = difflib.get_close_matches(wrong, strangers if missing else list(kinds), 1)
        said = f"lacks the input {wrong!r}" if missing else f"has a column {wrong!r} besides"
        raise InvalidUsage(
            f"{what} {said}" + (f"; did you mean {near[0]!r}?" if near else ""),
            field=what,
            got=", ".join(list(columns)[:20]),
            expected=", ".join(list(contract.inputs)[:20]),
        )
    return {
        name: _typed(columns[name], kind, f"{what}[{name!r}]")
        for name, kind in kinds.items()
        if name in columns
    }


def _typed(column: Column, kind: Input, what: str) -> Column:
    numeric = column.dtype.kind in "fib"
    if isinstance(kind, Number) and numeric:
        return column.astype(np.float64)
    if isinstance(kind, (Integer, Boolean)) and numeric:
        if kind.optional:
            return column.astype(np.float64)
        if column.dtype.kind == "f" and np.isnan(column).any():
            raise InvalidUsage(
                f"{what} has missing values, but the contract does not call it optional",
                field=what,
                expected="`optional: true` in the contract, or no missing values",
            )
        return column.astype(np.int64 if isinstance(kind, Integer) else np.bool_)
    return column


def ask(
    columns: Columns,
    form: str,
    trained: TrainedModel,
    features: Extractor | None,
) -> Asked:
    """Run the user's own extractor and model over rows."""
    made, form_of_features = columns, form
    if features is not None:
        made, form_of_features = _extracted(columns, features, trained)
    else:
        made = spread_vectors(columns)
    ordered = _in_order(made, trained, features)
    if trained.width is not None and len(ordered) != trained.width:
        who = "the features function makes" if features else "X has"
        raise InvalidUsage(
            f"{who} {len(ordered)} features, the model takes {trained.width}",
            field="features" if features else "confidence",
            got=len(ordered),
            expected=str(trained.width),
        )
    given = Given(columns=ordered, layout=trained.layout(ordered, form_of_features))
    try:
        raw = trained.answer(given)
    except MainstayError:
        raise
    except Exception as error:  # because a user's model may raise anything
        raise InvalidUsage(
            f"the model itself cannot answer these rows: {type(error).__name__}: "
            f"{str(error)[:300]}",
            field="confidence",
            expected="rows like those the model was trained on",
        ) from error
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        row = int(np.argwhere(~np.isfinite(raw))[0][0])
        raise InvalidUsage(
            f"the model's own answer to row {row + 1} is not finite",
            field="confidence",
            got=str(raw[row]),
            expected="finite answers to every row",
        )
    return Asked(inputs=columns, given=given, raw=raw)


def spread_vectors(columns: Columns) -> Columns:
    """Vector columns as one feature per element."""
    spread: Columns = {}
    for name, column in columns.items():
        if column.ndim == 2:
            spread.update({f"{name}[{i}]": column[:, i] for i in range(column.shape[1])})
        else:
            spread[name] = column
    return spread


def _extracted(columns: Columns, features: Extractor, trained: TrainedModel) -> tuple[Columns, str]:
    rows = rows_of(columns)
    try:
        made = features({name: column.copy() for name, column in columns.items()})
    except Exception as error:  # because a user's function may raise anything
        raise InvalidUsage(
            f"the features function raised {type(error).__name__}: {error}",
            field="features",
            expected="a function that takes a dictionary of columns: "
            + ", ".join(f"{n} ({c.dtype})" for n, c in list(columns.items())[:10]),
        ) from error
    if is_array(made):
        if made.ndim != 2 or made.shape[0] != rows or made.dtype.kind not in "fiub":
            raise InvalidUsage(
                "the features function returned a matrix of a wrong shape",
                field="features",
                got=f"{made.dtype} {list(made.shape)}",
                expected=f"numbers in the shape [{rows}, features]: one row per row",
            )
        names = trained.feature_names or tuple(f"f{i}" for i in range(made.shape[1]))
        if len(names) != made.shape[1]:
            raise InvalidUsage(
                f"the features function makes {made.shape[1]} features, the model takes "
                f"{len(names)}",
                field="features",
                got=made.shape[1],
                expected=str(len(names)),
            )
        return {n: as_feature(made[:, i]) for i, n in enumerate(names)}, "matrix"
    if not is_dict(made) or not made:
        raise InvalidUsage(
            "the features function must return a dictionary of columns or a matrix",
            field="features",
            got=type(made).__qualname__,
            expected="{'name': array of one value per row, …}; a data frame becomes one with "
            "{name: frame[name].to_numpy() for name in frame}",
        )
    try:
        found = as_columns(made)
        return {n: as_feature(check_feature(n, c, rows, text=True)) for n, c in found.items()}, (
            "columns"
        )
    except ModelFailed as error:
        raise InvalidUsage(
            error.message.replace("feature extractor", "features function"),
            field=error.field,
            rule=error.rule,
            got=error.got,
            expected=error.expected,
        ) from error


def _in_order(made: Columns, trained: TrainedModel, features: Extractor | None) -> Columns:
    names = trained.feature_names
    if names is None:
        return made
    missing = [name for name in names if name not in made]
    if missing and len(made) == len(names) and not set(made) & set(names) and features is None:
        # The model was trained on other names for the same columns, in the same order.
        return made
    if missing:
        near = difflib.get_close_matches(missing[0], list(made), 1)
        who = "the features function does not make" if features else "X lacks"
        raise InvalidUsage(
            f"{who} {missing[0]!r}, which the model takes"
            + (f"; did you mean {near[0]!r}?" if near else ""),
            field="features" if features else "confidence",
            got=", ".join(list(made)[:20]),
            expected=", ".join(names[:20]),
        )
    if features is not None and len(made) > len(names):
        extra = sorted(set(made) - set(names))
        raise InvalidUsage(
            f"the features function makes {extra[0]!r}, which the model does not take",
            field="features",
            got=", ".join(extra[:20]),
            expected=", ".join(names[:20]),
        )
    return {name: made[name] for name in names}
