"""A worker's side of choices: it writes down what people choose, and knows what all chose.

Promises that a choice is answered once it is written down here, so that it outlives every process
and a database that is away; that the worker which heard it follows it at once, and every other one
within a second, through the keeper; and that a request never waits for either. Bounded: a rollout
has `CHOICES_MAX` units that chose, and `CHOICES_WAITING_MAX` choices may wait for the keeper.
"""

import asyncio
import os
from functools import partial
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import Conflict, Overloaded, StorageFailed
from mainstay.base.files import Stamp, stamp_of, write_whole
from mainstay.base.limits import CHOICES_MAX, CHOICES_WAITING_MAX
from mainstay.serve.choices import model as choices
from mainstay.serve.choices.model import (
    CHOICES_FILE,
    WAITING_FOLDER,
    Choice,
    Packed,
    Tables,
    Which,
    mark_of,
    went_back,
)
from mainstay.serve.routes.assign import Chose, nobody
from mainstay.serve.routes.model import Route

LOOK_EVERY_SECONDS = 0.1
_NOTHING = Packed()
_tables = msgspec.json.Decoder(Tables)
_encode = msgspec.json.Encoder().encode


class Choices:
    """Everything chosen that this worker knows of. Lives on one event loop."""

    def __init__(self, run_folder: Path, clock: Clock) -> None:
        self._file = run_folder / CHOICES_FILE
        self._waiting = run_folder / WAITING_FOLDER
        self._clock = clock
        self._stamp: Stamp | None = None
        self._known: dict[tuple[str, str], Packed] = {}
        self._own: dict[tuple[str, str], dict[int, int]] = {}

    async def follow(self) -> None:
        """Look for what others chose until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def look(self) -> None:
        """Read the keeper's file if it changed. What was chosen here and is not in it yet stays."""
        try:
            stamp = stamp_of(self._file)
            if stamp == self._stamp:
                return
            tables = _tables.decode(self._file.read_bytes()).models
            known = {(model, each.rollout): Packed(each.packed) for model, each in tables.items()}
        except (OSError, msgspec.MsgspecError, ValueError):
            return  # not written yet, or not by a keeper of this version
        self._stamp, self._known = stamp, known
        for key, own in self._own.items():
            there = self._known.get(key, _NOTHING)
            self._own[key] = {mark: each for mark, each in own.items() if each > there.stamp(mark)}

    def of(self, route: Route) -> Chose:
        """Who went back, as assignment asks for it, from now on; what was chosen in another
        rollout of the model is over."""
        key = route.model, route.salt
        self._own = {k: own for k, own in self._own.items() if k[0] != route.model or k == key}
        if route.opt_back is None:
            return nobody
        return partial(self.went_back, route)

    def went_back(self, route: Route, unit: str) -> bool:
        """Whether a unit chose the version before."""
        key = route.model, route.salt
        known, own = self._known.get(key, _NOTHING), self._own.get(key)
        if not known and not own:
            return False
        mark = mark_of(route.salt, unit)
        return went_back(max(known.stamp(mark), own.get(mark, 0) if own else 0))

    def choose(self, route: Route, unit: str, which: Which, name: str) -> None:
        """Write a choice down and follow it; `name` is that of its file, and is used once."""
        key = route.model, route.salt
        mark = mark_of(route.salt, unit)
        known, own = self._known.get(key, _NOTHING), self._own.setdefault(key, {})
        before = max(known.stamp(mark), own.get(mark, 0))
        count = len(known) + sum(not known.stamp(each) for each in own)
        if not before and count >= CHOICES_MAX:
            raise Conflict(
                f"{count:,} units have chosen already, and no more are kept in mind",
                field="unit",
                expected="the version that answers now",
            )
        # A clock that was set back must not make the newer choice the older one.
        time_ns = max(self._clock.now_ns(), before // 2 + 1)
        choice = Choice(
            model=route.model,
            rollout=route.salt,
            mark=mark,
            stamp=choices.stamp_of(time_ns, which),
        )
        self._write(choice, name)
        own[mark] = choice.stamp

    def _write(self, choice: Choice, name: str) -> None:
        try:
            self._waiting.mkdir(mode=0o700, exist_ok=True)
            if len(os.listdir(self._waiting)) >= CHOICES_WAITING_MAX:  # noqa: PTH208  # because only their number is wanted
                raise Overloaded(
                    "too many choices wait to be kept",
                    expected="the same request again in a few seconds; `mainstay status` shows why",
                )
            write_whole(self._waiting / f"{name}.json", _encode(choice), 0o600)
        except OSError as error:
            raise StorageFailed(f"the choice cannot be written down: {error}") from error
