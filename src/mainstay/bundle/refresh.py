"""A version with another confidence set: model, code and examples as they were, proven anew.

Promises that nothing but the confidence set and what is learned from it (the metrics, a threshold
that is chosen by a rule, how confidence is corrected) differs from the version it was made of, and
that the card says where the new set is from.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.bundle.archive import Unpacked
from mainstay.bundle.assets import CONFIDENCE_FILE, Examples, encode_examples
from mainstay.bundle.digest import sha256_of
from mainstay.bundle.folder import read_checked
from mainstay.bundle.metrics import measure
from mainstay.bundle.model import Refreshed
from mainstay.bundle.seal import seal
from mainstay.bundle.weigh import stated, weigh
from mainstay.contract.columns import Column


def with_confidence(
    version: Unpacked,
    examples: Examples,
    raw: Column,
    said: Refreshed,
    *,
    clock: Clock,
    sign_with: Path | None,
    into: Path,
) -> Path:
    """The bundle file of the new version; `raw` is what its model answers to the new set."""
    manifest = version.manifest
    files = {
        name: read_checked(version.folder, manifest, name)
        for name in manifest.files
        if name != CONFIDENCE_FILE
    }
    files[CONFIDENCE_FILE] = encode_examples(examples)
    contract, judgement = weigh(stated(manifest), raw, examples)
    label = examples.label
    moment = datetime.fromtimestamp(clock.now_ns() / 1e9, UTC)
    card = msgspec.structs.replace(
        manifest.card,
        packed_at=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        metrics={} if label is None else measure(contract.output, raw, label),
        confidence=said,
    )
    changed = msgspec.structs.replace(
        manifest,
        contract=contract,
        judgement=judgement,
        card=card,
        files={name: sha256_of(data) for name, data in sorted(files.items())},
    )
    file, _, _ = seal(changed, files, into, sign_with)
    return file
