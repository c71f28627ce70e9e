"""The fairness penalty of fair fine-tuning and its gradient (method section 2), for two classes or more.

A criterion says which rows are compared: it gives each row a cell, a term and a group, and says how many terms there are. All else
sees cells: rows of term t and group a are those of cell 2 t + a, and a cell beyond these holds the rows that no term sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    Labels = TypeVar("Labels", np.ndarray, torch.Tensor)

PENALTIES = ("absolute", "squared", "lagrangian", "covariance", "hsic")
Form = Literal["absolute", "squared", "lagrangian", "covariance", "hsic"]
Criterion = Literal["equalized-odds", "demographic-parity", "equal-opportunity"]
BANDWIDTH = 0.25
"""Standard deviation of the Gaussian kernel of `hsic`. It is fixed: where it follows the batch's scores (their median distance), scores
that move closer together change nothing. A quarter of the range of scores is about their usual spread."""


def terms(criterion: Criterion, classes: int) -> int:
    """Return how many terms the penalty has: one a label for equalized odds, else one."""
    return classes if criterion == "equalized-odds" else 1


def cells_of(criterion: Criterion, y: Labels, a: Labels) -> Labels:
    """Return the cell (N,) of rows with labels y (N,) and groups a (N,) in {0, 1}."""
    if criterion == "equalized-odds":
        return 2 * y + a
    if criterion == "demographic-parity":
        return a + 0 * y
    return a + (2 - a) * (y != 1)  # of other labels 2, which no term sees


@dataclass(frozen=True)
class Penalty:
    """Weight, form and criterion of a penalty sum over terms t of f_t on soft scores p.

    criterion: what the groups are compared on. `equalized-odds` has a term for each label, on its rows (Hardt, Price & Srebro 2016);
    `demographic-parity` one on all rows; `equal-opportunity` one on the rows of label 1, for two classes.

    form: with d the difference of the groups' mean scores among a term's rows, s_0 and s_1 the groups' shares of these rows:

    - `absolute` f = weight * |d|;
    - `squared` f = weight * d^2;
    - `lagrangian` f = multiplier_t * |d|, where the multiplier starts at `weight` and rises by `dual_rate` * (|d| - epsilon) at
      each step, never below 0;
    - `covariance` f = weight * |cov(p, a)| = weight * s_0 s_1 |d| (after Zafar et al. 2017, who take the covariance with the
      distance to the decision boundary);
    - `hsic` f = weight * trace(K H L H) / n^2, the biased estimate of the Hilbert-Schmidt independence criterion (Gretton et al. 2005)
      over the term's n rows: K_ij = exp(-|p_i - p_j|^2 / 2 bandwidth^2), L_ij = 1 where a_i = a_j and else 0, H = I - 1/n. It is
      2 (s_0 s_1)^2 times the squared maximum mean discrepancy of the groups' scores, so it is 0 where these have one law,
      not only one mean.

    With C > 2 classes p is a vector of C probabilities, |d| and d^2 are means over its entries, and |p_i - p_j| is Euclidean.
    """

    weight: float
    form: Form = "absolute"
    epsilon: float = 0.05
    dual_rate: float = 0.1
    criterion: Criterion = "equalized-odds"
    bandwidth: float = BANDWIDTH

    def check(self, classes: int) -> None:
        """Raise ValueError for a criterion that this number of classes does not have."""
        if self.criterion == "equal-opportunity" and classes > 2:
            raise ValueError(f"equal opportunity is for labels of two classes, not {classes}: choose another criterion")


class PenaltyState:
    """The penalty of K models over a run of steps: multipliers, and the count of terms that were vacuous."""

    def __init__(
        self, penalty: Penalty, models: int, dtype: torch.dtype, device: torch.device, classes: int = 2
    ) -> None:
        import torch

        self.penalty, self.terms = penalty, terms(penalty.criterion, classes)
        self.beyond = int(penalty.criterion == "equal-opportunity")
        self.multipliers = torch.full((models, self.terms), float(penalty.weight), dtype=dtype, device=device)
        self.vacuous = torch.zeros(models, dtype=torch.int64, device=device)
        self.steps = 0

    def gradient(self, p: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d p for scores p (K, B) or (K, B, C), in their shape, and cells (K, B) as of `cells_of`.

        A term with an empty cell contributes 0 and is counted: it is vacuous.
        """
        import torch

        member = torch.nn.functional.one_hot(cell, 2 * self.terms + self.beyond)[..., : 2 * self.terms].to(p.dtype)
        count = member.sum(1)
        pairs = count.view(-1, self.terms, 2)
        filled = (pairs > 0).all(2)
        self.steps += 1
        self.vacuous += (~filled).sum(1)
        if self.penalty.form == "hsic":
            return self._dependence(p, member, pairs)
        share = member / count.clamp(min=1).unsqueeze(1)
        # "..." is the axis of classes, if there is one
        mean = torch.einsum("kb...,kbc->k...c", p, share).unflatten(-1, (self.terms, 2))
        slope = self._slope((mean[..., 0] - mean[..., 1]), filled, pairs)
        by_cell = torch.stack([slope, -slope], -1).flatten(-2)
        return torch.einsum("k...c,kbc->kb...", by_cell, share)

    def _slope(self, difference: torch.Tensor, filled: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d difference (K, T), or (K, C, T), of T terms, of which `filled` (K, T) count; move the multipliers.
        pairs (K, T, 2): rows of each term and group."""
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
            elif self.penalty.form == "covariance":
                spread = pairs.prod(2) / pairs.sum(2).clamp(min=1) ** 2
                slope = slope * (spread.unsqueeze(1) if vectors else spread)
        return slope * counted / entries

    def _dependence(self, p: torch.Tensor, member: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Return d penalty / d p of the form `hsic`; member (K, B, 2 T): whether a row is of a cell."""
        import torch

        vectors = p if p.ndim == 3 else p.unsqueeze(2)
        # HLH is 2 c c' with c the centred group, so that f = 2 weight / n^2 * sum over i, j of c_i c_j K_ij
        rows, total = member.unflatten(2, (self.terms, 2)), pairs.sum(2).clamp(min=1)
        ones = (pairs[..., 1] / total).unsqueeze(1)
        centred = (rows[..., 1] * (1 - ones) - rows[..., 0] * ones) / total.unsqueeze(1)
        both = torch.einsum("kit,kjt->kij", centred, centred)
        apart = vectors.unsqueeze(2) - vectors.unsqueeze(1)
        scale = self.penalty.bandwidth**2
        pull = both * torch.exp(apart.square().sum(3) / (-2 * scale))
        slope = torch.einsum("kij,kijc->kic", pull, apart) * (-4 * self.penalty.weight / scale)
        return slope if p.ndim == 3 else slope.squeeze(2)

    def vacuous_share(self) -> torch.Tensor:
        """Return for each model the share (K,) of the penalty's terms in all steps that were vacuous."""
        return self.vacuous.double() / max(self.terms * self.steps, 1)
