"""K models of one architecture as one block of weights (K, P), with forward and backward passes.

Three implementations of one interface. `LinearStack`, for chains of Linear and ReLU: batched matrix products with a
hand-written backward pass straight into one gradient block. `VmapStack`, for modules that `torch.func.vmap` takes: on a
GPU, where one model at a time would leave most of it idle. `SingleStack` (`single.py`), for any module: one model.
"""

from __future__ import annotations

import itertools
import sys

import torch
from torch import nn

from .single import SingleStack, said, seeded, trained_and_state

AGREE = 1e-3
"""Largest difference of logits on a few rows, beside 1 and the logit, between a stacked module and one alone."""


def stack_for(module: nn.Module, x: torch.Tensor, device: str) -> LinearStack | VmapStack | SingleStack:
    """Return the stack for `module` on `device` (cpu, cuda); x (B, d): a few rows to try it on, there.

    On a CPU a model that is no chain is trained alone: in a stack its bits would depend on how many are beside it.
    """
    if LinearStack.fits(module):
        return LinearStack(module)
    if device == "cpu":
        return SingleStack(module)
    reason = refusal(module, x)
    if reason is None:
        return VmapStack(module)
    print(f"popleak: models are trained one at a time, for the module cannot be stacked: {reason}", file=sys.stderr)
    return SingleStack(module)


def refusal(module: nn.Module, x: torch.Tensor) -> str | None:
    """Return in one line why `module` cannot be trained through `torch.func.vmap` on rows x (B, d); None if it can."""
    trained, state = trained_and_state(module)
    if state:
        return "it has buffers or frozen parameters"
    flat = torch.cat([one.detach().reshape(-1) for one in trained]).to(x)
    weights, grad = torch.stack([flat, flat * 0.5]), torch.zeros(2, len(flat)).to(x)
    try:
        with seeded(0):
            stack = VmapStack(module.train())
            logits = stack.forward(weights, x.expand(2, -1, -1))
            stack.backward(weights, torch.ones_like(logits), grad)
            alone = [torch.func.functional_call(module, stack.parameters(one), (x,)).squeeze(1) for one in weights]
            same = torch.allclose(logits, torch.stack(alone).detach(), rtol=AGREE, atol=AGREE)
    except Exception as error:  # whatever a stranger's module raises: there is a way for it
        return said(error)
    return None if same else "stacked it does not compute what it computes alone"


def sides_of(module: nn.Module) -> tuple[int, ...] | None:
    """Return the sides (features, units of each hidden layer, 1) of a chain that `LinearStack` fits; None for others."""
    if not LinearStack.fits(module):
        return None
    return (module[0].in_features, *(layer.out_features for layer in module[::2]))


def _hooked(one: nn.Module | nn.Parameter) -> bool:
    """Return whether a module or parameter has a hook, or a forward pass of its own."""
    kinds = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_post_accumulate_grad_hooks",
    )
    return any(getattr(one, kind, None) for kind in kinds) or "forward" in vars(one)


class LinearStack:
    """Stack of Sequential(Linear, ReLU, Linear, ..., Linear) with one output."""

    most = None

    @staticmethod
    def fits(module: nn.Module) -> bool:
        """Return whether `module` is a chain of Linear layers with one ReLU between each pair of them and nothing else."""
        if type(module) is not nn.Sequential or len(module) % 2 == 0:
            return False
        kinds = [nn.Linear if i % 2 == 0 else nn.ReLU for i in range(len(module))]
        if not all(type(layer) is kind for layer, kind in zip(module, kinds, strict=True)):
            return False
        # a hook, a frozen layer or one that stands twice is nothing that the chain's own passes would see
        names = [f"{i}.{name}" for i in range(0, len(module), 2) for name in ("weight", "bias")]
        plain = [name for name, one in module.named_parameters() if one.requires_grad] == names
        linear = module[::2]
        fit = all(one.out_features == other.in_features for one, other in itertools.pairwise(linear))
        hooked = any(_hooked(one) for one in (*module.modules(), *module.parameters()))
        return plain and fit and linear[-1].out_features == 1 and not hooked and not list(module.buffers())

    def __init__(self, module: nn.Sequential) -> None:
        self.module = module
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

    @property
    def size(self) -> int:
        """Numbers of one model that training moves: all P of them."""
        return sum(out * (into + 1) for out, into in self.shapes)

    def load(self, weights: torch.Tensor, *, training: bool) -> None:
        """Nothing: the passes read the weights that they are given."""

    def save(self, weights: torch.Tensor) -> None:
        """Nothing: a chain has no state."""

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
    """Stack of a module from (B, d) to (B, 1) without state, through `torch.func.vmap` and autograd."""

    most = None

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names = [(name, parameter.shape) for name, parameter in module.named_parameters()]
        self.size = sum(shape.numel() for _, shape in self.names)
        self._graph: tuple[torch.Tensor, torch.Tensor] | None = None

    def load(self, weights: torch.Tensor, *, training: bool) -> None:
        """Set the module to training or scoring; the passes read the weights that they are given."""
        self.module.train(training)

    def save(self, weights: torch.Tensor) -> None:
        """Nothing: the module has no state."""

    def parameters(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return one model's weights (P,) by name."""
        found, at = {}, 0
        for name, shape in self.names:
            found[name] = flat[at : at + shape.numel()].view(shape)
            at += shape.numel()
        return found

    def _call(self, flat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(self.module, self.parameters(flat), (x,)).squeeze(1)

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
