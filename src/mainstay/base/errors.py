"""One tree of errors, each with a stable code that every door shows.

MainstayError
├── Refused            the caller's side is wrong and can be put right
│   ├── InvalidRequest     a request breaks the wire format or the contract
│   ├── InvalidContract    a contract file is wrong; names file and line
│   ├── InvalidBundle      a bundle is corrupt, incomplete, unsigned or does not fit
│   ├── InvalidUsage       a command or a call was used wrongly
│   ├── NotAuthenticated   no key, or one that is not known
│   ├── NotAllowed         a known caller asks for what was not granted
│   ├── NotFound           nothing has that name or id
│   ├── WrongMethod        the path is there, but is asked in another way
│   ├── TooLarge           more bytes than a request may carry
│   ├── UnsupportedForm    a body in a form (content type) that this door does not read
│   ├── Withheld           the model's answer to this request may not be shown
│   └── Conflict           somebody else was first
└── Failed             our side, or something it depends on, cannot do it now
    ├── Overloaded         more work than can be kept in time; try again later
    ├── NotReady           not serving yet, or no longer
    ├── Stopped            the version in force was found wrong, and does not answer any more
    ├── TooLate            the answer did not come before the contract's deadline
    ├── ModelFailed        the model or its feature extractor raised, hung or died
    └── StorageFailed      a store, spool or database cannot be read or written

A message says what is wrong in one sentence; `field`, `rule`, `got` and `expected` say where and
what would be right. No error knows the status code of a door: serve keeps that table.
"""

from typing import Any, ClassVar


class MainstayError(Exception):
    """Something Mainstay says no to."""

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        rule: str | None = None,
        got: Any = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.rule = rule
        self.got = got
        self.expected = expected

    def as_dict(self) -> dict[str, Any]:
        """The one JSON form of an error, on every door."""
        full = {
            "error": self.message,
            "code": self.code,
            "field": self.field,
            "rule": self.rule,
            "got": self.got,
            "expected": self.expected,
        }
        return {key: value for key, value in full.items() if value is not None}


class Refused(MainstayError):
    """The caller's side is wrong and can be put right."""

    code = "refused"


class InvalidRequest(Refused):
    """A request breaks the wire format or the contract."""

    code = "invalid_request"


class InvalidContract(Refused):
    """A contract file is wrong; `field` is the setting, the message starts with file:line."""

    code = "invalid_contract"


class InvalidBundle(Refused):
    """A bundle is corrupt, incomplete, unsigned where a signature is needed, or does not fit."""

    code = "invalid_bundle"


class InvalidUsage(Refused):
    """A command or a call was used wrongly."""

    code = "invalid_usage"


class NotAuthenticated(Refused):
    """No key, or one that is not known."""

    code = "not_authenticated"


class NotAllowed(Refused):
    """A known caller asks for what was not granted."""

    code = "not_allowed"


class NotFound(Refused):
    """Nothing has that name or id."""

    code = "not_found"


class WrongMethod(Refused):
    """The path is there, but is asked in another way."""

    code = "wrong_method"


class TooLarge(Refused):
    """More bytes than a request may carry."""

    code = "too_large"


class UnsupportedForm(Refused):
    """A body in a form (content type) that this door does not read."""

    code = "unsupported_form"


class Withheld(Refused):
    """The request was in order and is recorded, but its answer may not be shown."""

    code = "withheld"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        rule: str | None = None,
        got: Any = None,
        expected: str | None = None,
        decisions: list[str],
    ) -> None:
        super().__init__(message, field=field, rule=rule, got=got, expected=expected)
        self.decisions = decisions
        """The ids of the decisions that are withheld."""

    def as_dict(self) -> dict[str, Any]:
        """The one JSON form, with the ids by which the decisions can be looked up."""
        return {**super().as_dict(), "decisions": self.decisions}


class Conflict(Refused):
    """Somebody else was first."""

    code = "conflict"


class Failed(MainstayError):
    """Our side, or something it depends on, cannot do it now."""

    code = "failed"


class Overloaded(Failed):
    """More work than can be kept in time; try again later."""

    code = "overloaded"


class NotReady(Failed):
    """Not serving yet, or no longer."""

    code = "not_ready"


class Stopped(Failed):
    """The version in force was found to answer wrong, and does not answer here any more."""

    code = "stopped"


class TooLate(Failed):
    """The answer did not come before the contract's deadline."""

    code = "too_late"


class ModelFailed(Failed):
    """The model or its feature extractor raised, hung or died."""

    code = "model_failed"


class StorageFailed(Failed):
    """A store, spool or database cannot be read or written."""

    code = "storage_failed"
