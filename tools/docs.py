"""Write the reference pages from the code, so that they cannot say anything else than the code.

python tools/docs.py            writes docs/reference
python tools/docs.py --check    exits 1 when a page is not what would be written now
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from prometheus_client.parser import text_string_to_metric_families

from mainstay.base import errors, limits
from mainstay.base.clock import SystemClock
from mainstay.base.errors import MainstayError
from mainstay.contract.reference import contract_reference
from mainstay.serve.http.status import STATUS
from mainstay.serve.machine import GpuUse, MachineUse, NetworkUse, process_use
from mainstay.serve.metrics import Metrics

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
MADE = "<!-- Made by `make docs` from the code; edit the code instead. -->"


def error_kinds() -> list[type[MainstayError]]:
    """Every error, in the order in which the code introduces them."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return [kind for kind in kinds if issubclass(kind, MainstayError)]


def status_of(kind: type[MainstayError]) -> int:
    """The status code over HTTP: that of the nearest class above which has one."""
    return next(STATUS[above] for above in kind.__mro__ if above in STATUS)


def errors_page() -> str:
    """Every error code, its meaning, and its status over HTTP."""
    lines = [
        "# Errors",
        "",
        "Every refusal and every failure has the same form on every door: a sentence in `error`,",
        "a stable `code`, and where they help `field`, `rule`, `got` and `expected`.",
        "",
        "| code | meaning | HTTP |",
        "|---|---|---|",
    ]
    for kind in error_kinds():
        meaning = " ".join((inspect.getdoc(kind) or "").split())
        lines.append(f"| `{kind.code}` | {meaning} | {status_of(kind)} |")
    return "\n".join(lines)


def limits_page() -> str:
    """Every limit, under the sentence that groups them in the code."""
    lines = ["# Limits", "", *(inspect.getdoc(limits) or "").splitlines(), ""]
    for line in inspect.getsource(limits).splitlines():
        name = line.partition(":")[0]
        if line.startswith("# "):
            title = line[2:].split(";")[0].rstrip(".")
            lines += ["", f"## {title}", "", "| limit | value |", "|---|---|"]
        elif name.isupper() and name.isidentifier():
            lines.append(f"| `{name}` | {getattr(limits, name):,} |")
    return "\n".join(lines)


_CARRIED = ("connections", "connections_refused", "received_bytes", "sent_bytes")


def metric_families() -> list[tuple[str, str, str, str]]:
    """Name, type, labels and meaning of every metric, from a page with everything on it."""
    metrics = Metrics(0, 1, SystemClock())
    metrics.loaded("m", 1, ("x",))
    metrics.answered("m", "decide", 200, 1_000_000)
    metrics.ran("m", 1, 1, {"predict": 1000})
    counts = {
        ("withheld", "declined", "sense"): 1,
        ("fallback", "1", "answered"): 1,
        ("fallback_troubles", "m", "slow"): 1,
        ("safeguard_troubles", "m", "slow"): 1,
        ("safeguard_unsure", "open"): 1,
        ("lookup_troubles", "a", "slow"): 1,
        ("rules_broken", "1"): 1,
        ("hold_unsure", "pass"): 1,
        ("cold", "a"): 1,
        ("repaired", "a", "trim"): 1,
    }
    breakers = ("fallback_breaker_open", "safeguard_breaker_open", "lookup_breaker_open")
    metrics.judged("m", 1, counts, {(name, "m"): 0.0 for name in breakers})
    metrics.non_finite("m", "output", 1)
    metrics.refused_value("m", "x")
    metrics.defect("x")
    metrics.spool_error()
    metrics.carried("http", dict.fromkeys(_CARRIED, 0))
    page = metrics.render((), _machine_use(), process_use()).decode()
    found: list[tuple[str, str, str, str]] = []
    for family in text_string_to_metric_families(page):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.append((name, family.type, ", ".join(labels), family.documentation))
    return sorted(found)


def _machine_use() -> MachineUse:
    figures = set(inspect.signature(MachineUse).parameters) - {"network", "gpus"}
    network = NetworkUse(**dict.fromkeys(inspect.signature(NetworkUse).parameters, 1))
    gpu = GpuUse(index=0, name="a", busy_share=0.0, memory_total_bytes=1, memory_used_bytes=1)
    return MachineUse(**dict.fromkeys(figures, 1), network=network, gpus=(gpu,))


def metrics_page() -> str:
    """Every metric that `GET /metrics` shows."""
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` shows these in the Prometheus text format, for all workers of a machine",
        "together. A name that was not announced is counted as `(other)`.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, kind, labels, about in metric_families():
        lines.append(f"| `{name}` | {kind} | {labels} | {about} |")
    return "\n".join(lines)


def command_tree(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, parents first."""
    name = (*path, command.name or "")
    yield " ".join(name), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None, child
            yield from command_tree(found, name)


def commands() -> list[tuple[str, click.Command]]:
    """Every command of `mainstay`."""
    top = importlib.import_module("mainstay.cli").cli
    top.name = "mainstay"
    return list(command_tree(top))


def commands_page() -> str:
    """Every command as its own --help shows it."""
    lines = ["# Commands", "", "Exit codes: 0 done, 1 a finding failed, 2 used wrongly.", ""]
    for name, command in commands():
        parts = name.split()
        # A command keeps the help option of the first context it meets, so each is given the one
        # that people get, whoever asked before.
        context = click.Context(
            command,
            info_name=parts[-1],
            terminal_width=100,
            max_content_width=100,
            help_option_names=["-h", "--help"],
        )
        for part in reversed(parts[:-1]):
            context.info_name = f"{part} {context.info_name}"
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        lines += [f"## {name}", "", "```text", text, "```", ""]
    return "\n".join(lines).rstrip()


def names_page() -> str:
    """Every type that rooms share, by room, with the first sentence of what it is."""
    lines = [
        "# Names in the code",
        "",
        "The types that the rooms share: `model.py` holds values, `port.py` what is asked of an",
        "adapter. What the words mean to people is in the [glossary](../glossary.md).",
        "",
    ]
    package = ROOT / "src" / "mainstay"
    for file in sorted([*package.rglob("model.py"), *package.rglob("port.py")]):
        title = file.relative_to(package).as_posix()
        lines += [f"## {title}", "", "| name | what it is |", "|---|---|"]
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                words = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                lines.append(f"| `{node.name}` | {words} |")
        lines.append("")
    return "\n".join(lines).rstrip()


PAGES: dict[str, Callable[[], str]] = {
    "contract.md": contract_reference,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "limits.md": limits_page,
    "metrics.md": metrics_page,
    "names.md": names_page,
}


def page(name: str) -> str:
    """One page as it is written to disk."""
    title, _, rest = PAGES[name]().strip().partition("\n")
    return f"{title}\n\n{MADE}\n{rest}\n"


def stale(folder: Path) -> dict[str, str]:
    """The pages in a folder that are not what would be written now, and what would be."""
    pages = {name: page(name) for name in PAGES}
    files = {name: folder / name for name in PAGES}
    return {
        name: text
        for name, text in pages.items()
        if not files[name].exists() or files[name].read_text(encoding="utf-8") != text
    }


def main() -> int:
    """Write the pages, or say which ones are not up to date."""
    check = "--check" in sys.argv[1:]
    lagging = stale(REFERENCE)
    for name, text in lagging.items():
        if not check:
            REFERENCE.mkdir(parents=True, exist_ok=True)
            (REFERENCE / name).write_text(text, encoding="utf-8")
        said = "is not up to date: run `make docs`" if check else "written"
        print(f"docs/reference/{name} {said}")
    return 1 if check and lagging else 0


if __name__ == "__main__":
    sys.exit(main())
