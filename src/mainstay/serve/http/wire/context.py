"""Context values that come as columns: completed and checked at the door.

They are checked here, not with the inputs in the pipeline, because what a call did not send is
filled in from its contract: from here on every call of a version has the same context columns.
"""

import numpy as np

from mainstay.contract.columns import Columns
from mainstay.contract.model import Contract, FromRequest, Input
from mainstay.contract.problems import raise_first
from mainstay.contract.values import Checker, FieldSet


class ContextTensors:
    """The context values of one version that a caller may send."""

    def __init__(self, contract: Contract, checker: Checker) -> None:
        sources = {n: c for n, c in contract.context.items() if isinstance(c, FromRequest)}
        self.kinds: dict[str, Input] = {name: source.value for name, source in sources.items()}
        self._check = checker.context.check
        # What an empty row means, value by value: a stand-in, or the words of a refusal.
        self._absent = {
            name: FieldSet({name: source.value}, otherwise={name: source.otherwise}).from_rows([{}])
            for name, source in sources.items()
        }

    def complete(self, sent: Columns, rows: int) -> Columns:
        """All context columns, from those that were sent."""
        full: Columns = {}
        for name, (column, problems) in self._absent.items():
            if name in sent:
                full[name] = sent[name]
            else:
                raise_first(problems, 1)
                full[name] = np.repeat(column[name], rows, axis=0)
        if full:
            raise_first(self._check(full), rows)
        return full
