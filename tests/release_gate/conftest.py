"""Small real bundles: fraud is where x is at least a bar. Each is packed once."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mainstay.base.clock import ManualClock
from mainstay.bundle.archive import unpack
from mainstay.bundle.pack import pack
from mainstay.release.gate.gather import Opened

ROWS = 600


def rule(bar: float, inputs: int) -> LogisticRegression:
    """A model whose probability of fraud is a half where the first input is at the bar."""
    model = LogisticRegression()
    model.classes_ = np.array([0, 1])
    model.coef_ = np.array([[4.0, *[0.0] * (inputs - 1)]])
    model.intercept_ = np.array([-4.0 * bar])
    model.n_features_in_ = inputs
    return model


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Opened]:
    """Packs and opens a version: where its bar is, and the contract's inputs and classes."""
    folder = tmp_path_factory.mktemp("gate")
    known: dict[str, Opened] = {}

    def make(
        bar: float = 0.0,
        inputs: str = "x: {type: number}",
        classes: str = "ok, fraud",
        highest: float = np.inf,
    ) -> Opened:
        key = f"{bar}|{inputs}|{classes}|{highest}"
        if key not in known:
            names = [line.split(":")[0].strip() for line in inputs.splitlines()]
            random = np.random.default_rng(11)
            columns = {name: random.normal(0, 1, ROWS) for name in names}
            kept = columns["x"] <= highest
            columns = {name: column[kept] for name, column in columns.items()}
            path = folder / f"c{len(known)}.yaml"
            lines = "\n".join(f"  {line.strip()}" for line in inputs.splitlines())
            path.write_text(
                f"model: fraud\ninputs:\n{lines}\n"
                f"output: {{type: probability, classes: [{classes}]}}\n"
            )
            truth = (columns["x"] >= 0).astype(int)
            packed = pack(
                "fraud",
                model=rule(bar, len(names)),
                contract=path,
                classes=["ok", "fraud"],
                confidence=(columns, np.array(["ok", "fraud"], dtype=object)[truth]),
                into=folder / f"v{len(known)}",
                clock=ManualClock(),
            )
            opened = unpack(packed.file, folder / "cache")
            known[key] = Opened(
                number=len(known) + 1,
                fingerprint=packed.fingerprint,
                folder=Path(opened.folder),
                manifest=packed.manifest,
            )
        return known[key]

    return make


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    """Libraries that warn about themselves while they convert are not our faults."""
    with warnings.catch_warnings():
        for module in ("sklearn", "skl2onnx", "onnxmltools", "onnxconverter_common", "onnx"):
            warnings.filterwarnings("ignore", module=module)
        yield
