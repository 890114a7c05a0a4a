"""What each error looks like over HTTP: the one table of status codes, and the bodies.

A class that is not in the table has the status of the nearest one above it, so a new error is
never a surprise. Every body says what is wrong, where, what came and what would be right; MLflow's
form says it under that protocol's own names as well.
"""

from typing import Any, Final

import msgspec

from mainstay.base.errors import (
    Conflict,
    Failed,
    InvalidBundle,
    InvalidContract,
    InvalidRequest,
    MainstayError,
    ModelFailed,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    Overloaded,
    Refused,
    Stopped,
    StorageFailed,
    TooLarge,
    TooLate,
    UnsupportedForm,
    Withheld,
    WrongMethod,
)
from mainstay.contract.problems import brief

Headers = list[tuple[bytes, bytes]]

STATUS: Final[dict[type[MainstayError], int]] = {
    Refused: 400,
    InvalidRequest: 400,
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    WrongMethod: 405,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedForm: 415,
    InvalidBundle: 422,
    InvalidContract: 422,
    Withheld: 422,
    MainstayError: 500,
    Failed: 500,
    ModelFailed: 500,
    NotReady: 503,
    Stopped: 503,
    Overloaded: 503,
    StorageFailed: 503,
    TooLate: 504,
}
_MLFLOW_CODES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY_AFTER: Final = (b"retry-after", b"1")
_encode = msgspec.json.Encoder(enc_hook=str).encode


def status_of(error: MainstayError) -> int:
    """The status code of an error."""
    for kind in type(error).__mro__:
        status = STATUS.get(kind)
        if status is not None:
            return status
    return 500


def headers_of(error: MainstayError) -> Headers:
    """The headers that HTTP wants beside the status."""
    if isinstance(error, NotAuthenticated):
        return [(b"www-authenticate", b'Bearer realm="mainstay"')]
    if isinstance(error, WrongMethod):
        allowed = error.expected or "GET"
        return [(b"allow", allowed.encode("latin-1", "replace"))]
    if isinstance(error, Overloaded | NotReady | Stopped | StorageFailed):
        return [_RETRY_AFTER]
    return []


def error_body(error: MainstayError, door: str) -> bytes:
    """An error in the form of the door it leaves through."""
    body = error.as_dict()
    if "got" in body:
        body["got"] = brief(body["got"])
    if door == "invocations":
        status = status_of(error)
        code = "INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETER_VALUE"
        body = {"error_code": _MLFLOW_CODES.get(status, code), "message": error.message, **body}
    try:
        return _encode(body)
    except (UnicodeEncodeError, TypeError):
        return _encode({key: _printable(value) for key, value in body.items()})


def _printable(value: Any) -> str:
    """What UTF-8 can carry of anything."""
    return str(value).encode("utf-8", "replace").decode()
