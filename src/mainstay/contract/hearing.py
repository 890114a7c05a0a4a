"""The part of a contract that says how it becomes known what was right, as immutable values."""

from typing import Literal

import msgspec

from mainstay.contract.asking import Ask


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it becomes known whether answers were right."""

    window: str = ""
    """The feedback window: how long to wait before what is heard of a decision is all there is to
    hear. Nothing learns from younger decisions. `mainstay experiment window` finds a good one."""
    silence_means: str | float | None = None
    """What is learned where the window passes and nobody says anything, although whoever says it
    was heard all the time; without it only decisions with a label are learned from."""
    counts: Literal["last", "first", "majority"] = "last"
    """Which label is learned where several were heard of one decision: the last, the first, or what
    most of those say who said anything, each by their last word and their trust."""
    trust: dict[str, float] = {}
    """Callers to how much a label counts that they tell, 0 to 1; 1 where a caller is not named.
    With 0 it is not learned from."""
    learn_from: Literal["all", "held_out"] = "all"
    """Which decisions are learned from. `held_out`: only those in which the model had no say, held
    out or declined, because elsewhere its answers shape what is heard."""
    weigh: Literal["evenly", "propensity"] = "evenly"
    """How much each decision counts in training. `propensity`: the more the less probable it was
    that its version answered, as if every version had answered everybody."""
    hold_out: str = "0 %"
    """The part of the units, by `release.unit`, that is answered without the model, by its fallback
    or not at all: the same ones through all versions and rollouts. What becomes of them shows what
    happens where the model has no say."""
    key: str = ""
    """The input or context value by which others know a decision, such as an order number; text, a
    category or a whole number. What is told of a key (`POST /models/{model}/outcome`, `mainstay
    heard add`) counts for the newest decision that had this value when it happened."""
    within: str = ""
    """How long before something is told of its key a decision was made at most; `key` needs it."""
    places: int = 0
    """At how many places an answer can be shown, such as 50 in a list: where it stood shapes what
    is heard of it. Who tells an outcome may then say at which one (`place`, 1 the first), and
    training code gets it as `data.places`. A ranking's own places are known without this."""
    ask: Ask | None = None
    """What people are asked to label; without it nobody is."""
