"""Mainstay as the table measures it: by its own commands, with everything on.

A key is checked, the contract validated, the answer judged, the decision journaled and metrics
counted, for every request.
"""

from servers import Server


def variants() -> list[Server]:
    """Mainstay with the journal `written`, and `durable`."""
    return []
