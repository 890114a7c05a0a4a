"""One version's answers to many rows, made in a throw-away process and brought back.

Promises to come back within its time whatever the model costs: rows are answered in their order
until the time or the room for answers is used up, and what comes back says which rows were
answered. A row that the version cannot answer is left out, alone.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

import msgspec
import numpy as np

from mainstay.base import limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import Failed
from mainstay.bundle.child import (
    TrialLimits,
    answer_over,
    ask_child,
    end_child,
    peak_resident_bytes,
)
from mainstay.bundle.load import LoadedVersion, load
from mainstay.contract.columns import Column, Columns, decode, encode, rows_of, take

ANSWERS_MAX_BYTES: Final = 256 * 1024 * 1024
_BESIDE_SECONDS: Final = 60.0
"""What loading and measuring may take beside the answers."""
_MEASURED_NS: Final = 60_000_000

T = TypeVar("T")


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds for one row, extraction included."""

    best: float
    typical: float
    """The median of the calls that were timed."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a version needs."""

    load_ms: float
    one_row: Speed
    """In a call of its own."""
    in_batches: Speed
    """In calls of up to 256 rows."""
    peak_resident_bytes: int
    bundle_bytes: int


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Raw output of the rows that were answered, and what it took."""

    rows: Column
    """Their places among the rows that were asked, growing."""
    output: Column
    cost: Cost


class _Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    columns: bytes
    cost: Cost


def answers_of(
    folder: Path, fingerprint: str, rows: Columns, seconds: float, within: TrialLimits | None = None
) -> Answers:
    """Let a version answer rows for at most so many seconds; `InvalidBundle` when it cannot."""
    within = within or TrialLimits(seconds=seconds + _BESIDE_SECONDS)
    with tempfile.NamedTemporaryFile(prefix="mainstay-rows-") as file:
        file.write(encode(rows))
        file.flush()
        sent = ask_child(
            "mainstay.bundle.answering",
            [str(folder.resolve()), fingerprint, file.name, str(seconds)],
            _Sent,
            within,
            # Beside the answers travel their places and the frame.
            ANSWERS_MAX_BYTES + (1 << 26),
        )
    columns = decode(sent.columns)
    return Answers(rows=columns["row"], output=columns["output"], cost=sent.cost)


def _answer(folder: Path, fingerprint: str, file: Path, seconds: float) -> _Sent:
    """What the child does."""
    clock = SystemClock()
    begin = clock.elapsed_ns()
    loaded = load(folder, fingerprint)
    load_ms = (clock.elapsed_ns() - begin) / 1e6
    asked = decode(file.read_bytes())
    places, output = _answer_rows(loaded, asked, seconds)
    cost = Cost(
        load_ms=load_ms,
        one_row=_speed(loaded, take(asked, slice(0, 1))),
        in_batches=_speed(loaded, take(asked, slice(0, limits.JOINED_ROWS_MAX))),
        peak_resident_bytes=peak_resident_bytes(),
        bundle_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )
    return _Sent(columns=encode({"row": places, "output": output}), cost=cost)


def _answer_rows(loaded: LoadedVersion, asked: Columns, seconds: float) -> tuple[Column, Column]:
    clock = SystemClock()
    end = clock.elapsed_ns() + round(seconds * 1e9)
    places: list[Column] = []
    pieces: list[Column] = []
    size = 0
    for begin in range(0, rows_of(asked), limits.JOINED_ROWS_MAX):
        rows = np.arange(begin, min(begin + limits.JOINED_ROWS_MAX, rows_of(asked)))
        for which, output in by_pieces(_answer_of(loaded), asked, rows):
            places.append(which)
            pieces.append(output)
            size += output.nbytes
        if clock.elapsed_ns() > end or size + 256 * _row_bytes(pieces) > ANSWERS_MAX_BYTES:
            break
    if not pieces:
        return np.empty(0, np.int64), np.empty(0)
    return np.concatenate(places), np.concatenate(pieces)


def _answer_of(loaded: LoadedVersion) -> Callable[[Columns], Column]:
    return lambda batch: loaded.predict(loaded.extract(batch))


def by_pieces(work: Callable[[Columns], T], asked: Columns, rows: Column) -> list[tuple[Column, T]]:
    """What comes of rows in one piece where that goes well, else of those that do one by one."""
    batch = take(asked, slice(int(rows[0]), int(rows[-1]) + 1))
    try:
        return [(rows, work(batch))]
    except Failed:
        if len(rows) == 1:
            return []
        return [pair for row in rows for pair in by_pieces(work, asked, np.array([row]))]


def _row_bytes(pieces: list[Column]) -> int:
    return pieces[-1].nbytes // max(len(pieces[-1]), 1) if pieces else 0


def _speed(loaded: LoadedVersion, batch: Columns) -> Speed:
    clock = SystemClock()
    took: list[float] = []
    begin = clock.elapsed_ns()
    try:
        while clock.elapsed_ns() - begin < _MEASURED_NS or len(took) < 3:
            start = clock.elapsed_ns()
            loaded.predict(loaded.extract(batch))
            took.append((clock.elapsed_ns() - start) / 1e3 / max(rows_of(batch), 1))
    except Failed:
        return Speed(best=0.0, typical=0.0)
    return Speed(best=min(took), typical=median(took))


def _main(own: list[str]) -> _Sent:
    folder, fingerprint, file, seconds = own
    return _answer(Path(folder), fingerprint, Path(file), float(seconds))


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], _main))
