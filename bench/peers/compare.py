"""One peer's way to compare two data sets, in its own environment, as its guide shows it.

    python bench/peers/compare.py evidently BEFORE.parquet AFTER.parquet

prints seconds, seconds of the processor, bytes of the frames and the peak of memory of the process.
Reading the files is not counted.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable

import pandas as pd

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


def main() -> None:
    name, before_path, after_path = sys.argv[1:]
    compare = {
        "mainstay": mainstay, "evidently": evidently, "nannyml": nannyml, "whylogs": whylogs,
    }[name]()  # fmt: skip
    before, after = pd.read_parquet(before_path), pd.read_parquet(after_path)
    # What is loaded when it is first used must not count.
    compare(before.head(2000).copy(), after.head(2000).copy())
    started, used = time.perf_counter(), time.process_time()
    compare(before, after)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    data = sum(int(frame.memory_usage(deep=True).sum()) for frame in (before, after))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "data": data, "peak": peak}))


if __name__ == "__main__":
    main()
