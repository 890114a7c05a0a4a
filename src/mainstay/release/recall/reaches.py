"""Which models another one's answers reach, taken or learned from, however far."""

from collections.abc import Collection, Mapping


def fed_by(model: str, edges: Mapping[str, Collection[str]]) -> list[str]:
    """Every model that takes or learned from this one's answers, or from those of one that does;
    by name. `edges`: model to those whose answers enter it."""
    reached, waiting = {model}, [model]
    while waiting:
        feeding = waiting.pop()
        further = {one for one, entering in edges.items() if feeding in entering} - reached
        reached |= further
        waiting += sorted(further)
    return sorted(reached - {model})
