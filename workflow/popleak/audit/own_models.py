"""One model that somebody trained elsewhere, from a file of skops, ONNX or safetensors. No file is unpickled, whatever its name says.

What a file is, its first bytes say. The libraries that open them are those of the extra `audit`.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..core.errors import PopleakError

if TYPE_CHECKING:
    import pandas as pd

Takes = Literal["features", "columns"]
CONVERT = "save a scikit-learn model with skops.io.dump, torch weights with safetensors.torch.save_file, any other model as ONNX"
PICKLED = {b"\x80": "a pickle", b"\x78": "a compressed joblib file", b"\x1f\x8b": "a compressed file"}
NAMES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".h5", ".keras")
TOLERANCE = 1e-4
"""How far the probabilities of all classes may be from 1 in sum."""


class OwnModel:
    """A model that answers. path: its file; columns: the names of what it takes, None where the file does not say; width: how many numbers
    it takes, None for columns of several kinds."""

    kind: ClassVar[str]

    def __init__(self, path: Path, columns: tuple[str, ...] | None, width: int | None) -> None:
        self.path, self.columns, self.width = path, columns, width

    def ask(self, given: Any) -> np.ndarray:
        """Return what the model says of features (q, d), or of a DataFrame of q rows, as it is."""
        raise NotImplementedError

    def class_names(self) -> list[Any] | None:
        """Return the classes in the order of the answers; None where the file does not say."""
        return None

    def choice(self) -> dict[str, Any]:
        """Return the model of a config whose shadows are alike. Raises PopleakError where there is none."""
        raise PopleakError(
            f"{self.path}: {self.kind} does not say how the model was trained: name the shadows' model in `models` of the config yourself"
        )


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
        from .own_skops import read as read_skops

        return read_skops(path)
    if kind == "onnx":
        from .own_onnx import read as read_onnx

        return read_onnx(path)
    from .own_chains import read as read_chain

    return read_chain(path, widths)


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
            raise _pickled(path, "a file of torch.save, which holds a pickle")
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


def library(name: str, path: Path) -> ModuleType:
    """Return a library of the extra `audit`. Raises PopleakError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise PopleakError(
            f"{path}: needs the library {name.partition('.')[0]}: pip install 'popleak[audit]'"
        ) from None


def taken(model: OwnModel, features: Sequence[str], columns: Sequence[str] | None, takes: Takes | None) -> Takes:
    """Return whether a model takes the records' encoded features or the table's own columns.

    columns: of the table, None if the task is no table of the owner's; takes: what the user says. Raises PopleakError with the names that
    are missing, or where both would fit.
    """
    fits = {
        "features": _missing(model, features),
        "columns": ["a table"] if columns is None else _missing(model, columns),
    }
    if model.columns is None:  # a matrix: columns of several kinds have names
        fits["columns"] = ["names"]
    if takes is None:
        fitting = [name for name, missing in fits.items() if not missing]
        if len(fitting) == 2:
            raise PopleakError(
                f"{model.path}: its {len(model.columns or ())} columns are names of encoded features and of columns of the table: say which "
                f"with --takes features or --takes columns"
            )
        if fitting:
            return "features" if fitting[0] == "features" else "columns"
        takes = "columns" if columns is not None and model.columns is not None else "features"
    if takes == "columns" and columns is None:
        raise PopleakError(
            f"{model.path}: --takes columns: the task has no table of your own whose columns could be read: give a model of the {len(features)} "
            f"encoded features"
        )
    if missing := fits[takes]:
        raise PopleakError(f"{model.path}: {_told(model, takes, features, missing)}")
    return takes


def _missing(model: OwnModel, there: Sequence[str]) -> list[str]:
    if model.columns is not None:
        return [name for name in model.columns if name not in there]
    return [] if model.width is None or model.width == len(there) else [f"{model.width} columns"]


def _told(model: OwnModel, takes: Takes, features: Sequence[str], missing: Sequence[str]) -> str:
    where = "the encoded features" if takes == "features" else "the columns of the table"
    if model.columns is None:
        return (
            f"takes {model.width} numbers without names, and a record has {len(features)} encoded features: train it on these, or on a DataFrame "
            f"of the table's columns"
        )
    shown = ", ".join(map(repr, missing[:8])) + (", ..." if len(missing) > 8 else "")
    return f"takes columns that are not among {where}: {shown}: keep them in the table (`drop`), or train the model without them"


def answers(
    model: OwnModel,
    takes: Takes,
    x: np.ndarray,
    features: Sequence[str],
    frame: pd.DataFrame | None,
    classes: Sequence[str],
    positive: str | None = None,
) -> np.ndarray:
    """Return P(y = 1 | x) (q,), or (q, C) of C > 2 classes, of the records x (q, d), or of their original columns `frame`.

    classes: the label's; positive: the model's name for y = 1. Raises PopleakError for answers that are none.
    """
    if takes == "columns":
        assert frame is not None  # `taken` refuses it else
        given: Any = frame[list(model.columns)] if model.columns is not None else frame
    else:
        order = (
            list(range(len(features)))
            if model.columns is None
            else [list(features).index(name) for name in model.columns]
        )
        given = x[:, order]
        if model.columns is not None:
            import pandas as pd

            given = pd.DataFrame(given, columns=list(model.columns))
    try:
        found = np.asarray(model.ask(given), dtype=np.float64)
    except PopleakError:
        raise
    except Exception as error:  # whatever a stranger's preprocessing raises
        told = " ".join(str(error).split())[:300]
        raise PopleakError(f"{model.path}: cannot answer the query rows ({type(error).__name__}: {told})") from error
    return _of_classes(_sound(model, found, len(x), len(classes)), model, classes, positive)


def _sound(model: OwnModel, found: np.ndarray, rows: int, classes: int) -> np.ndarray:
    """Return answers (q, C), or (q, 1) of two classes. Raises PopleakError unless they are probabilities."""
    found = found[:, None] if found.ndim == 1 else found
    allowed = (1, 2) if classes == 2 else (classes,)
    if found.ndim != 2 or len(found) != rows or found.shape[1] not in allowed:
        raise PopleakError(
            f"{model.path}: answers {' x '.join(map(str, found.shape))} numbers to {rows} rows, and the label has {classes} classes: give a model of "
            f"the same label"
        )
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(1))[0])
        raise PopleakError(f"{model.path}: answers no number to query row {row + 1}: let it fill in missing values")
    if found.min() < 0 or found.max() > 1 or (found.shape[1] > 1 and np.abs(found.sum(1) - 1).max() > TOLERANCE):
        raise PopleakError(
            f"{model.path}: answers from {found.min():g} to {found.max():g} are no probabilities: let it end in a sigmoid or softmax"
        )
    return found


def _of_classes(found: np.ndarray, model: OwnModel, classes: Sequence[str], positive: str | None) -> np.ndarray:
    """Return answers in the order of the label's classes. Raises PopleakError where the model tells other classes."""
    named = model.class_names()
    if found.shape[1] == 1:
        return found[:, 0]
    if named is None or len(named) != found.shape[1]:
        return found[:, 1] if len(classes) == 2 else found
    words = [word(one) for one in named]
    if len(classes) == 2:
        wanted = positive if positive is not None else "1"
        if positive is None and set(words) == {"-1", "1"}:
            words = ["0" if one == "-1" else one for one in words]
        if wanted not in words:
            raise PopleakError(
                f"{model.path}: tells {' and '.join(map(repr, words))} apart: name the one that is y = 1 with --positive"
            )
        return found[:, words.index(wanted)]
    order = [str(i) for i in range(len(classes))] if set(words) <= set(map(str, range(len(classes)))) else list(classes)
    if sorted(words) != sorted(order):
        raise PopleakError(
            f"{model.path}: tells {', '.join(map(repr, words[:8]))} apart, and the label has the classes {', '.join(classes[:8])}: give a model of the "
            f"same label"
        )
    return found[:, [words.index(one) for one in order]]


def word(value: Any) -> str:
    """Return a class as text: 1.0 and true are 1."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
