"""Where rollouts are kept."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.release.rollout.model import Record, Rollout


class RolloutStore(Protocol):
    """Rollouts by model, changed by compare-and-swap, and the right to drive them."""

    def start(self, rollout: Rollout) -> Record:
        """Keep a new rollout; `Conflict` when one of its model goes on."""
        ...

    def save(self, record: Record, rollout: Rollout) -> Record:
        """Replace what a record holds; `Conflict` when somebody did before."""
        ...

    def active(self, model: str) -> Record | None:
        """The rollout of a model that goes on."""
        ...

    def all_active(self) -> Sequence[Record]:
        """All rollouts that go on, by model."""
        ...

    def newest(self, model: str) -> Record | None:
        """The rollout of a model that began last."""
        ...

    def lease(self, holder: str, seconds: float) -> bool:
        """Take or keep the right to drive rollouts for some time; False while another has it."""
        ...
