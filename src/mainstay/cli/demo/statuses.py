"""One answer of each status, asked for over HTTP and told in a line each."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mainstay.cli.demo.server import DemoServer
from mainstay.cli.demo.world import card
from mainstay.cli.output import Output, escape

_SEARCHED: Final = 500
_STATUSES: Final = ("answered", "asked", "options", "held", "fallback", "declined")
_AT_NIGHT: Final[dict[str, Any]] = {"hour": 3, "card_age": 12, "last_hour": 4, "new_device": True}
_BY_DAY: Final[dict[str, Any]] = {"hour": 14, "card_age": 900, "last_hour": 0, "new_device": False}
_CHOSEN: Final[tuple[dict[str, Any], ...]] = (
    {"card": card(98, 1), "amount": 40_000, "country": "US", **_AT_NIGHT},
    {"card": card(98, 2), "amount": 20, "country": "BR", **_BY_DAY},
    {"card": card(98, 3), "amount": 900, "country": "BR", **_BY_DAY},
)
"""A large payment that looks like fraud, and two from where the model never learned."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What one payment was told."""

    status: str
    payment: dict[str, Any]
    answer: str | None
    words: str
    id: str


def one_of_each(server: DemoServer, path: str, rows: Sequence[dict[str, Any]]) -> list[Shown]:
    """The first payment of each status, in the order of the statuses."""
    asked = [*_CHOSEN, *rows[:_SEARCHED]]
    body = msgspec.json.encode({"rows": [{"inputs": row} for row in asked]})
    _, answer = server.ask("POST", path, body)
    found: dict[str, Shown] = {}
    for payment, told in zip(asked, answer["rows"], strict=True):
        status = told["status"]
        if status not in found:
            found[status] = Shown(
                status=status, payment=payment, answer=told["answer"], words=in_words(told),
                id=told["id"],
            )  # fmt: skip
    return [found[status] for status in _STATUSES if status in found]


def in_words(told: dict[str, Any]) -> str:
    """What a person would read."""
    if told["status"] == "answered":
        return f"{told['answer']}, {told['confidence']:.0%} sure"
    if told["status"] == "fallback":
        return f"{told['answer']}, by a rule: the model does not know this country"
    return told["words"]


def show(output: Output, shown: Sequence[Shown]) -> None:
    """A line for each."""
    output.say("[bold green]✓[/] an answer is only told as it is when it deserves it:")
    for each in shown:
        payment = each.payment
        about = f"{payment['amount']:,.0f} € in {payment['country']} at {payment['hour']}h"
        output.say(f"    [bold]{each.status:<9}[/] [dim]{about:<22}[/] {escape(each.words)}")
