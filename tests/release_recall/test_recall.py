"""Recalls on simulated histories: what is chosen, done, killed, and taken back (N2 L6 S5)."""

import pytest

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.release.model import path_back
from mainstay.release.recall.carry_out import begin
from mainstay.release.recall.model import Window
from mainstay.release.recall.taint import taint
from mainstay.serve.routes.model import Arm
from tests.conformance.manifests import fingerprint
from tests.release_recall.world import Killed, World, any_world, stretch, version

SEEDS = range(300)


def usual() -> World:
    """Versions 1 to 4, each trained ten hours longer; all went live, one after the other."""
    world = World([version(n, (0, 10 * n)) for n in (1, 2, 3, 4)])
    for number in (1, 2, 3, 4):
        world.deploy(number)
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_chosen_never_learned_from_the_stretch(seed: int):
    """N2: in any history the version to go back to is clean of this and of all that is
    quarantined, was in force or passed the gate, was not left by going back; and none newer is."""
    world, draw = any_world(seed)
    begin = draw.randint(0, 45)
    window = stretch(begin, begin + draw.randint(1, 10))
    quarantined = stretch(begin + 12, begin + 15)
    if draw.random() < 0.3:
        world.quarantined[0, "fraud"] = quarantined
    made = world.plan(window)
    history = world.history()
    if not history:
        assert (made.to, made.moves, made.possible) == (None, False, True)
        return
    windows = [window, *world.windows()]
    path = {route.fingerprint for route in path_back(history)}
    ever = {route.fingerprint for route in history}

    def good(number: int) -> bool:
        prints = fingerprint(number)
        proven = prints in path or (prints not in ever and world.judged.get(prints) == "pass")
        return proven and taint(world.find("fraud", number), windows).judged == "clean"

    live = world.find("fraud", history[-1].number)
    if taint(live, [window]).judged == "clean":
        assert made.to is not None
        assert made.to.number == live.number
        return
    wanted = max((each.number for each in world.all if good(each.number)), default=None)
    assert (made.to.number if made.to else None) == wanted
    assert made.possible == (wanted is not None)
    assert made.moves == (wanted is not None)
    assert wanted is not None or made.offers


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_every_step_and_run_again_it_ends_the_same(seed: int):
    """N2: whatever step a command is killed at, once and then again, the same command comes to the
    end that it would have come to; and so does taking it back, which restores what answered."""
    world, draw = any_world(seed)
    begin = draw.randint(0, 45)
    window = stretch(begin, begin + 5)
    if not world.history() or not world.plan(window).possible:
        return
    before = world.history()[-1]
    whole, _ = any_world(seed)
    whole.recall(window)
    after_undo, _ = any_world(seed)
    after_undo.recall(window)
    after_undo.undo(1)
    last = after_undo.history()[-1]
    assert after_undo.quarantined == {}
    assert last.fingerprint == before.fingerprint
    steps = draw.randint(0, 9), draw.randint(0, 9)
    run_killed(world, steps, lambda: world.recall(window))
    assert world.state() == whole.state()
    run_killed(world, steps, lambda: world.undo(1))
    assert world.state() == after_undo.state()
    world.undo(1)
    assert world.state() == after_undo.state()


def run_killed(world: World, steps: tuple[int, int], command: object) -> None:
    """Run a command that is killed after so many steps, again and again, and then is not."""
    assert callable(command)
    for step in (*steps, None):
        world.steps_left = step
        try:
            command()
        except Killed:
            continue
    world.steps_left = None


def test_every_single_step_can_be_the_last():
    """N2: the same, for each step of a usual recall in turn; the world is never without a version,
    and the stretch is quarantined before the route changes."""
    window = stretch(25, 26)
    whole = usual()
    whole.recall(window)
    assert whole.history()[-1].number == 2
    assert whole.told == [(1, "recalled")]
    killed = 0
    for step in range(40):
        world = usual()
        world.steps_left = step
        try:
            world.recall(window)
        except Killed:
            killed += 1
            if world.history()[-1].number == 2:
                assert set(world.quarantined) == {(1, "fraud"), (1, "ranker")}
        world.steps_left = None
        world.recall(window)
        assert world.state() == whole.state(), step
    assert 9 < killed < 40


def test_recalls_over_recalls_come_undone_in_any_order():
    """N2: each goes one further back, and what is left in force never learned from a stretch whose
    recall is in force."""
    for order in ((1, 2), (2, 1)):
        world = usual()
        world.recall(stretch(35, 36))
        assert world.history()[-1].number == 3
        world.recall(stretch(15, 16))
        assert world.history()[-1].number == 1
        for number in order:
            words = world.undo(number).words
            live = world.find("fraud", world.history()[-1].number)
            for each in world.store.of("fraud"):
                if each.status == "in force":
                    assert taint(live, [each.window]).judged == "clean", words
        assert world.quarantined == {}
        assert order != (2, 1) or world.history()[-1].number == 4


def test_what_another_recall_keeps_from_answering_is_not_returned_to():
    """N2: two recalls of the same version; the first one's end is not the end of the second."""
    world = usual()
    world.recall(stretch(35, 36))
    assert world.recall(stretch(38, 39)).epoch == 0
    assert world.undo(1).words == "v3 stays: v4 is recalled besides"
    assert world.history()[-1].number == 3
    assert world.undo(2).words == "v3 answers, as it did then"


def test_a_bad_version_that_was_deployed_again_is_recalled_again():
    """N2: what was done already is done again where it has to be."""
    world = usual()
    world.recall(stretch(35, 36))
    world.deploy(4)
    again = world.recall(stretch(35, 36))
    assert (again.number, again.status, world.history()[-1].number) == (2, "in force", 3)
    assert world.recall(stretch(35, 36)).number == 2


def test_a_version_that_somebody_left_is_not_returned_to_unless_named():
    """N2 S5: version 3 was rolled back from, for reasons of its own."""
    world = usual()
    world.deploy(2)
    world.deploy(4)
    made = world.plan(stretch(35, 36))
    assert made.to is not None
    assert made.to.number == 2
    assert [(each.number, each.words) for each in made.passed_over][1] == (
        3, "it answered once, and was left by going back",
    )  # fmt: skip
    named = world.plan(stretch(35, 36), to=3)
    assert named.to is not None
    assert named.to.number == 3


@pytest.mark.parametrize(
    ("number", "said"),
    [(4, "training data"), (9, "no version 9"), (5, "never went through the gate")],
)
def test_a_named_version_must_not_be_bad_either(number: int, said: str):
    """N2: on somebody's word one may be taken of which nobody knows, never a bad one."""
    world = usual()
    world.all += [version(5, (0, 10)), version(6, None)]
    world.judged[fingerprint(6)] = "pass"
    with pytest.raises(InvalidUsage, match=said):
        world.plan(stretch(35, 36), to=number)
    doubtful = world.plan(stretch(35, 36), to=6)
    assert "nobody knows whether it is clean" in doubtful.why


def test_where_nothing_is_clean_it_says_what_can_be_done():
    """N2: nothing is chosen; a version is offered by name only if naming it would work."""
    world = usual()
    made = world.plan(Window(stretch(0, 1).begin_ns, stretch(0, 50).end_ns))
    assert not made.possible
    assert len(made.passed_over) == 4
    assert not any("--to" in offer for offer in made.offers)
    world.all.append(version(5, None))
    assert not any("--to" in offer for offer in world.plan(made.window).offers)
    world.judged[fingerprint(5)] = "pass"
    assert any("--to 5" in offer for offer in world.plan(made.window).offers)


def test_a_bundle_that_cannot_be_had_is_passed_over():
    world = usual()
    world.unfit[fingerprint(3)] = "its bundle is damaged"
    made = world.plan(stretch(35, 36))
    assert made.to is not None
    assert made.to.number == 2
    assert made.passed_over[1].words == "its bundle is damaged"


def test_a_rollout_of_a_bad_version_ends_where_the_live_one_is_clean():
    """N2: what answers stays, alone; a rollout of a clean version goes on."""
    world = usual()
    world.deploy(3, Arm(role="share", number=4, fingerprint=fingerprint(4), share=0.1))
    made = world.plan(stretch(35, 36))
    assert made.to is not None
    assert (made.to.number, made.moves) == (3, True)
    world.recall(stretch(35, 36))
    assert world.history()[-1].arms == ()
    clean = usual()
    clean.deploy(3, Arm(role="share", number=2, fingerprint=fingerprint(2), share=0.1))
    assert not clean.plan(stretch(35, 36)).moves


def test_whoever_deploys_meanwhile_is_not_overwritten():
    """N2 S5: a route that came while the plan was looked at, or later, is looked at first; and one
    that came since stays when the recall is taken back."""
    world, window = usual(), stretch(35, 36)
    world.all.append(version(5, (0, 10)))
    old = world.plan(window)
    world.deploy(4, Arm(role="share", number=1, fingerprint=fingerprint(1), share=0.1))
    with pytest.raises(Conflict, match="bob made v4 live"):
        begin(world.store, world, old, "ann", "stuck", 1)
    assert list(world.store.of()) == []
    world.meanwhile = lambda: world.deploy(5)
    with pytest.raises(Conflict):
        world.recall(window)
    assert world.history()[-1].number == 5
    done = world.recall(window)
    assert (done.number, done.status, done.epoch) == (1, "in force", 0)
    assert world.undo(1).words == "v5 stays: bob made it live since"
    assert world.history()[-1].number == 5
    assert world.quarantined == {}


def test_another_stretch_waits_for_an_open_recall():
    """N2: it is named, with both ways to end it."""
    world = usual()
    world.steps_left = 4
    with pytest.raises(Killed):
        world.recall(stretch(35, 36))
    world.steps_left = None
    with pytest.raises(Conflict, match="recall 1 of fraud") as refused:
        world.recall(stretch(15, 16))
    assert "mainstay recall undo 1" in str(refused.value.expected)
    world.recall(stretch(35, 36))
    assert world.recall(stretch(15, 16)).number == 2
