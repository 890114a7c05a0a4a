"""What is said of decisions after they were made, as the schema tells it."""

from typing import Any, Final

from mainstay.base.limits import PLACES_MAX, ROWS_PER_CALL_MAX, WORDS_MAX_CHARACTERS
from mainstay.contract.reactions import REACTIONS
from mainstay.serve.http.wire.outcome import DWELL_MAX_MS

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_LABEL: Final[Schema] = {
    "type": ["string", "number"],
    "description": "A class or an item of the model, or the number that was right.",
}
_SAID: Final[Schema] = {
    "label": _LABEL,
    "reaction": {
        "type": "string",
        "enum": list(REACTIONS),
        "description": "What a person did with the answer.",
    },
    "dwell_ms": {
        "type": "number",
        "minimum": 0,
        "maximum": DWELL_MAX_MS,
        "description": "For how long the answer was looked at.",
    },
    "place": {
        "type": "integer",
        "minimum": 1,
        "maximum": PLACES_MAX,
        "description": "Where the answer was shown, 1 the first; up to `labels.places`.",
    },
}
_ABOUT: Final[Schema] = {"id": _TEXT, "decision": _TEXT, "model": _TEXT}


def _object(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


OUTCOME: Final = {
    **_object(
        {
            **_SAID,
            "model": {
                "type": "string",
                "description": "The decision's model, where it is known: spares a look-up.",
            },
        }
    ),
    "anyOf": [{"required": [name]} for name in _SAID],
}
OUTCOME_KEPT: Final = _object({**_ABOUT, **_SAID}, *_ABOUT)
_KEYED: Final[Schema] = {
    **_object(
        {
            "key": {
                "type": ["string", "integer"],
                "description": "What the decision is known by: a value of `labels.key`.",
            },
            **_SAID,
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened; now, where nothing is said.",
            },
        },
        "key",
    ),
    "anyOf": [{"required": [name]} for name in _SAID],
}
_KEYED_OR_MANY: Final[Schema] = {
    "oneOf": [
        _KEYED,
        _object(
            {
                "outcomes": {
                    "type": "array",
                    "items": _KEYED,
                    "minItems": 1,
                    "maxItems": ROWS_PER_CALL_MAX,
                }
            },
            "outcomes",
        ),
    ]
}
_KEYED_KEPT: Final[Schema] = {
    "oneOf": [
        _object({"id": _TEXT, "model": _TEXT, **_SAID}, "id", "model"),
        _object({"model": _TEXT, "ids": {"type": "array", "items": _TEXT}}, "model", "ids"),
    ]
}
BY_KEY: Final = (
    "What the world said of decisions, by their key: of one, or of several.",
    _KEYED_OR_MANY,
    _KEYED_KEPT,
)
"""Words, what is said, and what is answered."""
REPORT: Final = _object(
    {
        "what": {"type": "string", "enum": ["wrong", "harmful", "other"]},
        "words": {"type": "string", "maxLength": WORDS_MAX_CHARACTERS},
        "expected": _LABEL,
    },
    "what",
)
REPORT_KEPT: Final = _object({**_ABOUT, "words": _TEXT}, *_ABOUT, "words")
UNDO: Final = _object(
    {"reason": {"type": "string", "pattern": r"\S", "maxLength": WORDS_MAX_CHARACTERS}}, "reason"
)
UNDONE: Final = _object(
    {
        **_ABOUT,
        "already": {"type": "boolean", "description": "It was undone before."},
        "words": _TEXT,
    },
    *_ABOUT,
    "already",
    "words",
)
