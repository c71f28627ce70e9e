"""The closed-form laws against brute-force enumeration, and the simulated ceiling against its own attack."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

from popleak.attacks import _histogram, _law, ceiling
from popleak.attacks.base import Game, Poison, Query
from popleak.attacks.ceiling import LIMIT, known_accuracy, simulated_rates
from popleak.core import plugins
from popleak.core.errors import PopleakError

pytestmark = pytest.mark.slow

TINY = np.array([[[3, 2], [4, 1]], [[1, 4], [2, 5]]])
SMALL = np.array([[[2, 1], [1, 2]], [[1, 3], [2, 1]]])
FOUR = np.array([[[1400, 600], [900, 600], [500, 500], [300, 200]], [[600, 400], [500, 500], [600, 900], [450, 1050]]])


def game(ratios=(0.25, 0.75), *, rows=4, mode="natural", model="histogram", law=TINY):
    return Game(*ratios, rows=rows, mode=mode, model=model, law=law)


def enumerate_rates(law, sizes, rows, cells):
    """Return {rates of the cells as float32: probability} by listing every draw's counts."""
    natural = sizes.ndim == 1
    pool = law.sum(axis=(1, 2)) if natural else law.sum(axis=1)
    total = math.prod(math.comb(int(n), int(k)) for n, k in zip(pool.ravel(), sizes.ravel(), strict=True))
    every = np.indices([min(rows, int(c)) + 1 for c in law.ravel()]).reshape(law.size, -1).T.reshape(-1, *law.shape)
    there = every.sum(axis=(2, 3)) if natural else every.sum(axis=2)
    counts = every[(there == sizes).reshape(len(every), -1).all(axis=1)]
    choose = np.array([[math.comb(c, i) for i in range(rows + 1)] for c in law.ravel().tolist()])
    ways = choose[np.arange(law.size), counts.reshape(-1, law.size)].prod(axis=1)
    negative, positive = np.moveaxis(counts.sum(axis=1)[:, cells], -1, 0)
    rates = np.where(negative + positive, positive / np.maximum(negative + positive, 1), 0.5)
    found = defaultdict(float)
    for key, way in zip(map(tuple, rates.astype(np.float32).tolist()), ways.tolist(), strict=True):
        found[key] += way / total
    return found


class Remembering:
    """A likelihood that works out equal rates once: of a tiny pool, thousands of draws have few."""

    def __init__(self, likelihood):
        self.likelihood, self.known = likelihood, {}

    def log_likelihoods(self, rates):
        key = rates.tobytes()
        if key not in self.known:
            self.known[key] = self.likelihood.log_likelihoods(rates)
        return self.known[key]


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize("ratios", [(0.25, 0.75), (0.0, 0.5), (0.0, 1.0)])
@pytest.mark.parametrize("cells", [[0, 1], [1]])
def test_histogram_likelihood_is_exact(mode, ratios, cells, monkeypatch):
    law = SMALL if mode == "label-balanced" else TINY
    g = game(ratios, mode=mode, law=law)
    judge = _histogram.likelihood(game=g, seen=np.array(cells))
    truth = [enumerate_rates(law, _law.strata(g, world=w), 4, cells) for w in (0, 1)]
    assert [sum(t.values()) for t in truth] == pytest.approx([1, 1])
    for rates in {*truth[0], *truth[1]}:
        found = np.exp(judge.log_likelihoods(np.array(rates)))
        assert found == pytest.approx([t.get(rates, 0.0) for t in truth], abs=1e-12, rel=1e-10)
    best = sum(max(t.get(rates, 0.0) for t in truth) for rates in {*truth[0], *truth[1]}) / 2
    monkeypatch.setattr(ceiling, "likelihood", lambda **of: Remembering(_histogram.likelihood(**of)))
    known = known_accuracy(g, np.array(cells), draws=4000)
    assert known.accuracy == pytest.approx(best, abs=max(4 * known.standard_error, 1e-12))


def test_three_cells_one_unseen():
    law = np.array([[[2, 1], [1, 2], [3, 1]], [[1, 2], [2, 2], [1, 3]]])
    g = game((0.4, 0.8), rows=5, law=law)
    judge = _histogram.likelihood(game=g, seen=np.array([0, 2]))
    truth = [enumerate_rates(law, _law.strata(g, world=w), 5, [0, 2]) for w in (0, 1)]
    for rates in {*truth[0], *truth[1]}:
        found = np.exp(judge.log_likelihoods(np.array(rates)))
        assert found == pytest.approx([t.get(rates, 0.0) for t in truth], abs=1e-12, rel=1e-10)


@pytest.mark.parametrize("ratios", [(0.25, 0.75), (0.0, 1.0), (0.5, 0.5)])
def test_prior_law_is_exact(ratios):
    g = game(ratios, model="prior")
    for world in (0, 1):
        n = _law.strata(g, world=world)
        expected = [
            sum(
                math.comb(3, i) * math.comb(7, int(n[0]) - i) * math.comb(9, k - i) * math.comb(3, int(n[1]) - k + i)
                for i in range(k + 1)
                if i <= n[0] and n[1] - k + i >= 0
            )
            / math.comb(10, int(n[0]))
            / math.comb(12, int(n[1]))
            for k in range(5)
        ]
        assert _law.positives(g, world=world) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_prior_law_of_a_large_pool_is_nearly_binomial():
    from scipy.stats import binom

    law = np.array([[[7_000_000, 3_000_000]], [[5_000_000, 5_000_000]]])
    found = _law.positives(game((0.0, 1.0), rows=100, model="prior", law=law), world=0)
    assert found == pytest.approx(binom.pmf(np.arange(101), 100, 0.3), rel=1e-3, abs=1e-9)
    assert found.sum() == pytest.approx(1, abs=1e-10)


def calibrate(g, cells=(0, 1, 2, 3)):
    cell = np.array(cells, np.int16)
    query = Query(y=np.zeros_like(cell), a=np.zeros_like(cell), origin=np.zeros_like(cell), cell=cell)
    attack = plugins.load("attacks", "ceiling")
    none = np.empty((0, len(cell)))
    return attack.calibrate(shadows_0=none, shadows_1=none, query=query, game=g, settings=attack.Settings())


def test_prior_in_label_balanced_mode_gives_nothing_away():
    g = game((0.0, 1.0), rows=100, mode="label-balanced", model="prior", law=FOUR)
    assert known_accuracy(g) == (0.5, 0.0)
    rate = _law.strata(g, world=0)[:, 1].sum() / 100
    assert calibrate(g).score(np.full(4, rate, np.float32)) == 0.0


# Label-balanced draws that round to equally many positives in both worlds (76): the labels' number tells nothing.
@pytest.mark.parametrize(
    ("mode", "ratios", "rows"), [("natural", (0.5, 0.3), 100), ("label-balanced", (0.5, 0.25), 160)]
)
def test_simulated_ceiling_is_the_accuracy_of_its_attack(mode, ratios, rows):
    g = game(ratios, rows=rows, mode=mode, law=FOUR)
    known = known_accuracy(g, np.arange(4))
    assert 0.65 < known.accuracy < 0.95 and known.standard_error < 0.005
    judge, rng = calibrate(g), np.random.default_rng(5)
    right = [
        np.mean([(judge.score(v) > 0) == w for v in simulated_rates(g, world=w, draws=1000, rng=rng)]) for w in (0, 1)
    ]
    error = np.hypot(known.standard_error, np.sqrt(0.25 / 2000))
    assert np.mean(right) == pytest.approx(known.accuracy, abs=3.5 * error)


def test_the_ceiling_is_the_same_each_time():
    g = game((0.5, 0.25), rows=160, mode="label-balanced", law=FOUR)
    assert known_accuracy(g, np.arange(4), draws=200) == known_accuracy(g, np.arange(4), draws=200)


def test_fewer_cells_and_fewer_rows_give_less_away():
    full = known_accuracy(game((0.5, 0.2), rows=100, law=FOUR)).accuracy
    assert known_accuracy(game((0.5, 0.2), rows=100, law=FOUR), [0, 3]).accuracy < full - 0.02
    assert known_accuracy(game((0.5, 0.2), rows=40, law=FOUR)).accuracy < full - 0.02


def test_equal_worlds_abstain():
    g = game((0.5, 0.5), rows=100, law=FOUR)
    assert known_accuracy(g) == (0.5, 0.0)
    rates = simulated_rates(g, world=0, draws=3, rng=np.random.default_rng(0))
    assert [calibrate(g).score(rate) for rate in rates] == [0.0, 0.0, 0.0]


def test_outputs_that_no_or_one_world_can_give():
    assert calibrate(game(model="prior"), cells=(0, 1)).score(np.full(2, 0.123)) == 0.0
    assert calibrate(game(), cells=(0, 1)).score(np.array([0.123, 0.5])) == 0.0
    # Group 0 has positives only, group 1 negatives only: a pure draw is named for certain.
    law = np.array([[[0, 50]], [[50, 0]]])
    for model in ("prior", "histogram"):
        judge = calibrate(game((0.0, 1.0), rows=10, model=model, law=law), cells=(0,))
        assert [judge.score(np.array([rate])) for rate in (1.0, 0.0)] == [-LIMIT, LIMIT]


def test_rates_are_read_to_float32():
    for rows in (300, 2000):
        rng = np.random.default_rng(rows)
        for n, part in zip(rng.integers(1, rows + 1, 50), rng.random(50), strict=True):
            k = round(n * part)
            counts = _histogram.consistent(float(np.float32(k / n)), rows=rows)
            q = n // math.gcd(k, n)
            expected = np.arange(q, rows + 1, q)
            sizes = counts.k + counts.l
            assert np.array_equal(sizes[sizes > 0], expected)
            assert np.array_equal(counts.k[sizes > 0] * n, expected * k)


def test_query_need_not_visit_all_cells_but_must_fit():
    assert calibrate(game(rows=100, law=FOUR), cells=(2, 2, 0)).score(np.float32([0.5, 0.5, 1 / 3])) != 0
    with pytest.raises(PopleakError, match="query_rows"):
        calibrate(game(), cells=(0, 5))


def test_refusals_name_the_key():
    attack = plugins.load("attacks", "ceiling")
    assert not attack.applies(game()._replace(law=None)) and not attack.applies(game(model="mlp"))
    with pytest.raises(PopleakError, match="lower rows"):
        known_accuracy(game(rows=50, model="prior"))
    with pytest.raises(PopleakError, match="2000 rows"):
        calibrate(game(rows=2001, law=FOUR * 10))


def test_prior_and_histogram_models_are_the_ones_simulated():
    """Models fitted to rows of a pool have the law that the ceiling was worked out for."""
    pool = np.repeat(np.stack(np.unravel_index(np.arange(16), FOUR.shape), 1), FOUR.ravel(), axis=0)
    a, cell, y = pool.astype(np.int16).T
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(np.flatnonzero(a == 1), 80, replace=False) for _ in range(2000)])
    g = game((0.0, 1.0), rows=80, law=FOUR)
    histogram, prior = (plugins.load("models", name) for name in ("histogram", "prior"))
    fitted = histogram.fit(y=y, cell=cell, rows=rows, settings=histogram.Settings())
    simulated = simulated_rates(g, world=1, draws=2000, rng=rng)
    assert fitted.mean(axis=0) == pytest.approx(simulated.mean(axis=0), abs=0.012)
    assert fitted.std(axis=0) == pytest.approx(simulated.std(axis=0), rel=0.1)
    rate = prior.fit(y=y, cell=None, rows=rows, settings=prior.Settings())[:, 0]
    law = _law.positives(g, world=1)
    assert rate.mean() * 80 == pytest.approx(law @ np.arange(81), abs=0.4)
    assert (rate * 80).var() == pytest.approx(law @ (np.arange(81) - law @ np.arange(81)) ** 2, rel=0.12)


def test_histogram_model_pins():
    histogram = plugins.load("models", "histogram")
    y, cell = np.array([1, 0, 1, 1, 0], np.int8), np.array([0, 0, 1, 1, 2], np.int16)
    weights = histogram.fit(y=y, cell=cell, rows=np.array([[0, 1, 2], [1, 4, 4]]), settings=histogram.Settings())
    assert weights.tolist() == [[0.5, 1.0, 0.5], [0.0, 0.5, 0.0]]
    scores = histogram.predict(weights, cell=cell, rows=np.array([2, 4]), settings=histogram.Settings())
    assert scores.tolist() == [[1.0, 0.5], [0.5, 0.0]]
    with pytest.raises(PopleakError, match="cell"):
        histogram.fit(y=y, cell=None, rows=np.array([[0]]), settings=histogram.Settings())


def test_reference_lines_are_marked_so_that_best_never_chooses_them():
    marked = {name for name in plugins.names("attacks") if plugins.load("attacks", name).reference}
    assert marked == {"ceiling", "data", "kl-transductive", "worst-case"}


def test_no_ceiling_of_poisoned_draws():
    """The law is that of clean draws."""
    attack = plugins.load("attacks", "ceiling")
    game = Game(0.3, 0.5, 100, "natural", "prior", law=np.ones((2, 1, 2), np.int64))
    assert attack.applies(game) and not attack.applies(game._replace(poison=Poison(0.05, 1, 0)))
