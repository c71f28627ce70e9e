"""White box, told the initial weights too: which world a model was trained in, from how far training moved it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _chains
from .weights import Fitting, Reader, Weights


def answer(chain: _chains.Layers, points: np.ndarray) -> np.ndarray:
    """Return of a chain the product of its matrices, with the biases in the last entry, (d + 1,), then its logits at the points (m,)."""
    (matrix, bias), *rest = chain
    path, inside = np.column_stack([matrix, bias]), matrix @ points.T + bias[:, None]
    for matrix, bias in rest:
        path, inside = matrix @ path, matrix @ np.maximum(inside, 0.0) + bias[:, None]
        path[:, -1] += bias
    return np.concatenate([path[0], inside[0]])


def moves(chain: _chains.Layers, start: _chains.Layers, points: np.ndarray) -> np.ndarray:
    """Return by how much `answer` moved from the start: by the training of all layers, then of each layer by itself, the others being as
    they began, ((layers + 1) * (d + 1 + m),)."""
    begun = answer(start, points)
    trained = [chain, *([*start[:i], layer, *start[i + 1 :]] for i, layer in enumerate(chain))]
    return np.concatenate([answer(one, points) - begun for one in trained])


class Moved(Reader):
    """Turns one model's weights and initial weights (2P,) into features: the sums over units that `weights` reads, and `moves`."""

    def block(self, features: int) -> np.ndarray:
        sums = _chains.blocks(self.sides, len(self.points))
        sizes = [self.sides[0] + 1, len(self.points)] * len(self.sides)
        return np.concatenate([sums, sums[-1] + 1 + np.repeat(np.arange(len(sizes)), sizes)])

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        trained, begun = (_chains.layers(half, self.sides) for half in np.split(np.asarray(weights), 2))
        sums = _chains.summaries(_chains.in_order(trained), self.points)
        return np.concatenate([sums, moves(trained, begun, self.points)])


class WeightsStart(Weights):
    """score = decision function of a logistic regression on features of the weights and of what training did to them.

    Beside the sums over units that `weights` reads (form deepsets): by how much the chain without its ReLUs, and its logits
    at random points, moved from the initial weights, by all layers together and by each layer alone. A unit keeps its name from start to
    end, so the move of a layer is read where the other layers are as they began, and sums over units stay what they are if units are
    renamed in both. What initial weights add to the trained ones is noise to the other attack; here it is taken out.
    Each model's initial weights are its own. Of its own shadows the adversary has them; of a victim if the owner tells (the access says
    how). Blocks, standardisation, strength and threshold as in `weights`.
    Source: after Ganju et al., CCS 2018, as `weights`; the difference to a known start is what gradient-based attacks on
    federated learning see (Melis et al., "Exploiting Unintended Feature Leakage in Collaborative Learning", IEEE S&P 2019).
    """

    name = "weights-start"
    summary = (
        "logistic regression on sums over the weights and on how training moved them from the known initial weights"
    )
    access = "weights-start"
    reaches = 0.98

    class Settings(Fitting):
        pass

    def ignores_unit_order(self, settings: Any) -> bool:
        return True

    def reader(self, sides: tuple[int, ...], points: np.ndarray, settings: Any) -> Reader:
        return Moved("deepsets", sides, points)


PLUGIN = WeightsStart()
