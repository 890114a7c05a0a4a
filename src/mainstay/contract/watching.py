"""The part of a contract that says how a model is watched, as immutable values."""

import msgspec


class UsageRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the number of requests may change: rules in the place of what is usual at an hour."""

    hour_vs_yesterday: str = ""
    """By how much the requests of an hour may differ from those of the same hour a day before."""
    day_vs_last_week: str = ""
    """By how much those of a day (in UTC) may differ from those of the same day a week before."""


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model that answers is watched: all columns of every version, for ever."""

    false_alarms: str = "1 per 30d"
    """How often all its monitors together may raise an alarm although nothing has changed, however
    often somebody looks."""
    slices: tuple[str, ...] = ()
    """Inputs whose values part the decisions; each part is watched and measured by itself too."""
    usage: UsageRules | None = None
    """Rules for how the number of requests may change. Without any, it is held against what is
    usual at this hour of the week, and false alarms stay as rare as `false_alarms` says."""
