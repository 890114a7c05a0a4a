"""What a condition guarantees of the numbers it looks at, for the parts that it guards.

Promises never to grant more than the condition says: where that is not clear, nothing is granted.
"""

from collections.abc import Mapping
from typing import Final

from mainstay.contract.expressions.model import Among, Call, Compare, Every, Node, Not, Some
from mainstay.contract.expressions.spans import ANY, Span

Guards = Mapping[Node, Span]
"""Part of the text to where its number must lie."""
NO_GUARDS: Final[Guards] = {}
Sides = Mapping[int, tuple[Span, Span]]
"""Comparison of numbers (the object itself) to where its two sides lie at its own place in the
text; the same number elsewhere may be guarded otherwise."""
_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_TURNED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def granted(node: Node, guards: Guards, sides: Sides, *, holds: bool) -> Guards:
    """The guards where a condition is true (or, if it does not hold, false), besides those that
    are there."""
    found = dict(guards)
    _grant(node, sides, holds, found)
    return found


def _grant(node: Node, sides: Sides, holds: bool, found: dict[Node, Span]) -> None:  # noqa: FBT001  # because it is handed on
    match node:
        case Not():
            _grant(node.operand, sides, not holds, found)
        case Every() if holds:
            for operand in node.operands:
                _grant(operand, sides, holds, found)
        case Some() if not holds:
            for operand in node.operands:
                _grant(operand, sides, holds, found)
        case Compare():
            if id(node) in sides:
                left, right = sides[id(node)]
                sign = node.sign if holds else _OPPOSITE[node.sign]
                _narrow(node.left, _beside(sign, right), found)
                _narrow(node.right, _beside(_TURNED[sign], left), found)
        case Among() if holds:
            numbers = [value for value in node.values if type(value) is float]
            if len(numbers) == len(node.values):
                span = Span(min(numbers), max(numbers), nonzero=0.0 not in numbers)
                _narrow(node.operand, span, found)
        case Among() if 0.0 in node.values:
            _narrow(node.operand, Span(ANY.low, ANY.high, nonzero=True), found)
        case _:
            pass


def _beside(sign: str, other: Span) -> Span:
    """Where a number lies that stands so to another one."""
    match sign:
        case "==":
            return other
        case "!=":
            return Span(ANY.low, ANY.high, nonzero=other.low == other.high == 0)
        case "<":
            return Span(ANY.low, other.high, nonzero=other.high <= 0)
        case "<=":
            return Span(ANY.low, other.high, nonzero=other.high < 0)
        case ">":
            return Span(other.low, ANY.high, nonzero=other.low >= 0)
        case _:
            return Span(other.low, ANY.high, nonzero=other.low > 0)


def _narrow(node: Node, span: Span, found: dict[Node, Span]) -> None:
    found[node] = found[node].within(span) if node in found else span
    if isinstance(node, Call) and node.function == "abs" and not span.has_zero:
        _narrow(node.arguments[0], Span(ANY.low, ANY.high, nonzero=True), found)
