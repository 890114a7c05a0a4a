"""How unusual values are put right before a model sees them, as immutable values.

Types only, as in `model.py`. Off unless an input is named in `repair`.
"""

import msgspec


class Transform(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transform with settings: `map`, `spelling`, or `when_above` (or `when_below`) and
    `divide_by`."""

    map: dict[str, str] = {}
    """Words to what stands in their place, such as `{Germany: DE}`."""
    spelling: int | None = None
    """A word that is not known becomes the one known word within so many edits (1 to 3: a letter
    too many, too few, another one, or two swapped); where several are as near, it stays."""
    when_above: float | None = None
    """A larger number is in another unit, and divided."""
    when_below: float | None = None
    """A smaller number is in another unit, and divided."""
    divide_by: float | None = None
    """What such a number is divided by; 0.01 multiplies by 100."""


Step = str | Transform
"""`trim`, `case`, `encoding`, `comma`, `clip`, or one with settings."""
