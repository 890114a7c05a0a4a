"""`mainstay key …`: who may call, and whose code may run."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mainstay.access.keys import create_key, list_keys, revoke_key
from mainstay.access.model import PURPOSES, Purpose
from mainstay.bundle.signing import new_key, public_key
from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.wiring.workspace import open_workspace


@click.group()
def key() -> None:
    """Keys of callers, and keys that sign bundles.

    A caller's key says who calls and which models they reach. A signing key vouches for the code
    in a bundle: code runs only when a trusted key signed it.
    """


@key.command(
    epilog="""
\b
Example:
  mainstay key create checkout --model fraud --model limits
  curl -H "Authorization: Bearer KEY" ...
"""
)
@click.argument("caller")
@click.option("--model", "models", multiple=True, help="A model it reaches; by default every one.")
@click.option("--environment", help="Where it is of use; by default the workspace's environment.")
@click.option("--for", "purposes", multiple=True, type=click.Choice(list(PURPOSES)),
              help="What it is for: to call models (the default), to label, or both.")  # fmt: skip
@in_workspace
@speaking
def create(
    output: Output,
    caller: str,
    models: tuple[str, ...],
    environment: str | None,
    purposes: tuple[Purpose, ...],
    workspace: str | None,
) -> None:
    """Make a key for CALLER and show it, this once only."""
    opened = open_workspace(workspace)
    here = opened.places.settings.environment
    secret, made = create_key(
        opened.keys, caller, models or ("*",), environment or here, purposes or ("call",)
    )
    output.result(
        {
            "key": secret,
            "id": made.id,
            "caller": caller,
            "models": made.caller.models,
            "environment": made.caller.environment,
            "for": made.caller.purposes,
        }
    )
    elsewhere = f" in {made.caller.environment}" if made.caller.environment != here else ""
    output.say(
        f"[bold green]✓[/] {escape(caller)} may {' and '.join(made.caller.purposes)}"
        f" {_models(made.caller.models)}{elsewhere}"
    )
    output.say(f"  [dim]key[/]  [bold]{secret}[/]")
    output.say(f"  [dim]id[/]   {made.id}   [dim](to revoke it)[/]")
    output.say(
        "  It is not kept and cannot be shown again. A running server knows it within a second."
    )


@key.command(name="list")
@in_workspace
@speaking
def list_(output: Output, workspace: str | None) -> None:
    """Show all keys of callers, and the signing keys that are trusted. No secret is shown."""
    opened = open_workspace(workspace)
    keys, trusted = list_keys(opened.keys), opened.trusted_keys()
    output.result({"callers": keys, "trusted": trusted})
    if keys:
        rows = [
            (
                k.id,
                k.caller.name,
                _models(k.caller.models),
                ", ".join(k.caller.purposes),
                k.caller.environment,
                _day(k.created_at_ns),
                _day(k.revoked_at_ns) if k.revoked_at_ns else "",
            )
            for k in keys
        ]
        output.table(("id", "caller", "models", "for", "environment", "created", "revoked"), rows)
    else:
        output.say("No caller has a key; on this machine a caller without one is `local`.")
    output.say()
    output.table(("trusted to sign code", "public key"), list(trusted.items()))


@key.command()
@click.argument("key_id", metavar="ID")
@in_workspace
@speaking
def revoke(output: Output, key_id: str, workspace: str | None) -> None:
    """Let a caller's key be of no use from now on; ID is what `key list` shows."""
    revoked = revoke_key(open_workspace(workspace).keys, key_id)
    output.result({"id": revoked.id, "caller": revoked.caller.name, "revoked": True})
    output.say(
        f"[bold green]✓[/] The key {revoked.id} of {escape(revoked.caller.name)} is revoked;"
        " a running server refuses it within a second"
    )


@key.command(
    epilog="""
\b
Example (a team's key, kept where releases are made):
  mainstay key new team.key
  mainstay key trust team.key.pub --name team
"""
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@speaking
def new(output: Output, file: Path) -> None:
    """Make a pair of signing keys: FILE, to be kept secret, and FILE.pub, to be handed around."""
    public = new_key(file)
    output.result({"private": str(file), "public": f"{file}.pub", "key": public})
    output.say(f"[bold green]✓[/] {file} signs; whoever should trust it needs {file}.pub:")
    output.say(f"  mainstay key trust {file}.pub")


@key.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="What to call it; by default the name of the file.")
@in_workspace
@speaking
def trust(output: Output, file: Path, name: str | None, workspace: str | None) -> None:
    """Let code run here that the owner of the public key in FILE signed."""
    called, text = name or file.name.removesuffix(".pub"), public_key(file)
    open_workspace(workspace).trust.trust(called, text)
    output.result({"name": called, "key": text, "trusted": True})
    output.say(f"[bold green]✓[/] Code that {escape(called)} signed may run in this workspace")


@key.command()
@click.argument("name")
@in_workspace
@speaking
def distrust(output: Output, name: str, workspace: str | None) -> None:
    """Let no more code run that the key called NAME signed."""
    open_workspace(workspace).trust.distrust(name)
    output.result({"name": name, "trusted": False})
    output.say(
        f"[bold green]✓[/] {escape(name)} is not trusted any more; versions that serve "
        "already go on serving"
    )


def _models(models: tuple[str, ...]) -> str:
    return "every model" if "*" in models else ", ".join(models)


def _day(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M}"
