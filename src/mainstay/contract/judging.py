"""The part of a contract that says when an answer may be shown, as immutable values.

Every part has a default under which it does nothing. Types only, as in `model.py`.
"""

import msgspec


class Judge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an answer may be shown. An output that is not finite never is."""

    say: str = "We could not answer this one."
    """Plain words for the person when the answer is withheld."""
