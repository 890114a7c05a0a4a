"""Every chain of routes keeps the same promises: S5, S10 (one append, never overwritten)."""

import pytest
from sqlalchemy import Engine

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain
from mainstay.serve.routes.sql import SqlRouteChain


@pytest.fixture
def chain(kept_in: Engine | None, clock: ManualClock) -> RouteChain:
    return MemoryRouteChain(clock) if kept_in is None else SqlRouteChain(kept_in, clock)


def test_an_empty_chain_has_nothing_in_force(chain: RouteChain):
    assert chain.current("fraud") is None
    assert list(chain.history("fraud")) == []
    assert list(chain.all_current()) == []


def test_the_newest_entry_is_in_force_and_none_is_lost(chain: RouteChain, clock: ManualClock):
    """S5, S10: an append is all it takes, and the past stays."""
    appended: list[Route] = []
    for epoch, number in enumerate((1, 2, 1)):
        appended.append(chain.append("fraud", epoch, number, f"f{number}", "ann", "why\nnot"))
        clock.advance(1)
    other = chain.append("Churn", 0, 1, "c1", "bob", "")
    assert chain.current("fraud") == appended[-1]
    assert list(chain.history("fraud")) == appended
    assert [route.epoch for route in appended] == [1, 2, 3]
    assert list(chain.all_current()) == [other, appended[-1]]
    assert appended[1] == Route(
        model="fraud",
        epoch=2,
        number=2,
        fingerprint="f2",
        actor="ann",
        reason="why\nnot",
        time_ns=1_700_000_001_000_000_000,
    )


@pytest.mark.parametrize("replaces", [0, 1])
def test_who_comes_second_is_told_who_was_first(chain: RouteChain, replaces: int):
    """The two deployers: with what, as which epoch, when, and why."""
    chain.append("fraud", 0, 1, "f1", "zoe", "")
    winner = chain.append("fraud", 1, 2, "f2" * 32, "ann", "better recall")
    with pytest.raises(Conflict) as lost:
        chain.append("fraud", replaces, 3, "f3", "bob", "")
    for said in ("ann", "v2", "f2f2f2f2f2f2", "epoch 2", "2023-11-14 22:13:20", "better recall"):
        assert said in lost.value.message
    assert lost.value.got == replaces
    assert chain.current("fraud") == winner


@pytest.mark.parametrize("replaces", [-1, 1, 7])
def test_an_epoch_that_never_was_cannot_be_replaced(chain: RouteChain, replaces: int):
    """A chain has no gap."""
    with pytest.raises(Conflict, match="it has none yet"):
        chain.append("fraud", replaces, 1, "f1", "ann", "")
    assert list(chain.history("fraud")) == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("actor", ""),
        ("actor", "ann\0"),
        ("actor", "ann\n"),
        ("model", "\ud800"),
        ("fingerprint", ""),
        ("reason", "\0"),
        ("reason", "x" * 1001),
        ("reason", "\x1b[31m"),
    ],
)
def test_words_that_cannot_be_kept_are_refused(chain: RouteChain, field: str, text: str):
    """Refused in words before the database sees them, and never shown raw on a terminal."""
    words = {"model": "fraud", "fingerprint": "f1", "actor": "ann", "reason": ""} | {field: text}
    with pytest.raises(InvalidUsage, match=f"the {field} of a route") as refused:
        chain.append(replaces=0, number=1, **words)
    assert str(refused.value.got).isascii()
    assert list(chain.all_current()) == []
    assert chain.current("a\0") is None
    assert list(chain.history("\ud800")) == []
