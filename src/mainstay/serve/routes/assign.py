"""Which version answers a unit: a pure function of the route and the unit.

So the same user is answered by the same version on every replica, nobody has to remember it, and
it can be worked out again from the journal. The `share` arms lie one after the other from 0 on,
each as long as its share, and the live version has the rest; a unit belongs to whom its draw falls
on. When the share of one arm grows, it therefore keeps the units it had. Limits: with several
arms, growth of one moves the units of those behind it. Shadows are drawn apart,
so that they do not only see the units of a share.

A unit that chose the `opt_back` arm has it, whatever would be drawn; the choices are the third
thing that assignment is a function of. Who is held out is drawn before all of that, by a salt of
its own.
"""

from collections.abc import Callable

from mainstay.base.draws import draw
from mainstay.journal.model import CERTAIN
from mainstay.serve.routes.model import Arm, Route

_NOBODY = 1e-9
"""A rest that is smaller came from adding up tenths in binary, and belongs to nobody."""


Chose = Callable[[str], bool]
"""Whether a unit chose to go back."""


def nobody(unit: str) -> bool:
    """The choices where nobody could choose."""
    del unit
    return False


def assign(route: Route, unit: str, chose: Chose = nobody) -> tuple[Arm | None, float]:
    """The arm that answers a unit (None: the live version), and how probable that was."""
    way_back = route.opt_back
    if way_back is not None and chose(unit):
        return way_back, CERTAIN
    number = draw(route.salt, unit)
    end = 0.0
    last: Arm | None = None
    for arm in route.arms:
        if arm.role == "share" and arm.share:
            end += arm.share
            last = arm
            if number < end:
                return arm, arm.share
    rest = live_share(route)
    if last is not None and not rest:
        return last, last.share
    return None, rest


def live_share(route: Route) -> float:
    """The part of all units that the live version answers."""
    rest = 1.0 - sum(arm.share for arm in route.arms if arm.role == "share")
    return rest if rest > _NOBODY else 0.0


def is_held_out(model: str, unit: str, share: float) -> bool:
    """Whether a unit is answered without the model: the same through all routes and versions of a
    model, and independent of who is drawn in any rollout. Where the share grows, units stay."""
    return draw(f"held out of {model}", unit) < share


def shadowed(route: Route, arm: Arm, unit: str) -> bool:
    """Whether a shadow runs for this unit."""
    return arm.share >= 1.0 or draw(f"{route.salt} {arm.fingerprint}", unit) < arm.share
