"""The doors of decisions as they stand: looking one up, and releasing or rejecting what waits.

Promises that what is held is not told to whoever asked for it, on this way either, before somebody
else released it; who decides sees all of it. A release is answered once it is kept.
"""

from typing import Any

import msgspec

from mainstay.access.model import LOCAL, authorise
from mainstay.base.errors import NotFound
from mainstay.base.ids import parse_decision_id
from mainstay.journal.model import Decision
from mainstay.judge.explain import Passed, path_of
from mainstay.serve.engine import Engine
from mainstay.serve.held.model import Standing
from mainstay.serve.http.feedback import FindDecision
from mainstay.serve.http.request import Reply, Request
from mainstay.serve.http.wire.feedback import parse_undo

_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode
_TELLING = ("output", "judged", "features")
"""Parts of a record that say what was not told."""


class HeldDoor:
    """What one worker does for decisions that were made."""

    def __init__(self, engine: Engine, find: FindDecision) -> None:
        self._engine = engine
        self._settler = engine.settler
        self._find = find

    async def decision(self, request: Request, body: bytes) -> Reply:
        """Everything about one decision, with what became of it where it was held."""
        del body
        content = await self._find(request.target.name)
        decision: dict[str, Any] = msgspec.json.decode(content)
        assert request.caller is not None
        authorise(request.caller, decision["model"])
        decision["path"] = self._path(decision)
        if decision["status"] != "held":
            return 200, _encode(decision), [_JSON]
        standing = self._standing(decision)
        if standing.state != "released" and request.caller.name == decision["caller"]:
            decision |= {**{part: {} for part in _TELLING}, "path": []}
            decision["reason"] = ""
            events: list[dict[str, Any]] = decision.get("since", [])
            decision["since"] = [event for event in events if event.get("check") != "hold"]
            standing = msgspec.structs.replace(standing, words="")
        return 200, _encode(decision | {"held": standing}), [_JSON]

    def _path(self, decision: dict[str, Any]) -> list[Passed]:
        """Its way through judgement; with the bars that were set, where its version is here."""
        serving = self._engine.serving.get(decision["model"])
        version = None if serving is None else serving.versions.get(decision["fingerprint"])
        contract = None if version is None else version.pipeline.contract
        return path_of(msgspec.convert(decision, Decision), contract)

    async def state(self, request: Request, body: bytes) -> Reply:
        """How a decision stands, in short; what is held is known without the journal."""
        del body
        identity = request.target.name
        parse_decision_id(identity)
        caller = request.caller
        assert caller is not None
        try:
            standing = self._settler.standing(identity)
        except NotFound:
            decision: dict[str, Any] = msgspec.json.decode(await self._find(identity))
            authorise(caller, decision["model"])
            if decision["status"] == "held":
                return 200, _encode(self._standing(decision)), [_JSON]
            about = {"id": identity, "model": decision["model"], "state": decision["status"]}
            return 200, _encode(about), [_JSON]
        authorise(caller, standing.model)
        if caller.name == self._settler.asked_by(identity):
            standing = msgspec.structs.replace(standing, words="")
        return 200, _encode(standing), [_JSON]

    def settle(self, request: Request, body: bytes) -> Reply:
        """Release or reject."""
        identity = request.target.name
        parse_decision_id(identity)
        said = parse_undo(body)
        caller = request.caller
        assert caller is not None
        authorise(caller, self._settler.standing(identity).model)
        standing = self._settler.decide(
            identity,
            "released" if request.target.kind == "release" else "rejected",
            caller.name,
            said.reason,
            by_another=caller.name != LOCAL,
        )
        return 200, _encode(standing), [_JSON]

    def _standing(self, decision: dict[str, Any]) -> Standing:
        """How it stands; from the journal where the desk has long forgotten it."""
        try:
            return self._settler.standing(decision["id"])
        except NotFound:
            for event in reversed(decision.get("since", [])):
                if event.get("did") in ("released", "rejected"):
                    return Standing(
                        id=decision["id"],
                        model=decision["model"],
                        state=event["did"],
                        actor=event["actor"],
                        reason=event["reason"],
                        time=event["time"],
                    )
            return Standing(id=decision["id"], model=decision["model"], state="held")
