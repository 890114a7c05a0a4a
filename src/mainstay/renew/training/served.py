"""Features as they were served, in the process that trains: handed over, and held to (S11 S12).

Promises that the version that comes of them has the very extractor that made them, without the
training code saying so; and that it answers raw inputs as its model answers the logged features,
or is no version.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import distances
from mainstay.bundle.anything import is_dict
from mainstay.bundle.archive import unpack
from mainstay.bundle.carried import member, run_carried
from mainstay.bundle.extracting import by_name
from mainstay.bundle.features import FeatureGate
from mainstay.bundle.folder import read_checked, verify_folder
from mainstay.bundle.load import load
from mainstay.bundle.noise import apart
from mainstay.contract.columns import Columns, decode, rows_of, take
from mainstay.contract.model import Contract, FunctionSource
from mainstay.renew.training.data import Packing, TrainingData
from mainstay.renew.training.model import Served

_SETTING: Final = "renew.features"
_SHOWN: Final = 3


class Extractor:
    """The extractor that made the features, as `pack` takes it."""

    def __init__(self, served: Served) -> None:
        folder = Path(served.folder)
        manifest = verify_folder(folder, served.fingerprint)
        code = manifest.code
        assert code is not None, "a version without an extractor makes no features"
        assert code.extract is not None, "a version without an extractor makes no features"
        source = read_checked(folder, manifest, code.file)
        module = run_carried(source, served.fingerprint, code.file)
        self.features: Any = member(module, code.extract, code.file)
        self._lookups = {name: member(module, name, code.file) for name in code.lookups}

    def order(self, features: Columns, inputs: Columns) -> Columns:
        """Features in the order in which the extractor makes them."""
        made = self.features({name: column.copy() for name, column in inputs.items()})
        if not is_dict(made):
            return features
        return {str(name): features[str(name)] for name in made}

    def options(self, contract: Contract, packing: Packing) -> dict[str, Any]:
        """What `pack` is to know, with the extractor and the look-ups that came with it."""
        if packing.options.get("features") is not None:
            raise InvalidUsage(
                "the training code hands over an extractor of its own, and is to learn from the "
                "features of another one",
                field=_SETTING,
                got="logged",
                expected="no `features=` in `data.packed`, or `renew: {features: made}`",
            )
        needed = {
            source.function
            for source in contract.lookups.values()
            if isinstance(source, FunctionSource)
        }
        lookups = {name: each for name, each in self._lookups.items() if name in needed}
        return {"lookups": lookups, **packing.options, "features": self.features}


def hand_over(data: TrainingData, served: Served) -> Extractor:
    """Give training code the features; returns the extractor that made them."""
    extractor = Extractor(served)
    features = decode(Path(served.learned).read_bytes())
    data.features = extractor.order(features, take(data.inputs, slice(0, 1)))
    return extractor


def check(file: Path, served: Served, inputs: Columns) -> None:
    """Whether a packed version answers these inputs as its model answers their logged features;
    `InvalidUsage` naming the features that differ where it does not."""
    unpacked = unpack(file, Path(served.tested).parent / "held-to")
    loaded = load(unpacked.folder, unpacked.fingerprint)
    manifest = loaded.manifest
    logged = decode(Path(served.tested).read_bytes())
    made = by_name(loaded, inputs)
    if logged.keys() != made.keys():  # a matrix, whose columns its model names anew
        logged = dict(zip(made, logged.values(), strict=True))
    gate = FeatureGate(manifest.features, manifest.runs)
    one = loaded.predict(gate.check(logged, rows_of(logged)))
    other = loaded.predict(loaded.extract(inputs))
    far = distances(manifest.contract.output, other, one)
    wrong = int(np.count_nonzero(~(far <= manifest.runs.tolerance)))
    if not wrong:
        return
    counts = {name: int(apart(logged[name], made[name]).beyond.sum()) for name in made}
    named = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    said = "; ".join(f"{name} in {counts[name]:,}" for name in named[:_SHOWN])
    raise InvalidUsage(
        f"the extractor does not make again what it made when these decisions were made: of "
        f"{len(far):,} answers, {wrong:,} come out otherwise ({said or 'no feature by much'})",
        field=_SETTING,
        got="logged",
        expected="an extractor that makes the same features of the same inputs again; "
        "`mainstay experiment skew` says which do not, and why",
    )
