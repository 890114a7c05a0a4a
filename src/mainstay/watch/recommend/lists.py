"""Lists of sealed decisions as parts: what was shown, and to whom, for those that were told.

Shadows and what was withheld show nothing to anybody; shadows have parts of their own arm.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mainstay.contract.model import Contract, Ranking
from mainstay.summaries.rankings import shown, unit_of
from mainstay.summaries.reference import Known, Reference
from mainstay.watch.gather.model import Part
from mainstay.watch.gather.port import Contracts
from mainstay.watch.gather.stretches import stretches_of
from mainstay.watch.labels.metrics import TOLD


class Lists:
    """Beside the columns of decisions, what rankings show."""

    def __init__(self, versions: Contracts) -> None:
        self._versions = versions

    def parts(self, table: Any, reference: Reference) -> Iterator[Part]:
        """What a table of decisions of one version shows; nothing where it makes no lists."""
        contract = self._contract(table)
        if contract is None:
            return
        for key, rows in stretches_of(table):
            found = listed(rows, contract)
            if found:
                yield Part(key, 0, {name: known.summary for name, known in found.items()})

    def known(self, rows: Any, known: Mapping[str, Known]) -> Mapping[str, Known]:
        """What its first decisions showed."""
        contract = self._contract(rows)
        return {} if contract is None else listed(rows, contract)

    def _contract(self, table: Any) -> Contract | None:
        contract = self._versions.contract(table.column("fingerprint")[0].as_py())
        return contract if contract is not None and isinstance(contract.output, Ranking) else None


def listed(rows: Any, contract: Contract) -> dict[str, Known]:
    """What some decisions of a ranking show; nothing where none was told."""
    output = contract.output
    assert isinstance(output, Ranking), "only rankings make lists"
    columns = [f"output_{item}" for item in output.items]
    if not set(columns) <= set(rows.column_names):
        return {}
    status = np.asarray(rows.column("status").to_pylist(), dtype=object)
    told = np.isin(status, list(TOLD))
    if not told.any():
        return {}
    scores = np.stack(
        [rows.column(name).to_numpy(zero_copy_only=False)[told] for name in columns], axis=1
    ).astype(np.float64)
    return shown(contract, scores, _units(rows, contract, told))


def _units(rows: Any, contract: Contract, told: Any) -> Sequence[Any] | None:
    name = f"input_{unit_of(contract)}"
    if name not in rows.column_names:
        return None
    return [unit for unit, one in zip(rows.column(name).to_pylist(), told, strict=True) if one]
