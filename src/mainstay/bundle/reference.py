"""The reference in a bundle: what inputs, features and outputs looked like when it was packed.

Promises the names that the journal has for the same columns, so that decisions can be held against
it as they are. Made of the training rows where they are given, else of the confidence set.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.limits import SLICES_PER_COLUMN_MAX
from mainstay.bundle.answers import chosen_classes, output_names
from mainstay.bundle.calibration import confidence
from mainstay.bundle.folder import read_checked
from mainstay.bundle.judgement import Judgement
from mainstay.bundle.metrics import labelled
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Boolean, Contract, Label, NumberOutput, Probability, Ranking
from mainstay.summaries.labels import columns_of, in_slice, rulers_of, slice_name
from mainstay.summaries.origins import usual_answers, usual_forms
from mainstay.summaries.probes import listed, probes
from mainstay.summaries.rankings import shown, unit_of
from mainstay.summaries.reference import Known, Reference, decode_reference, reference_of
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of

REFERENCE_FILE: Final = "assets/reference.summary"
SLICE_ROWS: Final = 30
"""How many labelled rows of a slice it takes to say how right it was there."""


def packed_reference(
    contract: Contract,
    asked: Columns,
    features: Mapping[str, Column],
    raw: Column,
    judgement: Judgement | None,
    labels: Column | None = None,
) -> Reference:
    """The reference of rows, of the features that were made of them (none where the inputs are the
    features), of what the model answered, and where there are labels of how right that was."""
    columns: dict[str, Any] = {}
    for name, column in asked.items():
        columns[("input_" if name in contract.inputs else "context_") + name] = column
    columns |= {f"feature_{name}": column for name, column in features.items()}
    names = output_names(contract.output)
    outputs = raw.reshape(len(raw), -1)
    if outputs.shape[1] == len(names):
        columns |= {f"output_{name}": outputs[:, place] for place, name in enumerate(names)}
    if isinstance(contract.output, Probability) and contract.judge.confidence is not None:
        calibration = None if judgement is None else judgement.calibration
        columns["judged_confidence"] = confidence(contract.output, calibration)(raw)
    found = reference_of(columns, f"{len(raw):,} rows that it was packed with")
    more = _labelled(contract, raw, labels)
    for slice_, rows in _slices(contract, asked):
        if labels is not None and int(labelled(contract.output, labels[rows]).sum()) >= SLICE_ROWS:
            own = _labelled(contract, raw[rows], labels[rows])
            more |= {in_slice(name, slice_): known for name, known in own.items()}
    if isinstance(contract.output, Ranking) and len(raw):
        units = asked.get(unit_of(contract))
        more |= shown(contract, outputs, None if units is None else units.tolist())
    own = {f"input_{name}": listed(asked[name]) for name in contract.inputs if name in asked}
    more |= probes(contract, own, outputs, found.columns)
    texts = {name: column.tolist() for name, column in columns.items() if column.dtype == object}
    more |= usual_answers(contract) | usual_forms(contract, texts)
    return msgspec.structs.replace(found, columns=found.columns | more)


def _slices(contract: Contract, asked: Columns) -> Iterator[tuple[str, Column]]:
    """The commonest values of the inputs by which decisions are watched, and their rows."""
    for name in contract.watch.slices:
        if name not in asked:
            continue
        boolean = isinstance(contract.inputs[name], Boolean)
        values = [bool(v) if boolean and v == v else v for v in asked[name].tolist()]  # noqa: PLR0124  # because NaN is not itself
        names = [None if v is None or v != v else slice_name(name, v) for v in values]  # noqa: PLR0124  # because NaN is not itself
        slices = np.array(names, dtype=object)
        there = Counter(each for each in names if each is not None)
        for slice_, _ in there.most_common(SLICES_PER_COLUMN_MAX):
            yield slice_, np.flatnonzero(slices == slice_)


def _labelled(contract: Contract, raw: Column, labels: Column | None) -> dict[str, Known]:
    """How good its answers were, in the columns that labels have later on."""
    output = contract.output
    if labels is None or not isinstance(output, Probability | Label | NumberOutput | Ranking):
        return {}
    known = labelled(output, labels)
    raw, labels = raw[known], labels[known]
    if not len(labels):
        return {}
    if isinstance(output, NumberOutput):
        columns = columns_of(contract, labels.tolist(), raw.reshape(-1), (), ())
    elif isinstance(output, Ranking):
        taken = [output.items[int(place)] for place in labels]
        # Nobody was shown these lists, so nobody could click.
        columns = columns_of(contract, taken, raw, (), [False] * len(taken))
    else:
        truths = [output.classes[int(place)] for place in labels]
        chosen: list[int] = chosen_classes(output, raw).tolist()
        answers = [output.classes[place] for place in chosen]
        columns = columns_of(contract, truths, raw, answers, [True] * len(truths))
    rulers = rulers_of(contract)
    return {
        name: Known(rulers[name], summarise(values_of(column), rulers[name]))
        for name, column in columns.items()
    }


def read_reference(folder: Path, manifest: Manifest) -> Reference | None:
    """The reference of an unpacked bundle; older ones have none."""
    if REFERENCE_FILE not in manifest.files:
        return None
    return decode_reference(read_checked(folder, manifest, REFERENCE_FILE))
