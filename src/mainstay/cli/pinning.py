"""`mainstay pin …`: what clients rely on, so that no candidate breaks them unseen."""

from pathlib import Path

import click

from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.contract.load import load_contract
from mainstay.release.pins.model import Pin, broken
from mainstay.wiring.pinning import live_contract, pin_client
from mainstay.wiring.workspace import open_workspace

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def pin() -> None:
    """What clients rely on: the fields they send and the answers they read.

    The gate names every pinned client that a candidate would break: a field that is removed,
    narrowed, newly required or of another type, a class that is gone.
    """


@pin.command(
    epilog="""
\b
Examples:
  mainstay pin add fraud checkout                        all that the live version takes and answers
  mainstay pin add fraud checkout --sends amount,country  it sends these fields only
  mainstay pin add fraud checkout --contract client.yaml  it was written against this contract
"""
)
@click.argument("model")
@click.argument("client")
@click.option("--contract", type=_FILE,
              help="What it was written for; by default the live version's contract.")  # fmt: skip
@click.option("--sends", default="", metavar="FIELDS",
              help="The fields that it sends, with commas between; by default all.")  # fmt: skip
@in_workspace
@speaking
def add(
    output: Output,
    model: str,
    client: str,
    contract: Path | None,
    sends: str,
    workspace: str | None,
) -> None:
    """Pin what CLIENT relies on of MODEL; an earlier pin of it is replaced."""
    opened = open_workspace(workspace)
    stated = None if contract is None else load_contract(contract)
    fields = [name.strip() for name in sends.split(",") if name.strip()]
    made = pin_client(opened, model, client, stated, fields)
    output.result(_told(made))
    output.say(
        f"[bold green]✓[/] {escape(client)} relies on {escape(model)}: {escape(_words(made))}"
    )


@pin.command("list")
@click.argument("model", required=False)
@in_workspace
@speaking
def list_pins(output: Output, model: str | None, workspace: str | None) -> None:
    """The pins of MODEL, or all, and whom the live version has broken."""
    opened = open_workspace(workspace)
    pins = opened.pins.of(model)
    lives = {name: live_contract(opened, name) for name in {each.model for each in pins}}
    rows: list[dict[str, object]] = []
    for each in pins:
        live = lives[each.model]
        faults = [] if live is None else [change.setting for change in broken(each, live)]
        rows.append({**_told(each), "broken": faults})
        mark = f"[bold red]✗[/] broken by {escape(', '.join(faults))}; " if faults else "  "
        output.say(f"{mark}{escape(each.model)}  {escape(each.client)}: {escape(_words(each))}")
    output.result({"pins": rows})
    if not pins:
        output.say("nobody is pinned; `mainstay pin add MODEL CLIENT` says what a client relies on")


@pin.command()
@click.argument("model")
@click.argument("client")
@in_workspace
@speaking
def remove(output: Output, model: str, client: str, workspace: str | None) -> None:
    """Forget what CLIENT relied on: candidates may break it."""
    open_workspace(workspace).pins.remove(model, client)
    output.result({"model": model, "client": client, "removed": True})
    output.say(f"[bold green]✓[/] {escape(client)} is no longer pinned to {escape(model)}")


def _told(pin: Pin) -> dict[str, object]:
    return {
        "model": pin.model,
        "client": pin.client,
        "sends": [*pin.contract.inputs, *pin.contract.context],
        "reads": pin.contract.output,
        "actor": pin.actor,
        "time_ns": pin.time_ns,
    }


def _words(pin: Pin) -> str:
    sent = ", ".join([*pin.contract.inputs, *pin.contract.context])
    kind = pin.contract.output.__struct_config__.tag
    return f"sends {sent or 'nothing'}; reads a {kind}"
