"""What a safeguard makes of what it is shown: the feature code that its bundles carry.

The text of this function goes into a bundle as it stands, with the plan of that safeguard before
it, so a logged decision becomes the same numbers in training as a request does in service.
"""

from typing import Any

import numpy as np

PLAN: list[tuple[str, str, dict[str, float], float]] = []
"""Column, how it becomes numbers, and for words the number of each and of all others."""


def extract(columns: dict[str, Any]) -> Any:
    """One row of 32-bit numbers for each row, NaN where something is missing."""
    made: list[Any] = []
    for name, how, known, usual in PLAN:
        column = columns[name]
        if how == "words":
            numbers = np.array([known.get(word, usual) for word in column.tolist()])
        elif how == "length":
            numbers = np.array([np.nan if text is None else len(text) for text in column.tolist()])
        elif how == "moment":
            day = column.astype("datetime64[D]")
            hour = (column - day) / np.timedelta64(1, "h")
            weekday = np.where(np.isnan(hour), np.nan, (day.astype(np.int64) + 3) % 7)
            numbers = np.column_stack([hour, weekday])
        elif how == "odds":
            sure = np.clip(column.astype(np.float64), 1e-6, 1 - 1e-6)
            numbers = np.log((1 - sure) / sure)
        else:
            numbers = column.astype(np.float64)
        made.append(numbers if numbers.ndim == 2 else numbers.reshape(-1, 1))
    # A number that 32 bits cannot hold is as large as they can.
    return np.clip(np.hstack(made), -3e38, 3e38).astype(np.float32)
