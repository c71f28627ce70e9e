"""The way through torch, for any module and for a GPU: K models as one block of weights in all steps at once, or alone."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np
import torch

from ..core.errors import PopleakError
from .eo import PenaltyState
from .single import SingleStack, built, initial, seeded
from .stack import LinearStack, VmapStack, stack_for

SHARE = 0.5
"""Share of a GPU's free memory that one stack of models may fill."""
TRIED = 8
"""Rows on which a module is tried."""


class Stacked:
    """As `engine.fused.Fused`, for what `build` makes, on `device`."""

    def __init__(self, build: Any, device: str = "cpu") -> None:
        if (
            device != "cpu"
        ):  # on a CPU all that is used here is deterministic, and asking for it costs a second of imports
            # without a workspace of fixed size a GPU's matrix products are not the same from run to run
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        self.build, self.device = build, torch.device(device)
        self._tried: set[int] = set()
        self._made: LinearStack | VmapStack | SingleStack | None = None
        self._tables: dict[int, torch.Tensor] = {}

    def ready(self, dtype: np.dtype, fair: bool | None) -> None:
        """Nothing: torch comes compiled."""

    def engine(self, table: Any) -> LinearStack | VmapStack | SingleStack:
        """Return the stack for the module, on the features of `table`; for a model alone a module of its own each time, so
        that nothing that a module keeps to itself goes from one model to the next."""
        if self._made is None:
            rows = self._features(table)[:TRIED]
            self._made = stack_for(built(self.build).to(rows), rows, self.device.type)
        if self._made.most == 1:
            return SingleStack(built(self.build).to(self.device))
        return self._made

    def stack(self, wanted: int, table: Any, training: Any, rows: int) -> int:
        """Return how many models of `rows` rows to train at once: `wanted` on a CPU, as many as fit on a GPU, or 1."""
        engine = self.engine(table)
        if engine.most is not None or self.device.type == "cpu":
            return engine.most or wanted
        free, _ = torch.cuda.mem_get_info(self.device)
        # weights, gradients, Adam's two moments and scratch; a batch's features and about as many activations, twice
        features = max(table.x.shape[1], 1)
        numbers = 6 * engine.size + 2 * training.batch * (2 * table.x.shape[1] + engine.size // features)
        # the order of an epoch is 8 bytes a row, in main memory as on the device
        room = (SHARE * free - table.x.nbytes) / (numbers * table.x.itemsize + 8 * rows)
        return max(1, int(room))

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        """Return initial models (K, P) float32, each from its model's own seed, in torch's default scheme."""
        return initial(self.build, seeds)

    def _features(self, table: Any) -> torch.Tensor:
        # one table serves a whole call of `fit` or `predict`: it is moved to the GPU once for each
        if id(table) not in self._tables:
            self._tables = {id(table): torch.from_numpy(np.ascontiguousarray(table.x)).to(self.device)}
        return self._tables[id(table)]

    def _try(self, table: Any, begin: torch.Tensor, feed: Any) -> None:
        """Raise PopleakError in one line where a module alone fails on a step of the sizes that `feed` has."""
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
                    f"{error}: so few are left for an epoch's last step: change training.batch"
                ) from error

    def train(self, table: Any, begin: np.ndarray, feed: Any, training: Any, penalty: Any, extra_only: bool):
        """As `Fused.train`."""
        models, features, engine = len(begin), self._features(table), self.engine(table)
        y, a = (torch.from_numpy(values).to(self.device) for values in (table.y, table.a))
        cells, target = 2 * y + a, y.to(features.dtype)
        weights = torch.tensor(begin, device=self.device)
        moved = weights[:, : engine.size]
        grad = torch.zeros_like(moved)
        adam = Adam(moved, training)
        state = PenaltyState(penalty, models, weights.dtype, self.device) if penalty is not None else None
        buffer = torch.empty(
            models * (feed.batch + feed.extra), features.shape[1], dtype=features.dtype, device=self.device
        )
        if engine.most == 1:
            self._try(table, weights, feed)
        engine.load(weights, training=True)
        # what a model alone draws in training (dropout) comes from its own seed
        with seeded(feed.noise[0]) if engine.most == 1 else contextlib.nullcontext():
            for _ in range(training.epochs):
                order, extra = (torch.from_numpy(part).to(self.device) for part in feed.epoch())
                for step in range(feed.steps):
                    chosen = order[:, step * feed.batch : (step + 1) * feed.batch]
                    main = chosen.shape[1]
                    chosen = torch.cat([chosen, extra[:, step]], 1)
                    x = buffer[: chosen.numel()]
                    torch.index_select(features, 0, chosen.view(-1), out=x)
                    p = torch.sigmoid(engine.forward(weights, x.view(models, -1, x.shape[1])))
                    signal = torch.zeros_like(p)
                    signal[:, :main] = (p[:, :main] - target[chosen[:, :main]]) / main
                    if state is not None:
                        part = slice(main, None) if extra_only else slice(None)
                        slope = state.gradient(p[:, part], cells[chosen[:, part]])
                        signal[:, part] += slope * p[:, part] * (1 - p[:, part])
                    engine.backward(weights, signal, grad)
                    adam.step(grad)
        engine.save(weights)
        vacuous = state.vacuous_share().cpu().numpy() if state is not None else np.zeros(models)
        return weights.cpu().numpy(), vacuous

    def logits(self, table: Any, weights: np.ndarray, rows: np.ndarray, *, stack: int = 64) -> np.ndarray:
        """As `Fused.logits`."""
        features, parts, at = self._features(table), [], 0
        while at < len(weights):
            engine = self.engine(table)
            cut = slice(at, at + (engine.most or stack))
            block = torch.tensor(weights[cut].copy(), dtype=features.dtype, device=self.device)
            chosen = torch.from_numpy(np.array(rows[cut] if len(rows) > 1 else rows, dtype=np.int64))
            x = features[chosen.to(self.device)].expand(len(block), -1, -1)
            engine.load(block, training=False)
            with seeded(0) if engine.most == 1 else contextlib.nullcontext():
                parts.append(engine.forward(block, x, keep=False).cpu().numpy())
            at = cut.stop
        return np.concatenate(parts)


class Adam:
    """Adam (Kingma & Ba 2015) with torch's defaults on one block of weights, in place."""

    def __init__(self, weights: torch.Tensor, training: Any) -> None:
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
