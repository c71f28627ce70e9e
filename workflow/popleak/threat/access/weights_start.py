"""All weights, and the initial weights that training began with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from ...core.protocols import Role
from .base import Source
from .weights import Weights

if TYPE_CHECKING:
    from ...store.answers import Answers


class WeightsStart(Weights):
    """(2P,) the weights, then the model's own initial weights, each layer by layer as in `weights`.

    Every model has initial weights of its own, from its own seed. So an adversary knows a victim's only if the owner tells: by code and
    seed of a training that anybody can repeat, or by a public checkpoint that the training started from.
    """

    name = "weights-start"
    summary = "all weights of the model, and its initial weights"
    words = "weights, and those before training"
    mark = "white box, with initial weights"
    place = 4
    holds = ("labels", "scores", "weights")
    sets = 2

    def read(self, source: Source, role: Role, arm: str, repeats: int, votes: bool) -> Answers:
        # By name: figures and the report read the words of every access, and are not to be made again with the engine. What is made here
        # is, since the models come from steps whose ids hold the engine's code.
        engine = import_module("popleak.engine.fit")
        trained = source.models(role, arm)
        start = engine.initial_weights(source.architecture(), trained.keys["seed"])
        return trained._replace(scores=np.concatenate([trained.scores, start], axis=1))


PLUGIN = WeightsStart()
