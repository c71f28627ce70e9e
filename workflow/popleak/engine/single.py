"""One model at a time through its own torch module. It supports any module, on a CPU and if `torch.func.vmap` fails.

A module may draw at random in training (dropout), keep a state beside its weights (the running means of batch norm),
and do what cannot be stacked (recurrent layers, in-place changes, branches on values). Each model has its own module
and random stream, so its bits do not depend on neighbours or stacks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from ..core.errors import PopleakError
from ..core.seeds import derive
from .architecture import BINARY, Form
from .noise import OwnDropout
from .units import Dropout


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Context in which torch's generators draw as after `torch.manual_seed(seed)`. Their state is restored at the
    end."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        torch.manual_seed(seed)
        yield


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """Return what `build` makes, with the same random numbers each time, so that constants that are not weights are
    equal in all models."""
    with seeded(0):
        return build()


def trained_and_state(module: nn.Module) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the tensors that training moves, and those that a model is stored with besides: frozen parameters, and the
    buffers that a state dict holds."""
    kept = module.state_dict(keep_vars=True)
    trained: list[torch.Tensor] = [one for one in module.parameters() if one.requires_grad]
    frozen: list[torch.Tensor] = [one for one in module.parameters() if not one.requires_grad]
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


def mixes_rows(module: nn.Module) -> str | None:
    """Return the name of a layer of `module` whose output for a row depends on the other rows of the batch in
    training, or None."""
    return next(
        (type(one).__name__ for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)), None
    )


def activations(module: nn.Module, x: torch.Tensor, form: Form) -> int:
    """Return how many numbers a row of x (B, d) leaves behind for the backward pass."""
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel() if len(tensor) == len(x) else 0)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(form.shaped(x))
    return sum(kept) // len(x)


def passed(kept: torch.Tensor | None) -> torch.Tensor:
    """Return what the last forward pass kept. Raises RuntimeError if it kept nothing."""
    if kept is None:
        raise RuntimeError("no forward pass was kept to go back through")
    return kept


def said(error: BaseException) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


class SingleStack:
    """A stack of one model, of any module."""

    most = 1

    def __init__(self, module: nn.Module, form: Form = BINARY) -> None:
        self.module, self.form = module, form
        self.trained, self.state = trained_and_state(module)
        self.size = sum(one.numel() for one in self.trained)
        for one in self.state:
            if not one.is_floating_point() and not torch.equal(one.to(torch.float32).to(one.dtype), one):
                raise PopleakError(
                    "model: a buffer of its module holds whole numbers beyond 2^24, which are not kept exactly"
                )
        self._logits: torch.Tensor | None = None
        self._x: torch.Tensor | None = None
        self.watched = False
        """Whether to check that the module draws at random, which `clipped` must know."""
        self._drew, self._rowwise = False, True
        # what else draws at random does so from torch's generator, which the model's seed begins
        self._drops = any(isinstance(one, Dropout) for one in module.modules())
        self._seed, self._step = torch.zeros((), dtype=torch.int64), 0

    def load(self, weights: torch.Tensor, *, training: bool, noise: Sequence[int] = ()) -> None:
        """Take over the model `weights` (1, P): its parameters are views of it from now on, its state is copied. noise: the seed of what is
        drawn in training."""
        self._seed, self._step = torch.tensor([*noise, 0], dtype=torch.int64, device=weights.device)[0], 0
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
        """Return logits (1, B), or (1, B, C), of the loaded model on x (1, B, d); `keep` stores what `backward` needs."""
        before = _random_state(x) if self.watched else None
        self._step += 1
        try:
            with torch.set_grad_enabled(keep), self._drawing():
                logits = self.module(self.form.shaped(x[0]))
        except Exception as error:
            raise failed(error, x, self.form, self.module.training) from error
        check_logits(logits, x.shape[1], self.form)
        self._logits, self._x = (logits, x[0]) if keep else (None, None)
        self._drew = before is not None and not torch.equal(before, _random_state(x))
        return logits.detach().T if self.form.outputs == 1 else logits.detach()[None]

    def _drawing(self, row: torch.Tensor | int = 0) -> contextlib.AbstractContextManager[object]:
        """Return a context in which `Dropout` draws as it does in a stack (`VmapStack`). row: as of `OwnDropout`."""
        return OwnDropout(self._seed, self._step, row) if self._drops else contextlib.nullcontext()

    def backward(
        self, weights: torch.Tensor, grad_logits: torch.Tensor, into: torch.Tensor, *, again: bool = False
    ) -> None:
        """Write the gradient of sum(grad_logits * logits) for the last forward pass into `into` (1, size). again: whether it is asked for
        once more."""
        if not passed(self._logits).requires_grad:
            into.zero_()
            return
        self._gradient(self._signal(grad_logits), again=again, out=into[0])

    def _signal(self, grad_logits: torch.Tensor) -> torch.Tensor:
        return grad_logits.T if self.form.outputs == 1 else grad_logits[0]

    def _gradient(self, signal: torch.Tensor, *, again: bool = False, out: torch.Tensor | None = None) -> torch.Tensor:
        logits = passed(self._logits)
        grads = torch.autograd.grad(logits, self.trained, signal, allow_unused=True, retain_graph=again)
        # a parameter that this batch did not reach
        parts = [torch.zeros_like(p) if g is None else g for p, g in zip(self.trained, grads, strict=True)]
        return torch.cat([part.reshape(-1) for part in parts], out=out)

    def clipped(
        self,
        weights: torch.Tensor,
        grad_logits: torch.Tensor,
        clip: float,
        mask: torch.Tensor | None,
        into: torch.Tensor,
    ) -> None:
        """Write the sum over rows of their own gradients, each scaled down to norm `clip`, into `into` (1, size).

        mask (size,): numbers that training moves, which alone count for the norm.
        """
        if not passed(self._logits).requires_grad:
            into.zero_()
            return
        signal = self._signal(grad_logits)
        rows = self._row_gradients(signal)
        into[0] = clip_factors(rows, clip, mask) @ rows

    def _row_gradients(self, signal: torch.Tensor) -> torch.Tensor:
        """Return each row's gradient (B, size): all at once if the module can be mapped over rows and has drawn
        nothing at random (a second pass would draw again), else row by row through the existing pass."""
        if self._rowwise and not self._drew:
            try:
                return self._mapped_gradients(signal)
            except Exception:  # any error of a user's module under vmap: the fallback supports any module
                self._rowwise = False
        one = torch.zeros_like(signal)
        found = []
        for row in range(len(signal)):
            one.zero_()
            one[row] = signal[row]
            found.append(self._gradient(one, again=True))
        return torch.stack(found)

    def _mapped_gradients(self, signal: torch.Tensor) -> torch.Tensor:
        names = [name for name, one in self.module.named_parameters() if one.requires_grad]

        def weighted(weights: list[torch.Tensor], x: torch.Tensor, slope: torch.Tensor, row: torch.Tensor):
            with self._drawing(row):
                called = torch.func.functional_call(
                    self.module, dict(zip(names, weights, strict=True)), (self.form.shaped(x[None]),)
                )
            return (called[0] * slope).sum()

        own, places = [one.detach() for one in self.trained], torch.arange(len(signal), device=signal.device)
        rows = torch.func.vmap(torch.func.grad(weighted), in_dims=(None, 0, 0, 0))
        grads = rows(own, passed(self._x), signal, places)
        return torch.cat([grad.reshape(len(signal), -1) for grad in grads], 1)


def clip_factors(rows: torch.Tensor, clip: float, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the factor that scales each row's gradient (..., B, size) down to norm `clip`; 1 if its norm is not
    larger."""
    norms = (rows if mask is None else rows * mask).norm(dim=-1)
    return factors_of(norms, clip)


def factors_of(norms: torch.Tensor, clip: float) -> torch.Tensor:
    """Return min(1, clip / norm)."""
    return (clip / norms.clamp(min=torch.finfo(norms.dtype).tiny)).clamp(max=1)


def _random_state(x: torch.Tensor) -> torch.Tensor:
    """Return the state of the generator that draws on the device of x."""
    return torch.cuda.get_rng_state(x.device) if x.is_cuda else torch.get_rng_state()


def failed(error: Exception, x: torch.Tensor, form: Form, training: bool) -> PopleakError:
    """Return in one line that a module fails on rows x (K, B, d)."""
    doing, size = "training" if training else "scoring", x.shape[1]
    given = f"{size} row{'s' * (size > 1)} of {form.told(x.shape[2])}"
    return PopleakError(f"model: its module fails on {given} in {doing}: {said(error)}")


def check_logits(logits: torch.Tensor, rows: int, form: Form) -> None:
    """Raise PopleakError unless a module's logits are (rows, 1), or (rows, C) for C > 2 classes."""
    if logits.shape != (rows, form.outputs):
        raise PopleakError(
            f"model: its module must return logits (rows, {form.outputs}), ({rows}, {form.outputs}) here, not {tuple(logits.shape)}"
        )
