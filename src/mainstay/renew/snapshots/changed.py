"""What is different in the rows to learn from once some callers do not count (A2)."""

from collections.abc import Collection
from typing import Any

import msgspec

from mainstay.journal.arrow import pc


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Rows with some callers, held against rows without them."""

    callers: tuple[str, ...]
    gone: int
    """Decisions that have no label without them."""
    other: int
    """Decisions that have another label."""
    shares: dict[str, tuple[float, float]]
    """Of each label, with them and without; nothing of numbers."""
    words: str


def changed(with_them: Any, without: Any, callers: Collection[str]) -> Changed:
    """Two tables of labelled decisions, both in the order of their ids."""
    gone = int(pc.sum(pc.invert(pc.is_in(with_them["id"], value_set=without["id"]))).as_py() or 0)
    left = with_them.filter(pc.is_in(with_them["id"], value_set=without["id"]))
    right = without.filter(pc.is_in(without["id"], value_set=left["id"]))
    other = int(pc.sum(pc.not_equal(left["label"], right["label"])).as_py() or 0)
    pairs = [_shares(table) for table in (with_them, without)]
    shares = {
        name: (pairs[0].get(name, 0.0), pairs[1].get(name, 0.0))
        for name in sorted(pairs[0].keys() | pairs[1].keys())
    }
    names = ", ".join(sorted(callers))
    words = f"without {names}: {gone:,} decisions fewer, {other:,} with another label"
    moved = max(shares.items(), key=lambda each: abs(each[1][1] - each[1][0]), default=None)
    if moved is not None:
        words += f"; {moved[0]} is {moved[1][1]:.1%} of them instead of {moved[1][0]:.1%}"
    return Changed(
        callers=tuple(sorted(callers)), gone=gone, other=other, shares=shares, words=words
    )


def _shares(table: Any) -> dict[str, float]:
    labels = table["label"]
    if str(labels.type) not in {"string", "large_string"}:
        return {}
    counted: list[dict[str, Any]] = labels.value_counts().to_pylist()
    return {each["values"]: each["counts"] / table.num_rows for each in counted}
