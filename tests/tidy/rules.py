"""The house rules for one Python file, each a function from a parsed file to what breaks it.

A rule sees one file and knows nothing of the disk, so that each is itself tested on a planted
violation. What is allowed in spite of a rule stands in `ALLOWED`, with its reason.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

FILE_MAX_LINES = 500
FUNCTION_MAX_LINES = 70
PARAMETERS_MAX = 8
REASON_MIN_CHARACTERS = 12

ATTICS = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})
UNPICKLERS = frozenset({"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal",
                        "shelve"})  # fmt: skip
RUNS_CODE = frozenset({"eval", "exec", "exec_module", "run_path", "__import__"})

ALLOWED: dict[tuple[str, str], str] = {
    ("src/mainstay/bundle/carried.py", "exec_module"): (
        "runs the source code of a bundle, after a trusted key's signature was checked"
    ),
    ("src/mainstay/cli/packing.py", "exec_module"): (
        "runs the training code that the person who packs named on the command line"
    ),
    ("src/mainstay/judge/learning.py", "exec_module"): (
        "runs feature code of ours, with a plan of plain literals in it, in a process that trains"
    ),
}
"""(file, name) to the reason why this one file may use this one name of the two sets above."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def comments(self) -> Iterator[tuple[int, str]]:
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def short_file(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > FILE_MAX_LINES:
        yield f"{source.path}: {lines} lines, at most {FILE_MAX_LINES}"


def short_functions(source: Source) -> Iterator[str]:
    for node in source.functions:
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_MAX_LINES:
            yield (
                f"{source.path}:{node.lineno}: {node.name} has {lines} lines,"
                f" at most {FUNCTION_MAX_LINES}"
            )


def few_parameters(source: Source) -> Iterator[str]:
    """A public call with many named options may say so, and why, where it begins."""
    lines = source.text.splitlines()
    for node in source.functions:
        if "noqa: PLR0913" in lines[node.lineno - 1]:
            continue
        spelled = node.args
        names = [a.arg for a in (*spelled.posonlyargs, *spelled.args, *spelled.kwonlyargs)]
        count = len([name for name in names if name not in {"self", "cls"}])
        if count > PARAMETERS_MAX:
            yield (
                f"{source.path}:{node.lineno}: {node.name} has {count} parameters,"
                f" at most {PARAMETERS_MAX}"
            )


def nothing_left_to_do(source: Source) -> Iterator[str]:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for line, comment in source.comments():
        if marks.search(comment):
            yield f"{source.path}:{line}: finish it or open an issue: {comment}"
    for node in ast.walk(source.tree) if source.path.startswith("src/") else ():
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            yield f"{source.path}:{node.lineno}: a stub"


def own_imports_on_top(source: Source) -> Iterator[str]:
    if not source.path.startswith("src/") or "/wiring" in source.path:
        return
    for function in source.functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = ["mainstay" if node.level else node.module or ""]
            else:
                continue
            if any(module.split(".")[0] == "mainstay" for module in modules):
                yield f"{source.path}:{node.lineno}: our own modules are imported at the top"


def reasons_for_exceptions(source: Source) -> Iterator[str]:
    silencer = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:|fmt:\s*off)", re.IGNORECASE)
    named = re.compile(r"#\s*(noqa:\s*[A-Z]+\d+|pyright:\s*ignore\[\w+)")
    for line, comment in source.comments():
        if not silencer.search(comment):
            continue
        reason = re.sub(r"^\W*because\b", "", comment.rpartition("#")[2]).strip()
        if comment.count("#") < 2 or len(reason) < REASON_MIN_CHARACTERS:
            yield f"{source.path}:{line}: say why: `{comment}  # because …`"
        elif not named.search(comment):
            yield f"{source.path}:{line}: name the rule that is silenced: {comment}"


def no_globals(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            yield f"{source.path}:{node.lineno}: global {', '.join(node.names)}"


def unsafe_names(source: Source) -> Iterator[tuple[int, str]]:
    """Everything in a file that could unpickle or run text, allowed or not."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name.split(".")[0]) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle" and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                ):
                    yield node.lineno, "pickle"


def no_unpickling(source: Source) -> Iterator[str]:
    for line, name in unsafe_names(source):
        if name in UNPICKLERS | RUNS_CODE and (source.path, name) not in ALLOWED:
            yield f"{source.path}:{line}: {name} may only be used where tests/tidy allows it"


def telling_names(source: Source) -> Iterator[str]:
    parts = source.path.removesuffix(".py").split("/")
    for attic in ATTICS.intersection(parts):
        yield f"{source.path}: {attic!r} says nothing about what is inside"


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (
    short_file,
    short_functions,
    few_parameters,
    nothing_left_to_do,
    own_imports_on_top,
    reasons_for_exceptions,
    no_globals,
    no_unpickling,
    telling_names,
)
