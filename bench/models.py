"""The two models that every server answers with, and the rows they are asked about.

Both take 30 numbers and are trained here on seeded random data, so the figures can be made again
anywhere: a scaler with a logistic regression, and 100 gradient-boosted trees. All servers run the
same ONNX file; the oracle for every answer is onnxruntime called directly.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np

WIDTH = 30
MODELS = ("linear", "trees")
FEATURES = tuple(f"x{number:02d}" for number in range(WIDTH))
CLASSES = ("no", "yes")


def training_data() -> tuple[np.ndarray, np.ndarray]:
    """Seeded rows and their classes."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(5000, WIDTH)).astype(np.float32)
    classes = (rows[:, :5].sum(axis=1) + random.normal(size=5000) > 0).astype(np.int64)
    return rows, classes


def train(name: str) -> Any:
    """Fit one of the models."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, classes = training_data()
    model = (
        make_pipeline(StandardScaler(), LogisticRegression())
        if name == "linear"
        else HistGradientBoostingClassifier(max_iter=100, random_state=7)
    )
    return model.fit(rows, classes)


def onnx_file(name: str, folder: Path) -> Path:
    """The ONNX form of a model, made once: input `x` float32 [n, 30], output `probabilities`."""
    file = folder / f"{name}.onnx"
    if not file.exists():
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        folder.mkdir(parents=True, exist_ok=True)
        converted: Any = to_onnx(
            train(name),
            initial_types=cast("Any", [("x", FloatTensorType([None, WIDTH]))]),
            options={"zipmap": False},
        )
        file.write_bytes(converted.SerializeToString())
    return file


def session(file: Path) -> Any:
    """Onnxruntime on one thread, as every server here runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def asked_rows(count: int) -> np.ndarray:
    """Seeded rows with few digits, so that JSON carries them exactly as float32."""
    random = np.random.default_rng(11)
    return (random.integers(-3000, 3000, size=(count, WIDTH)) / 1000).astype(np.float32)


def right_answers(file: Path, rows: np.ndarray) -> np.ndarray:
    """The probability of the second class, from onnxruntime directly."""
    return session(file).run(["probabilities"], {"x": rows})[0][:, 1]


def write_contract(file: Path, model: str, log: str) -> None:
    """What the models promise: 30 numbers in a range, two classes."""
    inputs = "".join(f"  {name}: {{type: number, min: -1000, max: 1000}}\n" for name in FEATURES)
    file.write_text(
        f"model: {model}\ninputs:\n{inputs}"
        f"output: {{type: probability, classes: [{', '.join(map(repr, CLASSES))}]}}\nlog: {log}\n",
        encoding="utf-8",
    )
