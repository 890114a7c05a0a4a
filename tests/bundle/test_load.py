"""S9: what is loaded is what was packed; a mismatch is refused, never served."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import InvalidBundle, ModelFailed, NotFound
from mainstay.bundle.carried import run_carried
from mainstay.bundle.load import LoadedVersion, assemble, load
from mainstay.bundle.model import CodePart

HEAVY = (
    "sklearn",
    "lightgbm",
    "xgboost",
    "skops",
    "cryptography",
    "pyarrow",
    "pandas",
    "onnx",
    "scipy",
    "duckdb",
)


def test_a_serving_process_stays_small(folder, packed):
    """S9: loading and answering ONNX pulls in none of the libraries that made the model."""
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom mainstay.bundle.load import load\n"
        f"loaded = load(Path({str(folder)!r}), {packed.fingerprint!r})\n"
        "loaded.predict(loaded.extract({'matrix': np.zeros((2, 6))}))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_all_doors_give_the_same_features(folder, packed, data):
    """S11: a matrix and named columns, in any order of the dictionary, are the same rows."""
    loaded = load(folder, packed.fingerprint)
    rows = data.rows[:9]
    named = {f"f{i}": rows[:, i] for i in reversed(range(6))}
    one, two = loaded.extract({"matrix": rows}), loaded.extract(named)
    assert one["matrix"].dtype == np.float32
    np.testing.assert_array_equal(one["matrix"], two["matrix"])
    raw = loaded.predict(one)
    assert raw.shape == (9, 2)
    np.testing.assert_allclose(raw, data.model.predict_proba(rows), atol=1e-5)


def test_a_changed_file_is_found_before_it_is_parsed(folder, packed):
    """S9: the digest comes first."""
    (folder / packed.manifest.runs.file).write_bytes(b"anything")
    with pytest.raises(InvalidBundle, match="was changed"):
        load(folder, packed.fingerprint)


def test_what_no_parser_needs_is_checked_too(folder, packed):
    """S9: a changed asset, a file too many or another name for the version: not loaded."""
    with pytest.raises(InvalidBundle, match="another version"):
        load(folder, "0" * 64)
    (folder / "stranger").write_bytes(b"x")
    with pytest.raises(InvalidBundle, match="does not name"):
        load(folder, packed.fingerprint)
    (folder / "stranger").unlink()
    (folder / "assets/confidence.columns").write_bytes(b"x")
    with pytest.raises(InvalidBundle, match="was changed"):
        load(folder, packed.fingerprint)


def test_an_overflowing_number_is_not_an_error_here(folder, packed):
    loaded = load(folder, packed.fingerprint)
    assert np.isinf(loaded.extract({"matrix": np.full((1, 6), 1e300)})["matrix"]).all()


def with_code(packed, folder, source: str, fingerprint: str = "c" * 64) -> LoadedVersion:
    manifest = msgspec.structs.replace(
        packed.manifest, code=CodePart(file="code/carried.py", extract="extract")
    )
    module = run_carried(source.encode(), fingerprint, "code/carried.py")
    model = (folder / packed.manifest.runs.file).read_bytes()
    return assemble(model, manifest, fingerprint, module)


GOOD = "{f'f{i}': columns['f0'] for i in range(6)}"


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("{'f0': columns['f0']}", "lacks f1"),
        (f"{{**{GOOD}, 'extra': columns['f0']}}", "has extra besides"),
        ("{f'f{i}': columns['f0'][:1] for i in range(6)}", "number of rows"),
        (f"{{**{GOOD}, 'f3': ['x'] * len(columns['f0'])}}", "of a type"),
        (f"{{**{GOOD}, 'f2': columns['f0'] + float('inf')}}", "infinite 'f2'"),
        ("__import__('numpy').zeros((2, 5))", "another shape"),
        ("[1, 2]", "dictionary of columns"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_features_that_do_not_fit_the_version_never_reach_its_model(
    returned, words, packed, folder
):
    """S9: number, names, rows, types: what differs is named."""
    loaded = with_code(packed, folder, f"def extract(columns):\n    return {returned}\n")
    columns = {f"f{i}": np.zeros(2) for i in range(6)}
    with pytest.raises(ModelFailed, match=words):
        loaded.extract(columns)


def test_the_extractor_sees_the_same_whatever_the_door(packed, folder):
    loaded = with_code(packed, folder, f"def extract(columns):\n    return {GOOD}\n")
    rows = np.arange(12.0).reshape(2, 6)
    named = {f"f{i}": rows[:, i] for i in range(6)}
    np.testing.assert_array_equal(
        loaded.extract({"matrix": rows})["matrix"], loaded.extract(named)["matrix"]
    )


def test_a_model_that_raises_is_said_to_have_failed(folder, packed):
    loaded = load(folder, packed.fingerprint)
    with pytest.raises(ModelFailed):
        loaded.predict({"matrix": np.zeros((1, 3), dtype=np.float32)})
    with pytest.raises(NotFound):
        loaded.lookup("ages")


def test_code_that_does_not_load_or_lacks_its_function_is_refused(packed, folder):
    with pytest.raises(InvalidBundle, match="SyntaxError"):
        run_carried(b"def", "d" * 64, "code/carried.py")
    with pytest.raises(InvalidBundle, match="no function or class 'extract'"):
        with_code(packed, folder, "x = 1\n")


def test_a_manifest_that_disagrees_with_its_model_is_refused(packed, folder):
    """S9: another number of features than the graph takes."""
    manifest = msgspec.structs.replace(packed.manifest, features=("f0", "f1"))
    model = (folder / packed.manifest.runs.file).read_bytes()
    with pytest.raises(InvalidBundle, match="does not take one matrix"):
        assemble(model, manifest, "c" * 64, None)


def test_a_version_that_is_gone_leaves_no_module(packed, folder):
    source, name = f"def extract(columns):\n    return {GOOD}\n", "mainstay_version_" + "e" * 24
    first = with_code(packed, folder, source, "e" * 64)
    second = with_code(packed, folder, source, "e" * 64)
    del first
    assert name in sys.modules, "a second load of the same version still needs it"
    del second
    assert name not in sys.modules
