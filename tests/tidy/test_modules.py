"""Every module is part of the product, says what it exports, and a serving process stays light."""

import importlib.util
import json
import subprocess
import sys

from tests.tidy import modules
from tests.tidy.repository import sources
from tests.tidy.rules import Source

HEAVY = frozenset({
    "pandas", "polars", "scipy", "sklearn", "pyarrow", "duckdb", "onnx", "skl2onnx",
    "lightgbm", "xgboost", "skops", "sqlalchemy", "rich", "torch",
})  # fmt: skip


def test_no_module_is_dead():
    assert list(modules.dead_modules(sources("src"), sources("tests"), sources("tools"))) == []


def test_a_planted_dead_module_is_found():
    live = Source("src/mainstay/a.py", "from mainstay import b\n")
    used = Source("src/mainstay/b.py", "import mainstay.a\n")
    dead = Source("src/mainstay/c.py", "import mainstay.a\n")
    assert list(modules.dead_modules([live, used])) == []
    assert len(list(modules.dead_modules([live, used, dead]))) == 1
    twin, test = (
        Source("src/mainstay/memory.py", ""),
        Source("tests/t.py", "import mainstay.memory"),
    )
    assert len(list(modules.dead_modules([live, used, twin]))) == 1
    assert list(modules.dead_modules([live, used, twin], [test])) == []


def test_exports_are_there():
    assert [fault for source in sources("src") for fault in modules.missing_exports(source)] == []


def test_a_planted_export_is_found():
    text = "from os import path\n__all__ = ['path', 'gone', 'gone']\n"
    assert len(list(modules.missing_exports(Source("src/mainstay/a.py", text)))) == 3


def loaded_by(*names: str) -> set[str]:
    """The top-level packages that a fresh process holds after importing some modules."""
    code = (
        "import importlib, json, sys; [importlib.import_module(n) for n in sys.argv[1:]];"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout))


def test_a_serving_process_imports_nothing_heavy():
    """The figures of a worker: 150 MB and a second to the first answer."""
    rooms = ("mainstay.serve.", "mainstay.access.", "mainstay.contract.", "mainstay.base.")
    names = [modules.module_of(source.path) for source in sources("src")]
    serving = [n for n in names if n.startswith(rooms) and n.rpartition(".")[2] not in ADAPTERS]
    assert serving
    assert loaded_by(*serving) & HEAVY == set()


ADAPTERS = frozenset({"sql"})
"""Files of a serving room that another process uses: the keeper, not a worker."""


def test_a_heavy_import_is_found():
    heavy = next(name for name in ("duckdb", "scipy") if importlib.util.find_spec(name))
    assert loaded_by("mainstay.base.ids", heavy) & HEAVY
