"""Checks of attacks on generators: samples of made-up populations whose columns differ by group and label."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..attacks._samples import GROUPED, SampleAttack, SampleEstimator
from ..attacks.base import Game, Query
from ..core.columns import Columns
from ..core.errors import PopleakError
from ..core.seeds import generator
from ..core.settings import Settings
from ..measures import shares
from .data import frozen
from .plugin import check_imports, check_names

SAMPLES = (GROUPED, "samples-withheld")
"""What is seen of a generator: `attacks.base`."""
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHADOWS, VICTIMS, DRAWN, AUXILIARY = 4, 4, 400, 600
"""Shadows and victims a world, samples of each, and auxiliary rows."""
GAMES = tuple(itertools.product(("natural", "label-balanced"), ("own", "even")))
"""How training rows are drawn, and who chooses the samples' labels."""
COLUMNS = Columns((0, 1), ((2, 3, 4), (5,)))
RATES, LABEL_RATE = (0.3, 0.6), 0.4
"""P(y = 1 | a) in natural draws, and P(y = 1) in label-balanced ones."""
RISES = 0.8
"""Least correlation of estimates with the ratio on easy shadows."""
ROUNDING = 1e-9


class SampleExample(NamedTuple):
    """A made-up game: outputs (models, m, w) float32 of shadows and victims, world by world, with what is known."""

    shadows: tuple[np.ndarray, ...]
    victims: tuple[np.ndarray, ...]
    ratios: tuple[float, ...]
    query: Query
    game: Game


def features(y: np.ndarray, a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows of COLUMNS, (n, 6) float32: a number and a level that depend on the group, the others on the label or on nothing."""
    n = len(y)
    numbers = np.column_stack([1.5 * a + rng.normal(size=n), 10 * y + rng.normal(size=n)])
    level = np.where(rng.random(n) < 0.5, 2 * a, 1)
    return COLUMNS.expand(np.column_stack([numbers, level, rng.random(n) < 0.3 + 0.2 * y]))


def labels(rng: np.random.Generator, a: np.ndarray, *, mode: str) -> np.ndarray:
    """Return labels (n,) of rows with groups a (n,)."""
    rate = np.where(a == 1, RATES[1], RATES[0]) if mode == "natural" else LABEL_RATE
    return (rng.random(len(a)) < rate).astype(np.int8)


def sampled(rng: np.random.Generator, access: str, ratio: float, *, mode: str, labelled: str, m: int) -> np.ndarray:
    """Return m samples (m, w) float32 of a generator that has learned its rows' distribution at this ratio."""
    y = (np.arange(m) % 2).astype(np.int8)
    if labelled == "own":
        y = labels(rng, (rng.random(m) < ratio).astype(np.int8), mode=mode)
    rate = np.array(RATES) if mode == "natural" else np.full(2, LABEL_RATE)
    one, zero = (np.where(y == 1, p, 1 - p) for p in (rate[1], rate[0]))
    a = (rng.random(m) < ratio * one / (ratio * one + (1 - ratio) * zero)).astype(np.int8)
    compact = COLUMNS.compact(features(y, a, rng))
    return np.column_stack([y, *([a] if access == GROUPED else []), compact]).astype(np.float32)


def made_up(
    access: str,
    *,
    mode: str = "natural",
    labelled: str = "own",
    seed: int = 0,
    m: int = DRAWN,
    ratios: Sequence[float] = RATIOS,
    victims: int = VICTIMS,
) -> SampleExample:
    """Return generators of five worlds, or of those of these ratios, and auxiliary rows of their population."""
    rng = generator("contract", "samples", mode, labelled, m, seed)
    a = frozen(rng.permutation(np.arange(AUXILIARY) % 2).astype(np.int8))
    y = frozen(labels(rng, a, mode="natural"))
    query = Query(y, a, a, None, frozen(features(y, a, rng)), COLUMNS)

    def worlds(models: int) -> tuple[np.ndarray, ...]:
        made = [
            [sampled(rng, access, ratio, mode=mode, labelled=labelled, m=m) for _ in range(models)] for ratio in ratios
        ]
        return tuple(frozen(np.array(world)) for world in made)

    rate = LABEL_RATE if mode == "label-balanced" else float(y.mean())
    game = Game(
        ratios[0], ratios[-1], rows=m, mode=mode, model="generator", label_rate=rate, seed=seed, labels=labelled
    )
    return SampleExample(worlds(SHADOWS), worlds(victims), tuple(ratios), query, game)


def calibrate(attack: SampleAttack, example: SampleExample, settings: Settings) -> SampleEstimator:
    """Return the estimator; an attack without shadows gets none."""
    shadows = example.shadows if attack.shadows else tuple(frozen(world[:0].copy()) for world in example.shadows)
    found = attack.calibrate_many(
        shadows=shadows, ratios=example.ratios, query=example.query, game=example.game, settings=settings
    )
    assert isinstance(found, SampleEstimator), (
        f"calibrate_many must return a SampleEstimator, not {type(found).__name__}"
    )
    return found


def estimates(estimator: SampleEstimator, victims: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the estimates (V,) of victims, judged one after another; each share must be sound."""
    found = []
    for victim in victims:
        value, world = estimator.estimate(victim), estimator.name(victim)
        share = estimator.share(victim)
        assert isinstance(value, float) and 0 <= value <= 1, f"estimate must return a float in [0, 1], not {value!r}"
        assert isinstance(share, shares.Share), f"share must return a Share, not {type(share).__name__}"
        assert share.estimate == value, "share and estimate must say the same"
        assert isinstance(world, int) and 0 <= world < len(estimator.ratios), (
            f"name must return an index, not {world!r}"
        )
        if np.isinf(share.amplification):
            assert value == 0.5 and share.clipped, (
                "where nothing can be told the estimate is 0.5, and counts as clipped"
            )
        else:
            assert np.isfinite(share.raw) and share.amplification > 0, f"raw and amplification must be numbers: {share}"
            assert share.estimate == np.clip(share.raw, 0, 1), (
                f"estimate must be raw, clipped, and nothing else: {share}"
            )
            assert share.clipped == (share.raw != share.estimate), f"clipped must say whether raw was clipped: {share}"
        assert not share.width < 0, f"width must not be negative: {share}"
        found.append(value)
    return np.array(found)


def check_class(attack: SampleAttack, settings: Settings) -> None:
    """Flags are those of an attack on generators, and pairs of worlds are refused in one line."""
    check_names(attack)
    assert attack.many and not attack.rows and not attack.transductive, "many = True, rows and transductive = False"
    assert attack.shadow_access is None, "shadow_access must be None: shadows are judged as victims are"
    assert isinstance(attack.shadows, bool), "shadows must be True or False"
    within = attack.estimates_within
    assert within is None or 0 <= within <= 1, f"estimates_within must be None or from 0 to 1, not {within!r}"
    assert set(attack.reads) <= {"x", "y", "a", "origin"}, f"reads must name some of x, y, a, origin: {attack.reads!r}"
    example = made_up(attack.access)
    assert attack.applies(example.game) is True, "applies must return True on the example's game"
    assert attack.refuses(example.game) is None, "refuses must return None on the example's game"
    try:
        attack.calibrate(
            shadows_0=example.shadows[0], shadows_1=example.shadows[-1], query=example.query, game=example.game,
            settings=settings,
        )  # fmt: skip
    except PopleakError as error:
        assert "\n" not in str(error), "calibrate must refuse in one line"
    else:
        raise AssertionError("calibrate must raise PopleakError: no pair of worlds is judged by samples")


def check_alone(attack: SampleAttack, settings: Settings) -> None:
    """A victim's estimate is the same alone, among others, after others and by a second calibration, whatever numpy's random state is."""
    example, state = made_up(attack.access), np.random.get_state()  # noqa: NPY002
    victims = np.concatenate([world[:1] for world in example.victims])
    try:
        np.random.seed(0)  # noqa: NPY002  # whatever the caller left: the second is another
        estimator = calibrate(attack, example, settings)
        among = estimates(estimator, victims)
        assert np.array_equal(among, estimates(estimator, victims[::-1])[::-1]), (
            "an estimate depends on what was judged before"
        )
        np.random.seed(1)  # noqa: NPY002
        again = estimates(calibrate(attack, example, settings), victims[2:3])
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert np.array_equal(among[2:3], again), "a victim's estimate alone differs from its estimate among others"


def check_order(attack: SampleAttack, settings: Settings) -> None:
    """Neither the order of samples nor that of the shadows of a world matters."""
    example = made_up(attack.access)
    victims = np.concatenate([world[:1] for world in example.victims])
    estimator = calibrate(attack, example, settings)
    before = estimates(estimator, victims)
    rising = [victim[np.lexsort(victim.T[::-1])] for victim in victims]
    for mixed in (rising, [victim[::-1] for victim in rising]):
        found = estimates(estimator, [frozen(victim.copy()) for victim in mixed])
        assert np.allclose(before, found, rtol=0, atol=ROUNDING), (
            "estimates depend on the order of a generator's samples"
        )
    turned = tuple(frozen(world[::-1][:, ::-1].copy()) for world in example.shadows)
    after = estimates(calibrate(attack, example._replace(shadows=turned), settings), victims)
    assert np.allclose(before, after, rtol=0, atol=ROUNDING), (
        "estimates depend on the order of shadows or their samples"
    )


def check_reads(attack: SampleAttack, settings: Settings) -> None:
    """What `reads` does not name of the auxiliary rows decides no estimate."""
    example = made_up(attack.access)
    others: dict[str, Any] = {
        name: frozen(getattr(example.query, name)[::-1].copy())
        for name in ("y", "a", "origin", "x")
        if name not in attack.reads
    }
    victims = np.concatenate([world[:1] for world in example.victims])
    given = (example, example._replace(query=example.query._replace(**others)))
    found = [estimates(calibrate(attack, one, settings), victims) for one in given]
    assert np.array_equal(found[0], found[1]), (
        f"estimates depend on {', '.join(others)} of the query set: name them in reads"
    )


def few_or_flat(attack: SampleAttack, example: SampleExample) -> Iterator[SampleExample]:
    """Yield the example with constant samples, few and unequal shadows, of five worlds and of two; as it is without shadows."""
    if not attack.shadows:
        yield example
        return
    flat = [frozen(np.full_like(example.shadows[0], value)) for value in (0.0, 1.0)]
    for some in (example.shadows, flat[:1] * 5, [flat[k % 2] for k in range(5)]):
        for sizes, worlds in itertools.product(((1,) * 5, (1, 3, 2, 1, 4)), (range(5), (0, 4))):
            shadows = tuple(some[k][: sizes[k]] for k in worlds)
            yield example._replace(shadows=shadows, ratios=tuple(example.ratios[k] for k in worlds))


def check_sound(attack: SampleAttack, settings: Settings) -> None:
    """Sound with one sample, with constant samples and with few or unequal shadows, in every kind of game."""
    for (mode, labelled), m in itertools.product(GAMES, (1, 40)):
        example = made_up(attack.access, mode=mode, labelled=labelled, m=m)
        flat = [frozen(np.full_like(example.victims[0][0], value)) for value in (0.0, 1.0)]
        for given in few_or_flat(attack, example):
            estimator = calibrate(attack, given, settings)
            estimates(estimator, [example.victims[0][0], example.victims[4][0], *flat])


def check_easy(attack: SampleAttack, settings: Settings) -> None:
    """Estimates rise with the ratio, and are as near as promised, or the attack says that it cannot tell: of natural draws with their own
    labels it must."""
    for mode, labelled in GAMES:
        example = made_up(attack.access, mode=mode, labelled=labelled)
        estimator = calibrate(attack, example, settings)
        assert np.array_equal(estimator.ratios, example.ratios), "an Estimator must keep the worlds' ratios"
        victims = np.concatenate(example.victims)
        found = estimates(estimator, victims)
        told = not np.isinf([estimator.share(victim).amplification for victim in victims]).all()
        assert told or (mode, labelled) != GAMES[0], "it cannot tell natural draws with their own labels"
        rise = float(np.corrcoef(np.repeat(RATIOS, VICTIMS), found)[0, 1]) if np.ptp(found) > ROUNDING else 0.0
        assert not told or rise >= RISES, (
            f"estimates do not rise with the ratio ({mode}, {labelled} labels): r = {rise:.3f}"
        )
        error, most = float(np.mean(np.abs(found - np.repeat(RATIOS, VICTIMS)))), attack.estimates_within
        assert most is None or error <= most, (
            f"mean absolute error {error:.3f} ({mode}, {labelled} labels), not the {most} that was promised"
        )


CHECKS = (check_class, check_alone, check_order, check_reads, check_sound, check_easy)


def check_samples_attack(attack: Any, *, settings: Settings | None = None) -> None:
    """Raise AssertionError if an attack on generators breaks the contract; settings: by default the plugin's."""
    assert isinstance(attack, SampleAttack), f"access {', '.join(SAMPLES)}: subclass attacks._samples.SampleAttack"
    check_imports(attack)
    for check in CHECKS:
        check(attack, settings or attack.Settings())
