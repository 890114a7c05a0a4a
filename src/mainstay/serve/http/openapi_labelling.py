"""What people who label are told and say, as the schema tells it."""

from typing import Any, Final

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_LABEL: Final[Schema] = {
    "type": ["string", "number"],
    "description": "A class or an item of the model, or the number that is right.",
}
TASK_ID: Final[Schema] = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_NOTHING: Final[Schema] = {"type": "object", "additionalProperties": False}
_TASK: Final[Schema] = {
    "type": "object",
    "properties": {
        "task": {"type": ["string", "null"], "description": "Its id; null where none waits."},
        "model": _TEXT,
        "words": _TEXT,
        "question": _TEXT,
        "answers": {
            "type": "array",
            "items": _TEXT,
            "description": "What a label can be; a number where there are none.",
        },
        "inputs": {"type": "object"},
        "until": {"type": "string", "description": "Until when the task is yours."},
        "answer": {"description": "What the model answered, where labelers are shown it."},
    },
    "required": ["task", "model"],
}
_SAID: Final[Schema] = {
    "type": "object",
    "properties": {"label": _LABEL},
    "required": ["label"],
    "additionalProperties": False,
}
_KEPT: Final[Schema] = {
    "type": "object",
    "properties": {
        "task": _TEXT,
        "model": _TEXT,
        "label": {"description": "What was said; null where it was left to others."},
        "already": {"type": "boolean", "description": "It was said before."},
    },
    "required": ["task", "model", "label", "already"],
}

# Words, what is said, and what is answered.
NEXT_TASK: Final = ("The next task for who labels.", _NOTHING, _TASK)
LABEL_OF_TASK: Final = ("What is right of a task.", _SAID, _KEPT)
SKIP_TASK: Final = ("Leave a task to others.", _NOTHING, _KEPT)
