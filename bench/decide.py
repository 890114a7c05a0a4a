"""Measure what Mainstay adds to onnxruntime inside one process, without any server.

Batches of 256 rows go through validation, features, prediction, judgement, presentation and the
making of their record, and the same rows through onnxruntime alone, in turns. Medians over rounds;
the share is what counts.

    python bench/decide.py
    python bench/decide.py --short      seconds; exits 1 when an answer is wrong
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from mainstay_server import pack
from models import MODELS, asked_rows, onnx_file, right_answers, session

from mainstay.access.model import LOCAL, Caller
from mainstay.base.clock import SystemClock
from mainstay.base.ids import DecisionIds
from mainstay.bundle.archive import unpack
from mainstay.bundle.load import load
from mainstay.contract.columns import MATRIX
from mainstay.serve.model import Answer, Call
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.model import Route

ROWS = 256
TOLERANCE = 1e-5


def pipeline_of(model: str, onnx: Path, folder: Path) -> Pipeline:
    """A packed version, loaded as a worker loads it."""
    unpacked = unpack(pack(model, onnx, folder, "written"), folder / "cache")
    loaded = load(unpacked.folder, unpacked.fingerprint)
    route = Route(
        model=model, epoch=1, number=1, fingerprint=unpacked.fingerprint, actor="bench",
        reason="", time_ns=0,
    )  # fmt: skip
    clock = SystemClock()
    return Pipeline(loaded, route, DecisionIds(1, clock), clock)


def decide(pipeline: Pipeline, rows: np.ndarray) -> Answer:
    """One call through all steps, and the record that the journal would keep of it."""
    call = Call(Caller(name=LOCAL), "bench", "", {MATRIX: rows}, {}, len(rows), 0)
    run, refusals = pipeline.run([call])
    assert run is not None, refusals
    return pipeline.answers(run, pipeline.decisions(run))[0]


def microseconds(work: Callable[[], Any], seconds: float) -> float:
    """How long one call takes, over at least so long."""
    count, started = 0, perf_counter()
    while (took := perf_counter() - started) < seconds:
        work()
        count += 1
    return took / count * 1e6


def measure(model: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Both ways in turns, after the answers were compared."""
    onnx = onnx_file(model, Path(__file__).parent / ".models")
    rows = asked_rows(ROWS)
    wide = rows.astype(np.float64)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pipeline_of(model, onnx, Path(folder))
        answer = decide(pipeline, wide)
        difference = float(np.max(np.abs(answer.output[:, 1] - right_answers(onnx, rows))))
        alone = session(onnx)
        figures: dict[str, list[float]] = {"decide": [], "onnxruntime": []}
        for _ in range(rounds):
            figures["decide"].append(microseconds(lambda: decide(pipeline, wide), seconds))
            figures["onnxruntime"].append(
                microseconds(lambda: alone.run(["probabilities"], {"x": rows}), seconds)
            )
    ours, theirs = (statistics.median(figures[name]) for name in ("decide", "onnxruntime"))
    return {
        "model": model,
        "rows": ROWS,
        "decide_us": round(ours, 1),
        "onnxruntime_us": round(theirs, 1),
        "share": round(theirs / ours, 3),
        "difference": difference,
    }


def main() -> int:
    """Measure both models, print, and say by the exit code whether every answer was right."""
    parser = argparse.ArgumentParser(description="Measure deciding inside one process.")
    parser.add_argument("--short", action="store_true", help="seconds: is every answer right?")
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    rounds, seconds = (1, 0.2) if given.short else (7, 1.0)
    found = [measure(model, rounds, seconds) for model in MODELS]
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{f'{ROWS} rows in one process':<24} {'decide µs':>10} {'onnx µs':>10} {'share':>6}")
        for f in found:
            print(
                f"{f['model']:<24} {f['decide_us']:>10.1f} {f['onnxruntime_us']:>10.1f}"
                f" {f['share']:>6.2f}"
            )
    wrong = [f for f in found if not f["difference"] <= TOLERANCE]
    for f in wrong:
        print(f"WRONG {f['model']}: answers differ by {f['difference']}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
