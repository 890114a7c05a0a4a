"""Reservoirs and tasks in the memory of one process: the twins of the stores in a database."""

import threading
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from mainstay.renew.labelling.keeping import (
    answered,
    as_probe,
    given,
    in_order,
    is_free,
    no_task,
    putting,
)
from mainstay.renew.labelling.model import Asked, Said, State, Task, Turn
from mainstay.renew.labelling.port import Stretch
from mainstay.renew.labelling.reservoir import Reservoir, merge


class MemoryReservoirStore:
    """Keeps what is drawn and forgets it with the process."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        self._kept: dict[Stretch, Reservoir] = {}
        self._lock = threading.Lock()

    def taken(self) -> frozenset[str]:
        """The pieces that were taken in."""
        with self._lock:
            return frozenset(self._taken)

    def add(self, piece: str, sealed_ns: int, drawn: Mapping[Stretch, Reservoir]) -> None:
        """Merge what a piece brought, once."""
        with self._lock:
            if piece in self._taken:
                return
            self._taken[piece] = sealed_ns
            for stretch, reservoir in drawn.items():
                before = self._kept.get(stretch)
                self._kept[stretch] = reservoir if before is None else merge(before, reservoir)

    def due(self, now_ns: int) -> Mapping[Stretch, Reservoir]:
        """What was drawn in stretches that are over."""
        with self._lock:
            over = sorted(stretch for stretch in self._kept if stretch.end_ns <= now_ns)
            return {stretch: self._kept[stretch] for stretch in over}

    def drop(self, stretch: Stretch, drawn: Reservoir) -> bool:
        """Forget a stretch, unless something came to it since."""
        with self._lock:
            if self._kept.get(stretch) != drawn:
                return False
            del self._kept[stretch]
            return True

    def forget(self, before_ns: int) -> None:
        """Forget which pieces sealed before then were taken in."""
        with self._lock:
            self._taken = {name: at for name, at in self._taken.items() if at >= before_ns}


class MemoryTaskQueue:
    """Keeps tasks and turns and forgets them with the process."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._turns: dict[str, dict[str, Turn]] = {}
        self._lock = threading.Lock()

    def add(self, tasks: Sequence[Task]) -> int:
        """Let tasks wait; one that is there stays, but for becoming a probe."""
        with self._lock:
            new = 0
            for task in tasks:
                known = self._tasks.get(task.id)
                if known is None:
                    self._tasks[task.id] = task
                    new += 1
                elif task.gold is not None and known.gold != task.gold:
                    self._tasks[task.id] = as_probe(known, task.gold)
                    new += known.gold is None
            return new

    def give(
        self, model: str, labeler: str, *, gold: bool, lease_ns: int, now_ns: int
    ) -> tuple[Task, Turn] | None:
        """The task that the labeler has already, else the next for them."""
        with self._lock:
            tasks = [task for task in self._tasks.values() if task.model == model]
            for task in sorted(tasks, key=in_order):
                mine = self._turns.get(task.id, {}).get(labeler)
                if mine is not None and mine.holds(now_ns) and task.state == "open":
                    return task, mine
            for task in sorted(tasks, key=in_order):
                turns = self._turns.setdefault(task.id, {})
                if is_free(task, list(turns.values()), labeler, gold=gold, now_ns=now_ns):
                    turns[labeler] = given(task.id, labeler, lease_ns, now_ns)
                    return task, turns[labeler]
            return None

    def answer(self, task: str, labeler: str, said: Said, now_ns: int) -> tuple[Turn, bool]:
        """Keep what a labeler says of the task they have."""
        with self._lock:
            found, turns = self._find(task)
            turn, before = answered(found, turns.get(labeler), said, now_ns)
            turns[labeler] = turn
            return turn, before

    def saw(self, task: str, labeler: str, answer: str | float | None) -> None:
        """Keep what the model's answer was that a labeler was shown."""
        with self._lock:
            _, turns = self._find(task)
            if labeler in turns:
                turns[labeler] = replace(turns[labeler], saw=answer)

    def put(self, turn: Turn) -> bool:
        """Keep a turn that was had elsewhere."""
        with self._lock:
            _, turns = self._find(turn.task)
            new = putting(turns.get(turn.labeler), turn)
            if new:
                turns[turn.labeler] = turn
            return new

    def find(self, task: str) -> Asked:
        """A task and every turn at it."""
        with self._lock:
            found, turns = self._find(task)
            return found, _ordered(turns)

    def of(self, model: str) -> Sequence[Asked]:
        """All tasks of a model that are remembered."""
        with self._lock:
            tasks = sorted((t for t in self._tasks.values() if t.model == model), key=in_order)
            return [(task, _ordered(self._turns.get(task.id, {}))) for task in tasks]

    def change(self, task: Task, was: State, *, untold: bool = False) -> bool:
        """Keep a task as it is now, if it still is as it was."""
        with self._lock:
            known = self._tasks.get(task.id)
            if known is None or known.state != was:
                return False
            if untold and known.settled is not None and known.settled.told:
                return False
            self._tasks[task.id] = replace(task, gold=known.gold)
            return True

    def mark(self, model: str) -> tuple[int, int, int]:
        """How many tasks, open ones, and turns that are over there are."""
        asked = self.of(model)
        over = sum(turn.state != "given" for _, turns in asked for turn in turns)
        return len(asked), sum(task.state == "open" for task, _ in asked), over

    def forget(self, before_ns: int) -> int:
        """Forget tasks that were made before then and are not open."""
        with self._lock:
            old = [
                task.id
                for task in self._tasks.values()
                if task.made_ns < before_ns and task.state != "open"
            ]
            for id_ in old:
                del self._tasks[id_]
                self._turns.pop(id_, None)
            return len(old)

    def _find(self, task: str) -> tuple[Task, dict[str, Turn]]:
        found = self._tasks.get(task)
        if found is None:
            raise no_task(task)
        return found, self._turns.setdefault(task, {})


def _ordered(turns: Mapping[str, Turn]) -> tuple[Turn, ...]:
    return tuple(sorted(turns.values(), key=lambda turn: (turn.given_ns, turn.labeler)))
