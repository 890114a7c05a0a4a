"""What a program with KServe's REST client does; runs in that client's own environment."""

import asyncio
import json
import sys

import httpx  # pyright: ignore[reportMissingImports]  # because it is in another environment
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig  # pyright: ignore[reportMissingImports]  # because it is in another environment

given = json.load(sys.stdin)
model, url = given["model"], given["url"]
rows = np.array(given["rows"])


def request(binary, array=rows):
    tensor = InferInput("matrix", list(array.shape), "FP64")
    tensor.set_data_from_numpy(array, binary_data=binary)
    more = {"binary_data_output": True} if binary else None
    return InferRequest(model, [tensor], request_id="mine", parameters=more)


def read(response):
    values = {output.name: output.as_numpy().ravel().tolist() for output in response.outputs}
    return {
        name: [v.decode() if isinstance(v, bytes) else v for v in data]
        for name, data in values.items()
    }


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    answered = await client.infer(url, request(False), model_name=model)
    raw = await client.infer(url, request(True), model_name=model)
    try:
        await client.infer(url, request(False, rows[:, :-1]), model_name=model)
        refused = ""
    except httpx.HTTPStatusError as error:
        refused = str(error)
    report = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, model),
        "id": answered.id,
        "model_name": answered.model_name,
        "json": read(answered),
        "raw": read(raw),
        "refused": refused,
    }
    await client.close()
    print(json.dumps(report))


asyncio.run(main())
