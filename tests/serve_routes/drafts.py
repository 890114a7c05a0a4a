"""Routes as somebody wants them, in few words."""

from typing import Any

from mainstay.serve.routes.model import Draft


def draft(
    model: str, number: int, fingerprint: str, actor: str = "ann", reason: str = "", **more: Any
) -> Draft:
    """A draft of a route."""
    return Draft(
        model=model, number=number, fingerprint=fingerprint, actor=actor, reason=reason, **more
    )
