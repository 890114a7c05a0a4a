"""A workspace whose model decided on rows, of which somebody hears."""

from pathlib import Path
from typing import Any

import numpy as np

from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.contract.columns import encode
from mainstay.journal.model import DecisionBatch
from mainstay.journal.spool import DiskSpool
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.pipeline import layout_of
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import live_model


class Shop:
    """One model of three numbers, live; what is decided and heard is in its journal at once.
    `made`: the folder is a copy of such a shop's."""

    def __init__(self, folder: Path, **packing: Any) -> None:
        if not packing.pop("made", False):
            live_model(folder, **packing)
        self.workspace = open_workspace(folder)
        self.folder = folder
        self.version = self.workspace.registry.find("sums", 1)
        self.clock = ManualClock(self.workspace.clock.now_ns() - 3_600_000_000_000)
        self.loaded = self.workspace.load(self.version)
        self.open()

    def open(self) -> None:
        """Write from now on as a new process would."""
        self.ids = DecisionIds(new_incarnation(), self.clock)
        self.spool = DiskSpool(self.workspace.places.spool, self.ids.incarnation)
        self.spool.describe(layout_of(self.loaded, self.version.number))
        self.outcomes = Outcomes(self.spool, self.ids, self.clock)

    @staticmethod
    def rows(count: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-1, 1, (count, 3))

    def decide(self, rows: np.ndarray, **changes: Any) -> list[str]:
        """Decide on rows; a millisecond passes."""
        time_ms, first = self.ids.take(len(rows))
        inputs = {name: rows[:, place] for place, name in enumerate("abc")}
        outputs = changes.pop("outputs", None) or encode(
            {"output": self.loaded.predict(self.loaded.extract(inputs))}
        )
        settings: dict[str, Any] = {
            "fingerprint": self.version.fingerprint, "route": 1, "door": "decide",
            "time_ms": time_ms, "incarnation": self.ids.incarnation, "first_sequence": first,
            "rows": len(rows), "callers": ("shop",), "inputs": encode(inputs),
            "outputs": outputs,
            "statuses": bytes(len(rows)),
        }  # fmt: skip
        self.spool.append([DecisionBatch(**(settings | changes))])
        self.clock.advance(0.001)
        start = f"{time_ms:012x}{self.ids.incarnation:08x}"
        return [f"{start}{first + row:08x}" for row in range(len(rows))]

    def hear(self, labels: list[Any], decisions: list[str]) -> None:
        """Hear what was right of each."""
        for label, decision in zip(labels, decisions, strict=True):
            self.outcomes.record("sums", "shop", decision, {"label": label})

    def close(self) -> None:
        self.spool.close()
