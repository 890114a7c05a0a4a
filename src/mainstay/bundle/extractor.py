"""Which extractor a version has, and what its code reads, told without running it.

Promises that two versions have the same extractor where it is written the same, with all that it
reaches in the code that was carried; and that whatever else was carried (look-ups, the class of a
plain model) makes no difference. Limit: the libraries that it imports are not part of it; that they
compute otherwise is what a skew test finds.
"""

import ast
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from mainstay.bundle.folder import read_checked
from mainstay.bundle.model import Manifest
from mainstay.bundle.source import required_names

_READS: Final = {
    "the clock": (
        "time.",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "pandas.Timestamp.now",
        "pandas.Timestamp.utcnow",
        "pandas.Timestamp.today",
    ),
    "chance": ("random.", "numpy.random", "secrets.", "uuid.uuid1", "uuid.uuid4", "os.urandom"),
    "a file": ("open", "io.open", "pathlib.", "numpy.load", "numpy.fromfile", "pandas.read_"),
    "its surroundings": ("os.environ", "os.getenv", "os.getpid", "socket.", "platform.", "locale."),
    "the network": ("urllib.", "requests.", "http.", "httpx."),
}
"""What an extractor may read beside its columns, and how names of it begin."""
_NOW: Final = frozenset({"now", "today"})
STATE: Final = "what it keeps between calls"
_KEEPING: Final = frozenset(
    {"append", "add", "update", "setdefault", "pop", "extend", "clear", "insert"}
)
_CACHES: Final = frozenset({"functools.cache", "functools.lru_cache"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def written(folder: Path, manifest: Manifest) -> str:
    """The source of a version's extractor with all that it reaches; empty where it has none."""
    code = manifest.code
    if code is None or code.extract is None:
        return ""
    source = read_checked(folder, manifest, code.file).decode("utf-8")
    return reached(source, code.extract)


def digest_of(folder: Path, manifest: Manifest) -> str:
    """What names a version's extractor; empty where its inputs are its features."""
    source = written(folder, manifest)
    return sha256(source.encode()).hexdigest() if source else ""


def reached(source: str, name: str) -> str:
    """The part of a carried module that a name needs, in its order."""
    body = ast.parse(source).body
    places = {each: place for place, node in enumerate(body) for each in _names_of(node)}
    wanted, found = [name], set[int]()
    while wanted:
        place = places.get(wanted.pop())
        if place is not None and place not in found:
            found.add(place)
            wanted += sorted(required_names(body[place]))
    lines = source.splitlines(keepends=True)
    return "".join("".join(lines[slice(*_span(body[place]))]) for place in sorted(found))


def read_besides(source: str) -> tuple[str, ...]:
    """What code seems to read beside its columns: `the clock (time.time)`. A hint, by the names
    that it uses; no proof in either direction."""
    tree = ast.parse(source)
    imported = dict(_imports_of(tree))
    own = {name for node in tree.body for name in _names_of(node)} - imported.keys()
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        for what, called in _read_by(node, imported, own):
            found.setdefault(what, called)
    return tuple(f"{what} ({called})" for what, called in sorted(found.items()))


def imported_by(source: str) -> set[str]:
    """The packages that code imports."""
    return {full.partition(".")[0] for _, full in _imports_of(ast.parse(source))}


def _names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _Function):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


def _span(node: ast.stmt) -> tuple[int, int]:
    above = [each.lineno for each in node.decorator_list] if isinstance(node, _Function) else []
    return min([node.lineno, *above]) - 1, node.end_lineno or node.lineno


def _imports_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                yield alias.asname or root, alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom):
            yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)


def _read_by(node: ast.AST, imported: dict[str, str], own: set[str]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Global):
        yield STATE, node.names[0]
    elif changed := _changed_by(node):
        if changed in own:
            yield STATE, changed
    elif isinstance(node, ast.Call) and _dotted(node.func, imported) == "numpy.datetime64":
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and first.value in _NOW:
            yield "the clock", f"numpy.datetime64({first.value!r})"
    if isinstance(node, ast.Attribute | ast.Name):
        called = _dotted(node, imported)
        if called in _CACHES:
            yield STATE, called
        for what, beginnings in _READS.items():
            if any(_begins(called, each) for each in beginnings):
                yield what, called


def _changed_by(node: ast.AST) -> str:
    """The name whose value is changed in place; empty where none is."""
    stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
    called = isinstance(node, ast.Attribute) and node.attr in _KEEPING
    value = getattr(node, "value", None) if stored or called else None
    return value.id if isinstance(value, ast.Name) else ""


def _begins(called: str, beginning: str) -> bool:
    if beginning.endswith((".", "_")):
        return called.startswith(beginning)
    return called == beginning or called.startswith(f"{beginning}.")


def _dotted(node: ast.AST, imported: dict[str, str]) -> str:
    """The full name that an expression stands for; empty where it is more than a name."""
    if isinstance(node, ast.Name):
        known = node.id in imported or node.id == "open"
        return imported.get(node.id, node.id) if known else ""
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value, imported)
        return f"{left}.{node.attr}" if left else ""
    return ""
