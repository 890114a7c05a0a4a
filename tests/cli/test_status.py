"""`mainstay status` tells what a person should look at (M1)."""

import json

import msgspec

from mainstay.cli.status import _problems
from mainstay.serve.routes.model import Arm, Refusal, Route, WorkerState
from mainstay.serve.supervise import SupervisorReport

SERVER = SupervisorReport(
    pid=1,
    url="http://127.0.0.1:1",
    started_ns=0,
    workers=1,
    rolling=False,
    stopping=False,
    places=[],
)


def test_an_arm_that_a_worker_has_not_got_is_named_with_its_role_and_why():
    """M1 S31: for people in a sentence, for programs in the worker's state."""
    arms = (
        Arm(role="share", number=2, fingerprint="2" * 64, share=0.1),
        Arm(role="shadow", number=3, fingerprint="3" * 64, share=1.0),
    )
    route = Route(
        model="fraud", number=1, fingerprint="1" * 64, actor="ann", reason="", arms=arms, salt="s",
        epoch=4, time_ns=0,
    )  # fmt: skip
    refused = Refusal(epoch=4, fingerprint="3" * 64, error="its output has another shape")
    worker = WorkerState(
        slot=0, pid=2, started_at_ns=0, beat_at_ns=0, ready=True, draining=False,
        serving={"fraud": route}, refused={}, refused_arms={"fraud": (refused,)},
    )  # fmt: skip
    (words,) = _problems(SERVER, [worker], None, [route])
    assert words.startswith("worker 0 has not got the shadow v3 of fraud, and the live version ")
    assert words.endswith("answers for it: its output has another shape")
    told = json.loads(msgspec.json.encode(worker))
    assert told["refused_arms"]["fraud"][0]["error"] == "its output has another shape"
    later = msgspec.structs.replace(route, arms=(), salt="", epoch=5)
    words, *_ = _problems(SERVER, [worker], None, [later])
    assert words.startswith("worker 0 has not got an arm of fraud (333333333333)")
