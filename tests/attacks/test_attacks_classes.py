"""Attacks on models of several classes: the formulas, and that two classes are the same in either form."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.attacks import _kl, _shadows
from popleak.attacks._shadows import columns, logit
from popleak.attacks.base import Game, Query, hard_labels
from popleak.core import plugins
from popleak.store.answers import Answers

GAME = Game(ratio_0=0.0, ratio_1=1.0, rows=100, mode="natural", model="mlp")
C, M, S = 4, 40, 8
RATIOS = (0.0, 0.3, 1.0)


def made(levels, models=S, classes=C, seed=0):
    """Scores (models, M, C) of each world: surer of the points of its own origin."""
    rng = np.random.default_rng(seed)
    origin, y = np.repeat([0, 1], M // 2), rng.integers(0, classes, M)
    found = []
    for level in levels:
        alpha = np.ones((M, classes))
        alpha[np.arange(M), y] = np.where(origin == 1, 2 + 4 * level, 6 - 4 * level)
        gamma = rng.gamma(alpha, size=(models, M, classes))
        found.append(gamma / gamma.sum(axis=2, keepdims=True))
    return found, Query(y.astype(np.int8), origin.astype(np.int8), origin.astype(np.int8))


def calibrated(name, shadows, query, **settings):
    attack = plugins.load("attacks", name)
    own = attack.Settings(**settings)
    return attack.calibrate(shadows_0=shadows[0], shadows_1=shadows[1], query=query, game=GAME, settings=own)


def raised(p, clip):
    return np.maximum(p, clip) / np.maximum(p, clip).sum(axis=-1, keepdims=True)


def kl(s, v, clip=1e-4):
    return (raised(s, clip) * np.log(raised(s, clip) / raised(v, clip))).sum(axis=-1).mean()


# The categorical KL test.


@pytest.mark.parametrize("vote", [False, True])
def test_kl_is_the_mean_over_pairs_of_shadows(vote):
    """Raw evidence of a victim, and of each left-out shadow, against loops over pairs."""
    shadows, _ = made((0.0, 1.0))
    victim = made((0.4,), 1, seed=3)[0][0][0]
    victim[0] = np.eye(C)[1]
    evidence = _kl.Evidence([_kl.prepare(world, clip=1e-4) for world in shadows], clip=1e-4, vote=vote)

    def literal(zero, one, v):
        apart = np.array([[kl(a, v) - kl(b, v) for b in one] for a in zero])
        return np.mean(apart > 0) if vote else apart.mean()

    assert evidence.raw(victim) == pytest.approx(literal(*shadows, victim), abs=1e-10)
    ordered = _shadows.in_order(shadows[0])
    left_out = [literal(np.delete(ordered, k, axis=0), shadows[1], ordered[k]) for k in range(S)]
    assert evidence.leave_one_out(0) == pytest.approx(left_out, abs=1e-10)


def test_kl_label_puts_a_label_in_the_place_of_scores():
    shadows, query = made((0.0, 1.0))
    judge, clip = calibrated("kl-label", shadows, query), 0.01
    victim = made((1.0,), 1, seed=4)[0][0][0].argmax(axis=1).astype(float)
    hot = np.eye(C)[victim.astype(int)]
    apart = [[kl(a, hot, clip) - kl(b, hot, clip) for b in shadows[1]] for a in shadows[0]]
    assert judge.evidence.raw(victim) == pytest.approx(np.mean(apart), abs=1e-10)
    assert judge.score(victim) > 0


@pytest.mark.parametrize("name", ["kl", "per-point", "meta", "meta-mlp"])
def test_two_classes_are_the_same_in_either_form(name):
    """Scores (m,) and (m, 2): the same evidence, to the clip's last digits, of victims that are nowhere clipped."""
    both, query = made((0.0, 1.0), classes=2)
    victims = np.concatenate(made((0.3, 0.6), 5, classes=2, seed=2)[0])
    inside = [np.clip(one, 0.01, 0.99) for one in (*both, victims)]
    inside = [one / one.sum(axis=2, keepdims=True) for one in inside]
    several, single = (calibrated(name, form[:2], query) for form in (inside, [one[..., 1] for one in inside]))
    found = [several.score(one) for one in inside[2]], [single.score(one) for one in inside[2][..., 1]]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_columns_leave_out_what_the_others_say():
    shadows, _ = made((0.0,))
    flat = columns(shadows[0], models=True)
    assert flat.shape == (S, M * (C - 1)) and np.array_equal(flat.reshape(S, M, C - 1), shadows[0][..., 1:])
    assert np.array_equal(columns(shadows[0][2], models=False), flat[2])
    assert np.array_equal(columns(shadows[0], models=True, drop=0), shadows[0].reshape(S, -1))
    plain = shadows[0][..., 1]
    assert columns(plain, models=True) is plain and np.array_equal(columns(plain[0], models=False), plain[0])


def test_meta_reads_logits_of_all_classes_but_the_first():
    shadows, query = made((0.0, 1.0))
    judge, victim = calibrated("meta", shadows, query), shadows[1][0]
    features = logit(np.clip(victim[:, 1:].reshape(-1), 1e-4, 1 - 1e-4)) - judge.centre
    assert judge.score(victim) == pytest.approx(judge.intercept + features @ judge.weights)
    moved = victim.copy()
    moved[:, 0] += 0.1  # no column is of the first class
    assert judge.score(moved) == judge.score(victim)


# Many worlds.


@pytest.mark.parametrize("name", ["kl", "meta", "threshold"])
@pytest.mark.parametrize("models", [1, S])
def test_one_ratio_among_many_is_estimated(name, models):
    attack = plugins.load("attacks", name)
    assert attack.many and attack.classes is None
    levels = (*RATIOS, *RATIOS)
    worlds, query = made(levels, max(models, 4))
    shadows, victims = [world[:models] for world in worlds[:3]], worlds[3:]
    if attack.access == "labels":
        shadows, victims = ([hard_labels(one, classes=C) for one in part] for part in (shadows, victims))
    estimator = attack.calibrate_many(
        shadows=shadows, ratios=RATIOS, query=query, game=GAME, settings=attack.Settings()
    )
    means = [np.mean([estimator.estimate(one) for one in world]) for world in victims]
    assert min(means) >= 0 and max(means) <= 1
    assert models == 1 or (means[0] < means[1] < means[2] and means[2] - means[0] > 0.5)


# What is seen.


def test_outputs_of_several_classes():
    """Some models, some points in another order, answers that are no numbers: scores, and labels, the first of equals."""
    scores = made((0.5,), 6)[0][0].astype(np.float32)
    scores[2, 3, 1], scores[4, 0] = np.nan, [0.4, 0.4, 0.1, 0.1]
    keys = {"split": np.zeros(6, int)}
    for asked in (np.arange(M), np.array([0, 3, 7]), np.arange(M)[::-1]):
        seen = plugins.load("access", "scores").outputs(Answers(keys, scores), np.array([4, 2, 0]), asked)
        literal = scores[[4, 2, 0]][:, asked].astype(np.float64)
        literal[1, np.flatnonzero(asked == 3)] = 1 / C
        assert np.array_equal(seen, literal)
        labels = plugins.load("access", "labels").outputs(Answers(keys, scores), np.array([4, 2, 0]), asked)
        assert labels.dtype == np.float64 and np.array_equal(labels, literal.argmax(axis=2))
        assert labels[0, np.flatnonzero(asked == 0)] == 0
    pair = np.concatenate([scores, scores[:, ::-1]], axis=1)
    seen = plugins.load("access", "pair").outputs(Answers(keys, pair), np.array([0]), np.array([1, 5]))
    assert np.array_equal(seen[0], pair[0][[1, 5, M + 1, M + 5]])
