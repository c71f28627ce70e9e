"""Classifiers from ONNX files, run by onnxruntime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import PopleakError
from ..datasets import _meaning
from . import own_labels, own_models

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
        self.types = {one.name: one.type for one in inputs}
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
            fed = {name: np.column_stack([self._column(name, given[:, i], kind) for i in range(given.shape[1])])}
        else:
            fed = {name: self._column(name, given[name].to_numpy(), kind) for name, kind in self.kinds.items()}
        (found,) = self.session.run([self.output], fed)
        if isinstance(found, list):  # a dictionary for each row, by class
            self.named = list(found[0]) if found else None
            return np.array([[row[key] for key in self.named or ()] for row in found])
        return found

    def _column(self, name: str, values: np.ndarray, kind: Any) -> np.ndarray:
        """Return values (q,) as an input (q, 1) has them. Raises PopleakError for one that it cannot represent."""
        found, bad = _converted(values, kind)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            shown = "the missing value" if pd.isna(values[row]) else repr(_meaning.text(values[row]))
            raise PopleakError(
                f"{self.path}: input {name!r} is {self.types[name]}, which cannot hold {shown} of query row {row + 1}: let the model take the column as "
                "it is in the table, or change it there"
            )
        return found[:, None]

    def class_names(self) -> list[Any] | None:
        """Return the keys of the dictionaries that the model answered; None where it answered a matrix, or was not asked yet."""
        return self.named


def _converted(values: np.ndarray, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return values (q,) as the type of an input has them, and which of them (q,) bool it cannot represent.

    Words are text of numbers without zeros at the end of their decimals, as a table's are. Numbers of an input of whole ones are whole and in
    its range, and there is no missing one. A truth value is false, true, 0 or 1.
    """
    missing = pd.isna(values)
    if kind is object:
        return np.array([_meaning.text(one) for one in values], dtype=object), missing
    if kind is bool:
        words = [own_labels.TRUTHS.get(word.casefold(), word) for word in map(_meaning.text, values)]
        return np.array([word == "1" for word in words]), np.array([word not in ("0", "1") for word in words])
    plain = values.dtype.kind in "biuf"
    numbers = values.astype(np.float64) if plain else np.array([*map(_number, values)], dtype=np.float64)
    if np.issubdtype(kind, np.floating):
        return numbers.astype(kind), np.isnan(numbers) & ~missing
    limits = np.iinfo(kind)
    bad = ~((numbers == np.round(numbers)) & (numbers >= limits.min) & (numbers < 2.0 ** (limits.bits - 1)))
    # whole numbers of 64 bits have no room in float64
    return np.where(bad, 0, values if values.dtype.kind in "iu" else numbers).astype(kind), bad


def _number(value: Any) -> float:
    """Return a number or truth value as float, NaN for a word."""
    try:
        return float("nan") if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        return float("nan")


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
