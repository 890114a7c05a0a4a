"""Whether a safeguard can do its part once a version is live (S22)."""

import pytest
from msgspec import structs

from mainstay.bundle.model import Version
from mainstay.contract.judging import Judge
from mainstay.contract.model import Number, Probability
from mainstay.contract.safeguards import Safeguard
from mainstay.release.cascade import Known, Node
from mainstay.release.standing_in import chain_faults
from tests.release.test_cascade import node

CLASSES = Probability(classes=("right", "wrong"))


def fraud(number: int = 1, version: int | None = None) -> Node:
    plain = node("fraud", number, output=Probability(classes=("ok", "fraud")))
    assert plain.contract is not None
    judge = Judge(safeguard=Safeguard(version=version))
    return structs.replace(plain, contract=structs.replace(plain.contract, judge=judge))


def guard(number: int = 1, output: Probability = CLASSES, pin: int | None = None, **takes: Number):
    shown = takes or {"said_confidence": Number()}
    pins = {} if pin is None else {"fraud": pin}
    return node("fraud-safeguard", number, output=output, takes=shown, pins=pins)


def faults(candidate: Node, in_force: list[Node], others: tuple[Node, ...] = ()) -> list[str]:
    every = [*in_force, *others]

    def versions(model: str) -> list[Version]:
        return [each.version for each in every if each.model == model]

    known = Known(versions, lambda v: next(each for each in every if each.version == v))
    return list(chain_faults(candidate, {each.model: each for each in in_force}, known))


def test_one_that_fits_or_is_not_there_yet_keeps_nobody_back() -> None:
    """S22: there can be none before the model has answered anybody."""
    assert faults(fraud(), []) == []
    assert faults(fraud(), [guard()]) == []
    assert faults(guard(), [fraud()]) == []
    assert faults(fraud(version=2), [], (guard(2),)) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (guard(output=Probability(classes=("wrong", "right"))), "the two classes right and wrong"),
        (guard(height=Number()), "it takes the input 'height', which fraud has not"),
    ],
)
def test_one_that_cannot_do_it_is_refused_whoever_comes_first(wrong: Node, why: str) -> None:
    """S22: in words, with what the safeguard would need."""
    for found in (faults(fraud(), [wrong]), faults(wrong, [fraud()])):
        (words,) = found
        assert words.startswith("fraud-safeguard v1 cannot be the safeguard of fraud v1: ")
        assert why in words


def test_one_that_is_not_asked_need_not_fit() -> None:
    """S22: made for another version, or not the one that is named by its number."""
    old = guard(pin=1, height=Number())
    assert faults(fraud(2), [old]) == []
    assert faults(fraud(1), [old]) != []
    assert faults(guard(2, height=Number()), [fraud(version=1)]) == []


def test_a_numbered_one_must_be_there() -> None:
    """S22: a number is a promise that somebody looked."""
    (words,) = faults(fraud(version=3), [], (guard(1),))
    assert "its safeguard fraud-safeguard v3: there is no such version here" in words
