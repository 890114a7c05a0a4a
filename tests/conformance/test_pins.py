"""Every store of pins keeps the same promises: N7, O13."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.contract.model import Category, Contract, FromRequest, Number, Probability
from mainstay.release.pins.memory import MemoryPinStore
from mainstay.release.pins.model import Pin
from mainstay.release.pins.port import PinStore
from mainstay.release.pins.sql import SqlPinStore

PIN = Pin(
    model="fraud",
    client="checkout ½",
    contract=Contract(
        model="fraud",
        inputs={"amount": Number(min=0), "country": Category(values=("DE", "FR"))},
        context={"note": FromRequest(value=Number(), otherwise=0)},
        output=Probability(classes=("ok", "fraud")),
    ),
    actor="ann",
    time_ns=5,
)


@pytest.fixture
def store(kept_in: Engine | None) -> PinStore:
    return MemoryPinStore() if kept_in is None else SqlPinStore(kept_in)


def test_a_client_has_one_pin_of_a_model(store: PinStore):
    """A later one takes its place; those of others stay."""
    later = replace(PIN, time_ns=9, contract=replace(PIN.contract, context={}))
    other, elsewhere = replace(PIN, client="App"), replace(PIN, model="churn")
    for pin in (PIN, elsewhere, other, later):
        store.keep(pin)
    assert list(store.of("fraud")) == [other, later]
    assert list(store.of()) == [elsewhere, other, later]
    assert list(store.of("nobody")) == list(store.of("a\0")) == []


def test_a_pin_is_forgotten_by_name(store: PinStore):
    """Who is not there is not forgotten silently."""
    store.keep(PIN)
    with pytest.raises(NotFound, match="did you mean 'checkout ½'"):
        store.remove("fraud", "checkout")
    for model, client in (("churn", PIN.client), ("fraud", "a\0"), ("\ud800", "x")):
        with pytest.raises(NotFound):
            store.remove(model, client)
    store.remove("fraud", PIN.client)
    assert list(store.of()) == []


@pytest.mark.parametrize("client", ["", "  ", "a\nb", "a\0", "x" * 500])
def test_a_client_has_a_name_that_can_be_said(store: PinStore, client: str):
    with pytest.raises(InvalidUsage, match="no name of a client"):
        store.keep(replace(PIN, client=client))
    assert list(store.of()) == []
