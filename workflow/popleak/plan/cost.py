"""What a step costs, estimated before it runs: CPU seconds of a reference core, megabytes in memory and on disk.

The plan cuts work into jobs with these numbers, so they are constants: the same config is cut the same way everywhere.
`popleak plan` measures how fast this machine is beside the reference and scales them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..engine.architecture import ConvNet
from ..engine.objective import Backend, chosen

START = {"dataset": 0.3, "split": 0.2, "draw": 0.2, "train": 0.35, "defend": 0.35, "query": 0.35, "measure": 0.35,
         "attack": 0.25, "tables": 0.6, "figures": 2.4, "report": 0.4}  # fmt: skip
"""CPU seconds of a job before its work: Python, imports, and for the engine its loops, found in the user's cache."""
TORCH = 0.9
"""CPU seconds of the import of torch, in a job that trains by it."""
SNAKEMAKE = 2.0, 0.18
"""CPU seconds of Snakemake itself: once, and for each job with the shell around it."""

STEP, WEIGHT, ROW, MULTIPLY = 0.35e-6, 0.35e-9, 40e-9, 14.5e-12
"""CPU seconds of the compiled loops for a step, for each weight in it, for a row, and for a multiply-add: least squares over 13
shapes, most of them within a fifth of what is measured."""
CONVOLVE = 1.6
"""How many times as long as a multiply-add of a linear layer one of a convolution takes in the compiled loops: 1.2 times for images of 24 x 24
and 48 x 48, twice for 12 x 12 and few channels."""
CHAIN = 8.0
"""How many times as long a chain of Linear and ReLU takes through torch, one at a time on a CPU: 4 to 10 times, fewer the larger it is."""
OTHER = 20.0
"""How many times as long a module takes that is no chain of Linear and ReLU and is trained alone: 16 to 30 times, fewer the
more rows a step has, for small networks with another activation, a normalisation or dropout."""
CONVNET = 8.0
"""How many times as long the model cnn takes through torch: 9 times for images of 24 x 24, 7 times for 48 x 48, 43 times for 12 x 12."""
SHAPED = 200.0
"""How many times as long another module takes whose input has a shape as a small chain in the compiled loops: 170 to 230 times for the model cnn
on 12 x 12 images, and up to 600 with 32 rows a step. Larger images and more channels take longer."""
CLIPPED_CHAIN, CLIPPED = 2.0, 7.0
"""How many times as long torch takes with per-example clipping, for a chain and for another module: 1.6 to 2.2 times, and 6.5 for a small
network with layer norm."""
RECORDS = 1_000_000
"""Records of a dataset whose size the plan does not know: what memory is asked for."""
FEATURES = 60
"""Features of a dataset that does not say how many it has."""


@dataclass(frozen=True)
class Shape:
    """What a model is trained on: rows, rows a step, epochs; sides (features, units of the hidden layers, 1) or None for
    another module than a chain; slower: how many times as long it takes as in the compiled loops (`factor`); shaped: whether its
    input has a shape; net: the convolution net that it is."""

    rows: int
    batch: int
    epochs: int
    sides: tuple[int, ...] | None
    slower: float = 1.0
    shaped: bool = False
    net: ConvNet | None = None

    def seconds(self, epochs: int | None = None) -> float:
        """Return CPU seconds to train one model, by default for its own number of epochs."""
        layers, works = self._layers(), self._multiplies()
        multiplies = 3 * sum(works) - works[0]
        steps = -(-self.rows // min(self.batch, self.rows))
        each = steps * (STEP + WEIGHT * sum(layers)) + self.rows * (ROW + MULTIPLY * multiplies)
        return each * (self.epochs if epochs is None else epochs) * self.slower

    def score(self, points: int) -> float:
        """Return CPU seconds in which one model answers `points` queries."""
        each = ROW / 2 + MULTIPLY * sum(self._multiplies())
        return points * each * self.slower

    def parameters(self) -> int:
        """Return the number of weights of one model."""
        return sum((into + 1) * out for into, out in self._counted)

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
        if self.net is None:
            return [*map(float, self._layers())]
        *blocks, last = self._layers()
        places = (height * width for _, height, width in self.net.sizes)
        return [*(CONVOLVE * weights * place for weights, place in zip(blocks, places, strict=False)), float(last)]


def factor(
    sides: Sequence[int] | None,
    backend: Backend = "auto",
    wants: Collection[str] = (),
    place: Literal["cpu", "cuda"] = "cpu",
    shaped: bool = False,
    net: ConvNet | None = None,
) -> float:
    """Return how many times as long training takes as in the compiled loops: 1 where they do it.

    wants: what is asked of the training, as `engine.objective.Objective.wants` names it; shaped: its input has a shape; net: the convolution net that
    it is. On a GPU the times are told as those of a CPU. Raises ValueError as `engine.objective.chosen`.
    """
    if chosen(backend, sides, wants, place if backend == "numba" else "cpu", net is not None) == "numba":
        return 1.0
    plain, clipped = (CHAIN, CLIPPED_CHAIN) if sides is not None else (SHAPED if shaped else OTHER, CLIPPED)
    if net is not None:
        plain = CONVNET
    return plain * (clipped if "clip" in wants else 1)


def memory(numbers: float, features: int, copies: int = 4) -> int:
    """Return megabytes to ask for: libraries, a table of RECORDS records three times (as read, as the engine's table, and
    padded), and `copies` of the `numbers` that are in memory at once, those of one world or pair however many a job holds."""
    return round(600 + 3 * RECORDS * features * 4e-6 + copies * numbers * 4e-6)


def bundles(seconds: Sequence[float], limit: float) -> list[list[int]]:
    """Cut positions 0, 1, ... into runs of neighbours that cost at most `limit` together, or one that costs more alone."""
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
