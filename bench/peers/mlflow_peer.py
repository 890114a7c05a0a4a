"""Save an ONNX model as MLflow wants it; `mlflow models serve` then serves the folder."""

import os
import shutil
import sys

import mlflow.onnx
import onnx

folder = sys.argv[1]
shutil.rmtree(folder, ignore_errors=True)
mlflow.onnx.save_model(
    onnx.load(os.environ["BENCH_MODEL"]),
    folder,
    onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    pip_requirements=[],
)
