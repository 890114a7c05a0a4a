"""What was learned of a version's own judgement when it was packed, as immutable values.

All of it comes from the confidence set: how well its confidence tells how often it is right, how
that is corrected, which threshold a rule led to, and of which values there was little to learn
from. It travels in the manifest, so it is fixed together with everything else of the version.
"""

from typing import Literal

import msgspec

from mainstay.contract.model import ThresholdRule

Method = Literal["none", "temperature", "isotonic"]
Interval = tuple[float, float]


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model's probabilities become confidence."""

    method: Method = "none"
    temperature: float = 1.0
    """By which the logarithms of the probabilities are divided."""
    points: tuple[Interval, ...] = ()
    """What the model says, and how often it is so; straight lines in between. With two classes of
    the probability of the second, with more of that of the likeliest."""
    losses: dict[str, float] = {}
    """The log loss of each way that was tried, on rows it was not fitted on."""
    rows: int = 0
    """Rows with a label that it was fitted on."""
    why: str = ""
    """In words, why this way."""


class Bin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers of about the same confidence."""

    confidence: float
    """The mean."""
    right: float
    """The share of them that was right."""
    rows: int


class Reliability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether confidence tells how often an answer is right."""

    error: float
    """Expected calibration error: how far confidence and truth are apart, on average."""
    interval: Interval
    """Where the true figure lies, 19 times in 20."""
    bins: tuple[Bin, ...]


class ThresholdPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a threshold would have led to."""

    threshold: float
    precision: float
    recall: float
    cost: float | None = None
    """A row, where the rule names costs."""


class ThresholdChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The threshold that a rule led to."""

    rule: ThresholdRule
    chosen: float
    reached: ThresholdPoint
    precision_interval: Interval
    recall_interval: Interval
    rows: int
    positives: int
    """Rows that truly are of the second class."""
    curve: tuple[ThresholdPoint, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows with one value of an input, or with values of one range."""

    value: str | None = None
    low: float | None = None
    high: float | None = None
    rows: int
    error: float | None = None
    """The share of wrong answers, or how far numbers are off on average."""
    worse: bool = False
    """The error is higher than over all, by more than chance explains."""


class InputEvidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the confidence set knows of one input."""

    input: str
    missing: int
    """Rows without a value."""
    usual: Interval | None = None
    """Between these lie 98 of 100 numbers."""
    parts: tuple[Part, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What there was to learn from."""

    rows: int
    labelled: int
    error: float | None = None
    interval: Interval | None = None
    """Where the true error lies, 19 times in 20."""
    inputs: tuple[InputEvidence, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it; a part that could not be had is not there."""

    calibration: Calibration | None = None
    """What the version applies; nothing where its contract asks for none."""
    before: Reliability | None = None
    """What the model's own probabilities are worth."""
    after: Reliability | None = None
    """What they are worth as corrected, on rows that the correction was not fitted on."""
    sure: bool = False
    """There were rows enough for these figures to mean something."""
    threshold: ThresholdChoice | None = None
    evidence: Evidence | None = None
