"""Train K models at once, each on its own rows in its own order, as if it were alone.

Randomness belongs to the model: initial weights, the rows held out for validation and the order of batches come from
the model's own seed. So a model's result does not depend on its neighbours or on how a population is cut.

Two ways compute the same thing. `Fused` takes chains of Linear and ReLU on the CPU and needs no torch; `Stacked` takes
any module, and a GPU, through torch, and is the reference that the first must equal.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core import accounting
from ..core.seeds import derive, generator
from ..core.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from .eo import Penalty

Build = Callable[[], "nn.Module"]
Device = Literal["cpu", "cuda", "auto"]


class Training(Settings):
    """How a model is trained: Adam on binary cross-entropy."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    validation: float = 0.1


@dataclass(frozen=True)
class Chain:
    """A chain of Linear layers with ReLU between them. sides: features, units of each hidden layer, 1."""

    sides: tuple[int, ...]

    def __call__(self) -> nn.Module:
        """Return the chain as a torch module."""
        from torch import nn

        layers: list[nn.Module] = []
        for into, out in zip(self.sides, self.sides[1:], strict=False):
            layers += [nn.Linear(into, out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class Table:
    """The feature table that all models gather their batches from: x (N, d) float; y, a (N,) int64."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, a: np.ndarray, dtype: Any = np.float32) -> Table:
        """Return the table of arrays x (N, d), y (N,), a (N,), copied."""
        return cls(np.array(x, dtype), np.array(y, np.int64), np.array(a, np.int64))

    @functools.cached_property
    def packed(self) -> np.ndarray:
        """The features as the compiled loops read them."""
        from .layout import pack_table

        return pack_table(self.x)


@dataclass(frozen=True)
class Fitted:
    """K trained models: weights (K, P), finite (K,) bool, vacuous (K,) share of EO terms that were vacuous,
    validation_loss (K,) mean cross-entropy on the held-out rows (nan if none were held out)."""

    weights: np.ndarray
    finite: np.ndarray
    vacuous: np.ndarray
    validation_loss: np.ndarray


class Feed:
    """The batches of K models: each epoch an order of each model's rows (K, n), and the extra rows of each step.

    batch, extra: rows of a step (the last step of an epoch may have fewer of the first); steps: steps of an epoch;
    noise: seeds of what a model's module draws at random.
    """

    def __init__(
        self, rows: np.ndarray, seeds: np.ndarray, training: Training, extra: np.ndarray | None, purpose: str
    ) -> None:
        self.rows, self.pool = rows, extra
        self.orders = [generator(int(seed), "order", purpose) for seed in seeds]
        self.noise = [derive(int(seed), "noise", purpose) for seed in seeds]
        self.extras = [generator(int(seed), "extra", purpose) for seed in seeds] if extra is not None else []
        self.batch = min(training.batch, rows.shape[1])
        self.extra = min(self.batch, extra.shape[1]) if extra is not None else 0
        self.steps = -(-rows.shape[1] // self.batch)

    def epoch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows in the epoch's order (K, n) int64 and the extra rows (K, steps, e) int64."""
        order = np.array(self.rows, np.int64)
        for rows, rng in zip(order, self.orders, strict=True):
            rng.shuffle(rows)  # the order that rng.permutation would give, without a second pass
        if not self.extra:
            return order, np.empty((len(order), self.steps, 0), np.int64)
        picks = [
            [rows[rng.choice(len(rows), self.extra, replace=False)] for _ in range(self.steps)]
            for rows, rng in zip(self.pool, self.extras, strict=True)
        ]
        return order, np.array(picks, np.int64)


def way_of(build: Build, device: Device = "cpu", threads: int = 1) -> Any:
    """Return the way to train and score what `build` makes: `Fused` for a chain on the CPU, else `Stacked`.

    A module that is a chain, but not made by `Chain`, keeps the initial weights that it is built with.

    Raises ValueError for a module that cannot be stacked, and for `cuda` where there is none.
    """
    place = resolve(device)
    with accounting.part("start"):
        chain = isinstance(build, Chain)
        sides = build.sides if chain else None
        if place == "cpu" and not chain:
            from .single import built
            from .stack import sides_of

            sides = sides_of(built(build))
        if place == "cpu" and sides is not None:
            from .fused import Fused

            return Fused(sides, threads, None if chain else build)
        from .stacked import Stacked

        return Stacked(build, place)


def alone(build: Build, device: Device) -> bool:
    """Return whether each model that `build` makes is computed alone, so that its bits depend on no other."""
    if resolve(device) != "cpu" or isinstance(build, Chain):
        return resolve(device) == "cpu"
    from .stack import sides_of

    return sides_of(build()) is not None


def resolve(device: Device) -> Literal["cpu", "cuda"]:
    """Return the device that `device` stands for here. Raises ValueError for `cuda` where torch finds none."""
    # torch is imported only where it might find one: its import takes longer than many a job
    if device == "cpu" or (device == "auto" and sys.platform == "linux" and not Path("/proc/driver/nvidia").exists()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise ValueError("engine.device: cuda is asked for, and torch finds no CUDA device here: set it to auto or cpu")
    return "cpu"


def initial_weights(build: Build, seeds: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Return initial weights (K, P), each from its model's own seed, in torch's default scheme for the module."""
    return way_of(build).initial(seeds).astype(dtype, copy=False)


def hold_out(rows: np.ndarray, seeds: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Split each model's rows (K, n) into training (K, n - v) and validation (K, v) rows, v = round(share * n)."""
    held = round(share * rows.shape[1])
    order = np.stack([generator(int(seed), "validation").permutation(rows.shape[1]) for seed in seeds])
    shuffled = np.take_along_axis(rows, order, 1)
    return shuffled[:, held:], shuffled[:, :held]


@accounting.part("training")
def fit(
    build: Build,
    table: Table,
    rows: np.ndarray,
    seeds: np.ndarray,
    training: Training,
    *,
    start: np.ndarray | None = None,
    penalty: Penalty | None = None,
    extra: np.ndarray | None = None,
    extra_only: bool = False,
    purpose: str = "base",
    stack: int = 32,
    threads: int = 1,
    device: Device = "cpu",
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """Train K models on their rows (K, n) of `table` and return them.

    seeds (K,): the models' own seeds; start (K, P): weights to go on from, else initial weights from the seeds;
    penalty: the EO term; extra (K, e): rows that enter the EO term but not the cross-entropy, `batch` of them a step;
    extra_only: the EO term sees the extra rows alone; purpose: names the stream of batch orders, so that training and
    fine-tuning of one model differ; stack, threads, device: a matter of speed and memory (on a GPU `stack` is what fits).
    Raises ValueError if shapes disagree, for row ids beyond the table, or for a device that is not there.
    """
    models = len(seeds)
    if rows.shape[0] != models or (start is not None and len(start) != models):
        raise ValueError(
            f"{models} seeds, rows of {rows.shape[0]} models, weights of {len(start) if start is not None else models}"
        )
    way = way_of(build, device, threads)
    way.ready(table.x.dtype, penalty is not None)
    stack = way.stack(stack, table, training, rows.shape[1])
    parts = []
    for at in range(0, models, stack):
        cut = slice(at, at + stack)
        kept, held = hold_out(rows[cut], seeds[cut], training.validation)
        feed = Feed(kept, seeds[cut], training, None if extra is None else extra[cut], purpose)
        begin = way.initial(seeds[cut]) if start is None else start[cut]
        weights, vacuous = way.train(
            table, begin.astype(table.x.dtype, copy=False), feed, training, penalty, extra_only
        )
        loss = np.full(len(kept), np.nan)
        if held.shape[1]:
            loss = _cross_entropy(way.logits(table, weights, held), table.y[held])
        parts.append(Fitted(weights, np.isfinite(weights).all(1), vacuous, loss))
        if progress is not None:
            progress(min(at + stack, models))
    return Fitted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Fitted.__dataclass_fields__))


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # a diverged model has no loss: not-a-number
        return (np.logaddexp(0, logits) - y * logits).mean(1)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp of a large number is infinity, and its inverse the right 0
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def predict(
    build: Build, weights: np.ndarray, x: np.ndarray, *, threads: int = 1, device: Device = "cpu"
) -> np.ndarray:
    """Return scores P(y = 1 | x) (K, m) float32 of models `weights` (K, P) on the points x (m, d)."""
    nothing = np.zeros(len(x), np.int64)
    table = Table(x, nothing, nothing)
    return predict_rows(build, weights, table, np.arange(len(x))[None], threads=threads, device=device)


def predict_rows(
    build: Build, weights: np.ndarray, table: Table, rows: np.ndarray, *, threads: int = 1, device: Device = "cpu"
) -> np.ndarray:
    """Return scores (K, v) float32 of models `weights` (K, P), each on its own rows (K, v) of `table`, or all on (1, v)."""
    way = way_of(build, device, threads)
    way.ready(table.x.dtype, None)
    return _sigmoid(way.logits(table, weights, rows))


class Progress:
    """Lines of progress with an estimate of the time left, at most one in ten seconds, to stderr."""

    def __init__(self, what: str, total: int, every: float = 10.0) -> None:
        self.what, self.total, self.every = what, total, every
        self.begin = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last >= self.every and done:
            self.last = now
            left = (now - self.begin) / done * (self.total - done)
            print(f"{self.what}: {done} of {self.total} models, about {left:.0f} s left", file=sys.stderr, flush=True)
