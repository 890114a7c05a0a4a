"""A table of decisions taken apart by stretch and arm."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mainstay.summaries.arrow import arrow
from mainstay.watch.gather.model import STRETCH_MS, Key


def stretches_of(table: Any) -> Iterator[tuple[Key, Any]]:
    """The rows of each stretch and arm of a table that holds decisions of one version."""
    if not table.num_rows:
        return
    first = table.slice(0, 1).select(["model", "fingerprint", "version"]).to_pylist()[0]
    begins = table.column("time").cast(arrow().int64()).to_numpy() // 1000
    begins -= begins % STRETCH_MS
    arms = np.asarray(table.column("arm").to_pylist(), dtype=object)
    for begin in np.unique(begins).tolist():
        for arm in sorted(set(arms[begins == begin].tolist())):
            rows = table
            chosen = (begins == begin) & (arms == arm)
            if not chosen.all():
                rows = table.filter(arrow().array(chosen))
            yield (
                Key(first["model"], first["fingerprint"], first["version"], arm, "", int(begin)),
                rows,
            )
