"""`mainstay show`: what a version says of itself, and how far its confidence can be trusted."""

from pathlib import Path

import click

from mainstay.bundle.archive import SUFFIX, check_archive
from mainstay.bundle.judgement import Judgement, ThresholdChoice
from mainstay.bundle.model import Manifest
from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.cli.routing import model_and_number
from mainstay.judge.limits import limits_of
from mainstay.wiring.workspace import open_workspace

_CURVE_ROWS = 9


@click.command(
    epilog="""
\b
Examples:
  mainstay show fraud              the newest version
  mainstay show fraud@3
  mainstay show fraud-3.mainstay   a bundle file
"""
)
@click.argument("what", metavar="FILE|MODEL|MODEL@N")
@in_workspace
@speaking
def show(output: Output, what: str, workspace: str | None) -> None:
    """Show a version's card: where it comes from, how good it is, how far it can be trusted."""
    number = 0
    if what.endswith(SUFFIX):
        fingerprint, manifest = check_archive(Path(what))
    else:
        opened = open_workspace(workspace)
        model, wanted = model_and_number(what)
        version = opened.registry.find(model, wanted)
        fingerprint, number = version.fingerprint, version.number
        manifest = opened.unpacked(fingerprint).manifest
    limits = limits_of(manifest, number)
    output.result(
        {
            "model": manifest.model,
            "version": number or None,
            "fingerprint": fingerprint,
            "card": manifest.card,
            "judgement": manifest.judgement,
            "known": manifest.known,
            "limits": limits,
        }
    )
    named = f"{manifest.model} v{number}" if number else manifest.model
    output.say(f"[bold]{escape(named)}[/] {fingerprint[:12]}")
    _card(output, manifest)
    judgement = manifest.judgement
    if judgement is None:
        output.note("It was packed before versions kept what was learned of their judgement.")
        return
    for words in limits.words:
        output.say(f"  {escape(words)}")
    _confidence(output, judgement)
    if judgement.threshold is not None:
        _threshold(output, judgement.threshold, manifest)


def _card(output: Output, manifest: Manifest) -> None:
    card = manifest.card
    made = ", ".join(
        each for each in (card.packed_at, card.author, card.code_revision[:12]) if each
    )
    output.say(f"  [dim]packed[/]    {escape(made)}")
    if card.snapshot:
        output.say(f"  [dim]data[/]      {escape(card.snapshot)}")
    if card.metrics:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in card.metrics.items())
        output.say(f"  [dim]metrics[/]   {escape(figures)}")
    if card.notes:
        output.say(f"  [dim]notes[/]     {escape(card.notes)}")
    for name, known in manifest.known.items():
        output.say(
            f"  [dim]known[/]     {escape(name)}: {known.count:,} values; of new ones "
            f"{known.mistaken:.2g} are taken for one of them"
        )


def _confidence(output: Output, judgement: Judgement) -> None:
    before, after, found = judgement.before, judgement.after, judgement.calibration
    if before is None:
        return
    low, high = before.interval
    output.say()
    output.say(
        f"[bold]Confidence[/]  expected calibration error {before.error:.4f} "
        f"({low:.4f} to {high:.4f}) as the model says it"
    )
    if after is not None and found is not None:
        low, high = after.interval
        output.say(
            f"  {after.error:.4f} ({low:.4f} to {high:.4f}) corrected ({found.method}: "
            f"{escape(found.why)})"
        )
    if not judgement.sure:
        output.say(
            "  [yellow]unsure[/]: there were few rows with a label, so these figures may err"
        )
    shown = after or before
    output.table(
        (">says", ">right", ">rows"),
        [(f"{b.confidence:.3f}", f"{b.right:.3f}", b.rows) for b in shown.bins],
    )


def _threshold(output: Output, choice: ThresholdChoice, manifest: Manifest) -> None:
    rule = choice.rule
    stated = {name: getattr(rule, name) for name in rule.__struct_fields__}
    said = ", ".join(f"{name}: {value}" for name, value in stated.items() if value is not None)
    precision, recall = choice.precision_interval, choice.recall_interval
    output.say()
    output.say(f"[bold]Threshold[/]  {choice.chosen:.6g}, chosen by {{{escape(said)}}}")
    output.say(
        f"  precision {choice.reached.precision:.3f} ({precision[0]:.3f} to {precision[1]:.3f}), "
        f"recall {choice.reached.recall:.3f} ({recall[0]:.3f} to {recall[1]:.3f}) on "
        f"{choice.rows} rows of {manifest.model}'s confidence set, {choice.positives} of the "
        "second class"
    )
    step = max(1, len(choice.curve) // _CURVE_ROWS)
    points = choice.curve[::step]
    costs = any(point.cost is not None for point in points)
    output.table(
        (">threshold", ">precision", ">recall", *([">cost a row"] if costs else [])),
        [
            (
                f"{p.threshold:.4f}",
                f"{p.precision:.3f}",
                f"{p.recall:.3f}",
                *([f"{p.cost:.4g}"] if p.cost is not None else []),
            )
            for p in points
        ],
    )
