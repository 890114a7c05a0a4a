"""`mainstay reference`: what a version is held against."""

import click

from mainstay.base.errors import NotFound
from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.contract.windows import window_ns
from mainstay.wiring.referencing import Referred, refer, refer_as_packed, referred
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import open_workspace

_COLUMNS_NAMED = 5


@click.command(
    epilog="""
\b
Examples:
  mainstay reference fraud                             what it is held against
  mainstay reference fraud 2026-10-01..2026-11-01      October
  mainstay reference fraud@3 --as-packed               what it was packed with, again
"""
)
@click.argument("version", metavar="MODEL|MODEL@N")
@click.argument("window", required=False, metavar="[BEGIN..END]")
@click.option("--as-packed", is_flag=True, help="Take a choice back.")
@in_workspace
@speaking
def reference(
    output: Output, version: str, window: str | None, as_packed: bool, workspace: str | None
) -> None:
    """Show or choose what a version in use is held against by the monitors.

    By default that is what it was packed with. A period of its own decisions takes the place of
    that, without what is quarantined; the bundle stays as it is. Parts of days can be chosen of
    the last week, before that whole days (UTC).
    """
    if window is not None and as_packed:
        raise click.UsageError("either a period or --as-packed")
    opened = open_workspace(workspace)
    model, number = model_and_number(version)
    if number is None:
        route = opened.chain.current(model)
        if route is None:
            raise NotFound(
                f"no version of {model!r} answers here", field="model", got=model,
                expected="a model that `mainstay status` shows, or MODEL@N",
            )  # fmt: skip
        number = route.number
    which = opened.registry.find(model, number)
    watching = Watching(opened)
    if as_packed:
        found = refer_as_packed(opened, watching, which)
    elif window is not None:
        found = refer(opened, watching, which, window_ns(window))
    else:
        found = referred(watching, which)
    output.result(found)
    _show(output, found)


def _show(output: Output, found: Referred) -> None:
    name = f"{escape(found.model)} v{found.version}"
    output.say(f"{name} is held against {escape(found.reference)}")
    if found.since_ms is not None:
        output.say(
            f"  chosen by {escape(found.by)}; `mainstay reference {escape(found.model)}@"
            f"{found.version} --as-packed` takes it back"
        )
    if found.left_out:
        output.say(f"  {found.left_out} quarantined stretches are no part of it")
    if found.coarse:
        named = ", ".join(found.coarse[:_COLUMNS_NAMED])
        output.say(
            f"  [yellow]![/] half of the values or more of {escape(named)} lie beyond what it was"
            " packed with: changes in there are not seen"
        )
