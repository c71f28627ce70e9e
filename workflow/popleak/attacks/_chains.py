"""Chains of Linear and ReLU as flat vectors of weights: their layers, an order of their units, and sums over units.

Hidden units may be renamed at will, with their incoming and outgoing weights, and the chain computes the same. What is
read off the weights must not depend on the names: either the units are put into an order that follows from the weights,
or every layer is summed over its units, or both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

LARGEST = 1e6
"""Larger weights, those of a model that diverged, are read as this; products of a few layers then stay finite."""
Layers = list[tuple[np.ndarray, np.ndarray]]


def layers(weights: np.ndarray, sides: Sequence[int]) -> Layers:
    """Return for each layer its matrix (out, in) and biases (out,), float64 and finite, of one model `weights` (P,).

    sides: features, units of each hidden layer, 1. A weight that is not a number counts as 0.
    """
    finite = np.nan_to_num(np.asarray(weights, dtype=np.float64), nan=0.0, posinf=LARGEST, neginf=-LARGEST)
    finite = np.clip(finite, -LARGEST, LARGEST)
    found, at = [], 0
    for into, out in pairwise(sides):
        matrix, at = finite[at : at + out * into].reshape(out, into), at + out * into
        bias, at = finite[at : at + out], at + out
        found.append((matrix, bias))
    if at != len(finite):
        raise ValueError(f"{len(finite)} weights do not fill a chain with sides {tuple(sides)}, which has {at}")
    return found


def flat(chain: Layers) -> np.ndarray:
    """Return the layers as one vector (P,)."""
    return np.concatenate([part.reshape(-1) for layer in chain for part in layer])


def in_order(chain: Layers) -> Layers:
    """Return the chain with the units of each hidden layer in rising order of the sum of their incoming weights.

    Of equal sums the incoming weights decide, then the bias, then the outgoing weights in rising order. Layers are
    taken from the first on, so each sum runs over units already in order: renamed units give the same chain, bit for
    bit.
    """
    chain = list(chain)
    for i in range(len(chain) - 1):
        (matrix, bias), (after, bias_after) = chain[i], chain[i + 1]
        keys = [np.ascontiguousarray(matrix).sum(axis=1), *matrix.T, bias, *np.sort(after, axis=0)]
        order = np.lexsort(keys[::-1])
        chain[i] = np.ascontiguousarray(matrix[order]), bias[order]
        chain[i + 1] = np.ascontiguousarray(after[:, order]), bias_after
    return chain


def summaries(chain: Layers, points: np.ndarray) -> np.ndarray:
    """Return the means over units of three functions of each unit, layer after layer: (layers * (2 (d + 1) + m),).

    points (m, d). Of a unit with incoming weights w, bias b and inputs from the units k of the layer before:
    - path (d + 1,): sum_k w_k path_k, plus b in the last entry; in the first layer [w, b]. That of the last layer is
      the product of the matrices, the chain with its ReLUs left out;
    - size (d + 1,): sum_k |w_k| size_k; in the first layer |[w, b]|;
    - answer (m,): relu(sum_k w_k answer_k + b); in the first layer relu(w . point + b); in the last without the ReLU,
      so that it is the chain's logit at the points.
    """
    matrix, bias = chain[0]
    path = np.column_stack([matrix, bias])
    size = np.abs(path)
    answer = matrix @ points.T + bias[:, None]
    found = [path.mean(axis=0), size.mean(axis=0)]
    for matrix, bias in chain[1:]:
        answer = np.maximum(answer, 0.0)
        found.append(answer.mean(axis=0))
        path, size, answer = matrix @ path, np.abs(matrix) @ size, matrix @ answer + bias[:, None]
        path[:, -1] += bias
        found += [path.mean(axis=0), size.mean(axis=0)]
    return np.concatenate([*found, answer[0]])


def blocks(sides: Sequence[int], points: int) -> np.ndarray:
    """Return for each entry of `summaries` the number of the block of entries that it belongs to."""
    sizes = [sides[0] + 1, sides[0] + 1, points] * (len(sides) - 1)
    return np.repeat(np.arange(len(sizes)), sizes)
