"""The part of a contract that says what people are asked to label, as immutable values."""

from typing import Final, Literal

import msgspec

OTHERS: Final = "other"
"""Stands in `rates` for every value that is not named there."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions are set aside for people to label, and what becomes of their answers."""

    most: str = "100 per 1d"
    """How many decisions are set aside at most, drawn at random among all of that time."""
    by: str = ""
    """The input whose values part the decisions into strata, each with a rate of its own."""
    rates: dict[str, str] = {}
    """By value of `by`, the share of its decisions that may be drawn; `other` is all that is not
    named, 100 % where it is left out. Weights keep what is measured right."""
    show: tuple[str, ...] = ()
    """The inputs that labelers are shown; by default those whose `sensitivity` is public and that
    name no `subject`."""
    blind: bool = True
    """Labelers do not see what the model answered; who sees it tends to agree."""
    question: str = ""
    """What labelers are asked, in words."""
    overlap: int = 1
    """How many people answer each task. Where they are not sure enough together, up to two more
    are asked."""
    sure: str = "60 %"
    """How probable an answer must be, by all that labelers said and how often each is right, to
    become the label."""
    lease: str = "15m"
    """How long a task belongs to the labeler who got it."""
    gold: str = "10 %"
    """The share of tasks whose answer is known already (`mainstay label gold`)."""
    bar: str = "70 %"
    """The share of known answers that a labeler must get right; who certainly does not is told as
    a finding."""
    below: Literal["exclude", "weigh"] = "exclude"
    """What becomes of the answers of a labeler below the bar: they do not count, or as little as
    they are right."""
    ordered: bool = False
    """The classes stand in order, so that neighbours agree more than the ends do."""
    enough: int = 500
    """So many labels of people since the newest version are told as enough to train the next."""
