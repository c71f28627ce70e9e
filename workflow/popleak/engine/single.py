"""One model at a time through its own torch module: the way for any module, on a CPU and where `torch.func.vmap` fails.

A module may draw at random in training (dropout), keep a state beside its weights (the running means of batch norm),
and do what cannot be stacked (recurrent layers, changes in place, branches on values). A model is alone in its module
and with its random stream, so its bits depend on no neighbour and no stack.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from ..core.errors import PopleakError
from ..core.seeds import derive


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generators as after `torch.manual_seed(seed)`; leave them as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        torch.manual_seed(seed)
        yield


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """Return what `build` makes, with the same draws each time: constants that are no weights are alike in all."""
    with seeded(0):
        return build()


def trained_and_state(module: nn.Module) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the tensors that training moves, and those that a model is stored with besides: frozen parameters, and the
    buffers that a state dict holds."""
    kept = module.state_dict(keep_vars=True)
    trained = [one for one in module.parameters() if one.requires_grad]
    frozen = [one for one in module.parameters() if not one.requires_grad]
    return trained, frozen + [one for name, one in module.named_buffers() if name in kept]


def flatten(module: nn.Module) -> torch.Tensor:
    """Return a module as one vector (P,) float32: its trained parameters in order, then its state."""
    trained, state = trained_and_state(module)
    return torch.cat([one.detach().reshape(-1).to(torch.float32) for one in trained + state])


def initial(build: Callable[[], nn.Module], seeds: np.ndarray) -> np.ndarray:
    """Return initial models (K, P) float32: what `build` makes after torch is seeded with each model's own seed."""
    rows = []
    for seed in seeds:
        with seeded(derive(int(seed), "init")):
            rows.append(flatten(build()))
    return torch.stack(rows).numpy()


def said(error: Exception) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


class SingleStack:
    """A stack of one model, of any module from (B, d) to (B, 1)."""

    most = 1

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.trained, self.state = trained_and_state(module)
        self.size = sum(one.numel() for one in self.trained)
        for one in self.state:
            if not one.is_floating_point() and not torch.equal(one.to(torch.float32).to(one.dtype), one):
                raise PopleakError(
                    "model: a buffer of its module holds whole numbers beyond 2^24, which are not kept exactly"
                )
        self._logits: torch.Tensor | None = None

    def load(self, weights: torch.Tensor, *, training: bool) -> None:
        """Take over the model `weights` (1, P): its parameters are views of it from now on, its state is copied."""
        self.module.to(weights.dtype).train(training)
        self.trained, self.state = trained_and_state(self.module)  # another precision makes other buffers
        at = 0
        for one in self.trained:
            one.data = weights[0, at : at + one.numel()].view(one.shape)
            at += one.numel()
        with torch.no_grad():
            for one in self.state:
                one.copy_(weights[0, at : at + one.numel()].view(one.shape))
                at += one.numel()

    def save(self, weights: torch.Tensor) -> None:
        """Write the state that training has left into `weights` (1, P)."""
        if self.state:
            torch.cat([one.detach().reshape(-1).to(weights.dtype) for one in self.state], out=weights[0, self.size :])

    def forward(self, weights: torch.Tensor, x: torch.Tensor, *, keep: bool = True) -> torch.Tensor:
        """Return logits (1, B) of the loaded model on x (1, B, d); `keep` stores what `backward` needs."""
        try:
            with torch.set_grad_enabled(keep):
                logits = self.module(x[0])
        except Exception as error:
            doing, size = "training" if self.module.training else "scoring", x.shape[1]
            given = f"{size} row{'s' * (size > 1)} of {x.shape[2]} features"
            raise PopleakError(f"model: its module fails on {given} in {doing}: {said(error)}") from error
        if logits.shape != (x.shape[1], 1):
            raise PopleakError(
                f"model: its module must return logits (rows, 1), ({x.shape[1]}, 1) here, not {tuple(logits.shape)}"
            )
        self._logits = logits if keep else None
        return logits.detach().T

    def backward(self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor) -> None:
        """Write the gradient of sum(grad_logits * logits) for the last forward pass into `into` (1, size)."""
        if not self._logits.requires_grad:
            into.zero_()
            return
        grads = torch.autograd.grad(self._logits, self.trained, grad_logits.T, allow_unused=True)
        # a parameter that this batch did not reach
        parts = [torch.zeros_like(p) if g is None else g for p, g in zip(self.trained, grads, strict=True)]
        torch.cat([part.reshape(-1) for part in parts], out=into[0])
