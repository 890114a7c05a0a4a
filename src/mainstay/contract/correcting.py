"""Who is told of corrected values: the part `[corrections]` of a workspace's settings, as values.

Light, because settings are read by every process. Must never hold a secret: a receiver names the
variables that hold its URL and what is signed with.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A system that keeps answers of models, and is told which of them are others now."""

    url_env: str
    """The environment variable that holds its URL."""
    secret_env: str = ""
    """The environment variable with the secret that what is sent is signed with."""
    models: tuple[str, ...] = ("*",)
    """Whose answers it keeps: names, or patterns with `*`."""


def receivers_of(settings: Mapping[str, Receiver], model: str) -> dict[str, Receiver]:
    """Who keeps answers of a model, by name."""
    return {
        name: receiver
        for name, receiver in settings.items()
        if any(fnmatchcase(model, pattern) for pattern in receiver.models)
    }
