"""Runs of every form, drawn by hypothesis."""

import itertools

import numpy as np
from hypothesis import strategies as st

from mainstay.contract.columns import Columns, encode
from mainstay.journal.model import STATUSES, DecisionBatch, Layout
from tests.journal.records import TIME_MS

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
_BITS = st.integers(0, 2**64 - 1)
_WORDS = st.none() | st.text(st.characters(codec="utf-8"), max_size=5)
_KINDS = ("<f8", "<f4", "<i8", "<i4", "|b1", "<M8[us]", "|O", "vector")


@st.composite
def columns(draw: st.DrawFn, rows: int) -> Columns:
    """Columns of all kinds with any bits, signalling NaNs and all."""
    chosen: Columns = {}
    for name in draw(st.lists(_NAMES, unique_by=str.casefold, max_size=4)):
        chosen[name] = draw(_column(rows, draw(st.sampled_from(_KINDS))))
    return chosen


@st.composite
def _column(draw: st.DrawFn, rows: int, kind: str):
    if kind == "|O":
        column = np.empty(rows, dtype=object)
        column[:] = draw(st.lists(_WORDS, min_size=rows, max_size=rows))
        return column
    width = draw(st.integers(0, 3)) if kind == "vector" else 1
    bits = draw(st.lists(_BITS, min_size=rows * width, max_size=rows * width))
    words = np.array(bits, dtype=np.uint64)
    if kind == "vector":
        return words.view("<f8").reshape(rows, width)
    if kind == "|b1":
        return (words % 2).astype(bool)
    if kind in {"<f4", "<i4"}:
        return words.astype(np.uint32).view(kind)
    return words.view(kind)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    names = st.lists(_NAMES, unique_by=str.casefold, min_size=1, max_size=3).map(tuple)
    return Layout(
        fingerprint=draw(st.text("0123456789abcdef", min_size=4, max_size=4)),
        model=draw(_NAMES),
        number=draw(st.integers(1, 9)),
        inputs=draw(names),
        features=draw(names),
        outputs=draw(names),
    )


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[DecisionBatch, Layout]]:
    """Some runs of one process in the order of their ids."""
    known = draw(st.lists(layouts(), min_size=1, max_size=2, unique_by=lambda x: x.fingerprint))
    first = itertools.accumulate(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    made: list[tuple[DecisionBatch, Layout]] = []
    previous = 0
    for end in first:
        layout = draw(st.sampled_from(known))
        made.append((draw(_run(previous, end - previous, layout)), layout))
        previous = end
    return made


@st.composite
def _run(draw: st.DrawFn, first: int, rows: int, layout: Layout) -> DecisionBatch:
    def matrix(width: int, kind: str) -> Columns:
        bits = draw(st.lists(_BITS, min_size=rows * width, max_size=rows * width))
        words = np.array(bits, dtype=np.uint64).astype(f"<u{kind[-1]}")
        return {"matrix": words.view(kind).reshape(rows, width)}

    def group(width: int, kind: str) -> bytes:
        form = draw(st.sampled_from(("columns", "matrix", "odd matrix", "none")))
        if form == "none":
            return b""
        if form == "columns":
            return encode(draw(columns(rows)))
        return encode(matrix(width + (form == "odd matrix"), kind))

    width = len(layout.outputs)
    output = matrix(width + draw(st.integers(0, 1)), "<f4")["matrix"]
    if draw(st.booleans()):
        output = output[:, 0]
    short_text = st.text(st.characters(codec="utf-8"), max_size=3)
    per_row = st.lists(short_text, min_size=rows, max_size=rows).map(tuple)
    waited = st.lists(st.integers(0, 2**62), min_size=rows, max_size=rows).map(tuple)
    return DecisionBatch(
        fingerprint=layout.fingerprint,
        route=draw(st.integers(0, 2**40)),
        door="grpc",
        time_ms=draw(st.sampled_from((0, TIME_MS, TIME_MS + 1, TIME_MS + 86_400_000))),
        incarnation=7,
        first_sequence=first,
        rows=rows,
        callers=draw(per_row | short_text.map(lambda caller: (caller,))),
        requests=draw(st.just(()) | per_row),
        inputs=group(len(layout.inputs), "<f8"),
        context=draw(st.just(b"") | columns(rows).map(encode)),
        features=group(len(layout.features), "<f4"),
        outputs=encode({"output": output}),
        judged=draw(st.just(b"") | columns(rows).map(encode)),
        statuses=bytes(
            draw(st.lists(st.integers(0, len(STATUSES) - 1), min_size=rows, max_size=rows))
        ),
        reasons=draw(st.dictionaries(st.integers(0, rows - 1), short_text)),
        waited_ns=draw(st.just(()) | waited),
        steps_ns=draw(st.dictionaries(short_text, st.integers(0, 2**62), max_size=2)),
        arm=draw(st.sampled_from(("live", "share", "shadow", "named"))),
        propensity=draw(st.floats(0, 1)),
        shadows=draw(st.just(()) | per_row),
        processor_ns=draw(st.integers(0, 2**62)),
    )
