"""What is kept of a column instead of its rows: bounded in size, and mergeable in any order.

A summary is taken with a ruler, which the reference fixes once: the cells of the histogram, or
the categories that are counted by name. Promises that merging the summaries of any split of the
rows, in any order, gives what one summary of all the rows gives: exactly for every count, within
floating rounding for moments. Two summaries that were taken with different rulers do not merge.

Limits: 256 cells, 1,000 categories by name; of the other categories a sample of 1,024 that does
not depend on the order in which they came (those whose hashes are smallest), each with its exact
count, so that memory stays bounded when a column turns into a million different strings.
"""

import zlib
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage
from mainstay.summaries.arrow import arrow
from mainstay.summaries.moments import Moments, merge_moments, moments_of
from mainstay.summaries.ruler import Ruler, fingerprint
from mainstay.summaries.values import (
    Kind,
    Tally,
    Values,
    blocks,
    lengths,
    tally_of,
    vector_lengths,
)

Counts = npt.NDArray[np.int64]

OTHERS_KEPT_MAX: Final = 1024


class Numbers(msgspec.Struct, frozen=True, array_like=True):
    """A column of numbers."""

    moments: Moments
    """Of the finite ones."""
    cells: tuple[int, ...]
    """How many lie in each cell of the ruler; infinite ones lie in none."""
    low: float | None = None
    high: float | None = None
    nan: int = 0
    infinite: tuple[int, int] = (0, 0)
    """How many are minus and plus infinity."""


class Categories(msgspec.Struct, frozen=True, array_like=True):
    """A column of strings from a small set."""

    named: tuple[int, ...]
    """How often each category of the ruler is there."""
    others_rows: int = 0
    others: dict[str, int] = {}
    """Other categories with their counts: all of them, or a sample when `others_cut`."""
    others_cut: bool = False


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """One column of some rows."""

    ruler: str
    """The fingerprint of the ruler it was taken with."""
    kind: Kind
    rows: int = 0
    missing: int = 0
    numbers: Numbers | None = None
    categories: Categories | None = None
    lengths: Numbers | None = None
    """How long the strings of a column of text are, in characters, or its vectors."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Summary)


def encode_summary(summary: Summary) -> bytes:
    """A summary as bytes."""
    return _encoder.encode(summary)


def decode_summary(data: bytes) -> Summary:
    """Bytes back as a summary; anything else than what `encode_summary` wrote is an error."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise InvalidUsage(f"these bytes are no summary of a column: {error}") from error


def summarise(values: Values, ruler: Ruler, tally: Tally | None = None) -> Summary:
    """Look once at a column; `tally` spares counting its strings again."""
    mark = fingerprint(ruler)
    rows, missing = values.rows, values.missing
    if ruler.kind == "number" and values.kind == "number":
        return Summary(mark, values.kind, rows, missing, numbers=_numbers(blocks(values), ruler))
    if ruler.kind == "text" and values.kind == "strings":
        return Summary(mark, values.kind, rows, missing, lengths=_numbers(lengths(values), ruler))
    # Vectors of another number of dimensions are of another type.
    if ruler.kind == "vector" and values.type == ruler.type:
        measured = _numbers(vector_lengths(values), ruler)
        return Summary(mark, values.kind, rows, missing, lengths=measured)
    if ruler.kind == "category" and values.kind == "strings":
        counted = _categories(tally or tally_of(values), ruler)
        return Summary(mark, values.kind, rows, missing, categories=counted)
    return Summary(mark, values.kind, rows, missing)


def _numbers(pieces: Any, ruler: Ruler) -> Numbers:
    edges = np.array(ruler.edges)
    total = np.zeros(len(edges) + 1, dtype=np.int64)
    moments = Moments()
    low: float | None = None
    high: float | None = None
    nan = minus = plus = 0
    for block in pieces:
        block.sort()
        # Sorted, everything that is asked lies at an end: -inf first, then inf, and NaN last.
        first = int(np.searchsorted(block, -np.inf, side="right"))
        last = int(np.searchsorted(block, np.inf, side="left"))
        ends = int(np.searchsorted(block, np.nan, side="left"))
        minus, plus, nan = minus + first, plus + ends - last, nan + len(block) - ends
        finite = block[first:last]
        if not len(finite):
            continue
        below = np.searchsorted(finite, edges, side="right")
        total += np.diff(below, prepend=0, append=len(finite))
        moments = merge_moments(moments, moments_of(finite))
        low = float(finite[0]) if low is None else min(low, float(finite[0]))
        high = float(finite[-1]) if high is None else max(high, float(finite[-1]))
    return Numbers(moments, tuple(total.tolist()), low, high, nan, (minus, plus))


def _categories(tally: Tally, ruler: Ruler) -> Categories:
    pa = arrow()
    named = np.zeros(len(ruler.names), dtype=np.int64)
    known = pa.array(ruler.names, pa.large_string())
    places: Any = arrow().compute.index_in(tally.strings, value_set=known)
    found = places.is_valid().to_numpy(zero_copy_only=False)
    named[places.drop_null().to_numpy()] = tally.counts[found]
    strange = tally.strings.filter(pa.array(~found)).to_pylist()
    counts = tally.counts[~found].tolist()
    others, cut = _sampled(dict(zip(strange, counts, strict=True)))
    return Categories(tuple(named.tolist()), sum(counts), others, cut)


def _sampled(others: dict[str, int]) -> tuple[dict[str, int], bool]:
    """Those with the smallest hashes: whoever is among them in the whole is so in every part."""
    cut = len(others) > OTHERS_KEPT_MAX
    hashes = np.fromiter((hash_of(name) for name in others), np.int64, len(others))
    names = list(others)
    if cut:
        last = np.partition(hashes, OTHERS_KEPT_MAX - 1)[OTHERS_KEPT_MAX - 1]
        names = [names[at] for at in np.flatnonzero(hashes <= last).tolist()]
    kept = sorted(names, key=lambda name: (hash_of(name), name))[:OTHERS_KEPT_MAX]
    return {name: others[name] for name in kept}, cut


def hash_of(name: str) -> int:
    """What decides which categories a sample keeps: those with the smallest."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass"))


def merge(one: Summary, other: Summary) -> Summary:
    """The summary of both together; the order does not matter."""
    if one.ruler != other.ruler:
        raise InvalidUsage(
            "two summaries were taken with different rulers and cannot be merged",
            rule="one reference, one ruler",
            got=other.ruler,
            expected=one.ruler,
        )
    kind = one.kind if other.kind == "empty" else other.kind
    if one.kind not in ("empty", kind):
        raise InvalidUsage(
            f"a column of {one.kind} and one of {other.kind} cannot be merged",
            rule="one column, one kind of values",
            got=other.kind,
            expected=one.kind,
        )
    return Summary(
        one.ruler,
        kind,
        one.rows + other.rows,
        one.missing + other.missing,
        _merge_numbers(one.numbers, other.numbers),
        _merge_categories(one.categories, other.categories),
        _merge_numbers(one.lengths, other.lengths),
    )


def _merge_numbers(one: Numbers | None, other: Numbers | None) -> Numbers | None:
    if one is None or other is None:
        return one or other
    lows = [each.low for each in (one, other) if each.low is not None]
    highs = [each.high for each in (one, other) if each.high is not None]
    return Numbers(
        merge_moments(one.moments, other.moments),
        tuple(a + b for a, b in zip(one.cells, other.cells, strict=True)),
        min(lows, default=None),
        max(highs, default=None),
        one.nan + other.nan,
        (one.infinite[0] + other.infinite[0], one.infinite[1] + other.infinite[1]),
    )


def _merge_categories(one: Categories | None, other: Categories | None) -> Categories | None:
    if one is None or other is None:
        return one or other
    both = dict(one.others)
    for name, count in other.others.items():
        both[name] = both.get(name, 0) + count
    others, cut = _sampled(both)
    return Categories(
        tuple(a + b for a, b in zip(one.named, other.named, strict=True)),
        one.others_rows + other.others_rows,
        others,
        cut or one.others_cut or other.others_cut,
    )
