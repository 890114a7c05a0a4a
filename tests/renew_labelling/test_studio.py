"""Label Studio's files, as it writes them (N8): tasks out, annotations in, oddities named."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.renew.labelling.studio import annotations_in, configuration, task_out

NOW = 2_000_000_000 * 10**9
SHOWN = {
    "task": "abc", "model": "fraud", "question": "Fraud?", "answers": ["ok", "fraud"],
    "inputs": {"amount": 12.5, "country": "DE"},
}  # fmt: skip


def chosen(label: Any, kind: str = "choices") -> list[dict[str, Any]]:
    value = [label] if kind == "choices" else label
    return [
        {
            "id": "Dx_aB91ISN", "from_name": "label", "to_name": "inputs", "origin": "manual",
            "type": kind, "value": {kind: value},
        }
    ]  # fmt: skip


def annotation(**changes: Any) -> dict[str, Any]:
    """One as version 1.23 exports it."""
    return {
        "id": 1001, "completed_by": 7, "result": chosen("fraud"), "was_cancelled": False,
        "ground_truth": False, "created_at": "2026-03-09T22:16:08.728353Z",
        "updated_at": "2026-03-09T22:16:09.728378Z", "draft_created_at": None, "lead_time": 4.288,
        "prediction": {}, "result_count": 1, "unique_id": "8e3cc0a2", "import_id": None,
        "last_action": None, "bulk_created": False, "task": 1, "project": 83, "updated_by": 7,
        "parent_prediction": None, "parent_annotation": None, "last_created_by": None,
        **changes,
    }  # fmt: skip


def task(*annotations: Any, **changes: Any) -> dict[str, Any]:
    return {
        "id": 1, "data": {"task": "abc", "inputs": "amount: 12.5"}, "annotations": [*annotations],
        "file_upload": "x.json", "drafts": [], "predictions": [], "meta": {}, "inner_id": 1,
        "total_annotations": 1, "cancelled_annotations": 0, "comment_authors": [], **changes,
    }  # fmt: skip


def read(*tasks: Any) -> tuple[list[Any], list[Any]]:
    return annotations_in(json.dumps(tasks).encode(), NOW)


def test_a_task_goes_out_with_what_a_labeler_may_see():
    out = task_out(SHOWN, "fraud v3")
    assert out["data"]["task"] == "abc"
    assert out["data"]["inputs"] == "amount: 12.5\ncountry: DE"
    assert (out["data"]["amount"], out["data"]["question"]) == (12.5, "Fraud?")
    assert "predictions" not in out, "blind"
    [prediction] = task_out(SHOWN | {"answer": "ok"}, "fraud v3")["predictions"]
    assert prediction["model_version"] == "fraud v3"
    assert prediction["result"][0] == {
        "from_name": "label", "to_name": "inputs", "type": "choices", "value": {"choices": ["ok"]}
    }  # fmt: skip
    [number] = task_out(SHOWN | {"answer": 1.5, "answers": []}, "v")["predictions"]
    assert number["result"][0]["value"] == {"number": 1.5}


def test_the_configuration_names_what_the_tasks_have():
    tree = ET.fromstring(configuration('A "question" <?', ["ok", "a & b"]))
    assert [each.get("value") for each in tree.iter("Choice")] == ["ok", "a & b"]
    assert tree.find("Choices").get("name") == "label"
    assert tree.find("Text").get("value") == "$inputs"
    assert tree.find("Header").get("value") == 'A "question" <?'
    assert ET.fromstring(configuration("?", [])).find("Number").get("name") == "label"


def test_an_export_is_read_with_who_when_and_how_long():
    """N8: the labeler's identity, the time taken, the prediction they saw."""
    seen = {"id": 3, "model_version": "fraud v3", "result": chosen("ok")}
    [found], problems = read(task(annotation(prediction=seen)))
    assert problems == []
    turn = found.turn
    assert (turn.task, turn.labeler, turn.label, turn.saw) == (
        "abc", "label-studio:7", "fraud", "ok",
    )  # fmt: skip
    assert (turn.state, turn.took_ms) == ("answered", 4288)
    assert turn.said_ns == 1_773_094_569_728_378_000
    assert turn.given_ns == turn.said_ns - 4288 * 10**6
    assert not found.known


def test_people_are_known_by_the_best_name_there_is():
    people = [{"id": 7, "email": "ann@x.org", "first_name": "A"}, {"id": 7}, "bob", 9]
    found, _ = read(task(*[annotation(completed_by=who) for who in people]))
    names = [each.turn.labeler.removeprefix("label-studio:") for each in found]
    assert names == ["ann@x.org", "7", "bob", "9"]


def test_other_forms_of_the_same_are_read_too():
    """N8: old exports, flat exports, skips, ground truth, numbers, one task alone."""
    old = task(completions=[annotation(created_at=1_700_000_000, updated_at=None)])
    del old["annotations"]
    flat = {"id": 1, "task": "abc", "label": "ok", "annotator": 4, "lead_time": 1.5}
    several = {**flat, "label": {"choices": ["ok"]}}
    rows = [
        old, flat, several, task(annotation(was_cancelled=True, result=[])),
        task(annotation(ground_truth=True)), task(annotation(result=chosen(3.5, "number"))),
        task(annotation(result=chosen(4, "rating"))), task(annotation(lead_time=None)), task(),
    ]  # fmt: skip
    found, problems = read(*rows)
    assert problems == []
    labels = [each.turn.label for each in found]
    assert labels == ["fraud", "ok", "ok", None, "fraud", 3.5, 4.0, "fraud"]
    assert found[0].turn.said_ns == 1_700_000_000 * 10**9
    assert found[3].turn.state == "skipped"
    assert [each.known for each in found] == [False] * 4 + [True] + [False] * 3
    assert [each.turn.labeler for each in found[1:3]] == ["label-studio:4"] * 2
    [alone], _ = annotations_in(json.dumps(task(annotation())).encode(), NOW)
    assert alone == found[-1] or alone.turn.label == "fraud"


def test_other_controls_beside_ours_are_passed_over():
    beside = {
        "from_name": "note",
        "to_name": "inputs",
        "type": "textarea",
        "value": {"text": ["x"]},
    }
    [found], problems = read(task(annotation(result=[beside, *chosen("ok")])))
    assert (found.turn.label, problems) == ("ok", [])
    other = [{**chosen("ok")[0], "from_name": "sentiment"}]
    [found], problems = read(task(annotation(result=other)))
    assert (found.turn.label, problems) == ("ok", [])


@pytest.mark.parametrize(
    ("broken", "field", "words"),
    [
        (5, "", "a task is an object"),
        ({"id": 1, "annotations": []}, "data", "must be an object"),
        (task(data={}), "data.task", "no id of a task of ours"),
        (task(annotations={}), "annotations", "must be a list"),
        (task("x"), "annotations[0]", "must be an object, not a text"),
        (task(annotation(completed_by=None)), "annotations[0].completed_by", "who it was"),
        (task(annotation(completed_by=True)), "annotations[0].completed_by", "who it was"),
        (task(annotation(completed_by={})), "annotations[0].completed_by", "who it was"),
        (task(annotation(result=[])), "annotations[0].result", "it has 0"),
        (task(annotation(result=None)), "annotations[0].result", "must be a list"),
        (
            task(annotation(result=[{"from_name": "tag", "type": "rectanglelabels", "value": {}}])),
            "annotations[0].result", "rectanglelabels",
        ),
        (
            task(annotation(result=[*chosen("a"), *chosen("b")])),
            "annotations[0].result", "it has 2",
        ),
        (
            task(annotation(result=[{**chosen("a")[0], "value": {"choices": ["a", "b"]}}])),
            "annotations[0].result[0].value.choices", "one answer, not 2",
        ),
        (
            task(annotation(result=[{**chosen("a")[0], "value": {"x": 1}}])),
            "annotations[0].result[0].value", "must have choices",
        ),
        (
            task(annotation(result=chosen(True, "number"))),
            "annotations[0].result[0].value.number", "a text or a number",
        ),
        (task(annotation(lead_time="x")), "annotations[0].lead_time", "seconds"),
        (task(annotation(lead_time=-1)), "annotations[0].lead_time", "seconds"),
        (task(annotation(updated_at="9.3.21")), "annotations[0].updated_at", "no moment"),
        ({"id": 3, "annotator": 1, "label": "ok"}, "task", "no id of a task of ours"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_keeps_nothing_else_out(
    broken: Any, field: str, words: str
):
    """N8: by the task's id, or its place, and by the field."""
    found, [problem] = read(broken, task(annotation()))
    assert len(found) == 1
    assert problem.field == field
    assert words in problem.words
    named = (
        broken.get("data", {}).get("task") or broken.get("id") if isinstance(broken, dict) else ""
    )
    assert problem.task == str(named or "number 1")


@pytest.mark.parametrize("data", [b"", b"no", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_said_to_be_none(data: bytes):
    with pytest.raises(InvalidUsage, match="not JSON"):
        annotations_in(data, NOW)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["data", "task", "annotations", "result", "value", "choices", "completed_by",
             "lead_time", "updated_at", "annotator", "label", "prediction", "number"]
        ),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(anything)
def test_no_file_breaks_it(value: Any):
    found, problems = annotations_in(json.dumps(value).encode(), NOW)
    assert all(
        each.turn.label is None or isinstance(each.turn.label, str | float) for each in found
    )
    assert all(problem.words for problem in problems)
