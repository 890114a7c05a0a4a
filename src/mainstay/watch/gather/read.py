"""A table of decisions as parts, one for each stretch, arm and slice that it has rows of.

Columns without a ruler in the reference are left out, but for what the runtime adds itself. A
column of another type than the reference's is kept with its counts alone, which is a change of type
for whoever compares. Shadows are parts of their own arm.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.limits import SLICES_PER_COLUMN_MAX, STEPS_WATCHED_MAX
from mainstay.summaries.arrow import arrow
from mainstay.summaries.reference import Reference
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import (
    LATENCY,
    PROCESSOR,
    RUNTIME_RULERS,
    STEP,
    TIMES,
    Key,
    Part,
)
from mainstay.watch.gather.stretches import stretches_of

PREFIXES: Final = ("input_", "context_", "feature_", "output_", "judged_")
"""How the names of a version's own columns begin."""
OTHER_VALUES: Final = "…"
"""The slice of all values that are too many to be named."""

_steps = msgspec.json.Decoder(dict[str, int])


def parts_of(table: Any, reference: Reference, slices: Sequence[str]) -> Iterator[Part]:
    """The parts of a table that holds decisions of one version."""
    for key, rows in stretches_of(table):
        yield _part(rows, key, reference)
        for column in slices:
            yield from _sliced(rows, key, reference, f"input_{column}")


def _sliced(rows: Any, key: Key, reference: Reference, column: str) -> Iterator[Part]:
    """A part for each of a column's commonest values, and one for all others."""
    if column not in rows.column_names:
        return
    compute = arrow().compute
    words = rows.column(column).cast(arrow().string())
    counted: list[dict[str, Any]] = compute.value_counts(words.drop_null()).to_pylist()
    ordered = sorted((-each["counts"], each["values"]) for each in counted)
    named: list[str] = [value for _, value in ordered]
    kept = named[:SLICES_PER_COLUMN_MAX]
    name = column.removeprefix("input_")
    for value in kept:
        part = rows.filter(compute.equal(words, value))
        yield _part(part, msgspec.structs.replace(key, slice=f"{name}={value}"), reference)
    if len(named) > len(kept):
        others = compute.invert(compute.is_in(words, value_set=arrow().array(kept)))
        part = rows.filter(compute.and_(others, compute.is_valid(words)))
        yield _part(part, msgspec.structs.replace(key, slice=f"{name}={OTHER_VALUES}"), reference)


def _part(rows: Any, key: Key, reference: Reference) -> Part:
    rulers: Mapping[str, Ruler] = {
        **{name: known.ruler for name, known in reference.columns.items()},
        **RUNTIME_RULERS,
    }
    columns: dict[str, Summary] = {}
    for name, ruler in rulers.items():
        if name in rows.column_names:
            columns[name] = summarise(values_of(rows.column(name)), ruler)
    for name, times in _times(rows).items():
        columns[name] = summarise(values_of(times), TIMES)
    return Part(key, rows.num_rows, columns)


def _times(rows: Any) -> dict[str, Any]:
    """Per row, in nanoseconds: how long it took in all, and its share of each step of its run."""
    encoded = rows.column("steps").combine_chunks().dictionary_encode()
    runs = [_steps.decode(text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy()
    sizes = rows.column("run_rows").to_numpy()
    whole = np.array([float(sum(run.values())) for run in runs])[codes]
    times: dict[str, Any] = {LATENCY: whole + rows.column("waited_ns").fill_null(0).to_numpy()}
    if PROCESSOR in rows.column_names:
        used = rows.column(PROCESSOR).fill_null(0).to_numpy()
        times[PROCESSOR] = (used / sizes)[used > 0]
    names = sorted({name for run in runs for name in run})[:STEPS_WATCHED_MAX]
    for name in names:
        per_run = np.array([float(run.get(name, np.nan)) for run in runs])
        column = per_run[codes] / sizes
        times[STEP + name] = column[~np.isnan(column)]
    return times
