"""What a version must show of itself, as steps that anybody can take at their own pace.

The same steps are taken by the trial before a version is admitted, by every process before it
serves, and ever again while it serves: the end-to-end set (together, and the first of it row by
row), the first impressions, and the metric on the confidence set against the acceptable range.
Each step is one call of the model, so that whoever takes them can rest in between.

One wrong example fails. So does what cannot be checked: an asset that is empty, mislabelled or not
for this contract, a model that raises. On a part of the confidence set a metric fails only when
even chance could not bring the whole set back into the range; where that is open it is unsure.
"""

import math
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from mainstay.base.errors import Failed, InvalidBundle
from mainstay.base.limits import JOINED_ROWS_MAX, ROWS_PER_CALL_MAX
from mainstay.bundle.answers import width_of
from mainstay.bundle.assets import (
    CONFIDENCE_FILE,
    END_TO_END_FILE,
    FIRST_IMPRESSIONS_FILE,
    Examples,
    decode_examples,
    first_wrong,
)
from mainstay.bundle.folder import read_checked
from mainstay.bundle.impressions import unlike, wrong_words
from mainstay.bundle.metrics import labelled_rows, measure_one, metric_interval
from mainstay.bundle.model import Manifest
from mainstay.bundle.port import Loaded
from mainstay.contract.columns import Column, Columns, rows_of, take
from mainstay.contract.finding import Finding
from mainstay.contract.model import (
    Contract,
    FromRequest,
    Label,
    Output,
    Probability,
    Ranking,
)
from mainstay.contract.values import Checker

SINGLE_ROWS: Final = 5
"""So many examples are also answered one by one: a call with one row may take another path."""
_PART_CONFIDENCE: Final = 0.999
_SET_NAMES: Final = {
    END_TO_END_FILE: "end-to-end set",
    FIRST_IMPRESSIONS_FILE: "first impressions",
    CONFIDENCE_FILE: "confidence set",
}

T = TypeVar("T")
Size = Callable[[], int]
"""How many rows the next step may take."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The assets of a version, read and found to fit its contract."""

    end_to_end: Examples
    confidence: Examples
    first_impressions: Examples


NOTHING: Final = Examples(inputs={})


def read_evidence(folder: Path, manifest: Manifest) -> Evidence:
    """The assets of an unpacked bundle; `InvalidBundle` names what is wrong with which."""
    found: dict[str, Examples] = {}
    for file in _SET_NAMES:
        if file in manifest.files:
            examples = decode_examples(read_checked(folder, manifest, file), file)
            if examples.rows or file != END_TO_END_FILE:
                check_fits(examples, manifest.contract, file)
            found[file] = examples
    if END_TO_END_FILE not in found:
        raise InvalidBundle(
            "the bundle has no end-to-end set",
            field=END_TO_END_FILE,
            rule="assets",
            expected="at least one example with its answer",
        )
    return Evidence(
        end_to_end=found[END_TO_END_FILE],
        confidence=found.get(CONFIDENCE_FILE, NOTHING),
        first_impressions=found.get(FIRST_IMPRESSIONS_FILE, NOTHING),
    )


def check_fits(examples: Examples, contract: Contract, file: str) -> None:
    """Refuse rows that the contract would refuse, and truth that no answer could match."""
    if not examples.rows:
        raise _unfit(file, "is empty", "at least one row")
    needed = set(contract.inputs)
    for name, source in contract.context.items():
        if isinstance(source, FromRequest):
            needed.add(name)
        else:
            needed.update(f"{name}.{field}" for field in source.fields)
    names = set(examples.inputs)
    if names != needed:
        odd = min(names ^ needed)
        words = "lacks" if odd in needed else "has what the contract does not know:"
        raise _unfit(file, f"{words} {odd!r}", "a column for each input and context value")
    checker = Checker(contract)
    inputs = {name: examples.inputs[name] for name in contract.inputs}
    for begin in range(0, examples.rows, ROWS_PER_CALL_MAX):
        for problem in checker.inputs.check(take(inputs, slice(begin, begin + ROWS_PER_CALL_MAX))):
            row = "" if problem.row is None else f" row {begin + problem.row + 1}"
            raise _unfit(file, f"does not fit the contract:{row} {problem.message}", "")
    if examples.label is not None:
        _check_labels(examples.label, contract.output, file)
    if examples.expected is not None:
        _check_expected(examples.expected, contract.output, file)


def _check_labels(labels: Column, output: Output, file: str) -> None:
    if isinstance(output, (Probability, Label, Ranking)):
        ranking = isinstance(output, Ranking)
        most = len(output.items if ranking else output.classes) - 1
        fits = labels.ndim == 1 and labels.dtype.kind == "i"
        if not fits or labels.min() < -1 or labels.max() > most:
            noun = "item" if ranking else "class"
            expected = f"whole numbers from -1 (unknown) to {most}, one for each {noun}"
            raise _unfit(file, "is mislabelled", expected)
    elif labels.ndim != 1 or labels.dtype.kind not in "fi" or np.isinf(labels).any():
        raise _unfit(file, "is mislabelled", "finite numbers, or NaN where one is not known")


def _check_expected(expected: Column, output: Output, file: str) -> None:
    if expected.dtype != object:
        width = width_of(output)
        shape = (expected.shape[0],) if width is None else (expected.shape[0], width)
        if expected.shape != shape or file == FIRST_IMPRESSIONS_FILE:
            wanted = "words" if file == FIRST_IMPRESSIONS_FILE else f"the shape {list(shape)}"
            got = f"expects answers in the shape {list(expected.shape)}"
            raise _unfit(file, got, wanted)
        return
    for row, words in enumerate(expected.tolist()):
        if file == FIRST_IMPRESSIONS_FILE:
            fault = wrong_words(output, str(words))
        else:
            classes = output.classes if isinstance(output, (Probability, Label)) else ()
            fault = None if words in classes else f"{str(words)[:60]!r} is no class of the output"
        if fault is not None:
            raise _unfit(file, f"is mislabelled: row {row + 1}: {fault}", "an answer there can be")


def _unfit(file: str, words: str, expected: str) -> InvalidBundle:
    return InvalidBundle(
        f"the {_SET_NAMES[file]} {words}", field=file, rule="assets", expected=expected or None
    )


def prove(
    loaded: Loaded, evidence: Evidence, *, rows_max: int | None = None, size: Size | None = None
) -> Generator[None, None, list[Finding]]:
    """Take all steps, pausing after each; returns what was found. It ends with the first failure.

    `rows_max` bounds how many rows of the confidence set are answered: they are then spread evenly
    over it, and the finding says so.
    """
    size = size or _largest
    steps = (
        ("end-to-end set", _end_to_end(loaded, evidence.end_to_end, size)),
        ("first impressions", _first_impressions(loaded, evidence.first_impressions, size)),
        ("metric", _metric(loaded, evidence.confidence, rows_max, size)),
    )
    found: list[Finding] = []
    for check, step in steps:
        try:
            finding = yield from step
        except InvalidBundle as error:
            finding = Finding(check=check, verdict="fail", words=words_of(error))
        if finding is not None:
            found.append(finding)
            if finding.verdict == "fail":
                break
    return found


def finish(steps: Generator[None, None, T]) -> T:
    """Take all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def check_examples(loaded: Loaded, evidence: Evidence) -> None:
    """Answer the end-to-end set and the first impressions; `InvalidBundle` names the wrong one."""
    finish(_end_to_end(loaded, evidence.end_to_end, _largest))
    finish(_first_impressions(loaded, evidence.first_impressions, _largest))


def check_metric(contract: Contract, confidence: Examples, raw: Column) -> None:
    """Hold the answers to the whole confidence set against the acceptable range, if there is one;
    `InvalidBundle` names the metric, the figure, the range and the rows."""
    if not contract.assets.acceptable:
        return
    label = _labels(contract, confidence)
    finding = metric_finding(contract, raw, label, confidence.rows)
    if finding.verdict != "pass":
        low, high = contract.assets.acceptable
        raise InvalidBundle(
            finding.words,
            field=CONFIDENCE_FILE,
            rule=finding.check,
            got=finding.figure,
            expected=f"{low:g} to {high:g}",
        )


def _labels(contract: Contract, confidence: Examples) -> Column:
    label = confidence.label
    if label is None or not confidence.rows or not labelled_rows(contract.output, label):
        wanted = f"labels, since the contract measures {contract.assets.metric} on it"
        raise _unfit(CONFIDENCE_FILE, "has no labels", wanted)
    return label


def words_of(error: InvalidBundle) -> str:
    """A refusal as one sentence."""
    got = "" if error.got is None else f": got {error.got}"
    expected = "" if error.expected is None else f", expected {error.expected}"
    return f"{error.message}{got}{expected}"


def _largest() -> int:
    return JOINED_ROWS_MAX


def _pieces(rows: int, size: Size) -> Generator[slice]:
    begin = 0
    while begin < rows:
        end = min(rows, begin + max(1, size()))
        yield slice(begin, end)
        begin = end


def _answered(loaded: Loaded, inputs: Columns, rows: slice, file: str) -> Column:
    batch = take(inputs, rows)
    try:
        got = loaded.predict(loaded.extract(batch))
    except Failed as error:
        raise InvalidBundle(
            f"rows {rows.start + 1} to {rows.stop} of the {_SET_NAMES[file]} cannot be answered: "
            f"{error.message}",
            field=error.field or file,
            rule=error.rule,
            got=error.got,
            expected=error.expected,
        ) from error
    if got.shape[:1] != (rows_of(batch),):
        raise InvalidBundle(
            "the model answered another number of rows than it was asked",
            field=file, rule="rows", got=int(got.shape[0]), expected=str(rows_of(batch)),
        )  # fmt: skip
    return got


def _end_to_end(loaded: Loaded, examples: Examples, size: Size) -> Generator[None, None, Finding]:
    """Every example, in pieces, and the first of them one by one; one wrong is enough."""
    expected = examples.expected
    if expected is None or not examples.rows:
        raise _unfit(END_TO_END_FILE, "is empty", "at least one example with its answer")
    output, tolerance = loaded.manifest.contract.output, loaded.manifest.runs.tolerance
    answers: list[Column] = []
    for piece in _pieces(examples.rows, size):
        answers.append(_answered(loaded, examples.inputs, piece, END_TO_END_FILE))
        yield
    _check_answers(output, np.concatenate(answers), expected, tolerance, 0)
    for row in range(min(SINGLE_ROWS, examples.rows)):
        piece = slice(row, row + 1)
        got = _answered(loaded, examples.inputs, piece, END_TO_END_FILE)
        _check_answers(output, got, expected[piece], tolerance, row)
        yield
    words = f"all {examples.rows} end-to-end examples are answered right"
    return Finding(check="end-to-end set", verdict="pass", words=words, samples=examples.rows)


def _check_answers(
    output: Output, got: Column, expected: Column, tolerance: float, begin: int
) -> None:
    wrong = first_wrong(output, got, expected, tolerance)
    if wrong is not None:
        row, said, right = wrong
        raise InvalidBundle(
            f"end-to-end example {begin + row + 1} is answered wrong",
            field=END_TO_END_FILE,
            rule="end-to-end",
            got=said,
            expected=f"{right} (within {tolerance:g})",
        )


def _first_impressions(
    loaded: Loaded, examples: Examples, size: Size
) -> Generator[None, None, Finding | None]:
    """Every row that a user would try, against the words of its answer."""
    if examples.expected is None or not examples.rows:
        return None
    output = loaded.manifest.contract.output
    for piece in _pieces(examples.rows, size):
        got = _answered(loaded, examples.inputs, piece, FIRST_IMPRESSIONS_FILE)
        for row, words in enumerate(examples.expected[piece].tolist()):
            said = unlike(output, got[row], str(words))
            if said is not None:
                raise InvalidBundle(
                    f"first impression {piece.start + row + 1} is answered unlike a user expects",
                    field=FIRST_IMPRESSIONS_FILE,
                    rule="first impressions",
                    got=said,
                    expected=str(words),
                )
        yield
    words = f"all {examples.rows} first impressions are answered as a user expects"
    return Finding(check="first impressions", verdict="pass", words=words, samples=examples.rows)


def _metric(
    loaded: Loaded, examples: Examples, rows_max: int | None, size: Size
) -> Generator[None, None, Finding | None]:
    """The metric of the contract on the confidence set, or on rows spread evenly over it."""
    contract = loaded.manifest.contract
    if not contract.assets.acceptable:
        return None
    inputs, label = examples.inputs, _labels(contract, examples)
    if rows_max is not None and rows_max < examples.rows:
        chosen = np.linspace(0, examples.rows - 1, rows_max).astype(np.int64)
        inputs, label = take(inputs, chosen), label[chosen]
    answers: list[Column] = []
    for piece in _pieces(rows_of(inputs), size):
        answers.append(_answered(loaded, inputs, piece, CONFIDENCE_FILE))
        yield
    return metric_finding(contract, np.concatenate(answers), label, examples.rows)


def metric_finding(contract: Contract, raw: Column, label: Column, whole: int) -> Finding:
    """Whether the metric lies in its acceptable range; `whole` is how many rows the set has."""
    name, (low, high) = str(contract.assets.metric), contract.assets.acceptable
    figure = measure_one(name, contract.output, raw, label)
    rows = labelled_rows(contract.output, label)
    part = len(label) < whole
    of = f"on {rows} labelled rows" + (f", a part of the {whole}" if part else "")
    if figure is None or not math.isfinite(figure):
        verdict = "unsure" if part else "fail"
        why = "a class does not occur, or an answer is not finite"
        words = f"{name} cannot be measured {of}: {why}"
        return Finding(check=f"metric {name}", verdict=verdict, words=words, samples=rows)
    inside = low <= figure <= high
    certain = 0.95 if not part else _PART_CONFIDENCE
    interval = metric_interval(name, contract.output, raw, label, certain)
    verdict = "pass" if inside else "fail"
    if part and not inside and (interval is None or (interval[0] <= high and interval[1] >= low)):
        verdict = "unsure"
    words = f"{name} is {figure:.4g} {of}; acceptable is {low:g} to {high:g}"
    if verdict == "unsure":
        words += "; so few rows leave it open"
    return Finding(
        check=f"metric {name}",
        verdict=verdict,
        words=words,
        figure=figure,
        limit=low if figure < low else high if figure > high else None,
        interval=interval,
        samples=rows,
    )
