"""K models of one architecture as one block of weights (K, P), with forward and backward passes.

Two implementations of one interface. `LinearStack` is the fast one, for chains of Linear and ReLU: batched matrix
products with a hand-written backward pass straight into one gradient block. `VmapStack` takes any module through
`torch.func` and autograd: the reference that the fast one must equal, and the way for unusual architectures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ..seeds import derive


def flatten(module: nn.Module) -> torch.Tensor:
    """Return a module's parameters as one vector (P,), in `named_parameters` order."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def initial(build: Callable[[], nn.Module], seeds: np.ndarray) -> np.ndarray:
    """Return initial weights (K, P) float32: what `build` makes after torch is seeded with each model's own seed."""
    rows = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(derive(int(seed), "init"))
            rows.append(flatten(build()))
    return torch.stack(rows).numpy()


def stack_for(module: nn.Module) -> LinearStack | VmapStack:
    """Return the fastest stack that can run `module`. Raises ValueError if it holds buffers (batch norm, say)."""
    if any(True for _ in module.buffers()):
        raise ValueError("a stackable module has no buffers: replace batch norm by a layer without running statistics")
    return LinearStack(module) if LinearStack.fits(module) else VmapStack(module)


def sides_of(module: nn.Module) -> tuple[int, ...] | None:
    """Return the sides (features, units of each hidden layer, 1) of a chain that `LinearStack` fits; None for others."""
    if not LinearStack.fits(module):
        return None
    return (module[0].in_features, *(layer.out_features for layer in module[::2]))


class LinearStack:
    """Stack of Sequential(Linear, ReLU, Linear, ..., Linear) with one output."""

    @staticmethod
    def fits(module: nn.Module) -> bool:
        """Return whether `module` is a chain of Linear layers with one ReLU between each pair of them."""
        if not isinstance(module, nn.Sequential) or len(module) % 2 == 0:
            return False
        kinds = [nn.Linear if i % 2 == 0 else nn.ReLU for i in range(len(module))]
        chain = all(type(layer) is kind for layer, kind in zip(module, kinds, strict=True))
        return chain and all(layer.bias is not None for layer in module[::2])

    def __init__(self, module: nn.Sequential) -> None:
        self.shapes = [(layer.out_features, layer.in_features) for layer in module[::2]]
        self._saved: list[torch.Tensor] = []

    def _views(self, block: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return per layer (weight (K, out, in), bias (K, out)) as views of `block` (K, P)."""
        views, at = [], 0
        for out, into in self.shapes:
            weight = block[:, at : at + out * into].view(-1, out, into)
            bias = block[:, at + out * into : at + out * into + out]
            views.append((weight, bias))
            at += out * into + out
        return views

    def forward(self, weights: torch.Tensor, x: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """Return logits (K, B) of models `weights` (K, P) on x (K, B, d); `keep` stores what `backward` needs."""
        views = self._views(weights)
        saved = [x]
        for i, (weight, bias) in enumerate(views):
            x = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
            if i + 1 < len(views):
                x.relu_()
                saved.append(x)
        self._saved = saved if keep else []
        return x.squeeze(2)

    def backward(self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor) -> None:
        """Write the gradient of sum(grad_logits * logits) for the last forward pass into `into` (K, P)."""
        views, grads = self._views(weights), self._views(into)
        grad = grad_logits.unsqueeze(2)
        for i in range(len(views) - 1, -1, -1):
            grad_weight, grad_bias = grads[i]
            torch.bmm(grad.transpose(1, 2), self._saved[i], out=grad_weight)
            torch.sum(grad, 1, out=grad_bias)
            if i:
                grad = torch.bmm(grad, views[i][0])
                # the stored activation is positive exactly where the ReLU let the value through
                grad = torch.ops.aten.threshold_backward(grad, self._saved[i], 0)


class VmapStack:
    """Stack of any module from (B, d) to (B, 1), through `torch.func.vmap` and autograd."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names = [(name, parameter.shape) for name, parameter in module.named_parameters()]
        self._graph: tuple[torch.Tensor, torch.Tensor] | None = None

    def _call(self, flat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        parameters, at = {}, 0
        for name, shape in self.names:
            parameters[name] = flat[at : at + shape.numel()].view(shape)
            at += shape.numel()
        return torch.func.functional_call(self.module, parameters, (x,)).squeeze(1)

    def forward(self, weights: torch.Tensor, x: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """As `LinearStack.forward`."""
        leaf = weights.detach().requires_grad_(keep)
        with torch.set_grad_enabled(keep):
            logits = torch.func.vmap(self._call)(leaf, x)
        self._graph = (leaf, logits) if keep else None
        return logits.detach()

    def backward(self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor) -> None:
        """As `LinearStack.backward`."""
        leaf, logits = self._graph
        into.copy_(torch.autograd.grad(logits, leaf, grad_logits)[0])
