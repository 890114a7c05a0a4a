"""Versions that run as ONNX, on onnxruntime, one thread each: workers are the parallelism.

The model is parsed from bytes, so data outside of it cannot be named; custom operators are not
registered. A matrix model costs one `session.run` and a dictionary of one entry per call.
"""

from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import shaper
from mainstay.bundle.extras import library
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of

_TYPES: Final[dict[str, Any]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def new_session(model: bytes) -> Any:
    """An onnxruntime session as every part of Mainstay uses it."""
    ort = library("onnxruntime", "running ONNX")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Only what ends the process is worth a line on stderr: everything else is raised.
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # because onnxruntime's errors share no base class
        raise InvalidBundle(
            f"onnxruntime cannot load the model: {str(error)[:500]}",
            field="model",
            rule="onnx",
            expected="an ONNX model of standard operators with its weights inside the file",
        ) from error


class OnnxRunner:
    """A session and the plan how to feed it."""

    def __init__(self, model: bytes, manifest: Manifest) -> None:
        session = new_session(model)
        self._run = session.run
        self._shape = shaper(manifest.contract.output, manifest.runs)
        self._inputs = {
            node.name: (tensor_type(node), len(node.shape)) for node in session.get_inputs()
        }
        outputs = [node.name for node in session.get_outputs()]
        name = manifest.runs.output or outputs[0]
        if name not in outputs:
            raise InvalidBundle(
                "the model does not have the output that the manifest names",
                field="runs.output",
                rule="onnx",
                got=name,
                expected=", ".join(outputs),
            )
        self._output = [name]
        self._matrix = manifest.runs.layout == "matrix"
        if self._matrix:
            self._check_matrix(session, len(manifest.features))
        else:
            strangers = sorted(set(self._inputs) - set(manifest.features))
            if strangers:
                raise InvalidBundle(
                    f"the model takes {strangers[0]!r}, which is not among the features",
                    field="features",
                    rule="features",
                    got=", ".join(strangers[:20]),
                    expected=", ".join(manifest.features[:20]),
                )
        self._matrix_name, (matrix_type, _) = next(iter(self._inputs.items()))
        # Compared by identity on the hot path: NumPy has one object for each plain type.
        self._matrix_type = np.dtype(matrix_type)

    def _check_matrix(self, session: Any, features: int) -> None:
        nodes = session.get_inputs()
        width = nodes[0].shape[1] if len(nodes) == 1 and len(nodes[0].shape) == 2 else None
        if len(nodes) != 1 or (isinstance(width, int) and width != features) or width is None:
            raise InvalidBundle(
                "the model does not take one matrix of the version's features",
                field="features",
                rule="features",
                got="; ".join(f"{node.name} {node.shape}" for node in nodes[:5]),
                expected=f"one input [rows, {features}]",
            )

    def run(self, features: Columns) -> Column:
        """One matrix, or one tensor [rows, 1] per feature, through the session."""
        if self._matrix:
            matrix = features[MATRIX]
            if matrix.dtype is not self._matrix_type:
                matrix = matrix.astype(self._matrix_type)
            raw = self._run(self._output, {self._matrix_name: matrix})[0]
            return self._shape(raw, matrix.shape[0])
        rows = rows_of(features)
        feed = {
            name: tensor_of(features[name], dtype, rank)
            for name, (dtype, rank) in self._inputs.items()
        }
        return self._shape(self._run(self._output, feed)[0], rows)


def tensor_type(node: Any) -> Any:
    """The NumPy type of an input of a graph."""
    if node.type not in _TYPES:
        raise InvalidBundle(
            f"the model's input {node.name!r} has the type {node.type}",
            field=node.name,
            rule="onnx",
            expected="one of " + ", ".join(_TYPES),
        )
    return _TYPES[node.type]


def tensor_of(column: Column, dtype: Any, rank: int) -> Column:
    """One column as the tensor [rows] or [rows, 1] that a graph takes."""
    if dtype is not object:
        tensor = np.ascontiguousarray(column, dtype=dtype)
    else:
        # ONNX has no missing text: it becomes the empty text, in pack's comparison as here.
        texts = ["" if value is None else str(value) for value in column.tolist()]
        tensor = np.empty(len(texts), dtype=object)
        tensor[:] = texts
    return tensor.reshape(-1, 1) if rank == 2 and tensor.ndim == 1 else tensor
