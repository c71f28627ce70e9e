"""Property unlearning: the model is moved until an adversary of the owner's own cannot tell its world."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field, field_validator

from ..core.errors import PopleakError
from ..core.needs import Mixing
from ..core.settings import Settings as AnySettings
from ._reader import Reader
from .base import Defence, Owner, Population

HALVINGS = 20
"""How often a step that does not help is halved before the model is left where it is."""


class PropertyUnlearning(Defence):
    """M_0, moved by gradient steps on its weights until a white-box adversary that the owner trained says 1/2 of it (Stock, Wettlaufer, Demmler
    and Federrath, "Lessons learned: defending against property inference attacks", SECRYPT 2023, arXiv:2205.08821).

    The adversary learns from reference models, half of them of either world, which the owner trains on its public rows, drawn
    again to the world's ratio with replacement, as many as S_0 has. It reads sums over units (`_reader`). Steps go down the square of its
    evidence, the log-odds, along the exact gradient: the rows of S_0 are not used again, and the path is short, which is what
    keeps the model useful. The paper's own finding is that this stops the adversary that was trained and does not carry over
    to others, of which every informed adversary of the suite is one.

    Where ours differs from the paper: a regression on sums over units stands in for a network whose sums are trained; references
    are tens, not thousands, and are the owner's own; steps follow the log-odds, whose gradient does not vanish where
    the adversary is sure, and are a share of the step that would end at 1/2 were the evidence linear in the weights.
    """

    name = "property-unlearning"
    summary = "moved until a white-box adversary that the owner trained on public rows says 1/2"
    complement = False
    public = True
    chains_only = True

    class Settings(AnySettings):
        references: int = Field(default=20, ge=4, le=10_000)
        """Reference models that the owner trains for each model, half of them of either world: as many trainings a model."""
        epochs: int | None = Field(default=None, ge=1, le=100_000)
        """Epochs of their training; None: as many as the base model was trained for."""
        points: int = Field(default=64, ge=1, le=10_000)
        """Public rows at which the adversary looks at the units of a model; all of them where there are fewer."""
        ridge: float = Field(default=0.1, gt=0)
        """Penalty on the adversary's slopes."""
        tolerance: float = Field(default=0.01, gt=0, lt=0.5)
        """How far from 1/2 the adversary's probability may end."""
        step: float = Field(default=0.5, gt=0, le=1)
        """Length of a step, as a share of that which would end at 1/2 if the evidence were linear in the weights. A step that does not help is
        halved."""
        steps: int = Field(default=100, ge=1, le=100_000)
        """The most steps that are taken."""

        @field_validator("references")
        @classmethod
        def _even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("half of the references are of either world: give an even number")
            return value

    def epochs(self, base: int, settings: PropertyUnlearning.Settings) -> float:
        return settings.references * (settings.epochs or base)

    def apply(self, owner: Owner, settings: PropertyUnlearning.Settings) -> Population:
        before = owner.population
        weights = before.weights.astype(np.float32)
        for k in np.flatnonzero(before.finite):
            reader = reader_of(owner, int(k), settings)
            if reader is not None:
                weights[k] = unlearnt(reader, weights[k], settings).weights
        finite = before.finite & np.isfinite(weights).all(1)
        return Population(weights, finite, before.eo_weight, before.eo_vacuous)


class Unlearnt(NamedTuple):
    """weights (P,) float32 of a model that was moved; probability: of world 1, as the adversary has it; steps that were taken."""

    weights: np.ndarray
    probability: float
    steps: int


def unlearnt(reader: Reader, weights: np.ndarray, settings: PropertyUnlearning.Settings) -> Unlearnt:
    """Return a model, moved until the adversary is within `tolerance` of 1/2, or cannot be brought nearer, or `steps` are spent."""
    here, evidence, taken = np.asarray(weights, dtype=np.float32), reader.evidence(weights), 0
    while abs(probability(evidence) - 0.5) > settings.tolerance and taken < settings.steps:
        gradient = reader.gradient(here)
        square = float(gradient @ gradient)
        if square == 0:
            break
        share = settings.step
        for _ in range(HALVINGS):
            there = (here - share * evidence / square * gradient).astype(np.float32)  # what is released is float32
            found = reader.evidence(there)
            if abs(found) < abs(evidence):
                break
            share /= 2
        else:
            break
        here, evidence, taken = there, found, taken + 1
    return Unlearnt(here, probability(evidence), taken)


def probability(evidence: float) -> float:
    """Return the adversary's probability of world 1."""
    return float(1 / (1 + np.exp(-np.clip(evidence, -500, 500))))


def reader_of(owner: Owner, k: int, settings: PropertyUnlearning.Settings) -> Reader | None:
    """Return the adversary that the owner of model k trains: world 1 is that with the higher ratio. None where all reference models of a world
    diverged."""
    from ..core.seeds import generator

    rng = generator(int(owner.seeds[k]), "property unlearning")
    mine, turned = owner.mixing, owner.mixing.turned
    pair = (mine, turned) if mine.ratios[0] <= mine.ratios[1] else (turned, mine)
    half = settings.references // 2
    rows = np.stack([again(owner, k, law, rng) for law in pair for _ in range(half)])
    weights = owner.references(k, rows, purpose="property unlearning", epochs=settings.epochs)
    world, finite = np.repeat([0, 1], half), np.isfinite(weights).all(1)
    if len(set(world[finite])) < 2:
        return None
    points = owner.x[owner.public[k][: settings.points]]
    return Reader.fitted(weights[finite], world[finite], owner.sides(), points, settings.ridge)


def again(owner: Owner, k: int, law: Mixing, rng: np.random.Generator) -> np.ndarray:
    """Return as many rows (n,) as S_0 has, of the composition that S_0 would have in one of the worlds, drawn with replacement from the public
    rows of model k. Raises PopleakError where these lack a stratum."""
    public, found = owner.public[k], []
    for (label, group), many in law.at(law.ratios[0], law.rows).items():
        there = public[(owner.a[public] == group) & (True if label is None else owner.y[public] == label)]
        if many and not len(there):
            raise PopleakError(
                f"defence 'property-unlearning': the public rows of a model have none of group {group}"
                + ("" if label is None else f" with label {label}")
                + ", of which reference models need some: raise the task's `rows`"
            )
        found.append(rng.choice(there, many) if many else there[:0])
    return rng.permutation(np.concatenate(found))


PLUGIN = PropertyUnlearning()
