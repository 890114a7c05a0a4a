"""The modules of the package as a graph: who imports whom, and what each says it exports."""

import ast
from collections.abc import Iterator, Sequence

from tests.tidy.rules import Source

ENTRIES = frozenset({"mainstay", "mainstay.__main__", "mainstay.cli"})
"""What people and installers reach by name."""


def module_of(path: str) -> str:
    """`src/mainstay/base/ids.py` is `mainstay.base.ids`."""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_by(source: Source) -> set[str]:
    """Every name a file imports, modules and what is taken from them alike; also the modules it
    starts by name, as `python -m` and process targets do."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("mainstay."):
            found.add(str(node.value).partition(":")[0])
    return found


def dead_modules(
    package: Sequence[Source], tests: Sequence[Source] = (), tools: Sequence[Source] = ()
) -> Iterator[str]:
    """A module that neither the product nor its tools import is not part of it; twins in memory
    are there for whoever tests a product of theirs, and are imported by the tests."""
    imports = {source.path: imported_by(source) for source in (*package, *tests, *tools)}
    product = {source.path for source in (*package, *tools)}
    for source in package:
        own = module_of(source.path)
        if own in ENTRIES or source.path.endswith("/__init__.py"):
            continue
        users = imports if "memory" in own.rpartition(".")[2] else product
        if not any(own in imports[user] for user in users if user != source.path):
            yield f"{source.path}: no module of the product imports it"


def missing_exports(source: Source) -> Iterator[str]:
    """`__all__` names only what is there, each once."""
    defined = _top_names(source.tree)
    for node in source.tree.body:
        if not (
            isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
        ):
            continue
        names = list(ast.literal_eval(node.value))
        for name in names:
            if name not in defined:
                yield f"{source.path}:{node.lineno}: __all__ names {name!r}, which is not there"
        if len(names) != len(set(names)):
            yield f"{source.path}:{node.lineno}: __all__ names something twice"


def _top_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in (inner for outer in tree.body for inner in _flattened(outer)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def _flattened(node: ast.stmt) -> list[ast.stmt]:
    """A statement, or those within it when it is a condition: names for type checkers only."""
    return [*node.body, *node.orelse] if isinstance(node, ast.If) else [node]
