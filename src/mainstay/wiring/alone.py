"""Work of which only one process of a machine does so much at a time."""

from collections.abc import Generator
from contextlib import contextmanager

from mainstay.base.errors import Conflict
from mainstay.journal.piece import Lock
from mainstay.wiring.workspace import Workspace


@contextmanager
def only_one(workspace: Workspace, work: str, model: str) -> Generator[None]:
    """Do some work on a model alone; `Conflict` where somebody else is at it. Whoever dies lets
    go."""
    workspace.places.run.mkdir(exist_ok=True)
    lock = Lock.take(workspace.places.run / f"{work}-{model}.lock")
    if lock is None:
        raise Conflict(
            f"somebody else is at it: {work} {model}",
            field="model",
            got=model,
            expected="the same command again when that is done",
        )
    try:
        yield
    finally:
        lock.release()
