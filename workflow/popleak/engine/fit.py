"""Train K models at once, each on its own rows in its own order, as if it were alone.

Randomness belongs to the model: initial weights, the rows held out for validation and the order of batches come from
the model's own seed. So a model's result does not depend on its neighbours or on how a population is cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .. import accounting
from ..seeds import derive, generator
from ..settings import Settings
from .eo import Penalty, PenaltyState
from .stack import flatten, stack_for

Build = Callable[[], nn.Module]


class Training(Settings):
    """How a model is trained: Adam on binary cross-entropy."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    validation: float = 0.1


@dataclass(frozen=True)
class Table:
    """The feature table that all models gather their batches from: x (N, d) float; y, a (N,) int64."""

    x: torch.Tensor
    y: torch.Tensor
    a: torch.Tensor

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, a: np.ndarray, dtype: torch.dtype = torch.float32) -> Table:
        """Return the table of arrays x (N, d), y (N,), a (N,)."""
        return cls(torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=torch.int64), torch.tensor(a, dtype=torch.int64))


@dataclass(frozen=True)
class Fitted:
    """K trained models: weights (K, P), finite (K,) bool, vacuous (K,) share of EO terms that were vacuous,
    validation_loss (K,) mean cross-entropy on the held-out rows (nan if none were held out)."""

    weights: np.ndarray
    finite: np.ndarray
    vacuous: np.ndarray
    validation_loss: np.ndarray


def initial_weights(build: Build, seeds: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return initial weights (K, P), each from its model's own seed, in torch's default scheme for the module."""
    rows = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(derive(int(seed), "init"))
            rows.append(flatten(build()))
    return torch.stack(rows).to(dtype)


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
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """Train K models on their rows (K, n) of `table` and return them.

    seeds (K,): the models' own seeds; start (K, P): weights to go on from, else initial weights from the seeds;
    penalty: the EO term; extra (K, e): rows that enter the EO term but not the cross-entropy, `batch` of them a step;
    extra_only: the EO term sees the extra rows alone; purpose: names the stream of batch orders, so that training and
    fine-tuning of one model differ; stack: models at once, a matter of speed and memory only.
    Raises ValueError if shapes disagree.
    """
    models = len(seeds)
    if rows.shape[0] != models or (start is not None and len(start) != models):
        raise ValueError(
            f"{models} seeds, rows of {rows.shape[0]} models, weights of {len(start) if start is not None else models}"
        )
    parts = []
    for at in range(0, models, stack):
        cut = slice(at, at + stack)
        parts.append(
            _fit_stack(
                build, table, rows[cut], seeds[cut], training,
                None if start is None else start[cut], penalty, None if extra is None else extra[cut], extra_only, purpose,
            )
        )  # fmt: skip
        if progress is not None:
            progress(min(at + stack, models))
    return Fitted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Fitted.__dataclass_fields__))


def _fit_stack(build, table, rows, seeds, training, start, penalty, extra, extra_only, purpose) -> Fitted:
    dtype, device, models = table.x.dtype, table.x.device, len(seeds)
    rows, held = hold_out(rows, seeds, training.validation)
    count = rows.shape[1]
    engine = stack_for(build())
    begin = initial_weights(build, seeds, dtype) if start is None else torch.tensor(start, dtype=dtype)
    weights = begin.to(device).contiguous()
    grad = torch.zeros_like(weights)
    adam = _Adam(weights, training)
    state = PenaltyState(penalty, models, dtype, device) if penalty is not None else None
    orders = [generator(int(seed), "order", purpose) for seed in seeds]
    extras = [generator(int(seed), "extra", purpose) for seed in seeds] if extra is not None else None
    batch = min(training.batch, count)
    width = batch + (min(batch, extra.shape[1]) if extra is not None else 0)
    buffer = torch.empty(models * width, table.x.shape[1], dtype=dtype, device=device)
    cells = 2 * table.y + table.a
    for _ in range(training.epochs):
        order = np.take_along_axis(rows, np.stack([rng.permutation(count) for rng in orders]), 1)
        for at in range(0, count, batch):
            index = order[:, at : at + batch]
            main = index.shape[1]
            if extra is not None:
                index = np.concatenate([index, _sample(extra, extras, min(batch, extra.shape[1]))], 1)
            chosen = torch.from_numpy(np.ascontiguousarray(index)).to(device)
            x = buffer[: chosen.numel()]
            torch.index_select(table.x, 0, chosen.view(-1), out=x)
            logits = engine.forward(weights, x.view(models, -1, x.shape[1]))
            p = torch.sigmoid(logits)
            signal = torch.zeros_like(p) if main < p.shape[1] else None
            error = (p[:, :main] - table.y[chosen[:, :main]].to(dtype)) / main
            if signal is None:
                signal = error
            else:
                signal[:, :main] = error
            if state is not None:
                part = slice(main, None) if extra_only else slice(None)
                slope = state.gradient(p[:, part], cells[chosen[:, part]])
                signal[:, part] += slope * p[:, part] * (1 - p[:, part])
            engine.backward(weights, signal, grad)
            adam.step(grad)
    finite = torch.isfinite(weights).all(1)
    vacuous = state.vacuous_share() if state is not None else torch.zeros(models, dtype=torch.float64)
    loss = _loss(engine, weights, table, held) if held.shape[1] else torch.full((models,), float("nan"))
    return Fitted(weights.cpu().numpy(), finite.cpu().numpy(), vacuous.cpu().numpy(), loss.cpu().double().numpy())


def _sample(extra: np.ndarray, streams: list[np.random.Generator], count: int) -> np.ndarray:
    picks = np.stack([stream.choice(extra.shape[1], count, replace=False) for stream in streams])
    return np.take_along_axis(extra, picks, 1)


def _loss(engine, weights: torch.Tensor, table: Table, rows: np.ndarray) -> torch.Tensor:
    chosen = torch.from_numpy(np.ascontiguousarray(rows)).to(table.x.device)
    logits = engine.forward(weights, table.x[chosen], keep=False)
    target = table.y[chosen].to(logits.dtype)
    return nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1)


class _Adam:
    """Adam (Kingma & Ba 2015) with torch's defaults on one block of weights, in place."""

    def __init__(self, weights: torch.Tensor, training: Training) -> None:
        self.weights, self.training, self.count = weights, training, 0
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self.scratch = torch.empty_like(weights)

    def step(self, grad: torch.Tensor, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.count += 1
        if self.training.weight_decay:
            grad.add_(self.weights, alpha=self.training.weight_decay)
        self.first.lerp_(grad, 1 - beta1)
        self.second.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        torch.sqrt(self.second, out=self.scratch)
        self.scratch.div_((1 - beta2**self.count) ** 0.5).add_(epsilon)
        self.weights.addcdiv_(self.first, self.scratch, value=-self.training.learning_rate / (1 - beta1**self.count))


def predict(build: Build, weights: np.ndarray, x: torch.Tensor, *, stack: int = 64) -> np.ndarray:
    """Return scores P(y = 1 | x) (K, m) float32 of models `weights` (K, P) on the points x (m, d)."""
    engine = stack_for(build())
    parts = []
    for at in range(0, len(weights), stack):
        block = torch.tensor(weights[at : at + stack], dtype=x.dtype)
        logits = engine.forward(block, x.unsqueeze(0).expand(len(block), -1, -1), keep=False)
        parts.append(torch.sigmoid(logits).float().numpy())
    return np.concatenate(parts)


def predict_rows(build: Build, weights: np.ndarray, table: Table, rows: np.ndarray, *, stack: int = 64) -> np.ndarray:
    """Return scores (K, v) float32 of models `weights` (K, P), each on its own rows (K, v) of `table`."""
    engine = stack_for(build())
    parts = []
    for at in range(0, len(weights), stack):
        block = torch.tensor(weights[at : at + stack], dtype=table.x.dtype)
        chosen = torch.from_numpy(np.ascontiguousarray(rows[at : at + stack]))
        parts.append(torch.sigmoid(engine.forward(block, table.x[chosen], keep=False)).float().numpy())
    return np.concatenate(parts)


class Progress:
    """Lines of progress with an estimate of the time left, at most one in ten seconds, to stderr."""

    def __init__(self, what: str, total: int, every: float = 10.0) -> None:
        self.what, self.total, self.every = what, total, every
        self.begin = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        import sys

        now = time.monotonic()
        if now - self.last >= self.every and done:
            self.last = now
            left = (now - self.begin) / done * (self.total - done)
            print(f"{self.what}: {done} of {self.total} models, about {left:.0f} s left", file=sys.stderr, flush=True)
