"""The part of a contract that says when an answer may be shown, as immutable values.

Every part has a default under which it does nothing. Types only, as in `model.py`.
"""

from typing import Literal

import msgspec

from mainstay.contract.fallbacks import FallbackStep
from mainstay.contract.holding import Hold, Rule
from mainstay.contract.people import Exposure, Private, Report, Share, Undo, Words
from mainstay.contract.safeguards import Safeguard


class Confidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sure the model must be of an answer, for models that answer with probabilities."""

    at_least: float = 0.0
    """The least confidence, from 0 to 1, with which an answer is told as it is."""
    otherwise: str = "decline"
    """What becomes of an answer below it: `decline`, `ask` (it is told with the question whether
    it is right), or `options 3` (the three likeliest are told instead of one)."""
    calibrate: Literal["auto", "isotonic", "temperature", "no"] = "auto"
    """How confidence is corrected when a version is packed, so that of the answers with 90 % nine
    in ten are right: by the way that does best on the confidence set, by a given one, or not."""


class ActionCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different about the cost of one answer; what is left out is as for all."""

    of_error: float | str | None = None
    """What it costs when this answer is wrong."""
    ask_above: float | None = None
    """The expected cost from which on this answer is asked about first."""
    decline_above: float | None = None
    """The expected cost from which on this answer is not given."""


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What wrong answers cost. The expected cost of an answer is (1 − confidence) × cost."""

    of_error: float | str
    """What a wrong answer costs: a number, or an expression such as `0.5 * amount`."""
    ask_above: float | None = None
    """An answer whose expected cost is more is told with the question whether it is right."""
    decline_above: float | None = None
    """An answer whose expected cost is more is not given."""
    actions: dict[str, ActionCost] = {}
    """Answers that cost otherwise, by class."""


class Judge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an answer may be shown. An output that is not finite never is."""

    say: str = "We could not answer this one."
    """Plain words for the person when the answer is withheld."""
    rules: tuple[str | Rule, ...] = ()
    """What must be true of every answer: expressions, or `{must: …, otherwise: words}`."""
    hold: Hold | None = None
    """Which answers wait for a person."""
    fallback: tuple[FallbackStep, ...] = ()
    """What answers in place of the model where its answer is declined, tried in this order."""
    cold: dict[str, Literal["fallback", "decline", "ask"]] = {}
    """Inputs that say who or what it is about (type category, integer or text) to what becomes of a
    row whose value the model never learned from: the fallback answers, nothing does, or the answer
    is told with the question whether it is right. Known is what `pack` was given as `learned_from`,
    or else what a category with `others: true` lists."""
    confidence: Confidence | None = None
    """How sure the model must be."""
    cost: Cost | None = None
    """What wrong answers cost, and from which expected cost on somebody is asked."""
    safeguard: Safeguard | None = None
    """Which other model says how probably an answer is wrong."""
    exposure: Exposure | None = None
    """How much of the model one person has to bear."""
    report: Report = Report()
    """What people are told who report an answer."""
    private: Private | None = None
    """What the model may not speak about."""
    share: Share | None = None
    """What is looked at before an answer is shared on a person's behalf."""
    words: Words = Words()
    """Own words for what is asked, offered, or told in place of the model's answer."""
    undo: Undo | None = None
    """How what followed from an answer is undone; without it, it cannot be."""
