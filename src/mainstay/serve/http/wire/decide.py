"""Our own form: a JSON object of named values in, one decision in plain words out.

    {"inputs": {"amount": 12.5}, "context": {…}, "request": "my id"}     one row
    {"rows": [{"inputs": {…}, "context": {…}}, …], "request": "my id"}   several

One row is answered by one object, rows by `{"rows": […]}` in the same order. A row that may not
be shown has no answer, no confidence and no options, but words for a person. Vectors of a
declared embedding space come with `"spaces": {"name": "space"}`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import numpy as np

from mainstay.base.errors import InvalidRequest
from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.contract.model import Contract
from mainstay.contract.problems import brief, raise_first
from mainstay.contract.repair import Change
from mainstay.contract.values import Checker
from mainstay.serve.http.wire.choice import Told
from mainstay.serve.http.wire.model import Parsed, check_request_id
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys
from mainstay.serve.model import Answer

_Values = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_PLAINLY = "answered"
_SHOWN = frozenset({"answered", "asked", "fallback"})
"""Statuses whose answer is told."""


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    inputs: _Values
    context: _Values | msgspec.UnsetType = msgspec.UNSET


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    inputs: _Values | msgspec.UnsetType = msgspec.UNSET
    context: _Values | msgspec.UnsetType = msgspec.UNSET
    request: str | msgspec.UnsetType = msgspec.UNSET
    rows: list[_Row] | msgspec.UnsetType = msgspec.UNSET
    spaces: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class _Decision(msgspec.Struct):
    id: str
    model: str
    version: int
    arm: str
    status: str
    answer: Any
    confidence: float | None
    options: Any
    words: str
    reason: str | msgspec.UnsetType = msgspec.UNSET
    request: str | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Body)


def _quotes(body: _Body) -> int:
    """How many quotation marks a request has when no key is there twice."""
    quotes = 0
    for values in (body.inputs, body.context, body.spaces):
        if values is not msgspec.UNSET:
            quotes += 2 + _quotes_of(values)
    if body.request is not msgspec.UNSET:
        quotes += 4
    if body.rows is not msgspec.UNSET:
        quotes += 2
        for row in body.rows:
            quotes += 2 + _quotes_of(row.inputs)
            if row.context is not msgspec.UNSET:
                quotes += 2 + _quotes_of(row.context)
    return quotes


def _quotes_of(values: _Values) -> int:
    quotes = 2 * len(values)
    for value in values.values():
        if isinstance(value, str):
            quotes += 2
        elif isinstance(value, dict) or (
            # A list of numbers has none; anything else is worth the slow look.
            isinstance(value, list) and not _PLAIN.issuperset(map(type, cast("list[Any]", value)))
        ):
            quotes += UNKNOWN_QUOTES
    return quotes


_PLAIN: frozenset[type] = frozenset({int, float, bool, type(None)})


class DecideDoor:
    """Reads and writes our own form for one version."""

    def __init__(self, contract: Contract, checker: Checker) -> None:
        self._model = contract.model
        self._say = contract.judge.say
        self._checker = checker

    def parse(self, body: bytes) -> Parsed:
        """The rows of a request; `InvalidRequest` names what is wrong with them."""
        read = decode(_decoder, body)
        refuse_duplicate_keys(body, _quotes(read))
        single = read.inputs is not msgspec.UNSET
        if single == (read.rows is not msgspec.UNSET):
            raise InvalidRequest(
                "there are both `inputs` and `rows`" if single else "there are no inputs",
                field="inputs",
                rule="duplicate" if single else "missing",
                expected="either `inputs` for one row, or `rows` for a list of them",
            )
        inputs: list[_Values] = []
        context: list[_Values] = []
        if read.inputs is not msgspec.UNSET:
            inputs = [read.inputs]
            context = [{} if read.context is msgspec.UNSET else read.context]
        elif read.rows is not msgspec.UNSET:
            if read.context is not msgspec.UNSET:
                raise InvalidRequest(
                    "`context` belongs into each of the rows",
                    field="context",
                    rule="unknown",
                    expected='{"rows": [{"inputs": {…}, "context": {…}}]}',
                )
            inputs = [row.inputs for row in read.rows]
            context = [{} if row.context is msgspec.UNSET else row.context for row in read.rows]
        check_spaces(self._checker, None if read.spaces is msgspec.UNSET else read.spaces)
        request = "" if read.request is msgspec.UNSET else read.request
        return parsed_rows(
            self._checker,
            inputs,
            context,
            check_request_id(request, "request"),
            single=single,
        )

    def encode(self, answer: Answer, parsed: Parsed, changed: Told | None = None) -> bytes:
        """One decision, or a list of them; what changed is told once with either."""
        beside = f',"request":{_encode(parsed.request).decode()}' if parsed.request else ""
        if changed is not None:
            beside += f',"changed":{_encode(changed).decode()}'
        rows = self._rows(answer)
        if parsed.single:
            return (f"{rows[0][:-1]}{beside}}}" if beside else rows[0]).encode()
        return f'{{"rows":[{",".join(rows)}]{beside}}}'.encode()

    def _rows(self, answer: Answer) -> list[str]:
        """Every decision as JSON. Of those that simply were answered nothing differs but the id
        and what is shown, so these are put together from columns."""
        statuses = answer.statuses
        if answer.rows or answer.words or statuses.count(_PLAINLY) != len(statuses):
            rows = range(len(statuses))
            return [_encode(self._decision(answer, row)).decode() for row in rows]
        same = f'"model":"{answer.model}","version":{answer.number},"arm":"{answer.arm}"'
        return [
            f'{{"id":"{identity}",{same},"status":"{_PLAINLY}",{text},"words":""}}'
            for identity, text in zip(answer.ids.listed(), answer.shown.texts(), strict=True)
        ]

    def _decision(self, answer: Answer, row: int) -> _Decision:
        status = answer.statuses[row]
        identity = answer.ids[row]
        number, arm = answer.number, answer.arm
        if answer.rows:
            number, arm = answer.rows[row].version, answer.rows[row].arm
        words = answer.words.get(row)
        if status not in _SHOWN:
            return _Decision(
                identity,
                answer.model,
                number,
                arm,
                status,
                None,
                None,
                answer.shown[row].options if status == "options" else [],
                self._say if words is None else words,
                answer.reasons[row] or msgspec.UNSET,
            )
        shown = answer.shown[row]
        return _Decision(
            identity,
            answer.model,
            number,
            arm,
            status,
            shown.answer,
            shown.confidence,
            shown.options,
            words or "",
            msgspec.UNSET if status == "answered" else answer.reasons[row] or msgspec.UNSET,
        )

    def encode_features(self, features: Columns, names: tuple[str, ...], parsed: Parsed) -> bytes:
        """What the extractor made of a request, by name; null where a feature is missing."""
        if MATRIX in features and MATRIX not in names:
            lists: list[list[Any]] = features[MATRIX].tolist()
            rows = [dict(zip(names, values, strict=True)) for values in lists]
        else:
            columns = [_listed(features[name]) for name in names]
            rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        if parsed.single:
            return _encode({"features": rows[0]})
        return _encode({"rows": [{"features": row} for row in rows]})


def _listed(column: Column) -> list[Any]:
    """A column's values as JSON carries them."""
    if column.dtype.kind == "M":
        return [None if np.isnat(moment) else f"{moment}Z" for moment in column]
    return column.tolist()


def parsed_rows(
    checker: Checker,
    inputs: list[_Values],
    context: list[_Values],
    request: str,
    *,
    single: bool,
) -> Parsed:
    """Rows of JSON objects as a `Parsed`, or the refusal of the first that is wrong."""
    changes: tuple[Change, ...] = ()
    rows: Sequence[Mapping[str, Any]] = inputs
    if checker.repairer is not None:
        rows, changes = checker.repairer.rows(inputs)
    columns, problems = checker.columns_from_rows(rows)
    raise_first(problems, len(inputs))
    sent, problems = checker.context_from_rows(context)
    raise_first(problems, len(inputs))
    return Parsed(columns, sent, len(inputs), request, single=single, repaired=changes)


def check_spaces(checker: Checker, sent: dict[str, str] | None) -> None:
    """Vectors must say that they come from the embedding space the contract declares."""
    named = sent or {}
    if named == checker.spaces:
        return
    for name, space in checker.spaces.items():
        if named.get(name) != space:
            raise InvalidRequest(
                f"{name} must say that it comes from the embedding space {space!r}",
                field=name,
                rule="space",
                got=brief(named.get(name)),
                expected=f"spaces: {{{name!r}: {space!r}}}",
            )
    surplus = next(name for name in named if name not in checker.spaces)
    raise InvalidRequest(
        f"{brief(surplus)} has no embedding space in this model's contract",
        field=brief(surplus),
        rule="unknown",
        got=brief(named[surplus]),
        expected="spaces only for: " + (", ".join(checker.spaces) or "no input of this model"),
    )
