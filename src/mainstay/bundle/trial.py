"""The first load of a version, in a child process of its own (`child.py`).

The child loads the version, answers the end-to-end set (one wrong example is enough to refuse),
answers the confidence set and measures.
"""

import sys
from pathlib import Path

import msgspec
import numpy as np

from mainstay.base import limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import Failed, InvalidBundle
from mainstay.bundle.archive import read_checked
from mainstay.bundle.assets import (
    CONFIDENCE_FILE,
    END_TO_END_FILE,
    Examples,
    decode_examples,
    first_wrong,
)
from mainstay.bundle.child import (
    TrialLimits,
    answer_over,
    ask_child,
    end_child,
    peak_resident_bytes,
)
from mainstay.bundle.load import LoadedVersion, load
from mainstay.bundle.metrics import measure
from mainstay.contract.columns import Column, Columns, rows_of, take


class TrialResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the first load showed."""

    end_to_end_rows: int
    confidence_rows: int
    load_ms: float
    call_us: float
    """One call with one row, extraction included; the best of several."""
    row_us: float
    """Per row in calls of up to 256 rows."""
    peak_resident_bytes: int
    bundle_bytes: int
    metrics: dict[str, float] = {}


def try_out(folder: Path, fingerprint: str, within: TrialLimits | None = None) -> TrialResult:
    """Load and run a version in a child process; `InvalidBundle` in words when it does not do."""
    return ask_child(
        "mainstay.bundle.trial",
        [str(folder.resolve()), fingerprint],
        TrialResult,
        within or TrialLimits(),
    )


def run_trial(folder: Path, fingerprint: str) -> TrialResult:
    """What the child does, in this process: load, answer, compare, measure."""
    clock = SystemClock()
    begin = clock.elapsed_ns()
    loaded = load(folder, fingerprint)
    load_ms = (clock.elapsed_ns() - begin) / 1e6
    manifest = loaded.manifest
    if END_TO_END_FILE not in manifest.files:
        raise InvalidBundle(
            "the bundle has no end-to-end set",
            field=END_TO_END_FILE,
            rule="assets",
            expected="at least one example with its answer",
        )
    examples = decode_examples(read_checked(folder, manifest, END_TO_END_FILE), END_TO_END_FILE)
    check_end_to_end(loaded, examples)
    confidence = Examples(inputs={})
    if CONFIDENCE_FILE in manifest.files:
        data = read_checked(folder, manifest, CONFIDENCE_FILE)
        confidence = decode_examples(data, CONFIDENCE_FILE)
    metrics: dict[str, float] = {}
    if confidence.rows:
        raw = answer_all(loaded, confidence.inputs)
        if confidence.label is not None:
            metrics = measure(manifest.contract.output, raw, confidence.label)
    sample = confidence if confidence.rows else examples
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return TrialResult(
        end_to_end_rows=examples.rows,
        confidence_rows=confidence.rows,
        load_ms=load_ms,
        call_us=time_of_call(loaded, sample.inputs, 1),
        row_us=time_of_call(loaded, sample.inputs, min(256, sample.rows)),
        peak_resident_bytes=peak_resident_bytes(),
        bundle_bytes=size,
        metrics=metrics,
    )


def check_end_to_end(loaded: LoadedVersion, examples: Examples) -> None:
    """Answer every example, together and the first of them one by one; one wrong is enough."""
    if examples.expected is None or not examples.rows:
        raise InvalidBundle(
            "the end-to-end set is empty",
            field=END_TO_END_FILE,
            rule="assets",
            expected="at least one example with its answer",
        )
    output, tolerance = loaded.manifest.contract.output, loaded.manifest.runs.tolerance
    batches = [slice(0, examples.rows)] + [slice(i, i + 1) for i in range(min(5, examples.rows))]
    for batch in batches:
        try:
            got = loaded.predict(loaded.extract(take(examples.inputs, batch)))
        except Failed as error:
            raise InvalidBundle(
                f"the end-to-end set cannot be answered: {error.message}",
                field=error.field or END_TO_END_FILE,
                rule=error.rule,
                got=error.got,
                expected=error.expected,
            ) from error
        wrong = first_wrong(output, got, examples.expected[batch], tolerance)
        if wrong is not None:
            row, said, right = wrong
            raise InvalidBundle(
                f"end-to-end example {batch.start + row + 1} is answered wrong",
                field=END_TO_END_FILE,
                rule="end-to-end",
                got=said,
                expected=f"{right} (within {tolerance:g})",
            )


def answer_all(loaded: LoadedVersion, inputs: Columns) -> Column:
    """Raw output of many rows, in calls of a bounded size."""
    rows = rows_of(inputs)
    pieces: list[Column] = []
    for begin in range(0, rows, limits.JOINED_ROWS_MAX):
        batch = take(inputs, slice(begin, begin + limits.JOINED_ROWS_MAX))
        try:
            pieces.append(loaded.predict(loaded.extract(batch)))
        except Failed as error:
            raise InvalidBundle(
                f"rows {begin + 1} to {begin + rows_of(batch)} of the confidence set cannot be "
                f"answered: {error.message}",
                field=error.field or CONFIDENCE_FILE,
                rule=error.rule,
                got=error.got,
                expected=error.expected,
            ) from error
    return np.concatenate(pieces)


def time_of_call(loaded: LoadedVersion, inputs: Columns, rows: int) -> float:
    """Microseconds per row, the best of a few calls within a twentieth of a second."""
    clock = SystemClock()
    batch = take(inputs, slice(0, rows))
    best = float("inf")
    begin = clock.elapsed_ns()
    for _ in range(200):
        start = clock.elapsed_ns()
        loaded.predict(loaded.extract(batch))
        end = clock.elapsed_ns()
        best = min(best, (end - start) / 1e3 / max(rows, 1))
        if end - begin > 50_000_000:
            break
    return best


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], lambda own: run_trial(Path(own[0]), own[1])))
