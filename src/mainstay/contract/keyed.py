"""The key of a model: by what others know its decisions, where they do not know the decisions' ids.

Promises that a key is read as the value of a decision is (repaired, of the same type, within the
same bounds), so that what is the same to people is the same here; and that the value of a column
that is personal, private or about a subject is kept as a digest only, never told again, and never
written down a second time.
"""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import KEY_MAX_CHARACTERS
from mainstay.contract.model import Contract, Integer, columns_of, logged_name
from mainstay.contract.problems import Problem, brief, refusal
from mainstay.contract.repair import repairer_of
from mainstay.contract.times import duration_ns
from mainstay.contract.values import FieldSet


class By(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the decision of a key is found, as the contract said it when the key was told."""

    column: str
    """Of decisions, in the journal."""
    within_ns: int
    time_ns: int
    """When what is told of the key happened."""
    whole: bool = False
    """The column has whole numbers."""
    salt: str = ""
    """Goes before a value whose digest is the key; with none the value itself is."""


class Key:
    """The key of one contract, compiled once."""

    def __init__(self, contract: Contract) -> None:
        """Only for contracts that have one."""
        name = contract.labels.key
        kind = columns_of(contract.inputs, contract.context)[name]
        self._name = name
        self._fields = FieldSet({name: kind})
        repairer = repairer_of(contract)
        self._repair = repairer.rows if repairer is not None and name in contract.inputs else None
        self._column = logged_name(name, contract.inputs)
        self._within_ns = duration_ns(contract.labels.within)
        self.whole = isinstance(kind, Integer)
        self.hidden = kind.sensitivity != "public" or bool(kind.subject)
        self._salt = f"{contract.model}\n{self._column}\n" if self.hidden else ""

    def by(self, time_ns: int) -> By:
        """How the decisions of keys are found of which something is told that happened then."""
        return By(
            column=self._column,
            within_ns=self._within_ns,
            time_ns=time_ns,
            whole=self.whole,
            salt=self._salt,
        )

    def kept(self, keys: Sequence[str | int]) -> list[str]:
        """Keys as they are kept; `InvalidRequest` where one is none."""
        rows = [{self._name: key} for key in keys]
        repaired = rows if self._repair is None else self._repair(rows)[0]
        columns, problems = self._fields.from_rows(repaired)
        if not problems:
            listed = columns[self._name].tolist()
            texts = [str(int(value)) if self.whole else str(value) for value in listed]
            problems = [p for row, text in enumerate(texts) if (p := self._too_odd(row, text))]
            if not problems:
                return [self._digest(text) for text in texts]
        raise self._refused(problems, len(keys))

    def _too_odd(self, row: int, text: str) -> Problem | None:
        if 1 <= len(text) <= KEY_MAX_CHARACTERS and text.isprintable():
            return None
        expected = f"1 to {KEY_MAX_CHARACTERS} characters that can be printed"
        return Problem(row, self._name, "length", brief(text), expected, f"a key has {expected}")

    def _refused(self, problems: Sequence[Problem], rows: int) -> InvalidRequest:
        told = refusal(problems, rows)
        if not self.hidden:
            return told
        row = problems[0].row
        which = f"row {row}: " if row is not None and rows > 1 else ""
        words = f"{which}this is no {self._name!r}"
        return InvalidRequest(words, field=told.field, rule=told.rule, expected=told.expected)

    def _digest(self, text: str) -> str:
        return sha256((self._salt + text).encode()).hexdigest() if self.hidden else text


def key_of(contract: Contract) -> Key | None:
    """The key of a contract, where it has one."""
    return Key(contract) if contract.labels.key else None
