"""Files of any language keep the rules of the repository, and each rule finds what it is for."""

import re
import tomllib

import pytest

from tests.tidy import repository
from tests.tidy.repository import ROOT, files


@pytest.mark.parametrize("rule", [repository.registry_addresses, repository.machine_paths])
def test_no_file_names_a_place_outside(rule):
    faults: list[str] = []
    for name in files():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        faults += rule(name, text)
    assert faults == []


def test_no_file_is_too_large():
    sizes = {name: (ROOT / name).stat().st_size for name in files()}
    assert [f for name, size in sizes.items() for f in repository.too_large(name, size)] == []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (repository.registry_addresses, "--index" + "-url somewhere"),
        (repository.registry_addresses, "https://py" + "pi.org/simple"),
        (repository.registry_addresses, "https://files.python" + "hosted.org/x.whl"),
        (repository.machine_paths, "cd /ho" + "me/somebody/project"),
        (repository.machine_paths, "open('/wo" + "rk/main/x')"),
    ],
)
def test_a_planted_place_is_found(rule, line):
    assert len(list(rule("planted", f"one\n{line}\n"))) == 1


def test_a_planted_large_file_is_found():
    assert list(repository.too_large("planted", 1_000_001))
    assert not list(repository.too_large("planted", 1_000_000))


def test_look_alikes_pass():
    for line in (
        "--no-emit-index" + "-url",
        "GET /workers/1",
        "{root}/" + "work/x",
        "/v2/models/home",
    ):
        assert not list(repository.registry_addresses("fine", line))
        assert not list(repository.machine_paths("fine", line))


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def changelog_faults(text, version):
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", text, re.MULTILINE)
    if not headings or headings[0][0] != "Unreleased":
        return ["the first heading is [Unreleased]"]
    released = [name for name, _ in headings[1:]]
    if version not in released[:1]:
        return [f"the newest release is {released[:1]}, the package says {version}"]
    dated = re.compile(r"\d{4}-\d\d-\d\d$")
    return [f"[{name}] has no date" for name, date in headings[1:] if not dated.match(date)]


def test_the_changelog_matches_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog_faults(text, project()["version"]) == []


def test_a_changelog_that_lags_is_found():
    good = "## [Unreleased]\n\n## [1.0.0] - 2026-01-01\n"
    assert changelog_faults(good, "1.0.0") == []
    assert changelog_faults(good, "1.1.0")
    assert changelog_faults("## [1.0.0] - 2026-01-01\n", "1.0.0")
    assert changelog_faults("## [Unreleased]\n\n## [1.0.0]\n", "1.0.0")


LOCK_LINE = re.compile(r"^[a-z0-9._-]+(\[[a-z,_-]+\])?==\S+( ; .+)? \\$")


def lock_faults(text):
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line and not line.startswith((" ", "#")) and not LOCK_LINE.match(line):
            yield f"line {number} is not locked: {line}"
        if LOCK_LINE.match(line) and not lines[number].startswith("    --hash=sha256:"):
            yield f"line {number} has no hash: {line}"


@pytest.mark.parametrize("lock", sorted(n for n in files() if re.match(r"requirements/.+\.txt", n)))
def test_every_requirement_is_locked_by_hash(lock):
    assert list(lock_faults((ROOT / lock).read_text(encoding="utf-8"))) == []


def test_a_requirement_without_a_hash_is_found():
    assert list(lock_faults("numpy==1.0 \\\n    --hash=sha256:00\n")) == []
    assert list(lock_faults("numpy>=1.0\n"))
    assert list(lock_faults("numpy==1.0 \\\n    # via us\n"))


def test_the_locks_agree_with_each_other():
    """What is served is what was tested."""
    pins = re.compile(r"^([a-z0-9._-]+)==(\S+)(.*) \\$", re.MULTILINE)
    dev = set(pins.findall((ROOT / "requirements/dev.txt").read_text(encoding="utf-8")))
    for name in ("serve", "demo"):
        own = set(pins.findall((ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")))
        versions = {(package, version) for package, version, _ in dev}
        assert [p for p in own if (p[0], p[1]) not in versions] == []
