"""Chains of Linear and ReLU, trained one after another in a compiled loop in which a whole step stays in cache.

One step of one model is some ten microseconds of arithmetic on a few hundred kilobytes; as library calls over a stack
of models most of its time goes into calls and memory traffic. Each model is computed alone, so neither its weights nor
its scores depend on its neighbours by a single bit.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ..core import accounting
from ..core.seeds import derive
from .eo import PENALTIES, Penalty
from .layout import ACTIVATIONS, LENGTH, Layout, pack_table
from .objective import DEFAULT, Objective, not_in_numba
from .tile import LANES, MASK, PLAIN, RELU, ROWS, copy, fetch, product, transpose

FAST = {"contract", "reassoc", "nsz", "arcp"}  # not-a-number and infinity keep their meaning: they show divergence
# only the outermost loops are called from Python: wrappers for the others would be compiled for nothing
INNER = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

SQUARED, LAGRANGIAN = (PENALTIES.index(form) for form in ("squared", "lagrangian"))


class Term(NamedTuple):
    """The EO term as the compiled loops read it: `engine.eo.Penalty` with its form as a number."""

    form: int
    weight: float
    epsilon: float
    dual_rate: float

    @classmethod
    def of(cls, penalty: Penalty) -> Term:
        """Return the term of a penalty; each number has one type, so that the loops are compiled once."""
        form = PENALTIES.index(penalty.form)
        return cls(form, float(penalty.weight), float(penalty.epsilon), float(penalty.dual_rate))


@njit(**INNER)
def _gather(work, shape, table, index, first, count, ahead):
    """Copy rows index[first : first + count] of the table into the arena; ask for the rows `ahead`, which come next."""
    length = shape[0, LENGTH]
    for r in range(count):
        copy(work, shape[0, ACTIVATIONS] + r * length, table, index[first + r] * length, length)
    for r in range(ahead.size):
        fetch(table, ahead[r] * length, length)


@njit(**INNER)
def _forward(work, shape, rows):
    """Compute all activations and the logits of the rows that were gathered."""
    for layer in range(len(shape) - 1):
        inputs, outputs, weights, a, row_a = shape[layer]
        form = np.int64(RELU if layer + 2 < len(shape) else PLAIN)
        c, row_c = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        product(work, rows, outputs, inputs, a, row_a, np.int64(1), weights, outputs, c, row_c, form)


@njit(**INNER)
def _backward(work, shape, rows, count, gradients, transposed, first, second, rate, root, decay):
    """Take one step of Adam along the gradients of sum(signal * logits), where the signals have replaced the logits.

    A layer is updated as soon as nothing else needs its weights: they and their gradients are still in the cache.
    gradients, transposed: offsets of room for one layer; first, second: the moments; rate, root, decay: see `_adam`.
    """
    last = len(shape) - 2
    for layer in range(last, -1, -1):
        inputs, outputs, weights, a, row_a = shape[layer]
        g, row_g = shape[layer + 1, ACTIVATIONS], shape[layer + 1, LENGTH]
        # the transpose of the activations is read in place: one step along the sum is one row
        product(work, row_a, outputs, count, a, np.int64(1), row_a, g, row_g, gradients, outputs, np.int64(PLAIN))
        if layer:
            depth = 1 if layer == last else outputs  # of the padded logits only the first is more than 0
            units = inputs - 1
            for j in range(0, outputs, LANES):
                for i in range(0, units, LANES):
                    transpose(work, transposed + j * units + i, units, weights + i * outputs + j, outputs)
            # the stored activation is positive exactly where the ReLU let the value through; it is not needed after
            product(work, rows, units, depth, g, row_g, np.int64(1), transposed, units, a, row_a, np.int64(MASK))
        end = weights + row_a * outputs
        _adam(
            work[weights:end], work[gradients : gradients + end - weights], first[weights:end], second[weights:end],
            rate, root, decay,
        )  # fmt: skip


@njit(**INNER, fastmath=FAST)
def _adam(weights, gradients, first, second, rate, root, decay):
    """One step of Adam (Kingma & Ba 2015) with torch's defaults; rate and root hold the corrections of the step."""
    one = weights.dtype.type(1)
    share_1, share_2 = weights.dtype.type(1 - 0.9), weights.dtype.type(1 - 0.999)
    scale, part = weights.dtype.type(rate), weights.dtype.type(root)
    epsilon, shrink = weights.dtype.type(1e-8), weights.dtype.type(decay)
    for i in range(weights.size):
        gradient = gradients[i] + shrink * weights[i]
        first[i] += share_1 * (gradient - first[i])
        second[i] = (one - share_2) * second[i] + share_2 * (gradient * gradient)
        weights[i] -= scale * first[i] / (np.sqrt(second[i]) / part + epsilon)


@njit(**INNER)
def _cross_entropy(work, at, step, count, main, index, labels):
    """Replace the logits of a batch by d loss / d logit, which is 0 after the first `main` rows, and keep p beside it."""
    one = work.dtype.type(1)
    share = one / work.dtype.type(main)
    for r in range(count):
        place = at + r * step
        p = one / (one + np.exp(-work[place]))
        work[place] = (p - work.dtype.type(labels[index[r]])) * share if r < main else work.dtype.type(0)
        work[place + 1] = p


@njit(**INNER)
def _equalized_odds(work, at, step, begin, count, index, cells, term, multipliers, vacuous):
    """Add the slope of the EO term, which sees rows begin to count, to the signal that `_cross_entropy` left.

    term: a `Term`; multipliers (2,) and vacuous (1,) are one model's and are updated. As `engine.eo.PenaltyState.gradient`.
    """
    sums, there, slopes = np.zeros(4), np.zeros(4), np.zeros(4, work.dtype)
    for r in range(begin, count):
        cell = cells[index[r]]
        sums[cell] += work[at + r * step + 1]
        there[cell] += 1
    for y in range(2):
        if there[2 * y] == 0 or there[2 * y + 1] == 0:
            vacuous[0] += 1
            continue
        difference = sums[2 * y] / there[2 * y] - sums[2 * y + 1] / there[2 * y + 1]
        slope = 2 * term.weight * difference if term.form == SQUARED else multipliers[y] * np.sign(difference)
        if term.form == LAGRANGIAN:
            multipliers[y] = max(multipliers[y] + term.dual_rate * (abs(difference) - term.epsilon), 0.0)
        slopes[2 * y], slopes[2 * y + 1] = slope / there[2 * y], -slope / there[2 * y + 1]
    one = work.dtype.type(1)
    for r in range(begin, count):
        p = work[at + r * step + 1]
        work[at + r * step] += slopes[cells[index[r]]] * p * (one - p)


@njit(nogil=True, error_model="numpy")
def _epoch(
    work, shape, gradients, transposed, table, labels, cells, order, extra, batch, weights, first, second, steps, rate, decay,
    term, extra_only, multipliers, vacuous,
):  # fmt: skip
    """Train every model of a block for one epoch; its state (weights, moments, multipliers, vacuous) is updated.

    term: None where there is no EO term, which is then not even compiled.
    """
    size = weights.shape[1]
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    index = np.empty(batch + extra.shape[2], np.int64)
    for k in range(len(order)):
        copy(work, 0, weights[k], 0, size)
        taken = steps
        for start in range(0, order.shape[1], batch):
            main = min(batch, order.shape[1] - start)
            count = main + extra.shape[2]
            for r in range(main):
                index[r] = order[k, start + r]
            for r in range(extra.shape[2]):
                index[main + r] = extra[k, taken - steps, r]
            rows = (count + ROWS - 1) // ROWS * ROWS
            _gather(work, shape, table, index, np.int64(0), count, order[k, start + batch : start + 2 * batch])
            _forward(work, shape, rows)
            _cross_entropy(work, at, step, count, main, index, labels)
            if term is not None:
                begin = main if extra_only else 0
                _equalized_odds(work, at, step, begin, count, index, cells, term, multipliers[k], vacuous[k])
            for r in range(count):
                work[at + r * step + 1] = 0  # it was a padded logit's place
            taken += 1
            _backward(
                work, shape, rows, count, gradients, transposed, first[k], second[k], rate / (1 - 0.9**taken),
                (1 - 0.999**taken) ** 0.5, decay,
            )  # fmt: skip
        copy(weights[k], 0, work, 0, size)


@njit(nogil=True, error_model="numpy")
def _logits(work, shape, table, index, batch, weights, found):
    """Fill found (K, m) with the logits of packed weights (K, size) on rows index (K or 1, m) of the table."""
    at, step = shape[-1, ACTIVATIONS], shape[-1, LENGTH]
    for k in range(len(weights)):
        copy(work, 0, weights[k], 0, weights.shape[1])
        rows = index[k if len(index) > 1 else 0]
        for start in range(0, len(rows), batch):
            count = min(batch, len(rows) - start)
            _gather(work, shape, table, rows, start, count, rows[start + batch : start + 2 * batch])
            _forward(work, shape, (count + ROWS - 1) // ROWS * ROWS)
            for r in range(count):
                found[k, start + r] = work[at + r * step]


SCORED = 256
"""Rows scored at a time: enough to fill the tiles, few enough to stay in cache."""


class Fused:
    """The compiled way of `engine.fit`: sides (features, units of each hidden layer, 1); threads that share the models.

    build: makes a chain with initial weights of its own; None for torch's default scheme.
    """

    def __init__(self, sides: tuple[int, ...], threads: int = 1, build: Callable[[], Any] | None = None) -> None:
        self.sides, self.threads, self.build = sides, threads, build

    def ready(self, dtype: np.dtype, fair: bool | None) -> None:
        """Compile the loops for this precision: training with an EO term (fair) or without, or scoring alone (None)."""
        _compile(np.dtype(dtype), fair)

    def stack(self, wanted: int, table: Any, training: Any, rows: int, clipped: bool = False) -> int:
        """Return how many models to hold in memory at once: `wanted`."""
        return wanted

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        """Return initial weights (K, P) float32, the same as the module has after `torch.manual_seed`."""
        if self.build is not None:
            from .single import initial

            return initial(self.build, seeds)
        return np.stack([_initial(self.sides, int(seed)) for seed in seeds])

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

        table, feed, training, penalty: see `engine.fit`. Raises ValueError for an objective, which these loops do not hold.
        """
        if reason := not_in_numba((*self.sides[:-1], 1), objective.wants()):
            raise ValueError(f"the compiled loops do not hold {reason}")
        models = len(begin)
        self._check(table, begin, feed.rows, *([feed.pool] if feed.extra else []))
        layout = Layout.of(self.sides, feed.batch + feed.extra)
        weights = layout.pack(begin)
        moments = np.zeros_like(weights), np.zeros_like(weights)
        term, multipliers = None, np.zeros((models, 2))
        if penalty is not None:
            term = Term.of(penalty)
            multipliers += penalty.weight
        vacuous = np.zeros((models, 1), np.int64)
        arenas = [layout.arena(weights.dtype) for _ in range(self.threads)]
        cells = 2 * table.y + table.a

        def work(part: int, order: np.ndarray, extra: np.ndarray, steps: int) -> None:
            cut = self._cut(models, part)
            _epoch(
                arenas[part], layout.shape, *layout.rooms, table.packed, table.y, cells, order[cut], extra[cut],
                feed.batch, weights[cut], moments[0][cut], moments[1][cut], steps, training.learning_rate,
                training.weight_decay, term, extra_only, multipliers[cut], vacuous[cut],
            )  # fmt: skip

        steps = 0
        for _ in range(training.epochs):
            order, extra = feed.epoch()
            self._share(work, order, extra, steps)
            steps += feed.steps
        return layout.unpack(weights), vacuous[:, 0] / max(2 * steps, 1)

    def logits(self, table: Any, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return logits (K, m) of models `weights` (K, P) on rows (K, m), or on the same rows (1, m) for all."""
        self._check(table, weights, rows)
        layout = Layout.of(self.sides, SCORED)
        packed = layout.pack(weights.astype(table.x.dtype, copy=False))
        found = np.empty((len(weights), rows.shape[1]), packed.dtype)
        rows = np.ascontiguousarray(rows, dtype=np.int64)

        def work(part: int) -> None:
            cut = self._cut(len(packed), part)
            mine = rows[cut] if len(rows) > 1 else rows
            _logits(layout.arena(packed.dtype), layout.shape, table.packed, mine, SCORED, packed[cut], found[cut])

        self._share(work)
        return found

    def _check(self, table: Any, weights: np.ndarray, *rows: np.ndarray) -> None:
        """Raise ValueError for what the compiled loops, which check no bounds, would read beyond."""
        parameters = Layout.of(self.sides, 1).parameters()
        if self.sides[-1] != 1 or table.x.shape[1] != self.sides[0]:
            raise ValueError(f"a chain with sides {self.sides} cannot read {table.x.shape[1]} features into one logit")
        if weights.ndim != 2 or weights.shape[1] != parameters:
            raise ValueError(f"weights of shape {weights.shape}: a chain with sides {self.sides} has {parameters}")
        for some in rows:
            if some.size and (some.min() < 0 or some.max() >= len(table.x)):
                raise ValueError(f"row ids must lie in 0 to {len(table.x) - 1}, the rows of the table")

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


@functools.cache
@accounting.part("start")
def _compile(dtype: np.dtype, fair: bool | None) -> None:
    """Run the loops once on nothing much, with arguments of the types that `Fused` passes."""
    layout = Layout.of((1, 1), 1)
    work, packed, one = layout.arena(dtype), layout.pack(np.zeros((1, 2), dtype)), np.zeros((1, 1), np.int64)
    table = pack_table(np.zeros((1, 1), dtype))
    _logits(work, layout.shape, table, one, 1, packed, np.empty((1, 1), dtype))
    if fair is not None:
        term = Term.of(Penalty(1.0)) if fair else None
        _epoch(
            work, layout.shape, *layout.rooms, table, one[0], one[0], one, np.zeros((1, 1, 0), np.int64), 1, packed,
            np.zeros_like(packed), np.zeros_like(packed), 0, 0.1, 0.0, term, False, np.zeros((1, 2)), one,
        )  # fmt: skip


def _initial(sides: tuple[int, ...], seed: int) -> np.ndarray:
    # torch draws from the Mersenne twister, seeded with the lower 32 bits: 24 bits of each word make a uniform number
    twister = np.random.RandomState(derive(seed, "init") & 0xFFFFFFFF)
    parts = []
    for into, out in itertools.pairwise(sides):
        # torch's bounds for weights and for biases are equal but for rounding; these are its own steps
        gain = math.sqrt(2.0 / (1 + math.sqrt(5) ** 2))
        for count, bound in ((into * out, math.sqrt(3.0) * (gain / math.sqrt(into))), (out, 1 / math.sqrt(into))):
            uniform = (twister.randint(0, 2**32, count, dtype=np.uint32) & 0xFFFFFF) / 2**24
            low, high = np.float32(-bound), np.float32(bound)
            # one rounding at the end, as in torch's fused multiply-add
            parts.append((uniform * np.float64(high - low) + np.float64(low)).astype(np.float32))
    return np.concatenate(parts)
