"""The OpenAPI 3.1 document of what is served now: real models, their fields and their limits.

Promises that a client generated from it sends what the doors take, and that every status a door
can answer with is listed. Must never describe a model that its reader was not granted: the caller
passes only those.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from mainstay.base.limits import REQUEST_ID_MAX_CHARACTERS, ROWS_PER_CALL_MAX
from mainstay.contract.columns import MATRIX
from mainstay.contract.model import (
    Boolean,
    Contract,
    FromRequest,
    Input,
    Integer,
    Number,
    Vector,
)
from mainstay.contract.schema import answer_schema, context_schema, inputs_schema
from mainstay.serve.http.openapi_choice import CHANGED, CHOICE, CHOSEN, UNIT_ASKED
from mainstay.serve.http.openapi_feedback import (
    BY_KEY,
    OUTCOME,
    OUTCOME_KEPT,
    REPORT,
    REPORT_KEPT,
    UNDO,
    UNDONE,
)
from mainstay.serve.http.openapi_held import STANDING
from mainstay.serve.http.openapi_labelling import LABEL_OF_TASK, NEXT_TASK, SKIP_TASK, TASK_ID
from mainstay.serve.http.wire.oip_answer import output_tensors
from mainstay.serve.http.wire.tensors import NUMBERS, datatypes_of

Schema = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_JSON: Final = "application/json"
_ERRORS: Final = {
    "400": "The request breaks the wire format or the contract.",
    "401": "No key, or one that is not known.",
    "403": "The caller was not granted this.",
    "404": "Nothing has that name.",
    "405": "The path is there, but is asked with another method.",
    "413": "The body is too large.",
    "500": "The server or the model failed; the request was in order.",
    "503": "Not ready, or more work than can be kept in time; Retry-After says when to come back.",
    "504": "The answer did not come before the contract's deadline.",
}
_TEXT_ID: Final[Schema] = {"type": "string", "maxLength": REQUEST_ID_MAX_CHARACTERS}
_STATUSES_IN_WORDS: Final = (
    "`answered`: the answer may be used. `asked`: it comes with a question, in `words`, that a "
    "person must say yes to. `options`: no answer, but a choice of them, likeliest first. `held`: "
    "nothing is told before a person released it. `fallback`: the answer may be used; it is not "
    "the model's own. `declined`: there is no answer, and `words` say so."
)
_ARM: Final[Schema] = {
    "enum": ["live", "share", "opt_back", "held_out", "named", "mixed"],
    "description": "The part that the version which answered has in a rollout.",
}


def openapi(contracts: Mapping[str, Contract]) -> bytes:
    """The document of some models, by name."""
    paths: Schema = dict(_SERVER_PATHS)
    schemas: Schema = {"Error": _ERROR, "MlflowError": _MLFLOW_ERROR}
    for model, contract in contracts.items():
        paths.update(_model_paths(model, contract))
        schemas.update(_model_schemas(model, contract))
    return _encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Mainstay",
                "version": _version(),
                "description": "Models in production, each with the contract it is held to.",
            },
            "security": [{}, {"key": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                "schemas": schemas,
            },
        }
    )


@cache
def _version() -> str:
    return version("mainstay")


def _model_paths(model: str, contract: Contract) -> Schema:
    def operation(verb: str, words: str, name: str, body: str, answer: str) -> Schema:
        return _post(
            f"{verb}_{model}", words, _ref(f"{model}.{body}"), _ref(f"{model}.{answer}"), name
        )

    infer = operation("infer", "Open Inference Protocol v2.", model, "InferRequest", "InferAnswer")
    invocations = _post(
        f"invocations_{model}",
        "MLflow's scoring protocol.",
        _ref(f"{model}.Invocation"),
        _ref(f"{model}.Predictions"),
        model,
        error="MlflowError",
    )
    invocations["requestBody"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    invocations["responses"]["415"] = _error("The content type is not read here.", "MlflowError")
    return {
        f"/models/{model}/decide": {
            "post": operation(
                "decide",
                contract.about or "One decision, or several, in plain words.",
                model,
                "DecideRequest",
                "DecideAnswer",
            )
        },
        f"/models/{model}/features": {
            "post": operation(
                "features", "The feature extractor alone.", model, "DecideRequest", "Features"
            )
        },
        f"/models/{model}/invocations": {"post": invocations},
        f"/models/{model}": {"get": _get(f"about_{model}", "What is said of the model.")},
        f"/models/{model}/choice": {
            "get": {
                **_get(f"choice_{model}", "Which version a unit chose.", CHOSEN),
                "parameters": [UNIT_ASKED],
            },
            "post": _recorded(
                f"choose_{model}",
                "Go back to the version before, while one may, or come again.",
                CHOICE,
                CHOSEN,
            ),
        },
        f"/models/{model}/label/next": _labelled(f"label_next_{model}", *NEXT_TASK),
        f"/models/{model}/limits": {
            "get": _get(f"limits_{model}", "What it can and cannot do, in plain words.")
        },
        f"/models/{model}/outcome": _labelled(f"keyed_{model}", *BY_KEY),
        f"/v2/models/{model}/infer": {"post": infer},
        f"/v2/models/{model}": {"get": _get(f"metadata_{model}", "What it takes and answers.")},
        f"/v2/models/{model}/ready": {"get": _get(f"ready_{model}", "Whether it answers.")},
    }


def _post(
    operation: str, words: str, body: Schema, answer: Schema, tag: str, *, error: str = "Error"
) -> Schema:
    responses: Schema = {
        "200": {"description": "An answer.", "content": {_JSON: {"schema": answer}}},
        "422": _error("The answer may not be shown.", error),
    }
    responses.update({status: _error(why, error) for status, why in _ERRORS.items()})
    return {
        "operationId": operation,
        "summary": words,
        "tags": [tag],
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": responses,
    }


def _get(operation: str, words: str, answer: Schema | None = None) -> Schema:
    content = {_JSON: {"schema": answer or {"type": "object"}}}
    responses: Schema = {"200": {"description": words, "content": content}}
    responses.update({status: _error(why, "Error") for status, why in _ERRORS.items()})
    return {"operationId": operation, "summary": words, "responses": responses}


def _recorded(operation: str, words: str, body: Schema, answer: Schema) -> Schema:
    """A request that adds something, and is answered once that is recorded."""
    content = {_JSON: {"schema": answer}}
    responses: Schema = {"200": {"description": "It is recorded.", "content": content}}
    responses.update({status: _error(why, "Error") for status, why in _ERRORS.items()})
    return {
        "operationId": operation,
        "summary": words,
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": responses,
    }


def _error(words: str, form: str) -> Schema:
    return {"description": words, "content": {_JSON: {"schema": _ref(form)}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _rows(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": ROWS_PER_CALL_MAX}


def _model_schemas(model: str, contract: Contract) -> Schema:
    inputs, context = _ref(f"{model}.Inputs"), context_schema(contract)
    spaces = {
        name: kind.space
        for name, kind in contract.inputs.items()
        if isinstance(kind, Vector) and kind.space is not None
    }
    must = ["context"] if context.get("required") else []
    beside: Schema = {"request": _TEXT_ID}
    beside_must: list[str] = []
    if spaces:
        said = {name: {"const": space} for name, space in spaces.items()}
        beside["spaces"] = _object(said, list(spaces))
        beside_must = ["spaces"]
    row = {"inputs": inputs, "context": context}
    one = _object({**row, **beside}, ["inputs", *must, *beside_must])
    many = _object(
        {"rows": _rows(_object(row, ["inputs", *must])), **beside}, ["rows", *beside_must]
    )
    decision = _decision_schema(contract)
    features: Schema = _object({"features": {"type": "object"}}, ["features"])
    return {
        f"{model}.Inputs": inputs_schema(contract),
        f"{model}.DecideRequest": {"oneOf": [one, many]},
        f"{model}.Decision": decision,
        f"{model}.DecideAnswer": {
            "oneOf": [
                _ref(f"{model}.Decision"),
                _object(
                    {
                        "rows": _rows(_ref(f"{model}.Decision")),
                        "request": _TEXT_ID,
                        "changed": CHANGED,
                    },
                    ["rows"],
                ),
            ]
        },
        f"{model}.Features": {"oneOf": [features, _object({"rows": _rows(features)}, ["rows"])]},
        f"{model}.Invocation": _invocation(inputs, spaces),
        f"{model}.Predictions": {
            "type": "object",
            "required": ["predictions", "decisions", "model", "version", "arm"],
            "properties": {
                "predictions": {"type": "array"},
                "decisions": {"type": "array", "items": {"type": "string"}},
                "model": {"type": "string"},
                "version": {"type": "integer"},
                "arm": _ARM,
                "versions": {"type": "array", "items": {"type": "integer"}},
                "arms": {"type": "array", "items": _ARM},
            },
        },
        f"{model}.InferRequest": _infer_request(contract),
        f"{model}.InferAnswer": _infer_answer(contract),
    }


def _decision_schema(contract: Contract) -> Schema:
    decision = answer_schema(contract)
    decision["required"] = ["id", "model", "version", "arm", "status", "answer", "words"]
    decision["properties"] = {
        **{key: rule for key, rule in decision["properties"].items() if key != "say"},
        "model": {"const": contract.model},
        "arm": _ARM,
        "status": {**decision["properties"]["status"], "description": _STATUSES_IN_WORDS},
        "words": {
            "type": "string",
            "description": "For a person: why there is no answer, or the question that comes with "
            "it; empty where the answer speaks for itself.",
        },
        "reason": {
            "type": "string",
            "description": "Why the model's answer is not told as it is, and for `fallback` which "
            "step answers in its place.",
        },
        "request": _TEXT_ID,
        "changed": CHANGED,
    }
    return decision


def _invocation(inputs: Schema, spaces: Mapping[str, str]) -> Schema:
    """Exactly one of the four forms; rows given as lists are in the contract's order."""
    lists: Schema = {"type": "array"}
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "data": _rows(lists),
            "index": {"type": "array"},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    forms: Schema = {
        "dataframe_split": split,
        "dataframe_records": _rows({"type": "object"}),
        "instances": _rows({}),
        "inputs": {"type": ["object", "array"]},
    }
    params: Schema = {"type": "object", "maxProperties": 0}
    if spaces:
        said = {name: {"const": space} for name, space in spaces.items()}
        params = _object({"spaces": _object(said, list(spaces))}, ["spaces"])
    return {
        "oneOf": [
            _object({name: form, "params": params}, [name, *(["params"] if spaces else [])])
            for name, form in forms.items()
        ],
        "description": f"Each row is held to {inputs['$ref']}.",
    }


def _infer_request(contract: Contract) -> Schema:
    tensors = [_input_tensor(name, kind) for name, kind in contract.inputs.items()]
    tensors += [
        _input_tensor(name, source.value)
        for name, source in contract.context.items()
        if isinstance(source, FromRequest)
    ]
    if all(isinstance(kind, Number | Integer | Boolean) for kind in contract.inputs.values()):
        tensors.append(_tensor(MATRIX, NUMBERS, [len(contract.inputs)]))
    outputs = {
        "type": "object",
        "properties": {
            "name": {"enum": [tensor.name for tensor in output_tensors(contract.output)]},
            "parameters": {
                "type": "object",
                "properties": {"binary_data": {"type": "boolean"}},
            },
        },
        "required": ["name"],
    }
    return {
        "type": "object",
        "properties": {
            "id": _TEXT_ID,
            "inputs": {"type": "array", "items": {"anyOf": tensors}, "minItems": 1},
            "outputs": {"type": "array", "items": outputs},
            "parameters": {"type": "object"},
            "model_name": {"const": contract.model},
        },
        "required": ["inputs"],
        "additionalProperties": False,
    }


def _input_tensor(name: str, kind: Input) -> Schema:
    vector = isinstance(kind, Vector)
    tensor = _tensor(name, datatypes_of(kind), [kind.length] if vector else [])
    if vector and kind.space is not None:
        space = {"space": {"const": kind.space}}
        tensor["properties"]["parameters"] = {
            "type": "object",
            "properties": space,
            "required": ["space"],
        }
        tensor["required"] = [*tensor["required"], "parameters"]
    return tensor


def _tensor(name: str, datatypes: tuple[str, ...], beyond: list[int]) -> Schema:
    rows = {"type": "integer", "minimum": 1, "maximum": ROWS_PER_CALL_MAX}
    sizes: list[Schema] = [rows, *({"const": size} for size in beyond or [1])]
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "shape": {
                "type": "array",
                "prefixItems": sizes,
                "minItems": 2 if beyond else 1,
                "maxItems": 2,
            },
            "datatype": {"enum": list(datatypes)},
            "data": {"type": "array", "description": "Row by row, flat or nested."},
            "parameters": {"type": "object"},
        },
        "required": ["name", "shape", "datatype"],
        "additionalProperties": False,
    }


def _infer_answer(contract: Contract) -> Schema:
    return {
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {
            "model_name": {"const": contract.model},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": _object({"arm": _ARM, "versions": {"type": "string"}}, ["arm"]),
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "shape", "datatype"],
                    "properties": {
                        "name": {"enum": [t.name for t in output_tensors(contract.output)]},
                        "shape": {"type": "array", "items": {"type": "integer"}},
                        "datatype": {"enum": ["FP64", "BYTES"]},
                        "data": {"type": "array"},
                        "parameters": {"type": "object"},
                    },
                },
            },
        },
    }


_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong, in one sentence."},
        "code": {"type": "string"},
        "field": {"type": "string", "description": "Where."},
        "rule": {"type": "string", "description": "Which rule is broken."},
        "got": {"description": "What came, cut short."},
        "expected": {"type": "string", "description": "What would be right."},
        "decisions": {"type": "array", "items": {"type": "string"}},
    },
}
_MLFLOW_ERROR: Final[Schema] = {
    **_ERROR,
    "required": ["error_code", "message", "error", "code"],
    "properties": {
        **_ERROR["properties"],
        "error_code": {"type": "string"},
        "message": {"type": "string"},
    },
}
_DECISION_ID: Final[Schema] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{28}$"},
}


def _said(operation: str, words: str, body: Schema, kept: Schema) -> Schema:
    """Something that is said of a decision."""
    recorded = _recorded(operation, words, body, kept)
    recorded["responses"]["409"] = _error("This cannot be said of this decision.", "Error")
    return {"post": {**recorded, "parameters": [_DECISION_ID]}}


def _labelled(
    operation: str, words: str, body: Schema, kept: Schema, *parameters: Schema
) -> Schema:
    """Something that somebody who labels says or asks."""
    recorded = _recorded(operation, words, body, kept)
    recorded["responses"]["409"] = _error("It cannot be said, or asked, here and now.", "Error")
    return {"post": {**recorded, "parameters": [*parameters]}}


_SERVER_PATHS: Final[Schema] = {
    "/v2": {"get": _get("server", "What this server is.")},
    "/v2/health/live": {"get": _get("live", "Whether the process runs.")},
    "/v2/health/ready": {"get": _get("ready", "Whether it answers requests now.")},
    "/models": {"get": _get("models", "The models a caller may reach.")},
    "/decisions/{id}": {
        "get": {
            **_get("decision", "Everything about one decision."),
            "parameters": [_DECISION_ID],
        }
    },
    "/decisions/{id}/outcome": _said(
        "outcome", "What the world said of a decision.", OUTCOME, OUTCOME_KEPT
    ),
    "/decisions/{id}/report": _said(
        "report", "That an answer was wrong or harmful.", REPORT, REPORT_KEPT
    ),
    "/decisions/{id}/state": {
        "get": {
            **_get("state", "Whether a decision that was held is released.", STANDING),
            "parameters": [_DECISION_ID],
        }
    },
    "/decisions/{id}/release": _said("release", "Tell an answer that was held.", UNDO, STANDING),
    "/decisions/{id}/reject": _said("reject", "Never tell what was held.", UNDO, STANDING),
    "/decisions/{id}/undo": _said("undo", "Take back what followed from it.", UNDO, UNDONE),
    "/labels/{id}": _labelled("label", *LABEL_OF_TASK, TASK_ID),
    "/labels/{id}/skip": _labelled("label_skip", *SKIP_TASK, TASK_ID),
}
