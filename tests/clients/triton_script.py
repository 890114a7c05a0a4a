"""What a program with Triton's HTTP client does; runs in that client's own environment."""

import json
import sys

import numpy as np
import tritonclient.http as triton  # pyright: ignore[reportMissingImports]  # because it is in another environment
from tritonclient.utils import InferenceServerException  # pyright: ignore[reportMissingImports]  # because it is in another environment

given = json.load(sys.stdin)
model = given["model"]
client = triton.InferenceServerClient(given["url"].removeprefix("http://"))
rows = np.array(given["rows"])


def infer(datatype="FP64", binary=True, outputs=None, array=rows, **more):
    tensor = triton.InferInput("matrix", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    result = client.infer(model, [tensor], outputs=outputs, **more)
    names = [output["name"] for output in result.get_response()["outputs"]]
    values = {name: result.as_numpy(name) for name in names}
    return result.get_response(), {
        name: [v.decode() if isinstance(v, bytes) else v for v in value.ravel().tolist()]
        for name, value in values.items()
    }


def by_field(binary):
    tensors = []
    for place, name in enumerate(given["names"]):
        tensor = triton.InferInput(name, [len(rows), 1], "FP64")
        tensor.set_data_from_numpy(np.ascontiguousarray(rows[:, place : place + 1]), binary)
        tensors.append(tensor)
    result = client.infer(model, tensors)
    return [v.decode() for v in result.as_numpy("status").tolist()], result.as_numpy(
        "decision"
    ).shape


def words(call):
    """The words of a refusal, or "" when there was none."""
    try:
        call()
    except InferenceServerException as error:
        return error.message()
    return ""


named = [
    triton.InferRequestedOutput("status", binary_data=False),
    triton.InferRequestedOutput("answer", binary_data=True),
]
metadata = client.get_model_metadata(model)
version = metadata["versions"][0]
default_response, default_values = infer(request_id="mine")
report = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "version_ready": client.is_model_ready(model, version),
    "server": client.get_server_metadata(),
    "metadata": metadata,
    "index": client.get_model_repository_index(),
    "config": words(lambda: client.get_model_config(model)),
    "statistics": words(lambda: client.get_inference_statistics(model)),
    "id": default_response["id"],
    "model_name": default_response["model_name"],
    "model_version": default_response["model_version"],
    "default": default_values,
    "json": infer(
        binary=False,
        outputs=[triton.InferRequestedOutput(n, binary_data=False) for n in default_values],
    )[1],
    "single": infer("FP32", array=rows.astype(np.float32))[1],
    "versioned": infer(model_version=version)[1],
    "named": infer(outputs=named)[1],
    "by_field": [by_field(True), by_field(False)],
    "unknown_model": words(lambda: client.get_model_metadata("nobody")),
    "unknown_version": words(lambda: infer(model_version="999")),
    "unknown_output": words(lambda: infer(outputs=[triton.InferRequestedOutput("anser")])),
    "wrong_shape": words(lambda: infer(array=rows[:, :-1].copy())),
    "wrong_datatype": words(lambda: infer("BOOL", array=rows > 0)),
}
print(json.dumps(report))
