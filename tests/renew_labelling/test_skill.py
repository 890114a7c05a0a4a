"""Dawid and Skene's skills, against crowd-kit 1.4.2 and by what they must do (N8)."""

import json
import random
from pathlib import Path

import pytest

from mainstay.renew.labelling import skill
from mainstay.renew.labelling.skill import Belief, Vote, weigh

CLASSES = ("a", "b", "c")


def test_it_is_crowd_kits(monkeypatch: pytest.MonkeyPatch):
    """N8: 40 tasks, five labelers, three classes; what crowd-kit's DawidSkene gives for them after
    200 rounds (its own stop looks at a bound in which the shares count once for each vote)."""
    data = json.loads((Path(__file__).parent / "dawid_skene.json").read_text())
    monkeypatch.setattr(skill, "_STILL", -1.0)
    found = weigh([Vote(*row) for row in data["rows"]], CLASSES, belief=Belief(worth=0.0))
    for task, expected in data["probas"].items():
        for name, probable in expected.items():
            assert found.labels[task].get(name, 0.0) == pytest.approx(probable, abs=1e-8)


def votes_of(
    skills: dict[str, float], classes: tuple[str, ...], tasks: int = 300
) -> tuple[list[Vote], dict[str, str]]:
    draw, votes, truths = random.Random(4), list[Vote](), dict[str, str]()
    for place in range(tasks):
        task = f"t{place:03d}"
        truths[task] = draw.choice(classes)
        for name, right in skills.items():
            others = [each for each in classes if each != truths[task]]
            said = truths[task] if draw.random() < right else draw.choice(others)
            votes.append(Vote(task, name, said))
    return votes, truths


@pytest.mark.parametrize("classes", [CLASSES, tuple(f"c{n}" for n in range(40))])
def test_skills_are_found_and_a_good_labeler_outweighs_two_bad_ones(classes: tuple[str, ...]):
    """N8: with a confusion each, and with one rate each where there are many classes."""
    skills = {"ann": 0.97, "bob": 0.9, "cid": 0.55, "dan": 0.4, "eve": 0.4}
    votes, truths = votes_of(skills, classes)
    found = weigh(votes, classes)
    for name, right in skills.items():
        assert found.skills[name] == pytest.approx(right, abs=0.06)
    plain, weighed = 0, 0
    for task, truth in truths.items():
        said = [vote.label for vote in votes if vote.task == task]
        plain += max(sorted(set(said)), key=said.count) == truth
        labels = found.labels[task]
        assert sum(labels.values()) <= 1 + 1e-9
        weighed += max(labels, key=lambda name: labels[name]) == truth
    assert weighed > plain


@pytest.mark.parametrize("classes", [("a", "b"), tuple("ab") + tuple(f"c{n}" for n in range(40))])
def test_what_is_known_tells_good_from_bad_where_votes_alone_cannot(classes: tuple[str, ...]):
    """N8: two who always differ; probes say which of them is right."""
    votes = [
        vote
        for place in range(60)
        for vote in (Vote(f"t{place}", "ann", "a"), Vote(f"t{place}", "bob", "b"))
    ]
    known = {f"t{place}": "b" for place in range(20)}
    found = weigh(votes, classes, known)
    assert found.skills["bob"] > 0.85
    assert found.skills["ann"] < 0.3
    assert found.labels["t3"]["b"] == 1.0
    assert found.labels["t59"]["b"] > 0.9


def test_one_answer_of_a_new_labeler_is_worth_something_and_not_everything():
    found = weigh([Vote("t", "ann", "a")], ("a", "b"))
    assert 0.7 < found.labels["t"]["a"] < 0.95
    both = weigh([Vote("t", "ann", "a"), Vote("t", "bob", "b")], ("a", "b"))
    assert both.labels["t"]["a"] == pytest.approx(0.5, abs=0.01)
    two = weigh([Vote("t", "ann", "a"), Vote("t", "bob", "a"), Vote("t", "cid", "b")], ("a", "b"))
    assert 0.6 < two.labels["t"]["a"] < 0.99


def test_nothing_said_is_nothing_found():
    found = weigh([], CLASSES)
    assert (found.labels, found.skills) == ({}, {})
