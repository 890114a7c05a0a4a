"""The parts of `judge` that an answer must satisfy or else waits for a person, as immutable values.

Every part has a default under which it does nothing. Types only, as in `model.py`.
"""

from typing import Literal

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be true of an answer; where it is not, or cannot be known, the answer is declined.

    An expression over inputs, context and what is answered: `answer`, and `confidence` and
    `probability.<class>`, or `output`, or `score.<item>`.
    """

    must: str
    """The expression, such as `answer != "deny" or account.age_days >= 30`."""
    otherwise: str = ""
    """Plain words for the person, in place of those of `judge`."""


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers outside their usual range wait until a person released or rejected them."""

    what: str = ""
    """The number that is looked at, as an expression such as `probability.fraud * amount`; without
    one it is the number that the model answers."""
    above: float | str | None = None
    """What is more is held: a number, or an expression that may use `mean` and `sd`, such as
    `mean + 3 sd`."""
    below: float | str | None = None
    """What is less is held, likewise."""
    by: str = ""
    """The input whose values have a mean and an sd each of their own."""
    over: str = "30d"
    """How far back mean and sd look. What is held counts once it was released."""
    least: int = 30
    """How many numbers mean and sd need."""
    unsure: Literal["pass", "hold"] = "pass"
    """What becomes of an answer while there are fewer, or where a value that is needed is missing;
    it is counted either way."""
    wait: str = "24h"
    """An answer that nobody released or rejected by then is rejected."""
    say: str = "A person looks at this one first."
    """Plain words for whoever waits."""
