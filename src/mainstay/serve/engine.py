"""The versions that this worker answers with, and how one takes over from another.

A swap is one assignment between two requests: the new version is loaded and warm before it, the
old one finishes what already stands in its line after it. A version that cannot be loaded is
refused in words, and the one that served keeps serving.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from mainstay.base.clock import Clock
from mainstay.base.errors import NotFound
from mainstay.base.ids import DecisionIds
from mainstay.bundle.port import Loaded
from mainstay.journal.port import Spool
from mainstay.serve.gather import Gatherer, Sources
from mainstay.serve.join import Joiner
from mainstay.serve.model import Run
from mainstay.serve.pipeline import Pipeline
from mainstay.serve.routes.model import Route

Observe = Callable[[Route, Run], None]
Announce = Callable[[Route, Iterable[str]], None]


@dataclass(slots=True, frozen=True)
class Serving:
    """One version in force for one model, ready to answer."""

    route: Route
    loaded: Loaded
    pipeline: Pipeline
    joiner: Joiner
    gatherer: Gatherer


@dataclass(slots=True, frozen=True)
class Machinery:
    """What every version of a worker shares."""

    ids: DecisionIds
    spool: Spool
    models: Executor
    lookups: Executor
    clock: Clock
    observe: Observe
    announce: Announce
    """Told of every version that takes over, with the names of its inputs."""


class Engine:
    """Model name to the version in force. Lives on one event loop."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._serving: dict[str, Serving] = {}
        self._leaving: list[Serving] = []

    @property
    def serving(self) -> Mapping[str, Serving]:
        """What is in force now."""
        return self._serving

    @property
    def waiting_rows(self) -> int:
        """Rows in line for any version."""
        return sum(serving.joiner.waiting_rows for serving in self._serving.values())

    @property
    def idle(self) -> bool:
        """No version has anything to do, nor has one that was replaced."""
        self._leaving = [serving for serving in self._leaving if not serving.joiner.idle]
        return not self._leaving and all(s.joiner.idle for s in self._serving.values())

    def find(self, model: str, number: str | None = None) -> Serving:
        """The version that answers for a model; asking for another one than is in force fails."""
        serving = self._serving.get(model)
        if serving is None:
            raise NotFound(
                f"no model {model!r} is served here",
                field="model",
                got=model,
                expected="one of: " + (", ".join(sorted(self._serving)) or "none is deployed yet"),
            )
        if number is not None and number != str(serving.route.number):
            raise NotFound(
                f"version {number} of {model!r} is not in force",
                field="version",
                got=number,
                expected=f"version {serving.route.number}, or a path without a version",
            )
        return serving

    def prepare(self, loaded: Loaded, route: Route, sources: Sources) -> Serving:
        """Everything a version needs before it takes over."""
        machinery = self._machinery
        pipeline = Pipeline(loaded, route, machinery.ids, machinery.clock)
        joiner = Joiner(
            pipeline,
            machinery.spool,
            machinery.models,
            machinery.clock,
            lambda run: machinery.observe(route, run),
        )
        gatherer = Gatherer(pipeline.contract, sources, machinery.lookups)
        return Serving(route, loaded, pipeline, joiner, gatherer)

    def switch(self, serving: Serving) -> None:
        """Let a prepared version take over from the one in force."""
        self._machinery.spool.describe(serving.pipeline.layout())
        self._machinery.announce(serving.route, serving.pipeline.contract.inputs)
        before = self._serving.get(serving.route.model)
        if before is not None:
            self._leaving.append(before)
        self._serving[serving.route.model] = serving

    def withdraw(self, model: str) -> None:
        """Stop answering for a model."""
        before = self._serving.pop(model, None)
        if before is not None:
            self._leaving.append(before)
