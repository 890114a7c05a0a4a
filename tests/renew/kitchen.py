"""A shop whose model has an extractor; what was decided holds its features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mainstay.contract.columns import Columns, encode
from mainstay.wiring.packing import pack
from tests.renew.extractors import Rule
from tests.renew.shop import Shop

CONTRACT = """\
model: sums
inputs:
  a: {type: number, min: -100, max: 100}
  b: {type: number, min: -100, max: 100}
  note: {type: text, max_length: 20, optional: true}
  v: {type: vector, length: 2}
output: {type: probability, classes: [low, high]}
gate: {worse_by: 1}
"""


def pack_rule(folder: Path, features: Callable[[Any], Any], weight: float = 5.0) -> None:
    """A version in a workspace."""
    contract = folder.parent / "sums.yaml"
    contract.write_text(CONTRACT)
    columns = inputs_of(Shop.rows(40, 7))
    labels = np.where(columns["a"] + columns["b"] > 0, "high", "low")
    pack(
        "sums", model=Rule(weight), features=features, confidence=(columns, labels),
        contract=contract, workspace=folder, classes=("low", "high"), quiet=True,
    )  # fmt: skip


def inputs_of(rows: np.ndarray) -> Columns:
    """Rows of three numbers as the contract takes them."""
    notes = [None if place % 3 == 0 else f" née {place}" for place in range(len(rows))]
    return {
        "a": rows[:, 0], "b": rows[:, 1], "note": np.array([*notes, None], dtype=object)[:-1],
        "v": rows[:, 1:],
    }  # fmt: skip


class Kitchen(Shop):
    """Decides with the features that its version's extractor makes."""

    def __init__(self, folder: Path, features: Callable[[Any], Any]) -> None:
        pack_rule(folder, features)
        super().__init__(folder, made=True)
        self.workspace.deploy("sums", None, "first")

    def serve(self, number: int) -> None:
        """Decide with another version from now on."""
        self.close()
        self.version = self.workspace.registry.find("sums", number)
        self.loaded = self.workspace.load(self.version)
        self.open()

    def decide(self, rows: np.ndarray, **changes: Any) -> list[str]:
        inputs = inputs_of(rows)
        features = changes.pop("made", None) or self.loaded.extract(inputs)
        return super().decide(
            rows,
            **{
                "inputs": encode(inputs),
                "features": encode(features),
                "outputs": encode({"output": self.loaded.predict(features)}),
                **changes,
            },
        )
