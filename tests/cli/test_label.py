"""N8 M14: people label by command; what they say, what is known and what came of it is shown."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from tests.renew_labelling.labelled import Labelled, make_shop
from tests.servers.until import until


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with eight tasks; another decision is none."""
    folder = tmp_path_factory.mktemp("label") / "shop"
    make_shop(folder)
    world = Labelled(folder)
    (folder / "decided").write_text("\n".join(world.decided(8)))
    world.set_aside()
    [last] = world.decided(1, seed=5)
    (folder / "last").write_text(last)
    world.shop.close()
    return folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def test_a_task_is_given_answered_and_reported(shop: Path):
    given = run(shop, "label", "next", "sums", "--json")
    assert given.exit_code == 0, given.output
    task = json.loads(given.output)
    assert task["answers"] == ["low", "high"]
    assert set(task["inputs"]) == {"a", "b", "c"}
    assert json.loads(run(shop, "label", "next", "sums", "--json").output)["task"] == task["task"]
    assert task["task"] in run(shop, "label", "next", "sums").output
    answered = run(shop, "label", "answer", task["task"], "high", "--json")
    assert json.loads(answered.output) == {
        "task": task["task"], "model": "sums", "label": "high", "already": False
    }  # fmt: skip
    assert "high is kept" in run(shop, "label", "answer", task["task"], "high").output
    other = json.loads(run(shop, "label", "next", "sums", "--json").output)["task"]
    assert other != task["task"]
    assert "left to others" in run(shop, "label", "skip", other).output
    found = json.loads(run(shop, "label", "report", "sums", "--json").output)
    [me] = found["labelers"]
    assert (me["answers"], me["skipped"], me["probes"]) == (1, 1, 0)
    assert found["tasks"] == {"open": 8}
    shown = run(shop, "label", "report", "sums")
    assert shown.exit_code == 0, shown.output
    assert "8 open" in shown.output
    assert me["name"] in shown.output


def test_mistakes_are_refused_in_words(shop: Path):
    """N8: another class, an unknown task, one that is somebody else's, another answer."""
    task = json.loads(run(shop, "label", "next", "sums", "--json").output)["task"]
    for arguments, status, words in (
        (("answer", task, "hihg"), 1, "did you mean 'high'"),
        (("answer", "t" * 5000, "high"), 1, "no such labelling task"),
        (("answer", task, "x" * 5000), 1, "could have answered"),
        (("skip", "nothing"), 1, "no such labelling task"),
        (("next", "nobody"), 1, "nothing answers for 'nobody'"),
        (("sums",), 2, "nobody sits at a terminal"),
        (("gold", "sums", "0" * 28, "high"), 1, "no decision has this id"),
        (("gold", "sums", "x", "high"), 1, "not a decision id"),
    ):
        told = run(shop, "label", *arguments)
        assert (told.exit_code, words in told.output) == (status, True), told.output
        assert len(told.output) < 1500
    assert run(shop, "label", "answer", task, "high").exit_code == 0
    told = run(shop, "label", "answer", task, "low", "--json")
    assert (told.exit_code, json.loads(told.output)["code"]) == (1, "conflict")


def test_what_is_known_is_mixed_in_and_told_to_nobody(shop: Path):
    last = (shop / "last").read_text()
    told = run(shop, "label", "gold", "sums", last, "low", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["known"] == "low"
    assert "low is known" in run(shop, "label", "gold", "sums", last, "low").output
    assert json.loads(run(shop, "label", "report", "sums", "--json").output)["probes"] == 1


def test_label_studio_takes_the_tasks_and_gives_annotations_back(shop: Path, tmp_path: Path):
    """N8: out and in again, twice; what cannot be kept is named, and the rest is."""
    last = (shop / "last").read_text()
    run(shop, "label", "gold", "sums", last, "low")
    exported = json.loads(run(shop, "label", "export", "sums").output)
    assert len(exported) == 9
    assert "predictions" not in exported[0]
    config = run(shop, "label", "export", "sums", "--config").output
    assert '<Choice value="high"/>' in config

    def annotated(place: int, label: str, **more: object) -> dict[str, object]:
        result = [{"from_name": "label", "type": "choices", "value": {"choices": [label]}}]
        return {
            **exported[place],
            "annotations": [
                {"completed_by": {"id": 1, "email": "ann@x"}, "lead_time": 2.5, "result": result,
                 **more},
            ],
        }  # fmt: skip

    tasks = [annotated(place, "high") for place in range(5)]
    tasks += [annotated(5, "high", was_cancelled=True), annotated(6, "maybe"),
              annotated(7, "high", ground_truth=True)]  # fmt: skip
    tasks.append({"data": {"task": "unknown"}, "annotations": tasks[0]["annotations"]})
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    told = run(shop, "label", "import", "sums", str(file), "--json")
    done = json.loads(told.output)
    assert told.exit_code == 1, "two were not kept"
    assert (done["answers"], done["skipped"], done["probes"]) == (5, 1, 1)
    assert [each["field"] for each in done["problems"]] == ["annotations[0].result"] * 2
    assert "maybe" in done["problems"][0]["words"]
    assert done["problems"][1]["task"] == "unknown"
    again = run(shop, "label", "import", "sums", str(file))
    assert "6 were known already" in again.output
    assert "task unknown annotations[0].result: there is no such" in again.output
    found = json.loads(run(shop, "label", "report", "sums", "--json").output)
    [ann] = found["labelers"]
    assert (ann["name"], ann["answers"], ann["took_ms"]) == ("label-studio:ann@x", 5, 2500)
    file.write_text("{")
    told = run(shop, "label", "import", "sums", str(file))
    assert (told.exit_code, "not JSON" in told.output) == (2, True)


def test_somebody_labels_at_a_terminal(shop: Path):
    """N8: by number or name, asked again after a slip, skipped, stopped."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mainstay", "label", "sums", "--workspace", str(shop)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    said = bytearray()

    def heard(words: str, times: int) -> bool:
        with contextlib.suppress(OSError):
            said.extend(os.read(ours, 65536))
        return said.decode(errors="replace").count(words) >= times

    try:
        for times, typed in enumerate(("2", "hihg", "low", "s", "q"), 1):
            until(lambda times=times: heard("q to stop", times), what=f"a question: {said!r}")
            os.write(ours, f"{typed}\n".encode())
        until(lambda: heard("You gave", 1), what=f"the end: {said!r}")
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(ours)
    text = said.decode(errors="replace")
    assert "did you mean 'high'" in text
    found = json.loads(run(shop, "label", "report", "sums", "--json").output)
    [me] = found["labelers"]
    assert (me["answers"], me["skipped"]) == (2, 1)
