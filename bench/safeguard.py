"""What a safeguard is worth, on real data: does it tell wrong answers better than confidence does?

    python bench/safeguard.py [--data FOLDER] [--json]

Every data set is parted in three, in its order where that is time and otherwise mixed: the main
model is trained on the first part (where the data does not bring a model's scores), a safeguard is
learned from the second, exactly as `mainstay safeguard train` learns, and all figures come from
the third, which neither has seen. "Prevented" is the share of wrong answers among the 15 % that
each would withhold first.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from judge import LEFT_OUT, SCORED, TRAINED, Floats, Scored, Truth, boosted, numbers, scored
from sklearn.naive_bayes import GaussianNB

from mainstay.bundle.answers import chosen_classes
from mainstay.contract.columns import Columns, take
from mainstay.contract.model import Category, Contract, Input, Number, Probability
from mainstay.judge.learning import Interval, area, fit, parts_of, too_few
from mainstay.judge.said import CONFIDENCE, offered, sayer

WITHHELD = 0.15
IN_TIME = {"electricity", "insects"}
MAIN = 0.4
ROWS_MAX = 40_000


class Row(msgspec.Struct, frozen=True):
    """The figures of one data set and model."""

    data: str
    model: str
    kind: str
    learned: int
    tested: int
    wrong: float
    confidence: float
    confidence_interval: Interval
    safeguard: float
    safeguard_interval: Interval
    prevented_by_confidence: float
    prevented: float


def tables(folder: Path) -> Iterator[tuple[str, str, Columns, dict[str, Input], Scored]]:
    """Decisions of a main model on rows that it did not learn from."""
    for name in SCORED:
        for model, found in scored(folder, name):
            file, label = SCORED[name]
            columns, kinds = shown(pq.read_table(folder / file).to_pydict(), label)
            order = np.random.default_rng(7).permutation(len(found.truth))
            yield name, model, take(columns, order), kinds, found
    for name, (file, label) in TRAINED.items():
        files = [pq.read_table(each) for each in sorted(folder.glob(file))]
        table = pa.concat_tables(files, promote_options="default").to_pydict()
        truth = np.unique(np.array([str(v) for v in table[label]]), return_inverse=True)[1]
        columns, kinds = shown(table, label)
        rows = np.column_stack([numbers(table[column]) for column in columns])
        order = np.arange(len(rows))
        if name not in IN_TIME:
            order = np.random.default_rng(7).permutation(len(rows))
        order = order[:: max(1, len(order) // ROWS_MAX)]
        cut = int(MAIN * len(order))
        learn, rest = order[:cut], order[cut:]
        fed = np.nan_to_num(rows, nan=-1.0)
        for model, made in (
            ("boosted trees", boosted(200, 0.05, 31)),
            ("naive Bayes", GaussianNB()),
        ):
            known = len(np.unique(truth[learn]))
            if known < len(np.unique(truth)):
                continue
            made.fit(fed[learn], truth[learn])
            found = Scored(name, np.asarray(made.predict_proba(fed[rest])), truth[rest])
            yield name, model, take(columns, rest), kinds, found


def shown(table: dict[str, list[object]], label: str) -> tuple[Columns, dict[str, Input]]:
    """The inputs of a table, as a contract would have them."""
    columns: Columns = {}
    kinds: dict[str, Input] = {}
    for name, values in table.items():
        if name == label or name in LEFT_OUT or name.startswith("y_pred"):
            continue
        if all(value is None or isinstance(value, (int, float)) for value in values):
            columns[name], kinds[name] = numbers(values), Number(optional=True)
        else:
            words = np.empty(len(values), dtype=object)
            words[:] = [None if value is None else str(value) for value in values]
            columns[name], kinds[name] = words, Category(values=("-",), others=True, optional=True)
    return columns, kinds


def figures(model: str, columns: Columns, kinds: dict[str, Input], found: Scored) -> Row | str:
    """Learned on the first three quarters of the decisions, measured on the rest."""
    output = Probability(classes=tuple(f"c{place}" for place in range(found.raw.shape[1])))
    main = Contract(model="main", inputs=kinds, output=output)
    inputs = {**columns, **sayer(output, None)(found.raw)}
    wrong = chosen_classes(output, found.raw) != found.truth
    why = too_few(wrong)
    if why:
        return why
    with tempfile.TemporaryDirectory() as folder:
        made = fit(offered(main), inputs, wrong, Path(folder))
    newest = parts_of(len(wrong))[2]
    risk, plain = made.risk(take(inputs, newest)), 1 - inputs[CONFIDENCE][newest]
    errors = wrong[newest]
    safeguard, confidence = area(risk, errors), area(plain, errors)
    return Row(
        found.name, model, made.kind, newest.start, len(errors), float(errors.mean()),
        *confidence, *safeguard, prevented(plain, errors), prevented(risk, errors),
    )  # fmt: skip


def prevented(risk: Floats, wrong: Truth) -> float:
    """The share of wrong answers among those that would be withheld first."""
    first = np.argsort(-risk, kind="stable")[: int(WITHHELD * len(risk))]
    return float(wrong[first].sum() / wrong.sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("MAINSTAY_DATA", "../shared/data"))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folder = Path(asked.data)
    if not folder.is_dir():
        sys.exit(f"there is no folder {folder}: name the data with --data or MAINSTAY_DATA")
    warnings.filterwarnings("ignore")
    rows: list[Row] = []
    if not asked.json:
        print(
            f"{'data':<13}{'main model':<15}{'learned':>8}{'tested':>8}{'wrong':>8}  "
            f"{'AUC of confidence':<23}{'of the safeguard':<23}{'prevented':>10}{'then':>7}  kind",
            flush=True,
        )
    for name, model, columns, kinds, found in tables(folder):
        row = figures(model, columns, kinds, found)
        if isinstance(row, str):
            print(f"{name:<13}{model:<15} {row}", file=sys.stderr, flush=True)
            continue
        rows.append(row)
        if not asked.json:
            show(row)
    if asked.json:
        print(json.dumps([msgspec.to_builtins(row) for row in rows], indent=1))
        return
    better = [row for row in rows if row.safeguard_interval[0] > row.confidence]
    worse = [row for row in rows if row.safeguard_interval[1] < row.confidence]
    print(
        f"the safeguard is better for sure in {len(better)} of {len(rows)}, worse in {len(worse)}"
    )


def show(r: Row) -> None:
    """One line for each model."""
    before, then = r.confidence_interval, r.safeguard_interval
    print(
        f"{r.data:<13}{r.model:<15}{r.learned:>8}{r.tested:>8}{r.wrong:>8.2%}  "
        f"{r.confidence:.3f} ({before[0]:.3f}, {before[1]:.3f})   "
        f"{r.safeguard:.3f} ({then[0]:.3f}, {then[1]:.3f})   "
        f"{r.prevented_by_confidence:>10.0%}{r.prevented:>7.0%}  {r.kind}",
        flush=True,
    )


if __name__ == "__main__":
    main()
