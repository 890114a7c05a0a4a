"""What the bundle room needs from outside, and what it hands to the rooms above."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mainstay.bundle.known import Marks
from mainstay.bundle.model import Manifest, Version
from mainstay.contract.columns import Column, Columns


class Store(Protocol):
    """Keeps bundle files by fingerprint; a file, once there, never changes."""

    def put(self, fingerprint: str, file: Path) -> None:
        """Keep a bundle file; keeping the same one again changes nothing."""
        ...

    def fetch(self, fingerprint: str, into: Path) -> Path:
        """Bring a bundle file to the local folder `into`, whole or not at all; `NotFound`."""
        ...

    def fingerprints(self) -> Sequence[str]:
        """Everything that is kept."""
        ...


class Registry(Protocol):
    """Numbers the versions of each model: 1, 2, 3 in the order in which they came."""

    def register(self, manifest: Manifest, fingerprint: str, size_bytes: int) -> Version:
        """Give a version its number; registering the same fingerprint again returns it."""
        ...

    def find(self, model: str, number: int | None = None) -> Version:
        """One version, by default the newest; `NotFound` names what there is."""
        ...

    def find_fingerprint(self, fingerprint: str) -> Version:
        """The version with this fingerprint (or unambiguous beginning of it); `NotFound`."""
        ...

    def versions(self, model: str | None = None) -> Sequence[Version]:
        """All versions, oldest first."""
        ...


class Runner(Protocol):
    """A model in memory. Safe to call from one thread at a time."""

    def run(self, features: Columns) -> Column:
        """Features of n rows to the raw output of n rows.

        Features are `{"matrix": float32 [n, d]}` or one named column per feature, as the
        manifest's layout says. The output's shape follows the contract's output: probability
        float [n, classes], label int64 [n] (index of the class), number float [n], ranking
        float [n, items], vector float [n, length].
        """
        ...


class Loaded(Protocol):
    """A version in memory, ready to answer."""

    @property
    def manifest(self) -> Manifest:
        """What the version says of itself."""
        ...

    @property
    def fingerprint(self) -> str:
        """The version's fingerprint."""
        ...

    @property
    def known(self) -> Mapping[str, Marks]:
        """By input, what its model learned from."""
        ...

    @property
    def extracts(self) -> bool:
        """Whether there is extractor code; without it the inputs are the features."""
        ...

    def extract(self, columns: Columns) -> Columns:
        """Input and context columns to features; checks count, order and type of what comes."""
        ...

    def predict(self, features: Columns) -> Column:
        """Features to raw output; `ModelFailed` when the model raises or answers in a wrong
        shape."""
        ...

    def lookup(self, name: str) -> Callable[[list[Any]], dict[Any, dict[str, Any]]]:
        """A look-up function carried in the bundle: keys in, a dict of fields per known key out."""
        ...
