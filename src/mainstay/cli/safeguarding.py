"""`mainstay safeguard …`: the model that says how probably another one is wrong."""

import click

from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.contract.times import duration_ns
from mainstay.judge.effect import Area, Effect, Share
from mainstay.wiring.safeguarding import Trained, trained
from mainstay.wiring.safeguarding import effect as effect_of_safeguard
from mainstay.wiring.workspace import open_workspace


@click.group()
def safeguard() -> None:
    """A second model that says how probably an answer of the first one is wrong.

    What the contract's `judge.safeguard` says becomes of an answer above its bar: it is declined,
    or told with a question.
    """


@safeguard.command(
    epilog="""
\b
Examples:
  mainstay safeguard train fraud              on all logged decisions with an outcome
  mainstay safeguard train fraud --since 60d  on those of the last 60 days
"""
)
@click.argument("model", metavar="MODEL|MODEL@N")
@click.option("--since", metavar="DURATION", help="How far back to look, such as 60d.")
@in_workspace
@speaking
def train(output: Output, model: str, since: str | None, workspace: str | None) -> None:
    """Train a safeguard for MODEL on its logged decisions whose outcome is known.

    It learns on the older ones and is measured on the newest. Its version goes through the gate and
    comes to answer as its contract says. Exits 1 when there are too few to tell.
    """
    name, number = model_and_number(model)
    opened = open_workspace(workspace)
    since_ns = None if since is None else duration_ns(since)
    with output.working(f"Training a safeguard for {name}"):
        found = trained(opened, name, number, since_ns, None)
    output.result(found)
    _show_trained(output, found)
    if found.version is None:
        raise Ending(NOT_SO)


def _show_trained(output: Output, found: Trained) -> None:
    if found.version is None:
        output.say(
            f"[bold yellow]! unsure[/] {escape(found.model)} for {escape(str(found.of))}: "
            f"{escape(found.learned.words)}"
        )
        return
    output.say(
        f"[bold green]✓[/] {escape(str(found.version))}, made for {escape(str(found.of))}, goes "
        f"live: {found.strategy}"
    )
    output.say(
        f"  learned    from {found.learned.labels:,} decisions with a known outcome, "
        f"{found.learned.wrong:,} of them wrong"
    )
    output.say(f"  measured   {escape(found.learned.words)}")


@safeguard.command(
    epilog="""
\b
Example:
  mainstay safeguard effect fraud --since 30d
"""
)
@click.argument("model", metavar="MODEL|MODEL@N")
@click.option("--since", metavar="DURATION", help="How far back to look, such as 30d.")
@in_workspace
@speaking
def effect(output: Output, model: str, since: str | None, workspace: str | None) -> None:
    """Show what the safeguard of MODEL is worth, beside plain confidence.

    Errors prevented against answers withheld, from decisions whose outcome is known. Exits 1 when
    there are too few to tell.
    """
    name, number = model_and_number(model)
    opened = open_workspace(workspace)
    since_ns = None if since is None else duration_ns(since)
    with output.working("Asking the journal"):
        version, found = effect_of_safeguard(opened, name, number, since_ns)
    output.result({"model": name, "version": version.number, "effect": found})
    _show_effect(output, str(version), found)
    if found.verdict == "unsure":
        raise Ending(NOT_SO)


def _show_effect(output: Output, named: str, found: Effect) -> None:
    mark = "[bold green]✓[/]" if found.verdict == "found" else "[bold yellow]! unsure[/]"
    output.say(f"{mark} {escape(named)}: {escape(found.words)}")
    if found.unguarded:
        output.say(f"  {found.unguarded:,} more were answered without the safeguard")
    shares: list[tuple[str, Share | None]] = [
        (f"withheld at {found.at_most:g}", found.withheld),
        ("errors prevented", found.prevented),
        ("  by confidence alone, as many withheld", found.prevented_by_confidence),
        ("right answers withheld", found.needless),
        ("wrong, all told", found.wrong_before),
        ("wrong, with the safeguard", found.wrong_after),
    ]
    rows = [(name, *_share(each)) for name, each in shares if each is not None]
    areas: list[tuple[str, Area | None]] = [
        ("AUC for “will be wrong”", found.safeguard),
        ("  of confidence alone", found.confidence),
    ]
    rows += [
        (name, f"{each.auc:.3f}", f"{each.interval[0]:.3f} to {each.interval[1]:.3f}", "")
        for name, each in areas
        if each is not None
    ]
    if rows:
        output.table(("", ">", "19 times in 20", ">answers"), rows)


def _share(share: Share) -> tuple[str, str, str]:
    low, high = share.interval
    return (
        f"{100 * share.share:.1f} %",
        f"{100 * low:.1f} to {100 * high:.1f} %",
        f"{share.count:,} of {share.of:,}",
    )
