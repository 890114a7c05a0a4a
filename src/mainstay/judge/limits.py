"""What a version can and cannot do, for the people it answers: where it has little to go by.

Made from what was learned when the version was packed. Promises plain words without the language
of statistics; figures stand beside them for whoever wants them. Says so where nothing is known, and
nothing of values that are, or name, what `judge.private` does not let be spoken of.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mainstay.bundle.evidence import PARTS_MAX
from mainstay.bundle.judgement import Evidence, InputEvidence, Judgement, Part
from mainstay.bundle.model import Manifest
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Input,
    Integer,
    Number,
    NumberOutput,
)
from mainstay.contract.subjects import subjects_of

FEW_ROWS: Final = 30
_LISTED_MAX: Final = 8
_NO_LOOK: Final = "Nobody looked at how good its answers are when it was made."


class Little(msgspec.Struct, frozen=True, kw_only=True):
    """Values of an input of which the version has seen few or none."""

    input: str
    allowed: tuple[float | None, float | None] | None = None
    usual: tuple[float, float] | None = None
    """Between these lay 98 of 100 numbers."""
    few: dict[str, int] = {}
    """Values with few rows, and how many."""
    never: tuple[str, ...] = ()
    """Allowed values that never occurred."""
    words: str


class Weak(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of which the version is wrong more often."""

    input: str
    value: str | None
    low: float | None
    high: float | None
    rows: int
    error: float
    words: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a version."""

    model: str
    version: int
    about: str
    words: tuple[str, ...]
    """The whole in a few sentences."""
    examples: int
    """Rows with a known true answer that these figures rest on."""
    error: float | None
    """The share of wrong answers, or how far numbers are off on average."""
    interval: tuple[float, float] | None
    sure: bool
    """There were examples enough for the confidence to be checked."""
    confidence: tuple[dict[str, float], ...]
    """How sure it says it is, and how often it then is right."""
    acceptable: dict[str, Any]
    """What it must show of itself to serve, where the contract says so."""
    little_evidence: tuple[Little, ...]
    more_often_wrong: tuple[Weak, ...]


def limits_of(manifest: Manifest, number: int) -> Limits:
    """The limits of one version."""
    contract = manifest.contract
    judgement = manifest.judgement or Judgement()
    told = _Told(contract)
    evidence = judgement.evidence or Evidence(rows=0, labelled=0)
    inputs = tuple(each for each in evidence.inputs if told.input(each.input))
    evidence = msgspec.structs.replace(evidence, inputs=inputs)
    known = judgement.after or judgement.before
    little = tuple(_little(contract, evidence, told))
    weak = tuple(_weak(contract, evidence, told))
    assets = contract.assets
    return Limits(
        model=manifest.model,
        version=number,
        about=contract.about,
        words=tuple(_words(contract, judgement, evidence, (little, weak))),
        examples=evidence.labelled,
        error=evidence.error,
        interval=evidence.interval,
        sure=judgement.sure,
        confidence=tuple(
            {"says": each.confidence, "right": each.right, "rows": float(each.rows)}
            for each in (known.bins if known else ())
        ),
        acceptable=(
            {"metric": assets.metric, "range": assets.acceptable} if assets.acceptable else {}
        ),
        little_evidence=little,
        more_often_wrong=weak,
    )


class _Told:
    """What may be told of inputs and their values."""

    def __init__(self, contract: Contract) -> None:
        private = contract.judge.private
        self._inputs = contract.inputs
        self._about = () if private is None else tuple(private.subjects)
        self._subjects = None if private is None else subjects_of(private, contract.inputs)

    def input(self, name: str) -> bool:
        """Whether an input may be named, with values."""
        return self._inputs[name].subject not in self._about and self.value(name)

    def value(self, text: str | None) -> bool:
        """Whether a value may be named."""
        return text is None or self._subjects is None or self._subjects.named_in(text) is None


def _words(
    contract: Contract,
    judgement: Judgement,
    evidence: Evidence,
    found: tuple[tuple[Little, ...], tuple[Weak, ...]],
) -> Iterator[str]:
    if evidence.error is None or evidence.interval is None:
        yield _NO_LOOK
    elif isinstance(contract.output, NumberOutput):
        unit = f" {contract.output.unit}" if contract.output.unit else ""
        yield (
            f"It was tried on {evidence.labelled} examples whose true number was known: on average "
            f"it was off by {evidence.error:.4g}{unit}."
        )
    else:
        low, high = (round(100 * (1 - each)) for each in reversed(evidence.interval))
        span = f"{low} to {high}" if low != high else f"{low}"
        yield (
            f"It was tried on {evidence.labelled} examples whose true answer was known: it is "
            f"right in about {span} of 100 cases."
        )
    yield from _sure_words(judgement)
    little, weak = found
    if little:
        yield "It knows little about: " + "; ".join(each.words for each in little[:_LISTED_MAX])
    if weak:
        yield "It is wrong more often for: " + "; ".join(e.words for e in weak[:_LISTED_MAX])


def _sure_words(judgement: Judgement) -> Iterator[str]:
    known = judgement.after or judgement.before
    if known is None:
        return
    if not judgement.sure:
        yield (
            "There were too few examples to check whether it is right as often as it says it is "
            "sure."
        )
        return
    off = max(1, round(100 * known.error))
    yield (
        "When it says how sure it is, that is off by about "
        f"{off} in 100 on average: of answers it is 90 % sure of, expect about 90 in 100 to be "
        f"right, give or take {off}."
    )


def _little(contract: Contract, evidence: Evidence, told: _Told) -> Iterator[Little]:
    for each in evidence.inputs:
        kind = contract.inputs[each.input]
        match kind:
            case Number() | Integer():
                yield from _little_numbers(each, kind)
            case Category() | Boolean():
                yield from _little_values(each, kind, told)
            case _:
                pass


def _little_numbers(each: InputEvidence, kind: Number | Integer) -> Iterator[Little]:
    if each.usual is None:
        yield Little(input=each.input, words=f"{each.input}, of which no example had a value")
        return
    low, high = each.usual
    below = kind.min is None or kind.min < low
    above = kind.max is None or kind.max > high
    if not below and not above:
        return
    ends = [f"below {low:.4g}"] * below + [f"above {high:.4g}"] * above
    yield Little(
        input=each.input,
        allowed=(kind.min, kind.max),
        usual=each.usual,
        words=f"{each.input} {' or '.join(ends)}",
    )


def _little_values(each: InputEvidence, kind: Input, told: _Told) -> Iterator[Little]:
    seen = {part.value: part.rows for part in each.parts if part.value is not None}
    allowed = ("false", "true")
    if isinstance(kind, Category):
        allowed = kind.values
    few = {v: rows for v, rows in seen.items() if rows < FEW_ROWS and told.value(v)}
    whole = len(each.parts) < PARTS_MAX  # where as many were counted as can be, others may exist
    never = tuple(v for v in allowed if v not in seen and told.value(v)) if whole else ()
    if not few and not never:
        return
    named = [*never, *few]
    more = f" and {len(named) - _LISTED_MAX} others" if len(named) > _LISTED_MAX else ""
    yield Little(
        input=each.input,
        few=few,
        never=never[:100],
        words=f"{each.input} {', '.join(named[:_LISTED_MAX])}{more}",
    )


def _weak(contract: Contract, evidence: Evidence, told: _Told) -> Iterator[Weak]:
    found = [
        (each, part)
        for each in evidence.inputs
        for part in each.parts
        if part.worse and part.error is not None and told.value(part.value)
    ]
    found.sort(key=lambda pair: -(pair[1].error or 0.0))
    for each, part in found:
        assert part.error is not None
        yield Weak(
            input=each.input,
            value=part.value,
            low=part.low,
            high=part.high,
            rows=part.rows,
            error=part.error,
            words=_weak_words(contract, evidence, each.input, part),
        )


def _weak_words(contract: Contract, evidence: Evidence, name: str, part: Part) -> str:
    where = f"{name} {part.value}"
    if part.low is not None and part.high is not None:
        where = f"{name} from {part.low:.4g} to {part.high:.4g}"
    error, overall = part.error or 0.0, evidence.error or 0.0
    if isinstance(contract.output, NumberOutput):
        return f"{where} (off by {error:.4g} instead of {overall:.4g})"
    return f"{where} (wrong in {100 * error:.0f} of 100 cases instead of {100 * overall:.0f})"
