"""Mainstay: the runtime that machine-learning models live in once they are in production.

    import mainstay
    mainstay.pack("fraud", model=model, features=extract, ...)   # at the end of training
    mainstay.watch.compare(reference, current)                   # needs no server

Importing this package costs next to nothing; each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainstay import watch
    from mainstay.base.errors import MainstayError
    from mainstay.wiring.packing import pack
    from mainstay.wiring.workspace import Workspace, open_workspace

__all__ = ["MainstayError", "Workspace", "open_workspace", "pack", "watch"]

_HOMES = {
    "MainstayError": "mainstay.base.errors",
    "Workspace": "mainstay.wiring.workspace",
    "open_workspace": "mainstay.wiring.workspace",
    "pack": "mainstay.wiring.packing",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if name == "watch":
        return import_module("mainstay.watch")
    if home is None:
        raise AttributeError(f"mainstay has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
