"""The gate names every pinned client that a candidate would break, and no other one (N7 O13)."""

from typing import Any

import pytest
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Category,
    Contract,
    FromRequest,
    Integer,
    Label,
    Number,
    Probability,
    Text,
)
from mainstay.release.pins.model import Pin, broken, pinned, refuse_broken, relied_on

LIVE = Contract(
    model="fraud",
    inputs={
        "amount": Number(min=0, max=50_000),
        "country": Category(values=("DE", "FR", "US")),
        "note": Text(optional=True, max_length=500),
    },
    context={"channel": FromRequest(value=Category(values=("web", "app")), otherwise="web")},
    output=Probability(classes=("ok", "fraud", "unclear")),
)


def pin(client: str = "checkout", *sends: str, contract: Contract = LIVE) -> Pin:
    return Pin(
        model="fraud", client=client, contract=relied_on(contract, sends), actor="ann", time_ns=1
    )


def inputs(**changes: Any) -> Contract:
    """The live contract with other inputs; None removes one."""
    kinds = {n: k for n, k in (LIVE.inputs | changes).items() if k is not None}
    return replace(LIVE, inputs=kinds)


@pytest.mark.parametrize(
    ("candidate", "setting"),
    [
        (inputs(note=None), "inputs.note"),
        (inputs(amount=Number(min=0, max=10)), "inputs.amount.max"),
        (inputs(amount=Integer(min=0, max=50_000)), "inputs.amount"),
        (inputs(country=Category(values=("DE", "FR"))), "inputs.country.values"),
        (inputs(note=Text(max_length=500)), "inputs.note.optional"),
        (inputs(age=Integer()), "inputs.age"),
        (replace(LIVE, context={}), "context.channel"),
        (replace(LIVE, output=Probability(classes=("ok", "fraud"))), "output.classes"),
        (replace(LIVE, output=Label(classes=("ok", "fraud", "unclear"))), "output"),
    ],
)
def test_what_breaks_a_client_is_named_with_the_client(candidate: Contract, setting: str):
    """Removed, narrowed, newly required, another type; a class that is gone."""
    (finding,) = pinned([pin()], candidate, LIVE)
    assert finding.verdict == "fail"
    assert finding.slice.startswith(f"checkout: {setting} ")


@pytest.mark.parametrize(
    "candidate",
    [
        LIVE,
        inputs(amount=Number(min=0)),
        inputs(country=Category(values=("DE", "FR", "US", "IT"))),
        inputs(age=Integer(optional=True)),
        replace(LIVE, judge=Judge()),
        replace(LIVE, about="another text", log="durable"),
    ],
)
def test_what_breaks_nobody_passes(candidate: Contract):
    (finding,) = pinned([pin(), pin("app")], candidate, LIVE)
    assert (finding.verdict, finding.words) == ("pass", "checkout, app can go on as before")


def test_only_what_a_client_sends_can_break_it():
    """One that never sends the note does not miss it; who does is named beside it."""
    without = inputs(note=None)
    findings = pinned([pin("app", "amount", "country"), pin()], without, LIVE)
    assert [(each.slice, each.verdict) for each in findings] == [
        ("checkout: inputs.note removed", "fail"),
        ("", "pass"),
    ]
    assert findings[1].words.startswith("app ")


def test_whom_the_live_version_broke_is_not_broken_again():
    """An accepted break is named, and does not fail every candidate after it."""
    without = inputs(note=None)
    (finding,) = pinned([pin()], without, without)
    assert finding.verdict == "pass"
    assert "so it is already" in finding.words
    both = replace(without, output=Probability(classes=("ok", "fraud")))
    assert [each.verdict for each in pinned([pin()], both, without)] == ["pass", "fail"]
    assert [each.verdict for each in pinned([pin()], without, None)] == ["fail"]


def test_a_pin_that_is_not_kept_now_is_refused():
    """O13: it would say nothing about candidates; a field that is not there is a typing error."""
    with pytest.raises(InvalidUsage, match="did you mean 'amount'"):
        relied_on(LIVE, ["amuont"])
    with pytest.raises(InvalidUsage, match=r"inputs\.country: clients that do not send it"):
        refuse_broken(pin("app", "amount"), LIVE)
    mistaken = pin(contract=inputs(amount=Number()))
    with pytest.raises(InvalidUsage, match=r"checkout cannot rely on this: inputs\.amount"):
        refuse_broken(mistaken, LIVE)
    refuse_broken(pin("app", "amount", "country"), LIVE)
    assert broken(pin(), LIVE) == []
