"""Adversarial debiasing: while a model learns, an adversary learns to read the group in its scores, and the model evades it.

Source: Zhang, Lemoine & Mitchell (AIES 2018), in the form for equalized odds: the adversary sees the label too, so that it gains
nothing from what the label alone tells of the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NUMBERS = 5
"""Of an adversary: c, three weights, b."""


@dataclass(frozen=True)
class Adversary:
    """The adversary's part in an `Objective`, for two classes and two groups.

    It guesses the group of a row with logit l and label y as sigmoid(w . [s, s y, s (1 - y)] + b), s = sigmoid((1 + |c|) l), and learns c, w
    and b by Adam at its own step size, on the rows of each batch, by cross-entropy L_A. The model's gradient becomes

        g_P - proj(g_P on g_A) - weight * g_A

    with g_P the gradient of its own loss and g_A that of L_A by its weights: what would help the adversary is taken out, and what harms it is
    added. Both step at once. The paper lets `weight` and the step size follow the number of steps; here they are constant. The adversary must
    be faster than the model: a model that runs ahead of it makes its scores tell more of the group, in the other direction, and a
    large `weight` does that.

    A batch of one group has nothing to read: there the model follows g_P, the adversary does not learn, and the step counts as
    vacuous.
    """

    weight: float = 0.1
    learning_rate: float = 0.3


def begun(seeds: Any, purpose: str) -> Any:
    """Return the adversaries (K, 5) float64 that training begins with, each from its model's own seed: c = 1, w as Glorot & Bengio (2010) draw
    three weights of one unit, b = 0."""
    import numpy as np

    from ..core.seeds import generator

    found = np.zeros((len(seeds), NUMBERS))
    found[:, 0], bound = 1, (6 / (3 + 1)) ** 0.5
    for row, seed in zip(found, seeds, strict=True):
        row[1:4] = generator(int(seed), "adversary", purpose).uniform(-bound, bound, 3)
    return found


class AdversaryState:
    """The adversaries of K models over a run of steps. numbers (K, 5): c, w, b; vacuous (K,): steps on rows of one group."""

    def __init__(self, adversary: Adversary, feed: Any, weights: torch.Tensor, optimiser: Any, training: Any) -> None:
        """feed: of the models' batches; weights (K, size): what of the models moves; optimiser: the class `stacked.Adam`."""
        import torch

        self.adversary = adversary
        self.numbers = torch.from_numpy(begun(feed.seeds, feed.purpose)).to(weights)
        own = training.model_copy(update={"learning_rate": adversary.learning_rate, "weight_decay": 0.0})
        self.adam = optimiser(self.numbers, own)
        self.against = torch.zeros_like(weights)
        self.vacuous, self.steps = torch.zeros(len(weights), dtype=torch.int64, device=weights.device), 0

    @classmethod
    def of(cls, adversary: Adversary | None, *more: Any) -> AdversaryState | None:
        """Return the state of an adversary, if there is one."""
        return None if adversary is None else cls(adversary, *more)

    def gradients(
        self, logits: torch.Tensor, y: torch.Tensor, a: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return d L_A / d logit (K, B), d L_A / d numbers (K, 5), and which models (K,) have rows of both groups.

        logits, y, a (K, B): of the rows of a batch. Without both groups the first two are 0.
        """
        import torch

        y, a = y.to(logits.dtype), a.to(logits.dtype)
        c, w, b = self.numbers[:, :1], self.numbers[:, 1:4], self.numbers[:, 4:]
        scale = 1 + c.abs()
        s = torch.sigmoid(scale * logits)
        # w . [s, s y, s (1 - y)]
        slope = w[:, :1] + torch.where(y > 0, w[:, 1:2], w[:, 2:])
        both = a.amin(1) != a.amax(1)
        wrong = (torch.sigmoid(slope * s + b) - a) * both.unsqueeze(1) / a.shape[1]
        inside = wrong * slope * s * (1 - s)
        parts = [(inside * logits).sum(1) * torch.sign(c[:, 0])]
        parts += [(wrong * s * part).sum(1) for part in (torch.ones_like(y), y, 1 - y)]
        return inside * scale, torch.stack([*parts, wrong.sum(1)], 1), both

    def step(
        self, engine: Any, weights: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, a: torch.Tensor,
        grad: torch.Tensor, mask: torch.Tensor | None,
    ) -> None:  # fmt: skip
        """Turn `grad` (K, size), g_P, into what the model follows, and let the adversary learn.

        engine: has kept the forward pass that made logits (K, B), of rows with labels y and groups a; mask (size,): what moves.
        """
        signal, own, both = self.gradients(logits, y, a)
        engine.backward(weights, signal, self.against)
        if mask is not None:
            grad.masked_fill_(~mask, 0)
            self.against.masked_fill_(~mask, 0)
        grad.sub_(self.against * share_of(grad, self.against, self.adversary.weight).unsqueeze(1))
        self.adam.step(own)
        self.steps += 1
        self.vacuous += ~both

    def vacuous_share(self) -> torch.Tensor:
        """Return for each model the share (K,) of steps that were vacuous."""
        return self.vacuous.double() / max(self.steps, 1)


def share_of(grad: torch.Tensor, against: torch.Tensor, weight: float) -> torch.Tensor:
    """Return (K,) how much of g_A `against` (K, size) is taken from g_P `grad`: its part along g_A, and `weight`; 0 where g_A is 0."""
    import torch

    square = (against * against).sum(1)
    there = square > torch.finfo(square.dtype).tiny
    along = (grad * against).sum(1) / torch.where(there, square, torch.ones_like(square))
    return (along + weight) * there
