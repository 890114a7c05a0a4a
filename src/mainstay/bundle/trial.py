"""The first load of a version, in a child process of its own (`child.py`).

The child loads the version and lets it prove itself (`prove.py`): one wrong example, or a metric
outside its acceptable range, is enough to refuse. Then it measures what the version costs.
"""

import sys
from pathlib import Path

import msgspec
import numpy as np

from mainstay.base import limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import Failed, InvalidBundle
from mainstay.bundle.assets import CONFIDENCE_FILE
from mainstay.bundle.child import (
    TrialLimits,
    answer_over,
    ask_child,
    end_child,
    peak_resident_bytes,
)
from mainstay.bundle.load import LoadedVersion, load
from mainstay.bundle.metrics import measure
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import check_examples, check_metric, read_evidence
from mainstay.contract.columns import Column, Columns, rows_of, take


class TrialResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the first load showed."""

    end_to_end_rows: int
    confidence_rows: int
    first_impressions_rows: int = 0
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
    evidence = read_evidence(folder, manifest)
    check_examples(loaded, evidence)
    examples, confidence = evidence.end_to_end, evidence.confidence
    metrics: dict[str, float] = {}
    raw = answer_all(loaded, confidence.inputs)
    check_metric(manifest.contract, confidence, raw)
    if confidence.label is not None:
        metrics = measure(manifest.contract.output, raw, confidence.label)
    sample = confidence if confidence.rows else examples
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return TrialResult(
        end_to_end_rows=examples.rows,
        confidence_rows=confidence.rows,
        first_impressions_rows=evidence.first_impressions.rows,
        load_ms=load_ms,
        call_us=time_of_call(loaded, sample.inputs, 1),
        row_us=time_of_call(loaded, sample.inputs, min(256, sample.rows)),
        peak_resident_bytes=peak_resident_bytes(),
        bundle_bytes=size,
        metrics=metrics,
    )


def answer_all(loaded: Loaded, inputs: Columns) -> Column:
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
    return np.concatenate(pieces) if pieces else np.empty(0)


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
