"""Contracts drawn at random, for the property tests of this folder and of others."""

from typing import Any

from hypothesis import strategies as st

from mainstay.contract.fallbacks import FallbackModel, FallbackStep, FallbackWords
from mainstay.contract.judging import ActionCost, Confidence, Cost, Judge
from mainstay.contract.model import (
    Assets,
    Boolean,
    Category,
    Context,
    Contract,
    Facts,
    FromLookup,
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
from mainstay.contract.release_rules import METRIC_RANGES
from mainstay.contract.renewing import History, Renew
from mainstay.contract.repairing import Step, Transform
from mainstay.contract.safeguards import Safeguard
from mainstay.contract.watching import UsageRules, Watch

names = st.one_of(
    st.sampled_from(["amount", "age", "no", "null", "true", "1", "mean radius", "a: b", "# x", "é"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf", "Cn", "Co"]), min_size=1,
            max_size=12),
).map(lambda name: name.replace(".", "_").strip()).filter(
    lambda name: name not in {"", "matrix"} and name.isprintable()
)  # fmt: skip
words = st.one_of(
    st.sampled_from(
        ["DE", "NO", "yes", "null", "1.0", "", " x", "a: b", "#", "tab\t", "\x85", "12:30"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
flags = st.booleans()


def _ordered(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    def order(pair: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = pair
        return (high, low) if low is not None and high is not None and low > high else pair

    return st.tuples(st.none() | values, st.none() | values).map(order)


@st.composite
def numbers(draw: st.DrawFn) -> Input:
    low, high = draw(_ordered(floats))
    return Number(min=low, max=high, optional=draw(flags), about=draw(words))


@st.composite
def whole_numbers(draw: st.DrawFn) -> Input:
    low, high = draw(_ordered(integers))
    return Integer(min=low, max=high, optional=draw(flags))


@st.composite
def vectors(draw: st.DrawFn) -> Input:
    low, high = draw(_ordered(floats))
    space = draw(st.none() | st.sampled_from(["bge-small", "v 2"]))
    return Vector(
        length=draw(st.integers(1, 4)), min=low, max=high, space=space, optional=draw(flags)
    )


@st.composite
def texts(draw: st.DrawFn) -> Input:
    least = draw(st.integers(0, 3))
    return Text(
        min_length=least, max_length=draw(st.integers(max(least, 1), 8)), optional=draw(flags)
    )


renewals = st.just(Renew()) | st.builds(
    Renew,
    train=st.sampled_from(["fraud:train", "jobs.fraud_2:run"]),
    over=st.sampled_from(["90d", "12h"]),
    newest=st.sampled_from(["20 %", "5 %"]),
    time=st.sampled_from(["20m", "90s"]),
    memory_gb=st.floats(1, 64),
    disk_gb=st.floats(0.5, 8),
    history=st.none()
    | st.builds(
        History,
        id=st.just("payment"),
        time=st.just("decided at"),
        label=st.just("fraud?"),
        known=st.just("reported_at"),
        weight=st.sampled_from(["", "w"]),
        parquet=st.sampled_from(["history/*.parquet", "/data/it's.parquet"]),
    )
    | st.builds(
        History,
        id=st.just("id"),
        time=st.just("time"),
        label=st.just("label"),
        known=st.just("known"),
        sql=st.sampled_from(["SELECT * FROM t", "with x as (select ':')\nselect * from x;"]),
        database_env=st.just("PAYMENTS_URL"),
    ),
)
MOMENTS = ["1969-12-31T23:59:59.5Z", "2026-01-01T00:00:00Z", "2026-05-01T00:00:00+02:00"]


@st.composite
def timestamps(draw: st.DrawFn) -> Input:
    after = draw(st.none() | st.sampled_from(MOMENTS[:2]))
    before = draw(st.none() | st.just(MOMENTS[2]))
    return Timestamp(after=after, before=before, optional=draw(flags))


booleans = st.builds(Boolean, optional=flags, about=words)
categories = st.builds(
    Category,
    values=st.lists(words, min_size=1, max_size=5, unique=True).map(tuple),
    others=flags,
    optional=flags,
)
numeric_kinds = st.one_of(numbers(), whole_numbers(), booleans)
kinds: st.SearchStrategy[Input] = st.one_of(
    numeric_kinds, categories, texts(), timestamps(), vectors()
)

_classes = st.lists(words.filter(bool), min_size=2, max_size=4, unique=True).map(tuple)


@st.composite
def outputs(draw: st.DrawFn) -> Output:
    match draw(st.integers(0, 4)):
        case 0:
            classes = draw(_classes)
            share = draw(st.floats(0.01, 1)) if len(classes) == 2 else 0.5
            return Probability(classes=classes, threshold=share)
        case 1:
            return Label(classes=draw(_classes))
        case 2:
            low, high = draw(_ordered(floats))
            return NumberOutput(min=low, max=high, unit=draw(words))
        case 3:
            return Ranking(items=draw(_classes), top=draw(st.integers(1, 20)))
        case _:
            return VectorOutput(length=draw(st.integers(1, 9)), space=draw(st.none() | names))


sources: st.SearchStrategy[Source] = st.sampled_from(
    [
        FunctionSource(function="accounts"),
        HttpSource(http="https://example.com/{key}"),
        SqlSource(sql="select age from a where id = :key", database="ACCOUNTS_URL"),
    ]
)
_STAND_INS: list[tuple[Input, Any]] = [
    (Number(), 1.5),
    (Number(), 3),
    (Integer(min=0), 0),
    (Boolean(), False),
    (Category(values=("a", "NO")), "NO"),
    (Text(), ""),
    (Timestamp(), MOMENTS[1]),
    (Vector(length=2, optional=True), None),
    (Text(optional=True), None),
]


@st.composite
def contexts(draw: st.DrawFn, key: str, lookups: list[str]) -> Context:
    if lookups and draw(flags):
        fields = draw(st.dictionaries(names, st.sampled_from(_STAND_INS), min_size=1, max_size=2))
        return FromLookup(
            lookup=draw(st.sampled_from(lookups)),
            key=key,
            timeout=draw(st.sampled_from(["20ms", "50ms", "1s"])),
            fields={name: kind for name, (kind, _) in fields.items()},
            otherwise={name: value for name, (_, value) in fields.items()},
        )
    kind, value = draw(st.sampled_from(_STAND_INS))
    return FromRequest(value=kind, otherwise=draw(st.sampled_from([None, value])))


@st.composite
def assets(draw: st.DrawFn, output: Output) -> Assets:
    every = draw(st.sampled_from(["10m", "1s", "7 days"]))
    fitting = [name for name, m in METRIC_RANGES.items() if isinstance(output, m.outputs)]
    if not fitting or draw(flags):
        return Assets(every=every)
    bounds = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).map(tuple)
    return Assets(
        metric=draw(st.sampled_from(fitting)), acceptable=draw(st.just(()) | bounds), every=every
    )


@st.composite
def gates(draw: st.DrawFn, groups: list[str], output: Output) -> Gate:
    some = st.lists(st.sampled_from(groups), unique=True).map(tuple) if groups else st.just(())
    cost = {}
    classes = isinstance(output, Probability | Label)
    if isinstance(output, Probability | Label) and draw(flags):
        first, second = output.classes[:2]
        cost = {first: {second: draw(st.floats(0, 1e6))}}
    return Gate(
        worse_by=draw(st.floats(0, 1)),
        slices=draw(some) if classes or isinstance(output, NumberOutput) else (),
        parity=draw(some) if classes else (),
        parity_within=draw(st.floats(0, 1)),
        slower_by=draw(st.floats(0.5, 9)),
        larger_by=draw(st.floats(0.5, 9)),
        cost=cost,
    )


STRATEGIES = ("direct", "shadow", "canary", "gradual", "ab", "bandit", "opt_back")


@st.composite
def releases(draw: st.DrawFn, groups: list[str]) -> Release:
    return Release(
        strategy=draw(st.sampled_from(STRATEGIES)),
        steps=draw(st.sampled_from([("100 %",), ("0.5 %", "50%", "100 %")])),
        bake=draw(st.sampled_from(["10m", "1h", "1ms"])),
        unit=draw(st.sampled_from(["", *groups])),
        worse_by=draw(st.floats(0.001, 1)),
        false_alarms=draw(st.sampled_from(["1 %", "0.01 %", "50 %"])),
        decide_by=draw(st.sampled_from(["14d", "1s", "365d"])),
        floor=draw(st.sampled_from(["5 %", "0.1 %", "25 %"])),
        shadow=draw(st.sampled_from(["100 %", "12.5 %"])),
        share_by=draw(st.sampled_from(["thompson", "epsilon"])),
        opt_back_until=draw(st.sampled_from(["14d", "1s", "365 days"])),
        notes=draw(st.sampled_from(["", "It knows more.", "Two lines\nand 'quotes': # x"])),
    )


@st.composite
def judges(draw: st.DrawFn, output: Output) -> Judge:
    confidence, cost = None, None
    if isinstance(output, Probability) and draw(flags):
        confidence = Confidence(
            at_least=draw(st.floats(0.01, 1)),
            otherwise=draw(st.sampled_from(["decline", "ask", "options 2"])),
            calibrate=draw(st.sampled_from(["auto", "isotonic", "temperature", "no"])),
        )
    if isinstance(output, Probability) and draw(flags):
        ask, decline = draw(_ordered(st.floats(0, 1e9)))
        action = ActionCost(of_error=draw(st.sampled_from([3.0, "1 + 2"])), ask_above=ask)
        cost = Cost(
            of_error=draw(st.floats(0, 1e9)),
            decline_above=None if ask is None or decline is None or ask >= decline else decline,
            actions={output.classes[0]: action},
        )
    return Judge(
        say=draw(st.sampled_from(["No.", "We could not answer this one.", "a: 'b' #"])),
        confidence=confidence,
        cost=cost,
        fallback=draw(st.sampled_from([(), (STEPS[0],), STEPS])),
        safeguard=draw(safeguards(output)),
    )


@st.composite
def safeguards(draw: st.DrawFn, output: Output) -> Safeguard | None:
    if not isinstance(output, (Probability, Label, NumberOutput)) or draw(flags):
        return None
    version = draw(st.none() | st.integers(1, 9))
    return Safeguard(
        model=draw(st.sampled_from(["", "guard-1", "9"])),
        version=version,
        at_most=draw(st.floats(0, 0.99)),
        unsure=draw(st.sampled_from(["decline", "ask"])),
        otherwise=draw(st.sampled_from(["open", "closed"])),
        within=draw(st.sampled_from(["100ms", "1s"])),
        train=draw(st.sampled_from(["no", "auto"])) if version is None else "no",
        wrong_by=draw(st.floats(0, 1e9)) if isinstance(output, NumberOutput) else None,
    )


STEPS: tuple[FallbackStep, ...] = (
    FallbackModel(model="lite-2", within="20ms"),
    FallbackModel(model="1", version=3),
    FallbackWords(say="a: 'b' #"),
)


def repairs(inputs: dict[str, Input]) -> dict[str, tuple[Step, ...]]:
    """A transform or two for every input that has one."""
    found: dict[str, tuple[Step, ...]] = {}
    for name, kind in inputs.items():
        if isinstance(kind, Text):
            found[name] = ("trim", Transform(map={"a: b": "#", "no": "true"}))
        elif isinstance(kind, Number | Integer):
            found[name] = ("comma", Transform(when_above=1e5, divide_by=100.0))
    return found


@st.composite
def contracts(draw: st.DrawFn, kind: st.SearchStrategy[Input] = kinds, most: int = 5) -> Contract:
    inputs = draw(st.dictionaries(names, kind, min_size=1, max_size=most))
    keys = [name for name, each in inputs.items() if not isinstance(each, Vector)]
    lookups = draw(st.dictionaries(names, sources, max_size=2))
    context: dict[str, Context] = {}
    for name in draw(st.lists(names, max_size=2, unique=True)):
        if keys and name not in inputs:
            context[name] = draw(contexts(keys[0], list(lookups)))
    groups = [n for n, kind in inputs.items() if isinstance(kind, Category | Boolean | Integer)]
    output = draw(outputs())
    release = draw(releases(groups))
    held_out = st.sampled_from(["0 %", "1 %", "50 %", "0.01%"])
    return Contract(
        model=draw(st.sampled_from(["fraud", "a-b_2", "1"])),
        about=draw(words),
        inputs=inputs,
        context=context,
        lookups=lookups,
        output=output,
        facts=Facts(
            features=draw(st.none() | st.integers(1, 99)),
            depends_on=draw(st.sampled_from([{}, {"numpy": ">=2.1,<3"}])),
        ),
        repair=repairs(inputs) if draw(flags) else {},
        judge=draw(judges(output)),
        serve=Serve(join=draw(flags), deadline=draw(st.sampled_from(["10s", "2 minutes"]))),
        assets=draw(assets(output)),
        gate=draw(gates(groups, output)),
        release=release,
        labels=Labels(hold_out=draw(held_out) if release.unit else "0 %"),
        expect=draw(st.sampled_from(((), ("p99 latency < 50 ms", "requests >= 100 per 1h")))),
        watch=Watch(
            usage=draw(st.sampled_from((None, UsageRules(day_vs_last_week="15 %")))),
            false_alarms=draw(st.sampled_from(("1 per 30d", "3 per 12h", "2 per 7 days"))),
            slices=tuple(name for name, kind in inputs.items() if isinstance(kind, Category))[:1],
        ),
        renew=draw(renewals),
        log=draw(st.sampled_from(["written", "durable", "buffered"])),
    )
