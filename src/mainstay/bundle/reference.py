"""The reference in a bundle: what inputs, features and outputs looked like when it was packed.

Promises the names that the journal has for the same columns, so that decisions can be held against
it as they are. Made of the training rows where they are given, else of the confidence set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from mainstay.bundle.answers import chosen_classes, output_names
from mainstay.bundle.calibration import confidence
from mainstay.bundle.folder import read_checked
from mainstay.bundle.judgement import Judgement
from mainstay.bundle.metrics import labelled
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract, Label, NumberOutput, Probability
from mainstay.summaries.labels import columns_of, rulers_of
from mainstay.summaries.reference import Known, Reference, decode_reference, reference_of
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of

REFERENCE_FILE: Final = "assets/reference.summary"


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
    return msgspec.structs.replace(found, columns=found.columns | _labelled(contract, raw, labels))


def _labelled(contract: Contract, raw: Column, labels: Column | None) -> dict[str, Known]:
    """How good its answers were, in the columns that labels have later on."""
    output = contract.output
    if labels is None or not isinstance(output, Probability | Label | NumberOutput):
        return {}
    known = labelled(output, labels)
    raw, labels = raw[known], labels[known]
    if not len(labels):
        return {}
    if isinstance(output, NumberOutput):
        columns = columns_of(contract, labels.tolist(), raw.reshape(-1), (), ())
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
