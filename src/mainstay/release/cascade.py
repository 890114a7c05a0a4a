"""Models that feed models: what a version's answers go into, and what must change with it.

An edge comes from a card (`upstream`: made for exactly that version) or a contract (`from_model`:
this value is that model's answer). Promises that a version goes live only where, afterwards, every
version in force that takes its answers fits them and is pinned to no other version; that whatever
must change for that changes together; and that a loop of answers is refused and a loop through
training data named, each with its path. Pure: versions and contracts are handed in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter

import msgspec

from mainstay.base.errors import Refused
from mainstay.bundle.model import Version
from mainstay.contract.fields import between
from mainstay.contract.finding import Finding
from mainstay.contract.model import (
    Category,
    Contract,
    Input,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Vector,
    VectorOutput,
    kinds_from_models,
)
from mainstay.contract.safeguards import RIGHT_OR_WRONG, SAID
from mainstay.contract.words import one_of

TRAINING_LOOP = "training loop"
"""The check whose finding must be accepted by its name."""
_PATHS_MAX = 20


class Breaks(Refused):
    """A version would not fit the models that it feeds, or those that feed it."""

    code = "breaks_others"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A version among those that feed each other."""

    version: Version
    contract: Contract | None = None
    """Nothing where the bundle could not be had: then the card alone speaks."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.version.model

    @property
    def takes(self) -> frozenset[str]:
        """The models whose answers it takes."""
        declared = kinds_from_models(self.contract).values() if self.contract is not None else ()
        return frozenset(self.version.card.upstream) | {kind.from_model for kind in declared}

    @property
    def learned_from(self) -> frozenset[str]:
        """The models whose answers it takes or was trained on."""
        return self.takes | set(self.version.card.trained_on)

    def __str__(self) -> str:
        return f"{self.model} v{self.version.number}"


Nodes = Mapping[str, Node]
"""By model: the versions in force, or those that would be."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What going live with a version comes to."""

    moves: tuple[Node, ...]
    """The version, then those that change with it, each behind whatever feeds it."""
    kept: tuple[Node, ...] = ()
    """What takes its answers and stays as it is, because it fits."""
    broken: tuple[str, ...] = ()
    """What would not fit, and what to do about it, in words."""
    findings: tuple[Finding, ...] = ()
    """Loops through training data."""

    @property
    def along(self) -> tuple[Node, ...]:
        """What changes with the version."""
        return self.moves[1:]

    def check(self) -> "Plan":
        """Itself; `Breaks` when something would not fit."""
        if self.broken:
            raise Breaks(
                f"{self.moves[0]} cannot go live: it would not fit what is in force",
                field="cascade",
                got="\n".join(self.broken),
                expected="versions that fit each other; nothing has changed",
            )
        return self


class Known(msgspec.Struct, frozen=True):
    """How a plan learns of versions that are not in force."""

    versions: Callable[[str], Sequence[Version]]
    """All versions of a model, oldest first."""
    node: Callable[[Version], Node]


def plan(candidate: Node, in_force: Nodes, known: Known, *, newer: bool = True) -> Plan:
    """What must change when a version goes live; `Breaks` on a loop of answers.

    A downstream version that does not fit is replaced by the newest one that is pinned to what is
    to be in force, later (`newer`) than the one it replaces; going back takes an earlier one too.
    A safeguard for which there is none stays in force, and is not asked about the new version.
    """
    state = {**in_force, candidate.model: candidate}
    moved, broken, idle = {candidate.model}, dict[str, str](), set[str]()
    while True:
        order = downstream(state, candidate.model)
        open_ones = (m for m in order if m not in broken and m not in idle)
        wrong = next((m for m in open_ones if _faults(state[m], state, moved)), None)
        if wrong is None:
            break
        node = state[wrong]
        found = None if wrong in moved else _replacement(node, state, moved, known, newer=newer)
        if found is None and node is not candidate and _only_watches(node):
            idle.add(wrong)
        elif found is None:
            broken[wrong] = _words(node, state, moved, known, candidate)
        else:
            state[wrong] = found
            moved.add(wrong)
    return Plan(
        moves=tuple(state[model] for model in order if model in moved),
        kept=tuple(state[m] for m in order if m not in moved | idle and state[m].takes & moved),
        broken=tuple(broken.values()),
        findings=tuple(training_loops(state, candidate.model)),
    )


def downstream(nodes: Nodes, model: str) -> list[str]:
    """A model and everything its answers reach, each behind all that feeds it; `Breaks` names the
    path of a loop."""
    loop = _loop(nodes, model)
    if loop:
        raise Breaks(
            f"models would feed each other in a loop: {' → '.join(loop)}",
            field="cascade",
            rule="no loop",
            got=" → ".join(loop),
            expected="at least one of them without the answers of the one before it",
        )
    reached = _reached(nodes, model)
    graph = {one: sorted(nodes[one].takes & reached) for one in sorted(reached)}
    return list(TopologicalSorter(graph).static_order())


def training_loops(nodes: Nodes, model: str) -> Iterator[Finding]:
    """Loops from a version's answers through training data back to it: it learns from itself."""
    seen: set[tuple[str, ...]] = set()
    for path in _paths_back(nodes, model):
        if len(seen) == _PATHS_MAX:
            return
        if path not in seen:
            seen.add(path)
            shown = " → ".join(path)
            yield Finding(
                check=TRAINING_LOOP,
                slice=shown,
                verdict="unsure",
                words="its answers shape what it learns from, so its errors can grow unseen",
            )


def _reached(nodes: Nodes, model: str) -> set[str]:
    reached, waiting = {model}, [model]
    while waiting:
        feeding = waiting.pop()
        fed = {one for one, node in nodes.items() if feeding in node.takes} - reached
        reached |= fed
        waiting += fed
    return reached


def _loop(nodes: Nodes, start: str) -> list[str]:
    """The path of a loop of answers that can be reached from a model, or nothing."""
    done: set[str] = set()
    path = [start]
    branches = [iter(_fed_by(nodes, start))]
    while branches:
        following = next(branches[-1], None)
        if following is None:
            branches.pop()
            done.add(path.pop())
        elif following in path:
            return [*path[path.index(following) :], following]
        elif following not in done:
            path.append(following)
            branches.append(iter(_fed_by(nodes, following)))
    return []


def _fed_by(nodes: Nodes, model: str) -> list[str]:
    return sorted(one for one, node in nodes.items() if model in node.takes)


def _paths_back(nodes: Nodes, model: str) -> Iterator[tuple[str, ...]]:
    """For each model that feeds or taught this one, the shortest path from this one to it."""
    before: dict[str, str] = {}
    waiting = [model]
    for feeding in waiting:
        for one in sorted(nodes):
            if feeding in nodes[one].learned_from and one not in before:
                before[one] = feeding
                waiting.append(one)
    for teacher in sorted(nodes[model].learned_from):
        if teacher == model:
            yield (model, model)
        elif teacher in before:
            path = [model, teacher]
            while path[-1] != model:
                path.append(before[path[-1]])
            yield tuple(reversed(path))


# What fits ----------------------------------------------------------------------------------------


def _faults(node: Node, state: Nodes, moved: set[str]) -> list[str]:
    """Why a version does not fit what feeds it, as far as either is to move."""
    concerned = node.takes if node.model in moved else node.takes & moved
    return [
        words for model in sorted(concerned) for words in _misfits(node, state.get(model), model)
    ]


def _only_watches(node: Node) -> bool:
    """Whether a version is a safeguard: nobody has learned the errors of a new version yet, so it
    has none, and what that means is its contract's choice."""
    contract = node.contract
    if contract is None or not isinstance(contract.output, Probability):
        return False
    shown = any(name.startswith(SAID) for name in contract.inputs)
    return shown and contract.output.classes == RIGHT_OR_WRONG


def _misfits(node: Node, feeding: Node | None, model: str) -> list[str]:
    pinned = node.version.card.upstream.get(model)
    if feeding is None:
        return [] if pinned is None else [f"nothing answers for {model} yet"]
    if pinned is not None and pinned != feeding.version.fingerprint:
        return [f"it was made for another version of {model} ({pinned[:12]})"]
    if node.contract is None or feeding.contract is None:
        return []
    kinds = {
        name: kind
        for name, kind in kinds_from_models(node.contract).items()
        if kind.from_model == model
    }
    faults = ((name, misfit(kind, feeding.contract.output)) for name, kind in kinds.items())
    return [f"{name}, an answer of {feeding}: {words}" for name, words in faults if words]


def misfit(kind: Input, output: Output) -> str:
    """Why an answer does not fit where it is to enter; empty where it does."""
    match kind, output:
        case Category(), Probability() | Label():
            strange = [one for one in output.classes if one not in kind.values]
            if strange and not kind.others:
                return f"it may be {one_of(strange)}, which is refused there"
            return ""
        case Vector(), VectorOutput():
            if kind.length != output.length:
                return f"{kind.length} numbers are taken, {output.length} come"
            if kind.space != output.space:
                return f"{_space(kind.space)} is taken, {_space(output.space)} comes"
            return "" if kind.min is None and kind.max is None else "its numbers have no range"
        case Number(), NumberOutput():
            return _range(kind, output.min, output.max)
        case Number(), Probability():
            return _range(kind, 0.0, 1.0)
        case Vector(), Probability():
            if kind.length != len(output.classes):
                return f"{kind.length} numbers are taken, {len(output.classes)} probabilities come"
            inside = Number(min=kind.min, max=kind.max)
            return _range(inside, 0.0, 1.0)
        case _:
            return f"a {_tag(kind)} is taken, a {_tag(output)} comes"


def _space(space: str | None) -> str:
    return "no embedding space" if space is None else f"the embedding space {space!r}"


def _tag(kind: Input | Output | Ranking) -> str:
    return str(type(kind).__struct_config__.tag)


def _range(kind: Number, low: float | None, high: float | None) -> str:
    below = kind.min is not None and (low is None or low < kind.min)
    above = kind.max is not None and (high is None or high > kind.max)
    if not below and not above:
        return ""
    taken = between("a number", kind.min, kind.max)
    return f"{taken} is taken, {between('a number', low, high)} comes"


# What to do about it ------------------------------------------------------------------------------


def _replacement(
    node: Node, state: Nodes, moved: set[str], known: Known, *, newer: bool
) -> Node | None:
    """The newest version that was made for what is to be in force, and fits."""
    for version in reversed(known.versions(node.model)):
        pins = version.card.upstream
        wanted = [model for model in node.takes & moved if model in state]
        made_for_it = all(pins.get(m) == state[m].version.fingerprint for m in wanted)
        if made_for_it and (version.number > node.version.number or not newer):
            found = known.node(version)
            if not _faults(found, {**state, node.model: found}, {*moved, node.model}):
                return found
    return None


def _words(node: Node, state: Nodes, moved: set[str], known: Known, candidate: Node) -> str:
    why = "; ".join(_faults(node, state, moved))
    if node is not candidate:
        causes = sorted(node.takes & moved)
        pins = ", ".join(f'"{one}": {state[one].version.number}' for one in causes)
        return f"{node}: {why}; pack a version of it with upstream={{{pins}}} first"
    for model, fingerprint in sorted(node.version.card.upstream.items()):
        feeding = state.get(model)
        if feeding is None or feeding.version.fingerprint != fingerprint:
            return f"{node}: {why}; {_lead(model, fingerprint, feeding, known)}"
    return f"{node}: {why}; pack it again with a contract that takes these answers"


def _lead(model: str, fingerprint: str, feeding: Node | None, known: Known) -> str:
    numbers = [v.number for v in known.versions(model) if v.fingerprint == fingerprint]
    if not numbers:
        return f"no version of {model} here has this fingerprint; admit it, or pack this one again"
    answers = "" if feeding is None else f", while v{feeding.version.number} answers"
    together = "deploys it first" if feeding is None else "changes both together"
    return f"that is v{numbers[0]}{answers}: `mainstay deploy {model}@{numbers[0]}` {together}"
