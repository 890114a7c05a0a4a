"""The reference in a bundle: what inputs, features and outputs looked like when it was packed.

Promises the names that the journal has for the same columns, so that decisions can be held against
it as they are. Made of the training rows where they are given, else of the confidence set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mainstay.bundle.answers import output_names
from mainstay.bundle.calibration import confidence
from mainstay.bundle.folder import read_checked
from mainstay.bundle.judgement import Judgement
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract, Probability
from mainstay.summaries.reference import Reference, decode_reference, reference_of

REFERENCE_FILE: Final = "assets/reference.summary"


def packed_reference(
    contract: Contract,
    asked: Columns,
    features: Mapping[str, Column],
    raw: Column,
    judgement: Judgement | None,
) -> Reference:
    """The reference of rows, of the features that were made of them (none where the inputs are the
    features), and of what the model answered."""
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
    return reference_of(columns, f"{len(raw):,} rows that it was packed with")


def read_reference(folder: Path, manifest: Manifest) -> Reference | None:
    """The reference of an unpacked bundle; older ones have none."""
    if REFERENCE_FILE not in manifest.files:
        return None
    return decode_reference(read_checked(folder, manifest, REFERENCE_FILE))
