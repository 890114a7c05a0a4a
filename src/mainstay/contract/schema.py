"""A contract as JSON Schema (2020-12, as OpenAPI 3.1 uses it).

Promises that what the schema allows is taken and what it forbids is refused, as far as JSON
Schema can say it: the range of a timestamp is in its description only. Pure functions of the
contract; the doors put the pieces into their documents.
"""

from typing import Any, Final

from mainstay.base.limits import CATEGORY_MAX_CHARACTERS, INTEGER_MAX
from mainstay.contract.fields import FLOAT_MAX, compile_field
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    FromRequest,
    Input,
    Integer,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Text,
    Timestamp,
    Vector,
    VectorOutput,
)

Schema = dict[str, Any]

_MOMENT_PATTERN: Final = (
    r"^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,30})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)


def inputs_schema(contract: Contract) -> Schema:
    """One row of inputs."""
    return _object(
        {name: kind_schema(name, kind) for name, kind in contract.inputs.items()},
        [name for name, kind in contract.inputs.items() if not kind.optional],
    )


def context_schema(contract: Contract) -> Schema:
    """What may be sent beside one row of inputs."""
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for name, source in contract.context.items():
        if not isinstance(source, FromRequest):
            continue
        may_lack = source.otherwise is not None or source.value.optional
        properties[name] = kind_schema(name, source.value, nullable=may_lack)
        if source.otherwise is not None:
            properties[name]["default"] = source.otherwise
        if not may_lack:
            required.append(name)
    return _object(properties, required)


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def kind_schema(name: str, kind: Input, *, nullable: bool | None = None) -> Schema:
    """One value."""
    schema = _kind_rules(kind)
    if kind.optional if nullable is None else nullable:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    words = kind.about
    if isinstance(kind, Timestamp):
        words = f"{words} {compile_field(name, kind).expected}".strip()
    if isinstance(kind, Vector) and kind.space is not None:
        words = f"{words} Embedding space: {kind.space}.".strip()
    if words:
        schema["description"] = words
    return schema


def _kind_rules(kind: Input) -> Schema:
    match kind:
        case Number():
            return {"type": "number", **_range(kind.min, kind.max, FLOAT_MAX)}
        case Integer():
            return {"type": "integer", **_range(kind.min, kind.max, INTEGER_MAX)}
        case Boolean():
            return {"type": "boolean"}
        case Category(others=True):
            return {"type": "string", "maxLength": CATEGORY_MAX_CHARACTERS}
        case Category():
            return {"type": "string", "enum": list(kind.values)}
        case Text():
            least = {"minLength": kind.min_length} if kind.min_length else {}
            return {"type": "string", **least, "maxLength": kind.max_length}
        case Timestamp():
            return {"type": "string", "format": "date-time", "pattern": _MOMENT_PATTERN}
        case Vector():
            each = {"type": "number", **_range(kind.min, kind.max, FLOAT_MAX)}
            return {
                "type": "array",
                "items": each,
                "minItems": kind.length,
                "maxItems": kind.length,
            }


def _range(low: float | None, high: float | None, widest: float) -> Schema:
    """Bounds are always stated: JSON itself would allow 1e400, which no float can hold."""
    return {
        "minimum": -widest if low is None else low,
        "maximum": widest if high is None else high,
    }


def answer_schema(contract: Contract) -> Schema:
    """One answer of `decide`."""
    answer, options = _answer_rules(contract.output)
    return {
        "type": "object",
        "required": ["id", "status", "version"],
        "properties": {
            "id": {"type": "string", "description": "Look the decision up under this id."},
            "status": {
                "enum": ["answered", "asked", "options", "held", "fallback", "declined"],
            },
            "answer": {**answer, "description": "null when the answer is withheld"},
            "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "options": options,
            "version": {"type": "integer", "minimum": 1},
            "say": {"type": ["string", "null"], "description": "Plain words for a person."},
        },
    }


def _answer_rules(output: Output) -> tuple[Schema, Schema]:
    match output:
        case Probability() | Label():
            words = list(output.classes)
            return {"enum": [*words, None]}, _options(words, "probability")
        case NumberOutput():
            answer: Schema = {"type": ["number", "null"]}
            if output.min is not None:
                answer["minimum"] = output.min
            if output.max is not None:
                answer["maximum"] = output.max
            return answer, {"type": "array", "maxItems": 0}
        case Ranking():
            words = list(output.items)
            top = min(output.top, len(words))
            items: Schema = {"type": ["array", "null"], "items": {"enum": words}, "maxItems": top}
            return items, _options(words, "score")
        case VectorOutput():
            length = output.length
            numbers: Schema = {
                "type": ["array", "null"],
                "items": {"type": "number"},
                "minItems": length,
                "maxItems": length,
            }
            return numbers, {"type": "array", "maxItems": 0}


def _options(words: list[str], score: str) -> Schema:
    option: Schema = {
        "type": "object",
        "properties": {
            "answer": {"enum": words},
            score: {"type": "number"},
        },
        "required": ["answer", score],
    }
    return {"type": "array", "items": option, "description": "Best first."}
