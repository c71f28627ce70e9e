"""A white-box adversary that an owner trains itself: it reads the world off a chain's weights, and its evidence has an exact gradient.

What it reads is a sum over the units of each hidden layer, so that their names do not matter (DeepSets: Ganju et al., "Property inference
attacks on fully connected neural networks using permutation invariant representations", CCS 2018): the mean over units of what each
answers at some points, after the ReLU, layer by layer, and the chain's logits there. A logistic regression with a ridge
is fitted to these for models of both worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FLAT = 1e-10
"""A feature whose standard deviation is a smaller share of its largest value is constant: what is left is rounding."""
Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Reader:
    """evidence = intercept + (features - centre) . slopes, above 0 for world 1.

    sides: of the chain; points (q, d): where it is asked; centre, slopes (f,).
    """

    sides: tuple[int, ...]
    points: np.ndarray
    centre: np.ndarray
    slopes: np.ndarray
    intercept: float

    @classmethod
    def fitted(
        cls, weights: np.ndarray, world: np.ndarray, sides: Sequence[int], points: np.ndarray, ridge: float
    ) -> Reader:
        """Return the adversary that learnt from models `weights` (n, P) of worlds (n,) in {0, 1}. Features are standardised, and each layer's
        have a total variance of 1."""
        sides, points = tuple(sides), np.asarray(points, dtype=np.float64)
        each = np.stack([features(layers(one, sides), points) for one in weights])
        centre = each.mean(axis=0)
        spread = np.sqrt(np.mean((each - centre) ** 2, axis=0))
        varies = spread > FLAT * np.abs(each).max(axis=0)
        width = np.repeat(varies.reshape(-1, len(points)).sum(1), len(points)) ** 0.5
        scale = np.where(varies, 1 / np.where(varies, spread * width, 1.0), 0.0)
        standard = (each - centre) * scale
        duals, intercept = logistic(standard @ standard.T, world, ridge)
        return cls(sides, points, centre, (duals @ standard) * scale, intercept)

    def evidence(self, weights: np.ndarray) -> float:
        """Return the evidence for world 1 in one model's weights (P,)."""
        return float(self.intercept + (features(layers(weights, self.sides), self.points) - self.centre) @ self.slopes)

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Return the gradient (P,) of the evidence with respect to the weights (P,)."""
        chain = layers(weights, self.sides)
        inputs, before = forward(chain, self.points)
        wanted = self.slopes.reshape(len(chain), len(self.points))
        found: list[np.ndarray] = []
        back = wanted[-1][None]  # what the evidence gains from the outputs of a layer, (units, q)
        for i in range(len(chain) - 1, -1, -1):
            found = [(back @ inputs[i].T).reshape(-1), back.sum(axis=1), *found]
            if i:
                units = len(before[i - 1])
                back = (chain[i][0].T @ back + wanted[i - 1] / units) * (before[i - 1] > 0)
        return np.concatenate(found)


def layers(weights: np.ndarray, sides: Sequence[int]) -> Layers:
    """Return for each layer its matrix (out, in) and biases (out,), float64, of one model `weights` (P,)."""
    flat, found, at = np.asarray(weights, dtype=np.float64), [], 0
    for into, out in pairwise(sides):
        found.append((flat[at : at + out * into].reshape(out, into), flat[at + out * into : at + out * into + out]))
        at += out * into + out
    return found


def forward(chain: Layers, points: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what each layer is given at points (q, d) and what it says before the ReLU, (units, q) each."""
    inputs, before = [points.T], []
    for matrix, bias in chain:
        before.append(matrix @ inputs[-1] + bias[:, None])
        inputs.append(np.maximum(before[-1], 0.0))
    return inputs, before


def features(chain: Layers, points: np.ndarray) -> np.ndarray:
    """Return the mean over units of each hidden layer's answers at points (q, d), then the logits: (layers * q,)."""
    inputs, before = forward(chain, points)
    return np.concatenate([*(one.mean(axis=0) for one in inputs[1:-1]), before[-1][0]])


def logistic(gram: np.ndarray, world: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Return (duals (n,), intercept) of the logistic regression on rows with the inner products `gram` (n, n) and worlds (n,) in {0, 1}: slopes
    duals @ rows that minimise the sum of the log losses + ridge / 2 |slopes|^2, by Newton's method."""
    count, duals, intercept = len(world), np.zeros(len(world)), 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(gram @ duals + intercept)))
        curve = np.maximum(p * (1 - p), 1e-12)
        # in the span of the rows: ridge * duals = world - p, linearised around the point that was reached
        target = gram @ duals + intercept + (world - p) / curve
        system = np.zeros((count + 1, count + 1))
        system[:count, :count] = gram + ridge * np.diag(1 / curve)
        system[:count, count] = system[count, :count] = 1
        found = np.linalg.solve(system, np.append(target, 0.0))
        moved = np.abs(found[:count] - duals).max() + abs(found[count] - intercept)
        duals, intercept = found[:count], float(found[count])
        if moved < 1e-10:
            break
    return duals, intercept
