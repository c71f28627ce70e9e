"""Made-up games that plugins are checked on: outputs of models of two worlds, one generator for each kind of access."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from ..attacks.base import Attack, Game, Query, Records
from ..core import plugins
from ..core.seeds import generator

VICTIMS, SHADOWS, POINTS, SIGMAS = 100, 20, 100, 4.5
SIDES = (6, 8, 4, 1)
"""Sides of the made-up chains."""
CLASSES = 3
"""Classes of the label for an attack on any number of them, beside two."""
RECORDS, ROWS = 2000, 200
"""Made-up records and rows of a sample."""


class Example(NamedTuple):
    """A made-up game: outputs (models, m) float32 by role and world, read-only, with what the adversary knows."""

    shadows_0: np.ndarray
    shadows_1: np.ndarray
    victims_0: np.ndarray
    victims_1: np.ndarray
    query: Query
    game: Game

    @classmethod
    def of(cls, outputs: Iterable[np.ndarray], query: Query, game: Game) -> Example:
        """Return the game with these four `outputs`: the shadows' in world 0 and in world 1, then the victims'."""
        shadows_0, shadows_1, victims_0, victims_1 = outputs
        return cls(shadows_0, shadows_1, victims_0, victims_1, query, game)


Generate = Callable[..., Example]
"""Called as generate(attack, kind="easy" | "null", seed=int): SHADOWS shadows and VICTIMS victims a world."""


def frozen(array: np.ndarray) -> np.ndarray:
    """Return `array`, made read-only: a plugin that writes to its inputs is caught in the act."""
    array.flags.writeable = False
    return array


def shadow_access(attack: Attack) -> str:
    """Return what is seen of the shadows."""
    return attack.shadow_access or attack.access


def beta_outputs(access: str, *, mean: np.ndarray, y: np.ndarray, models: int, rng: np.random.Generator) -> np.ndarray:
    """Return outputs (models, m) float32 of models whose confidence in the true label y (m,) is beta-distributed.

    mean (m,): the mean confidence. What is seen is the access's own: labels for `labels`, and for `pair` (models, 2m), as if of two
    models each; for one that sees no answers, scores.
    """
    seen, parts = plugins.load("access", access), []
    answers = seen.reads == "answers"
    for _ in range(seen.sets if answers else 1):
        sure = rng.beta(8 * mean, 8 * (1 - mean), size=(models, len(mean)))
        parts.append(np.where(y == 1, sure, 1 - sure))
    score = np.concatenate(parts, axis=1)
    return frozen((seen.of(score) if answers else score).astype(np.float32))


def beta_scores(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return models whose scores are beta-distributed about a level of confidence in the true label.

    easy: a model is much surer of the labels of points from its own world; null: all models are alike. What is seen of
    shadows and of victims is what the attack has access to.
    """
    rng = generator("contract", kind, seed)
    origin = np.repeat([0, 1], POINTS // 2).astype(np.int8)
    y = rng.integers(0, 2, POINTS).astype(np.int8)
    # Nine in ten points from a world are of its group, as the ratios say.
    a = np.where(rng.random(POINTS) < 0.9, origin, 1 - origin).astype(np.int8)
    query = Query(frozen(y), frozen(a), frozen(origin), frozen(rng.integers(0, 4, POINTS).astype(np.int16)))
    level = rng.uniform(0.55, 0.65, POINTS)
    shift = {"easy": 0.25, "null": 0.0}[kind]

    def outputs(access: str, models: int) -> tuple[np.ndarray, ...]:
        means = [level + np.where(origin == world, shift, -shift) for world in (0, 1)]
        return tuple(beta_outputs(access, mean=mean, y=y, models=models, rng=rng) for mean in means)

    ratios = (0.5, 0.5) if kind == "null" else (0.1, 0.9)
    game = Game(*ratios, rows=200, mode="natural", model="logistic", seed=seed)
    shadows, victims = outputs(shadow_access(attack), SHADOWS), outputs(attack.access, VICTIMS)
    return Example.of([*shadows, *victims], query, game)


def class_scores(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return models of CLASSES classes, as `beta_scores` does of two: what a model is not sure of is split at random among the other classes."""
    rng = generator("contract", "classes", kind, seed)
    example = beta_scores(attack, kind=kind, seed=seed)
    y = frozen(rng.integers(0, CLASSES, POINTS).astype(np.int8))
    origin, level = example.query.origin, rng.uniform(0.5, 0.6, POINTS)
    shift = {"easy": 0.25, "null": 0.0}[kind]

    def outputs(access: str, world: int, models: int) -> np.ndarray:
        mean = level + np.where(origin == world, shift, -shift)
        parts = []
        for _ in range(plugins.load("access", access).sets):
            sure = rng.beta(8 * mean, 8 * (1 - mean), size=(models, POINTS))
            part = rng.dirichlet(np.ones(CLASSES - 1), size=(models, POINTS)) * (1 - sure)[..., None]
            whole = np.concatenate([sure[..., None], part], axis=2)
            order = (np.arange(CLASSES) - y[:, None]) % CLASSES  # the true label's column first
            parts.append(np.take_along_axis(whole, np.broadcast_to(order, whole.shape), 2))
        found = np.concatenate(parts, axis=1)
        return frozen(plugins.load("access", access).of(found).astype(np.float32))

    made = (
        outputs(access, world, models)
        for access, models in ((shadow_access(attack), SHADOWS), (attack.access, VICTIMS))
        for world in (0, 1)
    )
    return Example.of(made, example.query._replace(y=y), example.game)


def permuted(weights: np.ndarray, sides: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return one model's weights (P,) with the units of every hidden layer renamed at random: the same function."""
    found, at, before = [], 0, np.arange(sides[0])
    for into, out in pairwise(sides):
        names = rng.permutation(out)
        matrix, bias = weights[at : at + out * into].reshape(out, into), weights[at + out * into :][:out]
        found += [matrix[names][:, before].reshape(-1), bias[names]]
        at, before = at + out * into + out, names
    return np.concatenate(found)


def alike(parts: Sequence[np.ndarray], sides: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return several sets of weights (P,) of one model, one after another, with its units renamed in the same way in all."""
    seed = int(rng.integers(2**31))
    return np.concatenate([permuted(part, sides, np.random.default_rng(seed)) for part in parts])


def chains(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return weights of chains with sides SIDES whose worlds differ in the chain without its ReLUs, units in any order.

    Weights after the first layer are positive, so that a world shows in every unit's weights and even an attack that
    does not know of the order of units can see it. With an access that shows initial weights too, these are noise. easy: the worlds lie far apart; null: they are one.
    """
    rng = generator("contract", "weights", kind, seed)
    example = beta_scores(attack, kind=kind, seed=seed)
    apart = {"easy": 3.0, "null": 0.0}[kind] * np.linspace(-1, 1, SIDES[0])

    def model(world: int) -> np.ndarray:
        layers: list[tuple[np.ndarray, np.ndarray]] = []
        for into, out in pairwise(SIDES):
            matrix = rng.normal(0, 0.3, (out, into))
            layers.append((np.abs(matrix) + 0.1 if layers else matrix, rng.normal(0, 0.1, out)))
        (first, bias), *rest = layers
        onwards = np.linalg.multi_dot([matrix for matrix, _ in reversed(rest)])[0]
        wanted = (world - 0.5) * apart + rng.normal(0, 0.3, SIDES[0])
        first = first + np.outer(onwards, wanted - onwards @ first) / (onwards @ onwards)
        flat = np.concatenate([part.reshape(-1) for layer in [(first, bias), *rest] for part in layer])
        begun = [rng.normal(0, 0.1, len(flat)) for _ in range(plugins.load("access", attack.access).sets - 1)]
        return alike([flat, *begun], SIDES, rng) if begun else permuted(flat, SIDES, rng)

    def outputs(world: int, models: int) -> np.ndarray:
        return frozen(np.stack([model(world) for _ in range(models)]).astype(np.float32))

    made = (outputs(world, models) for models in (SHADOWS, VICTIMS) for world in (0, 1))
    return Example.of(made, example.query, example.game._replace(model="mlp", sides=SIDES))


def records(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return ids of rows drawn from a table of records of two hidden groups, whose share is a world's ratio.

    Shadows draw from the first half of the table, victims from the second. easy: 0.1 against 0.9; null: 0.5 twice.
    """
    rng = generator("contract", "rows", kind, seed)
    group = rng.permutation(np.arange(RECORDS) % 2)
    y = (rng.random(RECORDS) < np.where(group == 1, 0.6, 0.4)).astype(np.int8)
    x = (rng.normal(size=(RECORDS, 4)) + 0.5 * group[:, None] * [1, -1, 0, 0]).astype(np.float32)
    ratios = {"easy": (0.1, 0.9), "null": (0.5, 0.5)}[kind]

    def outputs(world: int, models: int, half: range) -> np.ndarray:
        pools = [np.flatnonzero(group[half.start : half.stop] == g) + half.start for g in (0, 1)]
        ones = round(ratios[world] * ROWS)
        drawn = [
            np.concatenate(
                [rng.choice(pools[0], ROWS - ones, replace=False), rng.choice(pools[1], ones, replace=False)]
            )
            for _ in range(models)
        ]
        return frozen(np.array(drawn, dtype=np.int64))

    halves = (SHADOWS, range(RECORDS // 2)), (VICTIMS, range(RECORDS // 2, RECORDS))
    made = [outputs(world, models, half) for models, half in halves for world in (0, 1)]
    example = beta_scores(attack, kind=kind, seed=seed)
    game = example.game._replace(ratio_0=ratios[0], ratio_1=ratios[1], rows=ROWS, records=Records(frozen(x), frozen(y)))
    return Example.of(made, example.query, game)


def evidence(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> Example:
    """Return log-likelihood ratios (1,) of audits: normal, of mean +-4 where the worlds are far apart, else 0."""
    rng = generator("contract", "audits", kind, seed)
    apart = {"easy": 4.0, "null": 0.0}[kind]
    made = (
        frozen(rng.normal((2 * world - 1) * apart, 1, (models, 1))) for models in (SHADOWS, VICTIMS) for world in (0, 1)
    )
    example = beta_scores(attack, kind=kind, seed=seed)
    return Example.of(made, example.query, example.game)


GENERATE: dict[str, Generate] = {"answers": beta_scores, "models": chains, "draws": records, "audits": evidence}
"""The made-up game by what an access is made of."""


def made_up(attack: Attack, **keys: int | str) -> Example:
    """Return the made-up game for the attack's access; keys as of `Generate`."""
    return GENERATE[plugins.load("access", attack.access).reads](attack, **keys)
