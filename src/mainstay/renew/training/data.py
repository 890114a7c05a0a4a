"""What training code is handed: the labelled decisions, and a way to hand a model back.

    def train(data):
        model = LogisticRegression().fit(data.matrix(), data.labels)
        return model

Light: it imports nothing that training code would not bring itself.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.extras import library
from mainstay.contract.columns import Column, Columns, rows_of
from mainstay.contract.words import did_you_mean, one_of

_OPTIONS = (
    "features",
    "lookups",
    "classes",
    "output",
    "end_to_end",
    "first_impressions",
    "tolerance",
)


class Packing:
    """A model, and what else `pack` is to know of it."""

    def __init__(self, model: Any, options: dict[str, Any]) -> None:
        self.model = model
        self.options = options


class Folders(NamedTuple):
    """Where a training reads and writes."""

    scratch: Path
    keep: Path
    before: Path | None = None


class TrainingData:
    """The rows to learn from, oldest first. The newest part of the snapshot is not among them: the
    model will be measured on it."""

    def __init__(
        self,
        inputs: Columns,
        labels: Column,
        *,
        seed: int,
        folders: Folders,
        snapshot: str,
        weights: Column | None = None,
        places: Column | None = None,
    ) -> None:
        self.inputs = inputs
        """Input and context columns by name, as they were logged when the decision was made."""
        self.labels = labels
        """What turned out: the name of the class or item, or the number."""
        self.weights: Column = np.ones(len(labels)) if weights is None else weights
        """How much each row counts: by how far its caller is trusted (`labels.trust`), and how
        probable its version was (`labels.weigh`). For `sample_weight`."""
        self.features: Columns | None = None
        """Features by name, as they were made when the decisions were, in the order in which the
        extractor makes them; nothing unless `renew.features` is `logged`."""
        self.places: Column = np.zeros(len(labels), np.int64) if places is None else places
        """Where each answer was shown, 1 the first, 0 where nobody knows: where it stood shapes
        what was heard of it. Of a ranking: where the label stood in the list that was shown, 0
        where it was not in it. Nobody knows it beforehand, so no model is asked with it: one that
        learns from it takes one and the same place for all when it answers."""
        self.seed = seed
        """For every draw; `random` and NumPy's own generator are seeded with it already."""
        self.folder = folders.scratch
        """An empty folder for whatever the training writes; it is gone afterwards."""
        self.keep = folders.keep
        """An empty folder whose files are kept beside the version, for the training that starts
        from it; nobody else ever opens them."""
        self.before = folders.before
        """A copy of what the training of the version before left in `keep`; nothing where this one
        starts from scratch."""
        self.snapshot = snapshot
        """The id of the data version."""
        self.form: Literal["matrix", "frame", "columns"] = "columns"
        """As what the rows were asked for last; the model is asked in the same form."""

    def __len__(self) -> int:
        return rows_of(self.inputs)

    def matrix(self) -> Column:
        """All columns as one matrix of floats [rows, columns], in the order of the contract; the
        features, in their order, where those were logged."""
        found = matrix_of(self.inputs if self.features is None else self.features)
        self.form = "matrix"
        return found

    def frame(self) -> Any:
        """All columns, or features where those were logged, as a pandas data frame."""
        found = frame_of(self.inputs if self.features is None else self.features)
        self.form = "frame"
        return found

    def packed(self, model: Any, **options: Any) -> Packing:
        """A model with what else `mainstay.pack` is to know: `features`, `classes`, …"""
        for name in options:
            if name not in _OPTIONS:
                raise InvalidUsage(
                    f"`packed` takes no {name!r}" + did_you_mean(name, _OPTIONS),
                    field=name,
                    got=name,
                    expected=one_of(_OPTIONS),
                )
        return Packing(model, options)


def in_form(inputs: Columns, form: str) -> Any:
    """Columns in the form that a model was trained on."""
    if form == "matrix":
        return matrix_of(inputs)
    return frame_of(inputs) if form == "frame" else inputs


def matrix_of(inputs: Columns) -> Column:
    """Columns of numbers as one matrix."""
    words = [name for name, column in inputs.items() if column.dtype.kind not in "fiub"]
    if words:
        raise InvalidUsage(
            f"{words[0]!r} is not a number, so there is no matrix of all columns",
            field=words[0],
            got=str(inputs[words[0]].dtype),
            expected="data.frame(), or the columns that are wanted out of data.inputs",
        )
    return np.column_stack([column.astype(np.float64) for column in inputs.values()])


def frame_of(inputs: Columns) -> Any:
    """Columns as a data frame."""
    pandas = library("pandas", "rows as a data frame")
    return pandas.DataFrame({name: list(c) if c.ndim == 2 else c for name, c in inputs.items()})
