"""What the head of an HTTP request says: its target, and the headers that mean something."""

from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from mainstay.access.model import Caller, KeyRing
from mainstay.base.errors import NotFound, WrongMethod
from mainstay.base.limits import NAME_MAX_CHARACTERS
from mainstay.serve.engine import Serving
from mainstay.serve.tracing import Trace

Reply = tuple[int, bytes, list[tuple[bytes, bytes]]]
"""Status, body and the headers beside the length."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a path means: a kind of question, and which model and version or id it is about."""

    kind: str
    model: str = ""
    version: str | None = None
    name: str = ""
    """The id of what is asked about, where that is not a model."""


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
    "limits": ("limits", "GET"),
    "outcome": ("keyed", "POST"),
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
        case ["", "models", model]:
            return Target(_allowed(method, path, "about", "GET"), _name(model))
        case ["", "models", model, "choice"]:
            if method == "POST":
                return Target("choose", _name(model))
            return Target(_allowed(method, path, "choice", "GET", "GET, POST"), _name(model))
        case ["", "models", model, "label", "next"]:
            return Target(_allowed(method, path, "label-next", "POST"), _name(model))
        case ["", "labels", task]:
            return Target(_allowed(method, path, "label", "POST"), name=_name(task))
        case ["", "labels", task, "skip"]:
            return Target(_allowed(method, path, "label-skip", "POST"), name=_name(task))
        case ["", "decisions", decision]:
            return Target(_allowed(method, path, "decision", "GET"), name=decision)
        case ["", "decisions", decision, "state"]:
            return Target(_allowed(method, path, "state", "GET"), name=decision)
        case ["", "decisions", decision, "release" | "reject" as verb]:
            return Target(_allowed(method, path, verb, "POST"), name=decision)
        case ["", "decisions", decision, "outcome" | "report" | "undo" as said]:
            return Target(_allowed(method, path, said, "POST"), name=decision)
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
        case ["config"]:
            return Target(_allowed(method, path, "model-config", "GET"), _name(model), version)
        case ["ready"]:
            return Target(_allowed(method, path, "model-ready", "GET"), _name(model), version)
        case ["infer"]:
            return Target(_allowed(method, path, "infer", "POST"), _name(model), version)
        case _:
            raise _no_such_path(path)


def _allowed(method: str, path: str, kind: str, wanted: str, several: str = "") -> str:
    """The kind, if that is how it is asked; `several`: the methods of a path with more than one."""
    if method == wanted or (method == "HEAD" and wanted == "GET"):
        return kind
    methods = several or wanted
    raise WrongMethod(
        f"{path[:NAME_MAX_CHARACTERS]} is asked with {methods.replace(', ', ' or ')}",
        field="method",
        got=method[:16],
        expected=methods,
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
    expects_continue: bool = False
    parents: tuple[str, str] = ("", "")
    """The caller's trace: `traceparent` and `tracestate`."""
    known: tuple[KeyRing, Caller] | None = None
    """Whom the key belongs to, as a ring of keys said before."""


def read_heads(heads: Heads, headers: list[tuple[bytes, bytes]]) -> None:
    """Pick out the headers that matter."""
    for name, value in headers:
        match name.lower():
            case b"content-length":
                heads.content_length = int(value) if value.isdigit() else 0
            case b"content-type":
                heads.content_type = value.decode("latin-1").lower()
            case b"authorization":
                scheme, _, secret = value.decode("latin-1").partition(" ")
                heads.key = secret.strip() if scheme.lower() == "bearer" else ""
            case b"inference-header-content-length":
                heads.json_length = int(value) if value.isdigit() and len(value) < 16 else -1
            case b"traceparent":
                heads.parents = (value.decode("latin-1"), heads.parents[1])
            case b"tracestate":
                heads.parents = (heads.parents[0], value.decode("latin-1"))
            case b"expect":
                heads.expects_continue = value.lower() == b"100-continue"
            case _:
                pass


def unquoted(path: bytes) -> str:
    """A path as people read it."""
    if b"%" not in path:
        return path.decode("latin-1")
    return unquote(path.decode("latin-1"), errors="replace")


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request whose head is known: what it asks, who asks, and which version is to answer."""

    target: Target
    heads: Heads
    query: bytes
    caller: Caller | None
    """Not there for what anybody may ask."""
    serving: Serving | None
    """There for every target that names a model."""
    began_ns: int
    without_body: bool = False
    """Asked with HEAD: the answer is its head alone."""
    trace: Trace | None = None
    """Where somebody wants to know its way."""
