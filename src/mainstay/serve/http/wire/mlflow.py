"""MLflow's scoring protocol: `/invocations` as JSON or CSV.

JSON holds exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`. Rows
given as lists are in the contract's order. A column that the contract declares as a context value
is taken as such. `params` holds nothing but `spaces`, the embedding spaces of vectors.

CSV has a header row; an empty cell is a missing value where one is allowed. Predictions are what
a person or a program acts on: the class, the number, the ranked items. The protocol has no place
for a status, so when one row may not be shown as it is (it is held, or somebody is to confirm it or
to choose) the whole call is answered by an error. What answers in place of a model is an answer.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from mainstay.base.errors import InvalidRequest, UnsupportedForm
from mainstay.base.limits import INPUTS_MAX, ROWS_PER_CALL_MAX
from mainstay.contract.model import Boolean, Contract, FromRequest, Input, Integer, Number, Text
from mainstay.contract.problems import brief
from mainstay.contract.values import Checker
from mainstay.serve.http.wire.decide import check_spaces, parsed_rows
from mainstay.serve.http.wire.model import Parsed, check_rows
from mainstay.serve.http.wire.oip_answer import refuse_withheld
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys
from mainstay.serve.model import Answer

_FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_encode = msgspec.json.Encoder().encode


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None
    """Row labels of the data frame; they say nothing about the values."""


class _Params(msgspec.Struct, forbid_unknown_fields=True):
    spaces: dict[str, str] = {}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: _Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | None = None
    inputs: dict[str, list[Any]] | list[Any] | None = None
    params: _Params | None = None


_decoder = msgspec.json.Decoder(_Body)
_Rows = list[dict[str, Any]]


class MlflowDoor:
    """Reads and writes MLflow's scoring protocol for one version."""

    def __init__(self, contract: Contract, checker: Checker) -> None:
        self._checker = checker
        self._context = {
            name: source.value
            for name, source in contract.context.items()
            if isinstance(source, FromRequest)
        }
        self._kinds: dict[str, Input] = {**contract.inputs, **self._context}

    def parse(self, body: bytes, content_type: str) -> Parsed:
        """The rows of a request; a missing content type means JSON."""
        form, _, parameters = content_type.partition(";")
        charset = parameters.replace(" ", "").replace('"', "").lower()
        if charset not in ("", "charset=utf-8"):
            raise _unsupported(content_type)
        form = form.strip().lower()
        spaces: dict[str, str] = {}
        if form in ("", "application/json"):
            rows, spaces = self._json(body)
        elif form == "text/csv":
            rows = self._csv(body)
        else:
            raise _unsupported(content_type)
        check_spaces(self._checker, spaces)
        context: _Rows = [{} for _ in rows]
        if self._context:
            inputs: _Rows = []
            for place, row in enumerate(rows):
                inputs.append({k: v for k, v in row.items() if k not in self._context})
                context[place] = {k: v for k, v in row.items() if k in self._context}
            rows = inputs
        return parsed_rows(self._checker, rows, context, "", single=False)

    def _json(self, body: bytes) -> tuple[_Rows, dict[str, str]]:
        read = decode(_decoder, body)
        refuse_duplicate_keys(body, UNKNOWN_QUOTES)
        forms = [form for form in _FORMS if getattr(read, form) is not None]
        if len(forms) != 1:
            raise InvalidRequest(
                f"the request has {' and '.join(forms)}" if forms else "the request has no rows",
                field=forms[1] if forms else "body",
                rule="duplicate" if forms else "missing",
                expected=f"exactly one of {', '.join(_FORMS)}",
            )
        spaces = read.params.spaces if read.params else {}
        if read.dataframe_split is not None:
            split = read.dataframe_split
            return self._table(split.columns, split.data, "dataframe_split"), spaces
        if read.dataframe_records is not None:
            return read.dataframe_records, spaces
        if read.instances is not None:
            return self._items(read.instances, "instances"), spaces
        if isinstance(read.inputs, dict):
            return _of_columns(read.inputs), spaces
        return self._items(read.inputs or [], "inputs"), spaces

    def _items(self, items: list[Any], field: str) -> _Rows:
        """Rows as objects, as lists in the contract's order, or, of one input, as values."""
        names = self._checker.names
        check_rows(len(items), field)
        kinds = set(map(type, items))
        if kinds == {dict}:
            return items
        if kinds == {list}:
            return self._table(names, items, field)
        if len(names) == 1 and not kinds & {dict, list}:
            return [{names[0]: item} for item in items]
        raise InvalidRequest(
            f"{field} is not a list of rows",
            field=field,
            rule="type",
            got=brief(items[0]),
            expected=f"objects of named values, or lists of {len(names)} values",
        )

    def _table(self, names: Sequence[str], data: list[list[Any]], field: str) -> _Rows:
        """Lists of values with one name each."""
        check_rows(len(data), field)
        _refuse_twice(names, field)
        for place, row in enumerate(data):
            if len(row) != len(names):
                raise InvalidRequest(
                    f"row {place} of {field} has {len(row)} values, not {len(names)}",
                    field=field,
                    rule="shape",
                    got=len(row),
                    expected=f"{len(names)} values in every row",
                )
        return [dict(zip(names, row, strict=True)) for row in data]

    def _csv(self, body: bytes) -> _Rows:
        try:
            text = str(body, "utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                "the CSV is not UTF-8",
                field="body",
                rule="utf-8",
                got=body[error.start : error.start + 16].hex(" "),
                expected="text in UTF-8",
            ) from None
        try:
            lines = csv.reader(io.StringIO(text, newline=""), strict=True)
            header = next(lines, None)
            if not header or len(header) > INPUTS_MAX:
                raise InvalidRequest(
                    "the CSV has no header row",
                    field="body",
                    rule="missing",
                    expected=f"the names of the inputs: {', '.join(self._checker.names[:12])}",
                )
            data: list[list[str]] = []
            for line in lines:
                if line:
                    data.append(line)
                if len(data) > ROWS_PER_CALL_MAX:
                    break
        except csv.Error as error:
            raise InvalidRequest(
                f"the body is not CSV: {error}",
                field="body",
                rule="csv",
                expected="a header row, then one line per row",
            ) from None
        rows = self._table(header, cast("list[list[Any]]", data), "body")
        kinds = [(name, self._kinds[name]) for name in header if name in self._kinds]
        for row in rows:
            for name, kind in kinds:
                row[name] = _cell(kind, row[name])
        return rows

    def encode(
        self,
        answer: Answer,
        parsed: Parsed,  # because every door is called alike
    ) -> bytes:
        """The predictions, one for each row, and the ids of their decisions."""
        refuse_withheld(answer)
        body: dict[str, Any] = {
            "predictions": answer.shown.answers(),
            "decisions": answer.ids.listed(),
            "model": answer.model,
            "version": answer.number,
            "arm": answer.arm,
        }
        if answer.rows:
            body["versions"] = [row.version for row in answer.rows]
            body["arms"] = [row.arm for row in answer.rows]
        return _encode(body)


def _of_columns(columns: dict[str, list[Any]]) -> _Rows:
    lengths = {name: len(values) for name, values in columns.items()}
    first = next(iter(lengths.values()), 0)
    check_rows(first, "inputs")
    for name, length in lengths.items():
        if length != first:
            raise InvalidRequest(
                f"{brief(name)} has another number of rows than the first input",
                field=brief(name),
                rule="rows",
                got=length,
                expected=f"{first} values",
            )
    names = tuple(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _refuse_twice(names: Sequence[str], field: str) -> None:
    if len(set(names)) == len(names):
        return
    before: set[str] = set()
    for name in names:
        if name in before:
            raise InvalidRequest(
                f"the column {brief(name)!r} is there twice",
                field=brief(name),
                rule="duplicate",
                got=brief(name),
                expected=f"every column of {field} once",
            )
        before.add(name)


def _cell(kind: Input, text: str) -> Any:
    """A CSV cell as JSON would carry it; what cannot be read stays text and is refused later."""
    if not text and (kind.optional or not isinstance(kind, Text)):
        return None
    if isinstance(kind, Number) and _NUMBER.fullmatch(text):
        return float(text)
    if isinstance(kind, Integer) and _WHOLE.fullmatch(text):
        return int(text)
    if isinstance(kind, Boolean):
        return _BOOLEANS.get(text.lower(), text)
    return text


def _unsupported(content_type: str) -> UnsupportedForm:
    return UnsupportedForm(
        "this content type is not read here",
        field="Content-Type",
        rule="content_type",
        got=brief(content_type),
        expected="application/json or text/csv, in UTF-8",
    )
