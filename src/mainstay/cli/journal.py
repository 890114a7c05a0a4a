"""`mainstay query` and `mainstay replay`: asking what was decided, and doing it again."""

import csv
import sys
from typing import Any

import click
import msgspec

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.wiring.workspace import open_workspace

_CELL_MAX = 60


@click.command(
    epilog="""
\b
Examples:
  mainstay query "select model, version, count(*) from decisions group by all"
  mainstay query "select * from decisions where status <> 'answered'" --csv > odd.csv
  mainstay query "describe decisions"
"""
)
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, all rows.")
@click.option("--rows", "most", default=100, show_default=True, type=click.IntRange(min=1),
              help="How many rows to show on a terminal.")  # fmt: skip
@in_workspace
@speaking
def query(output: Output, sql: str, as_csv: bool, most: int, workspace: str | None) -> None:
    """Ask the journal with one SELECT over the views `decisions` and `events`.

    Sees every decision up to this moment, also those of running servers.
    """
    journal = open_workspace(workspace).journal
    with output.working("Asking the journal"):
        table: Any = journal.query(sql)
    names: list[str] = table.column_names
    if as_csv and not output.as_json:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        for batch in table.to_batches():
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        return
    if output.as_json:
        output.result({"columns": names, "rows": table.to_pylist()})
        return
    shown: list[dict[str, Any]] = table.slice(0, most).to_pylist()
    numeric = {field.name for field in table.schema if _is_number(str(field.type))}
    heads = [(">" if name in numeric else "") + name for name in names]
    output.table(heads, [[_cell(row[name]) for name in names] for row in shown])
    if not table.num_rows:
        output.note("no rows")
    if table.num_rows > most:
        output.note(f"{table.num_rows - most:,} more rows; --rows N or --csv shows them")


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "double", "decimal"))


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        value = msgspec.json.encode(value, enc_hook=str).decode()
    text = str(value)
    return text if len(text) <= _CELL_MAX else text[: _CELL_MAX - 1] + "…"


@click.command(
    epilog="""
\b
Example (the id is part of every answer):
  mainstay replay --decision 0196f0c2a1b34d5e6f7081920000002a
"""
)
@click.option("--decision", required=True, metavar="ID", help="The id of the decision.")
@in_workspace
@speaking
def replay(output: Output, decision: str, workspace: str | None) -> None:
    """Make a decision again, with the version that made it, and compare.

    The whole model run is repeated in the batch it was made in, so the answer should be the same
    bit for bit. Exits 1 when it is another one, and names what differs.
    """
    opened = open_workspace(workspace)
    found = opened.journal.find(decision)
    with output.working(f"Loading {found.model} v{found.version} and replaying"):
        version, replayed = opened.replay(decision)
    output.result({"decision": found, "version": version, "replayed": replayed})
    good = replayed.verdict != "different"
    mark = "[bold green]✓[/]" if good else "[bold red]✗[/]"
    output.say(f"{mark} {escape(str(replayed))}")
    output.say(f"  [dim]decision[/]  {found.id}  {found.time}  {found.status}")
    output.say(f"  [dim]version[/]   {escape(str(version))}")
    output.say(f"  [dim]inputs[/]    {escape(_line(found.inputs))}")
    output.say(f"  [dim]output[/]    {escape(_line(found.output))}")
    if not good:
        output.table(
            (">row", "where", "recorded", "replayed"),
            [(d.row, d.where, d.recorded, d.replayed) for d in replayed.differences],
        )
        raise Ending(NOT_SO)


def _line(values: dict[str, Any]) -> str:
    parts = [
        f"{name}={_cell(value) if value is not None else '-'}" for name, value in values.items()
    ]
    return "  ".join(parts[:12]) + (f"  … and {len(parts) - 12} more" if len(parts) > 12 else "")
