"""The rules of keeping pins, whatever they are kept in."""

from collections.abc import Sequence

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.base.limits import NAME_MAX_CHARACTERS
from mainstay.contract.words import did_you_mean
from mainstay.release.pins.model import Pin


def check(pin: Pin) -> None:
    """Refuse a client that could not be named in a finding."""
    if not pin.client.isprintable() or not 0 < len(pin.client.strip()) <= NAME_MAX_CHARACTERS:
        raise InvalidUsage(
            "this is no name of a client",
            field="client",
            got=ascii(pin.client[:80]),
            expected=f"1 to {NAME_MAX_CHARACTERS} printable characters",
        )


def no_pin(model: str, client: str, there: Sequence[Pin]) -> NotFound:
    """Nobody of that name relies on this model."""
    clients = [pin.client for pin in there]
    return NotFound(
        f"no client {client[:80]!r} is pinned to {model[:80]!r}" + did_you_mean(client, clients),
        field="client",
        got=client[:80],
        expected="one of " + ", ".join(clients) if clients else "a pin: `mainstay pin add`",
    )
