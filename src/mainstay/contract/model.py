"""The contract: what a model promises and how it must be treated, as immutable values.

Every part but `inputs` and `output` has a default that is safe and useful. A field that is not
named here is an error when a contract is loaded: a setting without an effect does not exist.
This module holds types and pure functions of them only; `load.py` reads files.
"""

from collections.abc import Container, Mapping
from typing import Literal

import msgspec

from mainstay.base.errors import InvalidContract
from mainstay.contract.hearing import Labels
from mainstay.contract.judging import Judge
from mainstay.contract.renewing import Renew
from mainstay.contract.repairing import Step
from mainstay.contract.watching import Watch


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What all kinds of value share."""

    optional: bool = False
    """A value may be missing: absent, null, or NaN where the wire format can say it."""
    about: str = ""
    """One line for people: meaning and unit."""
    source: str = ""
    """Where the value comes from: a table, a column of it, an API. What is found about the value
    names it."""
    from_model: str = ""
    """The model whose answer this is; a category, a number or a vector can be one. Deploying that
    model looks whether its answers still fit here."""
    sensitivity: Literal["public", "personal", "private"] = "public"
    """Whether an answer it went into may be shared on somebody's behalf: yes, once a person said
    so, or not at all; see `judge.share`."""
    subject: str = ""
    """What it is about, such as `health`. Where that is a subject of `judge.private`, no answer
    names its value, nothing that it went into is shared, and nothing is told of its values."""


class Number(Kind, frozen=True, kw_only=True, tag="number"):
    """A finite 64-bit float."""

    min: float | None = None
    """The smallest value that is let through."""
    max: float | None = None
    """The largest value that is let through."""


class Integer(Kind, frozen=True, kw_only=True, tag="integer"):
    """A whole number of at most 53 bits, so that every door and JSON can carry it exactly."""

    min: int | None = None
    """The smallest value that is let through."""
    max: int | None = None
    """The largest value that is let through."""


class Boolean(Kind, frozen=True, kw_only=True, tag="boolean"):
    """True or false."""


class Category(Kind, frozen=True, kw_only=True, tag="category"):
    """One of a known set of words."""

    values: tuple[str, ...]
    """The words that are known."""
    others: bool = False
    """Words outside `values` are let through (up to the length limit) instead of refused."""


class Text(Kind, frozen=True, kw_only=True, tag="text"):
    """Free text."""

    max_length: int = 1000
    """The most characters that are let through."""
    min_length: int = 0
    """The fewest characters that are let through."""


class Timestamp(Kind, frozen=True, kw_only=True, tag="timestamp"):
    """A moment, in RFC 3339 with an offset; kept in UTC to the microsecond."""

    after: str | None = None
    """The earliest moment that is let through."""
    before: str | None = None
    """The first moment that is too late."""


class Vector(Kind, frozen=True, kw_only=True, tag="vector"):
    """A fixed number of finite floats, such as an embedding."""

    length: int
    """How many numbers each vector has."""
    space: str | None = None
    """The embedding space the numbers live in; whoever sends or uses them must name the same."""
    min: float | None = None
    """The smallest number that is let through in any place."""
    max: float | None = None
    """The largest number that is let through in any place."""


Input = Number | Integer | Boolean | Category | Text | Timestamp | Vector


class FromRequest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="from",
    tag="request",
):
    """A context value that the caller may send beside the inputs.

    The tags `from` and `by` need not be written in a file: the loader tells the kinds apart by
    the setting that only one of them has.
    """

    value: Input
    """The kind of value, written as an input is."""
    otherwise: bool | int | float | str | None = None
    """What stands in when the caller does not send it; without it the value must be sent."""


class FromLookup(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="from",
    tag="lookup",
):
    """Context values that Mainstay gathers itself, by a key among the inputs."""

    lookup: str
    """The name of a source under `lookups`."""
    key: str
    """The input whose value is looked up."""
    fields: dict[str, Input]
    """What comes back; each becomes the column `<context name>.<field>`."""
    timeout: str = "50ms"
    """How long a request waits for the source."""
    otherwise: dict[str, bool | int | float | str | None]
    """What stands in, field by field, when the source is late, fails or does not know the key."""


Context = FromRequest | FromLookup


class FunctionSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="by",
    tag="function",
):
    """A Python function carried in the bundle: a list of keys in, a dict of dicts out."""

    function: str
    """The name of the function."""


class HttpSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="by",
    tag="http",
):
    """A GET of a URL with `{key}` in it, answered with one JSON object."""

    http: str
    """The URL."""


class SqlSource(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="by", tag="sql"
):
    """One SELECT with `:key` in it, on the database that an environment variable names."""

    sql: str
    """The query; its columns are the fields."""
    database: str
    """The name of the environment variable that holds the database's URL: no secret in a file."""


Source = FunctionSource | HttpSource | SqlSource


class ThresholdRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a threshold is chosen when a version is packed, on its confidence set.

    `{max: precision, recall_at_least: 0.8}`, `{max: recall, precision_at_least: 0.9}`, or
    `{false_positive_costs: 5, false_negative_costs: 100}`.
    """

    max: Literal["precision", "recall"] | None = None
    """What is to be as high as can be: of the answers with the second class the share that is
    right (precision), or of what is truly that class the share that is found (recall)."""
    recall_at_least: float | None = None
    """With `max: precision`: the share of the second class that must be found."""
    precision_at_least: float | None = None
    """With `max: recall`: the share of the answers with the second class that must be right."""
    false_positive_costs: float | None = None
    """What it costs to answer the second class wrongly; the mean cost becomes the lowest."""
    false_negative_costs: float | None = None
    """What it costs to miss the second class."""


class Probability(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="probability",
):
    """One probability for each class; the answer is a class."""

    classes: tuple[str, ...]
    """The classes, in the order of the model's probabilities."""
    threshold: float | ThresholdRule = 0.5
    """With two classes: the second is answered when its probability reaches this. A rule is worked
    out when a version is packed; the version holds the number."""


class Label(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="label",
):
    """A class without probabilities."""

    classes: tuple[str, ...]
    """The classes, in the order of the numbers that the model answers with."""


class NumberOutput(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="number",
):
    """One finite number."""

    min: float | None = None
    """A smaller number makes no sense and is not shown."""
    max: float | None = None
    """A larger number makes no sense and is not shown."""
    unit: str = ""
    """What the number counts, for people."""


class Ranking(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="ranking",
):
    """One score for each of a fixed set of items; the answer is the items, best first."""

    items: tuple[str, ...]
    """The items, in the order of the model's scores."""
    top: int = 10
    """How many of the best are shown."""


class VectorOutput(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="vector",
):
    """A fixed number of finite floats."""

    length: int
    """How many numbers the model answers with."""
    space: str | None = None
    """The embedding space the numbers live in."""


Output = Probability | Label | NumberOutput | Ranking | VectorOutput


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts about the bundle that are asserted when it is packed and whenever it is checked."""

    features: int | None = None
    """How many features the model takes."""
    depends_on: dict[str, str] = {}
    """Python packages the feature code needs at run time, each with a version range."""


class Serve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests are run."""

    join: bool = True
    """Concurrent requests may share one model run."""
    deadline: str = "10s"
    """A request that could not be answered by then is answered with an error."""


class Assets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a version must show of itself before it serves, at every start and ever again."""

    metric: Literal["accuracy", "roc_auc", "log_loss", "rmse", "mae"] | None = None
    """Measured on the confidence set; without one the labels there are only described."""
    acceptable: tuple[float, ...] = ()
    """Lowest and highest: the range the metric must lie in. Outside it the version is not
    served, and stopped at once if it is serving."""
    every: str = "10m"
    """How often each worker checks the version it serves anew."""


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a candidate must show against the version that the route serves now."""

    worse_by: float = 0.02
    """How much worse the metric of `assets` may be, in the metric's own unit; of every class and
    every slice too."""
    slices: tuple[str, ...] = ()
    """Inputs whose values part the confidence set into slices; none of them may get worse."""
    cost: dict[str, dict[str, float]] = {}
    """What a wrong answer costs: truth to answer to cost. The mean cost may not rise."""
    parity: tuple[str, ...] = ()
    """Inputs over whose values the share of errors must be even."""
    parity_within: float = 0.1
    """The largest difference between two of those shares."""
    slower_by: float = 3.0
    """How many times as long a row may take."""
    larger_by: float = 3.0
    """How many times the memory and the disk the candidate may need."""


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a version that passed the gate comes to answer."""

    strategy: Literal["direct", "shadow", "canary", "gradual", "ab", "bandit", "opt_back"] = (
        "direct"
    )
    """At once; beside the old one, unseen; in steps that are compared; step by step; half and half
    until a difference is shown; with shares that follow what is learned; or at once, and whoever
    wants may go back to the old one for a while."""
    steps: tuple[str, ...] = ("1 %", "10 %", "50 %", "100 %")
    """The candidate's share of the units, step by step."""
    bake: str = "10m"
    """How long each step lasts at least; also an A/B test, and each share of a bandit."""
    unit: str = ""
    """The input whose value decides which version answers, so that one user always meets the same;
    without one it is the caller."""
    shadow: str = "100 %"
    """The share of the units whose requests a canary's candidate also answers unseen, so that each
    outcome judges both versions; of a shadow too. `0 %` where what people say of an answer depends
    on the answer they were shown."""
    worse_by: float = 0.02
    """How much worse the share of right answers may be before the candidate is rolled back; the
    difference that an A/B test is planned to show."""
    false_alarms: str = "1 %"
    """How often a candidate that is as good may be rolled back all the same, or a difference shown
    that is not there."""
    decide_by: str = "14d"
    """How long an A/B test or a bandit lasts at most; without a difference shown by then the old
    version stays."""
    floor: str = "5 %"
    """The least share that a bandit gives to a version."""
    share_by: Literal["thompson", "epsilon"] = "thompson"
    """How a bandit shares out the rest: by how probably a version is the better one, or all of it
    to the one that is ahead."""
    opt_back_until: str = "14d"
    """With `opt_back`: how long people may go back to the old version; then it leaves."""
    notes: str = ""
    """What changed in this version, in words for the people it answers; `opt_back` tells them with
    every answer."""


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model promises and how it must be treated."""

    model: str
    """The name people and clients call it by: lower-case letters, digits, `-` and `_`."""
    about: str = ""
    """What the model is for, in a line for people."""
    inputs: dict[str, Input]
    """The values a request carries, by name; their order is the order of a matrix's columns."""
    context: dict[str, Context] = {}
    """Values beside the inputs, sent by the caller or gathered by a look-up."""
    lookups: dict[str, Source] = {}
    """The sources that context is gathered from, by name."""
    output: Output
    """What the model answers with."""
    facts: Facts = Facts()
    """Facts about the bundle that are asserted."""
    repair: dict[str, tuple[Step, ...]] = {}
    """Inputs to the transforms, in their order, that put unusual values right before they are
    checked: `trim`, `case`, `encoding`, `comma`, `clip`, or one with settings. What was changed is
    recorded and counted."""
    judge: Judge = Judge()
    """When an answer may be shown, and what is said otherwise."""
    serve: Serve = Serve()
    """How requests are run."""
    assets: Assets = Assets()
    """What a version must show of itself to serve."""
    gate: Gate = Gate()
    """What a candidate must show against the version that serves now."""
    release: Release = Release()
    """How a version comes to answer."""
    labels: Labels = Labels()
    """How it becomes known whether answers were right."""
    expect: tuple[str, ...] = ()
    """What is expected of it in use, one line each: `p99 latency < 50 ms`, `share of 2xx >=
    99.9 %`, `share answered >= 95 %`, `requests >= 100 per 1h`, `roc_auc >= 0.92 over 7 days`."""
    watch: Watch = Watch()
    """How the model is watched."""
    renew: Renew = Renew()
    """How the next version is trained."""
    log: Literal["written", "durable", "buffered"] = "written"
    """What an acknowledged decision survives: `written` a crash of the process, `durable` a power
    cut too, `buffered` neither."""


def kinds_from_models(contract: Contract) -> dict[str, Input]:
    """The values that are answers of other models, by the name of their column."""
    kinds = columns_of(contract.inputs, contract.context)
    return {name: kind for name, kind in kinds.items() if kind.from_model}


def columns_of(inputs: Mapping[str, Input], context: Mapping[str, Context]) -> dict[str, Input]:
    """Every column that there is for a row, by its name: `amount`, `account.age_days`."""
    kinds = dict(inputs)
    for name, source in context.items():
        if isinstance(source, FromRequest):
            kinds[name] = source.value
        else:
            kinds |= {f"{name}.{field}": kind for field, kind in source.fields.items()}
    return kinds


def logged_name(name: str, inputs: Container[str]) -> str:
    """What a column of a row is called in the journal."""
    return f"input_{name}" if name in inputs else f"context_{name}"


def lists_known(kind: Input) -> bool:
    """Whether an input lists the values that are known and takes others as well."""
    return isinstance(kind, Category) and kind.others


def named_by(output: Output) -> tuple[str, ...]:
    """Everything that an answer of such a model can name."""
    match output:
        case Probability() | Label():
            return output.classes
        case Ranking():
            return output.items
        case _:
            return ()


def threshold_of(output: Probability) -> float:
    """The threshold as a number, which every version has; a rule in a file is none yet."""
    if isinstance(output.threshold, ThresholdRule):
        raise InvalidContract(
            "the threshold is a rule, and no version was packed that worked it out",
            field="output.threshold",
            expected="a number, or a version that `pack` made of this contract",
        )
    return output.threshold
