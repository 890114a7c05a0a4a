"""Pins in the memory of one process: the twin of the store in a database."""

import threading
from collections.abc import Sequence

from mainstay.release.pins.keeping import check, no_pin
from mainstay.release.pins.model import Pin


class MemoryPinStore:
    """Keeps pins and forgets them with the process."""

    def __init__(self) -> None:
        self._pins: dict[tuple[str, str], Pin] = {}
        self._lock = threading.Lock()

    def keep(self, pin: Pin) -> None:
        """Keep a pin, in place of the one that this client had of this model."""
        check(pin)
        with self._lock:
            self._pins[pin.model, pin.client] = pin

    def remove(self, model: str, client: str) -> None:
        """Forget a pin; `NotFound` when there is none."""
        with self._lock:
            if self._pins.pop((model, client), None) is not None:
                return
        raise no_pin(model, client, self.of(model))

    def of(self, model: str | None = None) -> Sequence[Pin]:
        """The pins of a model, or all of them, by model and client."""
        with self._lock:
            pins = dict(self._pins)
        return [pins[key] for key in sorted(pins) if model in (None, key[0])]
