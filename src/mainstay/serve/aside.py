"""One thread beside the traffic, for work that nobody waits for.

Must never keep a process alive: what hangs here dies with it. That is why this is not a thread
pool of the standard library, whose threads are waited for at the end.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Aside(Executor):
    """Runs what it is given one after the other. The thread starts with the first of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._started = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Run a function when what was given before it is done."""
        future: Future[_T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # because whoever waits for the future is told
                future.set_exception(error)

        self._queue.put(work)
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        """Let the thread end once it has done what it was given; nobody waits for that."""
        self._queue.put(None)

    def _run(self) -> None:
        take: Callable[[], Any] = self._queue.get
        while (work := take()) is not None:
            work()
