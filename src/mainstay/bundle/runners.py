"""Which runner goes with which format: the table, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from mainstay.bundle.lightgbm_runner import LightGbmRunner
from mainstay.bundle.model import Manifest
from mainstay.bundle.onnx_runner import OnnxRunner
from mainstay.bundle.port import Runner
from mainstay.bundle.skops_runner import SkopsRunner
from mainstay.bundle.source_runner import SourceRunner
from mainstay.bundle.xgboost_runner import XgboostRunner


@dataclass(frozen=True, slots=True)
class Parts:
    """What a runner is made of: checked bytes, what they mean, and the carried code if any."""

    model: bytes
    manifest: Manifest
    module: ModuleType | None


def _source(parts: Parts) -> Runner:
    return SourceRunner(parts.model, parts.manifest, parts.module)


RUNNERS: Final[dict[str, Callable[[Parts], Runner]]] = {
    "onnx": lambda parts: OnnxRunner(parts.model, parts.manifest),
    "lightgbm": lambda parts: LightGbmRunner(parts.model, parts.manifest),
    "xgboost": lambda parts: XgboostRunner(parts.model, parts.manifest),
    "skops": lambda parts: SkopsRunner(parts.model, parts.manifest),
    "source": _source,
}
