"""Where the compiled loops find an MLP with other hidden units than ReLU: `layout.Layout` for its linear layers, and more."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from .architecture import Dense
from .layout import ACTIVATIONS, LANES, Layout, _padded, _zeros

GELU, SIGMOID, RECTIFIED = range(3)
"""Activations as the loops know them; tanh is a tempered sigmoid."""
FORM, NORMED, SLOPES, NORMAL, GRADIENTS, OWN, CLOSED, SEED, STEP = range(9)
"""Places in the whole numbers that the loops are given: the activation; whether there is layer norm; how far behind an activation its slope
is, and its normalised value; where the gradients of gains and shifts are, and how many; below what a 32-bit draw drops a unit; the
seed of a model's draws, and the number of its step, which the loops set."""
SCALE, STEEPNESS, OFFSET, KEPT = range(4)
"""Places in the other numbers: the tempered sigmoid's settings, and what units that are not dropped are multiplied by."""
WIDTH, GAIN, SHIFT = range(3)
"""Of each hidden layer its units, and where gains and shifts begin among the weights."""
WORDS = 2**32


@dataclass(frozen=True)
class DenseLayout:
    """Where one such MLP and one batch lie in a flat array.

    Weights come first: gains and shifts of each hidden layer, padded to LANES; then those of the linear layers, whose layout is `head`. Behind
    all of that, in the same order as the activations, lie slopes and, with layer norm, normalised values, beside which 1 / sd of the
    row stands in the place of the constant input.

    own: how many of the weights are gains and shifts; hidden (L, 3): see WIDTH; facts, settings: as the loops read them, for training.
    """

    net: Dense
    head: Layout
    own: int
    size: int
    hidden: np.ndarray
    facts: np.ndarray
    settings: np.ndarray

    @classmethod
    @functools.lru_cache(maxsize=64)
    def of(cls, net: Dense, batch: int) -> DenseLayout:
        """Return the layout of a net and batches of `batch` rows."""
        units, widths = net.units, net.sides[1:-1]
        hidden, own = np.zeros((len(widths), 3), np.int64), 0
        for line, width in zip(hidden, widths, strict=True):
            room = _padded(width, LANES)
            line[:] = width, own, own + room
            own += 2 * room if units.layer_norm else 0
        head = Layout.of(net.sides, batch, own)
        start = int(head.shape[0, ACTIVATIONS])
        behind = _padded(head.size - start, LANES * 2)
        gradients = start + (3 if units.layer_norm else 2) * behind
        form = {"relu": RECTIFIED, "gelu": GELU}.get(units.activation, SIGMOID)
        facts = [
            form, units.layer_norm, behind, 2 * behind, gradients, own, round(units.dropout * WORDS), 0, 0,
        ]  # fmt: skip
        tempered = [units.scale, units.inverse_temperature, units.offset]
        settings = [2.0, 2.0, 1.0] if units.activation == "tanh" else tempered
        settings.append(1 / (1 - units.dropout))
        return cls(net, head, own, gradients + own, hidden, np.array(facts, np.int64), np.array(settings))

    @property
    def weights(self) -> int:
        """Numbers that the packed weights of one model take."""
        return self.own + self.head.weights

    def parameters(self) -> int:
        """Return P, the number of weights, biases, gains and shifts of one model."""
        return self.head.parameters() + sum(self.net.gains)

    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where the linear layers' numbers are among a model's own, where gains and shifts are, and where these are packed."""
        linear, given, packed, at = [], [], [], 0
        for i, (into, out) in enumerate(self.net.layers):
            linear.append(np.arange(at, at + out * (into + 1)))
            at += out * (into + 1)
            for column in (GAIN, SHIFT) if self.net.gains[i] else ():
                given.append(np.arange(at, at + out))
                packed.append(self.hidden[i, column] + np.arange(out))
                at += out
        nothing = [np.empty(0, np.int64)]
        return np.concatenate(linear), np.concatenate(nothing + given), np.concatenate(nothing + packed)

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """Return weights (K, P), in the order of torch's parameters, in this layout: (K, `weights`)."""
        linear, given, packed = self._places()
        found = np.zeros((len(flat), self.weights), flat.dtype)
        found[:, self.own :] = self.head.pack(flat[:, linear])
        found[:, packed] = flat[:, given]
        return found

    def unpack(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights (K, P) of `pack`."""
        linear, given, packed = self._places()
        flat = np.empty((len(weights), self.parameters()), weights.dtype)
        flat[:, linear] = self.head.unpack(weights[:, self.own :])
        flat[:, given] = weights[:, packed]
        return flat

    def arena(self, dtype: np.dtype) -> np.ndarray:
        """Return the flat array (`size`,) of one thread, with the constant inputs set."""
        work = _zeros(self.size, dtype)
        self.head.fill(work)
        return work

    def told(self, noise: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what the loops are given: facts, settings, hidden layers, and each model's seed (K,) of draws; None: nothing is dropped."""
        facts = self.facts.copy()  # the loops write into it
        if noise is None:
            facts[CLOSED] = 0
        return facts, self.settings, self.hidden, np.zeros(0, np.int64) if noise is None else noise
