"""The parts of `judge` that are about the people an answer is for, as immutable values.

Every part has a default under which it does nothing. Types only, as in `model.py`.
"""

import msgspec


class Exposure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of the model one person has to bear. What is beyond it is declined, in words."""

    unit: str = ""
    """The input whose value names the person; without one, and where it is missing, it is the
    caller."""
    errors: str = ""
    """So many perceived errors (reports, undone actions, reactions that say it was wrong) in so
    much time, such as `3 per 1d`; then the model is silent for this person until they are past."""
    prompts: str = ""
    """How often a person is asked or given several options."""
    answers: str = ""
    """How often a person is told anything at all."""
    unless: str = ""
    """An expression, such as `explicit_request == true`: where it is true the person wants to hear
    the model, and is neither limited nor counted."""


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people are told who report an answer as wrong or harmful."""

    say: str = "Thank you. This is kept with all that led to it, and a person can read it."
    """What happens next, in plain words."""


class Undo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How what followed from an answer is undone: whoever acted on it is told to take it back."""

    within: str = "24h"
    """How long after the answer."""
    webhook_env: str = ""
    """The environment variable with the URL that is told, again and again until it answers 2xx;
    without one, undoing is only recorded."""
    secret_env: str = ""
    """The environment variable with the secret that what is sent there is signed with."""


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Own words for people, where ours are not meant. `{answer}` and `{options}` stand for what is
    shown; what is held or declined has its words in `hold.say` and `say`."""

    asked: str = ""
    """With an answer that a person must say yes to, such as `Is it really {answer}?`"""
    options: str = ""
    """With several answers instead of one, such as `Which one: {options}?`"""
    fallback: str = ""
    """With an answer that is not the model's own, such as `Usually it is {answer}.`"""


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text that is written in a certain way, such as `{pattern: "icd-?10"}`."""

    pattern: str
    """A regular expression as RE2 takes it, so without look-around and back-references; upper and
    lower case make no difference."""


class Private(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model may not speak about. An answer that names it is declined; options and items
    that name it are left out, as are words of whoever speaks."""

    subjects: dict[str, tuple[str | Pattern, ...]]
    """Subject to what names it: words and phrases, such as `health: [diabetes, heart attack,
    pregnan*]`, patterns, such as `{pattern: 'icd-?10'}`, and the values of every input that says
    `subject: health`, where the list may be empty."""


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked at before an answer is shared on a person's behalf: it is asked about where
    an input with `sensitivity: personal` has a value, and declined where a private one has, one
    with a subject of `judge.private`, or a text that names such a subject."""

    when: str
    """An expression that says which answers would be shared, such as `audience == "everybody"`."""
