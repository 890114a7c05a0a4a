"""Whether plain values have the shape of a contract: known settings, right types, nothing missing.

The shape is read from the Structs of `model.py`, so there is no second list of settings to keep.
Promises to find every fault, not only the first, each at the setting it belongs to and with words
that say what would be right. Whether the values make sense together is `rules.py`'s part.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple, cast

import msgspec
import msgspec.inspect as mi

from mainstay.contract.model import Contract
from mainstay.contract.words import Setting, did_you_mean, one_of

GIVEN_IN_FILE: Final = "extends"
"""The one setting of a file that is not part of the contract it makes."""

_TAGS_BY_SETTING: Final = {
    "context": ("from", {"lookup": "lookup", "value": "request"}),
    "lookups": ("by", {"function": "function", "http": "http", "sql": "sql"}),
}


_WITH_UNIT: Final = "; write it with a unit, such as 20ms"
_WITH_SIGN: Final = "; write it with its sign, such as 10 %"
_WITH_PERIOD: Final = "; write how many and per what time, such as 5 per 1d"
_UNIT_WORDS: Final = {
    **dict.fromkeys(
        ("timeout", "deadline", "every", "bake", "within", "over", "wait", "lease", "window"),
        _WITH_UNIT,
    ),
    **dict.fromkeys(("steps", "false_alarms", "hold_out", "sure", "gold", "bar"), _WITH_SIGN),
    **dict.fromkeys(("errors", "prompts", "answers", "most"), _WITH_PERIOD),
}


class Fault(NamedTuple):
    """Something wrong at a setting; the loader knows the line."""

    at: Setting
    words: str


@cache
def contract_type() -> mi.StructType:
    """The shape of a contract."""
    return cast("mi.StructType", mi.type_info(Contract))


_STEP_KINDS: Final = {"model": "model", "answer": "answer", "say": "say"}
_STEPS: Final = "`model`, `answer` or `say`"


def infer_tags(value: Any) -> Iterator[Fault]:
    """Write the tags `from`, `by` and `step`, which a file leaves out, into its plain values."""
    for part, (tag, kinds) in _TAGS_BY_SETTING.items():
        entries: Any = cast("dict[str, Any]", value).get(part)
        if isinstance(entries, dict):
            for name, entry in cast("dict[str, Any]", entries).items():
                yield from _infer_tag(entry, tag, kinds, (part, name))
    judge: Any = cast("dict[str, Any]", value).get("judge")
    if not isinstance(judge, dict):
        return
    judging = cast("dict[str, Any]", judge)
    if judging.get("safeguard") == "auto":
        judging["safeguard"] = {"train": "auto"}
    elif isinstance(judging.get("safeguard"), str):
        words = f"must be `auto`, or a set of named settings; got {describe(judging['safeguard'])}"
        judging["safeguard"] = None
        yield Fault(("judge", "safeguard"), words)
    chain: Any = judging.get("fallback")
    if isinstance(chain, list):
        steps = cast("list[Any]", chain)
        for place, step in enumerate(steps):
            if isinstance(step, str):  # the name of a model alone
                steps[place] = {"model": step}
            elif not isinstance(step, dict):
                steps[place] = {"step": None}
                words = f"must be the name of a model, or settings with {_STEPS}; "
                yield Fault(("judge", "fallback", place), words + f"got {describe(step)}")
            yield from _infer_tag(steps[place], "step", _STEP_KINDS, ("judge", "fallback", place))


def _infer_tag(entry: Any, tag: str, kinds: dict[str, str], at: Setting) -> Iterator[Fault]:
    if not isinstance(entry, dict) or tag in entry:
        return
    settings = cast("dict[str, Any]", entry)
    named = [setting for setting in kinds if setting in settings]
    if len(named) == 1:
        settings[tag] = kinds[named[0]]
        return
    wanted = " or ".join(f"`{setting}`" for setting in kinds)
    settings[tag] = None  # known to be faulty: the walk below leaves it alone
    if named:
        both = " and ".join(f"`{setting}`" for setting in named)
        yield Fault(at, f"has {both}; keep one of them")
        return
    guess = next((g for word in settings if (g := did_you_mean(word, kinds))), "")
    yield Fault(at, f"needs {wanted}{guess}")


def shape_faults(value: Any, kind: mi.Type, at: Setting = ()) -> Iterator[Fault]:
    """Everything in which plain values differ from a type."""
    if isinstance(kind, mi.StructType):
        yield from _struct_faults(value, kind, at)
    elif isinstance(kind, mi.UnionType):
        listed = [each for each in kind.types if isinstance(each, mi.VarTupleType)]
        if listed and isinstance(value, list):
            yield from shape_faults(cast("Any", value), listed[0], at)
            return
        structs = [each for each in kind.types if isinstance(each, mi.StructType)]
        if structs and structs[0].tag_field is None:
            yield from _settings_or_plain_faults(value, structs[0], kind.types, at)
        elif structs:
            yield from _tagged_faults(value, structs, at)
        else:
            yield from _scalar_faults(value, kind.types, at)
    elif isinstance(kind, mi.DictType):
        if not isinstance(value, dict):
            yield Fault(at, f"must be a set of named settings, got {describe(value)}")
            return
        if not value and at == ("inputs",):
            yield Fault(at, "a model needs at least one input")
        for name, item in cast("dict[str, Any]", value).items():
            yield from shape_faults(item, kind.value_type, (*at, name))
    elif isinstance(kind, mi.VarTupleType):
        if not isinstance(value, list):
            yield Fault(at, f"must be a list such as [a, b], got {describe(value)}")
            return
        for place, item in enumerate(cast("list[Any]", value)):
            yield from shape_faults(item, kind.item_type, (*at, place))
    else:
        yield from _scalar_faults(value, (kind,), at)


def _settings_or_plain_faults(
    value: Any, settings: mi.StructType, kinds: tuple[mi.Type, ...], at: Setting
) -> Iterator[Fault]:
    """A setting that is a set of named settings, or may be something shorter."""
    plain = tuple(each for each in kinds if not isinstance(each, (mi.StructType, mi.NoneType)))
    if value is None and any(isinstance(each, mi.NoneType) for each in kinds):
        return
    if isinstance(value, dict) or not plain:
        yield from _struct_faults(value, settings, at)
    elif not any(_fits(value, kind) for kind in plain):
        wanted = " or ".join(_noun(kind) for kind in plain)
        yield Fault(at, f"must be {wanted}, or a set of named settings; got {describe(value)}")


def _tagged_faults(value: Any, kinds: list[mi.StructType], at: Setting) -> Iterator[Fault]:
    tag = str(kinds[0].tag_field)
    known = {str(kind.tag): kind for kind in kinds}
    if not isinstance(value, dict):
        yield Fault(at, f"must be a set of named settings with a `{tag}`, got {describe(value)}")
        return
    settings = cast("dict[str, Any]", value)
    if tag not in settings:
        yield Fault(at, f"needs a `{tag}`: one of {one_of(known)}")
        return
    word = settings[tag]
    if word is None:
        return
    kind = known.get(word) if isinstance(word, str) else None
    if kind is None:
        guess = did_you_mean(word, known) if isinstance(word, str) else ""
        words = f"must be one of {one_of(known)}; got {describe(word)}{guess}"
        yield Fault((*at, tag), words)
        return
    yield from _struct_faults(settings, kind, at)


def _struct_faults(value: Any, kind: mi.StructType, at: Setting) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(at, f"must be a set of named settings, got {describe(value)}")
        return
    settings = cast("dict[str, Any]", value)
    fields = {field.name: field for field in kind.fields}
    known = [*fields, *([] if at else [GIVEN_IN_FILE])]
    for name, item in settings.items():
        field = fields.get(name)
        if field is not None:
            yield from shape_faults(item, field.type, (*at, name))
        elif name != kind.tag_field and not (name == GIVEN_IN_FILE and not at):
            of = f" of type {kind.tag}" if kind.tag is not None else ""
            guess = did_you_mean(name, known)
            where = "a contract" if not at else f"`{at[-1]}`{of}"
            words = f"is not a setting of {where}{guess}; settings are {one_of(sorted(known))}"
            yield Fault((*at, name), words)
    for name, field in fields.items():
        if field.required and name not in settings:
            yield Fault(at, f"needs `{name}`" + _why_needed(name))


def _why_needed(name: str) -> str:
    return {
        "model": ": the name people and clients call it by",
        "inputs": ": one entry for each value that a request carries",
        "output": ": what the model answers with, such as {type: number}",
        "values": ": the list of words that are let through",
        "otherwise": ": what stands in when the value cannot be had",
    }.get(name, "")


def _scalar_faults(value: Any, kinds: tuple[mi.Type, ...], at: Setting) -> Iterator[Fault]:
    if any(_fits(value, kind) for kind in kinds):
        return
    wanted = [_noun(kind) for kind in kinds if not isinstance(kind, mi.NoneType)]
    words = f"must be {' or '.join(wanted)}, got {describe(value)}"
    choice = next((kind for kind in kinds if isinstance(kind, mi.LiteralType)), None)
    if choice is not None and isinstance(value, str):
        words += did_you_mean(value, [str(each) for each in choice.values])
    elif any(isinstance(kind, mi.StrType) for kind in kinds) and isinstance(
        value, (bool, int, float)
    ):
        named = next((part for part in reversed(at) if isinstance(part, str)), "")
        words += _UNIT_WORDS.get(named, "; put it in quotes")
    yield Fault(at, words)


def _fits(value: Any, kind: mi.Type) -> bool:
    match kind:
        case mi.StrType():
            return isinstance(value, str)
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case mi.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case mi.NoneType():
            return value is None
        case mi.LiteralType():
            return isinstance(value, str) and value in kind.values
        case mi.VarTupleType():
            return False  # a list is held to its own type
        case _:
            raise TypeError(f"contracts have no settings of type {kind}")


def _noun(kind: mi.Type) -> str:
    match kind:
        case mi.StrType():
            return "text"
        case mi.BoolType():
            return "true or false"
        case mi.IntType():
            return "a whole number"
        case mi.FloatType():
            return "a number"
        case mi.VarTupleType():
            return "a list"
        case mi.LiteralType():
            return "one of " + ", ".join(str(each) for each in kind.values)
        case _:
            raise TypeError(f"contracts have no settings of type {kind}")


def describe(value: Any) -> str:
    """A plain value in a few words, for a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:60]!r}" + ("…" if len(value) > 60 else "")
        case list():
            return "a list"
        case dict():
            return "a set of named settings"
        case _:
            return f"a {type(value).__name__}"


def default_at(value: Any, at: Setting) -> tuple[bool, Any]:
    """Whether the setting at a place has a default, and which; `value` is a sound whole."""
    kind: mi.Type = contract_type()
    for depth, name in enumerate(at):
        last = depth == len(at) - 1
        if isinstance(kind, mi.UnionType):
            kind = next(
                (
                    each
                    for each in kind.types
                    if isinstance(each, mi.StructType)
                    and (each.tag_field is None or value.get(each.tag_field) == each.tag)
                ),
                kind,
            )
        if isinstance(kind, mi.StructType):
            field = next((field for field in kind.fields if field.name == name), None)
            if field is None:
                return False, None
            if last:
                if field.required:
                    return False, None
                made = field.default_factory
                default = field.default if made is msgspec.NODEFAULT else made()
                return True, msgspec.to_builtins(default)
            kind = field.type
        elif isinstance(kind, mi.DictType):
            kind = kind.value_type
        else:
            return False, None
        value = value[name]
    return False, None
