"""Checks of attacks that name one ratio among many: each takes (attack, generate, settings)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from ..attacks.base import Attack, Estimator, Game, Query
from ..core.seeds import generator
from ..core.settings import Settings
from .data import POINTS, SHADOWS, SIGMAS, beta_outputs, frozen, shadow_access

RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
VICTIMS = 40
"""Victims a world."""


class ManyExample(NamedTuple):
    """A made-up game: outputs (models, m) float32 of shadows and victims, world by world, with what is known."""

    shadows: tuple[np.ndarray, ...]
    victims: tuple[np.ndarray, ...]
    ratios: tuple[float, ...]
    query: Query
    game: Game


GenerateMany = Callable[..., ManyExample]
"""Called as generate(attack, kind="easy" | "null", seed=int)."""


def beta_many(attack: Attack, *, kind: Literal["easy", "null"], seed: int = 0) -> ManyExample:
    """Return models with beta-distributed scores, as `beta_scores` does, of five worlds.

    easy: confidence in the labels of group 1 rises with the ratio, and in those of group 0 falls; null: all are alike.
    """
    rng = generator("contract", "many", kind, seed)
    a = np.repeat([0, 1], POINTS // 2).astype(np.int8)
    y, cell = rng.integers(0, 2, POINTS).astype(np.int8), rng.integers(0, 4, POINTS).astype(np.int16)
    query = Query(frozen(y), frozen(a), frozen(a), frozen(cell))
    level = rng.uniform(0.55, 0.65, POINTS)
    shift = {"easy": 0.25, "null": 0.0}[kind]

    def outputs(access: str, models: int) -> tuple[np.ndarray, ...]:
        means = [level + shift * np.where(a == 1, 2 * ratio - 1, 1 - 2 * ratio) for ratio in RATIOS]
        return tuple(beta_outputs(access, mean=mean, y=y, models=models, rng=rng) for mean in means)

    game = Game(RATIOS[0], RATIOS[-1], rows=200, mode="natural", model="logistic", seed=seed)
    shadows, victims = outputs(shadow_access(attack), SHADOWS), outputs(attack.access, VICTIMS)
    return ManyExample(shadows, victims, RATIOS, query, game)


def calibrate(attack: Attack, example: ManyExample, settings: Settings) -> Estimator:
    found = attack.calibrate_many(
        shadows=example.shadows, ratios=example.ratios, query=example.query, game=example.game, settings=settings
    )
    assert isinstance(found, Estimator), f"calibrate_many must return an Estimator, not {type(found).__name__}"
    return found


def estimates(estimator: Estimator, victims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimates (V,) and the worlds named (V,) of victims (V, m), judged one after another."""
    found, named = [], []
    for victim in frozen(victims):
        value, world = estimator.estimate(victim), estimator.name(victim)
        assert isinstance(value, float) and 0 <= value <= 1, f"estimate must return a float in [0, 1], not {value!r}"
        known = isinstance(world, int) and not isinstance(world, bool) and 0 <= world < len(estimator.ratios)
        assert known, f"name must return the index of one of {len(estimator.ratios)} worlds, not {world!r}"
        found.append(value)
        named.append(world)
    return np.array(found), np.array(named)


def check_many_alone(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """A victim's estimate is the same alone, among others and after others, bit for bit."""
    example = generate(attack, kind="easy")
    victims = np.concatenate([world[:2] for world in example.victims])
    estimator = calibrate(attack, example, settings)
    among, backwards = estimates(estimator, victims)[0], estimates(estimator, victims[::-1])[0][::-1]
    alone = [estimates(calibrate(attack, example, settings), victim[None])[0][0] for victim in victims[:3]]
    assert np.array_equal(among, backwards), "an estimate depends on what was judged before it"
    assert np.array_equal(among[:3], alone), "a victim's estimate alone differs from its estimate among others"


def check_many_deterministic(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """Two calibrations on the same shadows estimate alike, whatever numpy's global random state is."""
    example, state = generate(attack, kind="easy"), np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            found.append(estimates(calibrate(attack, example, settings), example.victims[1][:10])[0])
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert np.array_equal(found[0], found[1]), "calibrating twice on the same shadows gives different estimates"


def check_many_order(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """The order of the shadows within a world does not matter (to 1e-9)."""
    example, rng = generate(attack, kind="null"), np.random.default_rng(0)
    mixed = example._replace(shadows=tuple(frozen(rng.permutation(world)) for world in example.shadows))
    before, after = (estimates(calibrate(attack, e, settings), example.victims[2][:20])[0] for e in (example, mixed))
    assert np.allclose(before, after, rtol=0, atol=1e-9), "estimates depend on the order of the shadows"


def check_many_extremes(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """Sound with few shadows, unequal numbers and two worlds, where outputs are constant, and at exactly 0 and 1."""
    example = generate(attack, kind="easy")
    flat = [np.full_like(example.shadows[0], value) for value in (0.0, 1.0)]
    hard = [np.round(world) for world in example.shadows]
    for shadows in (example.shadows, hard, flat[:1] * 5, flat[1:] * 5, [flat[k % 2] for k in range(5)]):
        for sizes in ((1,) * 5, (2,) * 5, (1, 4, 2, 3, 5), (SHADOWS,) * 5):
            few = tuple(world[:size] for world, size in zip(shadows, sizes, strict=True))
            for worlds in ((0, 1, 2, 3, 4), (0, 4)):
                given = example._replace(
                    shadows=tuple(few[k] for k in worlds), ratios=tuple(example.ratios[k] for k in worlds)
                )
                estimator = calibrate(attack, given, settings)
                for victims in (example.victims[3][:3], np.round(example.victims[1][:3]), flat[0][:1], flat[1][:1]):
                    estimates(estimator, victims)


def check_many_easy(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """Where worlds are far apart estimates rise with the ratio and names are better than chance, or as promised."""
    example = generate(attack, kind="easy")
    estimator = calibrate(attack, example, settings)
    assert np.array_equal(estimator.ratios, example.ratios), "an Estimator must keep the worlds' ratios"
    judged = [estimates(estimator, world) for world in example.victims]
    found, named = (np.array(part) for part in zip(*judged, strict=True))
    truth = np.repeat(example.ratios, found.shape[1])
    chance, n = 1 / len(example.ratios), found.size
    least = chance + SIGMAS * np.sqrt(chance * (1 - chance) / n) if attack.reaches_many is None else attack.reaches_many
    if attack.estimates_within is None:
        rise = 0.0 if np.ptp(found) < 1e-9 else float(np.corrcoef(truth, found.ravel())[0, 1])
        assert rise > SIGMAS / np.sqrt(n), f"estimates do not rise with the ratio of worlds far apart: r = {rise:.3f}"
    else:
        error, most = float(np.mean(np.abs(found.ravel() - truth))), attack.estimates_within
        assert error <= most, f"mean absolute error {error:.3f} on worlds far apart, not the {most} that was promised"
    share = float(np.mean(named == np.arange(len(named))[:, None]))
    assert share >= least, f"share {share:.3f} of worlds far apart named rightly, not the {least:.3f} expected"


def check_many_null(attack: Attack, generate: GenerateMany, settings: Settings) -> None:
    """Where all worlds are one, estimates do not follow the true ratio and names are right as often as by chance."""
    slopes, shares = [], []
    for seed in range(8):
        example = generate(attack, kind="null", seed=seed)
        estimator = calibrate(attack, example, settings)
        judged = [estimates(estimator, world) for world in example.victims]
        found, named = (np.array(part) for part in zip(*judged, strict=True))
        truth = np.repeat(example.ratios, found.shape[1])
        constant = np.ptp(found) < 1e-9
        slopes.append(0.0 if constant else np.corrcoef(truth, found.ravel())[0, 1])
        shares.append(np.mean(named == np.arange(len(named))[:, None]))
    n, chance = found.size, 1 / len(example.ratios)
    for runs, end in ((1, "once"), (len(slopes), "on average")):
        slope, share = abs(float(np.mean(slopes[:runs]))), float(np.mean(shares[:runs]))
        assert slope <= SIGMAS / np.sqrt(n * runs), f"estimates follow the ratio of equal worlds {end}: r = {slope:.3f}"
        error = SIGMAS * np.sqrt(chance * (1 - chance) / (n * runs))
        assert abs(share - chance) <= error, (
            f"share {share:.3f} of equal worlds named {end}, not {chance} +- {error:.3f}"
        )


MANY_CHECKS = (
    check_many_alone,
    check_many_deterministic,
    check_many_order,
    check_many_extremes,
    check_many_easy,
    check_many_null,
)
