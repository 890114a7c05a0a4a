"""The monitor of how right answers are: each label counts when it comes, however late that is.

Held against what was measured when the version was packed: has the metric fallen, or risen
suspiciously; are classes answered more or less often than they are true, compared with then; do
right answers come as often as the model is sure. Promises the same as the monitor of columns: each
label is taken into account once, and false alarms stay as rare as the contract says, however often
somebody looks. A version that was packed without labels is asked about its calibration alone.

Limits: labels count as independent of each other; the area under the curve is asked of pairs, one
of each class, that were drawn among the labels that came in the same ten minutes.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, Label, Output, Probability
from mainstay.summaries.labels import SHARES
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Summary
from mainstay.watch.gather.model import ARRIVED, LABEL, STRETCH_MS, Key, Part, merge_parts
from mainstay.watch.labels.metrics import metrics_of, pairs_of
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.detector import (
    Evidence,
    Question,
    State,
    advance,
    evidence,
)
from mainstay.watch.monitors.model import MARK_LENGTH, Change, Saved
from mainstay.watch.monitors.questions import questions_of
from mainstay.watch.monitors.tick import Tick
from mainstay.watch.monitors.words import since

LEAST_CHANGE: Final = 0.02
"""How far accuracy and the area may move."""
LEAST_APART: Final = 0.05
"""How far shares and certainty may move from what is true."""
CLASSES_ASKED_MAX: Final = 10
KEY: Final = "||labels|"
"""What the keys of these findings have after the version."""
PAIRS_MAX: Final = 50_000
_SURE: Final = 3.0
_SINCE: Final = "|since"
"""Where it is remembered how labels were since an alarm."""
_Z: Final = 1.959963984540054

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Summary]


class _Asked(NamedTuple):
    """A question about labels."""

    what: str
    question: Question
    counts: Callable[[Columns, int], Floats]
    """Of the labels of one stretch, and a seed for what is drawn."""
    words: Callable[[Evidence], str]


def look_at_labels(
    saved: Saved, parts: Sequence[Part], told: tuple[Contract, str, Versions], per_alarm: float
) -> tuple[Saved, list[Change]]:
    """Take labels into account by when they came; `parts` are those of the stretches that closed
    since the last look. `told` is the contract and the fingerprint of the version that answers
    now, the only one that is asked about."""
    contract, live, versions = told
    asked = questions_about(contract, _known(versions, live))
    tick = Tick(dict(saved.states), dict(saved.open), math.log(per_alarm * max(len(asked), 1)))
    for part in _together(part for part in parts if part.key.fingerprint == live):
        for each in asked:
            _ask(tick, part, each)
    own = live[:MARK_LENGTH] + KEY
    for key in [key for key in tick.open if KEY in key and not key.startswith(own)]:
        tick.over(key, saved.until_ms)
    return msgspec.structs.replace(saved, states=tick.states, open=tick.open), tick.changes


def _known(versions: Versions, mark: str) -> Mapping[str, Known]:
    reference = versions.reference(mark)
    columns = {} if reference is None else reference.columns
    return {name: known for name, known in columns.items() if name.startswith(LABEL)}


def _together(parts: Iterable[Part]) -> list[Part]:
    found: dict[Key, Part] = {}
    for part in parts:
        if part.key.slice == ARRIVED and part.key.width_ms == STRETCH_MS:
            before = found.get(part.key)
            found[part.key] = part if before is None else merge_parts(before, part, part.key)
    return [found[key] for key in sorted(found, key=lambda key: (key.begin_ms, key))]


def _ask(tick: Tick, part: Part, asked: _Asked) -> None:
    begin_ms, end_ms = part.key.begin_ms, part.key.begin_ms + STRETCH_MS
    counts = asked.counts(part.columns, begin_ms // STRETCH_MS)
    if not counts.sum():
        return
    key = part.key.fingerprint[:MARK_LENGTH] + KEY + asked.what.replace("|", "¦")
    state = advance(tick.states.get(key, State()), asked.question, counts, begin_ms)
    found = evidence(state, asked.question)
    if found.wealth >= tick.limit:
        tick.found(key, _finding(asked, found, part.key.number), found.since_ms, end_ms)
        state = State()
        tick.states.pop(key + _SINCE, None)
    elif key in tick.open and _is_as_it_was(tick, key, asked.question, counts):
        tick.over(key, end_ms)
    tick.states[key] = state


def _is_as_it_was(tick: Tick, key: str, question: Question, counts: Floats) -> bool:
    """Whether the labels since the last alarm are back where they belong. A few would say so
    whatever is true: it is asked whenever so many have come that they can tell."""
    before = tick.states.get(key + _SINCE, State()).runs[0]
    rows = before[2] + float(counts.sum())
    total = before[3] + float((counts * np.array(question.values)).sum())
    needed = question.mean * (1.0 - question.mean) * (2.0 / question.tolerance) ** 2
    if rows < needed:
        since_then = (0.0, 0, rows, total)
        tick.states[key + _SINCE] = State(runs=(since_then, (0.0, 0, 0.0, 0.0)))
        return False
    tick.states.pop(key + _SINCE, None)
    return abs(total / rows - question.mean) <= question.tolerance


def _finding(asked: _Asked, found: Evidence, number: int) -> Finding:
    question = asked.question
    limit = question.mean + math.copysign(question.tolerance, found.shift)
    words = (
        f"v{number}: {asked.words(found)}, by the labels that came since {since(found.since_ms)}."
    )
    return Finding(
        check=f"labels: {asked.what}", verdict="fail", words=words, figure=found.mean,
        limit=limit, compared=question.mean, samples=found.rows,
    )  # fmt: skip


# What is asked ------------------------------------------------------------------------------------


def questions_about(contract: Contract, known: Mapping[str, Known]) -> list[_Asked]:
    """Everything that the labels of a version are asked."""
    output = contract.output
    reference = {name: each.summary for name, each in known.items()}
    found: list[_Asked] = []
    if isinstance(output, Probability | Label):
        if "label_pair" in reference:
            found.append(_accuracy(contract, reference))
            found += _biases(contract, reference)
        if isinstance(output, Probability):
            found += _area(contract, reference)
            found.append(_calibration(reference))
    for name, what, noun in (
        ("label_distance", "errors", "errors are {} than they were"),
        ("label_error", "bias", "answers lie {} against the truth than they did"),
    ):
        if name in known:
            found += _places(known[name], name, (what, noun))
    return found


def _least(share: float, rows: float, least: float) -> float:
    """What a share may move by: at least what the reference itself may be off by."""
    error = math.sqrt(max(share * (1.0 - share), 1.0 / max(rows, 1.0)) / max(rows, 1.0))
    return max(least, _SURE * error)


def _fell(found: Evidence) -> str:
    if found.shift < 0:
        return "has fallen"
    return "is suspiciously high (do labels leak into the inputs, are other cases labelled?)"


def _pairs(contract: Contract, columns: Columns) -> Sequence[tuple[str, str, int]]:
    """Truth, answer, and how often."""
    counted = pairs_of(contract, columns.get("label_pair"))
    return [(truth, answer, count) for (truth, answer), count in counted.items()]


def _accuracy(contract: Contract, reference: Columns) -> _Asked:
    def counts(columns: Columns, _seed: int) -> Floats:
        pairs = _pairs(contract, columns)
        right = sum(count for truth, answer, count in pairs if truth == answer)
        return np.array([right, sum(count for *_, count in pairs) - right], dtype=np.float64)

    before = counts(reference, 0)
    rows = float(before.sum())
    mean = float(before[0]) / max(rows, 1.0)

    def words(found: Evidence) -> str:
        said = f"accuracy {_fell(found)}: {found.mean:.1%}"
        return f"{said}, where {mean:.1%} was measured when it was packed"

    question = Question((1.0, 0.0), mean, _least(mean, rows, LEAST_CHANGE))
    return _Asked("accuracy", question, counts, words)


def _biases(contract: Contract, reference: Columns) -> list[_Asked]:
    output: Output = contract.output
    classes: tuple[str, ...] = getattr(output, "classes", ())
    # Of two classes the one is answered too often where the other is so too rarely.
    chosen = classes[1:] if len(classes) == 2 else classes[:CLASSES_ASKED_MAX]
    return [_bias(contract, reference, name) for name in chosen]


def _bias(contract: Contract, reference: Columns, name: str) -> _Asked:
    """Answered but not true is 1, true but not answered is 0, and all else lies between."""

    def counts(columns: Columns, _seed: int) -> Floats:
        pairs = _pairs(contract, columns)
        over = sum(count for truth, answer, count in pairs if answer == name != truth)
        under = sum(count for truth, answer, count in pairs if truth == name != answer)
        rest = sum(count for *_, count in pairs) - over - under
        return np.array([over, rest, under], dtype=np.float64)

    values = np.array([1.0, 0.5, 0.0])
    mean, tolerance = _usual(counts(reference, 0), values)

    def words(found: Evidence) -> str:
        way = "more" if found.shift > 0 else "less"
        return (
            f"{name} is answered {way} often than it is true, compared with when it was packed:"
            f" {2 * found.mean - 1:+.1%} of all, where {2 * mean - 1:+.1%} is usual"
        )

    return _Asked(f"bias of {name}", Question(tuple(values), mean, tolerance), counts, words)


def _usual(counts: Floats, values: Floats) -> tuple[float, float]:
    """The mean of values that stand for a difference, and how far it may move."""
    rows = float(counts.sum())
    mean = float((counts * values).sum() / rows)
    deviation = math.sqrt(float((counts * (values - mean) ** 2).sum() / rows))
    return mean, max(LEAST_APART / 2.0, _SURE * deviation / math.sqrt(rows))


def _calibration(reference: Columns) -> _Asked:
    """Right less sure, moved to between 0 and 1; fair forecasts have a half."""
    sure = (np.arange(len(SHARES.edges) + 1) + 0.5) / (len(SHARES.edges) + 1)
    values = np.concatenate([(2.0 - sure) / 2.0, (1.0 - sure) / 2.0])

    def counts(columns: Columns, _seed: int) -> Floats:
        found = [_cells(columns, name) for name in ("label_sure_right", "label_sure_wrong")]
        return np.concatenate([np.zeros(len(sure)) if each is None else each for each in found])

    before = counts(reference, 0)
    mean, tolerance = _usual(before, values) if before.sum() else (0.5, LEAST_APART / 2.0)

    def words(found: Evidence) -> str:
        way = "less" if found.shift < 0 else "more"
        return (
            f"answers are right {way} often than the model is sure of them: the difference is"
            f" {2 * found.mean - 1:+.1%}, where {2 * mean - 1:+.1%} is usual"
        )

    return _Asked("calibration", Question(tuple(values.tolist()), mean, tolerance), counts, words)


def _cells(columns: Columns, name: str) -> Floats | None:
    summary = columns.get(name)
    if summary is None or summary.numbers is None:
        return None
    return np.array(summary.numbers.cells, dtype=np.float64)


def _area(contract: Contract, reference: Columns) -> list[_Asked]:
    before = metrics_of(contract, reference).get("roc_auc")
    if before is None:
        return []
    error = (before.interval[1] - before.interval[0]) / (2.0 * _Z)
    question = Question((1.0, 0.5, 0.0), before.figure, max(LEAST_CHANGE, _SURE * error))

    def words(found: Evidence) -> str:
        return (
            f"roc_auc {_fell(found)}: {found.mean:.3f} in pairs of one of each class, where"
            f" {before.figure:.3f} was measured when it was packed"
        )

    return [_Asked("roc_auc", question, _paired, words)]


def _paired(columns: Columns, seed: int) -> Floats:
    """How often the one of the second class stood above, beside and below its partner."""
    of, others = _cells(columns, "label_score_of"), _cells(columns, "label_score_else")
    if of is None or others is None:
        return np.zeros(3)
    generator = np.random.default_rng(abs(seed))
    drawn = [_drawn(cells, generator) for cells in (of, others)]
    pairs = min(map(len, drawn))
    above, below = drawn[0][:pairs], drawn[1][:pairs]
    wins, ties = (above > below).sum(), (above == below).sum()
    return np.array([wins, ties, pairs - wins - ties], dtype=np.float64)


def _drawn(cells: Floats, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    places = np.repeat(np.arange(len(cells)), cells.astype(np.int64))
    return generator.permutation(places)[:PAIRS_MAX]


def _places(known: Known, name: str, told: tuple[str, str]) -> list[_Asked]:
    """Where values stand among those that were measured when it was packed."""
    what, noun = told
    ways = {"errors": ("smaller", "larger"), "bias": ("lower", "higher")}[what]

    def counts(columns: Columns, _seed: int) -> Floats:
        cells = _cells(columns, name)
        return np.zeros(len(known.ruler.edges) + 1) if cells is None else cells

    def words_of(mean: float) -> Callable[[Evidence], str]:
        def words(found: Evidence) -> str:
            said = noun.format(ways[found.shift > 0])
            return (
                f"{said}: the average one stands above {found.mean:.0%} of those measured when it"
                f" was packed, where {mean:.0%} is usual"
            )

        return words

    return [
        _Asked(what, asked.question, counts, words_of(asked.question.mean))
        for asked in questions_of(known)
        if asked.what == "place"
    ]
