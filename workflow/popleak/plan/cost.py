"""Cost of a step, estimated before it runs: CPU seconds on a reference core, and megabytes in memory and on disk.

The plan cuts work into jobs with these numbers, so they are constants, and the same config is cut the same way
everywhere. `popleak plan` measures how fast this machine is relative to the reference, and scales them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core import extras
from ..engine.architecture import ConvNet, Dense
from ..engine.objective import Backend, chosen

START = {"dataset": 0.3, "split": 0.2, "draw": 0.2, "train": 0.35, "defend": 0.35, "sample": 1.3, "query": 0.35, "measure": 0.35,
         "attack": 0.25, "inspect": 1.0, "tables": 0.6, "figures": 2.4, "advise": 0.9, "report": 0.4}  # fmt: skip
"""CPU seconds of a job before its work starts: Python, imports and, for the engine, loading the compiled loops from
the user's cache."""
TORCH = 0.9
"""CPU seconds that importing torch takes, in a job that trains with it."""
SNAKEMAKE = 2.0, 0.18
"""CPU seconds of Snakemake itself: once, and for each job with the shell around it."""

STEP, WEIGHT, ROW, MULTIPLY = 0.35e-6, 0.35e-9, 40e-9, 14.5e-12
"""CPU seconds of the compiled loops for each step, weight in a step, row and multiply-add. They are a least-squares
fit to 13 shapes; most measured times are within a fifth of it."""
UNITS = {
    "relu": (8.5e-9, 0.1e-9),
    "tanh": (11.5e-9, 0.4e-9),
    "tempered-sigmoid": (11.5e-9, 0.4e-9),
    "gelu": (13.5e-9, 0.5e-9),
}
"""CPU seconds of the compiled loops for each row of a hidden layer and each of its units, by the activation, where hidden units are more than
ReLU. For (32, 16) units training takes 1.4 times as long with tanh or a tempered sigmoid and 1.5 with GELU, for (128, 128) 1.1 and 1.2."""
LAYER_NORM, DROPOUT = (28e-9, 0.23e-9), (1e-9, 0.55e-9)
"""The same for what they add: layer norm 0.6 of the time of ReLU alone for (32, 16) units and 0.1 for (128, 128), dropout 0.2."""
SCORED = 0.7
"""Share of these that scoring takes, which drops nothing."""
OBJECTIVE, CLIP, PRIVATE = 1.2, 1.5, 4.0
"""Further time in the compiled loops for targets, row weights, a mask or an l1 penalty, 1.05 to 1.2 times, and for per-example clipping
with noise: 4.2 times for (32, 16) units and batches of 64, 2.2 for 100 units and batches of 256, 1.9 without hidden layers. Most of it
is drawing the noise; clipping alone takes 1.3 to 1.6 times."""
RIVAL, TORCH_RIVAL = 2.9, 2.2
"""Further time for an adversary, in the compiled loops (2.1 times with batches of 50, 2.9 with 256) and in torch (1.7 to 2.2 times)."""
CONVOLVE = 1.6
"""Time of a multiply-add of a convolution relative to one of a linear layer in the compiled loops: 1.2 for images of
24 x 24 and 48 x 48, 2 for 12 x 12 and few channels."""
CHAIN = 8.0
"""Slowdown of torch against the compiled loops for an MLP with ReLU, one model at a time on a CPU: 4 to 10 times,
less for larger networks."""
DENSE, CLIPPED_DENSE = 14.0, 3.3
"""Slowdown of torch for an MLP with other units than ReLU alone: 12 to 27 times, and 3 to 7 times for (128, 128) units. And its further
slowdown with per-example clipping."""
OTHER = 20.0
"""Slowdown for any other module that is trained alone: 16 to 30 times for small networks with another activation, a
normalisation or dropout, less for larger batches."""
CONVNET = 8.0
"""Slowdown of torch for the model cnn: 9 times for images of 24 x 24, 7 times for 48 x 48, 43 times for 12 x 12."""
SHAPED = 200.0
"""Slowdown for any other module with shaped input: 170 to 230 times for the model cnn on 12 x 12 images, and up to 600 times
with batches of 32 rows. Larger images and more channels take longer."""
CLIPPED_CHAIN, CLIPPED = 2.0, 7.0
"""Further slowdown of torch with per-example clipping, for an MLP and for another module: 1.6 to 2.2 times, and 6.5
times for a small network with layer norm."""
RECORDS = 1_000_000
"""Number of records assumed for a dataset of unknown size, to request memory."""
FEATURES = 60
"""Number of features assumed for a dataset that does not state it."""


@dataclass(frozen=True)
class Shape:
    """What a model is trained on: rows, batch size and epochs. sides: layer sizes (features, hidden units, 1) of an
    MLP, None for any other module; slower: slowdown against the compiled loops (`factor`); shaped: whether its input
    has a shape; net: the convolution net that it is, or the MLP with other units than ReLU alone, if it is one."""

    rows: int
    batch: int
    epochs: int
    sides: tuple[int, ...] | None
    slower: float = 1.0
    shaped: bool = False
    net: ConvNet | Dense | None = None

    def seconds(self, epochs: float | None = None) -> float:
        """Return CPU seconds to train one model, by default for its own number of epochs."""
        layers, works = self._layers(), self._multiplies()
        multiplies = 3 * sum(works) - works[0]
        steps = -(-self.rows // min(self.batch, self.rows))
        each = steps * (STEP + WEIGHT * sum(layers)) + self.rows * (ROW + MULTIPLY * multiplies + self._activating())
        return each * (self.epochs if epochs is None else epochs) * self.slower

    def score(self, points: int) -> float:
        """Return the CPU seconds that one model takes to answer `points` queries."""
        each = ROW / 2 + MULTIPLY * sum(self._multiplies()) + self._activating(scoring=True)
        return points * each * self.slower

    def parameters(self) -> int:
        """Return the number of weights of one model."""
        gains = sum(self.net.gains) if isinstance(self.net, Dense) else 0
        return gains + sum((into + 1) * out for into, out in self._counted)

    def _activating(self, scoring: bool = False) -> float:
        """Return the CPU seconds of a row that hidden units take beyond those of ReLU alone."""
        if not isinstance(self.net, Dense):
            return 0.0
        units = self.net.units
        parts = [UNITS[units.activation], *([LAYER_NORM] * units.layer_norm)]
        if not scoring:
            parts += [DROPOUT] * (units.dropout > 0)
        each = sum(layer + unit * width for layer, unit in parts for width in self.net.sides[1:-1])
        return each * (SCORED if scoring else 1)

    @property
    def _counted(self) -> list[tuple[int, int]]:
        """Of each layer the numbers that a unit is given, and its units."""
        if self.net is not None:
            return self.net.layers
        return list(itertools.pairwise(self.sides or (FEATURES, 32, 16, 1)))

    def _layers(self) -> list[int]:
        """Return the weights of each layer, without its biases."""
        return [into * out for into, out in self._counted]

    def _multiplies(self) -> list[float]:
        """Return the multiply-adds of each layer for a row, in those of a linear layer."""
        if not isinstance(self.net, ConvNet):
            return [*map(float, self._layers())]
        *blocks, last = self._layers()
        places = (height * width for _, height, width in self.net.sizes)
        return [*(CONVOLVE * weights * place for weights, place in zip(blocks, places, strict=False)), float(last)]


@dataclass(frozen=True, kw_only=True)
class Plugged(Shape):
    """A model that its plugin fits: a generator, or one whose answers are kept. each: CPU seconds of an epoch; numbers: of what is kept of
    it."""

    each: float
    numbers: int

    def seconds(self, epochs: float | None = None) -> float:
        return self.each * (self.epochs if epochs is None else epochs)

    def parameters(self) -> int:
        return self.numbers


def factor(
    sides: Sequence[int] | None,
    backend: Backend = "auto",
    wants: Collection[str] = (),
    place: Literal["cpu", "cuda"] = "cpu",
    shaped: bool = False,
    net: ConvNet | Dense | None = None,
) -> float:
    """Return the slowdown of training against the compiled loops on cross-entropy; 1 if they do just that.

    wants: what the training needs, as named by `engine.objective.Objective.wants`; shaped: whether the input has a
    shape; net: as of `Shape`. Times for a GPU are given as for a CPU. Raises ValueError as
    `engine.objective.chosen`.
    """
    if not by_torch(sides, backend, wants, place, net):
        slower = {"clip": CLIP, "noise": PRIVATE, "adversary": RIVAL}
        return max((slower.get(word, OBJECTIVE) for word in wants), default=1.0)
    plain, clipped = (CHAIN, CLIPPED_CHAIN) if sides is not None else (SHAPED if shaped else OTHER, CLIPPED)
    if isinstance(net, Dense):
        plain, clipped = DENSE, CLIPPED_DENSE
    elif net is not None:
        plain = CONVNET
    return plain * (clipped if "clip" in wants else TORCH_RIVAL if "adversary" in wants else 1)


def by_torch(
    sides: Sequence[int] | None,
    backend: Backend = "auto",
    wants: Collection[str] = (),
    place: Literal["cpu", "cuda"] = "cpu",
    net: ConvNet | Dense | None = None,
) -> bool:
    """Return whether torch trains such models, as far as times are told: see `factor`, also for what is raised. Raises ValueError where
    torch would have to and is not installed."""
    found = chosen(backend, sides, wants, place if backend == "numba" else "cpu", net) == "torch"
    if (found or place == "cuda") and extras.lacks("torch"):
        raise ValueError(f"torch trains it, and {extras.remedy('torch')}")
    return found


def memory(numbers: float, features: int, copies: int = 4) -> int:
    """Return the megabytes of memory to request. They cover the libraries, three copies of a table of RECORDS records
    (as read, as the engine's table, and padded), and `copies` of the `numbers` in memory at once. A job holds the
    numbers of one world or pair at a time."""
    return round(600 + 3 * RECORDS * features * 4e-6 + copies * numbers * 4e-6)


def bundles(seconds: Sequence[float], limit: float) -> list[list[int]]:
    """Cut positions 0, 1, ... into runs of neighbours that cost at most `limit` together. A position that costs more
    is a run of its own."""
    cut: list[list[int]] = []
    spent = 0.0
    for position, cost in enumerate(seconds):
        if not cut or spent + cost > limit:
            cut.append([])
            spent = 0.0
        cut[-1].append(position)
        spent += cost
    return cut


def parts(seconds: float, limit: float, most: int) -> list[tuple[int, int]]:
    """Return (i, n) for each of n equal parts of a step that costs `seconds`, so that none is much above `limit`."""
    count = max(1, round(min(most, seconds / limit)))
    return [(i, count) for i in range(count)]
