"""What a history is made of: which column of it is what, and what each must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mainstay.base.errors import InvalidUsage
from mainstay.contract.renewing import History
from mainstay.contract.words import did_you_mean, one_of
from mainstay.journal.arrow import pa
from mainstay.renew.labels.model import Definition

Kind = Literal["name", "value", "text", "number", "boolean", "moment", "vector"]

EXPECTED: Final[Mapping[Kind, str]] = {
    "name": "text or whole numbers",
    "value": "text, numbers or truth values",
    "text": "text",
    "number": "numbers",
    "boolean": "truth values",
    "moment": "moments: timestamps, days, or text such as 2026-11-27T08:00:00Z",
    "vector": "lists of numbers",
}
PLACE: Final = ("renew", "history")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where histories may be."""

    folder: Path
    """Of the workspace, which relative paths begin at and stay within."""
    environment: Mapping[str, str]
    """Where the URLs of databases are."""


@dataclass(frozen=True, slots=True)
class Role:
    """What one column of a history is to a snapshot."""

    name: str
    """As snapshots call it."""
    column: str
    """As the history calls it."""
    kind: Kind
    setting: str
    """Where the contract says so."""


def roles_of(definition: Definition) -> list[Role]:
    """Every column that a definition needs."""
    history = definition.history
    assert history is not None
    label: Kind = "number"
    if definition.answers:
        label = "value" if history.means else "text"
    own: list[tuple[str, str, Kind]] = [
        ("id", history.id, "name"),
        ("time", history.time, "moment"),
        ("label", history.label, label),
        ("known", history.known, "moment"),
        ("weight", history.weight, "number"),
        ("caller", history.caller, "text"),
        ("held_out", history.held_out, "boolean"),
        ("propensity", history.propensity, "number"),
    ]
    roles = [
        Role(name, column, kind, ".".join((*PLACE, name))) for name, column, kind in own if column
    ]
    for name, sql_type in definition.columns.items():
        asked = name.partition("_")[2]
        setting = ".".join((*PLACE, "columns", asked))
        roles.append(Role(name, column_of(history, asked), _kind_of(sql_type), setting))
    return roles


def column_of(history: History, name: str) -> str:
    """The column that holds an input or context value."""
    return history.columns.get(name, name)


def _kind_of(sql_type: str) -> Kind:
    match sql_type:
        case "VARCHAR":
            return "text"
        case "BOOLEAN":
            return "boolean"
        case "TIMESTAMPTZ":
            return "moment"
        case _:
            return "vector" if sql_type.endswith("]") else "number"


def holds(kind: Kind, arrow: Any) -> bool:
    """Whether a column of this type may hold what is needed."""
    types: Any = pa.types
    if types.is_null(arrow):
        return True
    if types.is_dictionary(arrow):
        return holds(kind, arrow.value_type)
    words = types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow)
    number = types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow)
    match kind:
        case "text":
            return words
        case "name":
            return words or types.is_integer(arrow)
        case "value":
            return words or number or types.is_boolean(arrow)
        case "number":
            return number
        case "boolean":
            return types.is_boolean(arrow)
        case "moment":
            return words or types.is_timestamp(arrow) or types.is_date(arrow)
        case "vector":
            lists = types.is_list(arrow) or types.is_large_list(arrow)
            return (lists or types.is_fixed_size_list(arrow)) and holds("number", arrow.value_type)


def missing(role: Role, where: str, there: Sequence[str]) -> InvalidUsage:
    """A column that is not there."""
    return InvalidUsage(
        f"{where} has no column {role.column!r}{did_you_mean(role.column, there)}",
        field=role.setting,
        got=role.column,
        expected=f"one of {one_of(there)}",
    )


def unfit(role: Role, where: str, held: str) -> InvalidUsage:
    """A column that holds something else."""
    return InvalidUsage(
        f"{role.column!r} of {where} holds {held}, where {EXPECTED[role.kind]} are needed",
        field=role.setting,
        got=held,
        expected=EXPECTED[role.kind],
    )
