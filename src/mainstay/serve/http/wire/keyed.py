"""What the world said of whatever decision a key stands for: one, or as many as a call may have.

    {"key": "A-17", "label": "fraud", "time": "2026-11-20T12:03:00Z"}
    {"outcomes": [{"key": "A-17", "label": "fraud"}, …]}

Without `time` it happened now. A list is taken whole or refused whole, and its first fault is named
by its place.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import ROWS_PER_CALL_MAX
from mainstay.contract.keyed import Key
from mainstay.contract.model import Contract
from mainstay.contract.problems import brief
from mainstay.contract.times import MOMENT_EXPECTED, moment_us
from mainstay.journal.model import Event
from mainstay.serve.http.wire.outcome import Said, check_said, said_by
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys
from mainstay.serve.outcomes import KeyedOutcome

AHEAD_NS: Final = 60_000_000_000
"""How far the clock of who tells something may be ahead of ours."""


class KeyedBody(Said, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is told of one key."""

    key: str | int
    time: str | msgspec.UnsetType = msgspec.UNSET


class _Body(Said, frozen=True, forbid_unknown_fields=True, kw_only=True):
    key: str | int | msgspec.UnsetType = msgspec.UNSET
    time: str | msgspec.UnsetType = msgspec.UNSET
    outcomes: list[KeyedBody] | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(_Body)
_encode = msgspec.json.Encoder().encode


def parse_keyed(body: bytes) -> tuple[list[KeyedBody], bool]:
    """Read a body, or refuse it in words; also, whether it is one alone."""
    read = decode(_decoder, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    own = {name: value for name in KeyedBody.__struct_fields__
           if (value := getattr(read, name)) is not msgspec.UNSET}  # fmt: skip
    if read.outcomes is msgspec.UNSET:
        if "key" not in own:
            raise InvalidRequest(
                "this does not say of what",
                field="key",
                rule="missing",
                expected="`key` for what the decision is known by, or a list `outcomes`",
            )
        return [KeyedBody(**own)], True
    if own:
        raise InvalidRequest(
            "there is a list, and something beside it",
            field=next(iter(own)),
            rule="unknown",
            expected='{"outcomes": [{"key": …, "label": …}, …]} and nothing else',
        )
    if not 1 <= len(read.outcomes) <= ROWS_PER_CALL_MAX:
        raise InvalidRequest(
            f"the list has {len(read.outcomes)} outcomes",
            field="outcomes",
            rule="rows",
            got=len(read.outcomes),
            expected=f"1 to {ROWS_PER_CALL_MAX} in a call",
        )
    return read.outcomes, False


def told_of(
    rows: Sequence[KeyedBody], key: Key, contracts: Sequence[Contract], now_ns: int
) -> list[KeyedOutcome]:
    """What is told of keys as it is kept; `InvalidRequest` names the first row with a fault."""
    kept = key.kept([row.key for row in rows])
    found: list[KeyedOutcome] = []
    for place, (row, subject) in enumerate(zip(rows, kept, strict=True)):
        try:
            check_said(row)
            by = key.by(happened_ns(row.time, now_ns))
            found.append(KeyedOutcome(subject, by, said_by(row, contracts)))
        except InvalidRequest as error:
            if len(rows) == 1:
                raise
            raise InvalidRequest(
                f"row {place}: {error.message}",
                field=error.field,
                rule=error.rule,
                got=error.got,
                expected=error.expected,
            ) from None
    return found


def happened_ns(time: str | msgspec.UnsetType, now_ns: int) -> int:
    """When something happened of which we are told now."""
    if isinstance(time, msgspec.UnsetType):
        return now_ns
    moment = moment_us(time)
    if moment is None or moment < 0:
        raise InvalidRequest(
            f"{time[:40]!r} is no moment since 1970",
            field="time",
            rule="time",
            got=brief(time),
            expected=MOMENT_EXPECTED,
        )
    if moment * 1000 > now_ns + AHEAD_NS:
        raise InvalidRequest(
            "what has not happened yet cannot be told",
            field="time",
            rule="future",
            got=brief(time),
            expected="a moment that is past, or no `time` for now",
        )
    return min(moment * 1000, now_ns)


def keyed_answer(
    model: str, events: Sequence[Event], said: Mapping[str, Any] | None = None
) -> bytes:
    """What a caller is told once it is recorded; `said` is of the one that came alone."""
    if said is None:
        return _encode({"model": model, "ids": [event.id for event in events]})
    return _encode({"id": events[0].id, "model": model, **said})
