"""The text of an expression as its parts.

    choice      either [if either else choice]
    either      every {or every}
    every       denial {and denial}
    denial      not denial | comparison
    comparison  sum {(== | != | < | <= | > | >=) sum}
                | sum [not] in [literal, …] | sum [not] between sum and sum | sum is [not] missing
    sum         product {(+ | -) product}
    product     signed {(* | / | %) signed}
    signed      - signed | + signed | number name… | power
    power       atom [** signed]
    atom        literal | name | function(choice, …) | (choice)

Promises that work and nesting are bounded, so no text makes the parser run long or deep.
"""

import math
from typing import Final

from mainstay.base.limits import EXPRESSION_DEPTH_MAX, EXPRESSION_PARTS_MAX
from mainstay.contract.expressions.model import (
    Among,
    BadText,
    Binary,
    Call,
    Choice,
    Compare,
    Every,
    Literal,
    Minus,
    Missing,
    Name,
    Node,
    Not,
    Some,
)
from mainstay.contract.expressions.tokens import KEYWORDS, Token, tokens
from mainstay.contract.words import did_you_mean, one_of

ARGUMENTS: Final = {
    "min": (2, 20),
    "max": (2, 20),
    "abs": (1, 1),
    "round": (1, 2),
    "log": (1, 1),
    "exp": (1, 1),
    "sqrt": (1, 1),
    "len": (1, 1),
    "lower": (1, 1),
    "contains": (2, 2),
    "starts_with": (2, 2),
    "missing": (1, 1),
}
"""Function to how many arguments it takes, at least and at most."""
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})


def parse(text: str) -> Node:
    """The parts of a text; `BadText` when it is no expression."""
    return _Parser(tokens(text)).whole()


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._place = 0
        self._depth = 0
        self._parts = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise BadText(0, "there is no expression here; write one such as `amount <= 5000`")
        node = self._choice()
        if self._now.sort != "end":
            raise BadText(self._now.at, f"{self._shown()} is not expected here{self._hint()}")
        return node

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _shown(self) -> str:
        return "the end" if self._now.sort == "end" else repr(self._now.value[:40])

    def _hint(self) -> str:
        word = self._now.value
        if self._now.sort == "name" and word.lower() in KEYWORDS:
            return f"; write {word.lower()!r}"
        if self._now.sort in ("name", "number", "text"):
            return "; a sign such as +, < or `and` is missing before it"
        return ""

    def _take(self, sort: str, *values: str) -> Token | None:
        """The token here when it is one of these; then the next one is here."""
        token = self._now
        if token.sort != sort or (values and token.value not in values):
            return None
        self._place += 1
        return token

    def _must(self, sort: str, value: str, why: str) -> None:
        if self._take(sort, value) is None:
            raise BadText(self._now.at, f"{value!r} is missing before {self._shown()}: {why}")

    def _count(self, node: Node) -> Node:
        self._parts += 1
        if self._parts > EXPRESSION_PARTS_MAX:
            words = f"an expression has at most {EXPRESSION_PARTS_MAX} parts; this is too long"
            raise BadText(node.at, words)
        return node

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > EXPRESSION_DEPTH_MAX:
            words = f"is nested more than {EXPRESSION_DEPTH_MAX} deep; write it in smaller parts"
            raise BadText(self._now.at, words)

    def _choice(self) -> Node:
        self._deeper()
        then = self._either()
        mark = self._take("keyword", "if")
        if mark is not None:
            condition = self._either()
            self._must("keyword", "else", "what holds when the condition does not?")
            then = self._count(Choice(condition, then, self._choice(), mark.at))
        self._depth -= 1
        return then

    def _either(self) -> Node:
        operands = [self._every()]
        while self._take("keyword", "or"):
            operands.append(self._every())
        if len(operands) == 1:
            return operands[0]
        return self._count(Some(tuple(operands), operands[0].at))

    def _every(self) -> Node:
        operands = [self._denial()]
        while self._take("keyword", "and"):
            operands.append(self._denial())
        if len(operands) == 1:
            return operands[0]
        return self._count(Every(tuple(operands), operands[0].at))

    def _denial(self) -> Node:
        mark = self._take("keyword", "not")
        if mark is None:
            return self._comparison()
        self._deeper()
        node = self._count(Not(self._denial(), mark.at))
        self._depth -= 1
        return node

    def _comparison(self) -> Node:
        left = self._sum()
        if self._take("keyword", "is"):
            denied = self._take("keyword", "not") is not None
            self._must("keyword", "missing", "write `x is missing` or `x is not missing`")
            return self._denied(denied, self._count(Missing(left, left.at)))
        after = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        denied = after.sort == "keyword" and after.value in ("in", "between")
        denied = denied and self._take("keyword", "not") is not None
        if self._take("keyword", "in"):
            return self._denied(denied, self._count(Among(left, self._list(), left.at)))
        if self._take("keyword", "between"):
            low = self._sum()
            self._must("keyword", "and", "write `x between 1 and 5`")
            high = self._sum()
            bounds = (Compare(">=", left, low, left.at), Compare("<=", left, high, left.at))
            return self._denied(denied, self._joined(list(bounds)))
        chain: list[Compare] = []
        while sign := self._take("sign", *_COMPARISONS):
            right = self._sum()
            chain.append(Compare(sign.value, left, right, sign.at))
            left = right
        return self._joined(chain) if chain else left

    def _joined(self, chain: list[Compare]) -> Node:
        for each in chain:
            self._count(each)
        return chain[0] if len(chain) == 1 else self._count(Every(tuple(chain), chain[0].at))

    def _denied(self, denied: bool, node: Node) -> Node:  # noqa: FBT001  # because it is what was read
        return self._count(Not(node, node.at)) if denied else node

    def _list(self) -> tuple[float | bool | str, ...]:
        self._must("sign", "[", "write a list such as [1, 2] or ['a', 'b']")
        values: list[float | bool | str] = []
        while not self._take("sign", "]"):
            if values:
                self._must("sign", ",", "values of a list are parted by commas")
            values.append(self._listed())
        if not values:
            raise BadText(self._now.at, "the list is empty, so nothing could be in it")
        return tuple(values)

    def _listed(self) -> float | bool | str:
        negative = self._take("sign", "-") is not None
        literal = self._literal()
        if literal is not None and not negative:
            return literal.value
        if literal is not None and type(literal.value) is float:
            return -literal.value
        words = f"{self._shown()} cannot be in a list; numbers and texts in quotes can"
        raise BadText(self._now.at, words)

    def _literal(self) -> Literal | None:
        if token := self._take("number"):
            value = float(token.value)
            if not math.isfinite(value):
                raise BadText(token.at, f"{token.value[:40]} is too large a number")
            return Literal(value, token.at)
        if token := self._take("text"):
            return Literal(token.value, token.at)
        if token := self._take("keyword", "true", "false"):
            return Literal(token.value == "true", token.at)
        return None

    def _sum(self) -> Node:
        left = self._product()
        while sign := self._take("sign", "+", "-"):
            left = self._count(Binary(sign.value, left, self._product(), sign.at))
        return left

    def _product(self) -> Node:
        left = self._signed()
        while sign := self._take("sign", "*", "/", "%"):
            left = self._count(Binary(sign.value, left, self._signed(), sign.at))
        return left

    def _signed(self) -> Node:
        sign = self._take("sign", "-", "+")
        if sign is not None:
            self._deeper()
            operand = self._signed()
            self._depth -= 1
            if sign.value == "+":
                return operand
            if isinstance(operand, Literal) and type(operand.value) is float:
                return Literal(-operand.value, sign.at)
            return self._count(Minus(operand, sign.at))
        base = self._atom()
        counts = isinstance(base, Literal) and type(base.value) is float
        if counts and self._now.sort == "name" and self._now.value.lower() not in KEYWORDS:
            # `3 sd` reads as people write it.
            return self._count(Binary("*", base, self._power(self._atom()), self._now.at))
        return self._power(base)

    def _power(self, base: Node) -> Node:
        sign = self._take("sign", "**")
        if sign is None:
            return base
        self._deeper()
        node = self._count(Binary("**", base, self._signed(), sign.at))
        self._depth -= 1
        return node

    def _atom(self) -> Node:
        literal = self._literal()
        if literal is not None:
            return self._count(literal)
        at = self._now.at
        if self._take("sign", "("):
            node = self._choice()
            self._must("sign", ")", f"it closes the ( at character {at + 1}")
            return node
        token = self._take("name") or self._take("keyword", "missing")
        if token is None:
            words = f"a value is missing before {self._shown()}"
            raise BadText(at, words if self._now.sort != "end" else "a value is missing at the end")
        if self._take("sign", "("):
            return self._call(token)
        if token.sort == "keyword":
            raise BadText(at, "write `missing(x)` or `x is missing`")
        return self._count(Name(token.value, token.at))

    def _call(self, token: Token) -> Node:
        name = token.value
        if name not in ARGUMENTS:
            guess = did_you_mean(name, ARGUMENTS)
            words = f"there is no function {name[:40]!r}{guess}; functions are {one_of(ARGUMENTS)}"
            raise BadText(token.at, words)
        arguments: list[Node] = []
        while not self._take("sign", ")"):
            if arguments:
                self._must("sign", ",", f"arguments of {name} are parted by commas")
            arguments.append(self._choice())
        least, most = ARGUMENTS[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            words = f"{name} takes {wanted} value{'s' * (most > 1)}, got {len(arguments)}"
            raise BadText(token.at, words)
        if name == "missing":
            return self._count(Missing(arguments[0], token.at))
        return self._count(Call(name, tuple(arguments), token.at))
