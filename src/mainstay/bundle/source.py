"""A user's function or class, carried as source: with what it refers to, and nothing else.

The result is one small module that runs by itself: the function, the functions, classes and
constants it reaches in its own module (or in the user's other modules), one after the other, and
the imports of installed packages it uses. Works for modules, scripts and notebook cells. What
cannot be written down faithfully (a global that is not a literal or a small array, a value of an
enclosing function, a lambda) is refused by name, saying what to do. Nothing is executed here.
"""

import ast
import builtins
import linecache
import re
import symtable
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.anything import is_pattern

_ARRAY_MAX: Final = 10_000
_LITERAL_MAX_CHARACTERS: Final = 1_000_000


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """Source that runs by itself, and the installed packages it needs."""

    source: str
    packages: dict[str, str]
    """Distribution name to version."""


def function_source(function: Callable[..., Any]) -> str:
    """The source of one function, self-contained."""
    return carry([function]).source


def carry(members: list[Any]) -> Carried:
    """The source of some functions and classes, in one module."""
    collected = _Collected()
    for one in members:
        if not isinstance(one, (types.FunctionType, type)):
            raise InvalidUsage(
                f"{_name(one)} is not a function or class that can be carried as source",
                field=_name(one),
                got=type(one).__qualname__,
                expected="a function written with def, or a class, in a file or notebook",
            )
        collected.add(one.__name__, one, "pack")
    return collected.finish()


class _Collected:
    """What goes into the module, in the order in which it must stand there."""

    def __init__(self) -> None:
        self._imports: dict[str, str] = {}
        self._pieces: dict[str, str] = {}
        self._objects: dict[str, Any] = {}
        self._roots: set[str] = set()

    def add(self, name: str, value: Any, user: str) -> None:
        """Carry what `user` knows as `name`."""
        if name in self._objects:
            if self._objects[name] is value:
                return
            raise _refused(
                name,
                user,
                "means two different things in two of your modules",
                "two different names",
            )
        self._objects[name] = value
        if isinstance(value, types.ModuleType):
            self._add_module(name, value, user)
        elif isinstance(value, (types.FunctionType, type)) and not is_installed(value.__module__):
            self._add_definition(name, value, user)
        elif (imported := self._import_of(name, value)) is not None:
            self._imports[name] = imported
        else:
            literal = self._literal(name, value, user)
            self._pieces[name] = f"{name} = {literal}"

    def finish(self) -> Carried:
        """The module."""
        head = ["from __future__ import annotations", ""]
        imports = sorted(set(self._imports.values()))
        body = "\n\n\n".join(self._pieces.values())
        source = "\n".join(head + imports + ["", "", body, ""])
        ast.parse(source)
        return Carried(source=source, packages=_packages(self._roots))

    def _add_module(self, name: str, module: types.ModuleType, user: str) -> None:
        full = module.__name__
        if not is_installed(full):
            raise _refused(
                name,
                user,
                f"is your own module {full!r}, used as a whole",
                f"`from {full} import …` of what it uses, or an installed package",
            )
        root, _, rest = full.partition(".")
        self._roots.add(root)
        # `import a.b as c` binds the submodule under one name, whatever the original spelling.
        self._imports[name] = (
            f"import {full}" if name == full and not rest else (f"import {full} as {name}")
        )

    def _import_of(self, name: str, value: Any) -> str | None:
        """The import that gives an object of an installed package, if that is what it is."""
        home = getattr(value, "__module__", None)
        called = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        if isinstance(value, np.ufunc):
            home = "numpy"
        if not isinstance(home, str) or not isinstance(called, str) or "." in called:
            return None
        if not is_installed(home) or getattr(sys.modules.get(home), called, None) is not value:
            return None
        self._roots.add(home.partition(".")[0])
        return f"from {home} import {called}" + (f" as {name}" if called != name else "")

    def _add_definition(self, name: str, value: Any, user: str) -> None:
        source, node, namespace = definition_of(value, user)
        if name != node.name:
            raise _refused(name, user, f"is another name of {node.name!r}", "its own name")
        free = getattr(getattr(value, "__code__", None), "co_freevars", ())
        if free:
            raise _refused(
                free[0],
                name,
                "belongs to the function around it",
                f"a constant of the module, or a parameter of {name!r}",
            )
        needed = sorted(required_names(node))
        for other in needed:
            if other == name:
                continue
            if other in namespace:
                self.add(other, namespace[other], name)
            elif not hasattr(builtins, other):
                raise _refused(other, name, "does not exist", "a name that is defined")
        for other in sorted(annotated_names(node) - set(needed)):
            self._add_if_possible(other, namespace)
        self._pieces[name] = source

    def _add_if_possible(self, name: str, namespace: dict[str, Any]) -> None:
        """Names in annotations are never evaluated, so they come along only where they can be
        imported (dataclasses and readers like to find them)."""
        value = namespace.get(name)
        if value is None or name in self._objects:
            return
        if isinstance(value, types.ModuleType):
            if is_installed(value.__name__):
                self.add(name, value, name)
        elif isinstance(value, type) and (imported := self._import_of(name, value)):
            self._objects[name] = value
            self._imports[name] = imported

    def _literal(self, name: str, value: Any, user: str) -> str:
        if isinstance(value, np.ndarray | np.generic):
            self.add("numpy", np, user)
            return _array_literal(name, value, user)
        if is_pattern(value):
            self.add("re", re, user)
            return f"re.compile({value.pattern!r}, {value.flags})"
        text = _literal_text(value)
        if text is None or len(text) > _LITERAL_MAX_CHARACTERS:
            raise _refused(
                name,
                user,
                f"is a {type(value).__module__}.{type(value).__qualname__}, which cannot be "
                "written down as source",
                "a number, text, a list or dictionary of them or a NumPy array of at most "
                f"{_ARRAY_MAX} values; make anything else inside the function, or keep it in a "
                "model with attributes",
            )
        return text


def _literal_text(value: Any) -> str | None:
    """Source that gives exactly this value, or None."""
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]  # because it may be any
    if value is None or kind in (bool, int, str, bytes):
        return repr(value)
    if kind is float:
        return repr(value) if value - value == 0 else f'float("{value!r}")'
    if kind is dict:
        pairs = [(_literal_text(k), _literal_text(v)) for k, v in value.items()]
        if any(k is None or v is None for k, v in pairs):
            return None
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if kind not in (list, tuple, set, frozenset):
        return None
    items = list(value) if kind in (list, tuple) else sorted(value, key=repr)
    texts = [_literal_text(item) for item in items]
    if any(text is None for text in texts):
        return None
    inner = ", ".join(text for text in texts if text is not None)
    if kind is list:
        return f"[{inner}]"
    if kind is tuple:
        return f"({inner}{',' if len(texts) == 1 else ''})"
    return f"{kind.__name__}([{inner}])"


def _array_literal(name: str, value: Any, user: str) -> str:
    array = np.asarray(value)
    if array.dtype.kind not in "biufUM" or array.size > _ARRAY_MAX:
        raise _refused(
            name,
            user,
            f"is an array of {array.size} values of {array.dtype}",
            f"a NumPy array of numbers or text of at most {_ARRAY_MAX} values",
        )
    flat = array.reshape(-1)
    if array.dtype.kind == "M":
        unit = np.datetime_data(array.dtype)[0]
        text = _literal_text([str(item) for item in flat])
        made = f'numpy.array({text}, dtype="datetime64[{unit}]")'
    else:
        made = f'numpy.array({_literal_text(flat.tolist())}, dtype="{array.dtype.str}")'
    if isinstance(value, np.generic):
        return f"{made}[0]"
    return made if array.ndim == 1 else f"{made}.reshape({array.shape})"


def definition_of(value: Any, user: str) -> tuple[str, Any, dict[str, Any]]:
    """The source text of a function or class, its syntax tree, and the names around it."""
    code = _code_of(value)
    name = value.__name__
    if name == "<lambda>":
        raise _refused("lambda", user, "has no name", "a function written with def")
    # The names around it know the source of what was itself carried.
    lines = [] if code is None else linecache.getlines(code.co_filename, _namespace_of(value))
    if code is None or not lines:
        raise _refused(
            name,
            user,
            "has no source that could be read",
            "its definition in a file or a notebook cell",
        )
    tree = ast.parse("".join(lines))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            last = node.end_lineno or first
            if first <= code.co_firstlineno <= last:
                text = textwrap.dedent("".join(lines[first - 1 : last])).rstrip()
                inner = ast.parse(text).body[0]
                return text, inner, _namespace_of(value)
    raise _refused(
        name,
        user,
        "is not where its source says (was the file changed since it was imported?)",
        "a fresh start of Python",
    )


def _code_of(value: Any) -> types.CodeType | None:
    if isinstance(value, types.FunctionType):
        return value.__code__
    names: list[str] = list(value.__dict__)
    for name in names:
        one: Any = getattr(value.__dict__[name], "__func__", value.__dict__[name])
        function: Any = getattr(one, "fget", None) or one
        # Methods that a decorator made (a dataclass's __init__) have no lines of their own.
        if (
            isinstance(function, types.FunctionType)
            and function.__qualname__.startswith(value.__qualname__ + ".")
            and linecache.getlines(function.__code__.co_filename, function.__globals__)
        ):
            return function.__code__
    return None


def _namespace_of(value: Any) -> dict[str, Any]:
    if isinstance(value, types.FunctionType):
        return value.__globals__
    return vars(sys.modules[value.__module__])


def required_names(node: ast.AST) -> set[str]:
    """The global names that a definition looks up when it is made or run, annotations aside."""
    bare = ast.unparse(_without_annotations(node))
    return set(_globals_of(symtable.symtable(bare, "<carried>", "exec")))


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        own = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if symbol.is_referenced() and (not own if top else symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals_of(inner)


def annotated_names(node: ast.AST) -> set[str]:
    """The names that occur in its annotations."""
    return {
        name.id
        for annotation in _annotations(node)
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name)
    }


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for inner in ast.walk(node):
        for field in ("annotation", "returns"):
            found = getattr(inner, field, None)
            if isinstance(found, ast.AST):
                yield found


def _without_annotations(node: ast.AST) -> ast.AST:
    class Stripped(ast.NodeTransformer):
        def visit_arg(self, node: ast.arg) -> ast.arg:
            return ast.arg(arg=node.arg)

        # The names of these methods are what ast looks for.
        def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
            self.generic_visit(node)
            return ast.Assign(targets=[node.target], value=node.value or ast.Constant(None))

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            self.generic_visit(node)
            node.returns = None
            return node

    copied = ast.parse(ast.unparse(node)).body[0]
    return ast.fix_missing_locations(Stripped().visit(copied))


def is_installed(module: str) -> bool:
    """Whether a module comes with Python or an installed package, and so need not be carried."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in ("builtins", "mainstay"):
        return True
    loaded = sys.modules.get(module) or sys.modules.get(root)
    file = getattr(loaded, "__file__", None)
    if root == "__main__" or loaded is None or file is None:
        return root in metadata.packages_distributions()
    return any(part in ("site-packages", "dist-packages") for part in Path(file).parts)


def _packages(roots: set[str]) -> dict[str, str]:
    return versions_of(root for root in roots if root not in sys.stdlib_module_names)


def versions_of(roots: Iterable[str]) -> dict[str, str]:
    """Import names to the distributions they come from, with their versions."""
    known = metadata.packages_distributions()
    found: dict[str, str] = {}
    for root in sorted(roots):
        for distribution in known.get(root, [root])[:1]:
            try:
                found[distribution] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
    return found


def _name(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)


def _refused(name: str, user: str, what: str, expected: str) -> InvalidUsage:
    return InvalidUsage(
        f"{user!r} refers to {name!r}, which {what}, so it cannot be carried in the bundle"
        if user != "pack"
        else f"{name!r} {what}, so it cannot be carried in the bundle",
        field=name,
        rule="source",
        expected=expected,
    )


def check_lookups(needed: set[str], given: Mapping[str, Any]) -> None:
    """Refuse look-up functions that the contract misses, or has no use for."""
    missing = sorted(needed - set(given))
    if missing:
        raise InvalidUsage(
            f"the contract's look-up function {missing[0]!r} was not handed over",
            field="lookups",
            got=", ".join(given) or "none",
            expected=f"lookups={{{missing[0]!r}: function}}",
        )
    idle = sorted(set(given) - needed)
    if idle:
        raise InvalidUsage(
            f"no source of the contract uses the look-up function {idle[0]!r}",
            field="lookups",
            got=idle[0],
            expected="a `function:` under the contract's `lookups`",
        )
