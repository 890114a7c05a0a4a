"""Open Inference Protocol v2 over REST: one version's door, and what it says of itself."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from mainstay.contract.columns import MATRIX
from mainstay.contract.model import (
    Contract,
    FromRequest,
    Input,
    Probability,
    Vector,
    threshold_of,
)
from mainstay.contract.values import Checker
from mainstay.serve.http.wire.choice import Told
from mainstay.serve.http.wire.context import ContextTensors
from mainstay.serve.http.wire.model import Headers, Parsed
from mainstay.serve.http.wire.oip_answer import OipAnswers
from mainstay.serve.http.wire.oip_request import OipRequests
from mainstay.serve.http.wire.tensors import datatypes_of
from mainstay.serve.model import Answer

EXTENSIONS = ("binary_tensor_data", "model_repository", "model_configuration")
_PLATFORM = "mainstay"
_encode = msgspec.json.Encoder().encode


class OipDoor:
    """Reads and writes the Open Inference Protocol for one version."""

    def __init__(self, contract: Contract, checker: Checker) -> None:
        self._contract = contract
        self._answers = OipAnswers(contract)
        names = tuple(tensor.name for tensor in self._answers.tensors)
        self._requests = OipRequests(contract, names, ContextTensors(contract, checker))
        self._numeric = checker.numeric
        self._repairer = checker.repairer

    def parse(self, body: bytes, json_length: int | None) -> Parsed:
        """A request's body, and the value of its Inference-Header-Content-Length if it had one."""
        parsed = self._requests.parse(body, json_length)
        if self._repairer is None:
            return parsed
        inputs, changes = self._repairer.columns(parsed.inputs)
        return msgspec.structs.replace(parsed, inputs=inputs, repaired=changes)

    def encode(self, answer: Answer, parsed: Parsed) -> tuple[bytes, Headers]:
        """The response and its headers; `Withheld` where nothing may be said."""
        return self._answers.encode(answer, parsed)

    def metadata(self, numbers: Sequence[int], changed: Told | None = None) -> bytes:
        """What a client may send and will get, and what is new: `GET /v2/models/{model}`."""
        inputs = [_input(name, kind) for name, kind in self._contract.inputs.items()]
        outputs = [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": [-1] if tensor.width is None else [-1, tensor.width],
            }
            for tensor in self._answers.tensors
        ]
        more: dict[str, Any] = {}
        if self._numeric:
            shape = [-1, len(self._contract.inputs)]
            more["matrix"] = {"name": MATRIX, "datatype": "FP64", "shape": shape}
        context = [
            _input(name, source.value)
            for name, source in self._contract.context.items()
            if isinstance(source, FromRequest)
        ]
        if context:
            more["context"] = context
        output = self._contract.output
        if isinstance(output, Probability) and len(output.classes) == 2:
            more["threshold"] = threshold_of(output)
        if changed is not None:
            more["changed"] = changed
        return _encode(
            {
                "name": self._contract.model,
                "versions": [str(number) for number in numbers],
                "platform": _PLATFORM,
                "inputs": inputs,
                "outputs": outputs,
                "parameters": more,
            }
        )

    def configuration(self, number: int) -> bytes:
        """The same in the words of Triton's model configuration: `…/config`."""
        return _encode(
            {
                "name": self._contract.model,
                "platform": _PLATFORM,
                "backend": _PLATFORM,
                "version_policy": {"specific": {"versions": [number]}},
                "max_batch_size": 0,
                "input": [
                    _configured(_input(name, kind)) for name, kind in self._contract.inputs.items()
                ],
                "output": [
                    {
                        "name": tensor.name,
                        "data_type": _triton_type(tensor.datatype),
                        "dims": [-1] if tensor.width is None else [-1, tensor.width],
                    }
                    for tensor in self._answers.tensors
                ],
            }
        )


def _input(name: str, kind: Input) -> dict[str, Any]:
    shape = [-1, kind.length] if isinstance(kind, Vector) else [-1]
    described: dict[str, Any] = {
        "name": name,
        "datatype": datatypes_of(kind)[0],
        "shape": shape,
    }
    if isinstance(kind, Vector) and kind.space is not None:
        described["parameters"] = {"space": kind.space}
    return described


def _configured(described: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": described["name"],
        "data_type": _triton_type(described["datatype"]),
        "dims": described["shape"],
    }


def _triton_type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


@cache
def server_metadata() -> bytes:
    """What this server is: `GET /v2`."""
    return _encode(
        {"name": "mainstay", "version": version("mainstay"), "extensions": list(EXTENSIONS)}
    )
