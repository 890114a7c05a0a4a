"""What labelers said becomes a label, and what probes say of labelers (N8 M14 L4)."""

import math
import random
from typing import Any

import pytest
from msgspec.structs import replace

from mainstay.base.limits import LABEL_TASKS_MAX
from mainstay.contract.asking import Ask
from mainstay.renew.labelling.gold import excluded, probed, same
from mainstay.renew.labelling.model import (
    DAY_NS,
    Answer,
    Asked,
    Settled,
    Task,
    Terms,
    Turn,
    terms_of,
)
from mainstay.renew.labelling.report import report
from mainstay.renew.labelling.score import scores
from mainstay.renew.labelling.settle import settle

CLASSES = ("ok", "fraud")
ONE = Task(id="t", model="fraud", decision="d", place=0.1, chance=0.5, made_ns=0, wanted=1)
NOBODY: frozenset[str] = frozenset()


def terms(**ask: Any) -> Terms:
    return terms_of(Ask(**ask))


def asked(
    said: dict[str, Answer | None], task: Task | None = None, id_: str = "t", **changes: Any
) -> Asked:
    """A task of which labelers said something; nothing is a lease that goes on."""
    turns = tuple(
        Turn(
            task=id_, labeler=name, given_ns=0, until_ns=10**18, label=label, took_ms=1000,
            state="given" if label is None else "answered",
        )
        for name, label in said.items()
    )  # fmt: skip
    return replace(task or ONE, id=id_, decision=f"d-{id_}", **changes), turns


def settled_as(
    rows: list[Asked], wanted: Terms, out: frozenset[str] = NOBODY, now_ns: int = 5
) -> dict[str, Task]:
    return {task.id: task for task in settle(rows, wanted, CLASSES, out, now_ns)}


def test_a_task_is_settled_once_enough_said_the_same():
    two = terms(overlap=2)
    assert settled_as([asked({"ann": "ok", "bob": None}, wanted=2)], two) == {}
    done = settled_as([asked({"ann": "ok", "bob": "ok"}, wanted=2)], two)["t"]
    assert done.state == "settled"
    assert done.settled.label == "ok"
    assert 0.8 < done.settled.sure < 1
    assert (done.settled.at_ns, done.settled.told) == (5, False)


def test_who_differ_are_joined_by_up_to_two_others_and_then_contradict_each_other():
    """N8: no label is made of what nobody can be sure of."""
    two = terms(overlap=2)
    third = settled_as([asked({"ann": "ok", "bob": "fraud"}, wanted=2)], two)["t"]
    assert (third.state, third.wanted) == ("open", 3)
    assert settled_as([asked({"ann": "ok", "bob": "fraud", "cid": None}, wanted=3)], two) == {}
    said = {"ann": "ok", "bob": "fraud", "cid": "fraud"}
    assert settled_as([asked(said, wanted=3)], two)["t"].settled.label == "fraud"
    said = {"ann": "ok", "bob": "fraud", "cid": "fraud", "dan": "ok"}
    done = settled_as([asked(said, wanted=4)], two)["t"]
    assert done.state == "contradicted"
    assert done.settled.label is None
    assert done.settled.told, "there is nothing to tell"


def test_it_is_asked_for_as_much_certainty_as_the_contract_says():
    rows = [asked({"ann": "ok", "bob": "ok"}, wanted=2)]
    assert settled_as(rows, terms(overlap=2, sure="99.9 %"))["t"].wanted == 3
    assert settled_as(rows, terms(overlap=2, sure="50 %"))["t"].state == "settled"


def test_answers_that_do_not_count_make_room_for_others():
    """N8: somebody below the bar has settled nothing, and takes nobody's place."""
    rows = [asked({"ann": "ok", "eve": "fraud"}, wanted=2)]
    more = settled_as(rows, terms(overlap=2), frozenset({"eve"}))["t"]
    assert (more.state, more.wanted) == ("open", 3)
    rows = [asked({"ann": "ok", "eve": "fraud", "bob": "ok"}, wanted=3)]
    done = settled_as(rows, terms(overlap=2), frozenset({"eve"}))["t"]
    assert done.settled.label == "ok"
    alone = settled_as(rows[:1], terms(overlap=1), frozenset({"eve"}))["t"]
    assert alone.settled.label == "ok"


def test_who_is_often_right_outweighs_who_is_not():
    """N8: by probes, two against one."""
    known = [
        asked({"ann": "ok", "eve": "fraud", "mal": "fraud"}, id_=f"g{n}", gold="ok")
        for n in range(20)
    ]
    rows = [*known, asked({"ann": "fraud", "eve": "ok", "mal": "ok"}, wanted=3)]
    done = settled_as(rows, terms(overlap=3, below="weigh"))
    assert set(done) == {"t"}, "probes are never settled"
    assert done["t"].settled.label == "fraud"


def test_what_waited_too_long_or_is_too_much_is_let_go():
    late = 31 * DAY_NS
    assert settled_as([asked({})], terms(), now_ns=late)["t"].state == "expired"
    assert settled_as([asked({})], terms(), now_ns=29 * DAY_NS) == {}
    assert settled_as([asked({}, gold="ok")], terms(), now_ns=late) == {}
    many = [asked({}, id_=f"t{n:05d}") for n in range(LABEL_TASKS_MAX + 2)]
    assert set(settled_as(many, terms())) == {"t00000", "t00001"}, "the oldest go"


def test_a_class_that_is_none_any_more_is_no_vote():
    rows = [asked({"ann": "ok", "bob": "gone"}, wanted=2)]
    assert settled_as(rows, terms(overlap=2))["t"].settled.label == "ok"
    nothing = settled_as([asked({"ann": "gone"})], terms())["t"]
    assert (nothing.state, nothing.wanted) == ("open", 2)


def test_numbers_become_the_middle_one_where_they_lie_close_together():
    def of(*said: float, **ask: Any) -> Task | None:
        row = asked({f"l{n}": each for n, each in enumerate(said)}, wanted=len(said))
        found = settle([row], terms(overlap=len(said), **ask), (), NOBODY, 5)
        return found[0] if found else None

    assert of(10.0).settled.label == 10.0
    done = of(10.0, 10.5, 30.0)
    assert (done.settled.label, done.settled.sure) == (10.5, pytest.approx(2 / 3))
    assert of(10.0, 20.0).wanted == 3, "half is not sure enough"
    assert of(-100.0, -95.0, -99.0).settled.sure == 1.0
    assert same(0.0, 0.0)
    assert not same(0.1, 0.0)


# Probes -------------------------------------------------------------------------------------------


def probes(right: int, wrong: int) -> list[Asked]:
    said = ["ok"] * right + ["fraud"] * wrong
    return [asked({"ann": each}, id_=f"g{n}", gold="ok") for n, each in enumerate(said)]


def test_who_is_certainly_below_the_bar_does_not_count():
    wanted = terms(bar="70 %")
    for right, wrong, verdict in (
        (0, 3, "unsure"),
        (0, 8, "fail"),
        (60, 0, "pass"),
        (9, 1, "unsure"),
    ):
        [found] = probed(probes(right, wrong), wanted)
        assert (found.finding.verdict, found.probes, found.right) == (verdict, right + wrong, right)
        assert found.finding.limit == 0.7
        out = verdict == "fail"
        assert excluded([found], wanted) == (frozenset({"ann"}) if out else NOBODY)
        assert excluded([found], terms(bar="70 %", below="weigh")) == NOBODY


def test_nobody_at_the_bar_is_called_below_it_however_often_somebody_looks():
    """N8: 300 labelers exactly at the bar, each looked at after each of 100 probes."""
    draw, called = random.Random(2), 0
    for _ in range(300):
        right = 0
        for count in range(1, 101):
            right += draw.random() < 0.7
            if count % 5 == 0:
                [found] = probed(probes(right, count - right), terms())
                if found.finding.verdict == "fail":
                    called += 1
                    break
    assert called <= 300 * 0.05


def test_who_met_no_probe_is_unsure_and_counts():
    [found] = probed([asked({"ann": "ok"})], terms())
    assert (found.finding.verdict, found.interval) == ("unsure", (0.0, 1.0))
    assert "0 of 0" in found.finding.words


# The figure ---------------------------------------------------------------------------------------


def labelled(id_: str, right: bool, chance: float, stratum: str) -> Asked:
    done = Settled(label="ok", sure=0.9, at_ns=1, answer="ok" if right else "fraud")
    return asked({}, id_=id_, chance=chance, stratum=stratum, state="settled", settled=done)


def test_accuracy_is_that_of_all_decisions_not_of_those_asked_about():
    """L4 M14: a stratum that is drawn ten times as often does not count ten times."""
    rows = [labelled(f"a{n}", n % 2 == 0, 1.0, "DE") for n in range(100)]
    rows += [labelled(f"b{n}", True, 0.1, "US") for n in range(90)]
    whole, german, american = scores(rows)
    assert whole.figure == pytest.approx((50 + 900) / 1000)
    assert (german.figure, american.figure) == (0.5, 1.0)
    assert (german.stratum, german.tasks, whole.stands_for) == ("DE", 100, 1000.0)
    low, high = whole.interval
    assert low < 0.95 < high
    assert high - low > german.interval[1] - german.interval[0] - 0.2
    worth = 1000**2 / (100 + 90 * 100)
    assert (high - low) == pytest.approx(2 * 1.96 * math.sqrt(0.95 * 0.05 / worth), rel=0.2)


def test_the_weighed_figure_is_unbiased_over_draws():
    """L4: where the strata differ in accuracy, on average the truth."""
    draw, figures = random.Random(3), list[float]()
    for _ in range(300):
        rows = [labelled(f"a{n}", draw.random() < 0.5, 1.0, "DE") for n in range(50)]
        rows += [
            labelled(f"b{n}", draw.random() < 0.9, 0.1, "US")
            for n in range(450)
            if draw.random() < 0.1
        ]
        figures.append(scores(rows)[0].figure)
    mean = sum(figures) / len(figures)
    assert mean == pytest.approx((50 * 0.5 + 450 * 0.9) / 500, abs=0.02)


def test_probes_and_what_the_model_did_not_answer_are_no_part_of_it():
    task, turns = labelled("a", right=True, chance=1.0, stratum="")
    unanswered = replace(task, settled=replace(task.settled, answer=None))
    contradicted = replace(task, settled=replace(task.settled, label=None))
    assert scores([(each, turns) for each in (unanswered, contradicted)]) == []
    assert scores([(replace(task, gold="ok"), turns)]) == []
    numbers = [
        (replace(task, settled=replace(task.settled, label=label, answer=answer)), turns)
        for label, answer in ((1.0, 0.0), (0.0, 3.0))
    ]
    [found] = scores(numbers)
    assert (found.metric, found.figure) == ("mae", 2.0)


def test_the_report_says_who_contradicts_whom():
    """N8: agreement, contradictions, who counts; surfaced, not hidden."""
    rows = [asked({"ann": "ok", "bob": "ok"}, id_=f"t{n}", wanted=2) for n in range(20)]
    rows += [asked({"ann": "fraud", "bob": "fraud"}, id_=f"u{n}", wanted=2) for n in range(10)]
    rows += [asked({"ann": "ok", "bob": "fraud"}, id_="v", wanted=2)]
    rows += [asked({"eve": "fraud"}, id_=f"g{n}", gold="ok") for n in range(12)]
    found = report("fraud", rows, terms(overlap=2), CLASSES, whole=True)
    assert found.tasks == {"open": 31}
    assert found.probes == 12
    assert (found.contradicted, found.contradictions[0].said) == (1, {"ann": "ok", "bob": "fraud"})
    assert found.agreement.scale == "nominal"
    assert found.agreement.alpha is not None
    assert 0.85 < found.agreement.alpha < 1
    counts = {each.name: each.counts for each in found.labelers}
    assert counts == {"ann": True, "bob": True, "eve": False}
    verdicts = {each.check: each.verdict for each in found.findings}
    assert verdicts["labeler eve"] == "fail"
    assert verdicts["agreement of labelers"] == "pass"
    ordered = report("fraud", rows, terms(overlap=2, ordered=True), CLASSES, whole=True)
    assert ordered.agreement.scale == "ordinal"
    numbers = report("price", [asked({"ann": 1.0, "bob": 1.0})], terms(), (), whole=False)
    assert (numbers.agreement.scale, numbers.agreement.alpha) == ("interval", None)
