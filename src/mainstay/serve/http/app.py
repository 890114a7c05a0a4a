"""The HTTP door: an ASGI application without a framework between the bytes and the pipeline.

Promises that every answer, of every route, is either what was asked or an error in its door's
form; that nothing of a body is parsed before its size, the caller and the grant are known; and
that an answer leaves only after its decision is recorded. Must never let an exception reach the
server: what is not one of ours is answered as a failure and counted.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from mainstay.access.model import Caller, authorise
from mainstay.base.clock import Clock
from mainstay.base.errors import Failed, InvalidRequest, MainstayError, NotReady, StorageFailed
from mainstay.serve.engine import Engine, Serving
from mainstay.serve.follow import Follower
from mainstay.serve.http.doors import DoorTable
from mainstay.serve.http.openapi import openapi
from mainstay.serve.http.request import Receive, Request, Scope, Target, read_heads, resolve
from mainstay.serve.http.status import error_body, headers_of, status_of
from mainstay.serve.http.wire.model import Parsed
from mainstay.serve.http.wire.oip import server_metadata
from mainstay.serve.metrics import Metrics
from mainstay.serve.model import Answer, Call

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
FindDecision = Callable[[str], Awaitable[bytes]]
Reply = tuple[int, bytes, Headers]
Handler = Callable[[Request], Awaitable[Reply]]

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
PLAIN: tuple[bytes, bytes] = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
INDEX = msgspec.json.encode(
    {
        "name": "mainstay",
        "models": "/models",
        "openapi": "/openapi.json",
        "metrics": "/metrics",
        "ready": "/v2/health/ready",
    }
)
TARGETS_MAX = 4096
LOG = logging.getLogger("mainstay.serve")


class App:
    """One worker's HTTP door."""

    def __init__(
        self,
        engine: Engine,
        follower: Follower,
        metrics: Metrics,
        clock: Clock,
        find_decision: FindDecision,
        render_metrics: Callable[[], bytes],
    ) -> None:
        self._engine = engine
        self._follower = follower
        self._metrics = metrics
        self._clock = clock
        self._find_decision = find_decision
        self._render_metrics = render_metrics
        self._doors = DoorTable()
        self._targets: dict[tuple[str, str], Target] = {}
        self._handlers: dict[str, Handler] = {
            "infer": self._infer,
            "decide": self._decide,
            "invocations": self._invocations,
            "features": self._features,
            "decision": self._decision,
            "index": self._about,
            "server": self._about,
            "live": self._about,
            "ready": self._about,
            "model": self._model,
            "model-ready": self._model_ready,
            "repository": self._repository,
            "models": self._models,
            "version": self._about,
            "metrics": self._metrics_text,
            "openapi": self._openapi,
        }
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = self._clock.elapsed_ns()
        self.in_flight += 1
        door = ""
        model = ""
        try:
            try:
                target = self._target(scope["method"], scope["path"])
                door, model = target.kind, target.model
                request = Request(target, read_heads(scope["headers"]), scope, receive)
                status, body, headers = await self._handlers[door](request)
            except MainstayError as error:
                if isinstance(error, InvalidRequest):
                    self._metrics.refused_value(model, error.field)
                elif isinstance(error, StorageFailed):
                    self._metrics.spool_error()
                status, body, headers = refuse(error, door)
            except Exception as error:  # because a defect is one failed request
                LOG.exception("a request met a defect", exc_info=error)
                status, body, headers = refuse(
                    Failed(
                        "this request met a defect of the server; the log has it, the rest goes on"
                    ),
                    door,
                )
            if self._follower.draining:
                headers = [*headers, (b"connection", b"close")]
            await send(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [*headers, (b"content-length", b"%d" % len(body))],
                }
            )
            await send({"type": "http.response.body", "body": body})
            self._metrics.answered(model, door, status, self._clock.elapsed_ns() - began)
        finally:
            self.in_flight -= 1

    def _target(self, method: str, path: str) -> Target:
        known = self._targets.get((method, path))
        if known is not None:
            return known
        target = resolve(method, path)
        if len(self._targets) < TARGETS_MAX:
            self._targets[method, path] = target
        return target

    def _caller(self, request: Request) -> Caller:
        keys = self._follower.keys
        if keys is None:
            raise NotReady(
                "this worker has no orders yet", expected="the same request again in a moment"
            )
        return keys.authenticate(request.heads.key)

    def _reach(self, target: Target, request: Request) -> tuple[Caller, Serving]:
        """Who calls, and the version that answers, once the one was granted the other."""
        caller = self._caller(request)
        authorise(caller, target.model)
        return caller, self._engine.find(target.model, target.version)

    async def _infer(self, request: Request) -> Reply:
        caller, serving = self._reach(request.target, request)
        body = await request.body()
        door = self._doors.of(serving).infer
        parsed = door.parse(body, request.heads.json_length)
        answer = await self._answer(serving, caller, "infer", parsed)
        content, headers = door.encode(answer, parsed)
        return 200, content, headers

    async def _decide(self, request: Request) -> Reply:
        caller, serving = self._reach(request.target, request)
        door = self._doors.of(serving).decide
        parsed = door.parse(await request.body())
        answer = await self._answer(serving, caller, "decide", parsed)
        return 200, door.encode(answer, parsed), [JSON]

    async def _invocations(self, request: Request) -> Reply:
        model = request.target.model or self._only_model(request)
        caller, serving = self._reach(Target("invocations", model), request)
        door = self._doors.of(serving).invocations
        parsed = door.parse(await request.body(), request.heads.content_type)
        answer = await self._answer(serving, caller, "invocations", parsed)
        return 200, door.encode(answer, parsed), [JSON]

    def _only_model(self, request: Request) -> str:
        """The model of a path that names none: the one asked for, or the only one there is."""
        asked = parse_qs(request.query).get("model")
        if asked:
            return asked[0]
        served = sorted(self._engine.serving)
        if len(served) == 1:
            return served[0]
        raise InvalidRequest(
            "this path does not say which model is meant",
            field="model",
            got=served,
            expected="/models/<model>/invocations, or ?model=<model>",
        )

    async def _answer(self, serving: Serving, caller: Caller, door: str, parsed: Parsed) -> Answer:
        """Take what a door read through the pipeline, together with whoever else waits."""
        received = self._clock.elapsed_ns()
        inputs = serving.pipeline.normal(parsed.inputs)
        context = parsed.context
        notes: dict[int, str] = {}
        if serving.gatherer.needed:
            serving.pipeline.refuse_bad(inputs)
            found, notes = await serving.gatherer.gather(inputs, parsed.rows)
            context = {**context, **found}
        call = Call(caller, door, parsed.request, inputs, context, parsed.rows, received, notes)
        return await serving.joiner.submit(call)

    async def _features(self, request: Request) -> Reply:
        """The extractor as a service: what a version would have fed its model."""
        _, serving = self._reach(request.target, request)
        door = self._doors.of(serving).decide
        parsed = door.parse(await request.body())
        inputs = serving.pipeline.normal(parsed.inputs)
        serving.pipeline.refuse_bad(inputs)
        context = parsed.context
        if serving.gatherer.needed:
            found, _ = await serving.gatherer.gather(inputs, parsed.rows)
            context = {**context, **found}
        features = serving.pipeline.features(inputs, context)
        names = serving.loaded.manifest.features
        return 200, door.encode_features(features, names, parsed), [JSON]

    async def _decision(self, request: Request) -> Reply:
        caller = self._caller(request)
        content = await self._find_decision(request.target.model)
        authorise(caller, msgspec.json.decode(content)["model"])
        return 200, content, [JSON]

    async def _about(self, request: Request) -> Reply:
        """What anybody may know: that the server is there, ready, and where to go on."""
        ready = self._follower.ready
        match request.target.kind:
            case "live":
                return 200, b'{"live":true}', [JSON]
            case "ready":
                body = b'{"live":true,"ready":%s}' % (b"true" if ready else b"false")
                return 200 if ready else 503, body, [JSON]
            case "index":
                return 200, INDEX, [JSON]
            case _:
                return 200, server_metadata(), [JSON]

    async def _model(self, request: Request) -> Reply:
        _, serving = self._reach(request.target, request)
        return 200, self._doors.of(serving).infer.metadata(serving.route.number), [JSON]

    async def _model_ready(self, request: Request) -> Reply:
        _, serving = self._reach(request.target, request)
        ready = self._follower.ready
        body = {"name": serving.route.model, "ready": ready}
        return 200 if ready else 503, msgspec.json.encode(body), [JSON]

    async def _repository(self, request: Request) -> Reply:
        caller = self._caller(request)
        state = "READY" if self._follower.ready else "UNAVAILABLE"
        index = [
            {"name": model, "version": str(serving.route.number), "state": state, "reason": ""}
            for model, serving in sorted(self._engine.serving.items())
            if caller.may_reach(model)
        ]
        return 200, msgspec.json.encode(index), [JSON]

    async def _models(self, request: Request) -> Reply:
        caller = self._caller(request)
        models = [
            {
                "model": model,
                "about": serving.pipeline.contract.about,
                "version": serving.route.number,
                "fingerprint": serving.route.fingerprint,
                "decide": f"/models/{model}/decide",
                "infer": f"/v2/models/{model}/infer",
            }
            for model, serving in sorted(self._engine.serving.items())
            if caller.may_reach(model)
        ]
        return 200, msgspec.json.encode({"models": models}), [JSON]

    async def _metrics_text(self, request: Request) -> Reply:
        self._caller(request)
        return 200, self._render_metrics(), [PLAIN]

    async def _openapi(self, request: Request) -> Reply:
        caller = self._caller(request)
        contracts = {
            model: serving.pipeline.contract
            for model, serving in sorted(self._engine.serving.items())
            if caller.may_reach(model)
        }
        return 200, openapi(contracts), [JSON]


def refuse(error: MainstayError, door: str) -> Reply:
    """An error in the form of its door."""
    return status_of(error), error_body(error, door), [JSON, *headers_of(error)]
