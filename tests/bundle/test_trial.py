"""S9 S8: a bundle's first load may hang, crash or lie; it does so alone, and is refused."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.archive import write_archive
from mainstay.bundle.assets import (
    CONFIDENCE_FILE,
    END_TO_END_FILE,
    FIRST_IMPRESSIONS_FILE,
    Examples,
    decode_examples,
    encode_examples,
)
from mainstay.bundle.child import TrialLimits
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import CodePart
from mainstay.bundle.trial import run_trial, try_out
from mainstay.contract.model import Assets as ContractAssets


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
        folder,
        packed,
        tmp_path / "x.mainstay",
        {"code/carried.py": source.encode()},
        code=CodePart(file="code/carried.py", extract="extract"),
    )


def test_a_good_bundle_is_measured(folder, packed):
    """S8: the end-to-end and confidence sets ran, and time, memory and metrics came back."""
    result = try_out(folder, packed.fingerprint)
    assert result.end_to_end_rows == 5
    assert result.confidence_rows == 100
    assert result.metrics == pytest.approx(packed.manifest.card.metrics)
    assert min(result.load_ms, result.call_us, result.row_us) > 0
    assert 10_000_000 < result.peak_resident_bytes < 400_000_000
    assert result.bundle_bytes > 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os._exit(0)", "exit status 0"),
        ("sys.exit(3)", "ended the process|first run"),
        ("raise RuntimeError('no such table')", "no such table"),
        ("bytearray(1 << 40)", "memory|MemoryError"),
    ],
)
def test_whatever_a_bundle_does_it_does_alone(body, words, folder, packed, tmp_path):
    """S9: crash, exit, exception, greed: refused in words, and this process is alive to tell."""
    changed, fingerprint = with_extractor(folder, packed, tmp_path, body)
    with pytest.raises(InvalidBundle, match=words):
        try_out(changed, fingerprint)


def test_a_bundle_that_hangs_is_ended(folder, packed, tmp_path):
    changed, fingerprint = with_extractor(
        folder,
        packed,
        tmp_path,
        "print('begun', flush=True); __import__('threading').Event().wait()",
    )
    with pytest.raises(InvalidBundle, match="in time"):
        try_out(changed, fingerprint, TrialLimits(seconds=1))


def test_noise_on_stdout_is_not_a_verdict(folder, packed, tmp_path):
    changed, fingerprint = with_extractor(
        folder, packed, tmp_path, "print('{\"result\": {}}', flush=True); os._exit(0)"
    )
    with pytest.raises(InvalidBundle, match="ended the process"):
        try_out(changed, fingerprint)


def test_secrets_of_the_parent_are_not_handed_down(folder, packed, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    changed, fingerprint = with_extractor(
        folder, packed, tmp_path, "assert 'DATABASE_PASSWORD' not in os.environ"
    )
    try_out(changed, fingerprint)


def test_a_wrong_example_is_named_with_what_came_and_what_should(folder, packed, tmp_path):
    """S8: one wrong end-to-end example: not served."""
    inputs = {f"f{i}": np.zeros(2) for i in range(6)}
    for expected in (np.array([[0.5, 0.5], [2.0, -1.0]]), np.array(["fraud", "ok"], dtype=object)):
        asset = encode_examples(Examples(inputs=inputs, expected=expected))
        changed, fingerprint = altered(
            folder, packed, tmp_path / "x.mainstay", {END_TO_END_FILE: asset}
        )
        with pytest.raises(InvalidBundle, match=r"end-to-end example \d is answered wrong") as no:
            try_out(changed, fingerprint)
        assert no.value.got
        assert no.value.expected
        assert no.value.field == END_TO_END_FILE


def test_a_bundle_without_examples_is_refused(folder, packed, tmp_path):
    empty = encode_examples(Examples(inputs={"f0": np.zeros(0)}, expected=np.zeros((0, 2))))
    changed, fingerprint = altered(
        folder, packed, tmp_path / "x.mainstay", {END_TO_END_FILE: empty}
    )
    with pytest.raises(InvalidBundle, match="empty"):
        try_out(changed, fingerprint)


def held_to(packed, **assets):
    """The contract, with what it says of its assets."""
    return msgspec.structs.replace(packed.manifest.contract, assets=ContractAssets(**assets))


def test_a_metric_outside_its_range_is_refused_with_figure_range_and_rows(folder, packed, tmp_path):
    """S8: metric, figure, range and rows are named; inside the range the same version passes."""
    figure = packed.manifest.card.metrics["accuracy"]
    for range_ in ((0.0, figure - 0.01), (figure + 0.01, 1.0)):
        changed, fingerprint = altered(
            folder,
            packed,
            tmp_path / "x.mainstay",
            contract=held_to(packed, metric="accuracy", acceptable=range_),
        )
        words = rf"accuracy is {figure:.4g} on 100 labelled rows; acceptable is {range_[0]:.4g}"
        with pytest.raises(InvalidBundle, match=words) as no:
            try_out(changed, fingerprint)
        assert no.value.field == CONFIDENCE_FILE
        assert no.value.got == pytest.approx(figure)
    changed, fingerprint = altered(
        folder,
        packed,
        tmp_path / "x.mainstay",
        contract=held_to(packed, metric="accuracy", acceptable=(figure, figure)),
    )
    assert try_out(changed, fingerprint).confidence_rows == 100


def six(rows: int, value: float = 0.0):
    return {f"f{i}": np.full(rows, value) for i in range(6)}


WORDS = np.array(["ok", "frau"], dtype=object)


@pytest.mark.parametrize(("file", "asset", "words"), [
    (CONFIDENCE_FILE, None, "has no labels"),
    (CONFIDENCE_FILE, Examples(inputs=six(2), label=np.array([-1, -1])), "has no labels"),
    (CONFIDENCE_FILE, Examples(inputs=six(0), label=np.zeros(0, np.int64)), "confidence set is empty"),
    (CONFIDENCE_FILE, Examples(inputs=six(2), label=np.array([0, 2])), "confidence set is mislabelled"),
    (CONFIDENCE_FILE, Examples(inputs=six(2), label=np.array([0.0, 1.0])), "mislabelled"),
    (CONFIDENCE_FILE, Examples(inputs=six(2), label=np.array([1, 1])), "roc_auc cannot be measured"),
    (CONFIDENCE_FILE, Examples(inputs={"f0": np.zeros(2)}, label=np.array([0, 1])), "lacks 'f1'"),
    (CONFIDENCE_FILE, Examples(inputs={**six(2), "g": np.zeros(2)}, label=np.array([0, 1])),
     "does not know: 'g'"),
    (CONFIDENCE_FILE, Examples(inputs=six(2, np.inf), label=np.array([0, 1])),
     "does not fit the contract: row 1 'f0' is not a finite"),
    (CONFIDENCE_FILE, b"PK not columns", "these bytes are not columns"),
    (END_TO_END_FILE, Examples(inputs=six(2), expected=WORDS), "row 2: 'frau' is no class"),
    (END_TO_END_FILE, Examples(inputs=six(2), expected=np.zeros((2, 3))), r"shape \[2, 3\]"),
    (END_TO_END_FILE, Examples(inputs=six(2)), "end-to-end set is empty"),
    (FIRST_IMPRESSIONS_FILE, Examples(inputs=six(2), expected=WORDS),
     "row 2: 'frau' is never answered; did you mean 'fraud'?"),
    (FIRST_IMPRESSIONS_FILE, Examples(inputs=six(2), expected=np.zeros(2)), "first impressions expects"),
    (FIRST_IMPRESSIONS_FILE, Examples(
        inputs=six(1, 3.0), expected=np.array(["nonsense"], dtype=object)), "mislabelled"),
])  # fmt: skip
def test_assets_that_prove_nothing_are_refused(file, asset, words, folder, packed, tmp_path):
    """S8 S9: empty, mislabelled, unreadable or not for this contract: each in words, and named."""
    if asset is None:
        confidence = decode_examples((folder / file).read_bytes(), file)
        asset = Examples(inputs=confidence.inputs)
    data = asset if isinstance(asset, bytes) else encode_examples(asset)
    contract = held_to(packed, metric="roc_auc", acceptable=(0.0, 1.0))
    changed, fingerprint = altered(
        folder, packed, tmp_path / "x.mainstay", {file: data}, contract=contract
    )
    with pytest.raises(InvalidBundle, match=words) as no:
        run_trial(changed, fingerprint)  # in this process: what a child would say, sooner
    assert no.value.field == file


def test_a_first_impression_that_disappoints_is_named(folder, packed, tmp_path):
    """S33: the row, what came and what a user expects."""
    rows = {f"f{i}": np.zeros(2) for i in range(6)}
    rows["f0"] = np.array([3.0, -3.0])
    for second, fits in (("ok", True), ("fraud or ok", True), ("fraud", False)):
        words = np.array(["fraud", second], dtype=object)
        asset = encode_examples(Examples(inputs=rows, expected=words))
        changed, fingerprint = altered(
            folder, packed, tmp_path / "x.mainstay", {FIRST_IMPRESSIONS_FILE: asset}
        )
        if fits:
            assert run_trial(changed, fingerprint).first_impressions_rows == 2
            continue
        with pytest.raises(InvalidBundle, match="first impression 2 is answered unlike") as no:
            run_trial(changed, fingerprint)
        assert (no.value.got, no.value.expected) == ("ok", "fraud")
