"""S9: a bundle is byte for byte what was packed, or refused in words."""

import hashlib
import io
import os
import random
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.archive import check_archive, unpack, write_archive
from mainstay.bundle.folder import verify_folder
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import Card, Manifest, ModelPart
from mainstay.bundle.pack import Packed
from mainstay.contract.model import Contract, Number, NumberOutput

MUTATIONS = 240


def mutated(data: bytes, chance: random.Random) -> bytes:
    kind = chance.choice(["truncate", "flip", "flip", "swap", "insert", "repeat"])
    at = chance.randrange(len(data))
    if kind == "truncate":
        return data[:at]
    if kind == "flip":
        changed = bytearray(data)
        changed[at] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if kind == "swap":
        other, length = chance.randrange(len(data)), chance.randrange(1, 64)
        low, high = sorted((at, other))
        return (
            data[:low]
            + data[high : high + length]
            + data[low + length : high]
            + data[low : low + length]
            + data[high + length :]
        )
    if kind == "insert":
        return data[:at] + chance.randbytes(chance.randrange(1, 20)) + data[at:]
    return data + data[at:]


def test_no_mutation_of_a_real_bundle_gets_through(packed: Packed, tmp_path: Path):
    """S9: cut, flipped, swapped, stretched: every one is refused, and nothing is left behind."""
    original = packed.file.read_bytes()
    chance = random.Random(20261120)
    broken = tmp_path / "broken.mainstay"
    cache = tmp_path / "cache"
    tried = 0
    while tried < MUTATIONS:
        data = mutated(original, chance)
        if data == original:
            continue
        tried += 1
        broken.write_bytes(data)
        with pytest.raises(InvalidBundle):
            unpack(broken, cache, packed.fingerprint)
    assert list(cache.iterdir()) == []


def test_every_bit_of_the_headers_counts(packed: Packed, tmp_path: Path):
    """S9: also the parts of a zip that no digest covers are fixed."""
    original = packed.file.read_bytes()
    broken = tmp_path / "broken.mainstay"
    directory = original.index(b"PK\x01\x02")
    for at in [*range(43), *range(directory, len(original))]:
        changed = bytearray(original)
        changed[at] ^= 1
        broken.write_bytes(changed)
        with pytest.raises(InvalidBundle):
            check_archive(broken, packed.fingerprint)


def test_any_unzip_tool_reads_it(packed: Packed):
    """A second oracle: Python's own zip reader finds the same members, undamaged."""
    with zipfile.ZipFile(packed.file) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["manifest.json", *sorted(packed.manifest.files)]
        for name, digest in packed.manifest.files.items():
            assert hashlib.sha256(opened.read(name)).hexdigest() == digest


def rezipped(packed: Packed, into: Path, change) -> Path:
    """The bundle as another zip tool would write it, with one change."""
    with zipfile.ZipFile(packed.file) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    members = change(members)
    with zipfile.ZipFile(into, "w") as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return into


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\b", ""])
def test_a_name_that_leaves_the_folder_is_refused(packed: Packed, tmp_path: Path, name: str):
    """S9: no bundle writes outside of its folder."""
    file = rezipped(packed, tmp_path / "b.mainstay", lambda m: {**m, name: b"x"})
    with pytest.raises(InvalidBundle):
        unpack(file, tmp_path / "cache")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mainstay", "cache"]


def test_a_file_too_many_too_few_or_exchanged_is_named(folder: Path, packed: Packed):
    """S9: the words say which file, and what happened to it."""
    assert verify_folder(folder, packed.fingerprint) == packed.manifest
    first, second = folder / "assets/confidence.columns", folder / "assets/end_to_end.columns"
    kept = first.read_bytes(), second.read_bytes()
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(InvalidBundle, match="does not name") as refused:
        verify_folder(folder, packed.fingerprint)
    assert refused.value.field == "extra.bin"
    (folder / "extra.bin").unlink()
    first.write_bytes(kept[1])
    with pytest.raises(InvalidBundle, match="swapped") as refused:
        verify_folder(folder, packed.fingerprint)
    assert refused.value.field == "assets/confidence.columns"
    first.unlink()
    with pytest.raises(InvalidBundle, match="lacks a file"):
        verify_folder(folder, packed.fingerprint)
    first.symlink_to(second)
    with pytest.raises(InvalidBundle, match="link"):
        verify_folder(folder, packed.fingerprint)
    first.unlink()
    first.write_bytes(kept[0][:-1] + bytes([kept[0][-1] ^ 1]))
    with pytest.raises(InvalidBundle, match="was changed"):
        verify_folder(folder, packed.fingerprint)
    first.write_bytes(kept[0])
    with pytest.raises(InvalidBundle, match="another version"):
        verify_folder(folder, "0" * 64)


def test_a_file_exchanged_with_care_is_refused(folder: Path, packed: Packed, tmp_path: Path):
    """S9: a flawless zip of other content, checksums and all, still does not fit the manifest."""
    victim = folder / packed.manifest.runs.file
    victim.write_bytes(victim.read_bytes()[::-1])
    write_archive(folder, tmp_path / "crafted.mainstay")
    with zipfile.ZipFile(tmp_path / "crafted.mainstay") as opened:
        assert opened.testzip() is None
    with pytest.raises(InvalidBundle, match="was changed"):
        unpack(tmp_path / "crafted.mainstay", tmp_path / "other")
    with pytest.raises(InvalidBundle, match="was changed"):
        check_archive(tmp_path / "crafted.mainstay")
    assert list((tmp_path / "other").iterdir()) == []


def test_another_fingerprint_is_refused(packed: Packed, tmp_path: Path):
    """S9: who asks for one version never gets another."""
    with pytest.raises(InvalidBundle, match="another version"):
        unpack(packed.file, tmp_path, "ab" * 32)


def test_a_truncated_file_says_so(copied: Path, tmp_path: Path):
    """S9: the likeliest damage has its own words."""
    os.truncate(copied, copied.stat().st_size // 2)
    with pytest.raises(InvalidBundle, match="truncated"):
        unpack(copied, tmp_path / "cache")


def test_unpacking_twice_keeps_the_folder_and_mends_a_damaged_one(packed: Packed, tmp_path: Path):
    """S9: what is in the cache is never trusted for being there."""
    once = unpack(packed.file, tmp_path)
    victim = once.folder / packed.manifest.runs.file
    before = victim.stat().st_ino
    assert unpack(packed.file, tmp_path).folder == once.folder
    assert victim.stat().st_ino == before
    victim.write_bytes(b"damaged")
    unpack(packed.file, tmp_path)
    verify_folder(once.folder, packed.fingerprint)
    assert [path.name for path in tmp_path.iterdir()] == [packed.fingerprint]


def test_a_compressed_or_rezipped_bundle_is_refused_in_words(packed: Packed, tmp_path: Path):
    """S9: there is one way to write a bundle, so a bomb cannot hide in another."""
    out = tmp_path / "b.mainstay"
    with (
        zipfile.ZipFile(packed.file) as opened,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as again,
    ):
        for name in opened.namelist():
            again.writestr(name, opened.read(name))
    with pytest.raises(InvalidBundle, match="not written by mainstay pack"):
        unpack(out, tmp_path / "cache")


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}(/[a-z][a-z0-9_.-]{0,8}){0,2}", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.dictionaries(names, st.binary(max_size=300), min_size=1, max_size=8))
def test_what_is_written_is_what_is_read_and_always_the_same(tmp_path_factory, files):
    """S9, N1: round trip for any content, and the same content is the same bytes."""
    # A name that is a folder of another cannot exist on a disk.
    files = {
        n: c
        for n, c in files.items()
        if not any(o.startswith(n + "/") for o in files)
        and not n.lower().startswith(("manifest.json", "signature.json"))
    }
    if not files:
        return
    root = tmp_path_factory.mktemp("trip")
    source = root / "source"
    manifest = Manifest(
        model="m",
        features=("a",),
        card=Card(packed_at=""),
        contract=Contract(model="m", inputs={"a": Number()}, output=NumberOutput()),
        runs=ModelPart(format="onnx", file=min(files), layout="matrix"),
        files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    raw = msgspec.json.encode(manifest)
    for name, content in {"manifest.json": raw, **files}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    fingerprint = write_archive(source, root / "one")
    assert fingerprint == fingerprint_of(raw) == write_archive(source, root / "two")
    assert (root / "one").read_bytes() == (root / "two").read_bytes()
    unpacked = unpack(root / "one", root / "cache", fingerprint)
    assert {n: (unpacked.folder / n).read_bytes() for n in files} == files
    with zipfile.ZipFile(io.BytesIO((root / "one").read_bytes())) as opened:
        assert opened.testzip() is None
