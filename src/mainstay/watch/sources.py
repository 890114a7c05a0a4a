"""Beside the columns of decisions, where their values come from: look-ups, and forms of texts.

They are parts of the same stretch and version, so the monitor of columns asks about them like about
any other column; of look-ups it is usual that they answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mainstay.contract.model import Contract
from mainstay.summaries.origins import (
    FORMAT,
    ROWS_MAX,
    SOURCE,
    answers_of,
    formed,
    lookups_of,
    usual_answers,
    usual_forms,
)
from mainstay.summaries.reference import Known, Reference
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import Part
from mainstay.watch.gather.port import Contracts
from mainstay.watch.gather.stretches import stretches_of


class Sources:
    """Beside the columns of decisions, where they come from."""

    def __init__(self, versions: Contracts) -> None:
        self._versions = versions

    def parts(self, table: Any, reference: Reference) -> Iterator[Part]:
        """What a table of decisions of one version says of its sources."""
        contract = self._contract(table)
        if contract is None:
            return
        for key, rows in stretches_of(table):
            columns: dict[str, Summary] = {}
            for lookup in lookups_of(contract):
                if SOURCE + lookup in reference.columns:
                    reasons = rows.column("reason").to_pylist()
                    columns[SOURCE + lookup] = answers_of(lookup, reasons)
            for name, known in reference.columns.items():
                column = name.removeprefix(FORMAT)
                if name.startswith(FORMAT) and column in rows.column_names:
                    texts = rows.column(column).slice(0, ROWS_MAX).to_pylist()
                    columns[name] = formed(texts, known.ruler)
            if columns:
                yield Part(key, 0, columns)

    def known(self, rows: Any, known: Mapping[str, Known]) -> Mapping[str, Known]:
        """What is usual, by the first decisions of a version."""
        contract = self._contract(rows)
        if contract is None:
            return {}
        texts = {
            name: rows.column(name).slice(0, ROWS_MAX).to_pylist()
            for name in known
            if name in rows.column_names
        }
        return {**usual_answers(contract), **usual_forms(contract, texts)}

    def _contract(self, table: Any) -> Contract | None:
        return self._versions.contract(table.column("fingerprint")[0].as_py())
