"""A route as a value, and the orders that a machine's workers follow."""

import msgspec

from mainstay.access.model import Key


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in the append-only chain of a model's routes; the newest is in force."""

    model: str
    epoch: int
    """1, 2, 3 …: the place in the chain. An append must name the epoch it replaces."""
    number: int
    fingerprint: str
    actor: str
    reason: str
    time_ns: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One model to serve, and the folder on this machine where its bundle is unpacked."""

    route: Route
    folder: str


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the workers of one machine need to know, written as one file by its keeper."""

    written_at_ns: int
    orders: tuple[Order, ...]
    keys: tuple[Key, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An order that a worker could not follow, and why."""

    epoch: int
    fingerprint: str
    error: str


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
