"""What the labels of a version are asked, made once from how right it was when it was packed.

Has a metric fallen, or risen suspiciously; is a class answered more or less often than it is true,
compared with then; do right answers come as often as the model is sure; have errors grown, and do
they lie to one side; does the truth stand lower in the ranking. Every question is one about the
mean of values between 0 and 1, and its tolerance is at least what the reference may be off by.

Limits: the area under the curve is asked of pairs, one of each class, that were drawn among the
labels that came in the same ten minutes; of a probability below a four-hundredth the log loss says
no more than of that.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mainstay.contract.model import Contract, Label, Output, Probability
from mainstay.summaries.labels import LIKELY, SHARES
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import Summary
from mainstay.watch.labels.metrics import metrics_of, pairs_of
from mainstay.watch.monitors.detector import Evidence, Question
from mainstay.watch.monitors.questions import questions_of

LEAST_CHANGE: Final = 0.02
"""How far accuracy and the area may move."""
LEAST_LOSS: Final = 0.05
"""How far the log loss may move."""
LEAST_APART: Final = 0.05
"""How far shares and certainty may move from what is true."""
CLASSES_ASKED_MAX: Final = 10
PAIRS_MAX: Final = 50_000
TOPS: Final = (1, 3, 10)
_SURE: Final = 3.0
_Z: Final = 1.959963984540054

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Summary]


class LabelQuestion(NamedTuple):
    """A question about labels."""

    what: str
    question: Question
    counts: Callable[[Columns, int], Floats]
    """Of the labels of one stretch, and a seed for what is drawn."""
    words: Callable[[Evidence], str]
    steady: bool = False
    """Whether it should not jump up and down either."""


def questions_about(contract: Contract, known: Mapping[str, Known]) -> list[LabelQuestion]:
    """Everything that the labels of a version are asked."""
    output = contract.output
    reference = {name: each.summary for name, each in known.items()}
    found: list[LabelQuestion] = []
    if isinstance(output, Probability | Label):
        if "label_pair" in reference:
            found.append(_accuracy(contract, reference))
            found += _classwise(contract, reference)
            found += [_bias(contract, reference, name) for name in _classes(contract)]
        if isinstance(output, Probability):
            found += _area(contract, reference)
            found += _log_loss(reference)
            found.append(_calibration(reference))
    if "label_place" in reference:
        found += [_hits(reference, top) for top in TOPS]
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


def _share(
    contract: Contract,
    reference: Columns,
    what: str,
    hits: Callable[[str, str], bool | None],
    *,
    steady: bool = False,
) -> LabelQuestion:
    """A share of labelled decisions: `hits` says of truth and answer whether it is one, or nothing
    where the question is not about it."""

    def counts(columns: Columns, _seed: int) -> Floats:
        found = np.zeros(2)
        for truth, answer, count in _pairs(contract, columns):
            hit = hits(truth, answer)
            if hit is not None:
                found[0 if hit else 1] += count
        return found

    before = counts(reference, 0)
    rows = float(before.sum())
    mean = float(before[0]) / max(rows, 1.0)

    def words(found: Evidence) -> str:
        said = f"{what} {_fell(found)}: {found.mean:.1%}"
        return f"{said}, where {mean:.1%} was measured when it was packed"

    question = Question((1.0, 0.0), mean, _least(mean, rows, LEAST_CHANGE))
    return LabelQuestion(what, question, counts, words, steady)


def _accuracy(contract: Contract, reference: Columns) -> LabelQuestion:
    return _share(contract, reference, "accuracy", operator.eq, steady=True)


def _classwise(contract: Contract, reference: Columns) -> Iterator[LabelQuestion]:
    """How much of each class is found, and how often it is true where it is answered."""

    def recall(name: str) -> Callable[[str, str], bool | None]:
        return lambda truth, answer: answer == name if truth == name else None

    def precision(name: str) -> Callable[[str, str], bool | None]:
        return lambda truth, answer: truth == name if answer == name else None

    pairs = _pairs(contract, reference)
    for name in _classes(contract):
        if any(truth == name for truth, _, count in pairs if count):
            yield _share(contract, reference, f"recall of {name}", recall(name))
        if any(answer == name for _, answer, count in pairs if count):
            yield _share(contract, reference, f"precision of {name}", precision(name))


def _classes(contract: Contract) -> tuple[str, ...]:
    """Of two classes the one is answered too often where the other is so too rarely."""
    output: Output = contract.output
    classes: tuple[str, ...] = getattr(output, "classes", ())
    return classes[1:] if len(classes) == 2 else classes[:CLASSES_ASKED_MAX]


def _bias(contract: Contract, reference: Columns, name: str) -> LabelQuestion:
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

    return LabelQuestion(f"bias of {name}", Question(tuple(values), mean, tolerance), counts, words)


def _usual(counts: Floats, values: Floats, least: float = LEAST_APART / 2.0) -> tuple[float, float]:
    """The mean of values, and how far it may move."""
    rows = float(counts.sum())
    mean = float((counts * values).sum() / rows)
    deviation = math.sqrt(float((counts * (values - mean) ** 2).sum() / rows))
    return mean, max(least, _SURE * deviation / math.sqrt(rows))


def _calibration(reference: Columns) -> LabelQuestion:
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

    return LabelQuestion(
        "calibration", Question(tuple(values.tolist()), mean, tolerance), counts, words
    )


def _log_loss(reference: Columns) -> Iterator[LabelQuestion]:
    """The logarithm of how likely the truth was told to be, on the scale from 0 to the most."""
    before = _cells(reference, LIKELY)
    if before is None or not before.sum():
        return
    middles = (np.arange(len(before)) + 0.5) / len(before)
    worst = -math.log(middles[0])
    values = -np.log(middles) / worst
    mean, tolerance = _usual(before, values, LEAST_LOSS / worst)

    def words(found: Evidence) -> str:
        said = "has risen" if found.shift > 0 else "is suspiciously low (do labels leak?)"
        return (
            f"log_loss {said}: {found.mean * worst:.3f}, where {mean * worst:.3f} was measured when"
            " it was packed"
        )

    def counts(columns: Columns, _seed: int) -> Floats:
        found = _cells(columns, LIKELY)
        return np.zeros(len(before)) if found is None else found

    yield LabelQuestion(
        "log_loss", Question(tuple(values.tolist()), mean, tolerance), counts, words
    )


def _hits(reference: Columns, top: int) -> LabelQuestion:
    """How often what was taken stands among the first of the ranking."""

    def counts(columns: Columns, _seed: int) -> Floats:
        cells = _cells(columns, "label_place")
        if cells is None:
            return np.zeros(2)
        hit = float(cells[:top].sum())
        return np.array([hit, float(cells.sum()) - hit])

    before = counts(reference, 0)
    rows = float(before.sum())
    mean = float(before[0]) / max(rows, 1.0)

    def words(found: Evidence) -> str:
        said = f"hit rate at {top} {_fell(found)}: {found.mean:.1%}"
        return f"{said}, where {mean:.1%} was measured when it was packed"

    question = Question((1.0, 0.0), mean, _least(mean, rows, LEAST_CHANGE))
    return LabelQuestion(f"hit rate at {top}", question, counts, words, top == TOPS[-1])


def _cells(columns: Columns, name: str) -> Floats | None:
    summary = columns.get(name)
    if summary is None or summary.numbers is None:
        return None
    return np.array(summary.numbers.cells, dtype=np.float64)


def _area(contract: Contract, reference: Columns) -> list[LabelQuestion]:
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

    return [LabelQuestion("roc_auc", question, _paired, words, steady=True)]


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


def _places(known: Known, name: str, told: tuple[str, str]) -> list[LabelQuestion]:
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
        LabelQuestion(what, asked.question, counts, words_of(asked.question.mean), steady=True)
        for asked in questions_of(known)
        if asked.what == "place"
    ]
