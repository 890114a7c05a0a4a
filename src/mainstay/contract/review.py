"""Settings that do nothing: they equal the default, equal what they extend, or nothing uses them.

Promises that taking away every setting named here leaves the same contract. A setting that does
nothing misleads whoever reads it, so `mainstay check` shows them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from mainstay.contract.document import Document, Place
from mainstay.contract.load import (
    becomes_another,
    is_value,
    load_contract,
    merge,
    read_chain,
    resolved,
)
from mainstay.contract.model import Contract, FromLookup, FromRequest, Kind, Ranking
from mainstay.contract.shape import GIVEN_IN_FILE, default_at, infer_tags
from mainstay.contract.shares import share
from mainstay.contract.words import Setting, setting_name

Idle = tuple[str, str, str]

_OF_TESTS: Final = ("decide_by", "floor", "share_by")
_OF_GOING_BACK: Final = ("opt_back_until", "notes")
_OTHERS: Final = (*_OF_TESTS, *_OF_GOING_BACK)
_IDLE_IN_RELEASE: Final[dict[str, tuple[str, ...]]] = {
    "direct": ("steps", "bake", "unit", "shadow", "worse_by", "false_alarms", *_OTHERS),
    "shadow": ("steps", *_OTHERS),
    "canary": _OTHERS,
    "gradual": ("shadow", "worse_by", "false_alarms", *_OTHERS),
    "ab": ("steps", "shadow", "floor", "share_by", *_OF_GOING_BACK),
    "bandit": ("steps", "shadow", *_OF_GOING_BACK),
    "opt_back": ("steps", "bake", "shadow", "worse_by", "false_alarms", *_OF_TESTS),
}
"""Strategy to the settings it does not look at."""


def idle_settings(path: Path) -> list[Idle]:
    """(file:line, setting, why) for each setting without an effect; the contract must load."""
    contract = load_contract(path)
    chain = read_chain(path)
    whole = resolved(chain)
    list(infer_tags(whole.value))
    below = Document({}, {}, [])
    found: list[tuple[Place, Setting, str]] = []
    for document in chain.documents:
        for at, why in _idle_changes(document.value, below.value, whole.value, ()):
            found.append((document.places[at], at, why))
        below = merge(below, document)
    for at, why in _unused(contract):
        if at in whole.places:
            found.append((whole.places[at], at, why))
    found.sort(key=lambda each: each[0])
    return [(str(place), setting_name(at), why) for place, at, why in found]


def _idle_changes(change: Any, base: Any, whole: Any, at: Setting) -> Iterator[tuple[Setting, str]]:
    known = cast("dict[str, Any]", base) if isinstance(base, dict) else {}
    if becomes_another(known, change, at):
        known = {}
    for name, item in cast("dict[str, Any]", change).items():
        here = (*at, name)
        if here == (GIVEN_IN_FILE,):
            continue
        if item is None and not is_value(here):
            if name not in known:
                yield here, "null takes a setting away, and there is none here"
        elif isinstance(item, dict) and item:
            yield from _idle_changes(cast("dict[str, Any]", item), known.get(name), whole, here)
        elif name in known:
            if _same(known[name], item):
                yield here, "equals what it extends"
        elif _equals_default(whole, here, item):
            yield here, "equals the default"


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _equals_default(whole: Any, at: Setting, value: Any) -> bool:
    """Whether a setting could be left out; a later file may have taken its surroundings away."""
    inside = whole
    for name in at[:-1]:
        if not isinstance(inside, dict) or name not in inside:
            return False
        inside = cast("dict[Any, Any]", inside)[name]
    if not isinstance(inside, dict) or at[-1] not in inside:
        return False
    has_default, default = default_at(whole, at)
    return has_default and _same(default, value)


def _unused(contract: Contract) -> Iterator[tuple[Setting, str]]:
    used = {c.lookup for c in contract.context.values() if isinstance(c, FromLookup)}
    for name in contract.lookups:
        if name not in used:
            yield ("lookups", name), "no context uses this lookup"
    output = contract.output
    if isinstance(output, Ranking) and output.top >= len(output.items):
        words = f"all {len(output.items)} items are shown anyway"
        yield ("output", "top"), words
    for name, source in contract.context.items():
        if isinstance(source, FromRequest) and source.otherwise is not None:
            kind: Kind = source.value
            if kind.optional:
                words = "it is never missing, because `otherwise` stands in"
                yield ("context", name, "value", "optional"), words
    strategy = contract.release.strategy
    idle = _IDLE_IN_RELEASE.get(strategy, ())
    if share(contract.labels.hold_out):
        idle = tuple(name for name in idle if name != "unit")  # it names who is held out
    for name in idle:
        words = f"the strategy {strategy} does not use it; only `deploy --strategy` could"
        yield ("release", name), words
    if not contract.gate.parity:
        yield ("gate", "parity_within"), "`gate.parity` names no input"
