"""K models of one architecture as one block of weights (K, P), with forward and backward passes.

There are three implementations of one interface. `LinearStack` is for MLPs with ReLU: batched matrix products with a
hand-written backward pass into one gradient block. `VmapStack` is for modules that `torch.func.vmap` supports, on a
GPU, which one model at a time would leave mostly idle. `SingleStack` (`single.py`) is for one model with any module.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import TypeGuard

import torch
from torch import nn

from ..core.errors import PopleakError
from .architecture import BINARY, Form
from .noise import OwnDropout
from .single import (
    SingleStack,
    check_logits,
    clip_factors,
    factors_of,
    failed,
    passed,
    said,
    seeded,
    trained_and_state,
)

AGREE = 1e-3
"""Largest allowed difference between the logits of a stacked module and of a single one on a few rows, relative to 1
plus the logit."""


def stack_for(
    module: nn.Module, x: torch.Tensor, device: str, form: Form = BINARY
) -> LinearStack | VmapStack | SingleStack:
    """Return the stack for `module` on `device` (cpu, cuda); x (B, d): a few rows to try it on, there.

    On a CPU a model that is not a plain MLP is trained alone. In a stack its bits would depend on the number of
    models.
    """
    if LinearStack.fits(module, form.outputs):
        return LinearStack(module)
    if device == "cpu":
        return SingleStack(module, form)
    reason = refusal(module, x, form)
    if reason is None:
        return VmapStack(module, form)
    print(f"popleak: models are trained one at a time, for the module cannot be stacked: {reason}", file=sys.stderr)
    return SingleStack(module, form)


def refusal(module: nn.Module, x: torch.Tensor, form: Form = BINARY) -> str | None:
    """Return in one line why `module` cannot be trained through `torch.func.vmap` on rows x (B, d), or None if it
    can."""
    trained, state = trained_and_state(module)
    if state:
        return "it has buffers or frozen parameters"
    flat = torch.cat([one.detach().reshape(-1) for one in trained]).to(x)
    weights, stacked, alone = (
        torch.stack([flat, flat * 0.5]),
        torch.zeros(2, len(flat)).to(x),
        torch.zeros(2, len(flat)).to(x),
    )
    try:
        for training in (True, False):
            with seeded(0):
                stack = VmapStack(module, form)
                stack.load(weights, training=training, noise=(1, 2))
                logits = stack.forward(weights, x.expand(2, -1, -1))
                stack.backward(weights, torch.ones_like(logits), stacked)
                for k in range(2):
                    one = VmapStack(module, form)
                    one.load(weights[k : k + 1], training=training, noise=(1 + k,))
                    own = one.plain(weights[k], x)
                    one.backward(weights[k : k + 1], torch.ones_like(own), alone[k : k + 1])
                    if not torch.allclose(logits[k], own, rtol=AGREE, atol=AGREE):
                        return DIFFERS
                if not torch.allclose(stacked, alone, rtol=AGREE, atol=AGREE):
                    return DIFFERS
    except Exception as error:  # any error of a user's module: another backend supports it
        return said(error.__cause__ or error)
    return None


DIFFERS = "stacked it does not compute what it computes alone"


def sides_of(module: nn.Module, outputs: int = 1) -> tuple[int, ...] | None:
    """Return the layer sizes (features, units of each hidden layer, logits) of an MLP that `LinearStack` supports, or
    None."""
    if not LinearStack.fits(module, outputs):
        return None
    linear = linear_of(module)
    return (linear[0].in_features, *(layer.out_features for layer in linear))


def linear_of(chain: nn.Sequential) -> list[nn.Linear]:
    """Return the Linear layers of an MLP in order."""
    return [layer for layer in chain if isinstance(layer, nn.Linear)]


def _alternates(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Return whether a module is Linear layers with one ReLU between each pair of them and nothing else."""
    if type(module) is not nn.Sequential or len(module) % 2 == 0:
        return False
    kinds = [nn.Linear if i % 2 == 0 else nn.ReLU for i in range(len(module))]
    return all(type(layer) is kind for layer, kind in zip(module, kinds, strict=True))


def _bare(chain: nn.Sequential) -> bool:
    """Return whether hand-written passes compute all that the module does: it has no hook, no frozen layer, no
    repeated layer and no buffer."""
    names = [f"{i}.{name}" for i in range(0, len(chain), 2) for name in ("weight", "bias")]
    plain = [name for name, one in chain.named_parameters() if one.requires_grad] == names
    hooked = any(_hooked(one) for one in chain.modules()) or any(_hooked(one) for one in chain.parameters())
    return plain and not hooked and not list(chain.buffers())


def _hooked(one: nn.Module | nn.Parameter) -> bool:
    """Return whether a module or parameter has a hook, or overrides its forward pass."""
    kinds = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_post_accumulate_grad_hooks",
    )
    return any(getattr(one, kind, None) for kind in kinds) or "forward" in vars(one)


class LinearStack:
    """Stack of Sequential(Linear, ReLU, Linear, ..., Linear)."""

    most = None
    per_row = False
    """Whether `clipped` holds each row's gradient."""

    @staticmethod
    def fits(module: nn.Module, outputs: int = 1) -> TypeGuard[nn.Sequential]:
        """Return whether `module` is a chain of Linear layers with one ReLU between each pair of them and nothing else, and has so
        many outputs."""
        if not _alternates(module):
            return False
        linear = linear_of(module)
        fit = all(one.out_features == other.in_features for one, other in itertools.pairwise(linear))
        return fit and linear[-1].out_features == outputs and _bare(module)

    def __init__(self, module: nn.Sequential) -> None:
        self.module = module
        self.shapes = [(layer.out_features, layer.in_features) for layer in linear_of(module)]
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
        """Number of weights of one model that training changes: all P."""
        return sum(out * (into + 1) for out, into in self.shapes)

    def load(self, weights: torch.Tensor, *, training: bool, noise: Sequence[int] = ()) -> None:
        """Do nothing: the passes read the given weights and draw nothing at random."""

    def save(self, weights: torch.Tensor) -> None:
        """Do nothing: an MLP has no state."""

    def forward(self, weights: torch.Tensor, x: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """Return logits (K, B), or (K, B, C), of models `weights` (K, P) on x (K, B, d); `keep` stores what `backward` needs."""
        views = self._views(weights)
        saved = [x]
        for i, (weight, bias) in enumerate(views):
            x = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
            if i + 1 < len(views):
                x.relu_()
                saved.append(x)
        self._saved = saved if keep else []
        return x.squeeze(2) if x.shape[2] == 1 else x

    def backward(
        self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor, *, again: bool = False
    ) -> None:
        """Write the gradient of sum(grad_logits * logits) for the last forward pass into `into` (K, P). again: whether it is asked for
        once more."""
        grads = self._views(into)
        for i, grad in self._layers(weights, grad_logits):
            grad_weight, grad_bias = grads[i]
            torch.bmm(grad.transpose(1, 2), self._saved[i], out=grad_weight)
            torch.sum(grad, 1, out=grad_bias)

    def _layers(self, weights: torch.Tensor, grad_logits: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield, from the last layer backwards, each layer's position and the derivatives (K, B, out) with respect to
        its output."""
        views = self._views(weights)
        grad = grad_logits.unsqueeze(2) if grad_logits.ndim == 2 else grad_logits
        for i in range(len(views) - 1, -1, -1):
            yield i, grad
            if i:
                grad = torch.bmm(grad, views[i][0])
                # the stored activation is positive exactly where the ReLU let the value through
                grad = torch.ops.aten.threshold_backward(grad, self._saved[i], 0)

    def clipped(
        self,
        weights: torch.Tensor,
        grad_logits: torch.Tensor,
        clip: float,
        mask: torch.Tensor | None,
        into: torch.Tensor,
    ) -> None:
        """Write the sum over rows of their own gradients, each scaled down to norm `clip`, into `into` (K, size).

        mask (size,): numbers that training moves, which alone count for the norm. A row's gradient of a layer is the outer product
        of two vectors, so that its norm needs no gradient of its own (Goodfellow 2015, arXiv:1510.01799).
        """
        total = torch.zeros_like(grad_logits[..., 0] if grad_logits.ndim == 3 else grad_logits)
        masks = None if mask is None else self._views(mask.unsqueeze(0).to(weights.dtype))
        for i, grad in self._layers(weights, grad_logits):
            grad2, given2 = grad**2, self._saved[i] ** 2
            if masks is None:
                total += grad2.sum(2) * (given2.sum(2) + 1)
            else:
                weight, bias = (one[0] for one in masks[i])
                total += ((grad2 @ weight) * given2).sum(2) + grad2 @ bias
        factor = factors_of(total.sqrt(), clip)
        self.backward(weights, grad_logits * (factor.unsqueeze(2) if grad_logits.ndim == 3 else factor), into)


class VmapStack:
    """Stack of a module without state, through `torch.func.vmap` and autograd. Dropout draws from each model's own
    seed (`OwnDropout`); vmap refuses a module that draws in any other way."""

    most = None
    per_row = True

    def __init__(self, module: nn.Module, form: Form = BINARY) -> None:
        self.module, self.form = module, form
        self.names = [(name, parameter.shape) for name, parameter in module.named_parameters()]
        self.size = sum(shape.numel() for _, shape in self.names)
        self._leaf: torch.Tensor | None = None
        self._logits: torch.Tensor | None = None
        self._x: torch.Tensor | None = None
        self._seeds, self._step = torch.zeros(1, dtype=torch.int64), 0

    def load(self, weights: torch.Tensor, *, training: bool, noise: Sequence[int] = ()) -> None:
        """Set the module to training or scoring; the passes read the weights that they are given. noise: a seed a model, for what is drawn
        in training."""
        self.module.train(training)
        self._seeds = torch.tensor([*noise] or [0] * len(weights), dtype=torch.int64, device=weights.device)
        self._step = 0

    def save(self, weights: torch.Tensor) -> None:
        """Do nothing: the module has no state."""

    def parameters(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return one model's weights (P,) by name."""
        found, at = {}, 0
        for name, shape in self.names:
            found[name] = flat[at : at + shape.numel()].view(shape)
            at += shape.numel()
        return found

    def _call(
        self, flat: torch.Tensor, x: torch.Tensor, seed: torch.Tensor, row: torch.Tensor | int = 0
    ) -> torch.Tensor:
        with OwnDropout(seed, self._step, row):
            logits = torch.func.functional_call(self.module, self.parameters(flat), (self.form.shaped(x),))
        check_logits(logits, len(x), self.form)
        return logits.squeeze(1) if self.form.outputs == 1 else logits

    def forward(self, weights: torch.Tensor, x: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """As `LinearStack.forward`."""
        leaf = weights.detach().requires_grad_(keep)
        self._step += 1
        try:
            with torch.set_grad_enabled(keep):
                logits = torch.func.vmap(self._call)(leaf, x, self._seeds.expand(len(leaf)))
        except PopleakError:
            raise
        except Exception as error:
            raise failed(error, x, self.form, self.module.training) from error
        self._leaf, self._logits, self._x = (leaf, logits, x) if keep else (None, None, None)
        return logits.detach()

    def plain(self, flat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of one model (P,) on x (B, d), with its first seed and without vmap, and keep them for `backward`."""
        leaf = flat.detach()[None].requires_grad_()
        self._step += 1
        logits = self._call(leaf[0], x, self._seeds[0])[None]
        self._leaf, self._logits = leaf, logits
        return logits[0].detach()

    def backward(
        self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor, *, again: bool = False
    ) -> None:
        """As `LinearStack.backward`."""
        leaf, logits = passed(self._leaf), passed(self._logits)
        into.copy_(torch.autograd.grad(logits, leaf, grad_logits.view(logits.shape), retain_graph=again)[0])

    def clipped(
        self,
        weights: torch.Tensor,
        grad_logits: torch.Tensor,
        clip: float,
        mask: torch.Tensor | None,
        into: torch.Tensor,
    ) -> None:
        """As `SingleStack.clipped`. The pass is repeated for each row alone, with the random numbers that the row
        drew in its batch."""

        def weighted(flat: torch.Tensor, x: torch.Tensor, slope: torch.Tensor, seed: torch.Tensor, row: torch.Tensor):
            return (self._call(flat, x[None], seed, row) * slope).sum()

        def rows(flat: torch.Tensor, x: torch.Tensor, slope: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
            place = torch.arange(len(x), device=x.device)
            own = torch.func.vmap(torch.func.grad(weighted), in_dims=(None, 0, 0, None, 0))(flat, x, slope, seed, place)
            return clip_factors(own, clip, mask) @ own

        x = passed(self._x)
        try:
            into.copy_(torch.func.vmap(rows)(weights.detach(), x, grad_logits, self._seeds))
        except PopleakError:
            raise
        except Exception as error:
            raise failed(error, x[:, :1], self.form, self.module.training) from error
