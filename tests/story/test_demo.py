"""The demonstration, whole and on real parts (S5, S10, L3, M22; the demo of the product)."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_demonstration_ends_well(tmp_path):
    """S5 S10 L3: deploy under traffic, roll back, replay: nothing fails, nothing is lost."""
    command = [sys.executable, "-m", "mainstay", "demo", "--once", "--json", "--port", "0"]
    done = subprocess.run(
        [*command, "--workspace", str(tmp_path / "demo")],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    assert story["failed"] == 0
    assert story["requests"] >= 3000
    assert set(story["answered_by"]) == {"1", "2"}
    assert story["versions"]["2"]["roc_auc"] > story["versions"]["1"]["roc_auc"] + 0.02
    assert [each["status"] for each in story["statuses"]] == [
        "answered", "asked", "options", "held", "fallback", "declined",
    ]  # fmt: skip
    assert [bool(each["answer"]) for each in story["statuses"]] == [
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    assert all(each["words"] for each in story["statuses"])
    assert story["refused"]["status"] == 400
    assert story["refused"]["field"] == "amount"
    assert story["replayed"]["verdict"] in {"same", "within"}
    # Every answer is in the journal: the traffic's and the first one.
    assert sum(story["journal"].values()) >= story["requests"] + 1
    assert story["journal"]["2"] == story["answered_by"]["2"]
    again = subprocess.run(
        [sys.executable, "-m", "mainstay", "status", "--workspace", str(tmp_path / "demo")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "no server is running" in again.stdout


def test_a_folder_of_somebody_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = subprocess.run(
        [sys.executable, "-m", "mainstay", "demo", "--once", "--workspace", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "not overwritten" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
