"""Histories that are Parquet files: which ones, and whether each holds what is needed.

Promises that a relative path leads nowhere outside of the workspace, and that a file that lacks a
column, or holds something else in it, is named before anything is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import HISTORY_FILES_MAX
from mainstay.contract.renewing import History
from mainstay.journal.arrow import pa, pq
from mainstay.renew.history.model import Origin, Role, holds, missing, unfit

_SETTING = "renew.history.parquet"


def files_of(history: History, origin: Origin) -> list[Path]:
    """The files that are meant, by their names."""
    pattern = Path(history.parquet)
    inside = not pattern.is_absolute()
    top = origin.folder if inside else Path(pattern.anchor)
    try:
        found = sorted(path for path in top.glob(str(pattern.relative_to(pattern.anchor)))
                       if path.is_file())  # fmt: skip
    except (OSError, ValueError, NotImplementedError) as error:
        raise InvalidUsage(
            f"the files of the history cannot be found: {error}",
            field=_SETTING,
            got=history.parquet,
            expected="a path such as history/*.parquet",
        ) from error
    if not found:
        raise InvalidUsage(
            "the history is gone: no file has this path",
            field=_SETTING,
            got=history.parquet,
            expected=f"Parquet files; {'below ' + str(top) if inside else 'with an absolute path'}",
        )
    if len(found) > HISTORY_FILES_MAX:
        raise InvalidUsage(
            f"the history has {len(found):,} files, too many to look at each",
            field=_SETTING,
            got=len(found),
            expected=f"at most {HISTORY_FILES_MAX:,}, larger ones",
        )
    for path in found if inside else ():
        if not path.resolve().is_relative_to(top.resolve()):
            raise InvalidUsage(
                f"{path.relative_to(top)} leads out of the workspace",
                field=_SETTING,
                got=history.parquet,
                expected=f"a path within {top}, or an absolute one",
            )
    return found


def names_in(files: Sequence[Path]) -> list[str]:
    """The columns that any of the files has."""
    return list(dict.fromkeys(name for path in files for name in _schema(path).names))


def check(files: Sequence[Path], roles: Sequence[Role]) -> None:
    """Refuse the first file that does not hold what is needed."""
    for path in files:
        schema = _schema(path)
        for role in roles:
            if role.column not in schema.names:
                raise missing(role, path.name, schema.names)
            alike = [name for name in schema.names if name.lower() == role.column.lower()]
            if len(alike) > 1:
                raise InvalidUsage(
                    f"{path.name} has {len(alike)} columns {' and '.join(map(repr, alike))}",
                    field=role.setting,
                    got=role.column,
                    expected="names that differ in more than their case",
                )
            held = schema.field(role.column).type
            if not holds(role.kind, held):
                raise unfit(role, path.name, str(held))


def _schema(path: Path) -> Any:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise InvalidUsage(
            f"{path.name} of the history cannot be read: {error}",
            field=_SETTING,
            got=path.name,
            expected="a Parquet file",
        ) from error
