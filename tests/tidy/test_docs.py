"""The documents are complete, up to date, and lead somewhere: N10, M21."""

import ast
import re
from typing import get_args

from mainstay.base import limits
from mainstay.journal.model import STATUSES, Event
from tests.tidy.repository import ROOT, files, sources
from tools import docs

DOCS = ROOT / "docs"


def documented(page):
    return (DOCS / "reference" / page).read_text(encoding="utf-8")


def test_the_reference_says_what_the_code_says():
    assert list(docs.stale(DOCS / "reference")) == [], "run `make docs`"


def test_a_page_that_lags_is_found(tmp_path):
    for name in docs.PAGES:
        (tmp_path / name).write_text(docs.page(name), encoding="utf-8")
    assert docs.stale(tmp_path) == {}
    (tmp_path / "limits.md").write_text("# Limits\n", encoding="utf-8")
    (tmp_path / "errors.md").unlink()
    assert sorted(docs.stale(tmp_path)) == ["errors.md", "limits.md"]


def test_every_error_code_is_documented_and_unique():
    codes = [kind.code for kind in docs.error_kinds()]
    assert len(codes) == len(set(codes))
    assert [code for code in codes if f"`{code}`" not in documented("errors.md")] == []


def test_every_limit_is_documented():
    names = [name for name in vars(limits) if name.isupper()]
    assert names
    assert [name for name in names if f"`{name}`" not in documented("limits.md")] == []


def declared_metrics(tree):
    """The names of metrics that stand in the code: each beside the sentence that explains it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            pairs = list(zip(node.args, node.args[1:], strict=False))[:1]
        elif isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        else:
            continue
        for name, about in pairs:
            match name, about:
                case ast.Constant(str(word)), ast.Constant(str(text)) if text.endswith("."):
                    yield word.removeprefix("mainstay_").removesuffix("_total")


def test_every_metric_is_documented():
    """The page is made from what a worker shows; a metric that it missed is found here."""
    shown = documented("metrics.md")
    metrics = next(s for s in sources("src") if s.path == "src/mainstay/serve/metrics.py")
    names = set(declared_metrics(metrics.tree))
    assert len(names) > 10
    assert [name for name in names if f"`mainstay_{name}" not in shown] == []


def test_a_planted_metric_is_found():
    text = (
        "a = gauge('one', 'The first.')\nb = {'two_total': 'The second.', 'three': 'no sentence'}"
    )
    assert sorted(declared_metrics(ast.parse(text))) == ["one", "two"]


def test_every_command_is_documented():
    page = documented("commands.md")
    assert [name for name, _ in docs.commands() if f"## {name}\n" not in page] == []


def test_every_command_says_what_it_does():
    assert [name for name, command in docs.commands() if not (command.help or "").strip()] == []


WORDS = (
    *("contract", "version", "snapshot", "route", "event", "finding", "rule"),
    *("pack", "check", "route", "decide", "record", "replay", "recall"),
    *STATUSES,
    *get_args(Event.__annotations__["kind"]),
)


def test_the_glossary_explains_every_word_of_ours():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8").lower()
    rooms = {s.path.split("/")[2] for s in sources("src") if s.path.count("/") > 2}
    assert [word for word in {*WORDS, *rooms} if f"**{word}**" not in text] == []


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def broken_links(name, text):
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        if not ((ROOT / name).parent / target).exists():
            yield f"{name}: {target} is not there"


def test_every_link_between_documents_leads_somewhere():
    pages = [name for name in files() if name.endswith(".md")]
    assert [
        fault
        for name in pages
        for fault in broken_links(name, (ROOT / name).read_text(encoding="utf-8"))
    ] == []


def test_a_broken_link_is_found():
    assert list(broken_links("docs/glossary.md", "[x](nowhere.md)"))
    assert not list(broken_links("docs/glossary.md", "[x](glossary.md#a) [y](https://z.example)"))


def decision_faults(name, text):
    number = name.partition("-")[0]
    if not re.match(rf"# {number} · ", text):
        yield f"{name}: the title is not `# {number} · …`"
    for part in ("## Why", "## Decision", "## What follows", "## What would change it"):
        if f"\n{part}\n" not in text:
            yield f"{name}: no part {part!r}"


def test_decisions_are_numbered_and_whole():
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [f for p in pages for f in decision_faults(p.name, p.read_text(encoding="utf-8"))] == []


def test_a_decision_without_reasons_is_found():
    assert len(list(decision_faults("0001-x.md", "# 0001 · x\n\n## Decision\n"))) == 3
