"""What is in the repository, and the rules for any file in it, whatever its language."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.tidy.rules import Source

ROOT = Path(__file__).parents[2]
FILE_MAX_BYTES = 1_000_000

# Spelled in pieces, so that this file does not break its own rules.
_REGISTRIES = re.compile(
    r"py" r"pi\.org|python" r"hosted\.org|npm" r"js\.(org|com)|"
    r"(?<!no-emit-)index" r"-url|find" r"-links"
)  # fmt: skip
_MACHINES = re.compile(
    r"(?<![\w.}])/" r"(work|farm|root|home|Users|opt/wheels|tmp/w)(?![\w-])"
)  # fmt: skip


@cache
def files() -> tuple[str, ...]:
    """Every file that is committed or could be, as git sees it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file()))


@cache
def sources(*tops: str) -> tuple[Source, ...]:
    """The Python files under some of the top folders."""
    return tuple(
        Source(name, (ROOT / name).read_text(encoding="utf-8"))
        for name in files()
        if name.endswith(".py") and name.split("/")[0] in tops
    )


def registry_addresses(name: str, text: str) -> Iterator[str]:
    """Where a package comes from is the machine's business, never the repository's."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _REGISTRIES.search(line):
            yield f"{name}:{number}: names a registry or how to reach one: {found.group()}"


def machine_paths(name: str, text: str) -> Iterator[str]:
    """A path of the machine it was written on works nowhere else."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _MACHINES.search(line):
            yield f"{name}:{number}: a path of one machine: {found.group()}"


def too_large(name: str, size: int) -> Iterator[str]:
    """Large files belong into a release or a store."""
    if size > FILE_MAX_BYTES:
        yield f"{name}: {size} bytes, at most {FILE_MAX_BYTES}"
