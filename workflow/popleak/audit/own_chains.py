"""MLPs with ReLU from safetensors: weights under the names of a torch `Sequential` of Linear and ReLU, checked by their shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import PopleakError
from ..engine.architecture import Chain
from ..engine.fit import predict
from . import own_models

NAME = re.compile(r"(?P<before>.*?)(?P<number>\d+)\.(?P<part>weight|bias)")


class ChainModel(own_models.OwnModel):
    """Linear layers with ReLU between them, and one logit or C."""

    kind = "safetensors"

    def __init__(self, path: Path, sides: tuple[int, ...], weights: np.ndarray) -> None:
        super().__init__(path, None, sides[0])
        self.sides, self.weights = sides, weights

    def ask(self, given: Any) -> np.ndarray:
        return predict(Chain(self.sides), self.weights[None], np.ascontiguousarray(given, dtype=np.float32))[0]

    def choice(self) -> dict[str, Any]:
        widths = list(self.sides[1:-1])
        return {"name": "mlp", "settings": {"widths": widths}} if widths else {"name": "logistic"}


def read(path: Path, widths: Sequence[int] | None = None) -> ChainModel:
    """Return the model in a file; widths: what its hidden layers must have. Raises PopleakError unless it is a chain of Linear layers."""
    numpy = own_models.library("safetensors.numpy", path)
    try:
        tensors = numpy.load_file(path)
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise PopleakError(f"{path}: cannot be read as safetensors ({told}): save it again") from error
    layers: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    for name, values in tensors.items():
        match = NAME.fullmatch(name)
        if match is None:
            raise PopleakError(
                f"{path}: {name!r} is no weight or bias of a Linear layer in a Sequential (0.weight, 0.bias, 2.weight, ...)"
            )
        layers.setdefault((match["before"], int(match["number"])), {})[match["part"]] = values
    ordered = [layers[key] for key in sorted(layers)]
    sides = _sides(path, ordered)
    if sides[-1] == 2:  # softmax of two logits is the sigmoid of their difference
        ordered[-1] = {part: values[1:] - values[:1] for part, values in ordered[-1].items()}
        sides = (*sides[:-1], 1)
    if widths is not None and tuple(widths) != sides[1:-1]:
        raise PopleakError(f"{path}: its hidden layers have {list(sides[1:-1])} units, not {list(widths)}")
    flat = np.concatenate([one[part].astype(np.float32).ravel() for one in ordered for part in ("weight", "bias")])
    return ChainModel(path, sides, flat)


def _sides(path: Path, layers: Sequence[dict[str, np.ndarray]]) -> tuple[int, ...]:
    """Return the sizes of the layers. Raises PopleakError unless each takes what the one before gives."""
    sides: list[int] = []
    for i, layer in enumerate(layers):
        if (
            set(layer) != {"weight", "bias"}
            or layer["weight"].ndim != 2
            or layer["bias"].shape != layer["weight"].shape[:1]
        ):
            raise PopleakError(f"{path}: layer {i + 1} is no Linear layer with a weight (out, in) and a bias (out,)")
        out, into = layer["weight"].shape
        if sides and sides[-1] != into:
            raise PopleakError(f"{path}: layer {i + 1} takes {into} numbers, and the one before gives {sides[-1]}")
        if not all(np.isfinite(values).all() for values in layer.values()):
            raise PopleakError(f"{path}: layer {i + 1} has weights that are no numbers")
        sides += [into, out] if not sides else [out]
    if not sides:
        raise PopleakError(f"{path}: holds no layer")
    return tuple(sides)
