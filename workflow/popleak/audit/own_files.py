"""What a model's file is, by its first bytes, and the one module that opens it. No file is unpickled, whatever its name says."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..core.errors import PopleakError
from . import own_chains, own_onnx, own_skops
from .own_models import OwnModel

CONVERT = (
    "save a scikit-learn model with skops.io.dump, torch weights with save_file of safetensors, any other model as ONNX"
)
PACKED = "a compressed file, as joblib writes them"
PICKLED = {b"\x80": "a pickle"} | dict.fromkeys(
    (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"]\x00\x00"), PACKED
)
"""How files begin that are not opened, and what they are."""
NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".h5", ".keras")


def opened(path: Path, *, widths: Sequence[int] | None = None) -> OwnModel:
    """Return the model in a file. widths: of the hidden layers of an MLP in safetensors, for a check; by default its shapes say.

    Raises PopleakError in one line for what is no such file, and for a pickle under any name.
    """
    if not path.is_file():
        raise PopleakError(f"{path}: no such file: name a model, .skops, .onnx or .safetensors")
    kind = kind_of(path)
    if widths is not None and kind != "safetensors":
        raise PopleakError(f"{path}: --widths are those of an MLP in safetensors, and this is {kind}: leave them out")
    if kind == "skops":
        return own_skops.read(path)
    return own_onnx.read(path) if kind == "onnx" else own_chains.read(path, widths)


def kind_of(path: Path) -> Literal["skops", "onnx", "safetensors"]:
    """Return what a file is by its first bytes. Raises PopleakError for a pickle, and for what is none of these."""
    with open(path, "rb") as handle:
        start = handle.read(16)
    size = path.stat().st_size
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if "schema.json" in names:
            return "skops"
        if any(name.endswith(".pkl") for name in names):
            raise _pickled(path, "a file that torch saved, which holds a pickle")
    if len(start) > 8 and 2 <= int.from_bytes(start[:8], "little") <= size - 8 and start[8:9] == b"{":
        return "safetensors"
    for first, told in PICKLED.items():
        if start.startswith(first):
            raise _pickled(path, told)
    if path.suffix.lower() == ".onnx" and start[:1] == b"\x08":
        return "onnx"
    if path.suffix.lower() in NAMES:
        raise _pickled(path, f"a {path.suffix} file")
    raise PopleakError(f"{path}: is no model of skops, ONNX or safetensors: {CONVERT}")


def _pickled(path: Path, told: str) -> PopleakError:
    return PopleakError(f"{path}: is {told}, and opening one runs whatever is in it, so it is not opened: {CONVERT}")
