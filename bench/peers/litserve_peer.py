"""LitServe at its best here: its batching, onnxruntime."""

import os
import sys

import litserve
import numpy as np
import onnxruntime


class Peer(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    def decode_request(self, request):
        return np.array(request["data"], dtype=np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, rows):
        return self.session.run(["probabilities"], {"x": rows})[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"data": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(
        Peer(max_batch_size=64, batch_timeout=0.001, api_path="/predict"), accelerator="cpu"
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", generate_client_file=False
    )
