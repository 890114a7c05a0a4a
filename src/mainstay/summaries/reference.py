"""The reference of a version: what its columns looked like when it was made.

Promises one ruler and one summary for each column, by the names that the journal has for them
(`input_amount`, `feature_ratio`, `output_fraud`); bounded in size whatever the data. Columns that
nothing can be compared to (vectors, nested values) are left out.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mainstay.base.errors import InvalidBundle
from mainstay.base.limits import WATCHED_COLUMNS_MAX
from mainstay.summaries.ruler import Ruler, ruler_of
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of

_COMPARABLE: Final = frozenset({"number", "category", "text"})


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one column."""

    ruler: Ruler
    summary: Summary


class Reference(msgspec.Struct, frozen=True):
    """What is known of all columns of a version."""

    source: str
    """Where the rows came from, in words."""
    rows: int
    columns: dict[str, Known]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Reference)


def reference_of(columns: Mapping[str, Any], source: str) -> Reference:
    """Look at columns (NumPy or Arrow) once, and keep what later ones are compared to."""
    known: dict[str, Known] = {}
    rows = 0
    for name, column in columns.items():
        rows = len(column)
        if len(known) == WATCHED_COLUMNS_MAX:
            break
        values = values_of(column)
        ruler, tally = ruler_of(values)
        if ruler.kind in _COMPARABLE:
            known[name] = Known(ruler, summarise(values, ruler, tally))
    return Reference(source, rows, known)


def encode_reference(reference: Reference) -> bytes:
    """A reference as bytes."""
    return _encoder.encode(reference)


def decode_reference(data: bytes) -> Reference:
    """Bytes back as a reference; anything else than what `encode_reference` wrote is an error."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise InvalidBundle(f"these bytes are no reference: {error}", field="reference") from error
