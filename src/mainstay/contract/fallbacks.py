"""What answers in place of a model whose answer is withheld, as immutable values.

Types and pure functions of them only, as in `model.py`. A file tells the kinds of step apart by
the setting that only one of them has, so the tag `step` need not be written; a text alone is the
name of a model.
"""

from collections.abc import Iterable

import msgspec


class FallbackModel(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="step",
    tag="model",
):
    """Another model answers, or another version of this one. It takes no input that this one has
    not, and answers in the same form; its own judgement must let the answer through."""

    model: str
    """The name of the model."""
    version: int | None = None
    """Its number; without one it is the version that the model's route has in force."""
    within: str = "100ms"
    """Longer is slow. After three failed or slow runs in a row the step is left out for a pause
    that doubles, and then tried again with one run."""

    @property
    def key(self) -> str:
        """What the orders of a keeper call it."""
        return self.model if self.version is None else f"{self.model} v{self.version}"


class FallbackAnswer(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="step",
    tag="answer",
):
    """An answer that needs no model: a class, a number, a list of items or of numbers."""

    answer: int | float | str | tuple[str | int | float, ...]
    """What is answered, in the form of the model's answers."""
    when: str = ""
    """An expression of inputs and context; rows of which it does not hold fall on."""


class FallbackWords(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="step",
    tag="say",
):
    """No answer, and honest words about it; always the last step."""

    say: str
    """Plain words for the person, in place of those of `judge`."""


FallbackStep = FallbackModel | FallbackAnswer | FallbackWords


def models_among(steps: Iterable[FallbackStep]) -> dict[str, FallbackModel]:
    """The steps that are models, by what the orders of a keeper call them."""
    return {step.key: step for step in steps if isinstance(step, FallbackModel)}
