"""How callers asked, from sealed decisions: sums for each of the busiest callers of a piece.

They are kept in parts of their own, in the place of a slice, under names such as `probe_far|shop`.
Of each caller of a piece the first 1 000 rows are looked at. Shadows were asked by nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.bundle.answers import output_names
from mainstay.contract.model import Contract
from mainstay.summaries.probes import (
    FAR,
    MEAN,
    NEAR,
    PROBE,
    SWEPT,
    far,
    listed,
    near,
    probes,
    swept,
)
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import CALLERS, Part
from mainstay.watch.gather.port import Contracts
from mainstay.watch.gather.stretches import stretches_of

CALLERS_MAX: Final = 50
"""Of a piece and stretch, the busiest; the others together are nobody in particular."""
ROWS_MAX: Final = 1_000
ROWS_LEAST: Final = 20
"""Of fewer rows in a piece nothing is said."""
FIELD: Final = "probe_field"
"""Which input was swept."""
FIELDS: Final = Ruler("category")
BAR: Final = "|"
_INPUT: Final = "input_"


class Callers:
    """Beside the columns of decisions, how callers asked."""

    def __init__(self, versions: Contracts) -> None:
        self._versions = versions

    def parts(self, table: Any, reference: Reference) -> Iterator[Part]:
        """What a table of decisions of one version becomes."""
        contract = self._versions.contract(table.column("fingerprint")[0].as_py())
        known = {name for name in reference.columns if name.startswith(PROBE)}
        if contract is None or not known:
            return
        for key, rows in stretches_of(table):
            if key.arm == "shadow":
                continue
            columns: dict[str, Summary] = {}
            for caller, own in _by_caller(rows):
                columns |= _measured(own, contract, reference, caller)
            if columns:
                yield Part(msgspec.structs.replace(key, arm="", slice=CALLERS), 0, columns)

    def known(self, rows: Any, known: Mapping[str, Known]) -> Mapping[str, Known]:
        """What is usual in its first decisions."""
        contract = self._versions.contract(rows.column("fingerprint")[0].as_py())
        if contract is None:
            return {}
        return probes(contract, _inputs(rows), _outputs(rows, contract), known)


def _by_caller(rows: Any) -> Iterator[tuple[str, Any]]:
    names = np.asarray(rows.column("caller").to_pylist(), dtype=object)
    callers, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    busiest = sorted(range(len(callers)), key=lambda at: (-counts[at], callers[at]))
    for at in busiest[:CALLERS_MAX]:
        if counts[at] >= ROWS_LEAST:
            yield str(callers[at]), rows.take(np.flatnonzero(inverse == at)[:ROWS_MAX])


def _measured(
    rows: Any, contract: Contract, reference: Reference, caller: str
) -> dict[str, Summary]:
    inputs = _inputs(rows)
    outputs = _outputs(rows, contract)
    sweeps, which = swept(inputs, rows.num_rows)
    measured = {FAR: far(inputs, reference.columns, rows.num_rows), SWEPT: sweeps}
    undecided = near(contract, outputs)
    if undecided is not None:
        measured[NEAR] = undecided
    found = {
        name + BAR + caller: summarise(values_of(column), MEAN)
        for name, column in measured.items()
        if name in reference.columns
    }
    names = np.array(list(inputs), dtype=object)[which[which >= 0]]
    if len(names):
        found[FIELD + BAR + caller] = summarise(values_of(names), FIELDS)
    return found


def _inputs(rows: Any) -> dict[str, list[Any]]:
    return {
        name: listed(rows.column(name)) for name in rows.column_names if name.startswith(_INPUT)
    }


def _outputs(rows: Any, contract: Contract) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    names = [f"output_{name}" for name in output_names(contract.output)]
    there = [name for name in names if name in rows.column_names]
    if len(there) < len(names):
        return np.zeros((rows.num_rows, 0))
    columns = [rows.column(name).to_numpy(zero_copy_only=False) for name in there]
    return np.stack(columns, axis=1).astype(np.float64)
