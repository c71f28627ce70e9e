"""Certificates: the formulas, their edges, and the steps of their proofs."""

from __future__ import annotations

from fractions import Fraction
from math import nan
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import optimize, stats

from popleak.measures import certificates

NORMAL = NormalDist()
CONSTANTS = st.tuples(st.floats(1e-3, 1), st.floats(1, 100))


def plain(low, high, radius, steps, noise):
    """mu as docs/certificates.md writes it, in exact fractions up to the root."""
    low, high = Fraction(low), Fraction(high)
    c = (high - low) / (high + low)
    square = c ** (2 * steps) * 4 * Fraction(radius) ** 2 * (1 - c**2) / (1 - c ** (2 * steps)) / Fraction(noise) ** 2
    shift = 600 if square < Fraction(1, 2**600) else 0  # a square that float64 holds to all its digits
    return float(square * 2 ** (2 * shift)) ** 0.5 / 2.0**shift


@example((0.998757999850337, 1.0), 1.0, 50, 1.0)
@given(CONSTANTS, st.floats(0.1, 10), st.integers(1, 60), st.floats(1e-3, 10))
def test_mu_is_the_formula(constants, radius, steps, noise):
    low, high = constants
    found = certificates.of_descent(low, high, radius=radius, steps=steps, noise=noise)
    assert found == pytest.approx(plain(low, high, radius, steps, noise), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("low", "steps"), [(1e-14, 7), (1e-9, 1000), (1e-6, 10)])
def test_nothing_cancels_where_the_chain_hardly_contracts(low, steps):
    """Next to c = 1 each step adds noise and takes nothing away: mu nears 2R / (s sqrt T)."""
    found = certificates.of_descent(low, 1.0, radius=1.5, steps=steps, noise=0.1)
    assert found == pytest.approx(3 / 0.1 / np.sqrt(steps), rel=4 * low * steps + 1e-12)


def test_nothing_is_lost_where_it_contracts_to_nothing():
    one = certificates.of_descent(0.5, 1.0, radius=1.0, steps=600, noise=1.0)
    assert 0 < one < 1e-280, "c^T is tiny, and no 0"
    assert certificates.of_descent(1.0, 1.0, radius=1.0, steps=1, noise=1.0) == 0, "one step forgets all"
    assert certificates.advantage(one) == pytest.approx(float(one) / np.sqrt(2 * np.pi), rel=1e-12), "no 1 - 1"


GOOD = {"low": 0.1, "high": 2.0, "radius": 3.0, "steps": 10, "noise": 0.1}


@pytest.mark.parametrize(
    "broken",
    [
        {"low": 0.0}, {"low": -0.1}, {"low": 3.0}, {"high": np.inf}, {"high": nan}, {"radius": -1.0}, {"radius": np.inf}, {"steps": 0},
        {"noise": 0.0}, {"noise": -1.0}, {"noise": nan}, {"step": 1.01}, {"step": 0.0}, {"step": -0.1},
    ],
)  # fmt: skip
def test_where_a_condition_fails_there_is_no_number(broken):
    def mu(low, high, **more):
        return certificates.of_descent(low, high, **more)

    assert mu(**GOOD) > 0
    assert np.isnan(mu(**{**GOOD, **broken})), "never 0"
    assert np.isnan(certificates.advantage(mu(**{**GOOD, **broken})))


def test_another_step_contracts_less():
    usual = certificates.step_size(0.1, 2.0)
    best = certificates.contraction(0.1, 2.0)
    assert certificates.contraction(0.1, 2.0, usual) == pytest.approx(best, rel=1e-12)
    for factor in (0.5, 0.9, 1.02):
        assert certificates.contraction(0.1, 2.0, factor * usual) > best
        assert certificates.of_descent(**GOOD, step=factor * usual) > certificates.of_descent(**GOOD)
    assert certificates.of_descent(**GOOD, step=usual) == pytest.approx(certificates.of_descent(**GOOD), rel=1e-9)


@given(st.floats(0, 30))
def test_advantage_and_auc_are_those_of_two_normal_laws(mu):
    assert certificates.advantage(mu) == pytest.approx(2 * NORMAL.cdf(mu / 2) - 1, abs=1e-12)
    assert certificates.auc(mu) == pytest.approx(NORMAL.cdf(mu / 2**0.5), abs=1e-12)


def test_auc_by_simulation():
    rng = np.random.default_rng(0)
    zero, one = rng.normal(size=20000), rng.normal(size=20000) + 0.8
    assert np.mean(zero < one) == pytest.approx(certificates.auc(0.8), abs=0.01)
    assert np.mean(one > 0.4) - np.mean(zero > 0.4) == pytest.approx(certificates.advantage(0.8), abs=0.015)


# The proof of B, step by step.


@given(st.floats(0.05, 0.99), st.integers(1, 8), st.integers(0, 2**31))
def test_the_shifts_of_the_proof_cost_least(c, steps, seed):
    """sum a_t^2 over sum c^(T - t) a_t = c^T D is least at a_t proportional to c^(T - t), and its root is mu s."""
    powers = c ** np.arange(steps - 1, -1, -1.0)
    target = c**steps * 2.0
    best = target * powers / (powers @ powers)
    high = (1 + c) / (1 - c)
    mu = certificates.of_descent(1.0, high, radius=1.0, steps=steps, noise=1.0)
    assert np.sqrt(best @ best) == pytest.approx(mu, rel=1e-9)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = rng.normal(size=steps)
        other *= target / (powers @ other)
        assert other @ other >= best @ best * (1 - 1e-9)


def test_the_shifts_that_an_optimiser_finds():
    c, steps = 0.8, 5
    powers = c ** np.arange(steps - 1, -1, -1.0)
    goal = {"type": "eq", "fun": lambda a: powers @ a - c**steps * 2}
    found = optimize.minimize(lambda a: a @ a, np.ones(steps), constraints=[goal], tol=1e-14)
    mu = certificates.of_descent(1.0, 9.0, radius=1.0, steps=steps, noise=1.0)
    assert np.sqrt(found.fun) == pytest.approx(mu, rel=1e-4)


@given(CONSTANTS, st.integers(1, 50), st.floats(0.01, 3))
def test_a_quadratic_meets_the_certificate(constants, steps, noise):
    """In one dimension w <- c w + N(0, s^2): the ends' laws are normal, and mu is exactly the distance of their means in deviations."""
    low, high = constants
    c = float(certificates.contraction(low, high))
    mean, variance = 2.0 * 3.0, 0.0
    for _ in range(steps):
        mean, variance = c * mean, c**2 * variance + noise**2
    found = certificates.of_descent(low, high, radius=3.0, steps=steps, noise=noise)
    assert found == pytest.approx(mean / np.sqrt(variance), rel=1e-6, abs=1e-200)


def test_the_advantage_over_many_sets_of_rows_is_the_mean():
    """The adversary knows F, whose law is one in both worlds: given F it may do as well as F allows, and no better on average."""
    rng = np.random.default_rng(1)
    mus, weights, each = np.array([0.2, 1.0, 3.0]), np.array([0.5, 0.3, 0.2]), 200_000
    kind, world = rng.choice(3, each, p=weights), rng.integers(0, 2, each)
    seen = rng.normal(size=each) + mus[kind] * world
    named = seen > mus[kind] / 2  # the likelihood ratio, F being known
    measured = 2 * np.mean(named == world) - 1
    assert measured == pytest.approx(weights @ certificates.advantage(mus), abs=0.01)
    blind = max(2 * np.mean((seen > cut) == world) - 1 for cut in np.linspace(-1, 3, 41))
    assert blind < measured, "who does not know F does no better"


def test_restart():
    assert certificates.of_restart(0.1, 2.0, 0.5) == pytest.approx(0.8)
    assert certificates.of_restart(0.0, 2.0, 0.5) == 0
    for broken in ((-0.1, 2.0, 0.5), (0.1, -2.0, 0.5), (0.1, 2.0, 0.0), (0.1, np.inf, 0.5)):
        assert np.isnan(certificates.of_restart(*broken))


# Limits and tests.


@given(st.integers(1, 300), st.data())
def test_limits_are_clopper_pearsons(judged, data):
    right = data.draw(st.integers(0, judged))
    exact = stats.binomtest(right, judged).proportion_ci(0.95, method="exact")
    assert certificates.limits(right, judged) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(st.integers(1, 300), st.floats(0.01, 0.99), st.data())
def test_an_excess_is_tested_exactly(judged, allowed, data):
    right = data.draw(st.integers(0, judged))
    exact = stats.binomtest(right, judged, allowed, alternative="greater").pvalue
    assert certificates.excess(right, judged, allowed) == pytest.approx(exact, rel=1e-7, abs=1e-12)


def test_nothing_judged_shows_nothing():
    assert np.isnan(certificates.limits(0, 0)).all()
    assert np.isnan(certificates.excess(0, 0, 0.5)) and np.isnan(certificates.excess(3, 5, nan))
