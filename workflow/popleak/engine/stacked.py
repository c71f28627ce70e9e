"""The torch backend, for any module and for a GPU: K models as one block of weights, or one model at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import PopleakError
from ..core.seeds import generator
from .adversary import AdversaryState
from .architecture import form_of
from .eo import Penalty, PenaltyState, cells_of
from .losses import Loss
from .objective import DEFAULT, Objective
from .single import SingleStack, activations, built, initial, mixes_rows, seeded, trained_and_state
from .stack import LinearStack, VmapStack, stack_for

SHARE = 0.5
"""Share of a GPU's free memory that one stack of models may fill."""
TRIED = 8
"""Number of rows on which a module is tried."""
PASSED = 4096
"""Rows that go forwards and back at a time where the gradient over many is asked for."""


class Stacked:
    """As `engine.fused.Fused`, for what `build` makes, on `device`."""

    def __init__(self, build: Any, device: str = "cpu") -> None:
        if (
            device != "cpu"
        ):  # on a CPU everything used here is deterministic, and requesting it costs a second of imports
            # without a workspace of fixed size a GPU's matrix products are not the same from run to run
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        self.build, self.device, self.form = build, torch.device(device), form_of(build)
        self._tried: set[int] = set()
        self._numbers: int | None = None
        self._made: LinearStack | VmapStack | SingleStack | None = None
        self._tables: dict[int, torch.Tensor] = {}

    def ready(self, dtype: np.dtype, fair: bool | None, wants: Collection[str] = ()) -> None:
        """Do nothing: torch needs no compilation."""

    def engine(self, table: Any) -> LinearStack | VmapStack | SingleStack:
        """Return the stack for the module, on the features of `table`. A model that is trained alone gets a new
        module each time, so that no hidden state of a module passes from one model to the next."""
        if self._made is None:
            self.form.check(table.x.shape[1])
            rows = self._features(table)[:TRIED]
            self._made = stack_for(built(self.build).to(rows), rows, self.device.type, self.form)
        if self._made.most == 1:
            return SingleStack(built(self.build).to(self.device), self.form)
        return self._made

    def stack(self, wanted: int, table: Any, training: Any, rows: int, clipped: bool = False) -> int:
        """Return how many models of `rows` rows to train at once. This is 1 on a CPU, where a model's bits must not
        depend on others, and for a module that is trained alone; else as many as fit on the GPU. clipped: whether
        each row has its own gradient."""
        engine = self.engine(table)
        if engine.most is not None or self.device.type == "cpu":
            return 1
        free, _ = torch.cuda.mem_get_info(self.device)
        # weights, gradients, Adam's two moments and scratch; a batch's features and activations, twice
        numbers = 6 * engine.size + 2 * training.batch * (table.x.shape[1] + self._activations(engine, table))
        if clipped and engine.per_row:
            numbers += 2 * training.batch * engine.size
        # the order of an epoch is 8 bytes a row, in main memory as on the device
        room = (SHARE * free - table.x.nbytes) / (numbers * table.x.itemsize + 8 * rows)
        return max(1, int(room))

    def _activations(self, engine: LinearStack | VmapStack, table: Any) -> int:
        """Return how many numbers each row keeps for the backward pass."""
        features = table.x.shape[1]
        if isinstance(engine, LinearStack):
            return features + engine.size // max(features, 1)
        return activations(engine.module, self._features(table)[:TRIED], self.form)

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        """Return initial models (K, P) float32, each from its model's own seed, in torch's default scheme."""
        return initial(self.build, seeds)

    def _features(self, table: Any) -> torch.Tensor:
        # one table serves a whole call of `fit` or `predict`: it is moved to the GPU once for each
        if id(table) not in self._tables:
            self._tables = {id(table): torch.from_numpy(np.ascontiguousarray(table.x)).to(self.device)}
        return self._tables[id(table)]

    def _try(self, table: Any, begin: torch.Tensor, feed: Any) -> None:
        """Raise PopleakError in one line if a module fails on a step with the batch sizes of `feed`."""
        last = feed.rows.shape[1] - (feed.steps - 1) * feed.batch
        for size in {feed.batch + feed.extra, last + feed.extra} - self._tried:
            self._tried.add(size)
            engine, features = self.engine(table), self._features(table)
            rows = features[torch.arange(size, device=self.device) % len(features)]
            engine.load(begin[:1].clone(), training=True)
            try:
                with seeded(0):
                    engine.forward(begin[:1], rows[None])
            except PopleakError as error:
                if size >= feed.batch:
                    raise
                raise PopleakError(
                    f"{error}: this is the size of an epoch's last step: change training.batch"
                ) from error

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
        """As `Fused.train`. objective: of these models, on the rows that the feed orders."""
        models, features, engine = len(begin), self._features(table), self.engine(table)
        self._check(begin)
        y, a = (torch.from_numpy(values).to(self.device) for values in (table.y, table.a))
        loss = Loss(y, self.form.classes, objective, features.dtype)
        weights = torch.tensor(begin, device=self.device)
        moved = weights[:, : engine.size]
        grad = torch.zeros_like(moved)
        adam = Adam(moved, training, self._mask(objective, begin.shape[1], engine.size))
        state, cells = self._penalised(penalty, weights, y, a)
        rival = AdversaryState.of(objective.adversary, feed, moved, Adam, training)
        private = None
        if objective.clip is not None:
            private = Private(engine, feed, objective.clip, objective.noise, adam.mask)
        gathered = _Gathered(features, models * (feed.batch + feed.extra))
        if not isinstance(engine, LinearStack):
            self._try(table, weights, feed)
        engine.load(weights, training=True, noise=feed.noise)
        # a model that is trained alone draws (dropout) from its own seed
        with seeded(feed.noise[0]) if engine.most == 1 else contextlib.nullcontext():
            for epoch, adam.rate in enumerate(training.rates().tolist()):
                adam.pull = objective.pull(epoch, training.epochs)
                for batch in _epoch(feed, self.device):
                    main, chosen = batch.main, batch.chosen
                    if private is not None and not chosen.numel():  # a Poisson batch without a row
                        adam.step(private.noise_alone(grad, batch.divisor))
                        continue
                    logits = engine.forward(weights, gathered(chosen))
                    p = loss.probabilities(logits)
                    signal = torch.zeros_like(p)
                    slope = loss.slope(p[:, :main], chosen[:, :main], batch.places)
                    signal[:, :main] = slope if private else slope / main
                    if state is not None:
                        part = slice(main, None) if extra_only else slice(None)
                        slope = state.gradient(p[:, part], cells[chosen[:, part]])
                        signal[:, part] += loss.to_logits(slope, p[:, part])
                    if private:
                        private.gradient(weights, batch.present(signal), batch.divisor, grad)
                    else:
                        engine.backward(weights, signal, grad, again=rival is not None)
                    if rival is not None:
                        rival.step(engine, weights, logits, y[chosen], a[chosen], grad, adam.mask)
                    adam.step(grad)
        engine.save(weights)
        return weights.cpu().numpy(), _vacuous(models, state, rival)

    def _penalised(
        self, penalty: Penalty | None, weights: torch.Tensor, y: torch.Tensor, a: torch.Tensor
    ) -> tuple[PenaltyState | None, torch.Tensor]:
        """Return the state of the penalty of models `weights` (K, P), if there is one, and the cells (N,) of all records."""
        if penalty is None:
            return None, y
        state = PenaltyState(penalty, len(weights), weights.dtype, self.device, self.form.classes)
        return state, cells_of(penalty.criterion, y, a)

    def _check(self, weights: np.ndarray) -> None:
        """Raise ValueError unless a model of the module has as many numbers as `weights` (K, P): of more, the first would be read."""
        if self._numbers is None:
            parts = trained_and_state(built(self.build))
            self._numbers = sum(one.numel() for part in parts for one in part)
        if weights.ndim != 2 or weights.shape[1] != self._numbers:
            raise ValueError(f"weights of shape {weights.shape}: a model of this module has {self._numbers}")

    def _mask(self, objective: Objective, parameters: int, size: int) -> torch.Tensor | None:
        """Return which of the `size` trained numbers change; None for all."""
        if objective.mask is None:
            return None
        if objective.mask.shape != (parameters,):
            raise ValueError(f"a mask of {objective.mask.size} numbers: a model has {parameters}")
        if not objective.mask[:size].any():
            raise ValueError("the mask holds frozen parameters and buffers alone: nothing is left to train")
        return torch.from_numpy(objective.mask[:size].copy()).to(self.device)

    def gradient(self, table: Any, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the gradient of the mean cross-entropy, see `gradient.gradient`, one model at a time."""
        self._check(weights)
        features, y = self._features(table), torch.from_numpy(table.y).to(self.device)
        loss = Loss(y, self.form.classes, DEFAULT, features.dtype)
        found = np.zeros(weights.shape, table.x.dtype)
        for k, own in enumerate(rows.astype(np.int64)):
            engine = self.engine(table)
            block = torch.tensor(weights[k : k + 1], dtype=features.dtype, device=self.device)
            engine.load(block, training=False)
            total, part = (torch.zeros_like(block[:, : engine.size]) for _ in range(2))
            for at in range(0, len(own), PASSED):
                chosen = torch.from_numpy(own[None, at : at + PASSED]).to(self.device)
                p = loss.probabilities(engine.forward(block, features[chosen]))
                engine.backward(block, loss.slope(p, chosen, chosen) / len(own), part)
                total += part
            found[k, : engine.size] = total[0].cpu().numpy()
        return found

    def logits(self, table: Any, weights: np.ndarray, rows: np.ndarray, *, stack: int = 64) -> np.ndarray:
        """As `Fused.logits`; (K, m, C) for C > 2 classes."""
        self._check(weights)
        features, parts, start = self._features(table), [], 0
        while start < max(len(weights), 1):  # without a model too: only the module knows how many classes there are
            engine = self.engine(table)
            alone = engine.most == 1 or self.device.type == "cpu"
            cut = slice(start, start + (1 if alone else stack))
            block = torch.tensor(weights[cut].copy(), dtype=features.dtype, device=self.device)
            chosen = torch.from_numpy(np.array(rows[cut] if len(rows) > 1 else rows, dtype=np.int64))
            x = features[chosen.to(self.device)].expand(len(block), -1, -1)
            engine.load(block, training=False)
            with seeded(0) if engine.most == 1 else contextlib.nullcontext():
                parts.append(engine.forward(block, x, keep=False).cpu().numpy())
            start = cut.stop
        return np.concatenate(parts)


class _Gathered:
    """The features of a step's rows, gathered into the same memory each time."""

    def __init__(self, features: torch.Tensor, rows: int) -> None:
        self.features, self.buffer = features, features.new_empty(rows, features.shape[1])

    def __call__(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return the features (K, B, d) of rows chosen (K, B)."""
        if chosen.numel() > len(self.buffer):  # Poisson batches may be larger than expected
            self.buffer = self.features.new_empty(chosen.numel(), self.features.shape[1])
        x = self.buffer[: chosen.numel()]
        torch.index_select(self.features, 0, chosen.reshape(-1), out=x)
        return x.view(*chosen.shape, -1)


@dataclass(frozen=True)
class _Batch:
    """A step's rows: chosen (K, B), of which all but the first `main` are extra; places (K, main) of these; what their sum is divided by;
    missing (K, main): those that fill up the batch of a model with fewer rows, None if there are none."""

    chosen: torch.Tensor
    places: torch.Tensor
    divisor: int
    missing: torch.Tensor | None = None

    @property
    def main(self) -> int:
        return self.places.shape[1]

    def present(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the signal (K, B) or (K, B, C), with 0 for rows that are missing."""
        if self.missing is not None:
            signal[self.missing] = 0
        return signal


def _epoch(feed: Any, device: torch.device) -> Iterator[_Batch]:
    """Yield the steps of an epoch."""
    if feed.poisson:
        yield from _poisson(feed, device)
        return
    order, places, extra = (torch.from_numpy(part).to(device) for part in feed.places())
    for step in range(feed.steps):
        cut = slice(step * feed.batch, (step + 1) * feed.batch)
        chosen = torch.cat([order[:, cut], extra[:, step]], 1)
        yield _Batch(chosen, places[:, cut], order[:, cut].shape[1])


def _poisson(feed: Any, device: torch.device) -> Iterator[_Batch]:
    """As `_epoch`, for batches that differ in size from model to model: each is filled up to the largest."""
    order, places, starts = feed.batches()
    for begin, end in zip(starts[:, :-1].T, starts[:, 1:].T, strict=True):
        which = begin[:, None] + np.arange((end - begin).max())
        missing = which >= end[:, None]
        which = np.minimum(which, order.shape[1] - 1)
        chosen, own = (torch.from_numpy(np.take_along_axis(one, which, 1)).to(device) for one in (order, places))
        yield _Batch(chosen, own, feed.batch, torch.from_numpy(missing).to(device) if missing.any() else None)


def _vacuous(models: int, *counted: PenaltyState | AdversaryState | None) -> np.ndarray:
    """Return the share (K,) of vacuous terms or steps, of the one that there is."""
    for one in counted:
        if one is not None:
            return one.vacuous_share().cpu().numpy()
    return np.zeros(models)


class Private:
    """The gradient of DP-SGD of K models: see `Objective`. Noise comes from each model's own seed, drawn by numpy, so it is the same
    on any device and in any stack."""

    def __init__(self, engine: Any, feed: Any, clip: float, noise: float, mask: torch.Tensor | None) -> None:
        if mixed := mixes_rows(engine.module):
            raise PopleakError(
                f"model: its module has {mixed}, which mixes the rows of a batch, so that no row has a gradient of its own to clip: "
                "choose a model without it (group or layer norm do not mix rows)"
            )
        self.engine, self.clip, self.noise, self.mask = engine, clip, noise, mask
        self.streams = [generator(int(seed), "privacy", feed.purpose) for seed in feed.seeds]
        if isinstance(engine, SingleStack):
            engine.watched = True

    def gradient(self, weights: torch.Tensor, signal: torch.Tensor, rows: int, into: torch.Tensor) -> None:
        """Write the clipped, noisy gradient of a batch, its sum divided by `rows`, into `into` (K, size)."""
        self.engine.clipped(weights, signal, self.clip, self.mask, into)
        self._noisy(into, rows)

    def noise_alone(self, into: torch.Tensor, rows: int) -> torch.Tensor:
        """As `gradient`, of a batch without a row; return `into`."""
        into.zero_()
        self._noisy(into, rows)
        return into

    def _noisy(self, into: torch.Tensor, rows: int) -> None:
        if self.noise:
            drawn = np.stack([stream.standard_normal(into.shape[1]) for stream in self.streams])
            into.add_(torch.from_numpy(drawn).to(into), alpha=self.noise * self.clip)
        into.div_(rows)


class Adam:
    """Adam (Kingma & Ba 2015) with torch's defaults on one block of weights, in place. mask (size,): the numbers that move; pull: strength of the
    l1 penalty on them, rate: step size, both to be set."""

    def __init__(self, weights: torch.Tensor, training: Any, mask: torch.Tensor | None = None) -> None:
        self.weights, self.training, self.mask, self.count = weights, training, mask, 0
        self.pull, self.rate = 0.0, float(training.learning_rate)
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self.scratch = torch.empty_like(weights)

    def step(self, grad: torch.Tensor, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.count += 1
        if self.training.weight_decay:
            grad.add_(self.weights, alpha=self.training.weight_decay)
        if self.pull:
            grad.add_(self.weights.sign(), alpha=self.pull)
        if self.mask is not None:
            grad.masked_fill_(~self.mask, 0)
        self.first.lerp_(grad, 1 - beta1)
        self.second.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        torch.sqrt(self.second, out=self.scratch)
        self.scratch.div_((1 - beta2**self.count) ** 0.5).add_(epsilon)
        self.weights.addcdiv_(self.first, self.scratch, value=-self.rate / (1 - beta1**self.count))
