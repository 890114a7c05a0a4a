"""What is asked over HTTP and how it is answered: the routes, from heads to replies.

Promises that every answer, of every route, is either what was asked or an error in its door's
form; that the caller and the grant are known before a body is read; and that an answer leaves only
after its decision is recorded. Must never let an exception reach the connection: what is not one
of ours is answered as a failure and logged.

A call to a model is not a task of its own: it stands in the version's line and is answered from
there. Only what has to wait for something else (a look-up, an old decision) becomes a task.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from mainstay.access.model import authorise
from mainstay.base.clock import Clock
from mainstay.base.errors import Failed, InvalidRequest, MainstayError, NotReady, StorageFailed
from mainstay.contract.columns import Columns
from mainstay.judge.limits import limits_of
from mainstay.serve.choices.make import Chooser
from mainstay.serve.engine import Engine, Serving
from mainstay.serve.follow import Follower
from mainstay.serve.http.connection import Respond, refuse
from mainstay.serve.http.doors import DoorTable
from mainstay.serve.http.feedback import Feedback, FindDecision, RecordOutcome
from mainstay.serve.http.held import HeldDoor
from mainstay.serve.http.openapi import openapi
from mainstay.serve.http.request import Heads, Reply, Request, Target, resolve
from mainstay.serve.http.wire.choice import (
    choice_answer,
    parse_choice,
    told,
    unit_asked,
    unit_meant,
)
from mainstay.serve.http.wire.model import Parsed
from mainstay.serve.http.wire.oip import server_metadata
from mainstay.serve.join import Told
from mainstay.serve.metrics import Metrics
from mainstay.serve.model import Answer, Call
from mainstay.serve.tracing import OUTGOING, Tracing

Write = Callable[[Answer], Reply]


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A call that is ready to stand in line, and how its answer is written."""

    serving: Serving
    call: Call
    write: Write


Outcome = Reply | Asked
Handler = Callable[[Request, bytes], Outcome | Coroutine[Any, Any, Outcome]]

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
DEFECTS_LOGGED_MAX = 100
OPEN_TO_ALL = frozenset({"live", "ready", "server", "version", "index"})
"""What anybody may ask, with or without a key: nothing of a model is in the answer."""
LABELLING = frozenset({"label-next", "label", "label-skip"})
"""What keys for labelling are for."""
UNTRACED = OPEN_TO_ALL | {"metrics"}
LOG = logging.getLogger("mainstay.serve")


class App:
    """One worker's routes."""

    def __init__(
        self,
        engine: Engine,
        follower: Follower,
        metrics: Metrics,
        clock: Clock,
        find_decision: FindDecision,
        render_metrics: Callable[[], bytes],
        record_outcome: RecordOutcome,
        chooser: Chooser,
    ) -> None:
        self._engine = engine
        self._follower = follower
        self._metrics = metrics
        self._clock = clock
        self._render_metrics = render_metrics
        self._chooser = chooser
        self._doors = DoorTable()
        self._targets: dict[tuple[str, str], Target] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.tracing: Tracing | None = None
        self._defects: set[tuple[str, int]] = set()
        held = HeldDoor(engine, find_decision)
        feedback = Feedback(engine, find_decision, record_outcome, clock)
        self._handlers: dict[str, Handler] = {
            "infer": self._infer,
            "decide": self._decide,
            "invocations": self._invocations,
            "features": self._features,
            "decision": held.decision,
            "state": held.state,
            "release": held.settle,
            "reject": held.settle,
            "outcome": feedback.outcome,
            "report": feedback.report,
            "undo": feedback.undo,
            "choice": self._choice,
            "choose": self._choice,
            "about": self._list,
            "index": self._about,
            "server": self._about,
            "live": self._about,
            "ready": self._about,
            "version": self._about,
            "model": self._model,
            "model-ready": self._model,
            "model-config": self._model,
            "limits": self._model,
            "repository": self._list,
            "models": self._list,
            "metrics": self._measure,
            "openapi": self._describe,
        }

    def also(self, handlers: Mapping[str, Handler]) -> None:
        """Answer more kinds of questions."""
        self._handlers.update(handlers)

    # ---------------------------------------------------------------- from a head to a reply

    def begin(self, method: str, path: str, query: bytes, heads: Heads) -> Request | Reply:
        """What a head asks for; a reply where the head alone settles it."""
        begun = self._begin(method, path, query, heads)
        if self.tracing is None:
            return begun
        if isinstance(begun, Request):
            kind, model = begun.target.kind, begun.target.model
            if kind in UNTRACED:
                return begun
            trace = self.tracing.begin(kind, model, heads.parents, begun.began_ns)
            return msgspec.structs.replace(begun, trace=trace)
        now_ns = self._clock.elapsed_ns()
        self.tracing.begin("refused", "", heads.parents, now_ns).replied(begun[0])
        return begun

    def _begin(self, method: str, path: str, query: bytes, heads: Heads) -> Request | Reply:
        began = self._clock.elapsed_ns()
        kind, model, caller = "", "", None
        try:
            target = self._targets.get((method, path)) or self._resolve(method, path)
            kind, model = target.kind, target.model
            keys = self._follower.keys
            if kind in OPEN_TO_ALL:
                return Request(target, heads, query, None, None, began, method == "HEAD")
            if keys is None:
                raise NotReady(
                    "this worker has no orders yet", expected="the same request again in a moment"
                )
            known = heads.known
            if known is None or known[0] is not keys:
                # A ring never changes: keys that come or go are another ring.
                known = heads.known = keys, keys.authenticate(heads.key)
            caller = known[1]
            serving = None
            if kind == "invocations" and not target.model:
                target = msgspec.structs.replace(target, model=self._only_model(query))
            if target.model:
                authorise(caller, target.model, "label" if kind in LABELLING else "call")
                serving = self._engine.find(target.model, target.version)
            return Request(target, heads, query, caller, serving, began, method == "HEAD")
        except MainstayError as error:
            reply = refuse(error, kind)
            self._metrics.answered("", kind, reply[0], self._clock.elapsed_ns() - began)
            self._metrics.asked(model, caller)
            self._metrics.refused(model, caller, error)
            return reply

    def answer(self, request: Request, body: bytes, respond: Respond) -> None:
        """Answer a whole request; `respond` is called exactly once, now or later."""
        try:
            outcome = self._handlers[request.target.kind](request, body)
            if isinstance(outcome, tuple):
                self._reply(request, outcome, respond)
            elif isinstance(outcome, Asked):
                self._ask(request, outcome, respond)
            else:
                task = asyncio.ensure_future(self._wait_for(request, outcome, respond))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except Exception as error:  # noqa: BLE001  # because whatever happens, a client is told
            self._reply(request, self._failed(request, error), respond)

    async def _wait_for(
        self, request: Request, outcome: Coroutine[Any, Any, Outcome], respond: Respond
    ) -> None:
        try:
            settled = await outcome
            if isinstance(settled, Asked):
                self._ask(request, settled, respond)
                return
        except Exception as error:  # noqa: BLE001  # because whatever happens, a client is told
            settled = self._failed(request, error)
        self._reply(request, settled, respond)

    def _ask(self, request: Request, asked: Asked, respond: Respond) -> None:
        """Stand in the version's line; the answer is written as soon as it is recorded."""

        def tell(told: Told) -> None:
            try:
                if isinstance(told, Answer):
                    reply = asked.write(told)
                    if request.trace is not None:
                        request.trace.decided(told.ids[0], told.statuses[0])
                else:
                    self._engine.note_failure(asked.serving, asked.call.rows, told)
                    reply = self._failed(request, told)
            except Exception as error:  # noqa: BLE001  # because whatever happens, a client is told
                reply = self._failed(request, error)
            self._reply(request, reply, respond)

        (asked.serving.mixture or asked.serving.joiner).submit(asked.call, tell)

    def _reply(self, request: Request, reply: Reply, respond: Respond) -> None:
        trace = request.trace
        if trace is not None:
            status, content, headers = reply
            reply = status, content, [*headers, (b"traceresponse", trace.traceparent.encode())]
            trace.replied(status)
        respond(reply)
        target = request.target
        self._metrics.asked(target.model, request.caller)
        self._metrics.answered(
            target.model, target.kind, reply[0], self._clock.elapsed_ns() - request.began_ns
        )

    def _failed(self, request: Request, error: BaseException) -> Reply:
        target = request.target
        if not isinstance(error, MainstayError):
            self._log_defect(error)
            error = Failed(
                "this request met a defect of the server; the log has it, the rest goes on"
            )
        self._metrics.refused(target.model, request.caller, error)
        if isinstance(error, InvalidRequest):
            self._metrics.refused_value(target.model, error.field)
        elif isinstance(error, StorageFailed):
            self._metrics.spool_error()
        return refuse(error, target.kind)

    def _log_defect(self, error: BaseException) -> None:
        """Log a defect with all that is known of it, but each one only once: the same fault in
        every request must not fill the disk."""
        self._metrics.defect(repr(error))
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = (type(error).__name__, trace.tb_lineno if trace is not None else 0)
        if place not in self._defects and len(self._defects) < DEFECTS_LOGGED_MAX:
            self._defects.add(place)
            LOG.error("a request met a defect", exc_info=error)

    def _resolve(self, method: str, path: str) -> Target:
        target = resolve(method, path)
        if len(self._targets) < TARGETS_MAX:
            self._targets[method, path] = target
        return target

    def _only_model(self, query: bytes) -> str:
        """The model of a path that names none: the one asked for, or the only one there is."""
        asked = parse_qs(query.decode("latin-1")).get("model")
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

    # -------------------------------------------------------------------- calls to a model

    def _infer(self, request: Request, body: bytes) -> Outcome | Coroutine[Any, Any, Outcome]:
        serving = _serving(request)
        door = self._doors.of(serving).infer
        parsed = door.parse(body, request.heads.json_length)

        def write(answer: Answer) -> Reply:
            content, headers = door.encode(answer, parsed)
            return 200, content, headers

        return self._call(request, parsed, write)

    def _decide(self, request: Request, body: bytes) -> Outcome | Coroutine[Any, Any, Outcome]:
        serving = _serving(request)
        door = self._doors.of(serving).decide
        parsed = door.parse(body)
        changed = told(self._chooser.news(serving.route))
        return self._call(
            request, parsed, lambda answer: (200, door.encode(answer, parsed, changed), [JSON])
        )

    def _invocations(self, request: Request, body: bytes) -> Outcome | Coroutine[Any, Any, Outcome]:
        door = self._doors.of(_serving(request)).invocations
        parsed = door.parse(body, request.heads.content_type)
        return self._call(
            request, parsed, lambda answer: (200, door.encode(answer, parsed), [JSON])
        )

    def _call(
        self, request: Request, parsed: Parsed, write: Write
    ) -> Outcome | Coroutine[Any, Any, Outcome]:
        """What a door read as a call, at once or after its context was looked up."""
        serving = _serving(request)
        inputs = serving.pipeline.normal(parsed.inputs)
        if serving.gatherer.needed:
            return self._gather_first(request, parsed, inputs, write)
        return Asked(serving, _call_of(request, parsed, inputs, parsed.context, {}), write)

    async def _gather_first(
        self, request: Request, parsed: Parsed, inputs: Columns, write: Write
    ) -> Outcome:
        serving, trace = _serving(request), request.trace
        began_ns = self._clock.elapsed_ns()
        if trace is not None:
            OUTGOING.set(trace.traceparent)  # of this task alone
        context, notes = await self._gather(serving, parsed, inputs)
        if trace is not None:
            trace.step("gather", began_ns, self._clock.elapsed_ns())
        return Asked(serving, _call_of(request, parsed, inputs, context, notes), write)

    async def _gather(
        self, serving: Serving, parsed: Parsed, inputs: Columns
    ) -> tuple[Columns, dict[int, str]]:
        """The whole context of a call; values that break the contract are never looked up."""
        serving.pipeline.refuse_bad(inputs)
        if not serving.gatherer.needed:
            return parsed.context, {}
        found, notes = await serving.gatherer.gather(inputs, parsed.rows)
        return {**parsed.context, **found}, notes

    async def _features(self, request: Request, body: bytes) -> Reply:
        """The extractor as a service: what a version would have fed its model."""
        serving = _serving(request)
        door = self._doors.of(serving).decide
        parsed = door.parse(body)
        inputs = serving.pipeline.normal(parsed.inputs)
        context, _ = await self._gather(serving, parsed, inputs)
        features = serving.pipeline.features(inputs, context)
        names = serving.loaded.manifest.features
        return 200, door.encode_features(features, names, parsed), [JSON]

    # -------------------------------------------------------------------- everything else

    def _choice(self, request: Request, body: bytes) -> Reply:
        """Which version a unit chose, or chooses now."""
        serving, caller = _serving(request), request.caller
        assert caller is not None
        route, pipeline = serving.route, serving.pipeline
        news = self._chooser.open_in(route)
        choosing = request.target.kind == "choose"
        said = parse_choice(body) if choosing else None
        unit = said.unit if said else unit_asked(request.query, pipeline.contract, route.unit)
        meant = unit_meant(unit, pipeline.contract, pipeline.checker, route.unit, caller.name)
        if said is None:
            which = self._chooser.chosen(route, meant)
            return 200, choice_answer(route, news, meant, which), [JSON]
        event = self._chooser.choose(route, caller.name, meant, said.version)
        return 200, choice_answer(route, news, meant, said.version, event), [JSON]

    def _about(self, request: Request, body: bytes) -> Reply:
        """What anybody may know: that the server is there, ready, and where to go on."""
        del body
        ready = self._follower.ready
        match request.target.kind:
            case "live":
                return 200, b'{"live":true}', [JSON]
            case "ready":
                content = b'{"live":true,"ready":%s}' % (b"true" if ready else b"false")
                return 200 if ready else 503, content, [JSON]
            case "index":
                return 200, INDEX, [JSON]
            case _:
                return 200, server_metadata(), [JSON]

    def _model(self, request: Request, body: bytes) -> Reply:
        """What one version says of itself."""
        del body
        serving = _serving(request)
        number = serving.route.number
        door = self._doors.of(serving).infer
        match request.target.kind:
            case "model-ready":
                model = serving.route.model
                ready = self._follower.ready and model not in self._engine.stopped
                content = msgspec.json.encode({"name": model, "ready": ready})
                return 200 if ready else 503, content, [JSON]
            case "model-config":
                return 200, door.configuration(number), [JSON]
            case "limits":
                found = limits_of(serving.loaded.manifest, number)
                return 200, msgspec.json.encode(found), [JSON]
            case _:
                changed = told(self._chooser.news(serving.route))
                return 200, door.metadata(_numbers(serving), changed), [JSON]

    def _list(self, request: Request, body: bytes) -> Reply:
        """The models that a caller was granted, in our words or in those of the protocol."""
        del body
        reached = self._reached(request)
        if request.target.kind == "repository":
            state = "READY" if self._follower.ready else "UNAVAILABLE"
            index = [
                {"name": model, "version": str(s.route.number), "state": state, "reason": ""}
                for model, s in reached.items()
            ]
            return 200, msgspec.json.encode(index), [JSON]
        if request.target.kind == "about":
            return 200, msgspec.json.encode(self._entry(_serving(request))), [JSON]
        models = [self._entry(serving) for serving in reached.values()]
        return 200, msgspec.json.encode({"models": models}), [JSON]

    def _entry(self, serving: Serving) -> dict[str, Any]:
        """What is said of a model among others, or of it alone."""
        model, route = serving.route.model, serving.route
        entry: dict[str, Any] = {
            "model": model,
            "about": serving.pipeline.contract.about,
            "version": route.number,
            "fingerprint": route.fingerprint,
            "decide": f"/models/{model}/decide",
            "infer": f"/v2/models/{model}/infer",
        }
        changed = told(self._chooser.news(route))
        return entry if changed is None else entry | {"changed": changed}

    def _reached(self, request: Request) -> dict[str, Serving]:
        assert request.caller is not None
        may_reach = request.caller.may_reach
        return {m: s for m, s in sorted(self._engine.serving.items()) if may_reach(m)}

    def _measure(self, request: Request, body: bytes) -> Reply:
        del request, body
        return 200, self._render_metrics(), [PLAIN]

    def _describe(self, request: Request, body: bytes) -> Reply:
        del body
        contracts = {m: s.pipeline.contract for m, s in self._reached(request).items()}
        return 200, openapi(contracts), [JSON]


def _serving(request: Request) -> Serving:
    assert request.serving is not None, "a target that names a model is begun with its version"
    return request.serving


def _numbers(serving: Serving) -> list[int]:
    """The versions that may be asked for by number."""
    return sorted({version.route.number for version in serving.versions.values()})


def _call_of(
    request: Request, parsed: Parsed, inputs: Columns, context: Columns, notes: dict[int, str]
) -> Call:
    assert request.caller is not None
    return Call(
        request.caller,
        request.target.kind,
        parsed.request,
        inputs,
        context,
        parsed.rows,
        request.began_ns,
        notes,
        parsed.repaired,
        trace=request.trace,
    )
