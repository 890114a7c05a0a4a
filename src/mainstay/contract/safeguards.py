"""A second model that says how probably the first one is wrong, as immutable values.

Types and pure functions of them only, as in `model.py`.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from mainstay.contract.fallbacks import FallbackModel, FallbackStep, models_among

RIGHT_OR_WRONG = ("right", "wrong")
"""The classes of every safeguard's output, in this order."""
SAID = "said_"
"""What the main model said begins so, among the inputs of its safeguard."""


class Safeguard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of another model that is shown what this one was asked and said, and answers how
    probably that is wrong. `mainstay safeguard train` makes one of logged decisions."""

    model: str = ""
    """The name of the safeguard; without one it is this model's, with `-safeguard` behind it."""
    version: int | None = None
    """Its number; without one it is the version that the safeguard's route has in force."""
    at_most: float = 0.5
    """The highest probability of being wrong with which an answer stands."""
    unsure: Literal["decline", "ask"] = "decline"
    """What becomes of an answer above it: it is declined, so that the fallback may answer, or it is
    told with the question whether it is right."""
    otherwise: Literal["open", "closed"] = "open"
    """What becomes of an answer that the safeguard cannot judge, because there is none yet, it was
    made for another version, or it fails: it stands (`open`) or is declined (`closed`). Each is
    noted in the decision and counted."""
    within: str = "100ms"
    """Longer is slow. After three failed or slow runs in a row the safeguard is left alone for a
    pause that doubles, and then tried again with one run."""
    train: Literal["no", "auto"] = "no"
    """With `auto` the keeper trains one as soon as enough outcomes are known, and again when there
    are twice as many; each goes through the gate. `safeguard: auto` alone means this."""
    wrong_by: float | None = None
    """With an output of type number: an answer that is further from the truth is wrong."""


def guard_of(model: str, safeguard: Safeguard) -> FallbackModel:
    """The version that is meant, as a fallback step names one."""
    name = safeguard.model or f"{model}-safeguard"
    return FallbackModel(model=name, version=safeguard.version, within=safeguard.within)


def models_beside(
    model: str, steps: Iterable[FallbackStep], safeguard: Safeguard | None
) -> dict[str, FallbackModel]:
    """Every version that a model asks for beside itself, by what the orders of a keeper call it."""
    beside = models_among(steps)
    if safeguard is not None:
        guard = guard_of(model, safeguard)
        beside.setdefault(guard.key, guard)
    return beside
