"""Classifiers from ONNX files, run by onnxruntime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import PopleakError
from . import own_models

FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
KINDS: dict[str, Any] = {
    **FLOATS,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(string)": object,
    "tensor(bool)": bool,
}


class OnnxModel(own_models.OwnModel):
    """A graph with one matrix as its input, or with an input for each column."""

    kind = "ONNX"

    def __init__(self, path: Path, session: Any) -> None:
        self.session, inputs = session, session.get_inputs()
        self.kinds = {one.name: KINDS.get(one.type) for one in inputs}
        if odd := [one for one in inputs if one.type not in KINDS]:
            raise PopleakError(f"{path}: input {odd[0].name!r} is {odd[0].type}: give a model of numbers and words")
        self.matrix = len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1
        width = inputs[0].shape[1] if self.matrix else None
        super().__init__(path, None if self.matrix else tuple(self.kinds), width if isinstance(width, int) else None)
        self.output = _output(path, session.get_outputs())
        self.named: list[Any] | None = None

    def ask(self, given: Any) -> np.ndarray:
        if self.matrix:
            ((name, kind),) = self.kinds.items()
            fed = {name: np.ascontiguousarray(given, dtype=kind)}
        else:
            fed = {name: _column(given[name], kind) for name, kind in self.kinds.items()}
        (found,) = self.session.run([self.output], fed)
        if isinstance(found, list):  # a dictionary for each row, by class
            self.named = list(found[0]) if found else None
            return np.array([[row[key] for key in self.named or ()] for row in found])
        return found

    def class_names(self) -> list[Any] | None:
        """Return the keys of the dictionaries that the model answered; None where it answered a matrix, or was not asked yet."""
        return self.named


def _column(values: Any, kind: Any) -> np.ndarray:
    column = values.to_numpy()
    words = kind is object
    return (column.astype(str).astype(object) if words else column.astype(kind))[:, None]


def read(path: Path) -> OnnxModel:
    """Return the model in a file. Raises PopleakError for what onnxruntime cannot run."""
    runtime = own_models.library("onnxruntime", path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        # bytes and no path, so that no other file is read
        session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise PopleakError(f"{path}: cannot be run as ONNX ({told}): export it again, weights inside") from error
    return OnnxModel(path, session)


def _output(path: Path, outputs: Any) -> str:
    """Return the name of the output that holds probabilities. Raises PopleakError where it is not clear which."""
    found = [one.name for one in outputs if one.type in FLOATS or one.type.startswith("seq(map(")]
    named = [name for name in found if "prob" in name.lower()]
    if len(named or found) != 1:
        raise PopleakError(
            f"{path}: which of its outputs ({', '.join(one.name for one in outputs)}) is P(y | x)? name one 'probabilities'"
        )
    return (named or found)[0]
