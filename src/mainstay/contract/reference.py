"""The reference page of contract files, written from the Structs and their own words.

Promises that the page names every setting with its type and default, because it is made from the
same Structs that the loader holds files to; so it cannot fall behind.
"""

import ast
import inspect
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, cast, get_args

import msgspec
import msgspec.inspect as mi

from mainstay.contract import (
    asking,
    fallbacks,
    hearing,
    holding,
    judging,
    model,
    people,
    renewing,
    repairing,
    safeguards,
    watching,
)
from mainstay.contract.asking import Ask
from mainstay.contract.fallbacks import FallbackStep
from mainstay.contract.holding import Hold, Rule
from mainstay.contract.judging import ActionCost, Confidence, Cost, Judge
from mainstay.contract.model import (
    Assets,
    Context,
    Contract,
    Facts,
    Gate,
    Input,
    Kind,
    Labels,
    Output,
    Release,
    Serve,
    Source,
    ThresholdRule,
)
from mainstay.contract.people import Exposure, Pattern, Private, Report, Share, Undo, Words
from mainstay.contract.renewing import History, Renew, RenewCosts, RenewWhen
from mainstay.contract.repairing import Transform
from mainstay.contract.safeguards import Safeguard
from mainstay.contract.watching import UsageRules, Watch

_HEAD: Final = """\
# The contract file

One YAML file per model says what it promises and how it must be treated. Only `model`, `inputs`
and `output` must be there; every other setting has a default that is safe and useful. A setting
that is not on this page is an error.

A file may start from another one: `extends: base.yaml` (a path relative to the file). Its
settings are then changes: named settings are merged one by one, lists and single values replace
what was there, `null` takes a setting away, and what becomes another `type` is written anew.

Booleans are `true` and `false` only, so `NO` is a word. Anchors, aliases and tags are refused.
Durations carry a unit (`50ms`, `10s`, `2m`, `1h`, `7d`), shares their sign (`0.5 %`, `10 %`);
moments are RFC 3339 with an offset.
"""

_SECTIONS: Final[tuple[tuple[str, str, tuple[type, ...]], ...]] = (
    ("inputs", "The kinds of value that an input (or a context value) can be.", get_args(Input)),
    ("context", "Values beside the inputs; the setting in bold tells the kinds apart.",
     get_args(Context)),
    ("lookups", "Where context is gathered from.", get_args(Source)),
    ("output", "What the model answers with.", get_args(Output)),
    ("threshold", "", (ThresholdRule,)),
    ("facts", "", (Facts,)),
    ("repair", "The transforms with settings; a text alone is one without.", (Transform,)),
    ("judge", "", (Judge,)),
    ("rules", "Part of `judge`: a text alone is what must be true.", (Rule,)),
    ("hold", "Part of `judge`.", (Hold,)),
    ("confidence", "Part of `judge`.", (Confidence,)),
    ("cost", "Part of `judge`.", (Cost,)),
    ("actions", "Part of `judge.cost`.", (ActionCost,)),
    ("fallback", "Part of `judge`: the steps of the chain; a text alone is the name of a model.",
     get_args(FallbackStep)),
    ("safeguard", "Part of `judge`.", (Safeguard,)),
    ("exposure", "Part of `judge`.", (Exposure,)),
    ("report", "Part of `judge`.", (Report,)),
    ("private", "Part of `judge`.", (Private,)),
    ("pattern", "Part of `private`: a text alone is a word or a phrase.", (Pattern,)),
    ("share", "Part of `judge`.", (Share,)),
    ("words", "Part of `judge`.", (Words,)),
    ("undo", "Part of `judge`.", (Undo,)),
    ("serve", "", (Serve,)),
    ("assets", "", (Assets,)),
    ("gate", "", (Gate,)),
    ("release", "", (Release,)),
    ("labels", "", (Labels,)),
    ("ask", "Part of `labels`.", (Ask,)),
    ("watch", "", (Watch,)),
    ("usage", "Part of `watch`.", (UsageRules,)),
    ("renew", "", (Renew,)),
    ("when", "Part of `renew`.", (RenewWhen,)),
    ("costs", "Part of `renew.when`.", (RenewCosts,)),
    ("history", "Part of `renew`.", (History,)),
)  # fmt: skip
_MODULES: Final = (
    model,
    asking,
    hearing,
    judging,
    holding,
    fallbacks,
    people,
    renewing,
    repairing,
    safeguards,
    watching,
)
_INFERRED_TAGS: Final = frozenset({"from", "by", "step"})


def contract_reference() -> str:
    """The whole page, in Markdown."""
    words = _attribute_words()
    lines = [_HEAD, "## The whole", "", *_table(Contract, words)]
    for name, about, kinds in _SECTIONS:
        lines += ["", f"## {name}"]
        if about:
            lines += ["", about]
        for kind in kinds:
            lines += ["", *_kind(kind, words)]
    return "\n".join(lines) + "\n"


def _kind(kind: type, words: dict[tuple[str, str], str]) -> Iterator[str]:
    config: Any = getattr(kind, "__struct_config__", None)
    if config.tag_field is not None:
        inferred = config.tag_field in _INFERRED_TAGS
        yield f"### {config.tag}" if inferred else f"### {config.tag_field}: {config.tag}"
        yield ""
    yield " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    table = list(_table(kind, words))
    if table:
        yield ""
        yield from table


def _table(kind: type, words: dict[tuple[str, str], str]) -> Iterator[str]:
    info = mi.type_info(kind)
    assert isinstance(info, mi.StructType)
    if not info.fields:
        return
    yield "| setting | type | default | meaning |"
    yield "|---|---|---|---|"
    for field in sorted(info.fields, key=lambda field: not field.required):
        meaning = next(
            (words[owner.__name__, field.name] for owner in kind.__mro__
             if (owner.__name__, field.name) in words),
            "",
        )  # fmt: skip
        name = f"**`{field.name}`**" if field.required else f"`{field.name}`"
        yield f"| {name} | {_type(field.type)} | {_default(field)} | {meaning} |"


def _default(field: mi.Field) -> str:
    if field.required:
        return "must be given"
    made = field.default_factory
    default: Any = field.default if made is msgspec.NODEFAULT else made()
    if default is None:
        return "none"
    if isinstance(default, msgspec.Struct) or default == {}:
        return "see below" if default else "empty"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        items = cast("tuple[Any, ...]", default)
        return f"`[{', '.join(map(str, items))}]`" if items else "empty"
    return f"`{default}`" if default != "" else "empty"


def _type(kind: mi.Type) -> str:
    match kind:
        case mi.UnionType():
            named = [each for each in kind.types if not isinstance(each, mi.NoneType)]
            parts = [each for each in named if isinstance(each, mi.StructType)]
            if parts and len(parts) == len(named):
                return _part(parts)
            return " or ".join(_type(each) for each in named)
        case mi.StructType():
            return _part([kind])
        case mi.DictType():
            return f"names, each with {_type(kind.value_type)}"
        case mi.VarTupleType():
            return f"list of {_type(kind.item_type)}"
        case mi.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case mi.StrType():
            return "text"
        case mi.BoolType():
            return "true or false"
        case mi.IntType():
            return "whole number"
        case mi.FloatType():
            return "number"
        case _:
            raise TypeError(f"contracts have no settings of type {kind}")


def _part(kinds: list[mi.StructType]) -> str:
    """A link to the section that describes these kinds."""
    for name, _, members in _SECTIONS:
        if kinds[0].cls in members:
            return f"[{name}](#{name})"
    raise TypeError(f"{kinds[0].cls.__name__} has no section on the page")


def _attribute_words() -> dict[tuple[str, str], str]:
    """(class, attribute) to the docstring under the attribute."""
    found: dict[tuple[str, str], str] = {}
    written = [ast.parse(inspect.getsource(module)).body for module in _MODULES]
    for statement in chain.from_iterable(written):
        if not isinstance(statement, ast.ClassDef):
            continue
        named: str | None = None
        for line in statement.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                named = line.target.id
            elif named is not None and isinstance(line, ast.Expr):
                text = line.value.value if isinstance(line.value, ast.Constant) else None
                if isinstance(text, str):
                    found[statement.name, named] = " ".join(text.split())
                named = None
    assert (Kind.__name__, "optional") in found
    return found
