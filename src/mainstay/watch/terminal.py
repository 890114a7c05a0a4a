"""A report for a terminal: the verdict, what fails or is unsure, and one line for each column."""

import io
from collections.abc import Sequence
from typing import Final

from mainstay.contract.finding import Finding, Verdict
from mainstay.watch.model import DOMAIN_CLASSIFIER, ColumnReport, Side

_WIDTH: Final = 100
_FINDINGS_SHOWN: Final = 30
_COLUMNS_SHOWN: Final = 60


def text(
    verdict: Verdict,
    findings: Sequence[Finding],
    columns: Sequence[ColumnReport],
    rows: tuple[int, int],
    promise: str,
) -> str:
    """The whole report as plain text of at most 100 columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, force_terminal=False)
    console.print(Text(f"{verdict}: {rows[0]:,} rows of reference, {rows[1]:,} current"))
    told = [found for found in findings if found.verdict != "pass"]
    for found in sorted(told, key=lambda each: each.verdict)[:_FINDINGS_SHOWN]:
        console.print(Text(f"  {found.verdict:6} {plain(found.words)}"))
    if len(told) > _FINDINGS_SHOWN:
        console.print(Text(f"  and {len(told) - _FINDINGS_SHOWN:,} more findings"))
    table = Table(box=None, pad_edge=False)
    for title in ("verdict", "column", "kind", "reference", "current", "change"):
        table.add_column(title, justify="right" if title == "change" else "left", overflow="fold")
    order = sorted(columns, key=lambda column: ("fail", "unsure", "pass").index(column.verdict))
    for column in order[:_COLUMNS_SHOWN]:
        moved = largest(column, findings)
        cells = (
            column.verdict, plain(column.name), column.kind, _side(column.reference),
            _side(column.current), "" if moved is None else f"{moved * 100:.1f} %",
        )  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    if len(order) > _COLUMNS_SHOWN:
        console.print(Text(f"and {len(order) - _COLUMNS_SHOWN:,} more columns"))
    for found in findings:
        if found.check == DOMAIN_CLASSIFIER and found.verdict == "pass":
            console.print(Text(plain(found.words)))
    console.print(Text(promise))
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def plain(words: str) -> str:
    """Without the characters that would move a terminal's cursor or hide what is written."""
    return "".join(letter if letter.isprintable() else "�" for letter in words)


def largest(column: ColumnReport, findings: Sequence[Finding]) -> float | None:
    """The effect that a table shows for a column: that of its shape."""
    for found in findings:
        if found.check == f"{column.name}: shape":
            return found.figure
    return None


def _side(side: Side) -> str:
    if side.mean is not None:
        spread = f" ± {side.deviation:.3g}" if side.deviation is not None else ""
        return f"{side.mean:.4g}{spread}"
    if side.distinct is not None:
        return f"{side.distinct:,} values"
    return "all missing" if side.rows and side.missing == side.rows else side.type
