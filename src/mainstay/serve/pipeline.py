"""The life of a request: validate → extract features → predict → judge → present → record.

(Authenticate, authorise and gather context come before, at the door, because they wait.) The
steps of a version are folded into one tuple when its route is loaded, so a step that a contract
does not declare is not there. Every step works on all rows of a run at once. A call whose values
break the contract leaves the run with an error of its own and never disturbs its neighbours.

Synchronous and free of I/O but for the spool; never keeps state between runs but the ids.
"""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from mainstay.base.clock import Clock, busy_ns
from mainstay.base.errors import MainstayError, ModelFailed
from mainstay.base.ids import DecisionIds
from mainstay.bundle.answers import output_names
from mainstay.bundle.calibration import correction_for
from mainstay.bundle.port import Loaded
from mainstay.contract.columns import MATRIX, Column, Columns, encode, rows_of, take
from mainstay.contract.model import (
    Label,
    NumberOutput,
    Output,
)
from mainstay.contract.problems import Problem, refusal
from mainstay.contract.repair import changes_by_row
from mainstay.contract.values import Checker
from mainstay.journal.model import CERTAIN, STATUSES, DecisionBatch, Layout
from mainstay.judge.compile import compile_flow
from mainstay.judge.model import HELD, Case, Means
from mainstay.judge.present import present
from mainstay.serve.model import NOTHING, NOTHING_SHOWN, Answer, Call, Ids, Run, join_columns
from mainstay.serve.routes.model import Route

Step = Callable[[Run], None]
Refusals = dict[int, MainstayError]
_OF_MODEL = frozenset({"extract", "predict"})
"""The steps that are the version's own; where one fails, its fallback may answer."""


class Pipeline:
    """One version's steps, ready to run."""

    def __init__(
        self,
        loaded: Loaded,
        route: Route,
        ids: DecisionIds,
        clock: Clock,
        arm: str = "live",
        propensity: float = CERTAIN,
        without_model: str = "",
        means: Means | None = None,
    ) -> None:
        """`without_model`: why the model is not asked; its fallback answers every row."""
        self.loaded = loaded
        self.route = route
        self.arm = arm
        self.propensity = propensity
        self.contract = loaded.manifest.contract
        self.checker = Checker(self.contract)
        self._ids = ids
        self._clock = clock
        calibration = loaded.manifest.calibration
        refreshed = loaded.manifest.card.confidence
        marks = {loaded.fingerprint, *([] if refreshed is None else [refreshed.of])}
        means = replace(
            means or Means(), calibration=calibration, known=loaded.known, marks=frozenset(marks)
        )
        self._flow = compile_flow(self.contract, means)
        self._present = present(self.contract, correction_for(self.contract, calibration))
        self._without_model = without_model
        self._steps: tuple[tuple[str, Step], ...] = (
            ("extract", self._extract),
            ("predict", self._predict),
            ("judge", self._judge),
            ("present", self._show),
        )

    @property
    def falls_back(self) -> bool:
        """Whether something else may answer what its model does not."""
        return self._flow.falls_back

    def layout(self) -> Layout:
        """The names that the journal reads this version's matrices by."""
        return layout_of(self.loaded, self.route.number)

    def normal(self, inputs: Columns) -> Columns:
        """The one form in which rows of this version are joined."""
        if self.checker.numeric and MATRIX not in inputs:
            named = [inputs[name].astype(np.float64) for name in self.checker.names]
            return {MATRIX: np.column_stack(named)}
        return inputs

    def check(self, inputs: Columns) -> list[Problem]:
        """What breaks the contract, row by row; nothing, as a rule."""
        if MATRIX in inputs:
            return self.checker.check_matrix(inputs[MATRIX])
        return self.checker.check_columns(inputs)

    def refuse_bad(self, inputs: Columns) -> None:
        """Raise for rows that break the contract, before anything else is done with them."""
        problems = self.check(inputs)
        if problems:
            raise refusal(problems, rows_of(inputs))

    def features(self, inputs: Columns, context: Columns) -> Columns:
        """What the model would be fed for these rows."""
        if self.loaded.extracts:
            return self.loaded.extract({**self.checker.spread(inputs), **context})
        if MATRIX in inputs:
            return {MATRIX: inputs[MATRIX].astype(np.float32)}
        return inputs

    def run(self, calls: list[Call]) -> tuple[Run | None, Refusals]:
        """Take calls through all steps; which calls were refused, and the run of the others."""
        started, busy = self._clock.elapsed_ns(), busy_ns()
        calls, inputs, refusals = self._let_in(calls)
        if not calls:
            return None, refusals
        rows = sum(call.rows for call in calls)
        run = Run(
            calls=calls,
            rows=rows,
            inputs=inputs,
            context=join_columns([call.context for call in calls]),
            features={},
            output=NOTHING,
            shown=NOTHING_SHOWN,
            statuses=bytearray(rows),
            reasons=_notes(calls),
            started_ns=started,
            without_model=self._without_model,
        )
        if self.contract.repair:
            _tell_repairs(run)
        read = self._clock.elapsed_ns
        before = read()
        run.steps_ns["validate"] = before - started
        for name, step in self._steps:
            if run.without_model and name in _OF_MODEL:
                continue
            try:
                step(run)
            except ModelFailed as error:
                if not self._flow.falls_back or name not in _OF_MODEL:
                    raise
                run.without_model = f"the model failed: {error.message}"
                before = read()
                continue
            after = read()
            run.steps_ns[name] = after - before
            before = after
        run.processor_ns = busy_ns() - busy
        return run, refusals

    def _let_in(self, calls: list[Call]) -> tuple[list[Call], Columns, Refusals]:
        """The calls that keep the contract, their rows, and which others were refused. A look tells
        so many problems at most, so it is repeated until there are none."""
        inputs = join_columns([call.inputs for call in calls])
        places, refusals = list(range(len(calls))), Refusals()
        while calls and (problems := self.check(inputs)):
            calls, inputs, found = _without_refused(calls, inputs, problems)
            refusals |= {places[place]: refused for place, refused in found.items()}
            places = [each for place, each in enumerate(places) if place not in found]
        return calls, inputs, refusals

    def _extract(self, run: Run) -> None:
        run.features = self.features(run.inputs, run.context)

    def _predict(self, run: Run) -> None:
        run.output = self.loaded.predict(run.features)
        if run.output.shape[0] != run.rows:
            raise ModelFailed(
                "the model answered another number of rows than it was asked",
                got=int(run.output.shape[0]),
                expected=str(run.rows),
            )

    def _judge(self, run: Run) -> None:
        if run.without_model:
            run.output = no_output(self.contract.output, run.rows)
        case = Case(
            rows=run.rows,
            inputs=run.inputs,
            context=run.context,
            output=run.output,
            names=self.checker.names,
            callers=lambda: _callers(run),
            time_ns=self._clock.now_ns(),
            statuses=np.frombuffer(run.statuses, dtype=np.uint8),
            reasons=run.reasons,
            judged=run.judged,
            shown=run.replaced,
            words=run.words,
            unsaid=run.unsaid,
            held=run.held,
            counts=run.counts,
            levels=run.levels,
        )
        if run.without_model:
            self._flow.without_model(case, run.without_model)
        else:
            self._flow(case)
        run.told = case.told

    def _show(self, run: Run) -> None:
        run.shown = self._present(run.output, run.replaced)

    def decisions(self, run: Run) -> DecisionBatch:
        """The record of a run, with ids of its own."""
        time_ms, first = self._ids.take(run.rows)
        callers = {call.caller.name for call in run.calls}
        requests: tuple[str, ...] = ()
        if any(call.request for call in run.calls):
            requests = tuple(call.request for call in run.calls for _ in range(call.rows))
        waited: list[int] = []
        for call in run.calls:
            waited += [run.started_ns - call.received_ns] * call.rows
        shadows: tuple[str, ...] = ()
        if run.calls[0].shadows:
            shadows = tuple(shadowed for call in run.calls for shadowed in call.shadows)
        return DecisionBatch(
            fingerprint=self.route.fingerprint,
            route=self.route.epoch,
            door=run.calls[0].door,
            time_ms=time_ms,
            incarnation=self._ids.incarnation,
            first_sequence=first,
            rows=run.rows,
            callers=tuple(callers) if len(callers) == 1 else tuple(_callers(run)),
            requests=requests,
            inputs=encode(run.inputs),
            context=encode(run.context) if run.context else b"",
            features=encode(run.features) if self.loaded.extracts and run.features else b"",
            outputs=encode({"output": run.output}),
            judged=encode(run.judged) if run.judged else b"",
            statuses=bytes(run.statuses),
            reasons=run.reasons,
            waited_ns=tuple(waited),
            steps_ns=run.steps_ns,
            arm=self.arm,
            propensity=self.propensity,
            shadows=shadows,
            processor_ns=run.processor_ns,
        )

    def answers(self, run: Run, batch: DecisionBatch) -> list[Answer]:
        """What each call of a recorded run is told."""
        mark = f"{batch.time_ms:012x}{batch.incarnation:08x}"
        first = batch.first_sequence
        statuses: list[str] = [STATUSES[0]] * run.rows
        if any(run.statuses):
            statuses = [STATUSES[code] for code in run.statuses]
        reasons = [""] * run.rows
        for row, reason in run.reasons.items():
            # Why something is held says what it is, which nobody is told yet.
            unsaid = run.statuses[row] == HELD or row in run.unsaid
            reasons[row] = "" if unsaid else reason
        told = run.output if run.told is None else run.told
        model, route, contract = self.contract.model, self.route, self.contract
        answers: list[Answer] = []
        start = 0
        for call in run.calls:
            part = slice(start, start + call.rows)
            answers.append(
                Answer(
                    model,
                    route.number,
                    route.fingerprint,
                    route.epoch,
                    Ids(mark, first + start, call.rows),
                    told[part],
                    run.shown.part(start, part.stop),
                    statuses[part],
                    reasons[part],
                    contract,
                    self.arm,
                    words=_words_of(run, part),
                )
            )
            start = part.stop
        return answers


def layout_of(loaded: Loaded, number: int) -> Layout:
    """The names that the journal reads a version's matrices by."""
    manifest = loaded.manifest
    return Layout(
        fingerprint=loaded.fingerprint,
        model=manifest.model,
        number=number,
        inputs=tuple(manifest.contract.inputs),
        features=manifest.features,
        outputs=output_names(manifest.contract.output),
    )


def no_output(output: Output, rows: int) -> Column:
    """What stands for the output where the model was not asked: nothing that makes sense."""
    if isinstance(output, Label):
        return np.full(rows, -1, dtype=np.int64)
    names = output_names(output)
    shape = (rows,) if isinstance(output, NumberOutput) else (rows, len(names))
    return np.full(shape, np.nan)


def _callers(run: Run) -> list[str]:
    """Who asked for each row."""
    return [call.caller.name for call in run.calls for _ in range(call.rows)]


def _words_of(run: Run, part: slice) -> dict[int, str]:
    """The words that were found for some rows, counted from the first of them."""
    if not run.words:
        return {}
    return {
        row - part.start: said for row, said in run.words.items() if part.start <= row < part.stop
    }


def _tell_repairs(run: Run) -> None:
    """Record and count what was put right before the run; always the same column."""
    told = np.full(run.rows, None, dtype=object)
    start = 0
    for call in run.calls:
        for row, words in changes_by_row(call.repaired).items():
            told[start + row] = words
        for change in call.repaired:
            key = ("repaired", change.field, change.transform)
            run.counts[key] = run.counts.get(key, 0) + 1
        start += call.rows
    run.judged["repaired"] = told


def _notes(calls: list[Call]) -> dict[int, str]:
    """What was unusual about the context of some rows, by their row in the run."""
    notes: dict[int, str] = {}
    start = 0
    for call in calls:
        for row, note in call.notes.items():
            notes[start + row] = note
        start += call.rows
    return notes


def _without_refused(
    calls: list[Call], inputs: Columns, problems: list[Problem]
) -> tuple[list[Call], Columns, Refusals]:
    """Part the calls with a bad row from the others."""
    by_row: dict[int, list[Problem]] = {}
    for problem in problems:
        if problem.row is None:  # the whole batch is meant: its calls all have the same form
            return [], inputs, {p: refusal(problems, c.rows) for p, c in enumerate(calls)}
        by_row.setdefault(problem.row, []).append(problem)
    refusals: Refusals = {}
    kept: list[Call] = []
    keep = np.zeros(sum(call.rows for call in calls), dtype=bool)
    start = 0
    for place, call in enumerate(calls):
        stop = start + call.rows
        own = [
            msgspec.structs.replace(problem, row=row - start)
            for row in range(start, stop)
            for problem in by_row.get(row, ())
        ]
        if own:
            refusals[place] = refusal(own, call.rows)
        else:
            kept.append(call)
            keep[start:stop] = True
        start = stop
    return kept, take(inputs, keep), refusals
