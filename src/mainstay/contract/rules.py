"""Whether the settings of a contract make sense together.

Works on a `Draft`: the parts of a contract that have the right shape, so that a mistake in one
part does not hide the mistakes in others. Promises to name every fault at its setting, with what
would be right. Must never look outside the contract: no file, no network, no environment.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import (
    CATEGORY_MAX_CHARACTERS,
    CATEGORY_VALUES_MAX,
    CLASSES_MAX,
    DEADLINE_MAX_SECONDS,
    INPUTS_MAX,
    INTEGER_MAX,
    LOOKUP_TIMEOUT_MAX_SECONDS,
    NAME_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    VECTOR_MAX_LENGTH,
    WORDS_MAX_CHARACTERS,
)
from mainstay.contract.asking_rules import asking_faults
from mainstay.contract.columns import MATRIX
from mainstay.contract.expectations import expect_faults
from mainstay.contract.fields import FLOAT_MAX, compile_field, plain
from mainstay.contract.hearing_rules import hearing_faults
from mainstay.contract.judge_rules import judge_faults
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Assets,
    Category,
    Context,
    Contract,
    Facts,
    FromRequest,
    FunctionSource,
    Gate,
    HttpSource,
    Input,
    Integer,
    Label,
    Labels,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Release,
    Serve,
    Source,
    SqlSource,
    Text,
    Timestamp,
    Vector,
    VectorOutput,
)
from mainstay.contract.names import model_name_fault
from mainstay.contract.release_rules import (
    Known,
    assets_faults,
    gate_faults,
    labels_faults,
    release_faults,
)
from mainstay.contract.renewing import Renew
from mainstay.contract.renewing_rules import renew_faults
from mainstay.contract.repair_rules import repair_faults
from mainstay.contract.repairing import Step
from mainstay.contract.shape import Fault
from mainstay.contract.threshold_rules import threshold_faults
from mainstay.contract.times import MOMENT_EXPECTED, duration_ns, moment_us
from mainstay.contract.watch_rules import watch_faults
from mainstay.contract.watching import Watch
from mainstay.contract.words import Setting, did_you_mean, one_of

_FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Draft(msgspec.Struct, kw_only=True):
    """The parts of a contract that could be read."""

    model: str | None = None
    inputs: dict[str, Input] = {}
    context: dict[str, Context] = {}
    lookups: dict[str, Source] = {}
    output: Output | None = None
    facts: Facts | None = None
    repair: dict[str, tuple[Step, ...]] = {}
    judge: Judge | None = None
    serve: Serve | None = None
    assets: Assets | None = None
    gate: Gate | None = None
    release: Release | None = None
    labels: Labels | None = None
    expect: tuple[str, ...] = ()
    watch: Watch | None = None
    renew: Renew | None = None
    input_names: tuple[str, ...] = ()
    """All inputs, those that could not be read included."""
    context_names: tuple[str, ...] = ()
    lookup_names: tuple[str, ...] = ()
    written: frozenset[Setting] = frozenset()
    """What stands in a file, where there is one."""


def draft_of(contract: Contract) -> Draft:
    """A whole contract as a draft."""
    return Draft(
        model=contract.model,
        inputs=contract.inputs,
        context=contract.context,
        lookups=contract.lookups,
        output=contract.output,
        facts=contract.facts,
        repair=contract.repair,
        judge=contract.judge,
        serve=contract.serve,
        assets=contract.assets,
        gate=contract.gate,
        release=contract.release,
        labels=contract.labels,
        expect=contract.expect,
        watch=contract.watch,
        renew=contract.renew,
        input_names=tuple(contract.inputs),
        context_names=tuple(contract.context),
        lookup_names=tuple(contract.lookups),
    )


def _judge_faults(draft: Draft, known: Known) -> Iterator[Fault]:
    """What makes no sense in `judge`, also where nothing of it is written."""
    judge = draft.judge
    if judge is None and ("judge",) not in draft.written:
        judge = Judge()
    if judge is not None:
        release = draft.release or Release()
        yield from judge_faults(judge, known._replace(notes=release.notes))


def _all_labels_faults(draft: Draft, labels: Labels, known: Known) -> Iterator[Fault]:
    """What makes no sense in how it becomes known whether answers were right."""
    unread = draft.release is None and ("release",) in draft.written
    release = None if unread else draft.release or Release()
    yield from labels_faults(labels, release)
    yield from hearing_faults(labels, known)
    if labels.ask is not None:
        yield from asking_faults(labels.ask, known)


def rule_faults(draft: Draft) -> Iterator[Fault]:
    """Everything that makes no sense."""
    if draft.model is not None:
        yield from model_name_faults(draft.model)
    yield from _names_faults(draft)
    for name, kind in draft.inputs.items():
        yield from kind_faults(kind, ("inputs", name))
    for name, source in draft.lookups.items():
        yield from _source_faults(source, ("lookups", name))
    deadline = None
    if draft.serve is not None:
        at = ("serve", "deadline")
        yield from _duration_faults(draft.serve.deadline, at, DEADLINE_MAX_SECONDS)
        deadline = _duration(draft.serve.deadline)
    for name, source in draft.context.items():
        yield from _context_faults(source, name, draft, deadline)
    if draft.output is not None:
        yield from output_faults(draft.output, draft.written)
    if draft.facts is not None:
        yield from _facts_faults(draft.facts)
    whole = len(draft.inputs) == len(draft.input_names)
    whole = whole and len(draft.context) == len(draft.context_names)
    ask = None if draft.labels is None else draft.labels.ask
    known = Known(
        draft.inputs,
        draft.input_names,
        draft.output,
        draft.model,
        draft.context,
        whole,
        asked=ask is not None and not ask.show,
    )
    yield from repair_faults(draft.repair, known)
    yield from _judge_faults(draft, known)
    if draft.assets is not None:
        yield from assets_faults(draft.assets, known)
    if draft.gate is not None:
        yield from gate_faults(draft.gate, known)
    if draft.release is not None:
        yield from release_faults(draft.release, known)
    if draft.labels is not None:
        yield from _all_labels_faults(draft, draft.labels, known)
    yield from expect_faults(draft.expect, known)
    if draft.watch is not None:
        yield from watch_faults(draft.watch, known)
    if draft.renew is not None:
        unread = draft.labels is None and ("labels",) in draft.written
        labels = None if unread else draft.labels or Labels()
        yield from renew_faults(draft.renew, labels, known)


def model_name_faults(name: str) -> Iterator[Fault]:
    """What is wrong with the name of a model."""
    words = model_name_fault(name)
    if words is not None:
        yield Fault(("model",), words)


def field_name_fault(name: str) -> str | None:
    """What is wrong with the name of an input or a context value."""
    if not 1 <= len(name) <= NAME_MAX_CHARACTERS:
        return f"a name has 1 to {NAME_MAX_CHARACTERS} characters, this one {len(name)}"
    if not name.isprintable() or name != name.strip():
        return "a name has no control characters and no space at its ends"
    if "." in name:
        return f"a name has no '.' in it; {name.replace('.', '_')!r} would do"
    if name == MATRIX:
        return f"{MATRIX!r} means all inputs at once; choose another name"
    return None


def _names_faults(draft: Draft) -> Iterator[Fault]:
    if len(draft.input_names) > INPUTS_MAX:
        words = f"{len(draft.input_names)} inputs are more than {INPUTS_MAX}; use a vector"
        yield Fault(("inputs",), words)
    named = {"inputs": draft.input_names, "context": draft.context_names}
    for part, names in {**named, "lookups": draft.lookup_names}.items():
        for name in names:
            words = field_name_fault(name)
            if words is not None:
                yield Fault((part, name), words)
    for name in draft.context_names:
        if name in draft.input_names:
            yield Fault(("context", name), "an input has this name too; choose another")


def _described_faults(kind: Input, at: Setting) -> Iterator[Fault]:
    for name, text in (("about", kind.about), ("source", kind.source)):
        if len(text) > WORDS_MAX_CHARACTERS:
            yield Fault((*at, name), f"is longer than {WORDS_MAX_CHARACTERS} characters")
    if kind.source and kind.from_model:
        words = f"is known already: the model {kind.from_model[:60]}; leave it out"
        yield Fault((*at, "source"), words)


def kind_faults(kind: Input, at: Setting) -> Iterator[Fault]:
    """What makes no sense in one kind of value."""
    yield from _described_faults(kind, at)
    if kind.from_model:
        for fault in model_name_faults(kind.from_model):
            yield Fault((*at, "from_model"), fault.words)
        if not isinstance(kind, (Category, Number, Vector)):
            words = "only a category, a number or a vector can be the answer of a model"
            yield Fault((*at, "from_model"), words)
    match kind:
        case Number():
            yield from _range_faults(kind.min, kind.max, at, FLOAT_MAX)
        case Integer():
            yield from _range_faults(kind.min, kind.max, at, INTEGER_MAX)
        case Category():
            yield from _list_faults(kind.values, (*at, "values"), 1, CATEGORY_VALUES_MAX)
            for place, value in enumerate(kind.values):
                if len(value) > CATEGORY_MAX_CHARACTERS:
                    words = f"has {len(value)} characters; at most {CATEGORY_MAX_CHARACTERS}"
                    yield Fault((*at, "values", place), words)
        case Text():
            yield from _text_faults(kind, at)
        case Timestamp():
            yield from _timestamp_faults(kind, at)
        case Vector():
            yield from _length_faults(kind.length, kind.space, at)
            yield from _range_faults(kind.min, kind.max, at, FLOAT_MAX)
        case _:
            pass  # a boolean has no settings of its own


def _range_faults(
    low: float | None, high: float | None, at: Setting, widest: float
) -> Iterator[Fault]:
    sound = True
    for name, bound in (("min", low), ("max", high)):
        if bound is not None and not -widest <= bound <= widest:
            sound = False
            words = f"must be a finite number, got {bound}"
            if widest == INTEGER_MAX:
                words = f"must lie within ±{INTEGER_MAX} (53 bits), got {bound}"
            yield Fault((*at, name), words)
    if sound and low is not None and high is not None and low > high:
        words = f"{plain(low)} is more than max, {plain(high)}; nothing could pass"
        yield Fault((*at, "min"), words)


def _text_faults(kind: Text, at: Setting) -> Iterator[Fault]:
    if not 1 <= kind.max_length <= TEXT_MAX_CHARACTERS:
        words = f"must be 1 to {TEXT_MAX_CHARACTERS}, got {kind.max_length}"
        yield Fault((*at, "max_length"), words)
    elif not 0 <= kind.min_length <= kind.max_length:
        words = f"must be 0 to max_length, which is {kind.max_length}; got {kind.min_length}"
        yield Fault((*at, "min_length"), words)


def _timestamp_faults(kind: Timestamp, at: Setting) -> Iterator[Fault]:
    moments: dict[str, int] = {}
    for name, text in (("after", kind.after), ("before", kind.before)):
        if text is None:
            continue
        moment = moment_us(text)
        if moment is None:
            yield Fault((*at, name), f"{text[:60]!r} is not {MOMENT_EXPECTED}")
        else:
            moments[name] = moment
    if len(moments) == 2 and moments["after"] >= moments["before"]:
        words = f"{kind.after} is not earlier than before, {kind.before}; nothing could pass"
        yield Fault((*at, "after"), words)


def _length_faults(length: int, space: str | None, at: Setting) -> Iterator[Fault]:
    if not 1 <= length <= VECTOR_MAX_LENGTH:
        yield Fault((*at, "length"), f"must be 1 to {VECTOR_MAX_LENGTH}, got {length}")
    if space is not None and not 1 <= len(space) <= NAME_MAX_CHARACTERS:
        words = f"must be the name of an embedding space, 1 to {NAME_MAX_CHARACTERS} characters"
        yield Fault((*at, "space"), words)


def _list_faults(values: tuple[str, ...], at: Setting, least: int, most: int) -> Iterator[Fault]:
    if not least <= len(values) <= most:
        bound = f"at least {least}" if len(values) < least else f"at most {most}"
        yield Fault(at, f"needs {bound}, has {len(values)}")
    first: dict[str, int] = {}
    for place, value in enumerate(values):
        if value in first:
            yield Fault((*at, place), f"{value[:60]!r} is listed already, as [{first[value]}]")
        first.setdefault(value, place)


def _classes_faults(values: tuple[str, ...], at: Setting, least: int) -> Iterator[Fault]:
    yield from _list_faults(values, at, least, CLASSES_MAX)
    for place, value in enumerate(values):
        if not 1 <= len(value) <= CATEGORY_MAX_CHARACTERS:
            words = f"must have 1 to {CATEGORY_MAX_CHARACTERS} characters, has {len(value)}"
            yield Fault((*at, place), words)


def output_faults(output: Output, written: frozenset[Setting]) -> Iterator[Fault]:
    """What makes no sense in what a model answers with."""
    at: Setting = ("output",)
    match output:
        case Probability():
            yield from _classes_faults(output.classes, (*at, "classes"), 2)
            given = (*at, "threshold") in written
            yield from threshold_faults(output, (*at, "threshold"), given=given)
        case Label():
            yield from _classes_faults(output.classes, (*at, "classes"), 2)
        case NumberOutput():
            yield from _range_faults(output.min, output.max, at, FLOAT_MAX)
        case Ranking():
            yield from _classes_faults(output.items, (*at, "items"), 1)
            if output.top < 1:
                yield Fault((*at, "top"), f"must be at least 1, got {output.top}")
        case VectorOutput():
            yield from _length_faults(output.length, output.space, at)


def _duration(text: str) -> int | None:
    try:
        return duration_ns(text)
    except InvalidUsage:
        return None


def _duration_faults(text: str, at: Setting, most_seconds: int) -> Iterator[Fault]:
    duration = _duration(text)
    if duration is None:
        words = f"{text[:40]!r} is not a duration; write 50ms, 10s, 2m or 1h"
        yield Fault(at, words)
    elif not 1_000_000 <= duration <= most_seconds * 1_000_000_000:
        yield Fault(at, f"must be 1ms to {most_seconds}s, got {text}")


def _source_faults(source: Source, at: Setting) -> Iterator[Fault]:
    match source:
        case FunctionSource():
            if not _FUNCTION_NAME.fullmatch(source.function):
                yield Fault((*at, "function"), "must be the name of a Python function")
        case HttpSource():
            if not re.match(r"https?://[^\s/]+", source.http) or re.search(r"\s", source.http):
                yield Fault((*at, "http"), "must be a URL that starts with http:// or https://")
            if "{key}" not in source.http:
                yield Fault((*at, "http"), "must have {key} where the key goes")
        case SqlSource():
            if not re.match(r"\s*(?:select|with)\b", source.sql, re.IGNORECASE):
                yield Fault((*at, "sql"), "must be one SELECT")
            if not re.search(r"(?<![:\w]):key\b", source.sql):
                yield Fault((*at, "sql"), "must have :key where the key goes")
            if not _VARIABLE_NAME.fullmatch(source.database):
                words = (
                    "must be the name of an environment variable that holds the database's URL, "
                    "such as ACCOUNTS_URL"
                )
                yield Fault((*at, "database"), words)


def _context_faults(
    source: Context, name: str, draft: Draft, deadline: int | None
) -> Iterator[Fault]:
    at: Setting = ("context", name)
    if isinstance(source, FromRequest):
        before = list(kind_faults(source.value, (*at, "value")))
        yield from before
        if not before and source.otherwise is not None:
            yield from _value_faults(source.value, source.otherwise, (*at, "otherwise"))
        return
    if source.lookup not in draft.lookup_names:
        known = "there are none; describe it under `lookups`"
        if draft.lookup_names:
            known = f"lookups are {one_of(draft.lookup_names)}"
        guess = did_you_mean(source.lookup, draft.lookup_names)
        yield Fault((*at, "lookup"), f"there is no lookup {source.lookup!r}{guess}; {known}")
    if source.key not in draft.input_names:
        guess = did_you_mean(source.key, draft.input_names)
        words = f"there is no input {source.key!r}{guess}; inputs are {one_of(draft.input_names)}"
        yield Fault((*at, "key"), words)
    elif isinstance(draft.inputs.get(source.key), Vector):
        yield Fault((*at, "key"), f"{source.key!r} is a vector, which cannot be looked up by")
    yield from _duration_faults(source.timeout, (*at, "timeout"), LOOKUP_TIMEOUT_MAX_SECONDS)
    timeout = _duration(source.timeout)
    if timeout is not None and deadline is not None and timeout >= deadline:
        yield Fault((*at, "timeout"), "must be shorter than serve.deadline")
    if not source.fields:
        yield Fault((*at, "fields"), "needs at least one field: what the lookup brings back")
    yield from _lookup_fields_faults(source.fields, source.otherwise, at)


def _lookup_fields_faults(
    fields: Mapping[str, Input], otherwise: Mapping[str, Any], at: Setting
) -> Iterator[Fault]:
    for name, kind in fields.items():
        here = (*at, "fields", name)
        words = field_name_fault(name)
        if words is not None:
            yield Fault(here, words)
        before = list(kind_faults(kind, here))
        yield from before
        if name not in otherwise:
            words = f"needs {name!r}: a value for each field, used when the lookup fails"
            yield Fault((*at, "otherwise"), words)
        elif not before:
            yield from _value_faults(kind, otherwise[name], (*at, "otherwise", name))
    for name in otherwise:
        if name not in fields:
            words = f"is not one of the fields{did_you_mean(name, fields)}; {one_of(fields)}"
            yield Fault((*at, "otherwise", name), words)


def _value_faults(kind: Input, value: Any, at: Setting) -> Iterator[Fault]:
    wrong = compile_field("", kind).refuses(value)
    if wrong is None:
        return
    if isinstance(kind, Vector):
        words = "a vector cannot be written here; make the field `optional: true`, and this null"
        yield Fault(at, words)
    elif wrong.rule == "missing":
        yield Fault(at, f"must be {wrong.expected}, or make the field `optional: true`")
    else:
        yield Fault(at, f"must be {wrong.expected}; {wrong.words or f'is {value!r}'}")


def _facts_faults(facts: Facts) -> Iterator[Fault]:
    if facts.features is not None and facts.features < 1:
        yield Fault(("facts", "features"), f"must be at least 1, got {facts.features}")
    for name, text in facts.depends_on.items():
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            words = f"{text[:60]!r} is not a version range; write one such as '>=2.1,<3'"
            yield Fault(("facts", "depends_on", name), words)
