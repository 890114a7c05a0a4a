"""How long the gate takes: two versions of a large model over a large confidence set.

The model is a table of embeddings (most of its bytes) under a small dense part, which is what large
models with cheap rows look like; `--dense` makes it one matrix product instead, whose rows cost so
much that no gate of thirty seconds could run them all: there it must end in time on fewer rows.
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mainstay.bundle.archive import unpack
from mainstay.bundle.assets import CONFIDENCE_FILE, Examples, encode_examples
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import MANIFEST_FILE
from mainstay.bundle.pack import pack
from mainstay.release.gate.gather import Opened, gather
from mainstay.release.gate.habits import Repeated
from mainstay.release.gate.judge import findings_of
from mainstay.wiring.folders import make_workspace
from mainstay.wiring.gating import machine_of

WIDTH = 64
PACKED = 500
CLASSES = ("ok", "fraud")


def embedding_model(megabytes: int, seed: int) -> onnx.ModelProto:
    """Item number to its embedding, to two probabilities."""
    random = np.random.default_rng(7)
    items = megabytes * (1 << 20) // 4 // WIDTH
    table = random.normal(0, 1, (items, WIDTH)).astype(np.float32)
    own = np.random.default_rng(seed)
    weights = random.normal(0, 1, (WIDTH, 2)) + own.normal(0, 0.02, (WIDTH, 2))
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["whole", "axis"], ["item"]),
        helper.make_node("Gather", ["table", "item"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probability"], axis=1),
    ]
    constants = {
        "table": table,
        "weights": weights.astype(np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    return _model(nodes, constants, 1)


def dense_model(megabytes: int, seed: int) -> onnx.ModelProto:
    """One square matrix of that size, which every row is multiplied with."""
    random = np.random.default_rng(7)
    hidden = int((megabytes * (1 << 20) // 4) ** 0.5)
    own = np.random.default_rng(seed)
    weights = random.normal(0, 1, (hidden, 2)) + own.normal(0, 0.02, (hidden, 2))
    nodes = [
        helper.make_node("MatMul", ["x", "widening"], ["wide"]),
        helper.make_node("MatMul", ["wide", "table"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probability"], axis=1),
    ]
    constants = {
        "widening": random.normal(0, 0.1, (WIDTH, hidden)).astype(np.float32),
        "table": random.normal(0, 0.02, (hidden, hidden)).astype(np.float32),
        "weights": weights.astype(np.float32),
    }
    return _model(nodes, constants, WIDTH)


def _model(nodes: list, constants: dict, inputs: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "gate",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _opened(model: onnx.ModelProto, rows: np.ndarray, labels: np.ndarray, folder: Path) -> Opened:
    packed = pack(
        "gate", model=model, confidence=(rows[:PACKED], labels[:PACKED]), classes=CLASSES,
        metric="accuracy", acceptable=(0.0, 1.0), into=folder,
    )  # fmt: skip
    opened = unpack(packed.file, folder / "cache")
    # Pack keeps a part of a very large confidence set; the gate is measured on all of it.
    names = list(packed.manifest.contract.inputs)
    data = encode_examples(
        Examples(
            inputs={name: rows[:, place].copy() for place, name in enumerate(names)},
            label=np.array([CLASSES.index(each) for each in labels], dtype=np.int64),
        )
    )
    (opened.folder / CONFIDENCE_FILE).write_bytes(data)
    files = {**packed.manifest.files, CONFIDENCE_FILE: hashlib.sha256(data).hexdigest()}
    manifest = msgspec.structs.replace(packed.manifest, files=files)
    raw = msgspec.json.encode(manifest)
    (opened.folder / MANIFEST_FILE).write_bytes(raw)
    return Opened(
        number=1, fingerprint=fingerprint_of(raw), folder=opened.folder, manifest=manifest
    )


def main() -> None:
    """Make both versions, take the time of one passage, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dense", action="store_true")
    wanted = parser.parse_args()
    make = dense_model if wanted.dense else embedding_model
    random = np.random.default_rng(1)
    if wanted.dense:
        rows = random.normal(0, 1, (wanted.rows, WIDTH))
    else:
        items = wanted.megabytes * (1 << 20) // 4 // WIDTH
        rows = random.integers(0, items, (wanted.rows, 1)).astype(np.float64)
    labels = np.array(CLASSES, dtype=object)[random.integers(0, 2, wanted.rows)]
    with tempfile.TemporaryDirectory(prefix="mainstay-bench-") as folder:
        places, _ = make_workspace(Path(folder) / "workspace")
        pair = [
            _opened(make(wanted.megabytes, seed), rows, labels, Path(folder) / str(seed))
            for seed in (1, 2)
        ]
        begin = time.perf_counter()
        evidence = gather(pair[0], pair[1], Repeated(), machine_of(places))
        gathered = time.perf_counter() - begin
        findings = findings_of(evidence)
        seconds = time.perf_counter() - begin
    cost = evidence.candidate.cost
    assert cost is not None
    print(
        json.dumps(
            {
                "megabytes": wanted.megabytes,
                "rows": wanted.rows,
                "compared": evidence.rows,
                "seconds": round(seconds, 2),
                "of that checks": round(seconds - gathered, 3),
                "load_ms": round(cost.load_ms, 1),
                "row_us": round(cost.in_batches.best, 2),
                "peak_mebibytes": cost.peak_resident_bytes >> 20,
                "findings": len(findings),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
