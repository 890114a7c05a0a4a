"""Whether `renew.history` makes sense: alone, with the output, and with how labels are understood.

Promises to name every fault at its setting, with what would be right; see `rules.py`. Whether the
history holds what is needed is found out when it is read.
"""

import re
from collections.abc import Iterator
from typing import Final

from mainstay.base.limits import HISTORY_SQL_MAX_CHARACTERS
from mainstay.contract.hearing import Labels
from mainstay.contract.model import NumberOutput, Ranking, VectorOutput
from mainstay.contract.release_rules import Known
from mainstay.contract.renewing import History
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting, did_you_mean, one_of

AT: Final[Setting] = ("renew", "history")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SELECT: Final = re.compile(r"\s*(SELECT|WITH|VALUES)\b", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_COLUMNS: Final = ("id", "time", "label", "known")


def history_faults(history: History, labels: Labels | None, known: Known) -> Iterator[Fault]:
    """What makes no sense in where the rows are that are learned from."""
    if bool(history.parquet) == bool(history.sql):
        words = "both `parquet` and `sql`" if history.parquet else "neither `parquet` nor `sql`"
        yield Fault(AT, f"has {words}; write one of them")
    yield from _parquet_faults(history)
    yield from _sql_faults(history)
    for name in _COLUMNS:
        if not getattr(history, name):
            yield Fault((*AT, name), "is the name of a column, so it cannot be empty")
    names = (*known.input_names, *known.context)
    for name, column in history.columns.items():
        at = (*AT, "columns", name)
        if known.whole and name.partition(".")[0] not in names:
            guess = did_you_mean(name, names)
            yield Fault(at, f"is no input or context value{guess}; {one_of(names)}")
        if not column:
            yield Fault(at, "is the name of a column, so it cannot be empty")
    yield from _means_faults(history, known)
    if labels is None:
        return
    for name, value, wanted in (
        ("learn_from", "held_out", "held_out"),
        ("weigh", "propensity", "propensity"),
    ):
        needed = getattr(labels, name) == value
        if needed and not getattr(history, wanted):
            words = f"`{value}` needs `renew.history.{wanted}`: the column that says so"
            yield Fault(("labels", name), words)
        if not needed and getattr(history, wanted):
            yield Fault((*AT, wanted), f"has no effect without `labels.{name}: {value}`")


def _parquet_faults(history: History) -> Iterator[Fault]:
    at = (*AT, "parquet")
    if _SCHEME.match(history.parquet):
        yield Fault(at, "must be a path of this machine, such as history/*.parquet, not a URL")
    elif ".." in history.parquet.replace("\\", "/").split("/"):
        yield Fault(
            at, "must not lead upwards; write a path within the workspace, or from the root"
        )
    elif not history.parquet.isprintable():
        yield Fault(at, "must be one line of printable characters")


def _sql_faults(history: History) -> Iterator[Fault]:
    variable = (*AT, "database_env")
    if not history.sql:
        if history.database_env:
            yield Fault(variable, "has no effect without `sql`")
        return
    at = (*AT, "sql")
    if len(history.sql) > HISTORY_SQL_MAX_CHARACTERS:
        yield Fault(at, f"must be at most {HISTORY_SQL_MAX_CHARACTERS:,} characters")
    if not _SELECT.match(history.sql):
        yield Fault(at, "must be one SELECT; it changes nothing")
    elif ";" in history.sql.rstrip().removesuffix(";"):
        yield Fault(at, "must be one SELECT, so there is no ; in it")
    if not history.database_env:
        yield Fault(variable, "must name the environment variable that holds the database's URL")
    elif _SCHEME.match(history.database_env):
        words = "must name an environment variable, such as PAYMENTS_URL; a URL may hold a password"
        yield Fault(variable, words)
    elif not _VARIABLE.fullmatch(history.database_env):
        name = history.database_env[:40]
        yield Fault(variable, f"{name!r} is no name of an environment variable; as PAYMENTS_URL")


def _means_faults(history: History, known: Known) -> Iterator[Fault]:
    at = (*AT, "means")
    match known.output:
        case None:
            return
        case NumberOutput() | VectorOutput():
            if history.means:
                yield Fault(at, "has no effect: the labels are not names that something could mean")
        case output:
            names = output.items if isinstance(output, Ranking) else output.classes
            for value, answer in history.means.items():
                if answer not in names:
                    guess = did_you_mean(answer, names)
                    words = f"{answer[:40]!r} is no answer of the model{guess}; {one_of(names)}"
                    yield Fault((*at, value), words)
