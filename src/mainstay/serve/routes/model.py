"""A route as a value, and the orders that a machine's workers follow.

A route names the version that is live and, during a rollout, the arms beside it: versions that
answer a share of the units in place of the live one, or that shadow it, unseen. Until a rollout
ends, the version that answered before it stays the live one, so leaving the arms out is the way
back.
"""

from typing import Literal

import msgspec

from mainstay.access.model import PRODUCTION, Key
from mainstay.contract.finding import Finding

ORDERS_FILE = "orders.json"
"""The keeper's orders, in the run folder."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """A version in force beside the live one."""

    role: Literal["share", "shadow", "opt_back"]
    """`share`: answers some units in place of the live version. `shadow`: answers what the live
    version answered, for the record only. `opt_back`: answers whoever chose it."""
    number: int
    fingerprint: str
    share: float
    """The part of all units, 0 to 1. The live version keeps what the `share` arms leave; whoever
    chose an `opt_back` was not drawn, so its share is 0."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What people are told while they may choose the version before."""

    words: str
    until_ns: int
    """When they no longer may."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A route as somebody wants it, before it has its place in the chain."""

    model: str
    number: int
    fingerprint: str
    actor: str
    reason: str
    arms: tuple[Arm, ...] = ()
    salt: str = ""
    """Goes into the draw of every unit. It stays the same through one rollout, so that a growing
    share keeps the units it had; the next rollout has another one."""
    unit: str = ""
    """The input whose value decides on the arm; empty: the caller's name does."""
    news: News | None = None
    """Beside an `opt_back` arm: what is new in the live version."""
    stopped: str = ""
    """Why its version answers no more: its fallback answers in its place, where it has one. Any
    later route takes that back."""

    @property
    def opt_back(self) -> Arm | None:
        """The version that people may go back to."""
        return next((arm for arm in self.arms if arm.role == "opt_back"), None)


class Route(Draft, frozen=True, kw_only=True):
    """One entry in the append-only chain of a model's routes; the newest is in force."""

    epoch: int
    """1, 2, 3 …: the place in the chain. An append must name the epoch it replaces."""
    time_ns: int


class StandIn(msgspec.Struct, frozen=True, kw_only=True):
    """The version that a fallback step or a safeguard comes to now."""

    number: int
    fingerprint: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One model to serve, and where on this machine the bundles of its versions are unpacked."""

    route: Route
    folders: dict[str, str]
    """By fingerprint. An arm that could not be brought here is not among them."""
    fallbacks: dict[str, StandIn] = {}
    """What the fallback steps and safeguards of its versions name, by the key of the step; one that
    could not be found or brought here is not among them, and is passed over."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the workers of one machine need to know, written as one file by its keeper."""

    written_at_ns: int
    orders: tuple[Order, ...]
    keys: tuple[Key, ...]
    environment: str = PRODUCTION
    """Whose keys are let in."""
    start: str = ""
    """The mark of the server start whose keeper looked; workers of another start load from these
    orders ahead of time, and do not follow them."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An order that a worker could not follow, or an arm of it, and why."""

    epoch: int
    fingerprint: str
    error: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the last check of a version that a worker has in memory found."""

    at_ns: int
    findings: tuple[Finding, ...]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a worker served and does not serve any more, because it was found wrong."""

    epoch: int
    """The route that it was in force by; a later one is followed again."""
    number: int
    fingerprint: str
    at_ns: int
    finding: Finding
    stands_in: bool = False
    """Its fallback answers in its place."""
    ordered: bool = False
    """The route says so, and every worker does it; else this worker found it wrong."""


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself, in the file `worker-<slot>.json` beside its orders."""

    slot: int
    pid: int
    started_at_ns: int
    beat_at_ns: int
    ready: bool
    draining: bool
    serving: dict[str, Route]
    refused: dict[str, Refusal]
    refused_arms: dict[str, tuple[Refusal, ...]] = {}
    """By model: the arms of its route that this worker has not got; the live version answers for
    them."""
    checked: dict[str, Checked] = {}
    """By fingerprint: the last check of each version in memory."""
    stopped: dict[str, Stop] = {}
    """By model: versions that were in force and are not answered with any more."""

    def follows(self, model: str, epoch: int) -> bool:
        """Whether the worker does what a route says, or a newer one: it answers with its version,
        or has stopped it."""
        route, stop = self.serving.get(model), self.stopped.get(model)
        return (route is not None and route.epoch >= epoch) or (
            stop is not None and stop.ordered and stop.epoch >= epoch
        )
