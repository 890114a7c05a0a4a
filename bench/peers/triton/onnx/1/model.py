"""onnxruntime behind Triton's own front end, through its Python back end."""

import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    def execute(self, requests):
        parts = [triton.get_input_tensor_by_name(r, "x").as_numpy() for r in requests]
        (found,) = self.session.run(["probabilities"], {"x": np.concatenate(parts)})
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return [
            triton.InferenceResponse([triton.Tensor("probabilities", np.ascontiguousarray(rows))])
            for rows in np.split(found, ends)
        ]
