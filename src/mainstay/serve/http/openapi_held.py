"""What is said of decisions that wait for a person, as the schema tells it."""

from typing import Any, Final

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
STANDING: Final[Schema] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "model": _TEXT,
        "state": {
            "type": "string",
            "description": "held, released or rejected; of a decision that never was held, its "
            "status.",
        },
        "words": {"type": "string", "description": "Why it was held, for who decides."},
        "until": {"type": "string", "description": "When it is rejected unless somebody decides."},
        "actor": {"type": "string", "description": "Who decided; `time` when nobody did."},
        "reason": _TEXT,
        "time": _TEXT,
        "answer": {
            "type": "object",
            "description": "The answer, once it was released.",
            "properties": {
                "answer": {},
                "confidence": {"type": ["number", "null"]},
                "options": {"type": "array", "items": {"type": "object"}},
            },
        },
    },
    "required": ["id", "model", "state"],
}
