"""From decisions to labels in a real workspace, in its own time (N8 M14 L4)."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from mainstay.base.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from mainstay.bundle.sql import SqlRegistry
from mainstay.contract.model import Labels, Number
from mainstay.renew.labelling.model import Turn, task_id
from mainstay.serve.asking import Labelling as Wanted
from mainstay.wiring.label_keeping import ENOUGH
from mainstay.wiring.watching import Watching
from tests.renew_labelling.labelled import Labelled, caller, make_shop

KINDS = {
    "a": Number(),
    "b": Number(sensitivity="private"),
    "c": Number(sensitivity="personal"),
}
Make = Callable[..., Labelled]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "shop"
    make_shop(folder)
    return folder


@pytest.fixture
def make(made: Path, tmp_path: Path) -> Make:
    """A shop that asks people."""
    shutil.copytree(made, tmp_path / "shop")
    return partial(Labelled, tmp_path / "shop")


@pytest.fixture
def world(make: Make) -> Labelled:
    return make()


def test_a_draw_of_decisions_waits_once_its_stretch_is_over(make: Make):
    """N8 L4: so many at most, of everything that was sealed; shadows and held out are left alone."""
    world = make(most="5 per 1h")
    shown = world.decided(30)
    world.shop.decide(world.shop.rows(10, 2), arm="shadow")
    world.shop.decide(world.shop.rows(10, 3), arm="held_out")
    more = world.decided(20, seed=4)
    world.keeper.tick()
    assert world.next("ann")["task"] is None, "its stretch goes on"
    world.clock.advance(3600)
    world.keeper.tick()
    world.keeper.tick()
    tasks = [task for task, _ in world.labelling.queue.of("sums")]
    assert len(tasks) == 5
    assert {task.decision for task in tasks} <= set(shown) | set(more)
    assert all(task.even and 0 < task.chance < 0.6 for task in tasks)
    assert task_id("sums", tasks[0].decision) == tasks[0].id


def test_a_restart_loses_and_repeats_nothing(make: Make):
    world = make(most="5 per 1h")
    world.decided(30)
    world.keeper.tick()
    world.again()
    world.decided(30, seed=1)
    world.keeper.tick()
    world.again()
    world.clock.advance(3600)
    world.keeper.tick()
    assert len(world.labelling.queue.of("sums")) == 5
    world.clock.advance(3600)
    world.keeper.tick()
    assert len(world.labelling.queue.of("sums")) == 5


@pytest.mark.parametrize("kept_back", [Number(sensitivity="private"), Number(subject="health")])
def test_a_labeler_sees_what_is_public_and_not_what_the_model_said(make: Make, kept_back: Number):
    """N8 S36: blind unless declared; private inputs, and those about a subject that may be
    private, are shown to nobody unasked."""
    world = make(KINDS | {"b": kept_back})
    rows = world.shop.rows(1)
    [decision] = world.shop.decide(rows)
    world.seal()
    world.set_aside()
    told = world.next("ann")
    assert told["inputs"] == {"a": rows[0, 0]}
    assert told["answers"] == ["low", "high"]
    assert "answer" not in told
    assert decision not in str(told), "nor where to look it up"


def test_what_a_labeler_was_shown_is_kept_with_what_they_said(make: Make):
    """N8: the prediction they saw, and the time they took, are in the outcome."""
    world = make(blind=False, show=("b",), question="High or low?")
    world.shop.decide(np.array([[0.1, 0.9, 0.9]]))
    world.seal()
    world.set_aside()
    told = world.next("ann")
    assert (told["inputs"], told["answer"]) == ({"b": 0.9}, "high")
    assert told["question"] == "High or low?"
    world.clock.advance(7.5)
    world.answer("ann", told["task"], "low")
    world.keeper.tick()
    [event] = world.events("outcome")
    [said] = event["body"]["labelling"]["answers"]
    assert (said["by"], said["label"], said["saw"], said["took_ms"]) == ("ann", "low", "high", 7500)
    assert event["body"]["label"] == "low"


def test_a_settled_label_is_an_outcome_of_its_decision_once(world: Labelled):
    """N8 M14: joined like every other, by the labeller and by snapshots; also after a crash."""
    [decision] = world.shop.decide(np.array([[0.5, 0.5, 0.5]]))
    world.seal()
    world.set_aside()
    told = world.next("ann")
    world.answer("ann", told["task"], "low")
    world.keeper.tick()
    world.keeper.tick()
    [event] = world.events("outcome")
    assert (event["subject"], event["body"]["label"]) == (decision, "low")
    assert event["body"]["labelling"]["chance"] == 1.0
    [(task, _)] = world.labelling.queue.of("sums")
    assert task.state == "settled"
    assert task.settled.told
    assert (task.settled.answer, task.settled.version) == ("high", 1)
    found = world.shop.workspace.journal.find_with_all(decision)
    assert [each["id"] for each in found.since] == [event["id"]]
    # Somebody died between telling the journal and keeping that it was told.
    queue = world.labelling.queue
    queue.change(replace(task, settled=replace(task.settled, told=False)), "settled")
    world.again()
    world.keeper.tick()
    world.clock.advance(61)
    world.keeper.tick()
    assert len(world.events("outcome")) == 1
    assert queue.find(task.id)[0].settled.told


def test_a_label_that_was_settled_and_not_told_is_told(world: Labelled):
    """N8: whoever settled it died before the journal had it."""
    world.decided(1)
    world.set_aside()
    told = world.next("ann")
    world.answer("ann", told["task"], "low")
    keep, world.shop.workspace.record = world.shop.workspace.record, lambda events: 1 / 0
    with pytest.raises(ZeroDivisionError):
        world.keeper.tick()
    world.shop.workspace.record = keep
    world.clock.advance(61)
    world.keeper.tick()
    assert len(world.events("outcome")) == 1


def test_a_decision_that_is_gone_is_asked_of_nobody(world: Labelled):
    world.decided(2)
    world.set_aside()
    for task, _ in world.labelling.queue.of("sums")[:1]:
        gone = replace(task, id=task_id("sums", "0" * 28), decision="0" * 28, place=0.0)
        world.labelling.queue.add([gone])
    told = world.next("ann")
    assert told["task"] not in (None, gone.id)
    assert world.labelling.queue.find(gone.id)[0].state == "gone"


def test_what_cannot_be_a_label_is_refused_in_words(world: Labelled):
    """N8: not a class, a wrong type, a huge text; nothing is kept of it."""
    world.decided(1)
    world.set_aside()
    task = world.next("ann")["task"]
    for wrong, words in (("hihg", "did you mean 'high'"), (1.0, "class"), ("x" * 9999, "class")):
        with pytest.raises(InvalidRequest) as told:
            world.answer("ann", task, wrong)
        assert words in told.value.expected
        assert len(told.value.message) < 300
    with pytest.raises(Conflict, match="not given to you"):
        world.answer("bob", task, "high")
    with pytest.raises(NotFound):
        world.answer("ann", "nothing", "high")
    assert world.answer("ann", task, "high")["already"] is False
    assert world.answer("ann", task, "high")["already"] is True


def test_who_may_not_label_is_refused(world: Labelled):
    """N8 S2: another purpose, another model; also for a task that somebody guessed."""
    world.decided(1)
    world.set_aside()
    other = caller("eve", "churn")
    calls = replace(caller("shop"), purposes=("call",))
    for who, words in ((other, "not granted the model"), (calls, "may not be used to say")):
        with pytest.raises(NotAllowed, match=words):
            world.labelling.next("sums", who)
        task = world.labelling.queue.of("sums")[0][0].id
        wanted = Wanted(want="answer", caller=who, task=task, label="high")
        with pytest.raises(NotAllowed, match=words):
            world.labelling.told(wanted)
    with pytest.raises(NotFound, match="nothing answers for 'nobody'"):
        world.labelling.next("nobody", caller("ann"))


def test_a_model_that_asks_nobody_says_so(make: Make):
    world = make()
    world.contract = replace(world.contract, labels=Labels())
    world.again()
    with pytest.raises(Conflict, match="nobody is asked") as told:
        world.next("ann")
    assert told.value.field == "labels.ask"
    world.keeper.tick()


def test_probes_are_mixed_in_and_who_fails_them_is_a_finding(make: Make):
    """N8: gold; the labeler below the bar is told once, and their answers count no more."""
    world = make(gold="50 %")
    decided = world.decided(25)
    world.set_aside()
    labels = ["low", "high"]
    for place, decision in enumerate(decided[:10]):
        known = world.labelling.know("sums", decision, labels[place % 2])
        assert known.gold == labels[place % 2]
    truth = {task_id("sums", each): labels[place % 2] for place, each in enumerate(decided[:10])}
    asked, probes = 0, 0
    while True:
        told = world.next("eve")
        world.clock.advance(1)
        if told["task"] is None:
            break
        right = truth.get(told["task"])
        probes += right is not None
        asked += 1
        world.answer("eve", told["task"], "low" if right == "high" else "high")
    assert asked - probes == 15
    assert 6 <= probes <= 10
    world.keeper.tick()
    world.again()
    world.keeper.tick()
    [event] = world.events("finding")
    assert event["body"]["check"] == "labeler eve"
    assert (event["body"]["state"], event["body"]["verdict"]) == ("opened", "fail")
    assert world.events("outcome") == [], "nothing that they said became a label"
    assert {task.wanted for task, _ in world.labelling.queue.of("sums") if not task.gold} == {2}
    found = world.labelling.report("sums")
    assert [each.counts for each in found.labelers] == [False]
    # Later they get better, and it is told that it is over.
    world.clock.advance(1)
    for decision in world.decided(40, seed=7):
        task = world.labelling.know("sums", decision, "high")
        turn = Turn(task=task.id, labeler="eve", given_ns=1, until_ns=2, state="answered",
                    label="high")  # fmt: skip
        assert world.labelling.queue.put(turn)
    for _ in range(2):
        world.keeper.tick()
    assert [each["body"]["state"] for each in world.events("finding")] == ["opened", "resolved"]


def test_enough_labels_are_told_once_for_each_newest_version(make: Make):
    """N8: the finding that a retraining rule acts on, until there is a newer version."""
    world = make(enough=3)
    world.decided(5)
    world.set_aside()
    for count in range(5):
        told = world.next("ann")
        world.answer("ann", told["task"], "high")
        world.keeper.tick()
        assert len(world.events("finding")) == (count >= 2)
    world.again()
    world.keeper.tick()
    [event] = world.events("finding")
    body = event["body"]
    assert (body["check"], body["verdict"], body["figure"]) == (ENOUGH, "fail", 3.0)
    assert body["state"] == "opened"
    assert "mainstay retrain sums" in body["words"]
    world.clock.advance(1)
    registry = SqlRegistry(world.shop.workspace.database, world.clock)
    registry.register(world.shop.loaded.manifest, "f" * 64, 1)
    world.keeper.tick()
    assert [each["body"]["state"] for each in world.events("finding")] == ["opened", "resolved"]


def test_what_is_known_must_be_a_decision_of_the_model(world: Labelled):
    world.decided(1)
    with pytest.raises(NotFound):
        world.labelling.know("sums", "0" * 28, "high")
    with pytest.raises(InvalidRequest):
        world.labelling.know("sums", world.decided(1)[0], "hi")


def test_a_drop_on_the_random_sample_is_found_by_the_monitors_of_labels(make: Make):
    """M14: what people say of a random sample is held against what was measured when it was packed."""
    world = make()
    world.decided(60)
    world.set_aside()
    queue = world.labelling.queue
    for task, _ in queue.of("sums"):
        decision = world.shop.workspace.journal.find(task.decision)
        wrong = "low" if world.labelling.answered(decision) == "high" else "high"
        turn = Turn(task=task.id, labeler="ann", given_ns=1, until_ns=2, state="answered",
                    label=wrong)  # fmt: skip
        queue.put(turn)
    watching = Watching(world.shop.workspace)
    watching.tick()
    world.keeper.tick()
    assert world.labelling.report("sums").scores[0].figure == 0.0
    world.seal()
    for _ in range(3):
        world.clock.advance(1200)
        world.shop.workspace.journal.seal()
        watching.tick()
    [overview] = watching.overviews("sums")
    words = [each.finding.words for each in overview.findings]
    assert any("accuracy has fallen" in each for each in words), words
