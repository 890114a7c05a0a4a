"""`mainstay check` and `mainstay diff`: contracts and versions before they serve."""

from pathlib import Path
from typing import Any

import click
import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.archive import SUFFIX, check_archive
from mainstay.bundle.model import Manifest, Version
from mainstay.bundle.trial import TrialResult
from mainstay.bundle.weigh import stated
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.contract.difference import Change, difference
from mainstay.contract.load import load_contract
from mainstay.contract.model import Contract
from mainstay.contract.review import idle_settings
from mainstay.wiring.workspace import Workspace, open_workspace

_CONTRACTS = (".yaml", ".yml")


@click.command(
    epilog="""
\b
Examples:
  mainstay check contracts/fraud.yaml  a contract: does it load, does every setting do something
  mainstay check fraud-3.mainstay      a bundle file: every byte, signature, first load, examples
  mainstay check fraud@3               a version, as deploying it would
"""
)
@click.argument("what", metavar="FILE|MODEL|MODEL@N")
@click.option("--strict", is_flag=True, help="Settings without an effect fail the check, too.")
@in_workspace
@speaking
def check(output: Output, what: str, strict: bool, workspace: str | None) -> None:
    """Check a contract, a bundle file or a version, without letting it go live.

    Exits 1 when something is wrong.
    """
    if what.endswith(_CONTRACTS):
        _check_contract(output, Path(what), strict=strict)
        return
    opened = open_workspace(workspace)
    with output.working(f"Checking {what}: every byte, its signature, a first load in a child"):
        if what.endswith(SUFFIX):
            manifest, fingerprint, tried = opened.try_file(_existing(what))
        else:
            version = _version(opened, what)
            manifest, fingerprint, tried = opened.try_version(version)
    output.result(
        {"model": manifest.model, "fingerprint": fingerprint, "trial": tried, "card": manifest.card}
    )
    _show_trial(output, manifest, fingerprint, tried)


def _check_contract(output: Output, path: Path, *, strict: bool) -> None:
    contract, idle = load_contract(_existing(str(path))), idle_settings(path)
    output.result(
        {
            "model": contract.model,
            "inputs": len(contract.inputs),
            "output": type(contract.output).__name__.lower(),
            "idle": [{"place": place, "setting": name, "why": why} for place, name, why in idle],
        }
    )
    output.say(
        f"[bold green]✓[/] {path} is a contract of the model {escape(contract.model)}: "
        f"{len(contract.inputs)} inputs, output {_kind(contract.output)}, "
        f"journal `{contract.log}`"
    )
    for place, name, why in idle:
        output.say(
            f"[bold yellow]![/] {escape(place)}: `{escape(name)}` has no effect: {escape(why)}"
        )
    if idle and strict:
        raise Ending(NOT_SO)


def _kind(struct: Any) -> str:
    return str(msgspec.to_builtins(struct)["type"])


def _show_trial(output: Output, manifest: Manifest, fingerprint: str, tried: TrialResult) -> None:
    card = manifest.card
    output.say(
        f"[bold green]✓[/] {manifest.model} {fingerprint[:12]} is whole, loads and answers "
        "its examples"
    )
    code = f" + {manifest.code.file}" if manifest.code else ""
    output.say(
        f"  [dim]model[/]     {manifest.runs.format}{code}, "
        f"{len(manifest.features)} features, {tried.bundle_bytes / 1024:,.0f} KiB"
    )
    output.say(
        f"  [dim]examples[/]  {tried.end_to_end_rows} end-to-end, "
        f"{tried.confidence_rows} confidence"
    )
    if tried.metrics:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in tried.metrics.items())
        output.say(f"  [dim]metrics[/]   {escape(figures)}")
    output.say(
        f"  [dim]speed[/]     {tried.call_us:.0f} µs one row, {tried.row_us:.2g} µs a row in "
        f"batches, loaded in {tried.load_ms:.0f} ms, "
        f"{tried.peak_resident_bytes / 2**20:.0f} MiB"
    )
    if card.parity is not None:
        output.say(
            f"  [dim]parity[/]    differs from the trained model by at most "
            f"{card.parity.largest_difference:.2g} on {card.parity.rows} rows"
        )
    made = ", ".join(
        part for part in (card.packed_at, card.author, card.code_revision[:12]) if part
    )
    dirty = " (with uncommitted changes)" if card.code_dirty else ""
    output.say(f"  [dim]packed[/]    {escape(made)}{dirty}")


@click.command(
    epilog="""
\b
Examples:
  mainstay diff contracts/old.yaml contracts/fraud.yaml
  mainstay diff fraud@2 fraud@3
  mainstay diff fraud contracts/fraud.yaml
"""
)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@in_workspace
@speaking
def diff(output: Output, before: str, after: str, workspace: str | None) -> None:
    """Show in what two contracts, bundle files or versions differ, setting by setting.

    Exits 1 when a client that works with A may fail with B.
    """
    old, new = _side(before, workspace), _side(after, workspace)
    changes = difference(old.contract, new.contract)
    facts = _facts(old, new)
    output.result({"changes": changes, "facts": facts})
    if not changes and not facts:
        output.say("No difference.")
        return
    if facts:
        output.table(("of the version", before, after), facts)
    if changes:
        output.say()
        output.table(
            ("setting", before, after, "means for a client"),
            [(c.setting, _plain(c.before), _plain(c.after), _meaning(c)) for c in changes],
        )
    if any(change.breaks for change in changes):
        raise Ending(NOT_SO)


class _Side(msgspec.Struct, frozen=True):
    contract: Contract
    manifest: Manifest | None = None


def _side(text: str, workspace: str | None) -> _Side:
    """What one side of a comparison names."""
    if text.endswith(_CONTRACTS):
        return _Side(load_contract(_existing(text)))
    if text.endswith(SUFFIX):
        _, manifest = check_archive(_existing(text))
    else:
        opened = open_workspace(workspace)
        manifest = opened.unpacked(_version(opened, text).fingerprint).manifest
    return _Side(stated(manifest), manifest)


def _facts(old: _Side, new: _Side) -> list[tuple[str, str, str]]:
    """What two versions differ in beside their contracts."""
    if old.manifest is None or new.manifest is None:
        return []
    before, after = _told(old.manifest), _told(new.manifest)
    names = [*before, *(name for name in after if name not in before)]
    return [
        (name, before.get(name, "-"), after.get(name, "-"))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _told(manifest: Manifest) -> dict[str, str]:
    card = manifest.card
    told = {
        "format": manifest.runs.format,
        "features": f"{len(manifest.features)}",
        "model file": manifest.files.get(manifest.runs.file, "")[:12],
        "code": manifest.files.get(manifest.code.file, "")[:12] if manifest.code else "none",
        "packed": card.packed_at,
        "author": card.author,
        "revision": card.code_revision[:12] + (" dirty" if card.code_dirty else ""),
        "snapshot": card.snapshot,
    }
    told |= {f"parameter {name}": str(value) for name, value in card.parameters.items()}
    told |= {f"metric {name}": f"{value:.6g}" for name, value in card.metrics.items()}
    judgement = manifest.judgement
    if judgement is not None and judgement.threshold is not None:
        told["threshold chosen"] = f"{judgement.threshold.chosen:.6g}"
    known = None if judgement is None else judgement.after or judgement.before
    if known is not None:
        found = manifest.calibration
        how = found.method if found is not None else "none"
        told["confidence"] = f"off by {known.error:.4f} on average, correction: {how}"
    return told | {f"library {name}": value for name, value in card.libraries.items()}


def _meaning(change: Change) -> str:
    return ("BREAKS: " if change.breaks else "") + change.words


def _plain(value: Any) -> str:
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return "-" if text == "null" else text if len(text) <= 60 else text[:59] + "…"


def _version(opened: Workspace, text: str) -> Version:
    model, number = model_and_number(text)
    return opened.registry.find(model, number)


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise InvalidUsage(
            f"there is no file {text}",
            field="file",
            expected=f"a contract ({', '.join(_CONTRACTS)}) or a bundle file ({SUFFIX})",
        )
    return path
