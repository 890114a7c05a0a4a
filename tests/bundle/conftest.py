"""Small real bundles for the tests of the room: made once, copied where a test changes them."""

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mainstay.base.clock import ManualClock
from mainstay.bundle.archive import unpack
from mainstay.bundle.pack import Packed, pack
from mainstay.bundle.signing import new_key


@dataclass(frozen=True)
class Data:
    """Rows, labels and a model that was trained on them."""

    rows: np.ndarray
    labels: np.ndarray
    model: object


@pytest.fixture(scope="session")
def data() -> Data:
    random = np.random.default_rng(7)
    rows = random.normal(size=(400, 6))
    labels = (rows[:, 0] - rows[:, 1] + random.normal(scale=0.3, size=400) > 0).astype(int)
    return Data(
        rows, labels, make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    )


@pytest.fixture(scope="session")
def packed(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """An ONNX bundle without code."""
    return pack(
        "fraud",
        model=data.model,
        confidence=(data.rows[:100], data.labels[:100]),
        classes=["ok", "fraud"],
        into=tmp_path_factory.mktemp("packed"),
        clock=ManualClock(),
    )


@pytest.fixture
def folder(packed: Packed, tmp_path: Path) -> Path:
    """The bundle unpacked, to be changed."""
    return unpack(packed.file, tmp_path / "cache").folder


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; its public key lies beside it."""
    path = tmp_path_factory.mktemp("keys") / "team.key"
    new_key(path)
    return path


@pytest.fixture
def copied(packed: Packed, tmp_path: Path) -> Path:
    """The bundle's file, to be changed."""
    return Path(shutil.copy(packed.file, tmp_path / "copied.mainstay"))


@pytest.fixture(autouse=True)
def _quiet_libraries():
    """Libraries that warn about themselves while they convert are not our faults."""
    with warnings.catch_warnings():
        for module in ("sklearn", "skl2onnx", "onnxmltools", "onnxconverter_common", "onnx"):
            warnings.filterwarnings("ignore", module=module)
        yield
