"""Open Inference Protocol v2 over REST: a request's bytes to a `Parsed`.

Inputs come as one tensor per field, shape [rows] or [rows, 1] (a vector [rows, length]), or, where
all inputs are numbers, whole numbers or booleans, as one tensor named `matrix` of shape
[rows, inputs] in the contract's order. The name is not free: a request that names nothing this
model knows may be meant for another model. Context values come as tensors of their names or, the
same for all rows, as request parameters. Each tensor's data is JSON (flat or nested) or raw bytes
after the JSON. Everything that is not understood is refused; nothing is ignored.
"""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidRequest
from mainstay.contract.columns import MATRIX, Columns
from mainstay.contract.model import (
    Boolean,
    Contract,
    Input,
    Integer,
    Number,
    Vector,
)
from mainstay.contract.problems import brief
from mainstay.contract.shape import one_of
from mainstay.serve.http.wire.context import ContextTensors
from mainstay.serve.http.wire.model import (
    ALL_BINARY,
    ALL_JSON,
    Parsed,
    Wanted,
    check_request_id,
    check_rows,
    unknown,
)
from mainstay.serve.http.wire.strict import decode, refuse_duplicate_keys
from mainstay.serve.http.wire.tensors import (
    NUMBERS,
    check_datatype,
    check_shape,
    column_of,
    datatypes_of,
    from_bytes,
    from_json,
    missing,
)

_Parameters = dict[str, bool | int | float | str]
_NO_DATA: Final = msgspec.Raw()
_HARMLESS_CONTENT_TYPES: Final = ("np", "pd", "str")
"""Hints of how to read a tensor that some clients add; these say what we do anyway."""


class _Tensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = _NO_DATA
    parameters: _Parameters | msgspec.UnsetType | None = msgspec.UNSET


class _Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    parameters: _Parameters | msgspec.UnsetType | None = msgspec.UNSET


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inputs: list[_Tensor]
    id: str | msgspec.UnsetType | None = msgspec.UNSET
    model_name: str | msgspec.UnsetType | None = msgspec.UNSET
    parameters: _Parameters | msgspec.UnsetType | None = msgspec.UNSET
    outputs: list[_Output] | msgspec.UnsetType | None = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Request)
_encode = msgspec.json.Encoder().encode


def _quotes(request: _Request) -> int:
    """How many quotation marks a request has when no key is there twice."""
    quotes = 2 * _marked(request.id) + 2 * _marked(request.model_name) + 2
    if request.parameters is not msgspec.UNSET:
        quotes += 2 + _quotes_of(request.parameters)
    if request.outputs is not msgspec.UNSET:
        quotes += 2
        for output in request.outputs or ():
            quotes += 4
            if output.parameters is not msgspec.UNSET:
                quotes += 2 + _quotes_of(output.parameters)
    for tensor in request.inputs:
        # Three keys and the strings of two of them; then the data with what is in it.
        quotes += 10
        if tensor.data is not _NO_DATA:
            quotes += 2 + bytes(tensor.data).count(b'"')
        if tensor.parameters is not msgspec.UNSET:
            quotes += 2 + _quotes_of(tensor.parameters)
    return quotes


def _marked(value: str | msgspec.UnsetType | None) -> int:
    if value is msgspec.UNSET:
        return 0
    return 1 if value is None else 2


def _quotes_of(parameters: _Parameters | None) -> int:
    if not parameters:
        return 0
    return 2 * len(parameters) + 2 * sum(type(value) is str for value in parameters.values())


class _RawParts:
    """The raw bytes after the JSON, handed out in the order of the tensors that have some."""

    def __init__(self, body: bytes, start: int) -> None:
        self._rest = memoryview(body)[start:]

    def take(self, name: str, size: Any) -> memoryview:
        """The next `size` bytes, which belong to the tensor `name`."""
        if type(size) is not int or size < 0:
            raise InvalidRequest(
                f"binary_data_size of {name} is not a number of bytes",
                field=name,
                rule="size",
                got=brief(size),
                expected="a whole number, 0 or more",
            )
        if size > len(self._rest):
            raise InvalidRequest(
                f"the body ends before the raw bytes of {name} do",
                field=name,
                rule="size",
                got=f"{len(self._rest)} bytes left",
                expected=f"{brief(size)} bytes",
            )
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def finish(self) -> None:
        """Refuse bytes that no tensor claimed."""
        if len(self._rest):
            raise InvalidRequest(
                "there are bytes after the last tensor",
                field="body",
                rule="size",
                got=f"{len(self._rest)} bytes too many",
                expected="exactly the bytes that the tensors' binary_data_size state",
            )


class OipRequests:
    """Reads the requests of one version; made once from its contract."""

    def __init__(
        self, contract: Contract, outputs: tuple[str, ...], context: ContextTensors
    ) -> None:
        self._model = contract.model
        self._kinds = contract.inputs
        self._reader = context
        self._context = context.kinds
        self._outputs = outputs
        self.numeric = all(
            isinstance(kind, Number | Integer | Boolean) for kind in self._kinds.values()
        )
        self._width = len(self._kinds)
        self._holes = any(kind.optional for kind in self._kinds.values())

    def parse(self, body: bytes, json_length: int | None) -> Parsed:
        """A body, and the value of its Inference-Header-Content-Length if it had one."""
        if json_length is None:
            return self._parse(body, None)
        if json_length == 0:
            return self._raw_matrix(body)
        if not 0 < json_length <= len(body):
            raise InvalidRequest(
                "Inference-Header-Content-Length does not fit the body",
                field="Inference-Header-Content-Length",
                rule="size",
                got=brief(json_length),
                expected=f"0 to {len(body)}, the length of the body",
            )
        return self._parse(body[:json_length], _RawParts(body, json_length))

    def _parse(self, head: bytes, raw: _RawParts | None) -> Parsed:
        request = decode(_decoder, head)
        refuse_duplicate_keys(head, _quotes(request))
        tensors = request.inputs
        if len(tensors) == 1 and tensors[0].name == MATRIX and self.numeric:
            rows, inputs = self._matrix(tensors[0], raw)
            context: Columns = {}
        else:
            rows, inputs, context = self._named(tensors, raw)
        if raw is not None:
            raw.finish()
        wanted = ALL_JSON
        if request.outputs or request.parameters:
            wanted = self._wanted(request, rows, context)
        if self._context:
            context = self._reader.complete(context, rows)
        if request.model_name and request.model_name != self._model:
            raise InvalidRequest(
                "the request names another model than its address",
                field="model_name",
                rule="same",
                got=brief(request.model_name),
                expected=self._model,
            )
        identity = request.id
        if not identity:
            return Parsed(inputs, context, rows, "", wanted)
        return Parsed(inputs, context, rows, check_request_id(identity, "id"), wanted)

    def _matrix(self, tensor: _Tensor, raw: _RawParts | None) -> tuple[int, Columns]:
        check_datatype(MATRIX, tensor.datatype, NUMBERS)
        rows = check_shape(MATRIX, tensor.shape, self._width, flat=False)
        flat = self._array(tensor, rows, self._width, raw, null=self._holes)
        if flat.dtype != np.float64:
            flat = flat.astype(np.float64)
        return rows, {MATRIX: flat.reshape(rows, self._width)}

    def _array(
        self,
        tensor: _Tensor,
        rows: int,
        width: int,
        raw: _RawParts | None,
        *,
        null: bool,
        space: str | None = None,
    ) -> npt.NDArray[Any]:
        """The values of a tensor whose datatype and shape are right."""
        size: Any = None
        if tensor.parameters or space is not None:
            size = _tensor_parameters(tensor, space)
        if size is None:
            if tensor.data is _NO_DATA:
                raise InvalidRequest(
                    f"{tensor.name} has no data",
                    field=tensor.name,
                    rule="missing",
                    expected="`data`, or `binary_data_size` and raw bytes after the JSON",
                )
            return from_json(tensor.name, tensor.datatype, rows, width, tensor.data, null=null)
        if raw is None or tensor.data is not _NO_DATA:
            why = "also `data`" if raw else "no header says where the raw bytes begin"
            raise InvalidRequest(
                f"{tensor.name} has binary_data_size, but {why}",
                field=tensor.name,
                rule="size",
                got=brief(size),
                expected="either `data`, or raw bytes and Inference-Header-Content-Length",
            )
        return from_bytes(tensor.name, tensor.datatype, rows, width, raw.take(tensor.name, size))

    def _named(self, tensors: list[_Tensor], raw: _RawParts | None) -> tuple[int, Columns, Columns]:
        if not tensors:
            raise InvalidRequest(
                "the request has no inputs",
                field="inputs",
                rule="missing",
                got="an empty list",
                expected=f"one tensor for each of: {one_of(self._kinds)}",
            )
        seen: dict[str, Any] = {}
        context: Columns = {}
        rows = 0
        for tensor in tensors:
            name = tensor.name
            if name in seen:
                raise InvalidRequest(
                    f"{brief(name)} is there twice among the inputs",
                    field=brief(name),
                    rule="duplicate",
                    got=brief(name),
                    expected="every input once",
                )
            if name == MATRIX and self.numeric and name not in self._kinds:
                count, matrix = self._matrix(tensor, raw)
                seen[name] = matrix[MATRIX]
            else:
                kind = self._kinds.get(name) or self._context.get(name)
                if kind is None:
                    known = (*self._kinds, *self._context, *((MATRIX,) if self.numeric else ()))
                    raise unknown("input", name, known)
                count, seen[name] = self._column(tensor, kind, raw)
                if name not in self._kinds:
                    context[name] = seen[name]
            if rows and count != rows:
                raise InvalidRequest(
                    f"{name} has another number of rows than {tensors[0].name}",
                    field=name,
                    rule="rows",
                    got=count,
                    expected=f"{rows}, as {tensors[0].name} has",
                )
            rows = count
        return rows, self._gathered(seen, rows), context

    def _column(
        self, tensor: _Tensor, kind: Input, raw: _RawParts | None
    ) -> tuple[int, npt.NDArray[Any]]:
        name = tensor.name
        check_datatype(name, tensor.datatype, datatypes_of(kind))
        vector = isinstance(kind, Vector)
        width = kind.length if vector else 1
        rows = check_shape(name, tensor.shape, width, flat=not vector)
        space = kind.space if vector else None
        array = self._array(tensor, rows, width, raw, null=kind.optional, space=space)
        return rows, column_of(name, kind, array, rows)

    def _gathered(self, seen: dict[str, Any], rows: int) -> Columns:
        """All inputs in the contract's order, missing optional ones included."""
        if MATRIX in seen and self.numeric and MATRIX not in self._kinds:
            both = [name for name in self._kinds if name in seen]
            if both:
                raise InvalidRequest(
                    f"{both[0]} is in the matrix already",
                    field=both[0],
                    rule="duplicate",
                    got=both[0],
                    expected=f"either {MATRIX!r}, or one tensor per input",
                )
            return {MATRIX: seen[MATRIX]}
        columns: Columns = {}
        for name, kind in self._kinds.items():
            column = seen.get(name)
            if column is None:
                if not kind.optional:
                    raise InvalidRequest(
                        f"the input {name} is missing",
                        field=name,
                        rule="missing",
                        expected=f"a tensor of {datatypes_of(kind)[0]} named {name!r}",
                    )
                column = missing(kind, rows)
            columns[name] = column
        if self.numeric:
            return {MATRIX: np.column_stack(list(columns.values())).astype(np.float64, copy=False)}
        return columns

    def _wanted(self, request: _Request, rows: int, context: Columns) -> Wanted:
        binary = False
        for name, value in (request.parameters or {}).items():
            if name == "binary_data_output":
                binary = _switch(name, value)
            elif name in self._context:
                if name in context:
                    raise InvalidRequest(
                        f"{name} is there twice, as an input and as a parameter",
                        field=name,
                        rule="duplicate",
                        got=brief(value),
                        expected="a context value once",
                    )
                context[name] = _same_for_all(name, self._context[name], value, rows)
            elif name != "content_type" or value not in _HARMLESS_CONTENT_TYPES:
                raise unknown("request parameter", name, ("binary_data_output", *self._context))
        if not request.outputs:
            return ALL_BINARY if binary else ALL_JSON
        names: dict[str, bool] = {}
        for output in request.outputs:
            if output.name in names:
                raise InvalidRequest(
                    f"{brief(output.name)} is asked for twice",
                    field=brief(output.name),
                    rule="duplicate",
                    got=brief(output.name),
                    expected="every output once",
                )
            if output.name not in self._outputs:
                raise unknown("output", output.name, self._outputs)
            names[output.name] = binary
            for key, value in (output.parameters or {}).items():
                if key == "binary_data":
                    names[output.name] = _switch(f"{output.name}.{key}", value)
                elif key != "content_type" or value not in _HARMLESS_CONTENT_TYPES:
                    raise unknown("output parameter", key, ("binary_data",))
        return Wanted(tuple(names), tuple(names.values()), binary, "status" in names)

    def _raw_matrix(self, body: bytes) -> Parsed:
        """A body of raw bytes alone: FP64 rows in the contract's order."""
        width = 8 * self._width
        if not self.numeric or len(body) % width:
            raise InvalidRequest(
                "a body of raw bytes alone is whole rows of FP64, one number per input"
                if self.numeric
                else "a body of raw bytes alone needs a model whose inputs are all numbers",
                field="body",
                rule="size",
                got=f"{len(body)} bytes",
                expected=f"a multiple of {width} bytes" if self.numeric else "named tensors",
            )
        rows = check_rows(len(body) // width, MATRIX)
        matrix = np.frombuffer(body, dtype="<f8").astype(np.float64).reshape(rows, self._width)
        context = self._reader.complete({}, rows)
        return Parsed({MATRIX: matrix}, context, rows, "", ALL_BINARY)


def _tensor_parameters(tensor: _Tensor, space: str | None) -> Any:
    """The size of a tensor's raw bytes, or None; every other parameter must be right."""
    size: Any = None
    sent: Any = None
    for key, value in (tensor.parameters or {}).items():
        if key == "binary_data_size":
            size = value
        elif key == "space" and space is not None:
            sent = value
        elif key != "content_type" or value not in _HARMLESS_CONTENT_TYPES:
            known = ("binary_data_size", "space") if space else ("binary_data_size",)
            raise unknown(f"parameter of {tensor.name}", key, known)
    if sent != space:
        raise InvalidRequest(
            f"{tensor.name} must say that it comes from the embedding space {space!r}",
            field=tensor.name,
            rule="space",
            got=brief(sent),
            expected=f"the tensor parameter space: {space!r}",
        )
    return size


def _switch(field: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidRequest(
        f"{field} is either true or false",
        field=field,
        rule="type",
        got=brief(value),
        expected="true or false",
    )


def _same_for_all(name: str, kind: Input, value: Any, rows: int) -> npt.NDArray[Any]:
    """A context value from a request parameter as a column."""
    width = kind.length if isinstance(kind, Vector) else 1
    data = msgspec.Raw(_encode([value]))
    array = from_json(name, datatypes_of(kind)[0], 1, width, data, null=False)
    return np.repeat(column_of(name, kind, array, 1), rows, axis=0)
