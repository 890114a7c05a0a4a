"""A pin: what one client sends to a model, and what it reads of the answer.

Promises that a candidate is said to break a client exactly when something that client sends would
be refused (removed, narrowed, of another type, or newly required), or something it reads would be
of another kind or mean another thing; what other clients send or read does not matter to it.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.difference import Change, difference
from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, FromRequest
from mainstay.contract.words import did_you_mean, one_of

CHECK: Final = "pinned client"
_SEEN: Final = ("inputs", "context", "output", "model")


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What a client relies on."""

    model: str
    client: str
    contract: Contract
    """The inputs and the context that it sends, and the output that it reads; nothing else of it is
    looked at."""
    actor: str
    time_ns: int


def relied_on(contract: Contract, sends: Collection[str] = ()) -> Contract:
    """The part of a contract that a client can rely on; `sends` are the fields that it sends, all
    of them where none is named."""
    sent = {n: s for n, s in contract.context.items() if isinstance(s, FromRequest)}
    known = (*contract.inputs, *sent)
    for name in sends:
        if name not in known:
            raise InvalidUsage(
                f"{contract.model} takes no field {name!r}" + did_you_mean(name, known),
                field="sends",
                got=name,
                expected=one_of(known),
            )
    return Contract(
        model=contract.model,
        inputs={n: k for n, k in contract.inputs.items() if not sends or n in sends},
        context={n: s for n, s in sent.items() if not sends or n in sends},
        output=contract.output,
    )


def broken(pin: Pin, by: Contract) -> list[Change]:
    """What a client would be refused with, or could not read any more."""
    return [
        change
        for change in difference(pin.contract, relied_on(by))
        if change.breaks and change.setting.split(".")[0].split(" ")[0] in _SEEN
    ]


def pinned(pins: Iterable[Pin], candidate: Contract, baseline: Contract | None) -> list[Finding]:
    """Every client that a candidate would break, by name, with what breaks it."""
    findings: list[Finding] = []
    held: list[str] = []
    for pin in pins:
        found = list(_of(pin, candidate, baseline))
        findings += found
        if not found:
            held.append(pin.client)
    if held:
        words = f"{', '.join(held)} can go on as before"
        findings.append(Finding(check=CHECK, verdict="pass", words=words))
    return findings


def _of(pin: Pin, candidate: Contract, baseline: Contract | None) -> Iterator[Finding]:
    before = [] if baseline is None else broken(pin, baseline)
    for change in broken(pin, candidate):
        old = change in before
        yield Finding(
            check=CHECK,
            slice=f"{pin.client}: {change.setting} {_how(change)}",
            # Whom what serves has broken already, the candidate does not break.
            verdict="pass" if old else "fail",
            words=f"{change.words}; so it is already" if old else change.words,
        )


def _how(change: Change) -> str:
    if change.after is None:
        return "removed"
    return "added" if change.before is None else "changed"


def refuse_broken(pin: Pin, live: Contract) -> None:
    """Refuse a pin that what serves does not keep: it would say nothing about a candidate."""
    changes = broken(pin, live)
    if changes:
        first = changes[0]
        raise InvalidUsage(
            f"{pin.client} cannot rely on this: {first.setting}: {first.words}, by the version "
            "that serves",
            field="contract",
            got=first.setting,
            expected="what the live version takes and answers; `mainstay diff` shows both",
        )
