"""The Equalized Odds penalty of fair fine-tuning and its gradient (method section 2), for two classes or more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

PENALTIES = ("absolute", "squared", "lagrangian")


@dataclass(frozen=True)
class Penalty:
    """Weight and form of the penalty sum over y of f(mean p(x | y, a=0) - mean p(x | y, a=1)) on soft scores.

    With C > 2 classes p is a vector of C probabilities, and |d| and d^2 below are means over its entries. With two
    classes p is one number. y runs over all classes.

        form: `absolute` f = weight * |d|; `squared` f = weight * d^2; `lagrangian` f = multiplier_y * |d|, where the multiplier starts at
    `weight` and rises by `dual_rate` * (|d| - epsilon) at each step, never below 0.
    """

    weight: float
    form: Literal["absolute", "squared", "lagrangian"] = "absolute"
    epsilon: float = 0.05
    dual_rate: float = 0.1


class PenaltyState:
    """The penalty of K models over a run of steps: multipliers, and the count of terms that were vacuous."""

    def __init__(
        self, penalty: Penalty, models: int, dtype: torch.dtype, device: torch.device, classes: int = 2
    ) -> None:
        import torch

        self.penalty, self.classes = penalty, classes
        self.multipliers = torch.full((models, classes), float(penalty.weight), dtype=dtype, device=device)
        self.vacuous = torch.zeros(models, dtype=torch.int64, device=device)
        self.steps = 0

    def gradient(self, p: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d p for scores p (K, B) or (K, B, C), in their shape, and cells (K, B) = 2 y + a.

        A label with an empty (y, a) cell contributes 0 and is counted: its term is vacuous.
        """
        import torch

        member = torch.nn.functional.one_hot(cell, 2 * self.classes).to(p.dtype)
        count = member.sum(1)
        share = member / count.clamp(min=1).unsqueeze(1)
        # "..." is the axis of classes, if there is one
        mean = torch.einsum("kb...,kbc->k...c", p, share).unflatten(-1, (self.classes, 2))
        filled = (count.view(-1, self.classes, 2) > 0).all(2)
        self.steps += 1
        self.vacuous += (~filled).sum(1)
        slope = self._slope((mean[..., 0] - mean[..., 1]), filled)
        by_cell = torch.stack([slope, -slope], -1).flatten(-2)
        return torch.einsum("k...c,kbc->kb...", by_cell, share)

    def _slope(self, difference: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d difference (K, L), or (K, C, L), of L labels, of which `filled` (K, L) count; move the multipliers."""
        import torch

        vectors = difference.ndim == 3
        entries = difference.shape[1] if vectors else 1
        counted, multipliers = (one.unsqueeze(1) if vectors else one for one in (filled, self.multipliers))
        difference = difference * counted
        if self.penalty.form == "squared":
            slope = 2 * self.penalty.weight * difference
        else:
            slope = multipliers * torch.sign(difference)
            if self.penalty.form == "lagrangian":
                size = difference.abs().mean(1) if vectors else difference.abs()
                step = self.penalty.dual_rate * (size - self.penalty.epsilon) * filled
                self.multipliers = (self.multipliers + step).clamp_(min=0)
        return slope * counted / entries

    def vacuous_share(self) -> torch.Tensor:
        """Return for each model the share (K,) of the penalty's terms, one a label a step, that were vacuous."""
        return self.vacuous.double() / max(self.classes * self.steps, 1)
