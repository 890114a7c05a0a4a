"""Versions that stand in for others: whether a chain can do what it says once a version is live.

Promises that a version goes live only where every model that its chain names is there, takes no
more than this version does and answers alike; and that a version which others fall back on goes
live only where it still fits them. The same holds of safeguards, but for one that is not there yet:
what that means is the contract's choice. Pure: versions and contracts are handed in. Must never be
held against going back: a shorter chain is better than a wrong version.
"""

from collections.abc import Iterator

from mainstay.contract.fallbacks import FallbackModel, models_among
from mainstay.contract.safeguards import guard_of
from mainstay.judge.safeguard import unfit_guard
from mainstay.judge.standby import unfit
from mainstay.release.cascade import Known, Node, Nodes


def chain_faults(candidate: Node, in_force: Nodes, known: Known) -> Iterator[str]:
    """What of the chains would not work once this version is live, and what to do about it."""
    if candidate.contract is not None:
        for step in models_among(candidate.contract.judge.fallback).values():
            found = _found(step, in_force, known)
            if isinstance(found, str):
                yield f"{candidate}: its fallback {step.key}: {found}"
            elif found.version.fingerprint == candidate.version.fingerprint:
                yield f"{candidate}: its fallback {step.key} is this very version"
            elif found.contract is not None:
                why = unfit(candidate.contract, found.contract)
                if why:
                    yield f"{candidate}: {found} cannot be its fallback: {why}"
        yield from _guard_faults(candidate, in_force, known)
    for model, node in sorted(in_force.items()):
        if model != candidate.model and _follows(node, candidate.model):
            why = _unfit(node, candidate)
            if why:
                yield f"{node} falls back on {candidate.model}, and {candidate} cannot: {why}"
        guard = _guard(node)
        if guard is not None and guard.model == candidate.model and guard.version is None:
            yield from _unfit_guard(node, candidate)


def _guard_faults(candidate: Node, in_force: Nodes, known: Known) -> Iterator[str]:
    """What keeps a version's safeguard from doing its part."""
    guard = _guard(candidate)
    if guard is None or (guard.version is None and guard.model not in in_force):
        return
    found = _found(guard, in_force, known)
    if isinstance(found, str):
        yield f"{candidate}: its safeguard {guard.key}: {found}"
    else:
        yield from _unfit_guard(candidate, found)


def _guard(node: Node) -> FallbackModel | None:
    if node.contract is None or node.contract.judge.safeguard is None:
        return None
    return guard_of(node.model, node.contract.judge.safeguard)


def _unfit_guard(node: Node, guard: Node) -> Iterator[str]:
    pinned = guard.version.card.upstream.get(node.model, node.version.fingerprint)
    if pinned != node.version.fingerprint:
        return  # it is not asked about this version, so it need not fit
    if node.contract is not None and guard.contract is not None:
        why = unfit_guard(node.contract, guard.contract)
        if why:
            yield f"{guard} cannot be the safeguard of {node}: {why}"


def _found(step: FallbackModel, in_force: Nodes, known: Known) -> Node | str:
    if step.version is None:
        node = in_force.get(step.model)
        return node or f"nothing answers for {step.model} yet; deploy it first"
    versions = known.versions(step.model)
    for version in versions:
        if version.number == step.version:
            return known.node(version)
    there = f"its newest is {versions[-1].number}" if versions else "no version of it is kept"
    return f"there is no such version here; {there}"


def _follows(node: Node, model: str) -> bool:
    steps = () if node.contract is None else node.contract.judge.fallback
    return model in models_among(steps)


def _unfit(node: Node, candidate: Node) -> str:
    if node.contract is None or candidate.contract is None:
        return ""
    return unfit(node.contract, candidate.contract)
