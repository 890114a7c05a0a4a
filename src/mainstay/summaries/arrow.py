"""The one place where this room meets PyArrow, which is imported when a column is first needed.

PyArrow ships without type information, so it is handed on as what it is to a type checker.
"""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def arrow() -> Any:
    """PyArrow with its `compute`, `parquet`, `types` and `interchange`."""
    for part in ("compute", "interchange", "parquet"):
        import_module(f"pyarrow.{part}")
    return import_module("pyarrow")
