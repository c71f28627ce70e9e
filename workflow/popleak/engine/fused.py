"""MLPs and convolution nets, trained one after another in a compiled loop (`loops`) in which a whole step
stays in cache.

One step of one model is about ten microseconds of arithmetic on a few hundred kilobytes. With library calls over a
stack of models, most of the time would go into calls and memory traffic. Each model is computed alone, so no bit of
its weights or scores depends on its neighbours.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import accounting
from ..core.seeds import derive, generator
from .adversary import NUMBERS, Adversary, begun
from .architecture import ConvNet, Dense
from .compiled import Loop, loop
from .dense import DenseLayout
from .eo import cells_of, terms
from .imagery import GROUP, Imagery
from .layout import ACTIVATIONS, Layout, Term, degree
from .objective import DEFAULT, Objective, not_in_numba

SCORED = 256
"""Rows scored at a time: enough to fill the tiles, few enough to stay in cache."""
DRAWN = 2**18
"""Numbers of noise to draw at a time: few enough to stay in cache until they are added."""


class Fused:
    """The compiled backend of `engine.fit`. sides: layer sizes (features, units of each hidden layer, 1); threads:
    share the models.

    build: makes an MLP with its own initial weights; None for torch's default scheme.
    """

    def __init__(self, sides: tuple[int, ...], threads: int = 1, build: Callable[[], Any] | None = None) -> None:
        self.sides, self.threads, self.build = sides, threads, build

    form = ""
    """What the names of the loops end in."""
    net: ConvNet | Dense | None = None
    """What is trained, where that is no chain with ReLU."""
    scored = SCORED
    """Rows scored at a time."""

    def layout(self, batch: int) -> Any:
        """Return where a model and a batch lie."""
        return Layout.of(self.sides, batch)

    def _more(self, layout: Any, room: np.ndarray | None, noise: Sequence[int] = ()) -> tuple[Any, ...]:
        """Return what the loops are given beside what those for a chain take: to train, with room for probabilities and the seeds of what
        models draw, or to score."""
        return ()

    def _layers(self) -> Iterable[tuple[int, int]]:
        """Yield of each layer the numbers that a unit is given, and its units."""
        return itertools.pairwise(self.sides)

    def _loop(self, name: str, dtype: np.dtype, fair: bool = False) -> Loop:
        return _loaded(f"{name}{self.form}{'-fair' if fair else ''}", np.dtype(dtype))

    def _training(self, dtype: np.dtype, fair: bool, wants: Collection[str]) -> Loop:
        """Return the loop that trains with an EO term (fair) or without towards an objective that wants this."""
        for word, name in (("clip", "train-private"), ("adversary", "train-rival")):
            if word in wants:
                return self._loop(name, dtype)
        return self._loop("train-own" if wants else "train", dtype, fair)

    def ready(self, dtype: np.dtype, fair: bool | None, wants: Collection[str] = ()) -> None:
        """Load the loops for this precision: training with an EO term (fair) or without, or scoring alone (None). wants: as named by
        `Objective.wants`."""
        self._loop("score", dtype)
        if fair is not None:
            self._training(dtype, fair, wants)

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

        table, feed, training, penalty: see `engine.fit`; objective: of these models, on the rows that the feed orders. Raises
        ValueError for an objective that these loops do not support.
        """
        wants = objective.wants()
        if reason := not_in_numba((*self.sides[:-1], 1) if self.net is None else None, wants, net=self.net):
            raise ValueError(f"the compiled loops do not support {reason}")
        models, outputs = len(begin), self.sides[-1]
        classes = max(outputs, 2)
        self._check(table, begin, feed.rows, *([feed.pool] if feed.extra else []))
        if objective.clip is not None:
            return self._private(table, begin, feed, training, objective, objective.clip), np.zeros(models)
        if objective.adversary is not None:
            return self._evading(table, begin, feed, training, objective, objective.adversary)
        layout = self.layout(feed.batch + feed.extra)
        chain = getattr(layout, "head", layout)
        weights = layout.pack(begin)
        moments = np.zeros_like(weights), np.zeros_like(weights)
        term, compared, cells, multipliers = None, classes, 2 * table.y + table.a, np.zeros((models, classes))
        if penalty is not None:
            term, compared = Term.of(penalty), terms(penalty.criterion, classes)
            cells = cells_of(penalty.criterion, table.y, table.a)
            multipliers = np.full((models, compared), float(penalty.weight))
        vacuous = np.zeros((models, 1), np.int64)
        arenas = [layout.arena(weights.dtype) for _ in range(self.threads)]
        epoch = self._training(weights.dtype, penalty is not None, wants)
        aims = _Aims.of(table, feed, objective, layout) if wants else None

        def work(
            part: int, order: np.ndarray, extra: np.ndarray, steps: int, places: np.ndarray, rate: float, pull: float
        ) -> None:
            cut = self._cut(models, part)
            index = np.empty(feed.batch + feed.extra, np.int64)
            fair: tuple[Any, ...] = ()
            if term is not None:
                # of two classes: sums by cell and their counts; of more: by cell of every probability, then the count; the last cell
                # is of rows that no term sees
                seen = 2 * compared + 1
                room = np.empty((2, seen)), np.empty(seen, weights.dtype)
                if penalty.form == "hsic":
                    room = np.empty((seen + 1, max(degree(penalty.bandwidth), seen))), room[1]
                if outputs > 1:
                    room = np.empty((seen, classes + 1)), np.empty(seen * classes, weights.dtype)
                fair = *term, extra_only, multipliers[cut], vacuous[cut], *room
            epoch(
                arenas[part], chain.shape, *chain.rooms, table.packed, table.y, cells, order[cut], extra[cut],
                feed.batch, weights[cut], moments[0][cut], moments[1][cut], steps, rate,
                training.weight_decay, index, *fair,
                *self._more(layout, np.empty((len(index), outputs), weights.dtype), feed.noise[cut]),
                *(aims.of_epoch(cut, places, pull) if aims is not None else ()),
            )  # fmt: skip

        steps = 0
        for number, rate in enumerate(training.rates()):
            if aims is None:
                order, extra = feed.epoch()
                places = order
            else:
                order, places, extra = feed.places()
            self._share(work, order, extra, steps, places, rate, objective.pull(number, training.epochs))
            steps += feed.steps
        return layout.unpack(weights), vacuous[:, 0] / max(compared * steps, 1)

    def _private(
        self, table: Any, begin: np.ndarray, feed: Any, training: Any, objective: Objective, clip: float
    ) -> np.ndarray:
        """As `train`, with the gradient of DP-SGD: see `Objective`."""
        layout = self.layout(feed.batch)
        weights, aims = layout.pack(begin), _Aims.of(table, feed, objective, layout)
        moments = np.zeros_like(weights), np.zeros_like(weights)
        held: dict[int, tuple[Layout, np.ndarray]] = {}
        run = self._training(weights.dtype, False, objective.wants())
        streams = [generator(int(seed), "privacy", feed.purpose) for seed in feed.seeds]
        parameters, parts, rows = layout.parameters(), layout.parts(aims.moves), feed.batch if feed.poisson else 0

        def work(
            part: int, batches: tuple[np.ndarray, np.ndarray, np.ndarray], steps: int, rate: float, pull: float
        ) -> None:
            cut = self._cut(len(weights), part)
            order, places, starts = (one[cut] for one in batches)
            if not len(order):  # more threads than models
                return
            longest = max(feed.batch, int(np.diff(starts).max()))  # of Poisson batches some are larger than others
            if part not in held or held[part][0].batch < longest:
                here = self.layout(longest)
                # derivatives lie beside activations
                held[part] = here, here.arena(weights.dtype, here.size - int(here.shape[0, ACTIVATIONS]))
            here, arena = held[part]
            norms = np.empty(here.batch, weights.dtype)
            number = max(1, DRAWN // (parameters * len(order))) if objective.noise else feed.steps
            for first in range(0, feed.steps, number):
                some = np.ascontiguousarray(starts[:, first : first + number + 1])
                numbers = parameters if objective.noise else 0
                drawn = _drawn(streams[cut], (len(order), some.shape[1] - 1, numbers))
                run(
                    arena, here.shape, *here.rooms, len(arena) - here.size, table.packed, order, some, aims.aims[cut],
                    aims.shares[cut], places, aims.moves, weights[cut], moments[0][cut], moments[1][cut], steps + first,
                    rate, training.weight_decay, pull, clip, rows, parts, drawn,
                    objective.noise * clip, np.array(self.sides), norms,
                )  # fmt: skip

        for epoch, rate in enumerate(training.rates()):
            self._share(work, feed.batches(), epoch * feed.steps, rate, objective.pull(epoch, training.epochs))
        return layout.unpack(weights)

    def _evading(
        self, table: Any, begin: np.ndarray, feed: Any, training: Any, objective: Objective, adversary: Adversary
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `train`, against an adversary: see `Objective`."""
        layout = self.layout(feed.batch)
        weights, aims = layout.pack(begin), _Aims.of(table, feed, objective, layout)
        numbers = begun(feed.seeds, feed.purpose)
        moments = [np.zeros_like(one) for one in (weights, weights, numbers, numbers)]
        vacuous = np.zeros((len(weights), 1), np.int64)
        # beside the activations their derivatives; these once more for a layer, scaled; two gradients
        shift = layout.size - int(layout.shape[0, ACTIVATIONS])
        scaled, kept = layout.size + shift, layout.size + 2 * shift
        arenas = [layout.arena(weights.dtype, 2 * shift + 2 * layout.weights) for _ in range(self.threads)]
        run = self._training(weights.dtype, False, objective.wants())

        def work(part: int, order: np.ndarray, places: np.ndarray, steps: int, rate: float, pull: float) -> None:
            cut = self._cut(len(weights), part)
            first, second, own_first, own_second = (one[cut] for one in moments)
            run(
                arenas[part], layout.shape, layout.rooms[1], shift, scaled, kept, table.packed, order[cut], feed.batch,
                aims.aims[cut], aims.shares[cut], places[cut], table.y, table.a, aims.moves, weights[cut], first, second, steps, rate,
                training.weight_decay, pull, numbers[cut], own_first, own_second, adversary.learning_rate, adversary.weight,
                vacuous[cut], np.empty((2, feed.batch), weights.dtype), np.empty(NUMBERS),
            )  # fmt: skip

        for epoch, rate in enumerate(training.rates()):
            order, places, _ = feed.places()
            self._share(work, order, places, epoch * feed.steps, rate, objective.pull(epoch, training.epochs))
        return layout.unpack(weights), vacuous[:, 0] / max(len(training.rates()) * feed.steps, 1)

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
    net: ConvNet
    # a group stays in cache through all blocks, and groups share nothing
    scored = 2 * GROUP

    def __init__(self, net: ConvNet, threads: int = 1) -> None:
        super().__init__(net.sides, threads)
        self.net = net

    def layout(self, batch: int) -> Imagery:
        return Imagery.of(self.net, batch)

    def _more(self, layout: Imagery, room: np.ndarray | None, noise: Sequence[int] = ()) -> tuple[Any, ...]:
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


class FusedDense(Fused):
    """As `Fused`, for an MLP with other hidden units than ReLU and one logit. Models draw as in `noise.OwnDropout`."""

    form = "-units"
    net: Dense

    def __init__(self, net: Dense, threads: int = 1) -> None:
        super().__init__(net.sides, threads)
        self.net = net

    def layout(self, batch: int) -> DenseLayout:
        return DenseLayout.of(self.net, batch)

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        layout, linear = self.layout(1), super().initial(seeds)
        begun = np.zeros((len(seeds), layout.weights), linear.dtype)
        begun[:, layout.own :] = layout.head.pack(linear)
        for width, gain, _ in layout.hidden if layout.own else ():
            begun[:, gain : gain + width] = 1
        return layout.unpack(begun)

    def _more(self, layout: DenseLayout, room: np.ndarray | None, noise: Sequence[int] = ()) -> tuple[Any, ...]:
        return layout.told(None if room is None else np.array(noise, np.int64))

    @property
    def told(self) -> str:
        return f"an MLP of {self.net.units.told} with sides {self.sides}"


@dataclass(frozen=True)
class _Aims:
    """An `Objective` as the compiled loops read it: what each row (K, n) is to be, its weight in shares (K, n), and in moves (size,),
    in the layout of the weights, 1 for each number that moves."""

    aims: np.ndarray
    shares: np.ndarray
    moves: np.ndarray

    @classmethod
    def of(cls, table: Any, feed: Any, objective: Objective, layout: Any) -> _Aims:
        """Return the objective on the rows of the feed. Raises ValueError for a mask of another size than a model."""
        dtype, parameters = table.x.dtype, layout.parameters()
        aims = table.y[feed.rows] if objective.targets is None else objective.targets
        shares = np.ones(feed.rows.shape) if objective.weights is None else objective.weights
        mask = np.ones(parameters, bool) if objective.mask is None else objective.mask
        if mask.shape != (parameters,):
            raise ValueError(f"a mask of {mask.size} numbers: a model has {parameters}")
        aims, shares = (np.ascontiguousarray(one, dtype=dtype) for one in (aims, shares))
        return cls(aims, shares, layout.pack(mask[None].astype(dtype))[0])

    def of_epoch(self, cut: slice, places: np.ndarray, pull: float) -> tuple[Any, ...]:
        """Return what the loop is given for models `cut`. places (K, n): of the epoch's rows; pull: strength of the l1 penalty."""
        return self.aims[cut], self.shares[cut], places[cut], self.moves, pull


def _drawn(streams: Sequence[np.random.Generator], shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal numbers (K, steps, P) from each model's stream."""
    found = np.empty(shape)
    for into, stream in zip(found, streams, strict=True):
        stream.standard_normal(out=into)
    return found


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
