"""Noisy gradient descent: the loss and its constants, the projection, the chain, and the worst case."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from popleak.engine import convex
from popleak.engine.convex import Descent, Problem
from popleak.engine.fit import Chain, initial_weights
from popleak.measures import certificates


def made(seed=0, rows=120, features=6, **more) -> Problem:
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(size=(rows, features)), np.ones((rows, 1))], 1)
    a = rng.integers(0, 2, rows)
    y = (x[:, 0] + 0.5 * a + rng.logistic(size=rows) > 0).astype(np.int8)
    return Problem(x, y, a, **{"ridge": 0.05, "fair": 0.4, **more})


def loss(problem: Problem, w: np.ndarray) -> float:
    """The loss as the module's docstring writes it, row by row."""
    total = 0.0
    for x, y in zip(problem.x, problem.y, strict=True):
        logit = x @ w
        total += np.logaddexp(0, logit) - y * logit
    fair = sum((d @ w) ** 2 for d in problem.between)
    return total / len(problem.x) + problem.ridge / 2 * w @ w + problem.fair * fair


def test_the_gradient_is_that_of_the_loss():
    problem, rng = made(), np.random.default_rng(1)
    for _ in range(5):
        w, step = rng.normal(size=7) * 2, 1e-6
        each = np.eye(7) * step
        wanted = [(loss(problem, w + e) - loss(problem, w - e)) / (2 * step) for e in each]
        assert problem.gradient(w) == pytest.approx(np.array(wanted), abs=1e-6)
        second = [(problem.gradient(w + e) - problem.gradient(w - e)) / (2 * step) for e in each]
        assert problem.hessian(w) == pytest.approx(np.array(second), abs=1e-6)


def test_the_fair_term_compares_the_groups_mean_logits():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(size=(80, 3)), np.ones((80, 1))], 1)
    y, a = rng.integers(0, 2, 80), rng.integers(0, 2, 80)
    problem, w = Problem(x, y, a, ridge=0.1, fair=1.0), rng.normal(size=4)
    logits = x @ w
    wanted = [logits[(y == label) & (a == 1)].mean() - logits[(y == label) & (a == 0)].mean() for label in (0, 1)]
    assert problem.between @ w == pytest.approx(wanted)
    assert problem.vacuous == 0
    one_group = Problem(x, y, np.zeros(80, int), ridge=0.1, fair=1.0)
    assert one_group.vacuous == 1 and one_group.between.shape == (0, 4)
    assert np.isfinite(one_group.gradient(w)).all() and one_group.step > 0


@pytest.mark.parametrize("fair", [0.0, 0.4, 5.0])
def test_the_second_derivative_lies_between_the_constants(fair):
    problem, rng = made(fair=fair), np.random.default_rng(3)
    points = [np.zeros(7), *(rng.normal(size=7) * scale for scale in (0.1, 1, 10, 1000))]
    for w in points:
        values = np.linalg.eigvalsh(problem.hessian(w))
        assert values[0] >= problem.low * (1 - 1e-9) and values[-1] <= problem.high
    top = np.linalg.eigvalsh(problem.hessian(np.zeros(7)))[-1]
    assert problem.high == pytest.approx(top, rel=1e-6), "it is reached where every answer is one half"


def test_a_step_brings_any_two_points_closer():
    problem, rng = made(), np.random.default_rng(4)
    c = float(certificates.contraction(problem.low, problem.high))
    assert problem.step == pytest.approx(float(certificates.step_size(problem.low, problem.high)), rel=1e-15)
    for scale in (1e-3, 1.0, 30.0, 1e4):
        one, other = rng.normal(size=(2, 7)) * scale
        moved = [w - problem.step * problem.gradient(w) for w in (one, other)]
        assert np.linalg.norm(moved[0] - moved[1]) <= c * np.linalg.norm(one - other) * (1 + 1e-9)


def test_the_projection_lengthens_no_distance_and_leaves_nothing_outside():
    rng = np.random.default_rng(5)
    points = [rng.normal(size=4) * scale for scale in (0, 1e-300, 1e-3, 1, 10, 1e200, 1e308)]
    for one, other in itertools.combinations(points, 2):
        apart = np.linalg.norm(convex.projected(one, 3.0) - convex.projected(other, 3.0))
        with np.errstate(over="ignore"):
            assert apart <= np.linalg.norm(one - other) * (1 + 1e-9)
    assert all(np.linalg.norm(convex.projected(point, 3.0)) <= 3.0 for point in points)
    inside = np.array([1.0, -2.0])
    assert np.array_equal(convex.projected(inside, 3.0), inside)
    assert convex.projected(np.array([np.nan, 1.0]), 3.0).tolist() == [0, 0]
    assert convex.projected(np.array([np.inf, 1.0]), 3.0).tolist() == [0, 0]


def test_the_chain_step_by_step():
    problem, how = made(), Descent(0.05, 3.0, 4, 0.2, 0.4)
    end, begun, drawn = convex.descend(problem, np.full(7, 9.0), how, np.random.default_rng(6))
    rng, w, noise = np.random.default_rng(6), np.full(7, 9.0) * 3 / np.linalg.norm(np.full(7, 9.0)), []
    assert begun == pytest.approx(w, rel=1e-12)
    for _ in range(4):
        noise.append(0.2 * rng.standard_normal(7))
        w = w - problem.step * problem.gradient(w) + noise[-1]
    assert end == pytest.approx(w, rel=1e-9) and end.dtype == np.float64
    assert drawn == pytest.approx(np.sqrt(np.mean(np.square(noise))))
    quiet = convex.descend(problem, np.full(7, 9.0), Descent(0.05, 3.0, 4000, 0.0, 0.4), rng)
    assert quiet[2] == 0 and quiet[0] == pytest.approx(convex.fitted(problem), abs=1e-7)


def test_without_noise_it_is_ridge_logistic_regression():
    problem = made(fair=0.0)
    known = LogisticRegression(C=1 / (0.05 * 120), fit_intercept=False, tol=1e-10, max_iter=2000)
    wanted = known.fit(problem.x, problem.y).coef_[0]
    assert convex.fitted(problem) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("sides", [(5, 1), (5, 4, 1), (5, 4, 3, 1)])
def test_what_the_last_layer_sees(sides):
    import torch

    build = Chain(sides)
    weights = initial_weights(build, np.array([3]))[0]
    x = np.random.default_rng(7).normal(size=(9, 5)).astype(np.float32)
    seen = convex.below_last(x, weights if len(sides) > 2 else None, sides)
    assert seen.shape == (9, convex.last(sides)) and seen.dtype == np.float64 and (seen[:, -1] == 1).all()
    module = build()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(weights), module.parameters())
    wanted = module(torch.from_numpy(x)).detach().numpy()[:, 0]
    assert seen @ weights[-convex.last(sides) :] == pytest.approx(wanted, abs=1e-5)


def test_units_are_scaled_and_weights_scaled_back():
    rng = np.random.default_rng(9)
    x = np.concatenate([rng.normal(size=(40, 3)) * [1e-4, 1.0, 0.0] + 5, np.ones((40, 1))], 1)
    scale, w = convex.Scale.of(x), rng.normal(size=4)
    seen = scale(x)
    assert seen[:, :2].mean(0) == pytest.approx([0, 0], abs=1e-9) and seen[:, :2].std(0) == pytest.approx([1, 1])
    assert (seen[:, 2] == 0).all() and (seen[:, 3] == 1).all(), "a constant unit says nothing; the constant stays"
    assert x @ scale.unscaled(w) == pytest.approx(seen @ w, rel=1e-7)


def test_the_restart_is_near_the_public_weights():
    rng = np.random.default_rng(8)
    public, start = rng.normal(size=50), rng.normal(size=50) * 100
    found, none, kept = convex.restarted(start, public, shrink=0.1, radius=2.0, noise=0.0, rng=rng)
    assert np.linalg.norm(found - public) == pytest.approx(kept) == pytest.approx(0.2) and none == 0
    loud, drawn, _ = convex.restarted(start, public, shrink=0.1, radius=2.0, noise=0.3, rng=np.random.default_rng(1))
    added = 0.3 * np.random.default_rng(1).standard_normal(50)
    assert loud - found == pytest.approx(added) and drawn == pytest.approx(np.sqrt(np.mean(added**2)))
