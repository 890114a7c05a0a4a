"""Wait for what a real process will do, never for a length of time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_SECONDS = 90.0
_LOOK_SECONDS = 0.02


def until(look: Callable[[], T], *, what: str, seconds: float = _PATIENCE_SECONDS) -> T:
    """Look again and again until something is true; fail with words when it never is."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        threading.Event().wait(_LOOK_SECONDS)
