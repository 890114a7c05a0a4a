"""What people do with an answer, as callers tell it: feedback that nobody was asked for."""

from typing import Final, Literal, get_args

Reaction = Literal[
    "accepted", "ignored", "abandoned", "corrected", "clicked", "bought", "voted_up", "voted_down",
    "bookmarked", "shared", "completed",
]  # fmt: skip
REACTIONS: Final[tuple[str, ...]] = get_args(Reaction)
CLICK_RATE: Final = "click-through rate"
"""The metric that says from how many of the lists something was taken."""


def rate_of(reaction: str) -> str:
    """The metric that says to how many of the answers people reacted so."""
    return f"rate of {reaction}"
