"""Every chain of routes keeps the same promises: S5, S10 (one append, never overwritten)."""

import pytest
from msgspec import structs
from sqlalchemy import Engine

from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Arm, Draft, News, Route
from mainstay.serve.routes.port import RouteChain
from mainstay.serve.routes.sql import SqlRouteChain
from tests.serve_routes.drafts import draft


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
        appended.append(
            chain.append(draft("fraud", number, f"f{number}", "ann", "why\nnot"), epoch)
        )
        clock.advance(1)
    other = chain.append(draft("Churn", 1, "c1", "bob", ""), 0)
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
    chain.append(draft("fraud", 1, "f1", "zoe", ""), 0)
    winner = chain.append(draft("fraud", 2, "f2" * 32, "ann", "better recall"), 1)
    with pytest.raises(Conflict) as lost:
        chain.append(draft("fraud", 3, "f3", "bob", ""), replaces)
    for said in ("ann", "v2", "f2f2f2f2f2f2", "epoch 2", "2023-11-14 22:13:20", "better recall"):
        assert said in lost.value.message
    assert lost.value.got == replaces
    assert chain.current("fraud") == winner


@pytest.mark.parametrize("replaces", [-1, 1, 7])
def test_an_epoch_that_never_was_cannot_be_replaced(chain: RouteChain, replaces: int):
    """A chain has no gap."""
    with pytest.raises(Conflict, match="it has none yet"):
        chain.append(draft("fraud", 1, "f1", "ann", ""), replaces)
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
        chain.append(draft(number=1, **words), 0)
    assert str(refused.value.got).isascii()
    assert list(chain.all_current()) == []
    assert chain.current("a\0") is None
    assert list(chain.history("\ud800")) == []


_SHARE = Arm(role="share", number=2, fingerprint="f2", share=0.1)
_SHADOW = Arm(role="shadow", number=3, fingerprint="f3", share=1.0)


def test_a_route_keeps_its_arms_and_the_next_one_need_not(chain: RouteChain):
    """S31, N6: a rollout is part of the route, and leaving it is an append like any other."""
    mixed = draft("fraud", 1, "f1", arms=(_SHARE, _SHADOW), salt="canary 1", unit="account")
    chain.append(mixed, 0)
    chain.append(draft("fraud", 1, "f1"), 1)
    rollout, plain = chain.history("fraud")
    assert (rollout.arms, rollout.salt, rollout.unit) == ((_SHARE, _SHADOW), "canary 1", "account")
    assert (plain.arms, plain.salt, plain.unit) == ((), "", "")
    assert chain.current("fraud") == plain


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (draft("fraud", 1, "f1", salt="s"), "salt"),
        (draft("fraud", 1, "f1", unit="account"), "unit"),
        (draft("fraud", 1, "f1", arms=(_SHARE,)), "salt"),
        (draft("fraud", 1, "f1", arms=(_SHARE,), salt="\0"), "salt"),
        (draft("fraud", 1, "f1", arms=(_SHARE,), salt="s", unit="x" * 129), "unit"),
        (draft("fraud", 2, "f2", arms=(_SHARE,), salt="s"), "arms.fingerprint"),
        (draft("fraud", 1, "f1", arms=(_SHARE, _SHARE), salt="s"), "arms.fingerprint"),
        *(
            (
                draft("fraud", 1, "f1", arms=(structs.replace(_SHARE, share=s),), salt="s"),
                "arms.share",
            )
            for s in (-0.1, 1.1, float("nan"), float("inf"))
        ),
        (
            draft(
                "fraud",
                1,
                "f1",
                salt="s",
                arms=(structs.replace(_SHARE, role="shadow", share=1.1),),
            ),
            "arms.share",
        ),
        (draft("fraud", 1, "f1", unit="user"), "unit"),
        (
            draft(
                "fraud",
                1,
                "f1",
                salt="s",
                arms=tuple(
                    Arm(role="share", number=n, fingerprint=f"f{n}", share=0.4) for n in (2, 3, 4)
                ),
            ),
            "arms.share",
        ),
        (
            draft(
                "fraud",
                1,
                "f1",
                salt="s",
                arms=tuple(
                    Arm(role="share", number=n, fingerprint=f"f{n}", share=0.0)
                    for n in range(2, 11)
                ),
            ),
            "arms",
        ),
    ],
)
def test_a_mix_that_cannot_be_drawn_is_refused(chain: RouteChain, wanted: Draft, field: str):
    """S31: shares that add up, every version once, and a salt that the draws can be repeated by."""
    with pytest.raises(InvalidUsage) as refused:
        chain.append(wanted, 0)
    assert refused.value.field == field
    assert list(chain.all_current()) == []


_WAY_BACK = Arm(role="opt_back", number=2, fingerprint="f2", share=0.0)
_NEWS = News(words="It knows more.\nAnd more.", until_ns=1_800_000_000_000_000_000)


def test_a_way_back_is_kept_with_what_people_are_told(chain: RouteChain):
    """S31: until when, and what changed."""
    wanted = draft("fraud", 3, "f3", arms=(_WAY_BACK,), salt="s", unit="account", news=_NEWS)
    route = chain.append(wanted, 0)
    assert chain.current("fraud") == route
    assert (route.opt_back, route.news) == (_WAY_BACK, _NEWS)
    after = chain.append(draft("fraud", 3, "f3"), 1)
    assert (after.opt_back, after.news) == (None, None)


def test_a_stopped_route_is_kept_with_why(chain: RouteChain):
    """S8: until the next one, and alone."""
    route = chain.append(draft("fraud", 3, "f3", stopped="wrong in Austria"), 0)
    assert chain.current("fraud") == route
    assert route.stopped == "wrong in Austria"
    with pytest.raises(InvalidUsage, match="nothing answers but its fallback"):
        chain.append(draft("fraud", 3, "f3", arms=(_SHARE,), salt="s", stopped="no"), 1)
    with pytest.raises(InvalidUsage, match="the stopped of a route"):
        chain.append(draft("fraud", 3, "f3", stopped="\x07"), 1)
    assert not chain.append(draft("fraud", 3, "f3"), 1).stopped


@pytest.mark.parametrize(
    ("arms", "news", "field"),
    [
        ((structs.replace(_WAY_BACK, share=0.1),), _NEWS, "arms"),
        ((_WAY_BACK, structs.replace(_WAY_BACK, number=4, fingerprint="f4")), _NEWS, "arms"),
        ((_WAY_BACK,), None, "news"),
        ((_SHARE,), _NEWS, "news"),
        ((_WAY_BACK,), News(words="", until_ns=1), "news.words"),
        ((_WAY_BACK,), News(words="a\x07", until_ns=1), "news.words"),
    ],
)
def test_a_way_back_that_nobody_was_told_of_is_refused(
    chain: RouteChain, arms: tuple[Arm, ...], news: News | None, field: str
):
    """S31: one version to go back to, chosen and never drawn, exactly while people are told."""
    with pytest.raises(InvalidUsage) as refused:
        chain.append(draft("fraud", 1, "f1", arms=arms, salt="s", news=news), 0)
    assert refused.value.field == field


def test_tenths_add_up_to_one(chain: RouteChain):
    """S31: what binary fractions are off by is nobody's mistake."""
    arms = tuple(
        Arm(role="share", number=n, fingerprint=f"f{n}", share=0.7 / 7) for n in range(2, 9)
    )
    last = Arm(role="share", number=9, fingerprint="f9", share=0.3)
    assert chain.append(draft("fraud", 1, "f1", arms=(*arms, last), salt="s"), 0).epoch == 1


def test_a_version_may_answer_a_share_and_shadow_the_rest(chain: RouteChain):
    """N6: a canary's candidate meets every request; twice the same part it cannot have."""
    both = tuple(
        Arm(role=role, number=2, fingerprint="f2", share=share)
        for role, share in (("share", 0.1), ("shadow", 1.0))
    )
    kept = chain.append(draft("fraud", 1, "f1", arms=both, salt="s"), 0)
    assert chain.current("fraud") == kept
    assert kept.arms == both
    for arms in ((both[0], both[0]), (both[1], both[1])):
        with pytest.raises(InvalidUsage, match="twice"):
            chain.append(draft("fraud", 1, "f1", arms=arms, salt="s"), 1)
    with pytest.raises(InvalidUsage, match="twice"):
        chain.append(draft("fraud", 2, "f2", arms=both[1:], salt="s"), 1)


def test_several_models_change_at_the_same_moment(chain: RouteChain):
    """N9: what belongs together goes live together."""
    chain.append(draft("embedder", 1, "e1"), 0)
    new = chain.append_all([(draft("embedder", 2, "e2"), 1), (draft("ranker", 1, "r1"), 0)])
    assert [(route.model, route.epoch) for route in new] == [("embedder", 2), ("ranker", 1)]
    assert list(chain.all_current()) == list(new)


def test_when_one_of_several_was_late_none_changes(chain: RouteChain):
    """N9, S5: compare-and-swap on each; no half of a set is ever in force."""
    chain.append(draft("embedder", 1, "e1"), 0)
    chain.append(draft("ranker", 1, "r1", "zoe"), 0)
    before = list(chain.all_current())
    with pytest.raises(Conflict, match="zoe was first: ranker v1"):
        chain.append_all([(draft("embedder", 2, "e2"), 1), (draft("ranker", 2, "r2"), 0)])
    with pytest.raises(InvalidUsage, match="twice"):
        chain.append_all([(draft("embedder", 2, "e2"), 1), (draft("embedder", 3, "e3"), 2)])
    assert list(chain.all_current()) == before


@pytest.mark.parametrize("seen", [{"embedder": 1}, {"embedder": 1, "ranker": 2}, {"gone": 1}])
def test_what_was_only_looked_at_must_not_have_moved(chain: RouteChain, seen: dict[str, int]):
    """S13, N9: a model that came to depend on the old version meanwhile is not broken unseen."""
    chain.append(draft("embedder", 1, "e1"), 0)
    chain.append(draft("ranker", 1, "r1"), 0)
    late = [(draft("embedder", 2, "e2"), 1)]
    with pytest.raises(Conflict) as moved:
        chain.append_all(late, seen)
    assert moved.value.rule == "as seen"
    assert chain.append_all(late, {"embedder": 1, "ranker": 1})[0].epoch == 2
