"""The model axis: what `popleak pareto` varies, each with its values and the setting that it is. The one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Part = Literal["model", "training", "defence"]
MODEL, DEFENCE = "mlp", "fft-rehearsal"
"""The plugins whose settings the axes are."""


class Axis(NamedTuple):
    """One thing that varies. part, setting: which setting of the model, of the training of M_0, or of the defence it is; values: in
    their order, from which the sampler learns what is near what, unless they have no order (`ordered`)."""

    name: str
    part: Part
    setting: str
    values: tuple[Any, ...]
    ordered: bool = True


DEPTH, WIDTH = "depth", "width"
"""Both are the model's `widths`."""
DEEPEST = 8
"""Layers at most."""
AXES = (
    Axis(DEPTH, "model", "widths", (1, 2, 3)),
    Axis(WIDTH, "model", "widths", (8, 16, 32, 64, 128)),
    Axis("activation", "model", "activation", ("relu", "gelu", "tanh", "tempered-sigmoid"), ordered=False),
    # of the tempered sigmoid alone; at 2 it is tanh
    Axis("inverse_temperature", "model", "inverse_temperature", (0.5, 1.0, 4.0)),
    Axis("layer_norm", "model", "layer_norm", (False, True), ordered=False),
    Axis("dropout", "model", "dropout", (0.0, 0.1, 0.2, 0.4)),
    Axis("weight_decay", "training", "weight_decay", (0.0, 0.0001, 0.001, 0.01)),
    Axis("learning_rate", "training", "learning_rate", (0.001, 0.003, 0.01)),
    Axis("batch", "training", "batch", (64, 128, 256, 512)),
    Axis("epochs", "training", "epochs", (5, 10, 20, 40)),
    Axis("tune_epochs", "defence", "epochs", (5, 10, 20, 40)),
    Axis("tune_learning_rate", "defence", "learning_rate", (0.0003, 0.001, 0.003, 0.01)),
    Axis("eo_weight", "defence", "eo_weight", (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)),
    Axis("rehearsal", "defence", "rehearsal", (0.1, 0.25, 0.4, 0.5, 0.6)),
)
NAMES = tuple(axis.name for axis in AXES)

Point = Mapping[str, Any]
"""A configuration: a value for each axis by name. An axis that is left out has the default of its setting."""


def settings(point: Point) -> dict[Part, dict[str, Any]]:
    """Return the settings of model, training and defence that a point stands for."""
    found: dict[Part, dict[str, Any]] = {"model": {}, "training": {}, "defence": {}}
    for axis in AXES:
        if axis.name in point and axis.setting != "widths":
            found[axis.part][axis.setting] = point[axis.name]
    if WIDTH in point:
        found["model"]["widths"] = [point[WIDTH]] * point.get(DEPTH, 1)
    return found
