"""What the world said of a decision: `{"label": "fraud"}`, or `{"label": 12.5}`.

With `"model": "fraud"` beside it the outcome is taken without looking the decision up; an id that
no decision of that model has is then found, and left out, when outcomes are joined to decisions.
"""

import difflib
import math
from collections.abc import Sequence

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.contract.model import Contract, NumberOutput, Ranking, VectorOutput
from mainstay.contract.problems import brief
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys

OutcomeLabel = str | int | float | bool


class OutcomeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An outcome as a caller tells it."""

    label: OutcomeLabel
    model: str = ""


_decoder = msgspec.json.Decoder(OutcomeBody)
_encode = msgspec.json.Encoder().encode


def parse_outcome(body: bytes) -> OutcomeBody:
    """Read a body, or refuse it in words."""
    said = decode(_decoder, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    return said


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


def outcome_answer(event: str, decision: str, model: str, label: str | float) -> bytes:
    """What a caller is told once its outcome is recorded."""
    return _encode({"id": event, "decision": decision, "model": model, "label": label})
