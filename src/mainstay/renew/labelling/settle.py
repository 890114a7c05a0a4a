"""What labelers said of a task becomes its label, more people are asked, or it stays open.

Promises that a label is one that somebody gave, that its probability is at least what the contract
asks for, and that answers that do not count make room for others. Every answer is weighed with all
that its labeler ever said here, so what a good labeler says outweighs what a bad one does.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from mainstay.base.limits import LABEL_TASKS_MAX
from mainstay.renew.labelling.gold import same
from mainstay.renew.labelling.model import (
    DAY_NS,
    EXTRA_MAX,
    OPEN_DAYS,
    Answer,
    Asked,
    Settled,
    Task,
    Terms,
    Turn,
)
from mainstay.renew.labelling.skill import Belief, Vote, Weighed, weigh

_BELIEF: Final = Belief()


def settle(
    asked: Sequence[Asked],
    terms: Terms,
    classes: Sequence[str],
    excluded: frozenset[str],
    now_ns: int,
) -> list[Task]:
    """The open tasks that change, as they are from now on. `classes` is empty for numbers."""
    waiting = [t for t, turns in asked if t.state == "open" and t.gold is None and not turns]
    surplus = {task.id for task in waiting[: max(0, len(waiting) - LABEL_TASKS_MAX)]}
    found: list[Task] = []
    ripe: list[tuple[Task, list[Turn]]] = []
    for task, turns in asked:
        if task.state != "open" or task.gold is not None:
            continue
        said = [turn for turn in turns if turn.state == "answered"]
        counted = [turn for turn in said if turn.labeler not in excluded]
        needed = terms.ask.overlap + len(said) - len(counted)
        if len(counted) >= terms.ask.overlap:
            ripe.append((task, counted))
        elif now_ns - task.made_ns > OPEN_DAYS * DAY_NS or task.id in surplus:
            found.append(replace(task, state="expired"))
        elif task.wanted < needed:
            found.append(replace(task, wanted=needed))
    if not ripe:
        return found
    weighed = weighed_of(asked, classes, excluded)
    for task, counted in ripe:
        label, sure = _numbers(counted) if not classes else _likeliest(task, weighed)
        if sure >= terms.sure:
            done = Settled(label=label, sure=sure, at_ns=now_ns)
            found.append(replace(task, state="settled", settled=done))
        elif len(counted) < terms.ask.overlap + EXTRA_MAX:
            wanted = sum(t.state == "answered" for t in _turns(asked, task)) + 1
            if task.wanted < wanted:
                found.append(replace(task, wanted=wanted))
        else:
            done = Settled(label=None, sure=sure, at_ns=now_ns, told=True)
            found.append(replace(task, state="contradicted", settled=done))
    return found


def weighed_of(asked: Iterable[Asked], classes: Sequence[str], excluded: frozenset[str]) -> Weighed:
    """Every answer that counts, weighed; what is known of probes is taken as known."""
    votes: list[Vote] = []
    known: dict[str, str] = {}
    there = set(classes)
    for task, turns in asked:
        if task.gold in there:
            known[task.id] = str(task.gold)
        # What was a class when it was said may be none any more.
        counted = [t for t in turns if t.labeler not in excluded and t.label in there]
        votes += [Vote(task.id, turn.labeler, str(turn.label)) for turn in counted]
    return weigh(votes, classes, known, _BELIEF)


def _turns(asked: Sequence[Asked], task: Task) -> tuple[Turn, ...]:
    return next(turns for each, turns in asked if each.id == task.id)


def _likeliest(task: Task, weighed: Weighed) -> tuple[Answer | None, float]:
    labels = weighed.labels.get(task.id, {})
    if not labels:
        return None, 0.0
    label = max(sorted(labels), key=lambda name: labels[name])
    return label, labels[label]


def _numbers(counted: Sequence[Turn]) -> tuple[Answer | None, float]:
    """The middle answer (of two in the middle, the lower), and the share that is near it."""
    numbers = sorted(float(turn.label) for turn in counted if turn.label is not None)
    middle = numbers[(len(numbers) - 1) // 2]
    return middle, sum(same(number, middle) for number in numbers) / len(numbers)
