"""What the world said of a decision: `{"label": "fraud"}`, or `{"label": 12.5}`.

Also what a person did with the answer: `{"reaction": "ignored", "dwell_ms": 1200}`; and where it
was shown, if the contract says at how many places it can be: `{"label": "no", "place": 7}`.
With `"model": "fraud"` beside it the outcome is taken without looking the decision up; an id that
no decision of that model has is then found, and left out, when outcomes are joined to decisions.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.contract.model import Contract, NumberOutput, Ranking, VectorOutput
from mainstay.contract.problems import brief
from mainstay.contract.reactions import Reaction
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys

OutcomeLabel = str | int | float | bool
DWELL_MAX_MS: Final = 24 * 3600 * 1000


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be said of a decision."""

    label: OutcomeLabel | msgspec.UnsetType = msgspec.UNSET
    reaction: Reaction | msgspec.UnsetType = msgspec.UNSET
    dwell_ms: float | msgspec.UnsetType = msgspec.UNSET
    place: int | msgspec.UnsetType = msgspec.UNSET


class OutcomeBody(Said, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An outcome as a caller tells it."""

    model: str = ""


_decoder = msgspec.json.Decoder(OutcomeBody)
_encode = msgspec.json.Encoder().encode


def parse_outcome(body: bytes) -> OutcomeBody:
    """Read a body, or refuse it in words."""
    said = decode(_decoder, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    check_said(said)
    return said


def check_said(said: Said) -> None:
    """Refuse what says nothing of a decision, or what cannot be."""
    if (said.label, said.reaction, said.dwell_ms, said.place) == (msgspec.UNSET,) * 4:
        raise InvalidRequest(
            "this says nothing of the decision",
            field="label",
            rule="missing",
            expected="`label` for what was right, or `reaction` for what was done with the answer",
        )
    if not isinstance(said.dwell_ms, msgspec.UnsetType) and not 0 <= said.dwell_ms <= DWELL_MAX_MS:
        raise InvalidRequest(
            "nobody looks at an answer for so long, or so short",
            field="dwell_ms",
            rule="range",
            got=said.dwell_ms,
            expected=f"milliseconds, 0 to {DWELL_MAX_MS}",
        )


def said_by(outcome: Said, contracts: Sequence[Contract]) -> dict[str, Any]:
    """An outcome as it is kept: what was said, and nothing else."""
    kept: dict[str, Any] = {}
    if not isinstance(outcome.label, msgspec.UnsetType):
        kept["label"] = check_label(outcome.label, contracts)
    if not isinstance(outcome.reaction, msgspec.UnsetType):
        kept["reaction"] = outcome.reaction
    if not isinstance(outcome.dwell_ms, msgspec.UnsetType):
        kept["dwell_ms"] = outcome.dwell_ms
    if not isinstance(outcome.place, msgspec.UnsetType):
        kept["place"] = check_place(outcome.place, contracts)
    return kept


def check_place(place: int, contracts: Sequence[Contract]) -> int:
    """The place as it is kept; refused unless one of the versions in force knows of it."""
    places = max((contract.labels.places for contract in contracts), default=0)
    if 1 <= place <= places:
        return place
    ranked = any(isinstance(contract.output, Ranking) for contract in contracts)
    expected = f"1 (the first) to {places}"
    if not places:
        expected = "`labels: {places: 50}` in the contract, or no `place`"
    if not places and ranked:
        expected = "no `place`: where a ranking's items stood is known from its answer"
    raise InvalidRequest(
        f"there is no place {place} where this model's answers are shown",
        field="place",
        rule="range" if places else "unknown",
        got=place,
        expected=expected,
    )


def check_label(label: OutcomeLabel, contracts: Sequence[Contract]) -> str | float:
    """The label as it is kept; refused unless one of the versions in force could have answered
    it: a class, an item, or a finite number."""
    outputs = [contract.output for contract in contracts]
    if any(isinstance(output, VectorOutput) for output in outputs):
        raise InvalidRequest(
            "a model that answers vectors has no outcomes: none can be told right or wrong",
            field="label",
            rule="output",
            got=brief(label),
            expected="an outcome of a model that answers a class, an item or a number",
        )
    if any(isinstance(output, NumberOutput) for output in outputs):
        if isinstance(label, int | float) and not isinstance(label, bool):
            value = _float(label)
            if math.isfinite(value):
                return value
        raise _refused(label, "a finite number", "type")
    known = [
        name
        for output in outputs
        if not isinstance(output, NumberOutput | VectorOutput)
        for name in (output.items if isinstance(output, Ranking) else output.classes)
    ]
    if isinstance(label, str) and label in known:
        return label
    near = difflib.get_close_matches(str(label), known, 1) if len(known) <= 1000 else []
    what = "an item" if any(isinstance(each, Ranking) for each in outputs) else "a class"
    shown = ", ".join(dict.fromkeys(known[:20])) + (", …" if len(known) > 20 else "")
    guess = f"; did you mean {near[0]!r}?" if near else ""
    raise _refused(label, f"{what} of the model: {shown}{guess}", "values")


def _float(label: float) -> float:
    try:
        return float(label)
    except OverflowError:
        return math.inf


def _refused(label: OutcomeLabel, expected: str, rule: str) -> InvalidRequest:
    return InvalidRequest(
        f"the label {brief(label)} is nothing that this model could have answered",
        field="label",
        rule=rule,
        got=brief(label),
        expected=expected,
    )


def outcome_answer(event: str, decision: str, model: str, kept: Mapping[str, Any]) -> bytes:
    """What a caller is told once its outcome is recorded."""
    return _encode({"id": event, "decision": decision, "model": model, **kept})
