"""Where decisions are set aside, and where the tasks made of them wait for labelers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from mainstay.renew.labelling.model import Asked, Said, State, Task, Turn
from mainstay.renew.labelling.reservoir import Reservoir


class Stretch(msgspec.Struct, frozen=True, order=True):
    """A stretch of time of one model, in which so many decisions are drawn."""

    model: str
    begin_ns: int
    end_ns: int


class ReservoirStore(Protocol):
    """What is drawn in the stretches that go on; every sealed piece is taken in once."""

    def taken(self) -> frozenset[str]:
        """The pieces that were taken in, but for those that were forgotten."""
        ...

    def add(self, piece: str, sealed_ns: int, drawn: Mapping[Stretch, Reservoir]) -> None:
        """Merge what a piece brought, all of it or nothing; a piece that was taken in before
        changes nothing."""
        ...

    def due(self, now_ns: int) -> Mapping[Stretch, Reservoir]:
        """What was drawn in stretches that are over."""
        ...

    def drop(self, stretch: Stretch, drawn: Reservoir) -> bool:
        """Forget a stretch, once its tasks are made; whether nothing came to it since."""
        ...

    def forget(self, before_ns: int) -> None:
        """Forget which pieces sealed before then were taken in."""
        ...


class TaskQueue(Protocol):
    """Tasks, and the turns of labelers at them."""

    def add(self, tasks: Sequence[Task]) -> int:
        """Let tasks wait; one that is there under its id stays as it is, but for becoming a
        probe. How many were new."""
        ...

    def give(
        self, model: str, labeler: str, *, gold: bool, lease_ns: int, now_ns: int
    ) -> tuple[Task, Turn] | None:
        """The task that the labeler has already, else the next for them; none where there is
        none. `gold`: a probe, and nothing else. Nobody else gets a task whose wanted answers are
        all given or being given, and nobody gets one twice that they answered or left."""
        ...

    def answer(self, task: str, labeler: str, said: Said, now_ns: int) -> tuple[Turn, bool]:
        """Keep what a labeler says of the task they have, and whether they had said the same
        before; `NotFound`, `Conflict` in words where they cannot say it."""
        ...

    def saw(self, task: str, labeler: str, answer: str | float | None) -> None:
        """Keep what the model's answer was that a labeler was shown."""
        ...

    def put(self, turn: Turn) -> bool:
        """Keep a turn that was had elsewhere; whether it is new. `Conflict` where the labeler
        said something else, `NotFound`."""
        ...

    def find(self, task: str) -> Asked:
        """A task and every turn at it; `NotFound`."""
        ...

    def of(self, model: str) -> Sequence[Asked]:
        """All tasks of a model that are remembered, in the order in which they are given."""
        ...

    def change(self, task: Task, was: State, *, untold: bool = False) -> bool:
        """Keep a task as it is now, if it still is as it was (and, where `untold` is asked, the
        journal was not told yet); whether it was."""
        ...


class Upkeep(Protocol):
    """What keeping a queue needs."""

    def mark(self, model: str) -> tuple[int, int, int]:
        """How many tasks there are, how many of them are open, and how many turns are over: where
        these are as they were, nobody has said anything since."""
        ...

    def forget(self, before_ns: int) -> int:
        """Forget tasks that were made before then and are not open; how many."""
        ...
