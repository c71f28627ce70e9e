"""The way through torch: K models as one block of weights, all in one step. For any module, and for a GPU."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from .eo import PenaltyState
from .stack import initial, stack_for

SHARE = 0.5
"""Share of a GPU's free memory that one stack of models may fill."""


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
        self.engine = stack_for(build())
        self._tables: dict[int, torch.Tensor] = {}

    def ready(self, dtype: np.dtype, fair: bool | None) -> None:
        """Nothing: torch comes compiled."""

    def stack(self, wanted: int, table: Any, training: Any, rows: int) -> int:
        """Return how many models of `rows` rows to train at once: `wanted` on a CPU, as many as fit on a GPU."""
        if self.device.type == "cpu":
            return wanted
        free, _ = torch.cuda.mem_get_info(self.device)
        parameters = sum(parameter.numel() for parameter in self.build().parameters())
        # weights, gradients, Adam's two moments and scratch; a batch's features and about as many activations, twice
        numbers = 6 * parameters + 2 * training.batch * (2 * table.x.shape[1] + parameters // max(table.x.shape[1], 1))
        # the order of an epoch is 8 bytes a row, in main memory as on the device
        room = (SHARE * free - table.x.nbytes) / (numbers * table.x.itemsize + 8 * rows)
        return max(1, int(room))

    def initial(self, seeds: np.ndarray) -> np.ndarray:
        """Return initial weights (K, P) float32, each from its model's own seed, in torch's default scheme."""
        return initial(self.build, seeds)

    def _features(self, table: Any) -> torch.Tensor:
        # one table serves a whole call of `fit` or `predict`: it is moved to the GPU once for each
        if id(table) not in self._tables:
            self._tables = {id(table): torch.from_numpy(np.ascontiguousarray(table.x)).to(self.device)}
        return self._tables[id(table)]

    def train(self, table: Any, begin: np.ndarray, feed: Any, training: Any, penalty: Any, extra_only: bool):
        """As `Fused.train`."""
        models, features = len(begin), self._features(table)
        y, a = (torch.from_numpy(values).to(self.device) for values in (table.y, table.a))
        cells, target = 2 * y + a, y.to(features.dtype)
        weights = torch.tensor(begin, device=self.device)
        grad = torch.zeros_like(weights)
        adam = Adam(weights, training)
        state = PenaltyState(penalty, models, weights.dtype, self.device) if penalty is not None else None
        buffer = torch.empty(
            models * (feed.batch + feed.extra), features.shape[1], dtype=features.dtype, device=self.device
        )
        for _ in range(training.epochs):
            order, extra = (torch.from_numpy(part).to(self.device) for part in feed.epoch())
            for step in range(feed.steps):
                chosen = order[:, step * feed.batch : (step + 1) * feed.batch]
                main = chosen.shape[1]
                chosen = torch.cat([chosen, extra[:, step]], 1)
                x = buffer[: chosen.numel()]
                torch.index_select(features, 0, chosen.view(-1), out=x)
                p = torch.sigmoid(self.engine.forward(weights, x.view(models, -1, x.shape[1])))
                signal = torch.zeros_like(p)
                signal[:, :main] = (p[:, :main] - target[chosen[:, :main]]) / main
                if state is not None:
                    part = slice(main, None) if extra_only else slice(None)
                    slope = state.gradient(p[:, part], cells[chosen[:, part]])
                    signal[:, part] += slope * p[:, part] * (1 - p[:, part])
                self.engine.backward(weights, signal, grad)
                adam.step(grad)
        vacuous = state.vacuous_share().cpu().numpy() if state is not None else np.zeros(models)
        return weights.cpu().numpy(), vacuous

    def logits(self, table: Any, weights: np.ndarray, rows: np.ndarray, *, stack: int = 64) -> np.ndarray:
        """As `Fused.logits`."""
        features = self._features(table)
        parts = []
        for at in range(0, len(weights), stack):
            block = torch.tensor(weights[at : at + stack], dtype=features.dtype, device=self.device)
            chosen = torch.from_numpy(np.array(rows[at : at + stack] if len(rows) > 1 else rows, dtype=np.int64))
            x = features[chosen.to(self.device)].expand(len(block), -1, -1)
            parts.append(self.engine.forward(block, x, keep=False).cpu().numpy())
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
