"""Evidence: both versions run over the candidate's confidence set, each in a process of its own.

Each version gets the raw inputs and uses its own extractor, so a feature that changed changes
nothing here. Rows are drawn by lot and answered until the time is over, so a slow model is compared
on fewer rows, and is honestly less sure of, instead of holding a deployment up for hours.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answering import Cost, answers_of
from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.assets import CONFIDENCE_FILE, END_TO_END_FILE, Examples, decode_examples
from mainstay.bundle.features import as_named, kinds_of
from mainstay.bundle.folder import read_checked
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Column, Columns, rows_of, take
from mainstay.contract.model import Label, Output, Probability, Ranking, VectorOutput
from mainstay.release.gate.habits import Repeated, compared
from mainstay.release.gate.model import Evidence, Habit, Machine, Side
from mainstay.release.gate.rows import Fitted, fit, joined

ANSWER_SECONDS: Final = 10.0
"""How long each version may answer; loading and measuring come on top."""
_NOTHING: Final[Column] = np.empty(0, dtype=np.int64)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A version on this machine, every byte checked."""

    number: int
    fingerprint: str
    folder: Path
    manifest: Manifest


def gather(
    candidate: Opened,
    baseline: Opened | None,
    repeated: Repeated,
    machine: Machine,
    seconds: float = ANSWER_SECONDS,
) -> Evidence:
    """Run both and bring together what they answered; `InvalidBundle` when one cannot run."""
    examples, asked = _confidence(candidate)
    order = _by_lot(candidate, baseline, examples.rows)
    rows = take(as_named(examples.inputs, candidate.manifest.contract), order)
    labels = examples.label[order] if examples.label is not None else None
    ours = Fitted(columns=rows, rows=np.arange(rows_of(rows)))
    if baseline is None:
        run = _ask(candidate, Fitted(rows=_NOTHING), ours, seconds)
        return Evidence(
            candidate=_side(candidate, run.rest, run.cost, candidate.manifest.contract.output),
            inputs=take(rows, run.rest_rows),
            labels=labels[run.rest_rows] if labels is not None else None,
            asked=asked,
            machine=machine,
        )
    serving = f"v{baseline.number}, which serves,"
    names = frozenset(kinds_of(candidate.manifest.contract))
    theirs = fit(baseline.manifest.contract, rows, names, serving)
    habits = [
        _habits_of(candidate, repeated, ours, "the candidate"),
        _habits_of(baseline, repeated, theirs, serving),
    ]
    first = _ask(candidate, habits[0], ours, seconds)
    try:
        second = _ask(baseline, habits[1], theirs, seconds)
    except InvalidBundle as error:
        # What serves cannot be run beside the candidate; that is no fault of the candidate's.
        why = f"{serving} could not be run to compare with: {error.message}"
        second = _Run.none()
        theirs = Fitted(rows=_NOTHING, why=why)
    return _together(candidate, baseline, first, second, _Asked(
        rows=rows, labels=labels, asked=asked, why=theirs.why, repeated=repeated,
        habits_why=habits[0].why or habits[1].why, machine=machine,
    ))  # fmt: skip


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    rows: Columns
    labels: Column | None
    asked: int
    why: str
    repeated: Repeated
    habits_why: str
    machine: Machine


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """One version's answers, to the habits and to the rest, with the places of both."""

    habit_rows: Column
    habits: Column
    rest_rows: Column
    rest: Column
    cost: Cost | None

    @classmethod
    def none(cls) -> "_Run":
        """Of a version that did not answer."""
        return cls(
            habit_rows=_NOTHING, habits=_NOTHING, rest_rows=_NOTHING, rest=_NOTHING, cost=None
        )


def _confidence(candidate: Opened) -> tuple[Examples, int]:
    """The candidate's confidence set; without one its end-to-end set, which has no labels and is
    run for what it costs."""
    manifest = candidate.manifest
    if CONFIDENCE_FILE in manifest.files:
        data = read_checked(candidate.folder, manifest, CONFIDENCE_FILE)
        examples = decode_examples(data, CONFIDENCE_FILE)
        if examples.rows:
            return examples, examples.rows
    return _end_to_end(candidate), 0


def _end_to_end(version: Opened) -> Examples:
    data = read_checked(version.folder, version.manifest, END_TO_END_FILE)
    return Examples(inputs=decode_examples(data, END_TO_END_FILE).inputs)


def _by_lot(candidate: Opened, baseline: Opened | None, rows: int) -> Column:
    """An order that two versions always get, whichever of them is the candidate."""
    both = sorted([candidate.fingerprint, baseline.fingerprint if baseline else ""])
    seed = [int(each[:8] or "0", 16) for each in both]
    return np.random.default_rng(seed).permutation(rows)


def _habits_of(version: Opened, repeated: Repeated, rest: Fitted, who: str) -> Fitted:
    """The habitual inputs as a version takes them, in the columns that the rest has."""
    if not repeated.times:
        return Fitted(rows=_NOTHING)
    habits = fit(version.manifest.contract, repeated.columns, frozenset(), who)
    lacking = [name for name in rest.columns if name not in habits.columns]
    if not habits.why and lacking:
        return Fitted(rows=_NOTHING, why=f"the journal does not hold {lacking[0]!r}")
    return habits


def _ask(version: Opened, habits: Fitted, rest: Fitted, seconds: float) -> _Run:
    first = habits.rows.size
    asked = joined(habits.columns, rest.columns) if rest.rows.size else habits.columns
    if not rows_of(asked):
        asked, first = _end_to_end(version).inputs, rows_of(_end_to_end(version).inputs)
        habits = Fitted(rows=np.arange(first))
    answers = answers_of(version.folder, version.fingerprint, asked, seconds)
    in_habits = answers.rows < first
    return _Run(
        habit_rows=habits.rows[answers.rows[in_habits]],
        habits=answers.output[in_habits],
        rest_rows=rest.rows[answers.rows[~in_habits] - first],
        rest=answers.output[~in_habits],
        cost=answers.cost,
    )


def _side(version: Opened, raw: Column, cost: Cost | None, output: Output) -> Side:
    own = version.manifest.contract.output
    return Side(
        number=version.number,
        fingerprint=version.fingerprint,
        contract=version.manifest.contract,
        raw=_in_order(own, output, raw),
        chosen=_chosen(own, output, raw),
        cost=cost,
    )


def _together(
    candidate: Opened, baseline: Opened, first: _Run, second: _Run, asked: _Asked
) -> Evidence:
    output, before = candidate.manifest.contract.output, baseline.manifest.contract.output
    apart = _apart(output, before)
    rows, left, right = np.intersect1d(
        first.rest_rows, second.rest_rows, assume_unique=True, return_indices=True
    )
    why = asked.why or apart
    if not why and not rows.size:
        why = f"v{baseline.number}, which serves, can answer none of these rows"
    ours, theirs = first.rest[left], second.rest[right]
    if why:
        # Nothing to compare; the candidate is still looked at alone.
        rows, ours, theirs = first.rest_rows, first.rest, _NOTHING
    comparable = not asked.habits_why and not apart
    return Evidence(
        candidate=_side(candidate, ours, first.cost, output),
        baseline=_side(baseline, theirs, second.cost, before if why else output),
        inputs=take(asked.rows, rows),
        labels=asked.labels[rows] if asked.labels is not None else None,
        asked=asked.asked,
        incomparable=why,
        habits=_habits(candidate, baseline, (first, second), asked.repeated) if comparable else (),
        habits_unasked=_unasked(asked, apart),
        machine=asked.machine,
    )


def _unasked(asked: _Asked, apart: str) -> str:
    why = asked.habits_why or apart
    if not asked.repeated.times or not why:
        return ""
    return f"inputs that are asked often cannot be compared: {why}"


def _habits(
    candidate: Opened, baseline: Opened, runs: tuple[_Run, _Run], repeated: Repeated
) -> tuple[Habit, ...]:
    first, second = runs
    places, left, right = np.intersect1d(
        first.habit_rows, second.habit_rows, assume_unique=True, return_indices=True
    )
    output, before = candidate.manifest.contract.output, baseline.manifest.contract.output
    ours, theirs = first.habits[left], second.habits[right]
    return compared(
        repeated,
        places.tolist(),
        output,
        (_in_order(before, output, theirs), _chosen(before, output, theirs)),
        (ours, _chosen(output, output, ours)),
    )


def _apart(output: Output, before: Output) -> str:
    """Why the answers of two outputs cannot be compared; empty where they can."""
    if type(output) is not type(before):
        return "the two versions answer with different kinds of value"
    if _names(output) is not None and set(_names(output) or ()) != set(_names(before) or ()):
        return "the two versions answer with different classes or items"
    if isinstance(output, VectorOutput) and isinstance(before, VectorOutput):
        same = (output.length, output.space) == (before.length, before.space)
        return "" if same else "the two versions answer with different vectors"
    return ""


def _names(output: Output) -> tuple[str, ...] | None:
    if isinstance(output, (Probability, Label)):
        return output.classes
    return output.items if isinstance(output, Ranking) else None


def _places(own: Output, output: Output) -> Column | None:
    """For each name of `output` its place in `own`, where the orders differ."""
    mine, wanted = _names(own), _names(output)
    if mine is None or wanted is None or mine == wanted:
        return None
    return np.array([mine.index(name) for name in wanted], dtype=np.int64)


def _in_order(own: Output, output: Output, raw: Column) -> Column:
    places = _places(own, output)
    if places is None or not raw.size:
        return raw
    return np.argsort(places)[raw.astype(np.int64)] if isinstance(own, Label) else raw[:, places]


def _chosen(own: Output, output: Output, raw: Column) -> Column | None:
    if not isinstance(own, (Probability, Label)):
        return None
    if not raw.size:
        return np.empty(0, dtype=np.int64)
    chosen: Column = chosen_classes(own, raw)
    places = _places(own, output)
    return chosen if places is None else np.argsort(places)[chosen]
