"""Where single precision leaves double precision in a convolution net: `python benchmarks/ties.py`.

Models are trained in single precision by the careful torch loop. Before each step the gradient is also computed in double precision, from
the same weights: once as it is, and once with the decisions of single precision, that is, which pixel each pooling takes and which units are
positive. Where the first differs and the second does not, these decisions are the cause, and nothing else is.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

import common
import images
import loops
import ways

TASK = images.TASKS[3]
LEAST = 1e-6
"""Differences of a gradient that are told."""
Decisions = list[torch.Tensor]


def scored(
    net: nn.Sequential, x: torch.Tensor, shape: tuple[int, ...], told: Decisions | None
) -> tuple[torch.Tensor, Decisions]:
    """Return logits (N,) of rows x (N, pixels), and what each ReLU and each pooling decided; told: decide as these."""
    held, found = x.reshape(len(x), *shape), Decisions()
    for layer in net:
        if isinstance(layer, nn.ReLU):
            found.append(held > 0 if told is None else told[len(found)])
            held = held * found[-1]
        elif isinstance(layer, nn.MaxPool2d):
            taken = functional.max_pool2d(held, layer.kernel_size, return_indices=True)[1]
            found.append(taken if told is None else told[len(found)])
            held = held.flatten(2).gather(2, found[-1].flatten(2)).reshape(taken.shape)
        else:
            held = layer(held)
    return held.squeeze(-1), found


def gradient(
    net: nn.Sequential, x: torch.Tensor, y: torch.Tensor, shape: tuple[int, ...], told: Decisions | None = None
) -> tuple[torch.Tensor, Decisions]:
    """Return the gradient (P,) of the mean loss in double precision, and the decisions; the net's own gradients stay empty."""
    logits, found = scored(net, x, shape, told)
    loss = functional.binary_cross_entropy_with_logits(logits, y.to(logits.dtype))
    each = torch.autograd.grad(loss, list(net.parameters()))
    return torch.cat([one.flatten() for one in each]).double(), found


def steps(task: images.Task, models: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Yield a record a step whose gradients differ by more than `LEAST`: the model, the step, how many decisions differ, and the differences
    of the gradient without and with the decisions told."""
    table, rows = images.problem(task, models)
    for seed, mine in enumerate(rows):
        net, x, y = loops.start(task.net, table, mine, seed)
        optimizer = torch.optim.Adam(net.parameters(), lr=ways.LEARNING_RATE, fused=True)
        order = loops.Order(seed, len(x))
        batches = [index for _ in range(epochs) for index in torch.from_numpy(order.epoch()).split(task.batch)]
        for step, index in enumerate(batches, 1):
            double = copy.deepcopy(net).double()
            single, decided = gradient(net, x[index], y[index], task.net.shape)
            free, other = gradient(double, x[index].double(), y[index], task.net.shape)
            told, _ = gradient(double, x[index].double(), y[index], task.net.shape, decided)
            apart = float((single - free).abs().max())
            if apart > LEAST:
                many = sum(int((one != two).sum()) for one, two in zip(decided, other, strict=True))
                yield {
                    "model": seed, "step": step, "steps": len(batches), "decisions": many, "apart": apart,
                    "told": float((single - told).abs().max()), "size": float(free.abs().max()),
                }  # fmt: skip
            loops.update(net, optimizer, x[index], y[index])


def work(models: int, epochs: int) -> None:
    ways.prepare("careful", 1)
    found = 0
    for row in steps(TASK, models, epochs):
        found += 1
        common.say(
            f"{TASK}, model {row['model']}, step {row['step']} of {row['steps']}: gradients differ by {row['apart']:.1e} (largest entry "
            f"{row['size']:.1e}); {row['decisions']} decisions differ; with the decisions told, gradients differ by {row['told']:.1e}"
        )
    common.say(f"{TASK}: {found} steps of {models} models differ by more than {LEAST:g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=images.EPOCHS)
    arguments = parser.parse_args()
    return common.status(work, arguments.models, arguments.epochs)


if __name__ == "__main__":
    raise SystemExit(main())
