"""Pack from files: what `mainstay pack` does, for models that were trained anywhere.

A model file (`.onnx`, LightGBM's `.txt`, XGBoost's `.ubj` or `.json`), a contract and a file of
rows (`.csv`, `.npz`, `.parquet`) become a version by the same `pack`. A pickle is refused: its
training script can call `pack` itself. In a CSV an empty cell is a missing value; a cell is read
by the kind that the contract gives its column, else as a number where the whole column is numbers.
"""

import csv
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.extras import library
from mainstay.bundle.features import kinds_of
from mainstay.bundle.frames import table_of
from mainstay.bundle.pack import Packed, pack
from mainstay.contract.columns import Column, Columns
from mainstay.contract.load import load_contract
from mainstay.contract.model import Boolean, Category, Contract, Input, Text

_WORDS: Final = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


def pack_files(
    model: Path,
    *,
    confidence: Path,
    contract: Path | None = None,
    name: str | None = None,
    label: str = "label",
    end_to_end: Path | None = None,
    **more: Any,
) -> Packed:
    """Make a version of files; `label` is the column of the answers, `more` goes to `pack`."""
    stated = None if contract is None else load_contract(contract)
    called = name or (stated.model if stated is not None else None)
    if called is None:
        raise InvalidUsage(
            "the version has no name",
            field="name",
            expected="the model's name, or a contract that says it",
        )
    trained = read_model_file(model)
    rows, labels = read_rows_file(confidence, label, stated)
    examples = None if end_to_end is None else read_rows_file(end_to_end, label, stated)
    return pack(
        called,
        model=trained,
        contract=stated,
        confidence=(rows, labels),
        end_to_end=examples,
        **more,
    )


def read_model_file(path: Path) -> Any:
    """A model in a format that holds no code."""
    if not path.is_file():
        raise InvalidUsage("there is no such model file", field="model", got=str(path))
    match path.suffix.lower():
        case ".onnx":
            return path
        case ".txt":
            return _booster(path, "lightgbm", "LightGBM")
        case ".ubj" | ".json":
            return _booster(path, "xgboost", "XGBoost")
        case suffix:
            raise InvalidUsage(
                f"a model in a {suffix or 'nameless'} file is not read here",
                field="model",
                got=path.name,
                expected=".onnx, LightGBM's .txt or XGBoost's .ubj; a pickle is never opened: call "
                "mainstay.pack at the end of the script that made it",
            )


def _booster(path: Path, root: str, words: str) -> Any:
    kind = library(root, f"packing a {words} model").Booster
    try:
        return kind(model_file=str(path))
    except Exception as error:
        raise InvalidUsage(
            f"{words} cannot read the model: {str(error)[:300]}",
            field="model",
            got=path.name,
            expected=f"a file that {words} saved",
        ) from error


def read_rows_file(path: Path, label: str, contract: Contract | None) -> tuple[Any, Any]:
    """The rows of a file, and its labels if it has any."""
    if not path.is_file():
        raise InvalidUsage("there is no such file of rows", field="confidence", got=str(path))
    match path.suffix.lower():
        case ".csv":
            columns = _read_csv(path, {} if contract is None else kinds_of(contract))
        case ".npz":
            columns = _read_npz(path)
            if set(columns) <= {"X", "y"} and "X" in columns:
                return columns["X"], columns.get("y")
        case ".parquet":
            columns = _read_parquet(path)
        case suffix:
            raise InvalidUsage(
                f"rows in a {suffix or 'nameless'} file are not read here",
                field="confidence",
                got=path.name,
                expected=".csv, .npz or .parquet",
            )
    labels = columns.pop(label, None)
    return columns, labels


def _read_npz(path: Path) -> Columns:
    try:
        with np.load(path, allow_pickle=False) as opened:
            return {name: opened[name] for name in opened.files}
    except (ValueError, TypeError, AttributeError, OSError) as error:
        # NumPy's own words would advise to unpickle.
        raise InvalidUsage(
            "the rows cannot be read: the file is damaged, or holds Python objects",
            field="confidence",
            got=path.name,
            expected="arrays of numbers or text: np.savez(PATH, X=…, y=…)",
        ) from error


def _read_parquet(path: Path) -> Columns:
    parquet = library("pyarrow.parquet", "reading Parquet")
    arrow = library("pyarrow", "reading Parquet")
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise InvalidUsage(
            f"the rows cannot be read: {error}", field="confidence", got=path.name
        ) from error
    return dict(table_of(table, path.name).columns)


def _read_csv(path: Path, kinds: dict[str, Input]) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            lines = list(csv.reader(source, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidUsage(
            f"the rows cannot be read: {error}", field="confidence", got=path.name
        ) from error
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise InvalidUsage(
            f"{path.name} has no rows",
            field="confidence",
            expected="a first line of names, and rows below it",
        )
    names = lines[0]
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise InvalidUsage(
                f"row {number} of {path.name} has another number of cells than its first line",
                field="confidence",
                got=len(line),
                expected=str(len(names)),
            )
    if len(set(names)) != len(names):
        raise InvalidUsage(f"{path.name} names a column twice", field="confidence")
    return {
        name: _column([line[place] for line in lines[1:]], name, kinds.get(name))
        for place, name in enumerate(names)
    }


def _column(cells: list[str], name: str, kind: Input | None) -> Column:
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [cell or None for cell in cells]
    if isinstance(kind, (Category, Text)):
        return texts
    if isinstance(kind, Boolean):
        numbers = [
            _WORDS.get(cell.strip().lower(), math.nan if not cell else None) for cell in cells
        ]
    else:
        numbers = [_number(cell) for cell in cells]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    if kind is None:
        return texts
    wrong = numbers.index(None)
    raise InvalidUsage(
        f"row {wrong + 2} of the column {name!r} cannot be read",
        field=name,
        got=cells[wrong],
        expected="true or false" if isinstance(kind, Boolean) else "a number, or nothing",
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        return None
