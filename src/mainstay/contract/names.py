"""What a model may be called."""

import re
from typing import Final

from mainstay.base.limits import NAME_MAX_CHARACTERS

_MODEL_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{NAME_MAX_CHARACTERS - 1}}}")


def model_name_fault(name: str) -> str | None:
    """What is wrong with the name of a model, and what would be right."""
    if _MODEL_NAME.fullmatch(name):
        return None
    near = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:NAME_MAX_CHARACTERS]
    guess = f"; {near!r} would do" if near else ""
    return (
        f"{name[:NAME_MAX_CHARACTERS]!r} is not a model name: 1 to {NAME_MAX_CHARACTERS} "
        f"lower-case letters, digits, - and _, starting with a letter or digit{guess}"
    )
