"""One peer's way to compare two data sets, in its own environment, as its guide shows it.

    python bench/peers/compare.py evidently BEFORE.parquet AFTER.parquet

prints seconds, seconds of the processor, bytes of the frames, and the peak of memory: the frames,
and what comes on top of what the process has before it compares. Reading the files is not counted:
its peak is forgotten (Linux only), and what it leaves in the pools of allocators is given back.
"""

import ctypes
import gc
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

warnings.simplefilter("ignore")


def mainstay() -> Callable[[pd.DataFrame, pd.DataFrame], object]:
    from mainstay.watch import compare

    return compare


def evidently() -> Callable[[pd.DataFrame, pd.DataFrame], object]:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    return lambda before, after: Report([DataDriftPreset()]).run(after, before).dict()


def nannyml() -> Callable[[pd.DataFrame, pd.DataFrame], object]:
    from nannyml import UnivariateDriftCalculator

    def compare(before: pd.DataFrame, after: pd.DataFrame) -> object:
        calculator = UnivariateDriftCalculator(
            column_names=list(before.columns),
            continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
            categorical_methods=["chi2", "jensen_shannon"],
            chunk_number=10,
        )
        return calculator.fit(before).calculate(after).to_df()

    return compare


def whylogs() -> Callable[[pd.DataFrame, pd.DataFrame], object]:
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    def compare(before: pd.DataFrame, after: pd.DataFrame) -> object:
        first = whylogs.log(pandas=before).profile().view()
        second = whylogs.log(pandas=after).profile().view()
        return calculate_drift_scores(second, first, with_thresholds=True)

    return compare


def settled_bytes() -> int:
    """What the process has once it gave back what it could; its peak is counted from here on."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory_bytes("VmRSS")


def memory_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> None:
    name, before_path, after_path = sys.argv[1:]
    compare = {
        "mainstay": mainstay, "evidently": evidently, "nannyml": nannyml, "whylogs": whylogs,
    }[name]()  # fmt: skip
    before, after = pd.read_parquet(before_path), pd.read_parquet(after_path)
    # What is loaded when it is first used must not count.
    compare(before.head(2000).copy(), after.head(2000).copy())
    held = settled_bytes()
    started, used = time.perf_counter(), time.process_time()
    compare(before, after)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    more = memory_bytes("VmHWM") - held
    data = sum(int(frame.memory_usage(deep=True).sum()) for frame in (before, after))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "data": data, "peak": data + more}))


if __name__ == "__main__":
    main()
