"""The card of a version, filled in by itself: whose code, which revision, which libraries.

Everything here describes and nothing decides, so what cannot be found out is left empty rather
than asked for. The only program that is run is `git`, to read.
"""

import getpass
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Card, Parity
from mainstay.bundle.source import versions_of

_GIT_SECONDS = 5


def fill_card(
    given: Card | dict[str, Any] | None,
    *,
    clock: Clock,
    folder: Path,
    roots: Iterable[str],
    parameters: dict[str, Any],
    metrics: dict[str, float],
    parity: Parity,
    notes: list[str],
) -> Card:
    """The whole card: what the user says, and beside it what can be found out."""
    said = _said(given)
    moment = datetime.fromtimestamp(clock.now_ns() / 1e9, UTC)
    revision, dirty = ("", False) if "code_revision" in said else revision_of(folder)
    own_notes = [text for text in (str(said.get("notes", "")), *notes) if text]
    found: dict[str, Any] = {
        "packed_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "author": _author(),
        "code_revision": revision,
        "code_dirty": dirty,
        "parameters": parameters,
        "libraries": {
            "python": platform.python_version(),
            **versions_of({"mainstay", "numpy", *roots}),
        },
        "metrics": {**metrics, **said.get("metrics", {})},
        "parity": parity,
    }
    merged = {**found, **{k: v for k, v in said.items() if k != "metrics"}}
    merged["notes"] = "\n".join(own_notes)
    return Card(**merged)


def _said(given: Card | dict[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Card):
        defaults = Card(packed_at="")
        return {
            name: getattr(given, name)
            for name in Card.__struct_fields__
            if getattr(given, name) != getattr(defaults, name)
        }
    unknown = sorted(set(given) - set(Card.__struct_fields__))
    if unknown:
        raise InvalidUsage(
            f"the card has no field {unknown[0]!r}",
            field=f"card.{unknown[0]}",
            expected="one of " + ", ".join(Card.__struct_fields__),
        )
    try:
        card = msgspec.convert({"packed_at": "", **given}, Card)
    except msgspec.ValidationError as error:
        raise InvalidUsage(f"the card is wrong: {error}", field="card") from error
    return {name: getattr(card, name) for name in given}


def _author() -> str:
    try:
        return os.environ.get("GIT_AUTHOR_NAME") or getpass.getuser()
    except (KeyError, OSError):
        return ""


def revision_of(folder: Path) -> tuple[str, bool]:
    """The git revision of a folder and whether it has changes that no revision holds."""
    revision = _git(folder, "rev-parse", "HEAD")
    if not revision:
        return "", False
    return revision, bool(_git(folder, "status", "--porcelain"))


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # because the arguments are ours
            ["git", "-C", str(folder), *arguments],  # because git is wherever the user has it
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
