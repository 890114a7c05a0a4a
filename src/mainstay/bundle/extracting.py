"""What a version's extractor makes of rows, in a throw-away process and brought back by name.

Promises that nothing of the version is loaded in the process that asks; that rows which it cannot
take are left out, alone; and that it is told which features come otherwise when the same rows are
asked again, or one by one, because no such feature can be trusted.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from mainstay.base import limits
from mainstay.base.errors import ModelFailed
from mainstay.bundle.answering import by_pieces
from mainstay.bundle.child import TrialLimits, answer_over, ask_child, end_child
from mainstay.bundle.load import LoadedVersion, load
from mainstay.bundle.noise import apart
from mainstay.contract.columns import MATRIX, Column, Columns, decode, encode, rows_of, take

ROWS_MAX: Final = 20_000
_FEATURES_MAX_BYTES: Final = 256 * 1024 * 1024
_ALONE: Final = 16
"""So many rows are asked one by one."""


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """Features by name, of the rows that could be taken."""

    rows: Column
    """Their places among the rows that were asked, growing."""
    features: Columns
    again: frozenset[str]
    """Features that came out otherwise when the same rows were asked again."""
    alone: frozenset[str]
    """Features that came out otherwise when rows were asked one by one."""


class _Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rows: bytes
    features: bytes
    again: frozenset[str]
    alone: frozenset[str]


def extracted_by(
    folder: Path, fingerprint: str, rows: Columns, within: TrialLimits | None = None
) -> Extracted:
    """Let a version extract the features of rows; `InvalidBundle` when it cannot."""
    with tempfile.NamedTemporaryFile(prefix="mainstay-rows-") as file:
        file.write(encode(rows))
        file.flush()
        sent = ask_child(
            "mainstay.bundle.extracting",
            [str(folder.resolve()), fingerprint, file.name],
            _Sent,
            within or TrialLimits(),
            _FEATURES_MAX_BYTES,
        )
    return Extracted(
        rows=decode(sent.rows)["row"],
        features=decode(sent.features),
        again=sent.again,
        alone=sent.alone,
    )


def by_name(loaded: LoadedVersion, columns: Columns) -> Columns:
    """The features of rows, a matrix of them as its columns."""
    made = loaded.extract(columns)
    if set(made) != {MATRIX}:
        return made
    return {name: made[MATRIX][:, place] for place, name in enumerate(loaded.manifest.features)}


def _extract(folder: Path, fingerprint: str, file: Path) -> _Sent:
    """What the child does."""
    loaded = load(folder, fingerprint)
    asked = decode(file.read_bytes())
    first, rows = _pieces(loaded, asked)
    if not rows.size:
        raise ModelFailed("the extractor took none of the rows", rule="features")
    good = take(asked, rows)
    again, _ = _pieces(loaded, good)
    few = np.arange(min(_ALONE, len(rows)))
    singly = [by_pieces(lambda batch: by_name(loaded, batch), good, few[[row]]) for row in few]
    alone = _joined([each for found in singly for _, each in found])
    return _Sent(
        rows=encode({"row": rows}),
        features=encode(first),
        again=_other(first, again),
        alone=_other(take(first, slice(0, len(few))), alone),
    )


def _pieces(loaded: LoadedVersion, asked: Columns) -> tuple[Columns, Column]:
    places: list[Column] = []
    pieces: list[Columns] = []
    for begin in range(0, rows_of(asked), limits.JOINED_ROWS_MAX):
        rows = np.arange(begin, min(begin + limits.JOINED_ROWS_MAX, rows_of(asked)))
        for which, made in by_pieces(lambda batch: by_name(loaded, batch), asked, rows):
            places.append(which)
            pieces.append(made)
    return _joined(pieces), np.concatenate(places) if places else np.empty(0, np.int64)


def _joined(pieces: list[Columns]) -> Columns:
    if not pieces:
        return {}
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _other(one: Columns, other: Columns) -> frozenset[str]:
    """Features that differ by more than noise, or in how many rows there are."""
    return frozenset(
        name
        for name, column in one.items()
        if name not in other
        or other[name].shape != column.shape
        or apart(column, other[name]).beyond.any()
    )


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], lambda own: _extract(Path(own[0]), own[1], Path(own[2]))))
