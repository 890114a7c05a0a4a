"""The doors for people who label: the next task, what is right of it, and leaving it to others.

    POST /models/{m}/label/next
    POST /labels/{task}        {"label": "fraud"}
    POST /labels/{task}/skip

Who labels is known by their key, which is for nothing else unless it was made so. The keeper keeps
tasks and answers: a worker waits for no database. Promises that an answer is acknowledged only when
it is kept, and that saying the same again is the same as saying it once.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

from mainstay.base.errors import NotReady, TooLarge
from mainstay.base.limits import LABEL_BODY_MAX_BYTES
from mainstay.serve.asking import Labelling
from mainstay.serve.http.request import Reply, Request
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys

AskForLabels = Callable[[Labelling], Awaitable[bytes]]
"""What the keeper says to somebody who labels, as JSON."""
_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class LabelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a labeler says."""

    label: str | float


class NothingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing to say beside the path."""


_label = msgspec.json.Decoder(LabelBody)
_nothing = msgspec.json.Decoder(NothingBody)


class LabelDoor:
    """What one worker does for people who label."""

    def __init__(self, ask: AskForLabels) -> None:
        self._ask = ask

    @property
    def handlers(self) -> Mapping[str, Callable[[Request, bytes], Coroutine[Any, Any, Reply]]]:
        """By kind of question."""
        return {"label-next": self.next, "label": self.answer, "label-skip": self.skip}

    async def next(self, request: Request, body: bytes) -> Reply:
        """The task that the labeler has, or the next."""
        _read_nothing(body)
        assert request.caller is not None
        wanted = Labelling(want="next", caller=request.caller, model=request.target.model)
        return 200, await self._ask(wanted), [_JSON]

    async def answer(self, request: Request, body: bytes) -> Reply:
        """What is right of a task."""
        _check_size(body)
        said = decode(_label, body)
        refuse_duplicate_keys(body, UNKNOWN_QUOTES)
        assert request.caller is not None
        wanted = Labelling(
            want="answer", caller=request.caller, task=request.target.name, label=said.label
        )
        return 200, await self._ask(wanted), [_JSON]

    async def skip(self, request: Request, body: bytes) -> Reply:
        """Leave a task to others."""
        _read_nothing(body)
        assert request.caller is not None
        wanted = Labelling(want="skip", caller=request.caller, task=request.target.name)
        return 200, await self._ask(wanted), [_JSON]


async def nobody_asks(wanted: Labelling) -> bytes:
    """A worker without a keeper."""
    raise NotReady("nobody is asked for labels here", field="task", got=wanted.task)


def _read_nothing(body: bytes) -> None:
    _check_size(body)
    if body.strip():
        decode(_nothing, body)


def _check_size(body: bytes) -> None:
    if len(body) > LABEL_BODY_MAX_BYTES:
        raise TooLarge(
            "a label is a class, an item or a number, and never as long as this",
            field="body",
            got=f"{len(body)} bytes",
            expected=f"at most {LABEL_BODY_MAX_BYTES} bytes",
        )
