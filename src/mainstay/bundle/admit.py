"""Admission: a bundle file becomes a version that this workspace knows, or nothing happens.

The order is the promise. Every byte is checked before a parser sees one; the signature before any
code could run; the facts the contract states before the first load; the first load in a child
process; and only then is it kept and numbered. Whatever fails raises `InvalidBundle` in words and
leaves neither a version nor a file in the store. Admitting the same bundle again changes nothing.
"""

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from mainstay.base.errors import InvalidBundle, InvalidContract
from mainstay.bundle.archive import Unpacked, unpack
from mainstay.bundle.folder import verify_folder
from mainstay.bundle.model import Manifest, Version
from mainstay.bundle.port import Registry, Store
from mainstay.bundle.signing import check_signature, read_signature
from mainstay.bundle.trial import TrialLimits, TrialResult, try_out
from mainstay.contract.load import check_contract
from mainstay.contract.model import Contract


def admit(
    bundle_file: Path,
    *,
    trusted_keys: Sequence[str],
    cache_folder: Path,
    store: Store,
    registry: Registry,
    within: TrialLimits | None = None,
) -> tuple[Version, TrialResult]:
    """Check a bundle file, try it out, keep it and give it its number."""
    unpacked = open_bundle(bundle_file, trusted_keys=trusted_keys, cache_folder=cache_folder)
    trial = try_out(unpacked.folder, unpacked.fingerprint, within)
    store.put(unpacked.fingerprint, bundle_file)
    size = bundle_file.stat().st_size
    return registry.register(unpacked.manifest, unpacked.fingerprint, size), trial


def open_bundle(
    bundle_file: Path,
    *,
    trusted_keys: Sequence[str],
    cache_folder: Path,
    expected: str | None = None,
) -> Unpacked:
    """Unpack a bundle file that may be loaded here: whole, signed where it must be, its facts true.

    Also what a machine does with a file that it fetched from the store.
    """
    unpacked = unpack(bundle_file, cache_folder, expected)
    check_signature(
        unpacked.manifest, unpacked.fingerprint, read_signature(unpacked.folder), trusted_keys
    )
    check_facts(unpacked.manifest)
    return unpacked


def open_folder(folder: Path, fingerprint: str, *, trusted_keys: Sequence[str]) -> Unpacked:
    """The same for a bundle that this machine has unpacked before, without fetching it again."""
    manifest = verify_folder(folder, fingerprint)
    os.utime(folder)  # in use, for whoever tidies
    check_signature(manifest, fingerprint, read_signature(folder), trusted_keys)
    check_facts(manifest)
    return Unpacked(folder, fingerprint, manifest)


def check_facts(manifest: Manifest) -> None:
    """Assert what the contract states about the bundle and about this machine."""
    contract = manifest.contract
    try:
        check_contract(contract)
    except InvalidContract as error:
        raise InvalidBundle(
            f"the contract in the bundle is wrong: {error}", field="contract", rule="contract"
        ) from error
    stated = contract.facts.features
    if stated is not None and stated != len(manifest.features):
        raise InvalidBundle(
            "the contract states another number of features than the version has",
            field="facts.features",
            rule="features",
            got=len(manifest.features),
            expected=str(stated),
        )
    for package, versions in contract.facts.depends_on.items():
        _check_package(package, versions, contract)


def _check_package(package: str, versions: str, contract: Contract) -> None:
    try:
        requirement = Requirement(f"{package}{versions}" if versions else package)
    except InvalidRequirement as error:
        raise InvalidBundle(
            f"the contract depends on {package!r} in a way that cannot be read: {error}",
            field=f"facts.depends_on.{package}",
            rule="depends_on",
            got=versions,
            expected="a version range such as '>=2.1,<3'",
        ) from error
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        raise InvalidBundle(
            f"{contract.model} needs the package {package!r}, which is not installed here",
            field=f"facts.depends_on.{package}",
            rule="depends_on",
            got="not installed",
            expected=f"pip install '{requirement}'",
        ) from None
    if not requirement.specifier.contains(installed, prereleases=True):
        raise InvalidBundle(
            f"{contract.model} needs another version of {package!r} than is installed here",
            field=f"facts.depends_on.{package}",
            rule="depends_on",
            got=installed,
            expected=str(requirement.specifier),
        )
