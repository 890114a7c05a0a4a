"""The assets of a version: examples it must answer right, and a set to measure it on.

They are files of encoded columns in the bundle: every input and context column under
`input:<name>`; the end-to-end set has `expected` (the raw output, or the class as text), the
confidence set may have `label` (the index of the class with −1 where unknown, or a number), the
optional first impressions have `expected` in words. They are read without any library but NumPy.
"""

from typing import Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import chosen_classes, distances
from mainstay.contract.columns import Column, Columns, decode, encode, rows_of
from mainstay.contract.model import Label, Output, Probability

END_TO_END_FILE: Final = "assets/end_to_end.columns"
CONFIDENCE_FILE: Final = "assets/confidence.columns"
FIRST_IMPRESSIONS_FILE: Final = "assets/first_impressions.columns"
_INPUT: Final = "input:"
_EXPECTED: Final = "expected"
_LABEL: Final = "label"


class Examples(msgspec.Struct, frozen=True, kw_only=True):
    """Rows and what belongs to them."""

    inputs: Columns
    expected: Column | None = None
    label: Column | None = None

    @property
    def rows(self) -> int:
        """How many."""
        return rows_of(self.inputs)


def encode_examples(examples: Examples) -> bytes:
    """An asset as bytes."""
    columns: Columns = {_INPUT + name: column for name, column in examples.inputs.items()}
    if examples.expected is not None:
        columns[_EXPECTED] = examples.expected
    if examples.label is not None:
        columns[_LABEL] = examples.label
    return encode(columns)


def decode_examples(data: bytes, file: str) -> Examples:
    """Bytes back as an asset."""
    try:
        columns = decode(data)
    except InvalidBundle as error:
        raise InvalidBundle(
            error.message, field=file, rule="columns", expected="an asset as pack writes it"
        ) from error
    counts = {int(c.shape[0]) if c.ndim else -1 for c in columns.values()}
    if len(counts) > 1 or -1 in counts:
        raise InvalidBundle("the columns have different numbers of rows", field=file, rule="rows")
    unknown = [n for n in columns if not n.startswith(_INPUT) and n not in (_EXPECTED, _LABEL)]
    if unknown:
        raise InvalidBundle(
            "the asset has a column of an unknown sort",
            field=file,
            got=unknown[0][:100],
            rule="columns",
            expected=f"`{_INPUT}<name>`, `{_EXPECTED}` or `{_LABEL}`",
        )
    return Examples(
        inputs={n[len(_INPUT) :]: c for n, c in columns.items() if n.startswith(_INPUT)},
        expected=columns.get(_EXPECTED),
        label=columns.get(_LABEL),
    )


def first_wrong(
    output: Output, got: Column, expected: Column, tolerance: float
) -> tuple[int, str, str] | None:
    """The first row that is not answered as expected: its number, got and expected in words."""
    if expected.dtype == object:
        classes = output.classes if isinstance(output, (Probability, Label)) else ()
        for row, index in enumerate(chosen_classes(output, got)):
            name = classes[int(index)]
            if name != expected[row]:
                return row, f"{name} ({in_words(output, got[row])})", str(expected[row])
        return None
    if expected.shape != got.shape:
        return 0, f"the shape {list(got.shape)}", f"the shape {list(expected.shape)}"
    wrong = np.flatnonzero(~(distances(output, got, expected) <= tolerance))
    if not wrong.size:
        return None
    row = int(wrong[0])
    return row, in_words(output, got[row]), in_words(output, expected[row])


def in_words(output: Output, raw: Column) -> str:
    """One row of raw output, short enough for a message."""
    if isinstance(output, Label):
        return output.classes[int(raw)]
    values = np.atleast_1d(raw)
    shown = ", ".join(f"{float(v):.6g}" for v in values[:6])
    return shown if values.size <= 6 else f"{shown}, … ({values.size} values)"
