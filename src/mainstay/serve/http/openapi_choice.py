"""What the OpenAPI document says of going back to the version before."""

from typing import Any, Final

Schema = dict[str, Any]

CHANGED: Final[Schema] = {
    "type": "object",
    "description": "While people may go back to the version before.",
    "properties": {
        "words": {"type": "string", "description": "What changed, for people."},
        "until": {"type": "string", "format": "date-time"},
    },
    "required": ["words", "until"],
    "additionalProperties": False,
}
_WHICH: Final[Schema] = {"enum": ["previous", "current"]}
_UNIT: Final[Schema] = {
    "type": ["string", "number", "boolean", "null"],
    "description": "A value of the input that names the unit; without such an input, the caller.",
}
UNIT_ASKED: Final[Schema] = {"name": "unit", "in": "query", "schema": {"type": "string"}}
CHOICE: Final[Schema] = {
    "type": "object",
    "properties": {"version": _WHICH, "unit": _UNIT},
    "required": ["version"],
    "additionalProperties": False,
}
CHOSEN: Final[Schema] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "model": {"type": "string"},
        "unit": {"type": "string"},
        "version": _WHICH,
        "number": {"type": "integer"},
        "changed": CHANGED,
    },
    "required": ["model", "unit", "version", "number", "changed"],
    "additionalProperties": False,
}
