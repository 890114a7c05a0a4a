"""Tasks out to Label Studio, and its annotations in.

Out go tasks in its import form: `data` with the task's id and what a labeler may see, and where
labelers are shown the model's answer a `prediction`. In come its JSON export (whole tasks with
`annotations`, also under the old name `completions`) and its JSON-MIN export (one flat object per
annotation). Fields that are not needed are passed over, whatever they hold. Promises that one
annotation that cannot be read is named by task and field, and keeps no other one from being read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from xml.sax.saxutils import quoteattr

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.problems import brief
from mainstay.contract.times import moment_us
from mainstay.renew.labelling.model import Answer, Turn

NAME: Final = "label"
"""What the control is called in the labelling configuration."""
OBJECT: Final = "inputs"
WHO: Final = "label-studio:"
"""How the names of its labelers begin here."""
_KINDS: Final = ("choices", "number", "rating", "textarea", "text")
"""Where a value holds its answer."""
_LEAD_MAX_SECONDS: Final = 30 * 86_400


class Problem(msgspec.Struct, frozen=True):
    """An annotation that was not taken."""

    task: str
    field: str
    words: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation that was read."""

    task: str
    field: str
    turn: Turn
    known: bool = False
    """It says what is right (`ground_truth`), so the task becomes a probe."""


class Unreadable(Exception):
    """Something of an annotation that cannot be read."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


def task_out(shown: Mapping[str, Any], version: str = "") -> dict[str, Any]:
    """A task as it is imported there, from what a labeler is shown of it."""
    inputs: Mapping[str, Any] = shown["inputs"]
    text = "\n".join(f"{name}: {value}" for name, value in inputs.items())
    out: dict[str, Any] = {
        "data": {**inputs, "task": shown["task"], "question": shown["question"], OBJECT: text}
    }
    if shown.get("answer") is not None:
        kind = "choices" if shown["answers"] else "number"
        value = [shown["answer"]] if kind == "choices" else shown["answer"]
        result = {"from_name": NAME, "to_name": OBJECT, "type": kind, "value": {kind: value}}
        out["predictions"] = [{"model_version": version, "result": [result]}]
    return out


def configuration(question: str, answers: Sequence[str]) -> str:
    """The labelling configuration that fits these tasks."""
    head = (
        f"<View>\n  <Header value={quoteattr(question)}/>\n"
        f'  <Text name="{OBJECT}" value="${OBJECT}"/>\n'
    )
    if not answers:
        return f'{head}  <Number name="{NAME}" toName="{OBJECT}" required="true"/>\n</View>\n'
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in answers)
    control = f'  <Choices name="{NAME}" toName="{OBJECT}" choice="single" required="true">\n'
    return f"{head}{control}{choices}  </Choices>\n</View>\n"


def annotations_in(data: bytes, now_ns: int) -> tuple[list[Found], list[Problem]]:
    """Every annotation of an export, and what could not be read."""
    try:
        read: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidUsage(
            f"this is not JSON: {brief(str(error))}",
            field="file",
            expected="a JSON or JSON-MIN export of Label Studio",
        ) from error
    listed = cast("list[Any]", read) if isinstance(read, list) else [read]
    found: list[Found] = []
    problems: list[Problem] = []
    for place, each in enumerate(listed):
        try:
            task, annotations = _opened(each)
        except Unreadable as error:
            problems.append(Problem(_called(each, place), error.field, str(error)))
            continue
        for at, annotation in annotations:
            try:
                found.append(_read(task, at, annotation, now_ns))
            except Unreadable as error:
                where = f"{at}.{error.field}".strip(".")
                problems.append(Problem(_called(each, place), where, str(error)))
    return found, problems


def _called(each: Any, place: int) -> str:
    """What a task is called where something of it cannot be read."""
    if isinstance(each, dict):
        named = cast("dict[str, Any]", each)
        data: Any = named.get("data")
        ours = cast("dict[str, Any]", data).get("task") if isinstance(data, dict) else None
        for name in (ours, named.get("id")):
            if name is not None:
                return str(brief(name))
    return f"number {place + 1}"


def _opened(each: Any) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Our task's id, and the annotations of it, each with where it stands."""
    if not isinstance(each, dict):
        raise Unreadable("", f"a task is an object, not {_kind(each)}")
    task = cast("dict[str, Any]", each)
    if "annotations" not in task and "completions" not in task and "annotator" in task:
        return _id_of(task, "task"), [("", _from_min(task))]
    data: Any = task.get("data")
    if not isinstance(data, dict):
        raise Unreadable("data", f"must be an object, not {_kind(data)}")
    name = "annotations" if "annotations" in task else "completions"
    listed: Any = task.get(name, [])
    if not isinstance(listed, list):
        raise Unreadable(name, f"must be a list, not {_kind(listed)}")
    annotations: list[tuple[str, dict[str, Any]]] = []
    for at, annotation in enumerate(cast("list[Any]", listed)):
        if not isinstance(annotation, dict):
            raise Unreadable(f"{name}[{at}]", f"must be an object, not {_kind(annotation)}")
        annotations.append((f"{name}[{at}]", cast("dict[str, Any]", annotation)))
    return _id_of(cast("dict[str, Any]", data), "data.task"), annotations


def _id_of(data: Mapping[str, Any], field: str) -> str:
    id_ = data.get("task")
    if not isinstance(id_, str) or not id_:
        words = "has no id of a task of ours; was it exported with `mainstay label export`?"
        raise Unreadable(field, words)
    return id_


def _from_min(task: Mapping[str, Any]) -> dict[str, Any]:
    """A flat annotation in the form of the others."""
    said: Any = task.get(NAME)
    listed: list[Any] = [said]
    if isinstance(said, dict):
        listed = cast("dict[str, Any]", said).get("choices", [])
    number = isinstance(said, int | float)
    kind = "number" if number else "choices"
    value: Any = cast("Any", said) if number else listed
    result = [] if said is None else [{"from_name": NAME, "type": kind, "value": {kind: value}}]
    return {**task, "completed_by": task.get("annotator"), "result": result}


def _read(task: str, at: str, annotation: Mapping[str, Any], now_ns: int) -> Found:
    left = bool(annotation.get("was_cancelled") or annotation.get("skipped"))
    label = None if left else _label(annotation.get("result"), "result")
    said_ns = _moment_ns(annotation, now_ns)
    took_ms = _lead_ms(annotation.get("lead_time"))
    given_ns = said_ns - took_ms * 1_000_000
    turn = Turn(
        task=task,
        labeler=_who(annotation.get("completed_by")),
        given_ns=given_ns,
        until_ns=said_ns,
        state="skipped" if left else "answered",
        label=label,
        said_ns=said_ns,
        took_ms=took_ms,
        saw=_seen(annotation.get("prediction")),
    )
    field = f"{at}.result".strip(".")
    return Found(task=task, field=field, turn=turn, known=annotation.get("ground_truth") is True)


def _label(result: Any, field: str) -> Answer:
    if not isinstance(result, list):
        raise Unreadable(field, f"must be a list, not {_kind(result)}")
    listed = cast("list[Any]", result)
    entries = [cast("dict[str, Any]", each) for each in listed if isinstance(each, dict)]
    named = [each for each in entries if each.get("from_name") == NAME]
    chosen = named or [each for each in entries if each.get("type") in _KINDS]
    if len(chosen) != 1:
        words = f"must have one answer, under the name {NAME!r}; it has {len(chosen)}"
        kinds = sorted({brief(each.get("type")) for each in entries})
        raise Unreadable(field, words + (f" among {', '.join(kinds)}" if kinds else ""))
    place = listed.index(chosen[0])
    return next(_values(chosen[0].get("value"), f"{field}[{place}].value"))


def _values(value: Any, field: str) -> Iterator[Answer]:
    held = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = next((name for name in _KINDS if name in held), None)
    if kind is None:
        raise Unreadable(field, f"must have {', '.join(_KINDS[:3])} or text")
    said: Any = held[kind]
    if isinstance(said, list):
        items = cast("list[Any]", said)
        if len(items) != 1:
            raise Unreadable(f"{field}.{kind}", f"must be one answer, not {len(items)}")
        said = items[0]
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        raise Unreadable(f"{field}.{kind}", f"must be a text or a number, not {_kind(said)}")
    yield said if isinstance(said, str) else float(said)


def _who(completed_by: Any) -> str:
    who: Any = completed_by
    if isinstance(completed_by, dict):
        person = cast("dict[str, Any]", completed_by)
        who = person.get("email") or person.get("username") or person.get("id")
    if isinstance(who, bool) or not isinstance(who, str | int) or who == "":
        words = f"must say who it was: an id, or an object with id or email; it is {_kind(who)}"
        raise Unreadable("completed_by", words)
    return WHO + str(who)[:200]


def _lead_ms(seconds: Any) -> int:
    if seconds is None:
        return 0
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not good or not 0 <= seconds <= _LEAD_MAX_SECONDS:
        raise Unreadable("lead_time", f"must be seconds, not {brief(seconds)}")
    return round(seconds * 1000)


def _moment_ns(annotation: Mapping[str, Any], now_ns: int) -> int:
    for name in ("updated_at", "created_at"):
        text: Any = annotation.get(name)
        if isinstance(text, str) and text:
            moment = moment_us(text)
            if moment is None:
                raise Unreadable(name, f"is no moment with an offset: {brief(text)}")
            return min(moment * 1000, now_ns)
        if isinstance(text, int) and not isinstance(text, bool):  # the old exports' seconds
            return min(int(datetime.fromtimestamp(text, UTC).timestamp()) * 1_000_000_000, now_ns)
    return now_ns


def _seen(prediction: Any) -> Answer | None:
    """What the labeler was shown, where the export says so."""
    if not isinstance(prediction, dict):
        return None
    try:
        return _label(cast("dict[str, Any]", prediction).get("result"), "prediction")
    except Unreadable:
        return None


def _kind(value: Any) -> str:
    words = {"NoneType": "nothing", "dict": "an object", "list": "a list", "str": "a text"}
    return words.get(type(value).__name__) or str(brief(value))
