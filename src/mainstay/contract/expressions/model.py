"""What an expression is made of, as immutable values; two parts that read alike are equal."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true or false."""

    value: float | bool | str
    at: int = field(compare=False)
    """Where it starts in the text, counted from 0; so for every node."""


@dataclass(frozen=True, slots=True)
class Name:
    """A value that is known when the expression runs."""

    name: str
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Minus:
    """The negative of a number."""

    operand: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Two numbers and one of + - * / % **."""

    sign: str
    left: "Node"
    right: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """Two values and one of == != < <= > >=."""

    sign: str
    left: "Node"
    right: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """Whether a value is one of some literals."""

    operand: "Node"
    values: tuple[float | bool | str, ...]
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether a value is missing."""

    operand: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    operand: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Every:
    """Whether all of them are true."""

    operands: tuple["Node", ...]
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Some:
    """Whether one of them is true."""

    operands: tuple["Node", ...]
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value or another, by a condition."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values."""

    function: str
    arguments: tuple["Node", ...]
    at: int = field(compare=False)


Node = (
    Literal | Name | Minus | Binary | Compare | Among | Missing | Not | Every | Some | Choice | Call
)


class BadText(Exception):
    """The text is no expression: where, and in words."""

    def __init__(self, at: int, words: str) -> None:
        super().__init__(words)
        self.at = at
        self.words = words
