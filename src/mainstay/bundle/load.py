"""A version comes into memory: digests first, then the parsers, then the code.

Promises that nothing is parsed or run before every digest of the bundle was checked, and that a
loaded version never mixes with another: the features that come out of its extractor are checked
against its own manifest by name and number, and its answers against its own contract, on every
call. A model or extractor that raises, or answers in a wrong shape, is `ModelFailed`.

Importing this file must stay cheap: libraries are imported by the runner that needs them.
Whether a bundle may be loaded at all (signature, trial) is for `admit.py`; this file trusts it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mainstay.base.errors import InvalidBundle, MainstayError, ModelFailed, NotFound
from mainstay.bundle.carried import forget_with, member, run_carried
from mainstay.bundle.features import FeatureGate, InputPlan, as_named
from mainstay.bundle.folder import read_checked, verify_folder
from mainstay.bundle.known import Marks, check_known, read_known
from mainstay.bundle.model import Manifest
from mainstay.bundle.port import Runner
from mainstay.bundle.runners import RUNNERS, Parts
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of
from mainstay.contract.model import FunctionSource

NOTHING_KNOWN: Mapping[str, Marks] = {}


class LoadedVersion:
    """A version in memory, ready to answer; see `port.Loaded`."""

    def __init__(
        self,
        manifest: Manifest,
        fingerprint: str,
        runner: Runner,
        module: ModuleType | None,
        known: Mapping[str, Marks],
    ) -> None:
        self.manifest = manifest
        self.known = known
        self.fingerprint = fingerprint
        self._module = module
        self._run = runner.run
        self._extractor: Callable[[Columns], Any] | None = None
        code = manifest.code
        if code is not None and module is not None and code.extract is not None:
            self._extractor = member(module, code.extract, code.file)
            self._gate = FeatureGate(manifest.features, manifest.runs)
        else:
            self._plan = InputPlan(manifest)
        if module is not None:
            forget_with(self, module)

    @property
    def extracts(self) -> bool:
        """Whether there is extractor code; without it the inputs are the features."""
        return self._extractor is not None

    def extract(self, columns: Columns) -> Columns:
        """Input and context columns to features, checked against the manifest."""
        if self._extractor is None:
            return self._plan.features(columns)
        rows = rows_of(columns)
        named = as_named(columns, self.manifest.contract)
        try:
            made = self._extractor(named)
        except MainstayError:
            raise
        except Exception as error:  # because code from outside may raise anything
            raise ModelFailed(
                f"the feature extractor raised {type(error).__name__}: {error}", rule="features"
            ) from error
        return self._gate.check(made, rows)

    def predict(self, features: Columns) -> Column:
        """Features to raw output in the contract's shape."""
        try:
            # Every runner ends in `answers.shaper`, which holds the contract's shape and type.
            return self._run(features)
        except MainstayError:
            raise
        except Exception as error:  # because a model from outside may raise anything
            raise ModelFailed(
                f"the model raised {type(error).__name__}: {str(error)[:1000]}", rule="model"
            ) from error

    def lookup(self, name: str) -> Callable[[list[Any]], dict[Any, dict[str, Any]]]:
        """A look-up function, by its name in the contract's `lookups` or by its own."""
        source = self.manifest.contract.lookups.get(name)
        function = source.function if isinstance(source, FunctionSource) else name
        code = self.manifest.code
        if code is None or self._module is None or function not in code.lookups:
            raise NotFound(
                f"this version carries no look-up function {function!r}",
                field="lookup",
                got=name,
                expected="one of " + (", ".join(code.lookups if code else ()) or "none"),
            )
        return member(self._module, function, code.file)


def load(folder: Path, fingerprint: str) -> LoadedVersion:
    """Bring an unpacked bundle into memory and warm it up."""
    manifest = verify_folder(folder, fingerprint)
    module: ModuleType | None = None
    if manifest.code is not None:
        source = read_checked(folder, manifest, manifest.code.file)
        module = run_carried(source, fingerprint, manifest.code.file)
    data = read_checked(folder, manifest, manifest.runs.file)
    check_known(manifest)
    loaded = assemble(data, manifest, fingerprint, module, read_known(folder, manifest))
    warm(loaded)
    return loaded


def assemble(
    data: bytes,
    manifest: Manifest,
    fingerprint: str,
    module: ModuleType | None,
    known: Mapping[str, Marks] = NOTHING_KNOWN,
) -> LoadedVersion:
    """Put a version together from bytes whose digests were checked."""
    expected = manifest.contract.facts.features
    if expected is not None and expected != len(manifest.features):
        raise InvalidBundle(
            "the contract states another number of features than the version has",
            field="facts.features",
            rule="features",
            got=len(manifest.features),
            expected=str(expected),
        )
    runner = RUNNERS[manifest.runs.format](Parts(data, manifest, module))
    return LoadedVersion(manifest, fingerprint, runner, module, known)


def warm(loaded: LoadedVersion) -> None:
    """Make the first call, whose answer nobody sees, before a caller has to wait for it."""
    runs = loaded.manifest.runs
    if runs.layout != "matrix" or runs.format == "source":
        return
    width = len(loaded.manifest.features)
    loaded.predict({MATRIX: np.zeros((1, width), dtype=runs.numbers)})
