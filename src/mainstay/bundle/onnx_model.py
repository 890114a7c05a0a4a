"""ONNX models, handed over as a file, as bytes or as a ModelProto, and what we do to any of them.

A model is kept with the one output that is the answer, so that nothing else is computed. Weights
outside of the file and answers that are not tensors (zipmap) are refused.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.extras import library
from mainstay.bundle.frames import matrix_of
from mainstay.bundle.onnx_runner import new_session, tensor_of, tensor_type
from mainstay.bundle.trained import Candidate, Form, Given
from mainstay.contract.columns import Column, Columns

_EXTERNAL: Final = 1


def keep_output(model: Any, wanted: str) -> bytes:
    """The bytes of a model that computes one output only."""
    refuse_external(model.graph)
    for output in [node for node in model.graph.output if node.name != wanted]:
        model.graph.output.remove(output)
    return model.SerializeToString(deterministic=True)


def refuse_external(graph: Any) -> None:
    """Refuse weights that are kept in another file, also inside of branches and loops."""
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    refuse_external(inner)
    for tensor in tensors:
        if tensor.data_location == _EXTERNAL or tensor.external_data:
            raise InvalidUsage(
                f"the ONNX model keeps the weights {tensor.name!r} in another file",
                field="model",
                rule="external data",
                expected="one file: onnx.save(onnx.load(PATH), NEW_PATH, "
                "save_as_external_data=False)",
            )


def read_onnx(model: Any) -> Any:
    """A ModelProto, from whatever it was handed over as."""
    onnx = library("onnx", "packing an ONNX model")
    if isinstance(model, (str, Path)):
        path = Path(model)
        try:
            model = path.read_bytes()
        except OSError as error:
            raise InvalidUsage(
                f"the ONNX model cannot be read: {error}",
                field="model",
                expected="the path of an ONNX file",
            ) from error
    if isinstance(model, (bytes, bytearray)):
        try:
            return onnx.load_model_from_string(bytes(model))
        except Exception as error:  # because protobuf's errors share no base class
            raise InvalidUsage(
                f"this is not an ONNX model: {error}",
                field="model",
                expected="the bytes of an ONNX file",
            ) from error
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


class OnnxModel:
    """A model that is ONNX already."""

    def __init__(self, model: Any, output: str | None, classes: tuple[str, ...] | None) -> None:
        proto = read_onnx(model)
        refuse_external(proto.graph)
        session = new_session_of(proto)
        self._inputs = session.get_inputs()
        self._output = _choose_output(session, output)
        self._data = keep_output(proto, self._output)
        self._session = new_session(self._data)
        self.libraries: tuple[str, ...] = ("onnxruntime",)
        self._matrix = len(self._inputs) == 1 and len(self._inputs[0].shape) == 2
        self.feature_names: tuple[str, ...] | None = None
        self.width: int | None = len(self._inputs)
        if self._matrix:
            width = self._inputs[0].shape[1]
            self.width = width if isinstance(width, int) else None
        if not self._matrix or (self.width == 1 and tensor_type(self._inputs[0]) is object):
            self._matrix = False
            self.feature_names = tuple(node.name for node in self._inputs)
        for node in self._inputs:
            if isinstance(node.shape[0] if node.shape else 1, int):
                raise InvalidUsage(
                    f"the ONNX model takes a fixed number of rows in {node.name!r}",
                    field="model",
                    got=str(node.shape),
                    expected="a free first dimension: dynamic_axes={name: {0: 'rows'}} at export",
                )
        self.classes = classes
        node = self._session.get_outputs()[0]
        likely = "prob" in self._output.lower() or classes is not None
        self.form: Form = "probability" if likely else "number"
        if node.type in ("tensor(string)", "tensor(int64)"):
            self.form = "label"
        elif not likely and len(node.shape) == 2 and isinstance(node.shape[1], int):
            self.form = "vector" if node.shape[1] > 1 else "number"
        if self.form != "number" and classes is None and self.form != "vector":
            width = node.shape[1] if len(node.shape) == 2 else None
            if self.form == "label" or not isinstance(width, int):
                raise InvalidUsage(
                    "an ONNX model does not say what its classes are called",
                    field="classes",
                    expected="classes=[…] in the order of its answers",
                )
            self.classes = tuple(str(place) for place in range(max(width, 2)))
        self.parameters: dict[str, Any] = {}

    def layout(
        self,
        features: Columns,
        form: str,  # because the port asks it of all
    ) -> Literal["matrix", "columns"]:
        """As the graph says."""
        return "matrix" if self._matrix else "columns"

    def answer(self, given: Given) -> Column:
        """The graph as it was handed over."""
        if self._matrix:
            name = self._inputs[0].name
            matrix = matrix_of(given.columns, "the confidence set")
            feed = {name: matrix.astype(tensor_type(self._inputs[0]))}
        else:
            feed = {
                node.name: tensor_of(given.columns[node.name], tensor_type(node), len(node.shape))
                for node in self._inputs
            }
        try:
            return np.asarray(self._session.run([self._output], feed)[0])
        except Exception as error:  # because onnxruntime's errors share no base class
            raise InvalidUsage(
                f"the ONNX model cannot answer the rows that were given: {str(error)[:300]}",
                field="confidence",
            ) from error

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """Itself."""
        return (self._as_it_is,)

    def _as_it_is(self, given: Given) -> Candidate:
        return Candidate(
            format="onnx",
            data=self._data,
            layout=given.layout,
            numbers="float32",
            output=self._output,
        )


def new_session_of(proto: Any) -> Any:
    """A session of a model that a user handed over: what is wrong with it is a wrong use."""
    try:
        return new_session(proto.SerializeToString())
    except InvalidBundle as error:
        raise InvalidUsage(error.message, field="model", expected=error.expected) from error


def _choose_output(session: Any, asked: str | None) -> str:
    outputs = session.get_outputs()
    names = [node.name for node in outputs]
    if asked is not None:
        if asked not in names:
            raise InvalidUsage(
                "the ONNX model has no such output",
                field="output",
                got=asked,
                expected="one of " + ", ".join(names),
            )
        return asked
    tensors = [node for node in outputs if node.type.startswith("tensor(")]
    if len(tensors) < len(outputs) and not any("prob" in node.name.lower() for node in tensors):
        raise InvalidUsage(
            "the ONNX model answers with a list of dictionaries instead of a tensor",
            field="model",
            rule="zipmap",
            expected="an export with options={'zipmap': False}",
        )
    for node in tensors:
        if "prob" in node.name.lower():
            return node.name
    floats = [node for node in tensors if node.type in ("tensor(float)", "tensor(double)")]
    return (floats or tensors)[0].name
