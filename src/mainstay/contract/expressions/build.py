"""The parts of an expression with their types: each is looked at once, and becomes a function.

Promises to name every unknown name and every part whose type does not fit; and that arithmetic
which has no result for some number that could come, by the limits in force at that place, is
refused. What a condition guarantees counts for what it guards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from mainstay.base.limits import EXPRESSION_EXPONENT_MAX
from mainstay.contract.expressions import columns
from mainstay.contract.expressions.columns import Run
from mainstay.contract.expressions.guards import NO_GUARDS, Guards, granted
from mainstay.contract.expressions.model import (
    Among,
    BadText,
    Binary,
    Call,
    Choice,
    Compare,
    Every,
    Minus,
    Missing,
    Name,
    Node,
    Not,
    Some,
)
from mainstay.contract.expressions.model import Literal as Constant
from mainstay.contract.expressions.spans import (
    ANY,
    FINITE,
    Span,
    combined,
    negative,
    of_function,
    raised,
)
from mainstay.contract.expressions.tokens import spelled
from mainstay.contract.words import did_you_mean, one_of

Sort = Literal["number", "boolean", "text"]
_A: Final[dict[Sort, str]] = {"number": "a number", "boolean": "true or false", "text": "text"}
_ROUND_MOST: Final = 15


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what it is, what is known of it, and how it is computed."""

    sort: Sort
    run: Run
    span: Span = ANY
    misses: bool = False
    """Whether it can be missing."""
    words: tuple[str, ...] | None = None
    """The only texts it can be, where they are known."""


Known = Mapping[str, Part | str]
"""Name to what it stands for, or why it cannot be used."""


class Builder:
    """Builds the parts of one expression; `faults` says what was found."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.faults: list[BadText] = []
        self.names: set[str] = set()
        self._sides: dict[int, tuple[Span, Span]] = {}
        self._by_type: dict[type, Callable[..., Part | None]] = {
            Constant: self._constant,
            Name: self._name,
            Minus: self._minus,
            Binary: self._binary,
            Compare: self._compare,
            Among: self._among,
            Missing: self._missing,
            Not: self._not,
            Every: self._every,
            Some: self._some,
            Choice: self._choice,
            Call: self._call,
        }

    def build(self, node: Node, guards: Guards = NO_GUARDS) -> Part | None:
        """A part, or nothing when a fault was found in it."""
        part = self._by_type[type(node)](node, guards)
        if part is not None and part.sort == "number" and node in guards:
            part = replace(part, span=part.span.within(guards[node]))
        return part

    def _fault(self, node: Node, words: str) -> None:
        self.faults.append(BadText(node.at, words))

    def _of(self, sort: Sort, node: Node, guards: Guards, what: str) -> Part | None:
        part = self.build(node, guards)
        if part is not None and part.sort != sort:
            self._fault(node, f"{what} must be {_A[sort]}, this is {_A[part.sort]}")
            return None
        return part

    def _constant(self, node: Constant, _: Guards) -> Part:
        value = node.value
        if isinstance(value, str):
            return Part("text", columns.text_constant(value), words=(value,))
        if isinstance(value, bool):
            return Part("boolean", columns.truth_constant(value))
        return Part("number", columns.number_constant(value), Span(value, value))

    def _name(self, node: Name, _: Guards) -> Part | None:
        found = self._known.get(node.name)
        if isinstance(found, Part):
            self.names.add(node.name)
            return found
        if found is not None:
            self._fault(node, f"{spelled(node.name[:60])} cannot be used here: {found}")
            return None
        usable = [spelled(name) for name, part in self._known.items() if isinstance(part, Part)]
        guess = did_you_mean(node.name, usable)
        words = f"there is no {node.name[:60]!r} here{guess}"
        if not guess:
            words += f"; names are {one_of(usable)}; texts stand in quotes"
        self._fault(node, words)
        return None

    def _minus(self, node: Minus, guards: Guards) -> Part | None:
        part = self._of("number", node.operand, guards, "what follows - ")
        if part is None:
            return None
        return Part("number", columns.minus(part.run), negative(part.span), part.misses)

    def _binary(self, node: Binary, guards: Guards) -> Part | None:
        left = self._of("number", node.left, guards, f"what stands before {node.sign}")
        right = self._of("number", node.right, guards, f"what follows {node.sign}")
        if left is None or right is None:
            return None
        if node.sign == "**":
            return self._power(node, left)
        if node.sign in "/%" and right.span.has_zero:
            self._fault(
                node,
                f"what follows {node.sign} can be zero; guard it, as in `a {node.sign} b if b != 0"
                " else 0`, or set limits that leave zero out",
            )
            return None
        span = combined(node.sign, left.span, right.span)
        misses = left.misses or right.misses or not (left.span.finite and right.span.finite)
        return Part("number", columns.binary(node.sign, left.run, right.run), span, misses)

    def _power(self, node: Binary, base: Part) -> Part | None:
        exponent = _plain_number(node.right)
        if exponent is None or abs(exponent) > EXPRESSION_EXPONENT_MAX:
            words = f"an exponent must be a plain number from -{EXPRESSION_EXPONENT_MAX} to "
            self._fault(node.right, f"{words}{EXPRESSION_EXPONENT_MAX}")
            return None
        if exponent != int(exponent) and base.span.low < 0:
            self._fault(node, "a number below zero has no power with a fraction; guard it")
            return None
        if exponent < 0 and base.span.has_zero:
            self._fault(node, "zero has no power below zero; guard it, as in `… if x != 0 else 0`")
            return None
        run = columns.binary("**", base.run, columns.number_constant(exponent))
        misses = base.misses or not base.span.finite
        return Part("number", run, raised(base.span, exponent), misses)

    def _compare(self, node: Compare, guards: Guards) -> Part | None:
        left, right = self.build(node.left, guards), self.build(node.right, guards)
        if left is None or right is None:
            return None
        if left.sort != right.sort:
            words = f"{_A[left.sort]} cannot be compared with {_A[right.sort]}"
            if {left.sort, right.sort} == {"number", "text"}:
                words += "; numbers stand without quotes"
            self._fault(node, words)
            return None
        misses = left.misses or right.misses
        if left.sort == "number":
            self._sides[id(node)] = (left.span, right.span)
            run = columns.compare_numbers(node.sign, left.run, right.run, misses=misses)
            return Part("boolean", run, misses=misses)
        if node.sign not in ("==", "!="):
            words = (
                f"{_A[left.sort]} can be compared with == and != only; {node.sign} is for numbers"
            )
            self._fault(node, words)
            return None
        if left.sort == "text":
            if not (self._possible(node, left, right) and self._possible(node, right, left)):
                return None
            run = columns.compare_texts(node.sign, left.run, right.run, misses=misses)
        else:
            run = columns.compare_truths(node.sign, left.run, right.run, misses=misses)
        return Part("boolean", run, misses=misses)

    def _possible(self, node: Node, value: Part, constant: Part) -> bool:
        """Whether a text that is known beforehand is one that a value can be."""
        if value.words is None or constant.words is None or len(constant.words) != 1:
            return True
        return self._can_be(node, value.words, constant.words[0])

    def _can_be(self, node: Node, words: tuple[str, ...], text: str) -> bool:
        if text in words:
            return True
        guess = did_you_mean(text, words)
        self._fault(node, f"it is never {text[:60]!r}{guess}; it is one of {one_of(words)}")
        return False

    def _among(self, node: Among, guards: Guards) -> Part | None:
        part = self.build(node.operand, guards)
        if part is None:
            return None
        sorts = {_sort_of(value) for value in node.values}
        if sorts != {part.sort} or part.sort == "boolean":
            words = f"a list that {_A[part.sort]} is looked for in must hold nothing else"
            if part.sort == "boolean":
                words = "only numbers and texts can be looked for in a list"
            self._fault(node, words)
            return None
        if part.sort == "number":
            numbers = [value for value in node.values if isinstance(value, float)]
            run = columns.number_among(part.run, numbers, misses=part.misses)
            return Part("boolean", run, misses=part.misses)
        texts = [value for value in node.values if isinstance(value, str)]
        known = part.words
        if known is not None and not all(self._can_be(node, known, text) for text in texts):
            return None
        run = columns.text_among(part.run, texts, misses=part.misses)
        return Part("boolean", run, misses=part.misses)

    def _missing(self, node: Missing, guards: Guards) -> Part | None:
        part = self.build(node.operand, guards)
        if part is None:
            return None
        makers = {
            "number": columns.number_missing,
            "text": columns.text_missing,
            "boolean": columns.truth_missing,
        }
        return Part("boolean", makers[part.sort](part.run))

    def _not(self, node: Not, guards: Guards) -> Part | None:
        part = self._of("boolean", node.operand, guards, "what follows `not`")
        if part is None:
            return None
        return Part("boolean", columns.negation(part.run), misses=part.misses)

    def _every(self, node: Every, guards: Guards) -> Part | None:
        parts: list[Part | None] = []
        for operand in node.operands:
            parts.append(self._of("boolean", operand, guards, "each side of `and`"))
            guards = granted(operand, guards, self._sides, holds=True)
        good = [part for part in parts if part is not None]
        if len(good) < len(parts):
            return None
        run = columns.every([part.run for part in good])
        return Part("boolean", run, misses=any(part.misses for part in good))

    def _some(self, node: Some, guards: Guards) -> Part | None:
        parts: list[Part | None] = []
        for operand in node.operands:
            parts.append(self._of("boolean", operand, guards, "each side of `or`"))
            guards = granted(operand, guards, self._sides, holds=False)
        good = [part for part in parts if part is not None]
        if len(good) < len(parts):
            return None
        run = columns.some([part.run for part in good])
        return Part("boolean", run, misses=any(part.misses for part in good))

    def _choice(self, node: Choice, guards: Guards) -> Part | None:
        condition = self._of("boolean", node.condition, guards, "what follows `if`")
        if condition is None:
            return None
        then = self.build(node.then, granted(node.condition, guards, self._sides, holds=True))
        unless = granted(node.condition, guards, self._sides, holds=False)
        otherwise = self.build(node.otherwise, unless)
        if then is None or otherwise is None:
            return None
        if then.sort != otherwise.sort:
            words = f"one side is {_A[then.sort]}, the other {_A[otherwise.sort]}; make them alike"
            self._fault(node, words)
            return None
        misses = condition.misses or then.misses or otherwise.misses
        runs = condition.run, then.run, otherwise.run
        match then.sort:
            case "number":
                run = columns.choose_column(*runs, float("nan"))
                return Part("number", run, then.span.hull(otherwise.span), misses)
            case "text":
                words_of = None
                if then.words is not None and otherwise.words is not None:
                    words_of = tuple(dict.fromkeys((*then.words, *otherwise.words)))
                run = columns.choose_column(*runs, None)
                return Part("text", run, misses=misses, words=words_of)
            case "boolean":
                return Part("boolean", columns.choose_truth(*runs), misses=misses)

    def _call(self, node: Call, guards: Guards) -> Part | None:
        name = node.function
        if name in ("len", "lower", "contains", "starts_with"):
            return self._text_call(node, guards)
        first = node.arguments[:1] if name == "round" else node.arguments
        found = [self._of("number", each, guards, f"a value of {name}") for each in first]
        parts = [part for part in found if part is not None]
        if len(parts) < len(found):
            return None
        span = of_function(name, [part.span for part in parts])
        misses = any(part.misses for part in parts)
        part = parts[0]
        if name in ("min", "max"):
            return Part("number", columns.extreme(name, [p.run for p in parts]), span, misses)
        if name == "round":
            return self._round(node, replace(part, span=span, misses=misses or not span.finite))
        if name == "log" and (part.span.low < 0 or part.span.has_zero):
            words = "a number must be above zero to have a logarithm, and this one may not be"
            self._fault(node, f"{words}; guard it, as in `log(x) if x > 0 else 0`")
            return None
        if name == "sqrt" and part.span.low < 0:
            words = "a number below zero has no root, and this one may be; guard it, as in"
            self._fault(node, f"{words} `sqrt(x) if x >= 0 else 0`")
            return None
        return Part("number", columns.function_of_number(name, part.run), span, misses)

    def _round(self, node: Call, rounded: Part) -> Part | None:
        last = node.arguments[-1]
        digits = 0.0 if last is node.arguments[0] else _plain_number(last)
        if digits is None or digits not in range(_ROUND_MOST + 1):
            words = f"the digits of round must be a whole number from 0 to {_ROUND_MOST}"
            self._fault(last, words)
            return None
        return replace(rounded, run=columns.round_to(rounded.run, int(digits)))

    def _text_call(self, node: Call, guards: Guards) -> Part | None:
        name = node.function
        found = [self._of("text", each, guards, f"a value of {name}") for each in node.arguments]
        parts = [part for part in found if part is not None]
        if len(parts) < len(found):
            return None
        misses = any(part.misses for part in parts)
        first = parts[0]
        if name == "len":
            return Part("number", columns.length(first.run), Span(0.0, FINITE.high), misses)
        if name == "lower":
            words = None
            if first.words is not None:
                words = tuple(dict.fromkeys(word.lower() for word in first.words))
            return Part("text", columns.lower(first.run), misses=misses, words=words)
        run = columns.text_test(name, first.run, parts[1].run, misses=misses)
        return Part("boolean", run, misses=misses)


def _plain_number(node: Node) -> float | None:
    if isinstance(node, Constant) and type(node.value) is float:
        return node.value
    if isinstance(node, Minus):
        value = _plain_number(node.operand)
        return None if value is None else -value
    return None


def _sort_of(value: float | bool | str) -> Sort:  # noqa: FBT001  # because it is the value
    if isinstance(value, str):
        return "text"
    return "boolean" if isinstance(value, bool) else "number"
