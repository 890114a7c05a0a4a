"""A contract as a commented YAML file that people like to edit.

Promises that the file loads back to the equal contract, the order of the inputs included, and
that it says of each section what it is for. Settings that equal their default are left out; the
ones people change most are there as comments.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from mainstay.contract.document import plain_value
from mainstay.contract.model import Context, Contract, Input, Output, Source

_WIDTH: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ -][A-Za-z0-9_]+)*|[0-9]+[a-z]+")
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_INFERRED_TAGS: Final = frozenset({"from", "by", "step"})

_HEAD: Final = """\
# What this model promises and how it must be treated. Check it with `mainstay check`."""
_INPUTS: Final = """\
# One entry for each value that a request carries; anything else is refused, by name.
#   number, integer   min, max           boolean
#   category          values, others: true lets unknown words through
#   text              max_length         timestamp   after, before
#   vector            length, space      any of them: optional: true, about: a line for people"""
_INPUTS_SEEN: Final = """\
# The ranges were guessed from sample data: what was seen, with its own width added on both sides,
# rounded to two digits. Tighten them where you know better."""
_CONTEXT: Final = """\
# Values beside the inputs: sent by the caller (`value`), or gathered here by a key (`lookup`)."""
_LOOKUPS: Final = """\
# Where context is gathered: a `function` of this bundle, an `http` URL or an `sql` query."""
_OUTPUT: Final = """\
# What the model answers with: probability, label, number, ranking or vector."""
_FACTS: Final = """\
# Facts that are asserted whenever the version is checked."""
_REPAIR: Final = """\
# How unusual values are put right before they are checked, input by input."""
_JUDGE: Final = """\
# When an answer may be shown, and what a person reads when it is withheld."""
_SERVE: Final = """\
# How requests are run. `join` lets concurrent requests share one run of the model."""
_ASSETS: Final = """\
# What a version must show before it serves, at every start and ever again: outside the acceptable
# range of the metric (lowest and highest), measured on the confidence set, it does not answer."""
_GATE: Final = """\
# What a candidate must show beside the version that serves: not worse, costlier, slower, larger."""
_RELEASE: Final = """\
# How a new version comes to answer: direct, shadow, canary, gradual, ab, bandit or opt_back."""
_LABELS: Final = """\
# How it becomes known whether answers were right: how long to wait, what silence means, and how
# far each caller is trusted; a part of the units is answered without the model, and stays so, to
# see what happens where it has no say; people are asked for labels."""
_EXPECT: Final = """\
# What is expected of it in use; what is not so is found, told, and shown by `mainstay watch`."""
_WATCH: Final = """\
# How it is watched; `mainstay watch` shows what was found."""
_RENEW: Final = """\
# How the next version is trained, by `mainstay retrain`, on what was decided and turned out."""
_LOG: Final = """\
# written: no crash of a process loses a decision; durable: nor does a power cut; buffered: fast."""


def write_contract(contract: Contract, seen: Mapping[str, str] | None = None) -> str:
    """The file of a contract; `seen` puts a few words beside each input."""
    lines = [_HEAD, f"model: {_text(contract.model)}"]
    if contract.about:
        lines.append(f"about: {_text(contract.about)}")
    lines += ["", _INPUTS]
    if seen:
        lines.append(_INPUTS_SEEN)
    lines.append("inputs:")
    lines += _entries(contract.inputs, seen or {})
    if contract.context:
        lines += ["", _CONTEXT, "context:", *_entries(contract.context, {})]
    if contract.lookups:
        lines += ["", _LOOKUPS, "lookups:", *_entries(contract.lookups, {})]
    lines += ["", _OUTPUT, *_setting("output", _written(contract.output), "", "")]
    if contract.repair:
        lines += ["", _REPAIR, "repair:"]
        for name, steps in contract.repair.items():
            lines += _setting(name, _item(steps), "  ", "")
    for name, words, value in (
        ("facts", _FACTS, contract.facts),
        ("judge", _JUDGE, contract.judge),
        ("serve", _SERVE, contract.serve),
        ("assets", _ASSETS, contract.assets),
        ("gate", _GATE, contract.gate),
        ("release", _RELEASE, contract.release),
        ("labels", _LABELS, contract.labels),
        ("watch", _WATCH, contract.watch),
        ("renew", _RENEW, contract.renew),
    ):
        lines += ["", words, *_section(name, value)]
    if contract.expect:
        lines += ["", _EXPECT, *_setting("expect", list(contract.expect), "", "")]
    else:
        lines += ["", _EXPECT, '# expect: ["p99 latency < 50 ms", "share answered >= 95 %"]']
    written = f"log: {contract.log}"
    lines += ["", _LOG, written if contract.log != "written" else f"# {written}"]
    return "\n".join(lines) + "\n"


def _section(name: str, value: msgspec.Struct) -> Iterator[str]:
    """Settings that differ from their defaults, and the others as comments."""
    settings = _written(value)
    yield f"{name}:" if settings else f"# {name}:"
    for setting, item in cast("dict[str, Any]", msgspec.to_builtins(value)).items():
        if setting in settings:
            yield from _setting(setting, settings[setting], "  ", "")
        else:
            example = _EXAMPLES.get(f"{name}.{setting}") or _EXAMPLES.get(setting)
            shown = example or _flow(item)
            yield f"#   {setting}: {shown}"


_EXAMPLES: Final = {
    "features": "30",
    "depends_on": '{numpy: ">=2.1,<3"}',
    "judge.confidence": "{at_least: 0.6, otherwise: ask}",
    "judge.rules": '["amount <= 5000"]',
    "judge.hold": "{above: mean + 3 sd}",
    "judge.cost": "{of_error: 1000, ask_above: 50}",
    "judge.safeguard": "{at_most: 0.5, otherwise: open}",
    "judge.exposure": "{unit: customer, prompts: 5 per 1d}",
    "labels.window": "30d",
    "labels.silence_means": "ok",
    "labels.key": "order_id",
    "labels.within": "7d",
    "labels.trust": "{crowd: 0.5}",
    "labels.places": "50",
    "labels.ask": "{most: 100 per 1d, overlap: 2}",
    "watch.usage": "{hour_vs_yesterday: 30 %, day_vs_last_week: 15 %}",
    "judge.undo": "{within: 24h}",
    "judge.private": "{subjects: {health: [diabetes, heart attack, {pattern: icd-?10}]}}",
    "judge.share": "{when: audience == 'everybody'}",
    "renew.train": "fraud:train",
    "renew.features": "made",
    "renew.history": "{parquet: history/*.parquet, id: id, time: made, label: was, known: heard}",
    "metric": "accuracy",
    "acceptable": "[0.8, 1]",
    "slices": "[country]",
    "cost": "{fraud: {ok: 500}, ok: {fraud: 1}}",
    "parity": "[country]",
    "unit": "customer",
    "fallback": '[fraud-lite, {answer: ok, when: amount < 100}, {say: "A person will look."}]',
    "cold": "{customer: fallback}",
    "notes": '"It knows more countries."',
}


def _entries(
    entries: Mapping[str, Input | Context | Source], seen: Mapping[str, str]
) -> Iterator[str]:
    for name, entry in entries.items():
        yield from _setting(name, _written(entry), "  ", seen.get(name, ""))


def _written(value: Input | Context | Source | Output | msgspec.Struct) -> dict[str, Any]:
    """The settings of a Struct that must stand in a file: its tag, and all but the defaults."""
    settings: dict[str, Any] = {}
    config = type(value).__struct_config__
    if config.tag_field is not None and config.tag_field not in _INFERRED_TAGS:
        settings[config.tag_field] = config.tag
    for field in msgspec.structs.fields(value):
        item = getattr(value, field.name)
        made = field.default_factory
        default = field.default if made is msgspec.NODEFAULT else made()
        if field.required or item != default or type(item) is not type(default):
            settings[field.name] = _item(item)
    return settings


def _item(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return _written(value)
        case dict():
            return {name: _item(item) for name, item in cast("dict[str, Any]", value).items()}
        case tuple():
            return [_item(item) for item in cast("tuple[Any, ...]", value)]
        case _:
            return value


def _setting(name: str, value: Any, indent: str, comment: str) -> Iterator[str]:
    """One setting, on one line where it fits."""
    line = f"{indent}{_text(name, key=True)}: {_flow(value)}"
    remark = f"  # {_comment(comment)}" if comment else ""
    if len(line) <= _WIDTH:
        yield line + remark if len(line + remark) <= _WIDTH or not comment else line
        if comment and len(line + remark) > _WIDTH:
            yield f"{indent}  # {_comment(comment)}"
    elif isinstance(value, dict) and value:
        yield f"{indent}{_text(name, key=True)}:{remark}"
        for inner, item in cast("dict[str, Any]", value).items():
            yield from _setting(inner, item, indent + "  ", "")
    elif isinstance(value, list) and value:
        yield f"{indent}{_text(name, key=True)}:"
        yield from _wrapped([_flow(item) for item in cast("list[Any]", value)], indent + "  ")
    else:
        yield line


def _wrapped(items: list[str], indent: str) -> Iterator[str]:
    """A long list over several lines."""
    line = indent + "["
    for place, item in enumerate(items):
        piece = item + ("," if place < len(items) - 1 else "]")
        if line.strip("[ ") and len(line) + 1 + len(piece) > _WIDTH:
            yield line
            line = indent + " " + piece
        else:
            line += piece if line.endswith("[") else " " + piece
    yield line


def _comment(words: str) -> str:
    return "".join(character if character.isprintable() else " " for character in words)


def _flow(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            whole = value.is_integer() and abs(value) < 1e15 and str(value) != "-0.0"
            return str(int(value)) if whole else repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            items = cast("list[Any] | tuple[Any, ...]", value)
            return "[" + ", ".join(_flow(item) for item in items) + "]"
        case _:
            settings = cast("dict[str, Any]", value).items()
            inner = ", ".join(f"{_text(name, key=True)}: {_flow(item)}" for name, item in settings)
            return "{" + inner + "}"


def _text(text: str, *, key: bool = False) -> str:
    """Text without quotes where YAML reads it back as the same text, else in double quotes."""
    if _PLAIN.fullmatch(text) and (key or isinstance(plain_value(text), str)) and len(text) < 80:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable() and character != "\ufeff":
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
