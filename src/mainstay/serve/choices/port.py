"""Where choices are kept for all machines."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mainstay.serve.choices.model import Choice

Page = tuple[int, dict[int, int]]
"""A revision, and what came to be known after the one that was asked for: marks and stamps."""


class ChoiceStore(Protocol):
    """Choices by model, rollout and unit; the newest of each unit holds."""

    def keep(self, choices: Sequence[Choice]) -> None:
        """Add choices; one that is older than what is known of its unit changes nothing, so the
        same ones may be kept again."""
        ...

    def since(self, model: str, rollout: str, revision: int) -> Page:
        """What came to be known after a revision (0: everything), and the revision reached."""
        ...

    def went_back(self, model: str, rollout: str) -> int:
        """How many units have chosen the version before."""
        ...

    def forget(self, in_force: Mapping[str, str], before_ns: int) -> int:
        """Remove all of other rollouts than those in force, by model, to which nothing was added
        since a moment; how many rollouts that were."""
        ...
