"""Who chose the old version is answered by it, and who is held out by no model (S31 S14)."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.contract.model import Contract, Labels, Release
from mainstay.serve.engine import Engine, Serving
from mainstay.serve.routes.assign import assign, is_held_out
from mainstay.serve.routes.model import News, Route
from tests.serve.test_mixture import LIVE, OTHER, SHARE, arm, ask, batches, mixed, run
from tests.serve.world import SumModel, World, contract_of

NEWS = News(words="New.", until_ns=2**62)


def way_back(unit: str = "") -> Route:
    """Version 1 is live, version 2 is the old one."""
    return structs.replace(mixed(arm(0.0, "opt_back"), unit=unit), news=NEWS)


def holding_out(part: str = "20 %") -> Contract:
    return contract_of(labels=Labels(hold_out=part), release=Release(unit="a"))


def prepared(
    world: World, route: Route, contract: Contract | None = None, engine: Engine | None = None
) -> Serving:
    """An engine that serves a route; versions add their own number to every sum."""
    engine = engine or world.engine()
    contract = contract or contract_of()
    models = {
        mark: SumModel(bias=float(mark[0]), fingerprint=mark, contract=contract)
        for mark in (LIVE, SHARE, OTHER)
    }
    arms = [(each, models[each.fingerprint], {}) for each in route.arms]
    serving = engine.prepare(models[LIVE], route, {}, arms)
    engine.switch(serving)
    return serving


def test_a_caller_who_went_back_is_answered_by_the_old_version_and_may_come_again() -> None:
    """S31 L1: from one request to the next, for certain, and said in answer and journal."""

    async def story() -> None:
        world = World()
        serving = prepared(world, way_back())
        for back in (False, True, False):
            world.back ^= {"ann"} if back != ("ann" in world.back) else set()
            answer = await ask(serving, world.call((1, 1), (2, 2), caller="ann"))
            assert (answer.arm, answer.number) == (("opt_back", 2) if back else ("live", 1))
            decision = world.journal.find(answer.ids[0])
            assert (decision.arm, decision.version, decision.propensity) == (
                answer.arm, answer.number, 1.0,
            )  # fmt: skip
            other = await ask(serving, world.call((1, 1), caller="bob"))
            assert other.arm == "live"

    run(story)


def test_units_of_one_call_are_answered_by_what_each_of_them_chose() -> None:
    """S31: row by row, in the order they came."""

    async def story() -> None:
        world = World(back={"3", "5", "7"})
        serving = prepared(world, way_back("a"))
        answer = await ask(serving, world.call(*((float(n), 0) for n in range(9))))
        told = [(row.arm, row.version) for row in answer.rows]
        assert told == [("opt_back", 2) if n in {3, 5, 7} else ("live", 1) for n in range(9)]
        sums = np.arange(9) + [row.version for row in answer.rows]
        assert np.allclose(answer.output[:, 1], 1 / (1 + np.exp(-sums)))

    run(story)


# ------------------------------------------------------------------------------ held out


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=30),
    st.sampled_from([(), ("share",), ("shadow",), ("opt_back",), ("share", "shadow")]),
    st.sampled_from(["", "a", "b"]),
)
def test_who_is_held_out_is_so_in_every_route(
    rows: list[tuple[int, int]], roles: tuple[str, ...], unit: str
) -> None:
    """S14: marked, with its propensity, never run through a model, whatever else goes on; the
    others are answered as they would be if nobody were held out."""

    async def story() -> None:
        arms = [
            arm(0.0 if role == "opt_back" else 0.5, role, mark)
            for role, mark in zip(roles, (SHARE, OTHER), strict=False)
        ]
        route = mixed(*arms, unit=unit) if arms else mixed()
        if "opt_back" in roles:
            route = structs.replace(route, news=NEWS)
        world = World(back={str(n) for n in range(-50, 50, 3)} | {"ann"})
        serving = prepared(world, route, holding_out())
        plain_world = World(back=world.back)
        plain = prepared(plain_world, route)
        answer = await ask(serving, world.call(*rows))
        without = await ask(plain, plain_world.call(*rows))
        for place, (a, _) in enumerate(rows):
            mine = answer.rows[place].arm if answer.rows else answer.arm
            decision = world.journal.find(answer.ids[place])
            assert decision.arm == mine
            if is_held_out("sum", str(a), 0.2):
                assert (mine, decision.propensity, decision.status) == ("held_out", 0.2, "declined")
                assert answer.statuses[place] == "declined"
                assert "held out" in answer.reasons[place]
                assert np.isnan(answer.output[place]).all()
            else:
                theirs = without.rows[place].arm if without.rows else without.arm
                assert mine == theirs
                assert np.array_equal(answer.output[place], without.output[place])

    run(story)


def test_who_is_held_out_is_so_over_versions_rollouts_and_numbers() -> None:
    """S14: asked for by its number too; sticky from one route to the next; never shadowed."""

    async def story() -> None:
        world = World()
        engine = world.engine()
        held = [float(n) for n in range(-50, 50) if is_held_out("sum", str(n), 0.2)]
        rows = [(n, 0.0) for n in held]
        assert 8 < len(held) < 35
        rollout = mixed(arm(0.5), arm(1.0, "shadow", OTHER), unit="b", epoch=2)
        for route in (mixed(), rollout, mixed(epoch=3)):
            serving = prepared(world, route, holding_out(), engine)
            for each in (serving, *serving.beside):
                if each.pipeline.arm in {"live", "named"}:
                    answer = await ask(each, world.call(*rows))
                    assert answer.arm == "held_out"
        arms = {batch.arm for batch in batches(world)}
        assert arms == {"held_out"}

    run(story)


def test_nothing_is_paid_where_nobody_is_held_out() -> None:
    """S14: a part of nothing is no part."""

    async def story() -> None:
        world = World()
        serving = prepared(world, mixed(), holding_out("0 %"))
        assert (serving.mixture, serving.beside) == (None, ())

    run(story)


def test_the_rest_is_drawn_as_if_nobody_were_held_out() -> None:
    """N12: propensities are those among the units that the model may answer."""

    async def story() -> None:
        world = World()
        route = mixed(arm(0.3), unit="a")
        serving = prepared(world, route, holding_out())
        answer = await ask(serving, world.call(*((float(n), 0) for n in range(-50, 50))))
        for place, n in enumerate(range(-50, 50)):
            chosen, propensity = assign(route, str(n))
            decision = world.journal.find(answer.ids[place])
            if decision.arm != "held_out":
                assert decision.arm == ("live" if chosen is None else "share")
                assert decision.propensity == propensity

    run(story)
