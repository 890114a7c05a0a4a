"""Third-party libraries that only some versions need, imported at the moment they are needed.

So a serving process that runs ONNX alone never loads scikit-learn, and one that lacks a library is
told how to get it. The result is `Any` on purpose: most of these libraries carry no types.
"""

from importlib import import_module
from typing import Any

from mainstay.base.errors import InvalidUsage


def library(name: str, purpose: str) -> Any:
    """Import a library, or say in words what is missing and for what."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidUsage(
            f"{purpose} needs the library {name.partition('.')[0]!r}, which cannot be imported: "
            f"{error}",
            field="library",
            got=name,
            expected="pip install 'mainstay[pack]'",
        ) from error
