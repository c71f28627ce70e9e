"""Memory layout of one model, one batch and the feature table for the compiled loops: flat arrays, padded to the
tiles."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .eo import PENALTIES, Penalty

ROWS = 8
"""Rows of a tile; the rows of every product are padded to a multiple of it."""
LANES = 8
"""Columns of the narrow tile; the columns of every product are padded to a multiple of it."""
LINE = 64
"""Bytes of a cache line."""
ACTIVATIONS, LENGTH = 3, 4
"""Columns of `Layout.shape` that are asked for alone."""

_WORK = (("n", 1), ("i", 2))
_EPOCH = (
    *_WORK, ("i", 0), ("i", 0), ("n", 1), ("i", 1), ("i", 1), ("i", 2), ("i", 3), ("i", 0), ("n", 2), ("n", 2), ("n", 2),
    ("i", 0), ("d", 0), ("d", 0), ("i", 1),
)  # fmt: skip
_TERM = ("i", 0), ("d", 0), ("d", 0), ("d", 0), ("d", 0)  # the fields of a `Term`, one after another
_FAIR = (*_TERM, ("i", 0), ("d", 2), ("i", 2), ("d", 2), ("n", 1))
_OWN = ("n", 2), ("n", 2), ("i", 2), ("n", 1), ("d", 0)
_PRIVATE = (
    *_WORK, ("i", 0), ("i", 0), ("i", 0), ("n", 1), ("i", 2), ("i", 2), ("n", 2), ("n", 2), ("i", 2), ("n", 1), ("n", 2), ("n", 2),
    ("n", 2), ("i", 0), ("d", 0), ("d", 0), ("d", 0), ("d", 0), ("i", 0), ("i", 1), ("d", 3), ("d", 0), ("i", 1), ("n", 1),
)  # fmt: skip
_RIVAL = (
    *_WORK, *(("i", 0),) * 4, ("n", 1), ("i", 2), ("i", 0), ("n", 2), ("n", 2), ("i", 2), ("i", 1), ("i", 1), ("n", 1), ("n", 2),
    ("n", 2), ("n", 2), ("i", 0), ("d", 0), ("d", 0), ("d", 0), ("d", 2), ("d", 2), ("d", 2), ("d", 0), ("d", 0), ("i", 2), ("n", 2),
    ("d", 1),
)  # fmt: skip
_SCORE = (*_WORK, ("n", 1), ("i", 2), ("i", 0), ("n", 2), ("n", 2))
_IMAGES = ("i", 2), ("i", 1), ("i", 0), ("i", 0), ("n", 2)
_UNITS = ("i", 1), ("d", 1), ("i", 2), ("i", 1)
ARGUMENTS = {
    "score": _SCORE,
    "train": _EPOCH,
    "train-fair": (*_EPOCH, *_FAIR),
    "train-own": (*_EPOCH, *_OWN),
    "train-own-fair": (*_EPOCH, *_FAIR, *_OWN),
    "train-private": _PRIVATE,
    "train-rival": _RIVAL,
    "score-images": (*_SCORE, ("i", 2), ("i", 1), ("i", 0)),
    "train-images": (*_EPOCH, *_IMAGES),
    "train-images-fair": (*_EPOCH, *_FAIR, *_IMAGES),
    "score-units": (*_SCORE, *_UNITS),
    "train-units": (*_EPOCH, *_UNITS),
    "train-units-fair": (*_EPOCH, *_FAIR, *_UNITS),
    "train-own-units": (*_EPOCH, *_UNITS, *_OWN),
    "train-own-units-fair": (*_EPOCH, *_FAIR, *_UNITS, *_OWN),
}
"""Arguments of each compiled loop: (kind, number of axes; 0 for a number that is no array). Kinds: "n", the models' own
precision; "i", int64; "d", float64. An array is passed as its address and the length of each axis."""

NONE, SOME, ALL = 0, 1, 2
"""How many of a layer's numbers move."""
SQUARED, LAGRANGIAN, COVARIANCE, HSIC = (
    PENALTIES.index(form) for form in ("squared", "lagrangian", "covariance", "hsic")
)


class Term(NamedTuple):
    """The penalty as the compiled loops read it: `engine.eo.Penalty` with its form as a number. Its criterion is in the cells."""

    form: int
    weight: float
    epsilon: float
    dual_rate: float
    bandwidth: float

    @classmethod
    def of(cls, penalty: Penalty) -> Term:
        """Return the term of a penalty."""
        form = PENALTIES.index(penalty.form)
        return cls(form, penalty.weight, penalty.epsilon, penalty.dual_rate, penalty.bandwidth)


def degree(bandwidth: float) -> int:
    """Return how many terms of the series of exp(u v) give all digits for scores, u and v being at most 1 / (2 bandwidth)."""
    largest, found, size = 0.25 / bandwidth**2, 1, 0.25 / bandwidth**2
    while size > 1e-18:
        found += 1
        size *= largest / found
    return found


def _padded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


@dataclass(frozen=True)
class Layout:
    """Offsets of one model and one batch in a flat array: weights, one layer's gradients, the same layer transposed,
    activations by layer.

    A layer's weights are stored input by output, and its bias as the row of an additional input that is always 1.
    Layer sizes are padded; the padding is 0 and stays 0 in every step, so it changes no result. shape (L + 1, 5): for
    each layer its inputs (bias among them), padded outputs, the offset of its weights, the offset of its input
    activations and the length of a row of these; a last line for the logits. weights: how many numbers the weights
    take; rooms: the offsets of the gradients and of the transposed weights, for one layer at a time.
    before: how many numbers lie in front of all that.
    """

    sides: tuple[int, ...]
    batch: int
    weights: int
    rooms: tuple[int, int]
    size: int
    shape: np.ndarray
    before: int = 0

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, sides: tuple[int, ...], batch: int, before: int = 0) -> Layout:
        """Return the layout of the chain with `sides` (features, units of each hidden layer, 1) and batches of `batch`."""
        inputs = [sides[0] + 1, *(_padded(side, LANES) + 1 for side in sides[1:])]
        outputs = [*(_padded(side, LANES) for side in sides[1:]), 0]
        lengths = [_padded(count, ROWS) for count in inputs]
        blocks = [length * out for length, out in zip(lengths, outputs, strict=True)]
        rows, weights, room = _padded(batch, ROWS), sum(blocks), max(blocks)
        at, end = itertools.accumulate(blocks, initial=before), before + weights
        starts = itertools.accumulate((rows * length for length in lengths), initial=end + 2 * room)
        shape = np.array(list(zip(inputs, outputs, at, starts, lengths, strict=False)), dtype=np.int64)
        size = int(shape[-1, ACTIVATIONS]) + rows * lengths[-1]
        return cls(tuple(sides), batch, weights, (end, end + room), size, shape, before)

    def _layers(self, flat: np.ndarray, packed: np.ndarray):
        """Yield per layer (weight (K, out, in), bias (K, out)) as views of `flat` (K, P), and the same of `packed`."""
        at = 0
        for (into, out), (count, padded, start, _, length) in zip(
            itertools.pairwise(self.sides), self.shape, strict=False
        ):
            start -= self.before
            block = packed[:, start : start + length * padded].reshape(-1, length, padded)
            weight = flat[:, at : at + out * into].reshape(-1, out, into)
            bias = flat[:, at + out * into : at + out * into + out]
            yield (weight, bias), (block[:, :into, :out].transpose(0, 2, 1), block[:, count - 1, :out])
            at += out * into + out

    def parameters(self) -> int:
        """Return P, the number of weights and biases of one model."""
        return sum(out * (into + 1) for into, out in itertools.pairwise(self.sides))

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """Return weights (K, P), in the order of torch's parameters, in this layout: (K, `weights`)."""
        packed = np.zeros((len(flat), self.weights), flat.dtype)
        for ours, theirs in self._layers(np.ascontiguousarray(flat), packed):
            for source, target in zip(ours, theirs, strict=True):
                target[...] = source
        return packed

    def parts(self, moves: np.ndarray) -> np.ndarray:
        """Return of each layer (L,) whether `NONE`, `SOME` or `ALL` of its numbers move, by what `pack` makes of a mask, (`weights`,)."""
        flat, found = np.empty((1, self.parameters()), moves.dtype), []
        for _, (weight, bias) in self._layers(flat, moves[None]):
            ones = [*weight.ravel(), *bias.ravel()]
            found.append(ALL if all(ones) else SOME if any(ones) else NONE)
        return np.array(found, np.int64)

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """Return the weights (K, P) of `pack`."""
        flat = np.empty((len(packed), self.parameters()), packed.dtype)
        for ours, theirs in self._layers(flat, packed):
            for target, source in zip(ours, theirs, strict=True):
                target[...] = source
        return flat

    def arena(self, dtype: np.dtype, more: int = 0) -> np.ndarray:
        """Return the flat array (`size` + more,) of one thread, with the constant inputs set."""
        work = _zeros(self.size + more, dtype)
        self.fill(work)
        return work

    def fill(self, work: np.ndarray) -> None:
        """Set the constant inputs in a flat array."""
        for count, _, _, start, length in self.shape[1:]:
            work[start : start + length * _padded(self.batch, ROWS)].reshape(-1, length)[:, count - 1] = 1


def _zeros(size: int, dtype: np.dtype) -> np.ndarray:
    """Return `size` zeros that begin on a cache line, so that arrays padded to whole lines do not straddle one more
    line."""
    raw = np.zeros(size + LINE, dtype)
    skip = (-raw.ctypes.data % LINE) // raw.itemsize
    return raw[skip : skip + size]


def pack_table(x: np.ndarray) -> np.ndarray:
    """Return features (N, d) as rows of the layout's first activations: padded, with the constant input, flat."""
    rows, features = x.shape
    length = _padded(features + 1, ROWS)
    flat = _zeros(rows * length, x.dtype)
    packed = flat.reshape(rows, length)
    packed[:, :features] = x
    packed[:, features] = 1
    return flat
