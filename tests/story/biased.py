"""Versions that differ by a bias, for a contract of the story's own."""

from pathlib import Path

import numpy as np

from mainstay.wiring.packing import pack
from tests.servers.mainstay import MODEL, onnx_model


def pack_biased(workspace: Path, contract: str, bias: float) -> None:
    """A version; a large bias makes it answer `high` to everybody."""
    file = workspace.parent / f"{MODEL}.yaml"
    file.write_text(contract)
    rows = np.column_stack([np.arange(20), np.linspace(-1, 1, 20), np.full(20, -1e6)])
    pack(
        MODEL, model=onnx_model(bias), confidence=rows, contract=file, workspace=workspace,
        classes=("low", "high"), quiet=True,
    )  # fmt: skip
