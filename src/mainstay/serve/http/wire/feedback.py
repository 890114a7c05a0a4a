"""What people say of a decision, beside what was right: that it was wrong, or is to be taken back.

    POST /decisions/{id}/report   {"what": "wrong", "words": "I am 34", "expected": "ok"}
    POST /decisions/{id}/undo     {"reason": "the customer called"}

Both are refused in words where they say nothing, or too much.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.contract.model import Contract
from mainstay.contract.problems import brief
from mainstay.journal.model import Event
from mainstay.serve.http.wire.outcome import OutcomeLabel, check_label
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys


class ReportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report as a person makes it."""

    what: Literal["wrong", "harmful", "other"]
    words: str = ""
    expected: OutcomeLabel | msgspec.UnsetType = msgspec.UNSET


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why what followed from an answer is to be taken back."""

    reason: str


_report = msgspec.json.Decoder(ReportBody)
_undo = msgspec.json.Decoder(UndoBody)
_encode = msgspec.json.Encoder().encode


def parse_report(body: bytes) -> ReportBody:
    """Read a body, or refuse it in words."""
    said = decode(_report, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    _check_words(said.words, "words", least=0)
    return said


def parse_undo(body: bytes) -> UndoBody:
    """Read a body, or refuse it in words."""
    said = decode(_undo, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    check_reason(said.reason)
    return said


def check_reason(reason: str) -> None:
    """Refuse a reason that says nothing, or too much."""
    _check_words(reason, "reason", least=1)


def _check_words(words: str, field: str, least: int) -> None:
    if not least <= len(words.strip()) <= len(words) <= WORDS_MAX_CHARACTERS:
        raise InvalidRequest(
            f"the {field} must be words for a person",
            field=field,
            rule="length",
            got=brief(words),
            expected=f"{least} to {WORDS_MAX_CHARACTERS} characters",
        )


def said_of(report: ReportBody, contracts: Sequence[Contract], decision: Any) -> dict[str, Any]:
    """A report as it is kept: with what was answered by whom, and how it was told."""
    kept: dict[str, Any] = {"what": report.what, "words": report.words}
    if not isinstance(report.expected, msgspec.UnsetType):
        kept["expected"] = check_label(report.expected, contracts)
    kept |= {"version": decision["version"], "status": decision["status"]}
    return {"report": kept}


def report_answer(event: Event, words: str) -> bytes:
    """What a person is told once the report is recorded."""
    about = {"id": event.id, "decision": event.subject, "model": event.model}
    return _encode(about | {"words": words})


def undo_answer(about: Mapping[str, Any], *, already: bool, told: bool) -> bytes:
    """What is told once undoing is recorded, now or before. `told` is whether somebody else is
    asked to take back what followed."""
    words = "This was undone before." if already else "This is undone."
    if not already and told:
        words = "This is being undone: whoever acted on it is told to take it back."
    return _encode({**about, "already": already, "words": words})
