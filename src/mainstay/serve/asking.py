"""Workers ask the keeper what only it may take the time to know: a decision that was recorded, a
task for somebody who labels.

Both ends of a unix socket in the run folder: `Asker` is the workers' side, `serve_questions` the
keeper's. A message is four bytes of length, big-endian, and one JSON object. Promises that a
question is answered, refused or given up within a bounded time, whatever the other side does, and
that neither side holds more than a bounded message. Must never be reachable by another user: the
socket's folder belongs to this one alone.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from mainstay.access.model import Caller
from mainstay.base.errors import (
    Conflict,
    Failed,
    InvalidRequest,
    MainstayError,
    NotAllowed,
    NotFound,
    NotReady,
    Overloaded,
    StorageFailed,
)
from mainstay.base.ids import parse_decision_id
from mainstay.contract.problems import brief
from mainstay.journal.model import Decision

SOCKET_FILE = "keeper.sock"
_PATH_MAX_BYTES = 100
"""The kernel's own limit for the name of a unix socket is 104 to 108 bytes."""
_QUESTION_MAX_BYTES = 256 * 1024
_ANSWER_MAX_BYTES = 32 * 1024 * 1024
_WAITING_MAX = 256
_CONNECTIONS_MAX = 64
_LENGTH_BYTES = 4
ASK_SECONDS = 5.0
_QUESTION_SECONDS = 10.0


_NOTHING = msgspec.Raw(b"null")


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker wants to know."""

    ask: Literal["find", "health", "label"]
    id: str = ""
    label: "Labelling | None" = None


class Labelling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody who labels wants."""

    want: Literal["next", "answer", "skip"]
    caller: Caller
    model: str = ""
    task: str = ""
    label: str | float | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper says; when it cannot, `code` and all that an error says for itself."""

    decision: msgspec.Raw = _NOTHING
    """What was asked for. Passed on as it was written, never read in between."""
    ready: bool = True
    code: str = ""
    error: str = ""
    field: str | None = None
    rule: str | None = None
    got: Any = None
    expected: str | None = None


_ERRORS: dict[str, type[MainstayError]] = {
    kind.code: kind
    for kind in (
        NotFound,
        InvalidRequest,
        NotReady,
        Overloaded,
        StorageFailed,
        NotAllowed,
        Conflict,
    )
}
_encode = msgspec.json.Encoder().encode
_question = msgspec.json.Decoder(Question)
_reply = msgspec.json.Decoder(Reply)


def socket_path(folder: Path) -> Path:
    """Where the keeper of a run folder listens; elsewhere when the folder's own path is too long
    for a unix socket."""
    direct = folder.resolve() / SOCKET_FILE
    if len(os.fsencode(direct)) <= _PATH_MAX_BYTES:
        return direct
    mark = hashlib.sha256(os.fsencode(direct)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mainstay-{os.getuid()}" / f"{mark}.sock"


def _private_folder(folder: Path) -> None:
    """Make a folder that nobody else can enter, or find that it is one."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    state = folder.stat(follow_symlinks=False)
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise NotReady(
            f"{folder} can be written by others, so the keeper will not listen there",
            got=oct(state.st_mode & 0o777),
            expected="a folder of this user, not writable by others",
        )


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    head = await reader.readexactly(_LENGTH_BYTES)
    length = int.from_bytes(head, "big")
    if length > most:
        raise ValueError(f"a message of {length} bytes; at most {most} are allowed")
    return await reader.readexactly(length)


def _frame(message: Question | Reply) -> bytes:
    body = _encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def _refusal(error: MainstayError) -> Reply:
    return Reply(
        code=error.code,
        error=error.message,
        field=error.field,
        rule=error.rule,
        got=brief(error.got),
        expected=error.expected,
    )


class QuestionServer:
    """The keeper's side. Look-ups run in one thread of their own, one after the other, and what
    labelers want in another one: it writes, and may wait for a database."""

    def __init__(
        self,
        folder: Path,
        find: Callable[[str], Decision],
        label: Callable[[Labelling], Mapping[str, Any]] | None = None,
    ) -> None:
        self._path = socket_path(folder)
        self._find = find
        self._label = label
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="look-up")
        self._labelling = ThreadPoolExecutor(1, thread_name_prefix="labelling")
        self._waiting = 0
        self._connections = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until told to stop."""
        _private_folder(self._path.parent)
        # A socket file left by a keeper that died would keep its name taken for ever.
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)
        try:
            await stop.wait()
        finally:
            server.close()
            self._path.unlink(missing_ok=True)
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._labelling.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            while self._connections <= _CONNECTIONS_MAX:
                data = await asyncio.wait_for(_read(reader, _QUESTION_MAX_BYTES), _QUESTION_SECONDS)
                reply = await self._answer(data)
                writer.write(_frame(reply))
                await asyncio.wait_for(writer.drain(), _QUESTION_SECONDS)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            # The other side left, stalled or talks something else: it is simply hung up on.
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, data: bytes) -> Reply:
        try:
            question = _question.decode(data)
        except msgspec.MsgspecError as error:
            return Reply(code=InvalidRequest.code, error=f"not a question: {error}")
        if question.ask == "health":
            return Reply()
        if self._waiting >= _WAITING_MAX:
            return Reply(code=Overloaded.code, error="too many decisions are being looked up")
        self._waiting += 1
        try:
            found = await self._found(question)
        except MainstayError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001  # because one look-up's defect is its own answer
            return Reply(code=Failed.code, error=f"the look-up broke down: {error!r}")
        finally:
            self._waiting -= 1
        return Reply(decision=msgspec.Raw(_encode(found)))

    async def _found(self, question: Question) -> Decision | Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        if question.ask == "find":
            return await loop.run_in_executor(self._executor, self._find, question.id)
        if self._label is None or question.label is None:
            raise NotReady("nobody is asked for labels here")
        return await loop.run_in_executor(self._labelling, self._label, question.label)


class Asker:
    """The workers' side: a connection for each question, so that a keeper that was replaced is
    found again without any state."""

    def __init__(self, folder: Path, timeout_seconds: float = ASK_SECONDS) -> None:
        self._path = socket_path(folder)
        self._timeout_seconds = timeout_seconds

    async def find(self, decision_id: str) -> bytes:
        """One decision as JSON; `NotFound`, or `NotReady` when the keeper cannot be asked now."""
        parse_decision_id(decision_id)  # what cannot be an id is not worth the keeper's time
        reply = await self._ask(Question(ask="find", id=decision_id))
        if bytes(reply.decision) == bytes(_NOTHING):
            raise NotReady("the keeper answered without a decision")
        return bytes(reply.decision)

    async def label(self, wanted: Labelling) -> bytes:
        """What is said to somebody who labels, as JSON; refused in words, or `NotReady`."""
        return bytes((await self._ask(Question(ask="label", label=wanted))).decision)

    async def health(self) -> bool:
        """Whether the keeper is there."""
        try:
            return (await self._ask(Question(ask="health"))).ready
        except NotReady:
            return False

    async def _ask(self, question: Question) -> Reply:
        try:
            reply = await asyncio.wait_for(self._exchange(question), self._timeout_seconds)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise NotReady(
                "the keeper process, which looks decisions up, cannot be asked now "
                f"({type(error).__name__})",
                expected="the same request again in a few seconds; `mainstay status` shows the "
                "keeper",
            ) from error
        if reply.code:
            raise _ERRORS.get(reply.code, Failed)(
                reply.error,
                field=reply.field,
                rule=reply.rule,
                got=reply.got,
                expected=reply.expected,
            )
        return reply

    async def _exchange(self, question: Question) -> Reply:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(_frame(question))
            return _reply.decode(await _read(reader, _ANSWER_MAX_BYTES))
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        finally:
            writer.close()
