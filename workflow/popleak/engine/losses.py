"""Cross-entropy over two classes (one logit) or C > 2 classes (C logits): its value and its gradient.

Logits and probabilities are (K, m) for two classes, P(y = 1), and (K, m, C) for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .objective import Objective

if TYPE_CHECKING:
    import torch


def scores(logits: np.ndarray) -> np.ndarray:
    """Return probabilities float32 of logits (K, m) or (K, m, C), in the same shape."""
    with np.errstate(over="ignore", invalid="ignore"):  # exp of a large number is infinity, and its inverse the right 0
        if logits.ndim == 2:
            return (1 / (1 + np.exp(-logits))).astype(np.float32)
        shifted = np.exp(logits - logits.max(-1, keepdims=True))
        return (shifted / shifted.sum(-1, keepdims=True)).astype(np.float32)


def cross_entropy(logits: np.ndarray, y: np.ndarray, objective: Objective) -> np.ndarray:
    """Return the mean weighted cross-entropy (K,) of logits on labels y (K, m), or on the objective's targets on these rows."""
    logits = logits.astype(np.float64)
    target = y if objective.targets is None else objective.targets
    with np.errstate(invalid="ignore", over="ignore"):  # the loss of a diverged model is NaN
        if logits.ndim == 2:
            each = np.logaddexp(0, logits) - target * logits
        else:
            whole = np.logaddexp.reduce(logits, axis=-1)
            if target.ndim == 2:
                each = whole - np.take_along_axis(logits, target[:, :, None].astype(np.int64), 2)[:, :, 0]
            else:
                each = whole - (target * logits).sum(-1)
        if objective.weights is not None:
            each = each * objective.weights
        return each.mean(1)


class Loss:
    """The cross-entropy of K models' batches in torch. y (N,): the records' labels; objective: of the K models on their rows (K, n)."""

    def __init__(self, y: torch.Tensor, classes: int, objective: Objective, dtype: torch.dtype) -> None:
        self.classes, self.dtype = classes, dtype
        self.records = self._coded(y)
        self.targets = self.weights = None
        if objective.targets is not None:
            self.targets = self._coded(_tensor(objective.targets, y.device))
        if objective.weights is not None:
            self.weights = _tensor(objective.weights, y.device).to(dtype)

    def _coded(self, values: torch.Tensor) -> torch.Tensor:
        """Return labels as numbers to subtract from probabilities: unchanged for two classes, else one-hot."""
        import torch

        if self.classes > 2 and not values.is_floating_point():
            values = torch.nn.functional.one_hot(values.long(), self.classes)
        return values.to(self.dtype)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of logits."""
        import torch

        return torch.sigmoid(logits) if self.classes == 2 else torch.softmax(logits, -1)

    def slope(self, p: torch.Tensor, chosen: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return d loss / d logit of each row of a batch, before the mean is taken: p is of rows `chosen` (K, B) of the records, which
        stand at `places` (K, B) among their model's own rows."""
        import torch

        which = torch.arange(len(p), device=p.device)[:, None]
        slope = p - (self.records[chosen] if self.targets is None else self.targets[which, places])
        if self.weights is None:
            return slope
        weights = self.weights[which, places]
        return slope * (weights if p.ndim == 2 else weights.unsqueeze(2))

    @staticmethod
    def to_logits(slope: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        """Return d / d logit of what has the derivative `slope` by the probabilities p."""
        if p.ndim == 2:
            return slope * p * (1 - p)
        return p * (slope - (slope * p).sum(-1, keepdim=True))


def _tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(values)).to(device)
