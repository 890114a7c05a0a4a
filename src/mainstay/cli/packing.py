"""`mainstay pack`: a version from files, for models that no Python training script packs."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.metrics import METRICS
from mainstay.bundle.pack_files import read_model_file, read_rows_file
from mainstay.cli.output import Output, escape, in_workspace, speaking
from mainstay.contract.load import load_contract
from mainstay.contract.model import Contract
from mainstay.wiring.packing import pack as pack_version

_MODELS = ".onnx (ONNX), .txt (LightGBM), .ubj or .json (XGBoost)"
_SHORTEST_FINGERPRINT = 6
"""A number with fewer digits is the number of a version."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="""
\b
Example:
  mainstay pack fraud --model fraud.onnx --confidence test.csv --label is_fraud \\
      --features features.py:extract --into release/

\b
At the end of a training script, one call does the same and takes the model as it is:
  mainstay.pack("fraud", model=model, features=extract, confidence=(X_test, y_test))
"""
)
@click.argument("name")
@click.option("--model", required=True, type=_FILE, help=f"The model: {_MODELS}.")
@click.option("--confidence", required=True, type=_FILE,
              help="Rows the model was not trained on: .csv, .npz or .parquet.")  # fmt: skip
@click.option("--label", metavar="COLUMN", default="label", show_default=True,
              help="The column of these rows that holds the truth, if any.")  # fmt: skip
@click.option("--learned-from", type=_FILE, metavar="FILE",
              help="Rows the model was trained on, where judge.cold asks what is new.")  # fmt: skip
@click.option("--reference", type=_FILE, metavar="FILE",
              help="Rows that later ones are held against, else the confidence set.")  # fmt: skip
@click.option("--features", metavar="FILE.py:FUNCTION",
              help="The function that makes the model's features of the inputs.")  # fmt: skip
@click.option("--contract", type=_FILE,
              help="The contract; by default contracts/NAME.yaml, else inferred.")  # fmt: skip
@click.option("--metric", type=click.Choice(sorted(METRICS)),
              help="What is measured on these rows, if the contract does not say.")  # fmt: skip
@click.option("--acceptable", nargs=2, type=float, metavar="LO HI",
              help="The range the metric must lie in, or the version is not served.")  # fmt: skip
@click.option("--upstream", multiple=True, metavar="MODEL[=VERSION]",
              help="A model whose answers it takes: the live version, or the one with this number "
              "or the beginning of its fingerprint. May be given again.")  # fmt: skip
@click.option("--output", "model_output", metavar="OUTPUT",
              help="The output of an ONNX model to use.")  # fmt: skip
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Also leave the bundle file here.")  # fmt: skip
@in_workspace
@speaking
def pack(  # noqa: PLR0913  # because each is an option
    output: Output,
    name: str,
    *,
    model: Path,
    confidence: Path,
    label: str,
    learned_from: Path | None,
    reference: Path | None,
    features: str | None,
    contract: Path | None,
    metric: str | None,
    acceptable: tuple[float, float] | None,
    upstream: tuple[str, ...],
    model_output: str | None,
    into: Path | None,
    workspace: str | None,
) -> None:
    """Make a version NAME of a model in a file, and keep it in the workspace.

    The model's own answers are compared with those of the packed one on every row of the
    confidence set, and the version is loaded once in a child process.
    """
    stated = None if contract is None else load_contract(contract)
    rows, truth = read_rows_file(confidence, label, stated)
    with output.working(f"Packing {model.name}: converting, comparing, a first load in a child"):
        packed = pack_version(
            name,
            model=read_model_file(model),
            confidence=rows if truth is None else (rows, truth),
            learned_from=None if learned_from is None else _rows(learned_from, label, stated),
            reference=None if reference is None else _rows(reference, label, stated),
            features=None if features is None else _function(features),
            contract=stated,
            metric=metric,
            acceptable=acceptable or (),
            upstream=_pins(upstream),
            output=model_output,
            workspace=workspace,
            into=into,
            quiet=True,
        )
    output.result(
        {
            "version": packed.version,
            "file": packed.file,
            "contract": packed.contract,
            "inferred": packed.inferred,
            "trial": packed.trial,
            "card": packed.manifest.card,
        }
    )
    first, *others = str(packed).splitlines()
    output.say(f"[bold green]✓[/] {escape(first)}")
    for line in others:
        output.say(escape(line))
    if packed.file is not None:
        output.say(f"  file       {escape(packed.file)}")


def _rows(file: Path, label: str, contract: Contract | None) -> Any:
    """The rows of a file, without their labels."""
    return read_rows_file(file, label, contract)[0]


def _pins(texts: tuple[str, ...]) -> dict[str, int | str | None]:
    """Models with the versions that were named; none means the live one."""
    pins: dict[str, int | str | None] = {}
    for text in texts:
        model, named, which = text.partition("=")
        if not model or (named and not which) or model in pins:
            raise InvalidUsage(
                f"{model!r} is pinned twice" if model in pins else f"{text!r} names no version",
                field="upstream",
                got=text,
                expected="each model once: embedder, embedder=3 or embedder=8f1c2a",
            )
        number = which.isdecimal() and len(which) < _SHORTEST_FINGERPRINT
        pins[model] = int(which) if number else which or None
    return pins


def _function(text: str) -> Callable[..., Any]:
    """A function in a Python file of the person at the terminal, who vouches for it by packing."""
    file, colon, name = text.rpartition(":")
    path = Path(file)
    if not colon or not path.is_file():
        raise InvalidUsage(
            f"{text!r} names no function",
            field="features",
            got=text,
            expected="FILE.py:FUNCTION, such as features.py:extract",
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # because a user's file may raise anything
        raise InvalidUsage(
            f"{path} cannot be run: {type(error).__name__}: {error}", field="features"
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        raise InvalidUsage(
            f"{path} has no function {name!r}",
            field="features",
            got=name,
            expected="one of " + ", ".join(n for n in vars(module) if not n.startswith("_")),
        )
    return found
