"""`mainstay.pack`: from a trained model in a script or notebook to a version in a workspace."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.bundle import pack as bundle_pack
from mainstay.bundle.model import Card, Manifest, Version
from mainstay.bundle.trial import TrialResult
from mainstay.contract.columns import Columns
from mainstay.contract.model import Contract
from mainstay.wiring.folders import open_or_make
from mainstay.wiring.workspace import Workspace


class PackedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is kept in a workspace, ready to be deployed."""

    version: Version
    workspace: str
    contract: str
    """The contract's file; when it was inferred, edit it and pack again."""
    inferred: bool
    made: tuple[str, ...]
    """What was made of the workspace, if there was none."""
    file: str | None
    """The bundle file, where one was asked for."""
    trial: TrialResult
    manifest: Manifest

    def __str__(self) -> str:
        runs, card, lines = self.manifest.runs, self.manifest.card, [f"packed {self.version}"]
        if self.made:
            lines.append(f"  workspace  made in {self.workspace}")
        how = "inferred from the data; edit it and pack again" if self.inferred else "as written"
        lines.append(f"  contract   {self.contract} ({how})")
        code = " + feature code" if self.manifest.code is not None else ""
        lines.append(f"  model      {runs.format}{code}, {len(self.manifest.features)} features")
        if card.parity is not None:
            lines.append(
                f"  parity     at most {card.parity.largest_difference:.2g} from the trained "
                f"model, on {card.parity.rows} rows"
            )
        if card.upstream:
            pins = ", ".join(f"{model} {pin[:12]}" for model, pin in card.upstream.items())
            lines.append(f"  made for   {pins}")
        if card.metrics:
            figures = "  ".join(f"{name} {value:.4g}" for name, value in card.metrics.items())
            lines.append(f"  metrics    {figures}")
        lines.append(f"  next       mainstay deploy {self.version.model} && mainstay up")
        return "\n".join(lines)


def pack(  # noqa: PLR0913  # because this is the one call of a training script: each is named
    name: str,
    *,
    model: Any,
    confidence: Any,
    features: Callable[[Columns], Any] | None = None,
    contract: Contract | str | Path | None = None,
    end_to_end: Any = None,
    first_impressions: Any = None,
    metric: str | None = None,
    acceptable: Sequence[float] = (),
    card: Card | dict[str, Any] | None = None,
    lookups: Mapping[str, Callable[..., Any]] | None = None,
    learned_from: Any = None,
    reference: Any = None,
    upstream: Mapping[str, int | str | None] | None = None,
    classes: Sequence[str] | None = None,
    output: str | None = None,
    tolerance: float = 1e-4,
    workspace: str | Path | None = None,
    into: str | Path | None = None,
    quiet: bool = False,
) -> PackedVersion:
    """Make a version of a trained model and keep it in the workspace.

    `confidence` is `(X, y)`, not trained on, its `metric` in the `acceptable` range. `judge.cold`
    goes by `learned_from`; later rows are held against `reference`, else X. `end_to_end` is
    `(X, answers)`, `first_impressions` `(X, words)`. A `contract` is the workspace's or inferred.
    `into` leaves the file in a folder. `upstream`: models whose answers it takes (None: live).
    """
    places, made = open_or_make(workspace)
    opened = Workspace(places)
    known = places.contracts / f"{name}.yaml"
    contract = known if contract is None and known.is_file() else contract
    with tempfile.TemporaryDirectory(prefix="mainstay-pack-") as folder:
        packed = bundle_pack.pack(
            name,
            model=model,
            features=features,
            contract=contract,
            end_to_end=end_to_end,
            first_impressions=first_impressions,
            metric=metric,
            acceptable=acceptable,
            confidence=confidence,
            card=_pinned(card, opened, upstream or {}),
            lookups=lookups,
            learned_from=learned_from,
            reference=reference,
            classes=classes,
            output=output,
            tolerance=tolerance,
            sign_with=places.signing_key,
            into=folder,
        )
        version, file = opened.admit(packed.file), _left(packed.file, into)
        if packed.contract_file is not None:
            shutil.copyfile(packed.contract_file, known)
    found = PackedVersion(
        version=version,
        workspace=str(places.root),
        contract="in the bundle" if isinstance(contract, Contract) else str(contract or known),
        inferred=packed.contract_file is not None,
        made=tuple(made),
        file=file,
        trial=packed.trial,
        manifest=packed.manifest,
    )
    sys.stdout.write("" if quiet else f"{found}\n")
    return found


def _left(file: Path, into: str | Path | None) -> str | None:
    """A copy of the bundle file in a folder of the caller's, where one is named."""
    if into is None:
        return None
    Path(into).mkdir(parents=True, exist_ok=True)
    return str(shutil.copy(file, into))


def _pinned(
    card: Card | dict[str, Any] | None, opened: Workspace, upstream: Mapping[str, int | str | None]
) -> Card | dict[str, Any] | None:
    """The card with the fingerprints of the versions that this one is made for."""
    if not upstream:
        return card
    pins = {model: _fingerprint(opened, model, which) for model, which in upstream.items()}
    if isinstance(card, Card):
        return msgspec.structs.replace(card, upstream=pins)
    return {**(card or {}), "upstream": pins}


def _fingerprint(opened: Workspace, model: str, which: int | str | None) -> str:
    if which is None:
        live = opened.chain.current(model)
        if live is None:
            raise InvalidUsage(
                f"nothing answers for {model} yet that this version could be made for",
                field=f"upstream.{model}",
                got=model,
                expected=f"`mainstay deploy {model}` first, or {model}=NUMBER",
            )
        return live.fingerprint
    if isinstance(which, int):
        return opened.registry.find(model, which).fingerprint
    version = opened.registry.find_fingerprint(which)
    if version.model != model:
        raise InvalidUsage(
            f"{which!r} is no version of {model} but {version}",
            field=f"upstream.{model}",
            got=which,
            expected=f"the number of a version of {model}, or the beginning of its fingerprint",
        )
    return version.fingerprint
