"""Values of a type nobody knows yet: what a user handed over, narrowed without guessing more.

`isinstance` alone tells a type checker that a list holds unknown things; these say that it holds
anything, which is what a user's list does.
"""

import re
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt


def is_array(value: Any) -> TypeGuard[npt.NDArray[Any]]:
    """A NumPy array."""
    return isinstance(value, np.ndarray)


def is_dict(value: Any) -> TypeGuard[dict[Any, Any]]:
    """A dictionary."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """A list."""
    return isinstance(value, list)


def is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    """A tuple."""
    return isinstance(value, tuple)


def is_set(value: Any) -> TypeGuard[set[Any] | frozenset[Any]]:
    """A set, frozen or not."""
    return isinstance(value, (set, frozenset))


def is_pattern(value: Any) -> TypeGuard["re.Pattern[Any]"]:
    """A compiled regular expression."""
    return isinstance(value, re.Pattern)
