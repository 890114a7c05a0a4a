"""`mainstay heard …`: what was heard of decisions, by whom, and whether it can be learned from."""

from pathlib import Path

import click

from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.contract.windows import moment_or_ago_ns, window_ns
from mainstay.journal.rows import rfc3339
from mainstay.renew.health.heard import Heard
from mainstay.wiring.hearing import hearing, trust_labels
from mainstay.wiring.outcome_files import add_outcomes
from mainstay.wiring.workspace import open_workspace

_SAID_SHOWN = 4
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


class _ShowsByDefault(click.Group):
    """`mainstay heard fraud` shows; `add` and `trust` are named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_ShowsByDefault,
    epilog="""
\b
Examples:
  mainstay heard fraud
  mainstay heard fraud --since 2026-11-01 --known-at 2026-11-27T08:00
  mainstay heard add fraud settled.csv
""",
)
def heard() -> None:
    """What was heard of decisions: by whom, how much, how late, and what can be learned from it.

    `mainstay heard MODEL` shows it, as it was known at a time.
    """


@heard.command()
@click.argument("model")
@click.option("--since", default="30d", show_default=True, metavar="TIME",
              help="Heard from then on: a day, a moment (UTC), or such as 30d.")  # fmt: skip
@click.option("--known-at", metavar="TIME", help="As it was known then; by default as it is now.")
@in_workspace
@speaking
def show(
    output: Output, model: str, since: str, known_at: str | None, workspace: str | None
) -> None:
    """What was heard of MODEL's decisions; `show` may be left out."""
    opened = open_workspace(workspace)
    now_ns = opened.clock.now_ns()
    known_ns = None if known_at is None else moment_or_ago_ns(known_at, now_ns, "known-at")
    with output.working("Asking the journal"):
        found = hearing(opened, model, moment_or_ago_ns(since, now_ns, "since"), known_ns)
    output.result(found)
    if found.sources:
        heads = ("caller", "says", ">how often", ">half after", ">most after", "last heard", "what")
        output.table(heads, [_row(each) for each in found.sources])
    elif not found.of_keys:
        output.say("nothing was heard; POST /decisions/<id>/outcome tells what was right")
    if found.of_keys:
        output.table(
            ("told of keys by", ">how often", ">decision found", ">looked for", ">unknown"),
            [[e.caller, e.count, e.joined, e.waiting, e.unknown] for e in found.of_keys],
        )
    for each in found.unhealthy:
        output.say(f"  [bold red]✗[/] in no snapshot: {escape(each.why)}")
    if found.sources and not found.unhealthy:
        output.say("  [green]✓[/] labels came as they should, as far as anybody knew")


@heard.command(
    epilog="\b\nExample (a head of key,label,time, and a line for each outcome):\n"
    "  mainstay heard add fraud settled.csv"
)
@click.argument("model")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@in_workspace
@speaking
def add(output: Output, model: str, file: Path, workspace: str | None) -> None:
    """Tell what was right of MODEL's decisions, as a FILE says.

    CSV with a head (.csv), or one JSON object on each line: `key` or `decision`, then `label`,
    `reaction`, `dwell_ms`, `place`, `time` (RFC 3339; now where there is none). A line counts once,
    however often the file is read; a file with a wrong line is refused whole. A running server
    finds the decisions of keys (`labels.key`).
    """
    with output.working(f"Reading {file.name}", total=1.0) as told:
        made = add_outcomes(open_workspace(workspace), model, file, told)
    output.result(made)
    again = f"; {made.already:,} were told before" if made.already else ""
    output.say(f"[bold green]✓[/] {escape(model)}: {made.added:,} outcomes{again}")


@heard.command(
    epilog="\b\nExample:\n  mainstay heard trust fraud --window 2026-11-27T08:00..2026-11-28T02:00"
    ' --reason "delivered on Monday"'
)
@click.argument("model")
@click.option("--window", required=True, metavar="BEGIN..END",
              help="Of the decisions; UTC if no offset is said.")  # fmt: skip
@click.option("--reason", required=True, help="How it is known; kept with it.")
@in_workspace
@speaking
def trust(output: Output, model: str, window: str, reason: str, workspace: str | None) -> None:
    """Say that labels were all right, whatever was found of them.

    What was decided in that time is in snapshots again, from now on.
    """
    made = trust_labels(open_workspace(workspace), model, window_ns(window), reason)
    output.result(made)
    begin, end = (rfc3339(made[name] // 1000) for name in ("begin_ns", "end_ns"))
    output.say(f"[bold green]✓[/] {escape(model)}: {begin} to {end} may be learned from")


def _row(each: Heard) -> list[str]:
    said = ", ".join(f"{word} {count:,}" for word, count in list(each.said.items())[:_SAID_SHOWN])
    more = ", …" if len(each.said) > _SAID_SHOWN else ""
    half, most = (_span(seconds) for seconds in each.delay_s)
    last = rfc3339(each.last_ns // 1000)[:16]
    return [each.caller, each.kind, f"{each.count:,}", half, most, last, said + more]


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.1f}s"
