"""Concurrent calls share one model run, when that is faster.

Calls that arrive while the event loop is busy wait in one line per version; the next turn of the
loop takes all of them through the pipeline at once. A run that is expected to take less than a
millisecond happens right on the loop, since handing it to a thread would cost more than it takes;
a longer one happens in a thread, and what arrives meanwhile becomes the next run. So one call
alone never waits for company, and many calls never wait one after the other.

Calls of different versions or doors are never joined. An answer is handed out only after its
decision is recorded at the contract's level. The line is bounded: beyond it, or when what waits
already needs longer than the deadline, a call is shed at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError, ModelFailed, Overloaded, StorageFailed, TooLate
from mainstay.base.limits import JOINED_ROWS_MAX, WAITING_ROWS_MAX
from mainstay.contract.times import duration_ns
from mainstay.journal.model import Record
from mainstay.journal.port import Spool
from mainstay.serve.aside import Aside
from mainstay.serve.held.keep import Keeping
from mainstay.serve.model import Answer, Call, Run
from mainstay.serve.pipeline import Pipeline, Refusals

INLINE_MAX_NS = 1_000_000
"""A run expected to take longer than this leaves the event loop."""

T = TypeVar("T")
Told = Answer | MainstayError
Tell = Callable[[Told], None]


class Ticket:
    """A call's place in the line, and whom to tell what became of it: exactly once."""

    __slots__ = ("_tell", "call", "open")

    def __init__(self, call: Call, tell: Tell) -> None:
        self.call = call
        self.open = True
        self._tell = tell

    def settle(self, told: Told) -> None:
        """Tell the caller, unless it was told already."""
        if self.open:
            self.open = False
            self._tell(told)


class RunTimes:
    """How long a run of so many rows takes, learned per power of two."""

    def __init__(self) -> None:
        self._by_size: dict[int, float] = {}
        self._guessed: dict[int, float] = {}

    def learn(self, rows: int, took_ns: int) -> None:
        """Take one measured run into account. One that took many times as long as the others was
        interrupted, as a rule, and says little about the next."""
        size = rows.bit_length()
        known = self._by_size.get(size)
        self._guessed.clear()
        if known is None:
            self._by_size[size] = took_ns
        else:
            self._by_size[size] = known + 0.2 * (min(took_ns, 4 * known) - known)

    def expect_ns(self, rows: int) -> float:
        """The time of a run, scaled up from the nearest size that is known."""
        size = rows.bit_length()
        known = self._by_size.get(size)
        if known is None:
            known = self._guessed.get(size)
        if known is None:
            known = self._guessed[size] = self._guess(size)
        return known

    def _guess(self, size: int) -> float:
        nearest = min(self._by_size, key=lambda other: abs(other - size), default=None)
        if nearest is None:
            return 0.0
        return self._by_size[nearest] * max(1.0, 2.0 ** (size - nearest))


@dataclass(slots=True)
class Outcome:
    """What became of one run."""

    run: Run | None = None
    refusals: Refusals = field(default_factory=dict[int, MainstayError])
    failure: MainstayError | None = None


class Joiner:
    """The line in front of one version. Lives on one event loop."""

    def __init__(
        self,
        pipeline: Pipeline,
        spool: Spool,
        executor: Executor,
        clock: Clock,
        observe: Callable[[Run], None],
        *,
        aside: bool = False,
        keeping: Keeping | None = None,
    ) -> None:
        """`aside`: nobody waits for these answers, so no run happens on the loop, however short,
        and no record is waited for. `keeping` is what keeps answers that wait for a person."""
        self.pipeline = pipeline
        self.times = RunTimes()
        self._spool = spool
        self._executor = executor
        self._clock = clock
        self._observe = observe
        self._keeping = keeping
        self._loop = asyncio.get_running_loop()
        self._line: deque[Ticket] = deque()
        self._errands: deque[Callable[[], None]] = deque()
        self._waiting_rows = 0
        self._busy = False
        self._unrecorded = 0
        self._level = "buffered" if aside else pipeline.contract.log
        self._inline_max_ns = -1 if aside else INLINE_MAX_NS
        self._deadline_ns = duration_ns(pipeline.contract.serve.deadline)
        self._rows_max = JOINED_ROWS_MAX if pipeline.contract.serve.join else 1

    @property
    def idle(self) -> bool:
        """Nothing waits, runs or is being recorded."""
        return not self._busy and not self._line and not self._unrecorded

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for their run."""
        return self._waiting_rows

    def retire(self) -> None:
        """No more calls will come. What runs aside lets its thread go."""
        if isinstance(self._executor, Aside):
            self._executor.close()

    def submit(self, call: Call, tell: Tell) -> None:
        """Stand in line; `tell` is called on the loop with the answer, or why there is none.

        `Overloaded` is raised at once when the call would wait for longer than it may.
        """
        waiting = self._waiting_rows + call.rows
        if waiting > WAITING_ROWS_MAX or (
            self._line and self.times.expect_ns(waiting) > self._deadline_ns
        ):
            raise Overloaded(
                "more requests wait for this model than it can answer in time",
                got=self._waiting_rows,
                expected="the same request again after the time in Retry-After",
            )
        self._line.append(Ticket(call, tell))
        self._waiting_rows = waiting
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._turn)

    async def ask(self, call: Call) -> Answer:
        """Stand in line and wait for the answer."""
        future: asyncio.Future[Answer] = self._loop.create_future()

        def tell(told: Told) -> None:
            if future.done():
                return  # whoever asked has gone; the decision is recorded all the same
            if isinstance(told, MainstayError):
                future.set_exception(told)
            else:
                future.set_result(told)

        self.submit(call, tell)
        return await future

    async def errand(self, work: Callable[[], T]) -> T:
        """Do something else with this version's model, in a thread and between two runs, so that
        the model is never asked twice at once."""
        future: asyncio.Future[T] = self._loop.create_future()

        def back(done: "asyncio.Future[T]") -> None:
            error = done.exception()
            if not future.done():
                if error is None:
                    future.set_result(done.result())
                else:
                    future.set_exception(error)
            self._turn()

        def begin() -> None:
            self._loop.run_in_executor(self._executor, work).add_done_callback(back)

        self._errands.append(begin)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._turn)
        return await future

    def _turn(self) -> None:
        """Take the next run from the line, here or in a thread."""
        if self._errands:
            self._errands.popleft()()
            return
        group = self._next_group()
        if not group:
            self._busy = False
            return
        calls = [ticket.call for ticket in group]
        rows = sum(call.rows for call in calls)
        if self.times.expect_ns(rows) <= self._inline_max_ns:
            self._finish(group, self._run(calls))
            if self._line or self._errands:
                self._loop.call_soon(self._turn)
            else:
                self._busy = False
            return
        late = self._loop.call_later(self._deadline_ns / 1e9, self._expire, group)

        def back(done: "asyncio.Future[Outcome]") -> None:
            late.cancel()
            self._finish(group, done.result())
            self._turn()

        self._loop.run_in_executor(self._executor, self._run_beside, calls).add_done_callback(back)

    def _next_group(self) -> list[Ticket]:
        """The calls at the head of the line that may share a run."""
        group: list[Ticket] = []
        rows = 0
        line = self._line
        while line:
            ticket = line[0]
            call = ticket.call
            if group and (rows + call.rows > self._rows_max or call.door != group[0].call.door):
                break
            line.popleft()
            self._waiting_rows -= call.rows
            if ticket.open:
                group.append(ticket)
                rows += call.rows
        return group

    def _run(self, calls: list[Call]) -> Outcome:
        try:
            run, refusals = self.pipeline.run(calls)
        except MainstayError as error:
            return Outcome(failure=error)
        except Exception as error:  # noqa: BLE001  # because a defect must fail its calls, not hang them
            return Outcome(failure=ModelFailed(f"the run broke down: {error!r}"))
        return Outcome(run=run, refusals=refusals)

    def _run_beside(self, calls: list[Call]) -> Outcome:
        """A run in a thread, where no signal arrives: what a model raises to end the process must
        not end it."""
        try:
            return self._run(calls)
        except BaseException as error:  # noqa: BLE001  # because only the call may end
            return Outcome(failure=ModelFailed(f"the run broke down: {error!r}"))

    def _finish(self, group: list[Ticket], outcome: Outcome) -> None:
        """Record a run and hand out its answers."""
        if outcome.failure is not None:
            return _fail(group, outcome.failure)
        for place, error in outcome.refusals.items():
            _fail([group[place]], error)
        run = outcome.run
        if run is None:
            return None
        group = [pair for place, pair in enumerate(group) if place not in outcome.refusals]
        self.times.learn(run.rows, sum(run.steps_ns.values()))
        self._record(group, run)
        return None

    def _record(self, group: list[Ticket], run: Run) -> None:
        began = self._clock.elapsed_ns()
        batch = self.pipeline.decisions(run)
        records: list[Record] = [batch]
        if run.held and self._keeping is not None:
            batch, events = self._keeping(run, batch)
            records = [batch, *events]

        def recorded(error: BaseException | None) -> None:
            run.steps_ns["record"] = self._clock.elapsed_ns() - began
            if error is not None:
                if run.held and self._keeping is not None:
                    self._keeping.undo(batch, run.held)
                _fail(group, error)
                return
            for ticket, answer in zip(group, self.pipeline.answers(run, batch), strict=True):
                ticket.settle(answer)
            self._observe(run)

        def recorded_elsewhere(error: BaseException | None) -> None:
            self._loop.call_soon_threadsafe(landed, error)

        def landed(error: BaseException | None) -> None:
            self._unrecorded -= 1
            recorded(error)

        try:
            if self._level == "durable":
                self._unrecorded += 1
                self._spool.append_durable(records, recorded_elsewhere)
                return
            if self._level == "written":
                self._spool.append(records)
            else:
                self._spool.append_buffered(records)
        except MainstayError as error:
            if self._level == "durable":
                self._unrecorded -= 1
            recorded(error)
            return
        recorded(None)

    def _expire(self, group: list[Ticket]) -> None:
        """The run of this group takes too long: answer it, and all who waited as long behind it."""
        late = TooLate(
            "the model did not answer in time",
            field="serve.deadline",
            got=self.pipeline.contract.serve.deadline,
            expected="the same request again, or a longer deadline in the contract",
        )
        _fail(group, late)
        now = self._clock.elapsed_ns()
        _fail([t for t in self._line if now - t.call.received_ns > self._deadline_ns], late)
        if self._line:
            nobody: list[Ticket] = []
            self._loop.call_later(self._deadline_ns / 1e10, self._expire, nobody)


def _fail(group: list[Ticket], error: BaseException) -> None:
    told = error if isinstance(error, MainstayError) else StorageFailed(str(error))
    for ticket in group:
        ticket.settle(told)
