"""Made-up games that plugins are checked on: outputs of models of two worlds, one generator for each kind of access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from .attacks.base import Access, Attack, Game, Query
from .seeds import generator

VICTIMS, SHADOWS, POINTS, SIGMAS = 100, 20, 100, 4.5


class Example(NamedTuple):
    """A made-up game: outputs (models, m) float32 by role and world, read-only, with what the adversary knows."""

    shadows_0: np.ndarray
    shadows_1: np.ndarray
    victims_0: np.ndarray
    victims_1: np.ndarray
    query: Query
    game: Game


Generate = Callable[..., Example]
"""Called as generate(attack, kind="easy" | "null", seed=int): SHADOWS shadows and VICTIMS victims a world."""


def frozen(array: np.ndarray) -> np.ndarray:
    """Return `array`, made read-only: a plugin that writes to its inputs is caught in the act."""
    array.flags.writeable = False
    return array


def shadow_access(attack: Attack) -> Access:
    """Return what is seen of the shadows."""
    return attack.shadow_access or attack.access


def beta_outputs(
    access: Access, *, mean: np.ndarray, y: np.ndarray, models: int, rng: np.random.Generator
) -> np.ndarray:
    """Return outputs (models, m) float32 of models whose confidence in the true label y (m,) is beta-distributed.

    mean (m,): the mean confidence; access `labels`: 1 where the score is at least 0.5, else 0; `pair`: (models, 2m), as if
    of two models each.
    """
    parts = []
    for _ in range(2 if access == "pair" else 1):
        sure = rng.beta(8 * mean, 8 * (1 - mean), size=(models, len(mean)))
        parts.append(np.where(y == 1, sure, 1 - sure))
    score = np.concatenate(parts, axis=1)
    return frozen(((score >= 0.5) if access == "labels" else score).astype(np.float32))


def beta_scores(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return models whose scores are beta-distributed about a level of confidence in the true label.

    easy: a model is much surer of the labels of points from its own world; null: all models are alike. What is seen of
    shadows and of victims is what the attack has access to: labels, scores or (as if of two models) pairs.
    """
    rng = generator("contract", kind, seed)
    origin = np.repeat([0, 1], POINTS // 2).astype(np.int8)
    y = rng.integers(0, 2, POINTS).astype(np.int8)
    # Nine in ten points from a world are of its group, as the ratios say.
    a = np.where(rng.random(POINTS) < 0.9, origin, 1 - origin).astype(np.int8)
    query = Query(*(frozen(array) for array in (y, a, origin, rng.integers(0, 4, POINTS).astype(np.int16))))
    level = rng.uniform(0.55, 0.65, POINTS)
    shift = {"easy": 0.25, "null": 0.0}[kind]

    def outputs(access: Access, models: int) -> tuple[np.ndarray, ...]:
        means = [level + np.where(origin == world, shift, -shift) for world in (0, 1)]
        return tuple(beta_outputs(access, mean=mean, y=y, models=models, rng=rng) for mean in means)

    ratios = (0.5, 0.5) if kind == "null" else (0.1, 0.9)
    game = Game(*ratios, rows=200, mode="natural", model="logistic", seed=seed)
    shadows, victims = outputs(shadow_access(attack), SHADOWS), outputs(attack.access, VICTIMS)
    return Example(*shadows, *victims, query=query, game=game)


GENERATE: dict[Access, Generate] = {
    "labels": beta_scores,
    "scores": beta_scores,
    "pair": beta_scores,
}
"""The made-up game of each kind of access."""


def made_up(attack: Attack, **keys: int | str) -> Example:
    """Return the made-up game for the attack's access; keys as of `Generate`."""
    return GENERATE[attack.access](attack, **keys)
