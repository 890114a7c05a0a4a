"""What every form of request is parsed to, and how refused input is shown to its sender."""

from collections.abc import Iterable

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import REQUEST_ID_MAX_CHARACTERS, ROWS_PER_CALL_MAX
from mainstay.contract.columns import Columns
from mainstay.contract.problems import brief
from mainstay.contract.repair import Change
from mainstay.contract.shape import did_you_mean, one_of

Headers = list[tuple[bytes, bytes]]


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """Which tensors the caller asked for, in this order, and which of them as raw bytes."""

    outputs: tuple[str, ...] = ()
    """Empty: all there are."""
    binary: tuple[bool, ...] = ()
    """One for each of `outputs`."""
    binary_otherwise: bool = False
    """The form of all outputs where none was named."""
    status: bool = False
    """The caller asked for the status by name, so it looks at it before it uses a value."""


ALL_JSON = Wanted()
ALL_BINARY = Wanted(binary_otherwise=True)


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A request whose form is right; its values are not checked yet."""

    inputs: Columns
    context: Columns
    """What the caller sent beside the inputs; context values that were not sent are not here."""
    rows: int
    request: str = ""
    """The caller's own id of this request."""
    wanted: Wanted = ALL_JSON
    repaired: tuple[Change, ...] = ()
    """Values that were sent otherwise."""
    single: bool = False
    """One row was sent by itself, so one answer goes back by itself."""


def unknown(what: str, name: str, known: Iterable[str]) -> InvalidRequest:
    """The refusal of a name that nobody declared, with the nearest one that somebody did."""
    names = list(known)
    return InvalidRequest(
        f"there is no {what} {brief(name)!r}{did_you_mean(name, names)}",
        field=brief(name),
        rule="unknown",
        got=brief(name),
        expected=f"one of: {one_of(names)}" if names else f"no {what} at all",
    )


def check_rows(rows: int, field: str) -> int:
    """A number of rows that one call may have."""
    if 1 <= rows <= ROWS_PER_CALL_MAX:
        return rows
    raise InvalidRequest(
        f"{field} has {brief(rows)} rows, but a call has 1 to {ROWS_PER_CALL_MAX}",
        field=field,
        rule="rows",
        got=brief(rows),
        expected=f"1 to {ROWS_PER_CALL_MAX} rows; send more in several calls",
    )


def check_request_id(identity: str, field: str) -> str:
    """A caller's id, short enough to be kept with every decision."""
    if len(identity) <= REQUEST_ID_MAX_CHARACTERS:
        return identity
    raise InvalidRequest(
        f"{field} is longer than {REQUEST_ID_MAX_CHARACTERS} characters",
        field=field,
        rule="length",
        got=brief(identity),
        expected=f"at most {REQUEST_ID_MAX_CHARACTERS} characters",
    )
