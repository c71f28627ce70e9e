"""One model at a time in plain torch: what the engine must equal, whatever it is asked for."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from popleak.core.seeds import derive, generator
from popleak.engine.fit import Build, Feed, Objective, Table, Training, form_of, hold_out, initial_weights
from popleak.engine.single import SingleStack, built, seeded


def batches(rows: np.ndarray, seed: int, training: Training, purpose: str, poisson: bool = False):
    """Yield each step's epoch, the places of its rows among those that are trained on, and what their sum is divided by."""
    feed = Feed(rows[None], np.array([seed]), training, None, purpose, poisson)
    for epoch in range(training.epochs):
        if not poisson:
            for part in torch.from_numpy(feed.places()[1][0]).split(training.batch):
                yield epoch, part, len(part)
            continue
        _, places, starts = feed.batches()
        for begin, end in zip(starts[0], starts[0][1:], strict=False):
            yield epoch, torch.from_numpy(places[0, begin:end]), feed.batch


def losses(logits: torch.Tensor, target: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the cross-entropy of each row."""
    if classes == 2:
        return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target.to(logits.dtype), reduction="none")
    soft = target.is_floating_point()
    return nn.functional.cross_entropy(logits, target.to(logits.dtype) if soft else target.long(), reduction="none")


def penalty_of(logits: torch.Tensor, y: torch.Tensor, a: torch.Tensor, weight: float, classes: int) -> torch.Tensor:
    """Return weight * sum over y of the mean absolute difference of the two groups' mean probability vectors."""
    p = torch.sigmoid(logits) if classes == 2 else torch.softmax(logits, 1)
    total = logits.new_zeros(())
    for label in range(classes):
        zero, one = p[(y == label) & (a == 0)], p[(y == label) & (a == 1)]
        if len(zero) and len(one):
            total = total + weight * (zero.mean(0) - one.mean(0)).abs().mean()
    return total


def clipped_mean(module, each: torch.Tensor, movable, clip: float, noise: float, rng: np.random.Generator, rows: int):
    """Return by parameter the DP-SGD gradient: row by row, in a loop. movable: bool tensors of the numbers that are trained;
    rows: what the sum is divided by."""
    parameters = [one for one in module.parameters() if one.requires_grad]
    total = [torch.zeros_like(one) for one in parameters]
    for loss in each:
        grads = torch.autograd.grad(loss, parameters, retain_graph=True)
        grads = [grad * keep for grad, keep in zip(grads, movable, strict=True)]
        norm = torch.sqrt(sum((grad**2).sum() for grad in grads))
        for into, grad in zip(total, grads, strict=True):
            into += grad * min(1.0, clip / max(float(norm), 1e-300))
    drawn = torch.from_numpy(rng.standard_normal(sum(one.numel() for one in parameters)))
    for into in total:
        into += noise * clip * drawn[: into.numel()].view(into.shape).to(into.dtype)
        drawn = drawn[into.numel() :]
    return [into / rows for into in total]


def train(
    build: Build,
    table: Table,
    rows: np.ndarray,
    seed: int,
    training: Training,
    objective: Objective | None = None,
    *,
    model: int = 0,
    eo_weight: float = 0.0,
    purpose: str = "base",
) -> np.ndarray:
    """Return the trained numbers (size,) of the model with this seed on rows (n,); model: its place in the objective's arrays."""
    objective, form, seeds = objective or Objective(), form_of(build), np.array([seed])
    begin = torch.from_numpy(initial_weights(build, seeds, table.x.dtype))
    single = SingleStack(built(build), form)
    single.load(begin.clone(), training=True)
    module = single.module
    parameters = [one for one in module.parameters() if one.requires_grad]
    size = sum(one.numel() for one in parameters)
    mask = torch.ones(size, dtype=torch.bool) if objective.mask is None else torch.from_numpy(objective.mask[:size])
    movable = [
        one.view(p.shape) for one, p in zip(mask.split([p.numel() for p in parameters]), parameters, strict=True)
    ]
    adam = torch.optim.Adam(parameters, lr=training.learning_rate, weight_decay=training.weight_decay)
    x, y, a = (torch.from_numpy(values) for values in (table.x, table.y, table.a))
    kept, places = (hold_out(values[None], seeds, training.validation)[0][0] for values in (rows, np.arange(len(rows))))
    rng = generator(int(seed), "privacy", purpose)
    with seeded(derive(int(seed), "noise", purpose)):
        for epoch, batch, count in batches(kept, seed, training, purpose, objective.poisson):
            row, own = kept[batch.numpy()], places[batch.numpy()]
            target = y[row] if objective.targets is None else torch.from_numpy(objective.targets[model][own])
            logits = module(form.shaped(x[row]))
            each = losses(logits, target, form.classes)
            if objective.weights is not None:
                each = each * torch.from_numpy(objective.weights[model][own]).to(each.dtype)
            if objective.clip is not None:
                grads = clipped_mean(module, each, movable, objective.clip, objective.noise, rng, count)
            else:
                loss = each.mean()
                if eo_weight:
                    loss = loss + penalty_of(logits, y[row], a[row], eo_weight, form.classes)
                grads = torch.autograd.grad(loss, parameters)
            before = [one.detach().clone() for one in parameters]
            pull = objective.l1 * (training.epochs - epoch) / training.epochs
            grads = [grad + pull * torch.sign(one.detach()) for grad, one in zip(grads, parameters, strict=True)]
            for one, grad, keep in zip(parameters, grads, movable, strict=True):
                one.grad = grad * keep
            adam.step()
            with torch.no_grad():  # what the mask holds back is put back: weight decay would move it
                for one, old, keep in zip(parameters, before, movable, strict=True):
                    one.copy_(torch.where(keep, one, old))
    return torch.cat([one.detach().reshape(-1) for one in parameters]).numpy()
