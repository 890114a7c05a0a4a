"""Environments of their own for what the tests need and our own locks must not hold."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def environment(name: str) -> Path:
    """The programs of an environment; without it the test is skipped, or fails in CI.

    `make clients` builds them under `.venv-clients` (another folder: `MAINSTAY_CLIENTS`).
    """
    kept = os.environ.get("MAINSTAY_CLIENTS", str(ROOT / ".venv-clients"))
    folder = Path(kept) / name / "bin"
    if (folder / "python").exists():
        return folder
    words = f"the environment of {name} is not built; `make clients` builds it"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)
