"""What the engine is compared with: one model at a time in plain torch, as usual (`loader`) and with care (`careful`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from popleak.core.seeds import generator
from popleak.engine.fit import Build, Feed, Table, Training, form_of, hold_out, initial_weights
from popleak.engine.single import built
from popleak.engine.stack import VmapStack
from popleak.engine.stacked import Stacked


class Order:
    """Sampler over `count` rows in the order that the engine takes for the model of `seed`, a new one each epoch."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng, self.count = generator(seed, "order", "base"), count

    def epoch(self) -> np.ndarray:
        return self.rng.permutation(self.count)

    def __iter__(self) -> Iterator[int]:
        yield from self.epoch().tolist()


def start(build: Build, table: Table, rows: np.ndarray, seed: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return one untrained model and its rows x (n, d), or (n, *shape), and y (n,), as the engine starts the model of `seed`."""
    mine = hold_out(rows[None], np.array([seed]), 0.0)[0][0]
    x, y = form_of(build).shaped(torch.from_numpy(table.x[mine])), torch.from_numpy(table.y[mine])
    model = build().to(x.dtype)
    put(model, torch.from_numpy(initial_weights(build, np.array([seed]))[0]))
    return model, x, y.to(x.dtype)


def put(model: nn.Module, weights: torch.Tensor) -> None:
    """Copy weights (P,) into a model, whose parameters keep memory of their own."""
    with torch.no_grad():
        for parameter, part in zip(model.parameters(), weights.split([p.numel() for p in model.parameters()])):
            parameter.copy_(part.view_as(parameter))


def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
    """Take one step on the batch x (B, d), y (B,)."""
    optimizer.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y).backward()
    optimizer.step()


def flat(model: nn.Module) -> np.ndarray:
    """Return a model's weights as one vector (P,), in the order of the engine."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().numpy()


def loader(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained one at a time from a DataLoader without workers."""
    weights = []
    for seed, mine in enumerate(rows):
        model, x, y = start(build, table, mine, seed)
        batches = DataLoader(TensorDataset(x, y), batch_size=training.batch, sampler=Order(seed, len(x)))
        optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate)
        for _ in range(training.epochs):
            for batch_x, batch_y in batches:
                update(model, optimizer, batch_x, batch_y)
        weights.append(flat(model))
    return np.stack(weights)


def careful(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained one at a time with rows in memory, `index_select` and fused Adam."""
    weights = []
    for seed, mine in enumerate(rows):
        model, x, y = start(build, table, mine, seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
        order = Order(seed, len(x))
        for _ in range(training.epochs):
            for index in torch.from_numpy(order.epoch()).split(training.batch):
                update(model, optimizer, x.index_select(0, index), y.index_select(0, index))
        weights.append(flat(model))
    return np.stack(weights)


class SideBySide(Stacked):
    """The engine's way through torch with many models at once (`torch.func.vmap`), as on a GPU."""

    def engine(self, table: Table) -> VmapStack:
        return VmapStack(built(self.build), self.form)


def vmap(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained side by side through `torch.func.vmap`."""
    seeds = np.arange(len(rows))
    feed = Feed(hold_out(rows, seeds, 0.0)[0], seeds, training, None, "base")
    begin = initial_weights(build, seeds, table.x.dtype)
    return SideBySide(build).train(table, begin, feed, training, None, False)[0]
