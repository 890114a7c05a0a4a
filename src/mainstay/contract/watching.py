"""The part of a contract that says how a model is watched, as immutable values."""

import msgspec


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model that answers is watched: all columns of every version, for ever."""

    false_alarms: str = "1 per 30d"
    """How often all its monitors together may raise an alarm although nothing has changed, however
    often somebody looks."""
    slices: tuple[str, ...] = ()
    """Inputs whose values part the decisions; each part is watched and measured by itself too."""
