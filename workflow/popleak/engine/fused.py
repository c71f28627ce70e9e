"""MLPs with ReLU and convolution nets, trained one after another in a compiled loop (`loops`) in which a whole step
stays in cache.

One step of one model is about ten microseconds of arithmetic on a few hundred kilobytes. With library calls over a
stack of models, most of the time would go into calls and memory traffic. Each model is computed alone, so no bit of
its weights or scores depends on its neighbours.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..core import accounting
from ..core.seeds import derive
from .architecture import ConvNet
from .compiled import Loop, loop
from .imagery import GROUP, Imagery
from .layout import Layout, Term
from .objective import DEFAULT, Objective, not_in_numba

SCORED = 256
"""Rows scored at a time: enough to fill the tiles, few enough to stay in cache."""


class Fused:
    """The compiled backend of `engine.fit`. sides: layer sizes (features, units of each hidden layer, 1); threads:
    share the models.

    build: makes an MLP with its own initial weights; None for torch's default scheme.
    """

    def __init__(self, sides: tuple[int, ...], threads: int = 1, build: Callable[[], Any] | None = None) -> None:
        self.sides, self.threads, self.build = sides, threads, build

    form = ""
    """What the names of the loops end in."""
    scored = SCORED
    """Rows scored at a time."""

    def layout(self, batch: int) -> Any:
        """Return where a model and a batch lie."""
        return Layout.of(self.sides, batch)

    def _more(self, layout: Any, room: np.ndarray | None) -> tuple[Any, ...]:
        """Return what the loops are given beside what those for a chain take: to train, with room for probabilities, or to score."""
        return ()

    def _layers(self) -> Iterable[tuple[int, int]]:
        """Yield of each layer the numbers that a unit is given, and its units."""
        return itertools.pairwise(self.sides)

    def _loop(self, name: str, dtype: np.dtype, fair: bool = False) -> Loop:
        return _loaded(f"{name}{self.form}{'-fair' if fair else ''}", np.dtype(dtype))

    def ready(self, dtype: np.dtype, fair: bool | None) -> None:
        """Load the loops for this precision: training with an EO term (fair) or without, or scoring alone (None)."""
        self._loop("score", dtype)
        if fair is not None:
            self._loop("train", dtype, fair)

    def stack(self, wanted: int, table: Any, training: Any, rows: int, clipped: bool = False) -> int:
        """Return the number of models to hold in memory at once: `wanted`."""
        return wanted

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        """Return initial weights (K, P) float32, the same as the module has after `torch.manual_seed`."""
        if self.build is not None:
            from .single import initial

            return initial(self.build, seeds)
        return np.stack([_initial(self._layers(), int(seed)) for seed in seeds])

    def train(
        self,
        table: Any,
        begin: np.ndarray,
        feed: Any,
        training: Any,
        penalty: Any,
        extra_only: bool,
        objective: Objective = DEFAULT,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (weights (K, P), vacuous (K,) share of EO terms) of models that start at `begin` (K, P).

        table, feed, training, penalty: see `engine.fit`. Raises ValueError for an objective, which these loops do not
        support.
        """
        if reason := not_in_numba((*self.sides[:-1], 1), objective.wants()):
            raise ValueError(f"the compiled loops do not support {reason}")
        models, outputs = len(begin), self.sides[-1]
        classes = max(outputs, 2)
        self._check(table, begin, feed.rows, *([feed.pool] if feed.extra else []))
        layout = self.layout(feed.batch + feed.extra)
        chain = getattr(layout, "head", layout)
        weights = layout.pack(begin)
        moments = np.zeros_like(weights), np.zeros_like(weights)
        term, multipliers = None, np.zeros((models, classes))
        if penalty is not None:
            term = Term.of(penalty)
            multipliers += penalty.weight
        vacuous = np.zeros((models, 1), np.int64)
        arenas = [layout.arena(weights.dtype) for _ in range(self.threads)]
        cells = 2 * table.y + table.a
        epoch = self._loop("train", weights.dtype, penalty is not None)

        def work(part: int, order: np.ndarray, extra: np.ndarray, steps: int) -> None:
            cut = self._cut(models, part)
            index = np.empty(feed.batch + feed.extra, np.int64)
            fair: tuple[Any, ...] = ()
            if term is not None:
                # of two classes: sums by cell and their counts; of more: by cell of every probability, then the count
                room = np.empty((2, 4)), np.empty(4, weights.dtype)
                if outputs > 1:
                    room = np.empty((2 * classes, classes + 1)), np.empty(2 * classes**2, weights.dtype)
                fair = *term, extra_only, multipliers[cut], vacuous[cut], *room
            epoch(
                arenas[part], chain.shape, *chain.rooms, table.packed, table.y, cells, order[cut], extra[cut],
                feed.batch, weights[cut], moments[0][cut], moments[1][cut], steps, training.learning_rate,
                training.weight_decay, index, *fair,
                *self._more(layout, np.empty((len(index), outputs), weights.dtype)),
            )  # fmt: skip

        steps = 0
        for _ in range(training.epochs):
            order, extra = feed.epoch()
            self._share(work, order, extra, steps)
            steps += feed.steps
        return layout.unpack(weights), vacuous[:, 0] / max(classes * steps, 1)

    def logits(self, table: Any, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return logits (K, m), or (K, m, C), of models `weights` (K, P) on rows (K, m), or on the same rows (1, m) for all."""
        self._check(table, weights, rows)
        layout, outputs = self.layout(self.scored), self.sides[-1]
        chain = getattr(layout, "head", layout)
        packed = layout.pack(weights.astype(table.x.dtype, copy=False))
        found = np.empty((len(weights), rows.shape[1] * outputs), packed.dtype)
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        score = self._loop("score", packed.dtype)

        def work(part: int) -> None:
            cut = self._cut(len(packed), part)
            mine = rows[cut] if len(rows) > 1 else rows
            score(
                layout.arena(packed.dtype), chain.shape, table.packed, mine, self.scored, packed[cut], found[cut],
                *self._more(layout, None),
            )  # fmt: skip

        self._share(work)
        return found if outputs == 1 else found.reshape(len(weights), -1, outputs)

    def _check(self, table: Any, weights: np.ndarray, *rows: np.ndarray) -> None:
        """Raise ValueError for input that would make the compiled loops, which check no bounds, read beyond an
        array."""
        self._fits(table)
        parameters = self.layout(1).parameters()
        if weights.ndim != 2 or weights.shape[1] != parameters:
            raise ValueError(f"weights of shape {weights.shape}: {self.told} has {parameters}")
        for some in rows:
            if some.size and (some.min() < 0 or some.max() >= len(table.x)):
                raise ValueError(f"row ids must lie in 0 to {len(table.x) - 1}, the rows of the table")

    @property
    def told(self) -> str:
        """What is trained, in words."""
        return f"a chain with sides {self.sides}"

    def _fits(self, table: Any) -> None:
        """Raise ValueError for a table that such models cannot read."""
        if self.sides[-1] != 1 or table.x.shape[1] != self.sides[0]:
            raise ValueError(f"{self.told} cannot read {table.x.shape[1]} features into one logit")

    def _cut(self, models: int, part: int) -> slice:
        """Return the models of a thread."""
        return slice(models * part // self.threads, models * (part + 1) // self.threads)

    def _share(self, work: Callable[..., None], *arguments: Any) -> None:
        """Call work(part, *arguments) for each thread's part; the compiled loops hold no lock."""
        if self.threads == 1:
            work(0, *arguments)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for done in [pool.submit(work, part, *arguments) for part in range(self.threads)]:
                done.result()


class FusedImages(Fused):
    """As `Fused`, for a convolution net with one logit or C."""

    form = "-images"
    # a group stays in cache through all blocks, and groups share nothing
    scored = 2 * GROUP

    def __init__(self, net: ConvNet, threads: int = 1) -> None:
        super().__init__(net.sides, threads)
        self.net = net

    def layout(self, batch: int) -> Imagery:
        return Imagery.of(self.net, batch)

    def _more(self, layout: Imagery, room: np.ndarray | None) -> tuple[Any, ...]:
        if room is None:
            return layout.blocks, layout.rooms, self.sides[-1]
        return layout.blocks, layout.rooms, layout.gradients, layout.own, room

    def _layers(self) -> Iterable[tuple[int, int]]:
        return self.net.layers

    @property
    def told(self) -> str:
        return f"a convolution net with channels {self.net.channels}"

    def _fits(self, table: Any) -> None:
        if table.x.shape[1] != math.prod(self.net.shape):
            raise ValueError(f"{self.told} on images {self.net.shape} cannot read {table.x.shape[1]} features")


@functools.cache
@accounting.part("start")
def _loaded(name: str, dtype: np.dtype) -> Loop:
    return loop(name, dtype.name)


def _initial(layers: Iterable[tuple[int, int]], seed: int) -> np.ndarray:
    """Return a model's initial weights (P,) in torch's default scheme, which is the same for Linear and for convolutions; layers: of each the
    numbers that a unit is given, and its units."""
    # torch draws from the Mersenne twister, seeded with the lower 32 bits: 24 bits of each word make a uniform number
    twister = np.random.RandomState(derive(seed, "init") & 0xFFFFFFFF)
    parts = []
    for into, out in layers:
        # torch's bounds for weights and for biases are equal but for rounding; these are its own steps
        gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
        for count, bound in ((into * out, math.sqrt(3.0) * (gain / math.sqrt(into))), (out, 1 / math.sqrt(into))):
            uniform = (twister.randint(0, 2**32, count, dtype=np.uint32) & 0xFFFFFF) / 2**24
            low, high = np.float32(-bound), np.float32(bound)
            # one rounding at the end, as in torch's fused multiply-add
            parts.append((uniform * np.float64(high - low) + np.float64(low)).astype(np.float32))
    return np.concatenate(parts)
