"""Where pins are kept."""

from collections.abc import Sequence
from typing import Protocol

from mainstay.release.pins.model import Pin


class PinStore(Protocol):
    """What clients rely on; one pin for each client of a model."""

    def keep(self, pin: Pin) -> None:
        """Keep a pin, in place of the one that this client had of this model."""
        ...

    def remove(self, model: str, client: str) -> None:
        """Forget a pin; `NotFound` when there is none."""
        ...

    def of(self, model: str | None = None) -> Sequence[Pin]:
        """The pins of a model, or all of them, by model and client."""
        ...
