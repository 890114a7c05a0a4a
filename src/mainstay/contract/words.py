"""Words for people who mistyped: where, what they may have meant, and what there is to choose."""

import difflib
from collections.abc import Iterable
from typing import Final

Setting = tuple[str | int, ...]
"""Where a value stands: the names (and list positions) that lead to it."""

_OTHER_NAMES: Final = {
    "float": "number",
    "double": "number",
    "numeric": "number",
    "real": "number",
    "int": "integer",
    "long": "integer",
    "bool": "boolean",
    "str": "text",
    "string": "text",
    "enum": "category",
    "categorical": "category",
    "datetime": "timestamp",
    "date": "timestamp",
    "time": "timestamp",
    "embedding": "vector",
    "array": "vector",
    "list": "vector",
    "classification": "probability",
    "binary": "probability",
    "regression": "number",
    "recommendation": "ranking",
    "minimum": "min",
    "maximum": "max",
    "ge": "min",
    "le": "max",
    "nullable": "optional",
    "required": "optional",
    "choices": "values",
    "options": "values",
    "maxlength": "max_length",
    "max_len": "max_length",
    "minlength": "min_length",
    "dim": "length",
    "dimension": "length",
    "size": "length",
    "description": "about",
    "doc": "about",
    "labels": "classes",
    "default": "otherwise",
    "fallback": "otherwise",
    "name": "model",
    "features": "inputs",
    "outputs": "output",
    "input": "inputs",
    "url": "http",
    "query": "sql",
}
_SHOWN_MAX: Final = 12
_GUESSES_AMONG_MAX: Final = 1000


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no choice is near."""
    known = list(choices)[:_GUESSES_AMONG_MAX]
    other = _OTHER_NAMES.get(word.lower())
    if other in known:
        return f"; did you mean {other!r}?"
    if len(word) > 200:
        return ""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    lowered = {choice.lower(): choice for choice in known}
    if not near:
        near = [
            lowered[match]
            for match in difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
        ]
    return f"; did you mean {near[0]!r}?" if near else ""


def one_of(choices: Iterable[str]) -> str:
    """Choices as words, cut when there are many."""
    known = list(choices)
    more = f", … ({len(known)} in all)" if len(known) > _SHOWN_MAX else ""
    return ", ".join(known[:_SHOWN_MAX]) + more


def setting_name(setting: Setting) -> str:
    """A setting as people write it: `inputs.amount.values[2]`."""
    text = ""
    for part in setting:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
