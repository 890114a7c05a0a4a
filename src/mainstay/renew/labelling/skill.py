"""How probable each answer is, and how often each labeler is right, found together.

Dawid and Skene's model: every labeler takes every true class for another at rates of their own;
what is true and the rates are found by turns (expectation, maximisation) until nothing moves. Known
answers stay as they are known. Every labeler begins as right four times in five, with the weight of
a few answers, so that one answer of a new labeler is worth something and not everything. Beyond
`CONFUSED_MAX` classes a labeler has one rate for being right, and the mistakes are spread evenly.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

CONFUSED_MAX: Final = 30
_ROUNDS: Final = 200
_STILL: Final = 1e-8
_LEAST: Final = 1e-12
Floats = npt.NDArray[np.float64]


class Vote(NamedTuple):
    """What one labeler said of one task."""

    task: str
    labeler: str
    label: str


class Belief(msgspec.Struct, frozen=True):
    """How a labeler is taken to be before they have said anything."""

    worth: float = 4.0
    """In answers; 0 is nothing at all."""
    right: float = 0.8


class Weighed(msgspec.Struct, frozen=True):
    """What was found."""

    labels: dict[str, dict[str, float]]
    """By task, how probable each label is that anybody gave it, or that is known."""
    skills: dict[str, float]
    """By labeler, how often they are right."""


def weigh(
    votes: Sequence[Vote],
    classes: Sequence[str],
    known: Mapping[str, str] | None = None,
    belief: Belief | None = None,
) -> Weighed:
    """Every vote weighed by how often its labeler is right."""
    belief = belief or Belief()
    if not votes:
        return Weighed({}, {})
    if len(classes) > CONFUSED_MAX:
        return _evenly(votes, len(classes), known or {}, belief)
    return _confused(votes, list(classes), known or {}, belief)


def _places(names: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    distinct = sorted(set(names))
    at = {name: place for place, name in enumerate(distinct)}
    return distinct, np.array([at[name] for name in names])


def _confused(
    votes: Sequence[Vote], classes: list[str], known: Mapping[str, str], belief: Belief
) -> Weighed:
    tasks, task = _places([vote.task for vote in votes])
    labelers, labeler = _places([vote.labeler for vote in votes])
    said = np.array([classes.index(vote.label) for vote in votes])
    size = len(classes)
    fixed = np.array([name in known for name in tasks])
    truth = np.array([classes.index(known[name]) if name in known else 0 for name in tasks])
    before = np.full((size, size), belief.worth * (1.0 - belief.right) / max(size - 1, 1))
    np.fill_diagonal(before, belief.worth * belief.right if size > 1 else belief.worth)

    def held(likely: Floats) -> Floats:
        likely[fixed] = 0.0
        likely[fixed, truth[fixed]] = 1.0
        return likely

    counts = np.zeros((len(tasks), size))
    np.add.at(counts, (task, said), 1.0)
    likely = held(counts / counts.sum(axis=1, keepdims=True))
    rates = np.zeros((len(labelers), size, size))
    for _ in range(_ROUNDS):
        rates = np.repeat(before[None], len(labelers), axis=0)
        np.add.at(rates.transpose(0, 2, 1), (labeler, said), likely[task])
        rates /= np.maximum(rates.sum(axis=2, keepdims=True), _LEAST)
        # Probes were chosen by somebody: how common classes are is told by the others.
        common = likely[~fixed] if not fixed.all() else likely
        shares = (common.sum(axis=0) + belief.worth / size) / (len(common) + belief.worth)
        found = np.tile(np.log(np.maximum(shares, _LEAST)), (len(tasks), 1))
        np.add.at(found, task, np.log(np.maximum(rates[labeler, :, said], _LEAST)))
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found = held(found / found.sum(axis=1, keepdims=True))
        moved = float(np.abs(found - likely).max())
        likely = found
        if moved < _STILL:
            break
    labels = {
        name: {classes[at]: float(row[at]) for at in np.flatnonzero(row > 0.0)}
        for name, row in zip(tasks, likely, strict=True)
    }
    right = np.full(len(labelers), belief.worth * belief.right)
    np.add.at(right, labeler, likely[task, said])
    return Weighed(labels, _skills(labelers, labeler, right, belief))


def _skills(
    labelers: list[str], labeler: npt.NDArray[np.int64], right: Floats, belief: Belief
) -> dict[str, float]:
    answers = np.bincount(labeler, minlength=len(labelers)) + belief.worth
    return dict(zip(labelers, (right / answers).tolist(), strict=True))


def _evenly(votes: Sequence[Vote], size: int, known: Mapping[str, str], belief: Belief) -> Weighed:
    """One rate for each labeler; only labels that somebody gave are held apart, all others of a
    task together."""
    labelers, labeler = _places([vote.labeler for vote in votes])
    tasks, task = _places([vote.task for vote in votes])
    pairs = sorted({(vote.task, vote.label) for vote in votes})
    at = {pair: place for place, pair in enumerate(pairs)}
    place_of_task = {name: place for place, name in enumerate(tasks)}
    pair = np.array([at[vote.task, vote.label] for vote in votes])
    task_of_pair = np.array([place_of_task[name] for name, _ in pairs])
    fixed = np.array([name in known for name, _ in pairs])
    is_so = np.array([known.get(name) == label for name, label in pairs], dtype=np.float64)
    unsaid = size - np.bincount(task_of_pair, minlength=len(tasks))
    likely = np.bincount(pair) / np.bincount(task)[task_of_pair]
    likely = np.where(fixed, is_so, likely)
    right = np.zeros(len(labelers))
    for _ in range(_ROUNDS):
        right = np.full(len(labelers), belief.worth * belief.right)
        np.add.at(right, labeler, likely[pair])
        rate = right / (np.bincount(labeler, minlength=len(labelers)) + belief.worth)
        rate = np.clip(rate, _LEAST, 1.0 - _LEAST)
        miss = np.log((1.0 - rate) / (size - 1))
        base = np.bincount(task, weights=miss[labeler], minlength=len(tasks))
        more = np.bincount(pair, weights=(np.log(rate) - miss)[labeler], minlength=len(pairs))
        score = base[task_of_pair] + more
        top = np.full(len(tasks), -np.inf)
        np.maximum.at(top, task_of_pair, score)
        mass = np.exp(score - top[task_of_pair])
        whole = np.bincount(task_of_pair, weights=mass) + unsaid * np.exp(base - top)
        found = np.where(fixed, is_so, mass / whole[task_of_pair])
        moved = float(np.abs(found - likely).max())
        likely = found
        if moved < _STILL:
            break
    labels: dict[str, dict[str, float]] = {name: {} for name in tasks}
    for (name, label), probable in zip(pairs, likely.tolist(), strict=True):
        labels[name][label] = probable
    right = np.full(len(labelers), belief.worth * belief.right)
    np.add.at(right, labeler, likely[pair])
    return Weighed(labels, _skills(labelers, labeler, right, belief))
