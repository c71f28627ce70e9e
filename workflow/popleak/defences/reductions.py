"""The reduction of fair classification: a mixture of models, each trained on labels and weights that the rates of the others call for."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ._reduction import LEAST, Call, Criterion, Mixture, Reduction
from .base import AnswersSettings, Defence, MixtureSettings, Owner, Population, Stream, TrainSettings, mixture


@dataclass(frozen=True)
class Mixed(Population):
    """Releases that hold M models each: weights (K, M * P), the most probable first. probability (K, M + 1): of each model, and last of
    saying 1 whatever is asked; what is missing from 1 is the probability of saying 0 whatever is asked. reached: what each reduction
    ended with."""

    probability: np.ndarray
    reached: tuple[Mixture, ...]


class Reductions(Defence):
    """A random mixture of models with nearly equal rates in both groups: the exponentiated-gradient reduction (Agarwal et al., ICML 2018;
    fairlearn's `ExponentiatedGradient`).

    Each model is trained from M_0's initial weights, on the same rows of complement and S_0, with labels and row weights that say
    which answer the multipliers of the constraints call for. An iteration takes some three trainings. The mixture and when it is found are
    fairlearn's, `eps` being both of its `difference_bound` and `eps`: a rate is allowed to differ by `eps` from that of
    both groups together, and the sum of the multipliers is at most 1 / `eps`, which the tables show as `eo_weight`. Rates are
    those on all rows of the mixture. Each query is answered with the hard label of a model that is drawn for it; the group need not
    be told. Where the rows of a label have one group alone, nothing is asked of that label's rates, and `eo_vacuous` is the share of such
    labels.
    """

    name = "reductions"
    summary = "a random mixture of models, trained on other labels and weights until rates of error are nearly equal"
    access = "training"
    wants = ("targets", "weights")
    randomised = True

    class Settings(TrainSettings, AnswersSettings, MixtureSettings):
        criterion: Criterion = "equalized-odds"
        """Rates that are made equal: of label 1 among the rows of each label, of label 1, or all."""
        eps: float = Field(default=0.02, ge=1e-4, le=1)
        """By how much a group's rate may differ from the rate of both."""
        max_iterations: Annotated[int, Field(ge=2, le=200)] = 10
        """Iterations at most. They end sooner, after six, where the mixture is as good as the rows can tell."""
        members: Annotated[int, Field(ge=3, le=200)] = 3
        """Models in a release. With two groups the best mixture of what was trained needs three at most, and those of fewer hold copies."""
        eta0: float = Field(default=2.0, gt=0)
        """First step of the multipliers, in units of `eps`."""
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the rows that come from the model's own draw S_0."""

    def members(self, settings: Reductions.Settings) -> int:
        return settings.members

    def epochs(self, base: int, settings: Reductions.Settings) -> float:
        # on Adult 15 to 18 trainings with 5 iterations, 23 to 27 with 10 and with 20
        return 3.2 * min(settings.max_iterations, 8) * settings.rows * (settings.epochs or base)

    def apply(self, owner: Owner, settings: Reductions.Settings) -> Population:
        rows = mixture(owner, settings.rehearsal, settings.rows)
        running = [
            Reduction(
                owner.y[row], owner.a[row], criterion=settings.criterion, slack=settings.eps, bound=1 / settings.eps, step=settings.eta0,
                rounds=settings.max_iterations, room=settings.members,
            )
            for row in rows
        ]  # fmt: skip
        trained = _Trained(owner, rows, settings)
        return _released(running, trained(running), trained, owner, settings)

    def finish(self, owner: Owner, population: Population, settings: Reductions.Settings) -> np.ndarray:
        if not isinstance(population, Mixed):
            raise TypeError("a mixture is what `apply` returned")
        return population.probability

    def answer(
        self,
        *,
        scores: np.ndarray,
        group: np.ndarray,
        state: np.ndarray,
        repeats: int,
        rng: Stream,
        settings: Reductions.Settings,
    ) -> np.ndarray:
        """As the contract says; scores (M, q), and the state (M + 1,) as `Mixed.probability` has it."""
        positive = state[:-1] @ (scores >= 0.5) + state[-1]
        given = (rng.random((repeats, scores.shape[1])) < positive).astype(np.float32)
        return np.where(np.isfinite(scores).all(0), given, np.float32(np.nan))


class _Trained:
    """Trains what the reductions of K models ask for, all that ask at once together. kept: of each reduction the weights (P,) of the models
    that may still be wanted, by the number of the call."""

    def __init__(self, owner: Owner, rows: np.ndarray, settings: Reductions.Settings) -> None:
        self.owner, self.rows, self.settings = owner, rows, settings
        self.kept: list[dict[int, np.ndarray]] = [{} for _ in rows]

    def __call__(self, running: list[Reduction]) -> list[Mixture]:
        """Run all to their ends."""
        runs = [one.run() for one in running]
        found: dict[int, Mixture] = {}
        asked = {k: call for k, run in enumerate(runs) if (call := _next(run, None, k, found)) is not None}
        while asked:
            said = self._said(asked)
            then = {k: _next(runs[k], said[k], k, found) for k in asked}
            for k in asked:  # what is no better than others was trained for nothing
                self.kept[k] = {number: one for number, one in self.kept[k].items() if number in running[k].kept}
            asked = {k: call for k, call in then.items() if call is not None}
        return [found[k] for k in range(len(runs))]

    def _said(self, asked: dict[int, Call]) -> dict[int, np.ndarray]:
        """Train a model for each call; return what it says of its reduction's rows, and keep its weights."""
        part, settings = np.array(sorted(asked)), self.settings
        rows = self.rows[part]
        models, _ = self.owner.train(
            rows,
            part=part,
            **settings.steps,
            targets=np.stack([asked[k].labels for k in part]),
            weights=np.stack([asked[k].weights for k in part]),
        )
        labels = (self.owner.predict(models.weights, rows) >= 0.5).astype(np.int64)
        for k, weights in zip(part, models.weights, strict=True):
            self.kept[k][asked[k].number] = weights.astype(np.float32)
        return dict(zip(part.tolist(), labels, strict=True))


def _next(
    run: Generator[Call, Any, Mixture], said: np.ndarray | None, k: int, found: dict[int, Mixture]
) -> Call | None:
    """Return what a reduction asks for next; None at its end, when the mixture is entered in `found`."""
    try:
        return run.send(said)
    except StopIteration as ended:
        found[k] = ended.value
        return None


def _released(
    running: list[Reduction],
    mixtures: list[Mixture],
    trained: _Trained,
    owner: Owner,
    settings: Reductions.Settings,
) -> Mixed:
    """Return the releases of K owners, from what their reductions ended with."""
    size, base = settings.members, owner.population.weights
    weights = np.zeros((len(mixtures), size, base.shape[1]), np.float32)
    probability = np.zeros((len(mixtures), size + 1))
    for k, (one, kept) in enumerate(zip(mixtures, trained.kept, strict=True)):
        chosen = [i for i in np.argsort(-one.probability, kind="stable") if one.source[i] >= 0][:size]
        chosen = [i for i in chosen if one.probability[i] > LEAST] or chosen[:1]
        always = one.probability[one.source == -2].sum()
        never = one.probability[one.source == -1].sum()
        total = one.probability[chosen].sum() + always + never
        for m, i in enumerate(chosen):
            weights[k, m], probability[k, m] = kept[int(one.source[i])], one.probability[i] / total
        if chosen:
            weights[k, len(chosen) :] = weights[k, 0]
        probability[k, -1] = always / total
    held = weights.reshape(len(mixtures), -1)
    vacuous = np.array([one.cells.vacuous for one in running])
    lam = np.full(len(mixtures), 1 / settings.eps)
    return Mixed(held, np.asarray(np.isfinite(held).all(1)), lam, vacuous, probability, tuple(mixtures))


PLUGIN = Reductions()
