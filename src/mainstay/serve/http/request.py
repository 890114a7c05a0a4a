"""One HTTP request as it arrives: its target, its headers, and its body within the limit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from mainstay.base.errors import InvalidRequest, NotFound, TooLarge, WrongMethod
from mainstay.base.limits import BODY_MAX_BYTES, NAME_MAX_CHARACTERS

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a path means: a kind of question, and which model and version or id it is about."""

    kind: str
    model: str = ""
    version: str | None = None


_PLAIN = {
    "/": ("index", "GET"),
    "/v2": ("server", "GET"),
    "/v2/": ("server", "GET"),
    "/v2/health/live": ("live", "GET"),
    "/v2/health/ready": ("ready", "GET"),
    "/v2/repository/index": ("repository", "POST"),
    "/models": ("models", "GET"),
    "/invocations": ("invocations", "POST"),
    "/ping": ("ready", "GET"),
    "/health": ("ready", "GET"),
    "/version": ("version", "GET"),
    "/metrics": ("metrics", "GET"),
    "/openapi.json": ("openapi", "GET"),
}

_OF_MODEL = {
    "decide": ("decide", "POST"),
    "features": ("features", "POST"),
    "invocations": ("invocations", "POST"),
}


def resolve(method: str, path: str) -> Target:
    """What a request asks for; `NotFound` or `WrongMethod` in words."""
    plain = _PLAIN.get(path)
    if plain is not None:
        return Target(_allowed(method, path, *plain))
    match path.split("/"):
        case ["", "v2", "models", model, *rest]:
            return _resolve_v2(method, path, model, rest)
        case ["", "models", model, verb] if verb in _OF_MODEL:
            return Target(_allowed(method, path, *_OF_MODEL[verb]), _name(model))
        case ["", "decisions", decision]:
            return Target(_allowed(method, path, "decision", "GET"), decision)
        case _:
            raise _no_such_path(path)


def _resolve_v2(method: str, path: str, model: str, rest: list[str]) -> Target:
    version = None
    match rest:
        case ["versions", number, *rest]:
            version = number
        case _:
            pass
    match rest:
        case []:
            return Target(_allowed(method, path, "model", "GET"), _name(model), version)
        case ["ready"]:
            return Target(_allowed(method, path, "model-ready", "GET"), _name(model), version)
        case ["infer"]:
            return Target(_allowed(method, path, "infer", "POST"), _name(model), version)
        case _:
            raise _no_such_path(path)


def _allowed(method: str, path: str, kind: str, wanted: str) -> str:
    if method == wanted or (method == "HEAD" and wanted == "GET"):
        return kind
    raise WrongMethod(
        f"{path[:NAME_MAX_CHARACTERS]} is asked with {wanted}",
        field="method",
        got=method[:16],
        expected=wanted,
    )


def _name(model: str) -> str:
    return model[:NAME_MAX_CHARACTERS]


def _no_such_path(path: str) -> NotFound:
    return NotFound(
        "there is nothing at this path",
        field="path",
        got=path[:NAME_MAX_CHARACTERS],
        expected="a path that /openapi.json lists",
    )


@dataclass(slots=True)
class Heads:
    """The headers that mean something to us."""

    key: str | None = None
    content_type: str = ""
    content_length: int = 0
    json_length: int | None = None


def read_heads(headers: list[tuple[bytes, bytes]]) -> Heads:
    """Pick out the headers that matter; header names are lower-case already."""
    heads = Heads()
    for name, value in headers:
        if name == b"content-length":
            heads.content_length = int(value)
        elif name == b"content-type":
            heads.content_type = value.decode("latin-1").lower()
        elif name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            heads.key = secret.strip() if scheme.lower() == "bearer" else ""
        elif name == b"inference-header-content-length":
            heads.json_length = int(value) if value.isdigit() else -1
    return heads


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request whose target is known and whose body is still to be read."""

    target: Target
    heads: Heads
    scope: Scope
    receive: Receive

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.scope["query_string"].decode("latin-1")

    async def body(self) -> bytes:
        """The whole body, refused as soon as it is known to be too large."""
        return await _read_body(self.receive, self.heads)


async def _read_body(receive: Receive, heads: Heads) -> bytes:
    """The whole body, refused as soon as it is known to be too large."""
    if heads.content_length > BODY_MAX_BYTES:
        raise _too_large(heads.content_length)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the connection ended before the body did", field="body")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > BODY_MAX_BYTES:
            raise _too_large(size)
        parts.append(part)
    return b"".join(parts)


def _too_large(size: int) -> TooLarge:
    return TooLarge(
        "this body is too large",
        field="body",
        rule="size",
        got=size,
        expected=f"at most {BODY_MAX_BYTES} bytes; send the rows in several requests",
    )
