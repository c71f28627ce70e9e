"""The Equalized Odds penalty of fair fine-tuning and its gradient (method section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

PENALTIES = ("absolute", "squared", "lagrangian")


@dataclass(frozen=True)
class Penalty:
    """Weight and form of the penalty sum over y of f(mean p(x | y, a=0) - mean p(x | y, a=1)) on soft scores.

    form: `absolute` f = weight * |d|; `squared` f = weight * d^2; `lagrangian` f = multiplier_y * |d|, where the multiplier starts at
    `weight` and rises by `dual_rate` * (|d| - epsilon) at each step, never below 0.
    """

    weight: float
    form: Literal["absolute", "squared", "lagrangian"] = "absolute"
    epsilon: float = 0.05
    dual_rate: float = 0.1


class PenaltyState:
    """The penalty of K models over a run of steps: multipliers, and the count of terms that were vacuous."""

    def __init__(self, penalty: Penalty, models: int, dtype: torch.dtype, device: torch.device) -> None:
        import torch

        self.penalty = penalty
        self.multipliers = torch.full((models, 2), float(penalty.weight), dtype=dtype, device=device)
        self.vacuous = torch.zeros(models, dtype=torch.int64, device=device)
        self.steps = 0

    def gradient(self, p: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d p (K, B) for scores p (K, B) and cells (K, B) = 2 y + a.

        A label with an empty (y, a) cell contributes 0 and is counted: its term is vacuous.
        """
        import torch

        member = torch.nn.functional.one_hot(cell, 4).to(p.dtype)
        count = member.sum(1)
        share = member / count.clamp(min=1).unsqueeze(1)
        mean = torch.einsum("kb,kbc->kc", p, share).view(-1, 2, 2)
        filled = (count.view(-1, 2, 2) > 0).all(2)
        difference = (mean[:, :, 0] - mean[:, :, 1]) * filled
        self.steps += 1
        self.vacuous += (~filled).sum(1)
        if self.penalty.form == "squared":
            slope = 2 * self.penalty.weight * difference
        else:
            slope = self.multipliers * torch.sign(difference)
            if self.penalty.form == "lagrangian":
                step = self.penalty.dual_rate * (difference.abs() - self.penalty.epsilon) * filled
                self.multipliers = (self.multipliers + step).clamp_(min=0)
        slope = slope * filled
        by_cell = torch.stack([slope, -slope], 2).view(-1, 4)
        return torch.einsum("kc,kbc->kb", by_cell, share)

    def vacuous_share(self) -> torch.Tensor:
        """Return for each model the share (K,) of the penalty's terms, two labels a step, that were vacuous."""
        return self.vacuous.double() / max(2 * self.steps, 1)
