"""A model whose decisions are known by an order number."""

from pathlib import Path
from typing import Any

import numpy as np

from mainstay.wiring.packing import pack
from tests.servers.mainstay import CONTRACT, FIELDS, MODEL, onnx_model

KEYED = "context: {order: {value: {type: text}}}\nlabels: {key: order, within: 7d}\n"


def features(columns: dict[str, Any]) -> dict[str, Any]:
    """The order goes into none."""
    return {name: columns[name] for name in ("a", "b", "c")}


def pack_keyed(workspace: Path) -> None:
    """Pack it."""
    contract = workspace.parent / f"{MODEL}.yaml"
    contract.write_text(CONTRACT + KEYED)
    rows = np.linspace(-1, 1, 60).reshape(20, 3)
    columns: dict[str, Any] = {name: rows[:, place] for place, name in enumerate(FIELDS)}
    columns["order"] = [f"A-{place}" for place in range(20)]
    pack(
        MODEL, model=onnx_model(), confidence=columns, contract=contract, workspace=workspace,
        classes=("low", "high"), quiet=True, features=features,
    )  # fmt: skip
