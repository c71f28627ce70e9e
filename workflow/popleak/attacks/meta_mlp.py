"""The meta-classifier as a small network: a multi-layer perceptron from shadow models' outputs to their worlds."""

from __future__ import annotations

import itertools
from typing import Annotated

import numpy as np
from pydantic import Field

from ..core import settings
from ..core.seeds import derive
from ._shadows import CLIP, clipped, columns, logit
from ._standard import Standard
from .base import Attack, Game, Judge, Query

NOTHING = 1e-10
"""Directions in which the shadows vary by a smaller share of the most are rounding."""


class Network(Judge):
    """score = mean logit of K chains of Linear and ReLU on (logit(clipped outputs) - centre).

    layers: weights (K, out, in) and biases (K, out) of each; the first reads unstandardised logits, in = m.
    """

    def __init__(self, layers: list[tuple[np.ndarray, np.ndarray]], *, centre: np.ndarray, clip: float) -> None:
        self.layers, self.centre, self.clip = layers, centre, clip

    def score(self, outputs: np.ndarray) -> float:
        values = logit(clipped(columns(outputs, models=False), clip=self.clip)) - self.centre
        for at, (weights, biases) in enumerate(self.layers):
            values = np.maximum(values, 0.0) if at else values
            values = (weights @ values[..., None])[..., 0] + biases
        return float(values.mean())


class Abstain(Judge):
    """score = 0: the shadows' outputs are constant, or all networks have diverged."""

    def score(self, outputs: np.ndarray) -> float:
        return 0.0


def coordinates(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates (n, r) of n rows along their principal directions, and duals (r, n): row = its inner products
    with all rows, times duals transposed.

    gram (n, n): the rows' inner products; r <= n. A direction's spread is replaced by its square root, and all are
    scaled to a mean square of 1: left as they are, a few directions in which models of one world differ drown the
    others for Adam; made all alike, noise would count as much as they.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(values > NOTHING * values[-1])[::-1]
    values, vectors = values[kept], vectors[:, kept]
    # A vector's sign is arbitrary: the entry that is largest decides.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(kept))])
    spread = values**0.25
    unit = np.sqrt(np.sum(spread**2) / (len(gram) * len(kept)))
    return vectors * (spread / unit), (vectors * (spread / (values * unit))).T


def layers_of(weights: np.ndarray, sides: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (K, out, in) and biases (K, out) of each layer, float64, of flat weights (K, P)."""
    layers, at = [], 0
    for into, out in itertools.pairwise(sides):
        end = at + out * into
        matrix = weights[:, at:end].reshape(-1, out, into).astype(np.float64)
        layers.append((matrix, weights[:, end : end + out].astype(np.float64)))
        at = end + out
    return layers


class MetaMLP(Attack):
    """score = mean logit of `ensemble` multi-layer perceptrons on the vector of clipped logits at the query points.

    Columns are standardised as in `meta`. What a first layer learns lies in the span of the shadows, so it reads their
    principal coordinates, at most one a shadow, in place of one column a point; only the initial weights, Adam's steps
    and the decay, which go by coordinate, depend on the choice of axes (see `coordinates`). A world with fewer shadows
    repeats them until both weigh the same. Networks differ by initial weights and order of batches, which come from the
    game's seed; one that diverges does not count.
    Source: the meta-classifier of Zhang et al., "Leakage of Dataset Properties in Multi-Party Machine Learning",
    USENIX Security 2021, two hidden layers of 20 and 8 units; the mean over an ensemble is ours.
    """

    name = "meta-mlp"
    summary = "a small network on the vector of outputs at the query points, fitted to shadows"
    access = "scores"
    classes = None
    reads = ()
    reaches = 0.98
    seconds = 0.2

    class Settings(settings.Settings):
        clip: float = Field(default=CLIP, gt=0, lt=0.5)
        """Scores are clipped to [clip, 1 - clip] before logits are taken."""
        hidden: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(default=(20, 8), min_length=1, max_length=50)
        """Units of the hidden layers."""
        ensemble: int = Field(default=10, ge=1, le=1000)
        """Networks whose logits are averaged."""
        epochs: int = Field(default=100, ge=1, le=100_000)
        """Passes over the shadows."""
        batch: int = Field(default=32, ge=1, le=1_000_000)
        """Shadows a step."""
        learning_rate: float = Field(default=3e-3, gt=0)
        """Of Adam."""
        weight_decay: float = Field(default=1e-2, ge=0)
        """Of Adam: a penalty on the squares of the weights."""

    def calibrate(
        self, *, shadows_0: np.ndarray, shadows_1: np.ndarray, query: Query, game: Game, settings: Settings
    ) -> Judge:
        """Return a judge fitted to scores (S0, m) and (S1, m), S0 and S1 at least 1. Constant outputs: score 0."""
        from ..engine.fit import Chain, Table, Training, fit  # compiles: nothing that a plugin may load at its top

        standard = Standard.of((shadows_0, shadows_1), clip=settings.clip)
        if not standard.inverse.any():
            return Abstain()
        reduced, duals = coordinates(standard.features @ standard.features.T)
        sizes = len(shadows_0), len(shadows_1)
        even = np.arange(max(sizes))
        rows = np.concatenate([even % sizes[0], sizes[0] + even % sizes[1]])
        world = np.repeat([0, 1], sizes)
        seeds = np.array([derive(game.seed, "meta-mlp", k) for k in range(settings.ensemble)])
        sides = (reduced.shape[1], *settings.hidden, 1)
        training = Training(
            epochs=settings.epochs, batch=settings.batch, learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay, validation=0.0,
        )  # fmt: skip
        table = Table.of(reduced, world, world)
        fitted = fit(Chain(sides), table, np.tile(rows, (len(seeds), 1)), seeds, training, purpose="meta-mlp")
        if not fitted.finite.any():
            return Abstain()
        layers = layers_of(fitted.weights[fitted.finite], sides)
        layers[0] = standard.unscaled(layers[0][0] @ duals), layers[0][1]
        return Network(layers, centre=standard.centre, clip=settings.clip)


PLUGIN = MetaMLP()
