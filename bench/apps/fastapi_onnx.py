"""What a good programmer writes by hand in twenty lines: FastAPI and onnxruntime, nothing else on.

No key, no contract, no judgement, no journal, no metrics: the figure that Mainstay has to beat with
all of that on.
"""

import os
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parents[1]))
from models import session

app = FastAPI()
model = session(Path(os.environ["BENCH_MODEL"]))


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    inputs: list[Tensor]


@app.post("/infer")
async def infer(request: Request):
    tensor = request.inputs[0]
    rows = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
    (found,) = model.run(["probabilities"], {"x": rows})
    return {
        "outputs": [
            {
                "name": "probabilities",
                "shape": list(found.shape),
                "datatype": "FP32",
                "data": found.ravel().tolist(),
            }
        ]
    }


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_onnx:app", port=int(sys.argv[1]), workers=int(sys.argv[2]), log_level="critical",
        access_log=False, loop="uvloop", http="httptools", app_dir=sys.path[0],
    )  # fmt: skip
