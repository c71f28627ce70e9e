"""The slow truth: two binary columns, a and x, and a label, everything enumerated and nothing simulated."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from scipy import stats

from popleak.attacks import label_rate, property_classifier, property_inference
from popleak.attacks.base import Game, Query
from popleak.core.columns import Columns
from popleak.measures import shares

COLUMNS = Columns((), ((0,),))
RATIOS = (F(0), F(1, 4), F(1, 2), F(3, 4), F(1))
RATES = (F(1, 4), F(1, 2))
"""P(y = 1 | a)."""
ONES = ((F(1, 8), F(1, 4)), (F(5, 8), F(3, 4)))
"""P(x = 1 | a, y), by group and then by label."""
BIT = ((F(1, 4), F(3, 4)), (F(1, 4), F(3, 4)))
"""The same where the group is a random bit."""
CELLS = tuple(itertools.product((0, 1), repeat=3))
"""(y, a, x)."""


def at(p, value):
    return p if value else 1 - p


def law(ratio, *, labels="own", mode="natural", rates=RATES, ones=ONES):
    """P(y, a, x) of samples of a generator that has learned its rows."""
    if mode == "label-balanced":
        rates = (F(3, 8), F(3, 8))
    joint = {(y, a): at(ratio, a) * at(rates[a], y) for y in (0, 1) for a in (0, 1)}
    if labels == "even":
        joint = {(y, a): p / (joint[y, 0] + joint[y, 1]) / 2 for (y, a), p in joint.items()}
    return {(y, a, x): joint[y, a] * at(ones[a][y], x) for y, a, x in CELLS}


def rows(cells):
    """Rows [y, a, x], each cell as often as its probability times the smallest number that makes all whole."""
    size = math.lcm(*(p.denominator for p in cells.values()))
    return np.array([cell for cell, p in cells.items() for _ in range(int(p * size))], np.float32)


def auxiliary(times=8, **keys):
    """The table itself: P(x, y | a) of the auxiliary rows is the population's, and both groups are as many."""
    table = np.tile(rows(law(F(1, 2), **keys)), (times, 1))
    y, a = (table[:, i].astype(np.int8) for i in (0, 1))
    return Query(y, a, a, None, table[:, 2:], COLUMNS)


def fitted(attack, *, labels="own", mode="natural", **keys):
    rate = 0.375 if mode == "label-balanced" else None
    game = Game(0.0, 1.0, rows=100, mode=mode, model="generator", label_rate=rate, labels=labels)
    return attack.calibrate_many(
        shadows=[], ratios=(0.0, 0.5, 1.0), query=auxiliary(**keys), game=game, settings=attack.Settings()
    )


def seen(attack, samples):
    return samples if attack.access == "samples" else samples[:, [0, 2]]


def compositions(m, k):
    """All ways to put m samples into k cells."""
    for bars in itertools.combinations(range(m + k - 1), k - 1):
        edges = (-1, *bars, m + k - 1)
        yield [b - a - 1 for a, b in itertools.pairwise(edges)]


def enumerated(attack, estimator, m, cells):
    """The probability of each composition of m samples, and its share."""
    probabilities, found = [], []
    for counts in compositions(m, len(cells)):
        samples = np.repeat(np.array(list(cells), np.float32), counts, axis=0)
        found.append(estimator.share(seen(attack, samples)))
        probabilities.append(stats.multinomial.pmf(counts, m, [float(p) for p in cells.values()]))
    assert sum(probabilities) == pytest.approx(1)
    return np.array(probabilities), found


def withheld_cells(cells):
    """The law of (y, 0, x): the group is not seen, so that it does not matter in which cell a sample is."""
    return {(y, 0, x): cells[y, 0, x] + cells[y, 1, x] for y in (0, 1) for x in (0, 1)}


# The group is seen: a binomial share.


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_counted_share_is_binomial(ratio):
    attack, m = property_inference.PLUGIN, 4
    probabilities, found = enumerated(attack, fitted(attack), m, law(ratio))
    estimates = np.array([share.estimate for share in found])
    for k in range(m + 1):
        mass = probabilities[np.isclose(estimates, k / m)].sum()
        assert mass == pytest.approx(stats.binom.pmf(k, m, float(ratio)), abs=1e-12)
    assert not any(share.clipped for share in found)


@pytest.mark.parametrize("ratio", RATIOS[1:4])
@pytest.mark.parametrize("m", [7, 200])
def test_the_mean_absolute_error_is_the_binomial_one(ratio, m):
    """de Moivre's closed form of the binomial's mean absolute deviation."""
    attack, r = property_inference.PLUGIN, float(ratio)
    estimator = fitted(attack)
    samples = np.array([[[0, i < k, 0] for i in range(m)] for k in range(m + 1)], np.float32)
    errors = np.abs([estimator.estimate(one) - r for one in samples])
    top = math.floor(m * r) + 1
    expected = 2 * top * math.comb(m, top) * r**top * (1 - r) ** (m - top + 1) / m
    assert errors @ stats.binom.pmf(np.arange(m + 1), m, r) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("m", [5, 60])
def test_the_width_covers_as_promised(m):
    attack = property_inference.PLUGIN
    estimator = fitted(attack)
    found = [estimator.share(np.array([[0, i < k, 0] for i in range(m)], np.float32)) for k in range(m + 1)]
    for r in np.linspace(0, 1, 41):
        covered = np.array([abs(share.estimate - r) <= share.width for share in found])
        assert covered @ stats.binom.pmf(np.arange(m + 1), m, r) >= 0.95


# The group is withheld: a binomial share of votes, corrected.


def detection(*, given=None):
    """(TPR, FPR) of the best classifier of a balanced table, of one label where it is given."""
    cells = law(F(1, 2))
    best = {(y, x): cells[y, 1, x] > cells[y, 0, x] for y in (0, 1) for x in (0, 1)}
    chosen = [cell for cell in CELLS if given is None or cell[0] == given]
    return [
        sum(cells[cell] for cell in chosen if cell[1] == a and best[cell[0], cell[2]])
        / sum(cells[cell] for cell in chosen if cell[1] == a)
        for a in (1, 0)
    ]


def test_the_classifier_knows_its_rates_exactly():
    found = fitted(property_classifier.PLUGIN).detection
    assert [found.tpr, found.fpr] == pytest.approx([float(p) for p in detection()], abs=1e-12)
    for label in (0, 1):
        assert found.by_label[::-1, label] == pytest.approx([float(p) for p in detection(given=label)], abs=1e-12)


@pytest.mark.parametrize(("classifier", "ratio"), [*(("linear", r) for r in RATIOS), ("trees", F(1, 4))])
def test_the_corrected_share_is_a_binomial_one(ratio, classifier):
    attack, m = property_classifier.PLUGIN, 8
    game = Game(0.0, 1.0, rows=100, mode="natural", model="generator")
    settings = attack.Settings(classifier=classifier)
    estimator = attack.calibrate_many(shadows=[], ratios=(0, 1), query=auxiliary(), game=game, settings=settings)
    probabilities, found = enumerated(attack, estimator, m, withheld_cells(law(ratio)))
    raw, clipped = np.array([share.raw for share in found]), np.array([share.clipped for share in found])
    tpr, fpr = (float(p) for p in detection())
    r, gain = float(ratio), tpr - fpr
    counted = r * tpr + (1 - r) * fpr
    k = np.arange(m + 1)
    binomial, corrected = stats.binom.pmf(k, m, counted), (k / m - fpr) / gain
    for value, mass in zip(corrected, binomial, strict=True):
        assert probabilities[np.isclose(raw, value)].sum() == pytest.approx(mass, abs=1e-12)
    assert probabilities @ raw == pytest.approx(r, abs=1e-12)
    assert probabilities @ (raw - r) ** 2 == pytest.approx(counted * (1 - counted) / m / gain**2, abs=1e-12)
    assert probabilities @ clipped == pytest.approx(binomial[(corrected < 0) | (corrected > 1)].sum(), abs=1e-12)
    estimates = np.array([share.estimate for share in found])
    assert probabilities @ np.abs(estimates - r) == pytest.approx(
        np.abs(corrected.clip(0, 1) - r) @ binomial, abs=1e-12
    )
    assert found[0].amplification == pytest.approx(1 / gain) and found[0].width == pytest.approx(
        shares.hoeffding(m) / gain
    )
    covered = np.abs(raw - r) <= found[0].width
    assert probabilities @ covered >= 0.95


# Who chooses the labels, and how rows are drawn: from the population's own probabilities the ratio comes back.


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("labels", ["own", "even"])
@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
@pytest.mark.parametrize("attack", [property_inference.PLUGIN, property_classifier.PLUGIN], ids=lambda one: one.name)
def test_the_ratio_comes_back(attack, mode, labels, ratio):
    samples = rows(law(ratio, labels=labels, mode=mode))
    share = fitted(attack, labels=labels, mode=mode).share(seen(attack, samples))
    assert share.raw == pytest.approx(float(ratio), abs=1e-9)
    if labels == "even" and mode == "natural" and 0 < ratio < 1 and attack.access == "samples":
        assert abs(samples[:, 1].mean() - float(ratio)) > 0.01  # the plain share would not do


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_label_rate_gives_the_ratio_back_where_it_moves_with_it(ratio):
    attack = label_rate.PLUGIN
    share = fitted(attack).share(seen(attack, rows(law(ratio))))
    assert share.raw == pytest.approx(float(ratio), abs=1e-12)
    assert share.amplification == pytest.approx(1 / float(RATES[1] - RATES[0]))
    for labels, mode in (("even", "natural"), ("own", "label-balanced"), ("even", "label-balanced")):
        samples = seen(attack, rows(law(ratio, labels=labels, mode=mode)))
        assert fitted(attack, labels=labels, mode=mode).share(samples) == shares.UNTOLD


@pytest.mark.parametrize("r", [0.1, 0.3, 0.5, 0.8])
def test_labels_half_and_half_cost_no_more_than_they_must(r):
    """The exact mean squared error, over all counts of two labels, is the Cramer-Rao bound's at m = 400, and below each label's alone."""
    p_0, p_1, m = np.array([3 / 4, 1 / 4]), np.array([1 / 2, 1 / 2]), 400
    q = r * p_1 / (r * p_1 + (1 - r) * p_0)
    each = np.array([m // 2, m // 2])
    steps = [np.flatnonzero(stats.binom.pmf(np.arange(n + 1), n, p) > 1e-7) for n, p in zip(each, q, strict=True)]
    masses = [stats.binom.pmf(step, n, p) for step, n, p in zip(steps, each, q, strict=True)]
    keys = {"rates": np.array([p_0, p_1]), "tpr": np.ones(2), "fpr": np.zeros(2)}

    def squared(counts):
        return sum(
            masses[0][i] * masses[1][j] * (shares.inverted(np.array([k, h]) / each, counts, **keys).estimate - r) ** 2
            for (i, k), (j, h) in itertools.product(enumerate(steps[0]), enumerate(steps[1]))
        )

    slope = (p_0 * p_1) / (r * p_1 + (1 - r) * p_0) ** 2
    bound = 1 / np.sum(each * slope**2 / (q * (1 - q)))
    both = squared(each)
    assert both == pytest.approx(bound, rel=0.04)
    alone = [q[y] * (1 - q[y]) / each[y] / slope[y] ** 2 for y in (0, 1)]
    assert both < min(alone)


@pytest.mark.parametrize("m", [10, 60])
def test_the_width_covers_with_labels_half_and_half(m):
    """It is to first order: exact over all counts, at every ratio."""
    attack, n = property_inference.PLUGIN, m // 2
    estimator = fitted(attack, labels="even")
    found = [[estimator.share(half_and_half(n, k, h)) for h in range(n + 1)] for k in range(n + 1)]
    estimate, width = (
        np.array([[getattr(one, name) for one in row] for row in found]) for name in ("estimate", "width")
    )
    for r in np.linspace(0, 1, 21):
        zero, one = (r * p_1 / (r * p_1 + (1 - r) * p_0) for p_0, p_1 in ((3 / 4, 1 / 2), (1 / 4, 1 / 2)))
        mass = np.outer(stats.binom.pmf(np.arange(n + 1), n, zero), stats.binom.pmf(np.arange(n + 1), n, one))
        assert (mass * (np.abs(estimate - r) <= width)).sum() >= 0.95


def half_and_half(n, k, h):
    """n samples of each label, k of label 0 and h of label 1 in group 1."""
    zero, one = ([[y, i < count, 0] for i in range(n)] for y, count in ((0, k), (1, h)))
    return np.array(zero + one, np.float32)


# A random bit as the property.


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_random_bit_is_a_half_at_every_ratio(ratio):
    """Rows that differ in a ratio of something else: the bit is drawn apart from it, and from x and y."""
    population = law(ratio)
    cells = {(y, bit, x): (population[y, 0, x] + population[y, 1, x]) / 2 for y, bit, x in CELLS}
    counted = property_inference.PLUGIN
    probabilities, found = enumerated(counted, fitted(counted), 4, cells)
    assert probabilities @ [share.estimate for share in found] == pytest.approx(0.5, abs=1e-12)
    bits = {"rates": (F(1, 4), F(1, 4)), "ones": BIT}
    for attack in (property_classifier.PLUGIN, label_rate.PLUGIN):
        share = fitted(attack, **bits).share(seen(attack, rows(cells)))
        assert share == shares.UNTOLD and share.estimate == 0.5
