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
