"""Drawn expressions, the columns they look at, and a second way to say what they mean: one row at a
time, with None for what is missing."""

from random import Random
from typing import Any

import numpy as np

from mainstay.contract.model import Boolean, Category, Integer, Number, Text

WORDS = ("de", "fr", "DE-x")
NAMES = {
    "n": Number(),
    "p": Number(min=1, max=10),
    "z": Number(min=0, max=5),
    "an odd name": Number(optional=True, min=-3, max=3),
    "i": Integer(min=-2, max=2),
    "b": Boolean(),
    "maybe": Boolean(optional=True),
    "c": Category(values=WORDS),
    "note.text": Text(optional=True),
    "free": "number",
}
NUMBERS = ("n", "p", "z", "an odd name", "i", "free")
TRUTHS = ("b", "maybe")
TEXTS = ("c", "note.text")

EDGES = (0.0, 1.0, -1.0, 2.0, 3.0, 1e300, -1e300, 5e-324)


def rows(random: Random) -> list[dict[str, Any]]:
    def number(low: float, high: float) -> float:
        edge = random.choice(EDGES)
        return edge if random.random() < 0.5 and low <= edge <= high else random.uniform(low, high)

    def maybe(value: Any) -> Any:
        return None if random.random() < 0.3 else value

    def one() -> dict[str, Any]:
        return {
            "n": number(-1e300, 1e300),
            "p": number(1, 10),
            "z": number(0, 5),
            "an odd name": maybe(number(-3, 3)),
            "i": float(random.randint(-2, 2)),
            "b": random.random() < 0.5,
            "maybe": maybe(random.random() < 0.5),
            "c": random.choice(WORDS),
            "note.text": maybe(random.choice(["de", "", "DE-x", "Straße"])),
            "free": maybe(number(-1e300, 1e300)),
        }

    return [one() for _ in range(random.randint(1, 5))]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in NAMES:
        values = [row[name] for row in rows]
        if name in TEXTS:
            column = np.empty(len(rows), dtype=object)
            column[:] = values
        elif name == "b":
            column = np.array(values, dtype=bool)
        elif name == "i":
            column = np.array(values, dtype=np.int64)
        else:
            column = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        found[name] = column
    return found


def text_literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Trees:
    """Draws trees: a tuple of what it is and its parts."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def of(self, sort: str, depth: int) -> Any:
        return {"number": self.number, "truth": self.truth, "text": self.text}[sort](depth)

    def number(self, depth: int) -> Any:
        pick, less = self._random.choice, depth - 1
        if depth == 0 or self._random.random() < 0.2:
            return pick([("name", pick(NUMBERS)), ("number", pick([0.0, 1.0, 2.0, 0.5, 100.0]))])
        match pick(["arithmetic"] * 3 + ["power", "minus", "choice", "one", "two", "len", "guard"]):
            case "arithmetic":
                return pick(["+", "-", "*", "/", "%"]), self.number(less), self.number(less)
            case "power":
                return "**", self.number(less), ("number", pick([2.0, 3.0, 0.5, -1.0]))
            case "minus":
                return "minus", self.number(less)
            case "choice":
                return "choice", self.number(less), self.truth(less), self.number(less)
            case "one":
                return pick(["abs", "exp", "sqrt", "log", "round"]), self.number(less)
            case "two":
                return pick(["min", "max"]), self.number(less), self.number(less)
            case "len":
                return "len", self.text(less)
            case _:
                divisor = self.number(less)
                divided = (pick(["/", "%"]), self.number(less), divisor)
                condition = (pick(["!=", ">", "<"]), divisor, ("number", 0.0))
                return "choice", divided, condition, self.number(less)

    def truth(self, depth: int) -> Any:
        pick, less = self._random.choice, depth - 1
        if depth == 0 or self._random.random() < 0.1:
            return "name", pick(TRUTHS)
        match pick(["numbers"] * 4 + ["joined"] * 3 + ["texts", "truths", "not", "choice", "missing", "among", "word", "test"]):  # fmt: skip
            case "numbers":
                return pick(COMPARISONS), self.number(less), self.number(less)
            case "joined":
                return pick(["and", "or"]), self.truth(less), self.truth(less)
            case "texts":
                return pick(["==", "!="]), self.text(less), self.text(less)
            case "truths":
                return pick(["==", "!="]), self.truth(less), self.truth(less)
            case "not":
                return "not", self.truth(less)
            case "choice":
                return "choice", self.truth(less), self.truth(less), self.truth(less)
            case "missing":
                return "missing", self.of(pick(["number", "truth", "text"]), less)
            case "among":
                return "among", self.number(less), (0.0, 1.0, -3.0)
            case "word":
                return "among", ("name", "note.text"), ("de", "x")
            case _:
                return pick(["contains", "starts_with"]), self.text(less), self.text(less)

    def text(self, depth: int) -> Any:
        pick, less = self._random.choice, depth - 1
        if depth == 0 or self._random.random() < 0.5:
            return pick([("name", pick(TEXTS)), ("text", pick(["de", 'a "b"\\', "E"]))])
        if self._random.random() < 0.5:
            return "lower", self.text(less)
        return "choice", self.text(less), self.truth(less), self.text(less)


HEIGHT = {"choice": 0, "or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "minus": 7, "**": 8}  # fmt: skip
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def written(tree: Any, least: int = 0) -> str:
    """The text, with brackets only where they are needed."""
    what, *parts = tree
    match what:
        case "name":
            return f"`{parts[0]}`" if " " in parts[0] else parts[0]
        case "number":
            return f"{parts[0]:g}" if parts[0] >= 0 else f"-{-parts[0]:g}"
        case "text":
            return text_literal(parts[0])
        case (
            "abs"
            | "exp"
            | "sqrt"
            | "log"
            | "round"
            | "min"
            | "max"
            | "len"
            | "lower"
            | "contains"
            | "starts_with"
        ):
            return f"{what}({', '.join(map(written, parts))})"
        case _:
            pass
    height = HEIGHT.get(what, 4)
    match what:
        case "choice":
            then, condition, otherwise = parts
            text = f"{written(then, 1)} if {written(condition, 1)} else {written(otherwise)}"
        case "not":
            text = f"not {written(parts[0], 3)}"
        case "minus":
            text = f"- {written(parts[0], 7)}"
        case "missing":
            text = f"{written(parts[0], 5)} is missing"
        case "among":
            values = [text_literal(v) if isinstance(v, str) else f"{v:g}" for v in parts[1]]
            text = f"{written(parts[0], 5)} in [{', '.join(values)}]"
        case "**":
            text = f"{written(parts[0], 9)} ** {written(parts[1], 7)}"
        case _:
            left = height if what in ("+", "-", "*", "/", "%") else height + 1
            text = f"{written(parts[0], left)} {what} {written(parts[1], height + 1)}"
    return f"({text})" if height < least else text


class Divided(AssertionError):
    """A text that was let through has no result for these values."""


def said(tree: Any, row: dict[str, Any], strict: bool = True) -> Any:
    """One row's value by a second way; None where missing."""
    what, *parts = tree
    match what:
        case "name":
            return row[parts[0]]
        case "number" | "text":
            return parts[0]
        case "choice":
            then, condition, otherwise = parts
            if (truth := said(condition, row, strict)) is None:
                return None
            return said(then if truth else otherwise, row, strict)
        case "and" | "or":
            ends = what == "or"
            left = said(parts[0], row, strict)
            if left is ends:
                return ends
            right = said(parts[1], row, strict and left is not None)
            return ends if right is ends else None if left is None or right is None else not ends
        case "missing":
            return said(parts[0], row, strict) is None
        case _:
            pass
    values = [
        part if isinstance(part, (float, str)) else said(part, row, strict) for part in parts[:1]
    ]
    values += [part if what == "among" else said(part, row, strict) for part in parts[1:]]
    if any(value is None for value in values):
        return None
    return number_or_nothing(of_values(what, values, strict))


def number_or_nothing(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def of_values(what: str, values: list[Any], strict: bool) -> Any:
    one, other = values[0], values[-1]
    if strict and (
        (what in "/%" and other == 0)
        or (what == "log" and one <= 0)
        or (what == "sqrt" and one < 0)
        or (what == "**" and ((other < 0 and one == 0) or (other % 1 and one < 0)))
    ):
        raise Divided(what)
    arithmetic = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.mod, "min": np.minimum, "max": np.maximum}  # fmt: skip
    of_one = {"minus": np.negative, "abs": np.abs, "exp": np.exp, "sqrt": np.sqrt, "log": np.log, "round": np.round}  # fmt: skip
    if what == "**":  # NumPy rounds otherwise where the exponent is a column too
        return float(np.power(np.array([float(one)]), np.float64(other))[0])
    if what in arithmetic:
        return float(arithmetic[what](np.array([float(one)]), np.array([float(other)]))[0])
    if what in of_one:
        return float(of_one[what](np.array([float(one)]))[0])
    plain = {
        "==": lambda: one == other,
        "!=": lambda: one != other,
        "<": lambda: one < other,
        "<=": lambda: one <= other,
        ">": lambda: one > other,
        ">=": lambda: one >= other,
        "not": lambda: not one,
        "among": lambda: one in other,
        "len": lambda: float(len(one)),
        "lower": lambda: str(one).lower(),
        "contains": lambda: other in one,
        "starts_with": lambda: one.startswith(other),
    }
    return plain[what]()
