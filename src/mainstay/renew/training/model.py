"""What a training run is given, and what comes of it."""

from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Card
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract

CHECK: Final = "training"
ROWS_MIN: Final = 50
"""With fewer to learn from, or fewer than a fifth of them to be measured on, nothing is trained."""
_TESTED_MIN: Final = 10
TRAINING: Final = "training"
"""The parameter on a card that says how a version was trained."""
WEIGHT: Final = "weight"
"""The column of a snapshot that says how much each row counts."""
PLACE: Final = "place"
"""The column of a snapshot that says where each answer was shown."""
SCRATCH: Final = "scratch"
KEPT: Final = "keep"
"""The folder, beside the bundle that was made, of what the next training may start from."""
_CODE_MAX_FILES: Final = 10_000


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do; the rows lie beside it, oldest first."""

    contract: Contract
    code: str
    """The folder that the function is in."""
    learned: str
    """The file of the rows to learn from."""
    tested: str
    """The file of the rows that become the confidence set."""
    weights: str = ""
    """The file of how much each row to learn from counts, and where it was shown; all count the
    same without one, and nobody knows where."""
    before: str = ""
    """The folder of what the training of another version kept, to start from."""
    served: "Served | None" = None
    """Features as they were served, where it learns from those."""
    run: "Run"
    card: Card
    sign_with: str
    into: str


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Features as they were served, and a version whose extractor made them."""

    learned: str
    """The file of those of the rows to learn from."""
    tested: str
    """The file of those of the rows that become the confidence set."""
    extractor: str
    """The digest of its source."""
    folder: str
    fingerprint: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down of a training run, on the card of its version."""

    snapshot: str
    content: str
    """The hash of the snapshot's rows."""
    function: str
    code: str
    """The hash of all Python files in the folder of the training code."""
    seed: int
    order: str
    """In which order the rows were handed over."""
    rows: int
    """How many it learned from."""
    tested: int
    """How many newer ones it was measured on."""
    skipped: dict[str, int] = {}
    """Rows of the snapshot that it was not shown."""
    started: str = SCRATCH
    """From scratch, or the fingerprint of the version that it started from."""
    features: str = ""
    """The digest of the extractor whose logged features it learned from; empty where the training
    code made them."""
    placed: int = 0
    """Of how many it is known where they were shown."""
    repeated: int = 0
    """Rows that it learned from more than once: the same values and label as an earlier one."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The bundle that came of a run."""

    file: str
    metrics: dict[str, float]
    format: str


ORDER: Final = "by time, oldest first"


def parts_of(rows: int, newest: float) -> tuple[slice, slice]:
    """The rows to learn from and the newest ones, which are measured on; `InvalidUsage` where
    there are too few."""
    tested = max(round(rows * newest), 1)
    if rows - tested < ROWS_MIN or tested < _TESTED_MIN:
        raise InvalidUsage(
            f"{rows:,} labelled decisions are too few: {rows - tested:,} to learn from, and the"
            f" newest {tested:,} to be measured on",
            field="snapshot",
            got=rows,
            expected=f"at least {ROWS_MIN} and {_TESTED_MIN}; a longer --since, or more labels",
        )
    return slice(0, rows - tested), slice(rows - tested, rows)


def repeated_rows(columns: Columns, label: Column) -> int:
    """How many rows say again what an earlier one says."""
    codes = [_codes(column) for column in (*columns.values(), label)]
    together = np.column_stack(codes)
    return len(together) - len(np.unique(together, axis=0))


def _codes(column: Column) -> Column:
    """A number for each different value."""
    if column.dtype == object:
        column = np.array([f"={value}" if value is not None else "" for value in column.tolist()])
    elif column.ndim == 2:
        return np.unique(column, axis=0, return_inverse=True)[1].reshape(-1)
    return np.unique(column, return_inverse=True)[1].reshape(-1)


def hash_of_code(folder: Path) -> str:
    """One hash over the names and the text of all Python files below a folder."""
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())
    if len(files) > _CODE_MAX_FILES:
        raise InvalidUsage(
            f"{folder} has {len(files):,} Python files, too many for training code",
            field="training",
            got=len(files),
            expected="the folder of the training code itself, not one far above it",
        )
    digest = sha256()
    for path in files:
        data = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()
