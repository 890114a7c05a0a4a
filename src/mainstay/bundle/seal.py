"""The last step of making a version: manifest and files become one bundle file.

Promises that the version was loaded once, in a child process, before the file appears, and that the
same manifest and files give the same fingerprint.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mainstay.bundle.archive import SUFFIX, write_archive
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import MANIFEST_FILE, Manifest
from mainstay.bundle.signing import sign, write_signature
from mainstay.bundle.trial import TrialResult, try_out


def seal(
    manifest: Manifest, files: Mapping[str, bytes], into: Path, key: Path | None
) -> tuple[Path, str, TrialResult]:
    """The bundle file in a folder, its fingerprint, and what its first load showed."""
    # Never sorted: the order of the inputs is the order of the columns of a matrix.
    raw = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    fingerprint = fingerprint_of(raw)
    with tempfile.TemporaryDirectory(prefix="mainstay-pack-") as temporary:
        folder = Path(temporary) / "bundle"
        for name, data in {MANIFEST_FILE: raw, **files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if key is not None:
            write_signature(folder, sign(fingerprint, key))
        trial = try_out(folder, fingerprint)
        file = into / f"{manifest.model}-{fingerprint[:12]}{SUFFIX}"
        write_archive(folder, file)
    return file, fingerprint, trial
