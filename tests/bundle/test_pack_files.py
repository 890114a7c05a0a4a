"""N1: files alone are enough to make a version."""

import numpy as np
import onnx
import pandas as pd
import pytest

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.pack_files import pack_files, read_rows_file
from mainstay.contract.model import Boolean, Contract, Number, NumberOutput, Text
from tests.bundle.test_convert import X, onnx_model


@pytest.fixture
def files(tmp_path):
    onnx.save(onnx_model(), tmp_path / "model.onnx")
    labels = np.array(["a", "b"])[(X[:, 0] < X[:, 1]).astype(int)]
    frame = pd.DataFrame(X, columns=list("wxyz")).assign(label=labels)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    np.savez(tmp_path / "rows.npz", X=X, y=labels)
    (tmp_path / "m.contract.yaml").write_text(
        "model: m\ninputs:\n"
        + "".join(f"  {n}: {{type: number}}\n" for n in "wxyz")
        + "output: {type: probability, classes: [a, b]}\n"
    )
    return tmp_path


@pytest.mark.parametrize("rows", ["rows.csv", "rows.npz", "rows.parquet"])
def test_a_model_a_contract_and_rows_make_a_version(files, rows):
    packed = pack_files(
        files / "model.onnx",
        contract=files / "m.contract.yaml",
        confidence=files / rows,
        into=files,
        classes=["a", "b"],
    )
    assert packed.manifest.model == "m"
    assert packed.manifest.card.metrics["accuracy"] > 0.9


def test_cells_are_read_by_the_kind_of_their_column(tmp_path):
    (tmp_path / "r.csv").write_text("id,ok,n,label\n007,true,1.5,1\n,,,0\n")
    contract = Contract(
        model="m", output=NumberOutput(), inputs={"id": Text(), "ok": Boolean(), "n": Number()}
    )
    columns, labels = read_rows_file(tmp_path / "r.csv", "label", contract)
    assert columns["id"].tolist() == ["007", None]
    np.testing.assert_array_equal(columns["ok"], [1, np.nan])
    np.testing.assert_array_equal(columns["n"], [1.5, np.nan])
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1\n", "row 2"),
        ("a,a\n1,2\n", "twice"),
        ("a\n", "no rows"),
        ("", "no rows"),
        ("n\nx\n", "row 2 of the column 'n'"),
    ],
)
def test_a_broken_file_of_rows_is_told(tmp_path, text, words):
    (tmp_path / "r.csv").write_text(text)
    contract = Contract(model="m", output=NumberOutput(), inputs={"n": Number()})
    with pytest.raises(InvalidUsage, match=words):
        read_rows_file(tmp_path / "r.csv", "label", contract)


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    (tmp_path / "r.npz").write_bytes(b"\x80\x04.")
    with pytest.raises(InvalidUsage, match="not read here"):
        pack_files(tmp_path / "model.pkl", confidence=tmp_path / "r.npz", name="m")
    with pytest.raises(InvalidUsage, match="cannot be read"):
        read_rows_file(tmp_path / "r.npz", "label", None)
