"""S9 S8: a bundle's first load may hang, crash or lie; it does so alone, and is refused."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.archive import fingerprint_of, write_archive
from mainstay.bundle.assets import END_TO_END_FILE, Examples, encode_examples
from mainstay.bundle.model import CodePart
from mainstay.bundle.trial import TrialLimits, try_out


def altered(folder: Path, packed, into: Path, files=None, **changes) -> tuple[Path, str]:
    """The bundle with other files and manifest, consistent in itself."""
    manifest = msgspec.structs.replace(packed.manifest, **changes)
    digests = dict(manifest.files)
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digests[name] = hashlib.sha256(content).hexdigest()
    raw = msgspec.json.encode(msgspec.structs.replace(manifest, files=digests))
    (folder / "manifest.json").write_bytes(raw)
    write_archive(folder, into)
    return folder, fingerprint_of(raw)


def with_extractor(folder, packed, tmp_path, body: str) -> tuple[Path, str]:
    source = f"import os, socket, sys\ndef extract(columns):\n    {body}\n    return columns\n"
    return altered(
        folder, packed, tmp_path / "x.mainstay", {"code/carried.py": source.encode()},
        code=CodePart(file="code/carried.py", extract="extract"))


def test_a_good_bundle_is_measured(folder, packed):
    """S8: the end-to-end and confidence sets ran, and time, memory and metrics came back."""
    result = try_out(folder, packed.fingerprint)
    assert result.end_to_end_rows == 5
    assert result.confidence_rows == 100
    assert result.metrics == pytest.approx(packed.manifest.card.metrics)
    assert min(result.load_ms, result.call_us, result.row_us) > 0
    assert 10_000_000 < result.peak_resident_bytes < 400_000_000
    assert result.bundle_bytes > 1000


@pytest.mark.parametrize(("body", "words"), [
    ("os.kill(os.getpid(), 11)", "SIGSEGV"),
    ("os._exit(0)", "exit status 0"),
    ("sys.exit(3)", "ended the process|first run"),
    ("raise RuntimeError('no such table')", "no such table"),
    ("bytearray(1 << 40)", "memory|MemoryError"),
])
def test_whatever_a_bundle_does_it_does_alone(body, words, folder, packed, tmp_path):
    """S9: crash, exit, exception, greed: refused in words, and this process is alive to tell."""
    changed, fingerprint = with_extractor(folder, packed, tmp_path, body)
    with pytest.raises(InvalidBundle, match=words):
        try_out(changed, fingerprint)


def test_a_bundle_that_hangs_is_ended(folder, packed, tmp_path):
    changed, fingerprint = with_extractor(
        folder, packed, tmp_path, "print('begun', flush=True); __import__('threading').Event().wait()")
    with pytest.raises(InvalidBundle, match=r"in time(.|\n)*begun"):
        try_out(changed, fingerprint, TrialLimits(seconds=3))


def test_noise_on_stdout_is_not_a_verdict(folder, packed, tmp_path):
    changed, fingerprint = with_extractor(
        folder, packed, tmp_path, "print('{\"result\": {}}', flush=True); os._exit(0)")
    with pytest.raises(InvalidBundle, match="ended the process"):
        try_out(changed, fingerprint)


def test_secrets_of_the_parent_are_not_handed_down(folder, packed, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    changed, fingerprint = with_extractor(
        folder, packed, tmp_path, "assert 'DATABASE_PASSWORD' not in os.environ")
    try_out(changed, fingerprint)


def test_a_wrong_example_is_named_with_what_came_and_what_should(folder, packed, tmp_path):
    """S8: one wrong end-to-end example: not served."""
    inputs = {f"f{i}": np.zeros(2) for i in range(6)}
    for expected in (np.array([[0.5, 0.5], [2.0, -1.0]]),
                     np.array(["ok", "nonsense"], dtype=object)):
        asset = encode_examples(Examples(inputs=inputs, expected=expected))
        changed, fingerprint = altered(
            folder, packed, tmp_path / "x.mainstay", {END_TO_END_FILE: asset})
        with pytest.raises(InvalidBundle, match=r"end-to-end example \d is answered wrong") as no:
            try_out(changed, fingerprint)
        assert no.value.got
        assert no.value.expected
        assert no.value.field == END_TO_END_FILE


def test_a_bundle_without_examples_is_refused(folder, packed, tmp_path):
    empty = encode_examples(Examples(inputs={"f0": np.zeros(0)}, expected=np.zeros((0, 2))))
    changed, fingerprint = altered(
        folder, packed, tmp_path / "x.mainstay", {END_TO_END_FILE: empty})
    with pytest.raises(InvalidBundle, match="empty"):
        try_out(changed, fingerprint)
