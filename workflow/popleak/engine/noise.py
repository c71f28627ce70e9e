"""Dropout from each model's own seed, when many models are computed at once.

torch draws for a whole stack from one stream, so that a model's numbers would depend on its neighbours and on how
many fit into memory. Here each number is a hash of the model's seed, the step, the number of the dropout in the
module, and the element. It is the same on any device and in any stack.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

WORD = 0xFFFFFFFF


def _mixed(word: torch.Tensor) -> torch.Tensor:
    """Return 32-bit words in int64, mixed by the finaliser of MurmurHash3 (Appleby)."""
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & WORD
    return word ^ (word >> 16)


class OwnDropout(TorchFunctionMode):
    """Context in which `torch.nn.functional.dropout`, and so `nn.Dropout`, draws from `seed` at `step`. No other
    randomness is affected.

    seed: int64 scalar tensor, which `torch.func.vmap` may map over; row: position in the batch of the single row that
    is computed, 0 for a whole batch. A row's draws are the same alone as in its batch, as long as rows come first in
    the tensor.
    """

    def __init__(self, seed: torch.Tensor, step: int, row: torch.Tensor | int = 0) -> None:
        super().__init__()
        self.seed, self.step, self.row, self.calls = seed, step, row, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.dropout:
            return self._dropout(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _dropout(
        self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training or p == 0:
            return input
        self.calls += 1
        element = torch.arange(input.numel(), device=input.device) + self.row * input.numel()
        low, high = self.seed & WORD, (self.seed >> 32) & WORD
        drawn = _mixed((element * 0x9E3779B1 + low) & WORD)
        drawn = _mixed((drawn + high + self.step * 0x85EBCA77) & WORD)
        drawn = _mixed((drawn + low + self.calls * 0xC2B2AE3D) & WORD)
        keep = (drawn.view(input.shape) >= round(p * (WORD + 1))).to(input.dtype)
        factor = keep / (1 - p) if p < 1 else keep
        return input.mul_(factor) if inplace else input * factor
