"""Files that are no models, damaged, truncated, or whose external data are not there: one clear error each."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import make_model, mlp
from onnx_table import ROWS, row_model

import fastexpr as fx
from fastexpr.errors import FastexprError, FileError

node = helper.make_node


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"hello world, this is text",
        b"PK\x03\x04rest of a zip",
        bytes(100),
        np.random.default_rng(0).bytes(4000),
    ],
)
def test_not_an_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(FileError, match="not an ONNX file"):
        fx.load_onnx(path)


def test_truncated_file(tmp_path: Path) -> None:
    """Cut anywhere, it is refused; never half a network."""
    data = mlp((20, 70, 3)).SerializeToString()
    path = tmp_path / "net.onnx"
    for length in [*range(1, 60), *range(60, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(FileError, match=r"net\.onnx.*truncated"):
            fx.load_onnx(path)


def test_damaged_file() -> None:
    """A byte changed anywhere gives our own error or a network, nothing else."""
    random = np.random.default_rng(2)
    models = [mlp((3, 4, 2)), *(row_model(entry, np.float32)[0] for entry in ROWS)]
    for data in [model.SerializeToString() for model in models]:
        for place in random.integers(0, len(data), 8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << random.integers(0, 8)
            with suppress(FastexprError):
                fx.load_onnx(bytes(damaged), check=False)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        fx.load_onnx(tmp_path / "missing.onnx")
    with pytest.raises(TypeError, match="got int"):
        fx.load_onnx(3)  # type: ignore[arg-type]


def save_external(folder: Path) -> Path:
    path = folder / "net.onnx"
    onnx.save_model(mlp((20, 70, 3)), path, save_as_external_data=True, location="net.data", size_threshold=0)
    return path


def test_external_data_missing_or_short(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    data = (tmp_path / "net.data").read_bytes()
    (tmp_path / "net.data").write_bytes(data[:-4])
    with pytest.raises(FileError, match=r"\[Initializer 'b1'\] takes bytes .* which has"):
        fx.load_onnx(path)
    (tmp_path / "net.data").unlink()
    with pytest.raises(FileError, match=r"\[Initializer 'W0'\] lies in '.*net.data', which does not exist"):
        fx.load_onnx(path)
    with pytest.raises(FileError, match=r"\[Initializer 'W0'\] .* did not come from a file"):
        fx.load_onnx(path.read_bytes())


def test_external_data_outside_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.data"
    outside.write_bytes(bytes(100_000))
    folder = tmp_path / "model"
    folder.mkdir()
    path = save_external(folder)
    (folder / "link").symlink_to(outside)
    for location in ("../outside.data", str(outside), "link", "", "."):
        model = onnx.load(path, load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = location
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FileError, match=r"\[Initializer 'W0'\] .*(outside the model's folder|does not exist)"):
            fx.load_onnx(path)


def test_external_data_with_nonsense(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    for key, value in (("offset", "-8"), ("offset", "x"), ("length", "12"), ("offset", str(2**62))):
        model = onnx.load(path, load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            if entry.key == key:
                entry.value = value
        (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(FileError, match=r"\[Initializer 'W0'\]"):
            fx.load_onnx(tmp_path / "other.onnx")


def test_sparse_indices_out_of_range() -> None:
    model = make_model([node("MatMul", ["x", "W"], ["y"])], {"x": [1, 2]}, ["y"])
    values = numpy_helper.from_array(np.array([2.0, 3.0]), "W")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([1, 9]), "i"), [2, 3])
    )
    with pytest.raises(FileError, match=r"\[Initializer 'W'\] has indices that do not fit"):
        fx.load_onnx(model)
