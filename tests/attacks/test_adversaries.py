"""Adversaries with their own idea of evidence: votes of points, labels, company, networks, poison, pairs of models."""

from __future__ import annotations

import numpy as np
import pytest

from attack_helpers import (
    GAME,
    beta_shadows,
    calibrate,
    make_query,
    slow_kl,
    slow_kl_scores,
    slow_threshold,
)
from popleak.attacks import _shadows, meta_mlp
from popleak.attacks._standard import Standard
from popleak.attacks.base import Poison
from popleak.core import plugins
from popleak.core.errors import PopleakError

# Points.


def slow_votes(shadows_0, shadows_1, victim):
    """Votes for world 1 less votes for world 0, over all votes: a loop over points."""
    balance, voters = 0, 0
    for low, high, value in zip(shadows_0.T, shadows_1.T, victim, strict=True):
        fits = []
        for direction in (1, -1):
            threshold, accuracy, margin = slow_threshold(direction * low, direction * high)
            fits.append((accuracy, margin, direction, threshold))
        accuracy, _, direction, threshold = max(fits, key=lambda fit: fit[:3])
        if accuracy > 0.5:
            voters += 1
            balance += np.sign(direction * value - threshold)
    return balance / max(voters, 1)


@pytest.mark.parametrize(("n_0", "n_1", "levels"), [(1, 1, 4), (3, 5, 2), (6, 6, 8), (9, 4, 1000)])
def test_per_point_against_a_loop(n_0, n_1, levels):
    """Few levels make ties, constant points and victims at a threshold."""
    rng = np.random.default_rng(n_0)
    for _ in range(20):
        parts = [rng.integers(0, levels + 1, (n, 30)) / levels for n in (n_0, n_1, 5)]
        judge = calibrate("per-point", *parts[:2], make_query([0] * 30))
        assert [judge.score(v) for v in parts[2]] == pytest.approx([slow_votes(*parts[:2], v) for v in parts[2]])


def test_per_point_pins():
    # Thresholds 0.3 (world 1 above), 0.5 (world 1 below); the third point is constant, the fourth the same in both.
    shadows_0, shadows_1 = [[0.2, 0.6, 0.7, 0.1], [0.1, 0.8, 0.7, 0.9]], [[0.4, 0.4, 0.7, 0.9], [0.6, 0.2, 0.7, 0.1]]
    judge = calibrate("per-point", shadows_0, shadows_1, make_query([0] * 4))
    assert judge.thresholds[:2] == pytest.approx([0.3, 0.5])
    assert judge.directions.tolist() == [1, -1, 0, 0]
    for victim, score in (([0.9, 0.1, 0, 0], 1.0), ([0.9, 0.9, 1, 1], 0.0), ([0.3, 0.9, 1, 1], -0.5)):
        assert judge.score(np.array(victim)) == score


def test_per_point_without_a_voter_abstains():
    judge = calibrate("per-point", np.full((3, 2), 0.4), np.full((3, 2), 0.4), make_query([0, 1]))
    assert judge.guess(judge.score(np.ones(2))) == -1


# KL with labels, and in company.


def hard(scores):
    return (np.asarray(scores) >= 0.5).astype(float)


@pytest.mark.parametrize("aggregate", ["mean", "vote"])
@pytest.mark.parametrize("clip", [1e-4, 0.05])
def test_kl_label_against_the_literal_form(aggregate, clip):
    shadows_0, shadows_1, victims = (np.clip(part, clip, 1 - clip) for part in beta_shadows(3))
    victims, shadows_0[0, 0] = hard(victims), 0.5

    def seen(scores):
        return np.clip(hard(scores), clip, 1 - clip)

    judge = calibrate("kl-label", shadows_0, shadows_1, make_query([0] * 9), aggregate=aggregate, clip=clip)
    expected = slow_kl_scores(shadows_0, shadows_1, seen(victims), aggregate, seen)
    assert [judge.score(v) for v in victims] == pytest.approx(expected, abs=1e-9)


def test_kl_label_pin():
    # One shadow a world, no scale: KL(0.2 || 0.9) - KL(0.7 || 0.9), entropies and all.
    judge = calibrate("kl-label", [[0.2]], [[0.7]], make_query([0]), clip=0.1)
    by_hand = (0.2 * np.log(2 / 9) + 0.8 * np.log(8)) - (0.7 * np.log(7 / 9) + 0.3 * np.log(3))
    assert judge.score(np.array([1.0])) == pytest.approx(by_hand, abs=1e-11)


def test_kl_label_clips_as_a_label_deserves():
    """At its own clip, not at that of `kl`: the default is told apart by a pin with one shadow a world, p = 0.2 and 0.7."""
    judge = calibrate("kl-label", [[0.2]], [[0.7]], make_query([0]))
    by_hand = (0.2 * np.log(0.2 / 0.99) + 0.8 * np.log(0.8 / 0.01)) - (
        0.7 * np.log(0.7 / 0.99) + 0.3 * np.log(0.3 / 0.01)
    )
    assert judge.score(np.array([1.0])) == pytest.approx(by_hand, abs=1e-11)
    assert calibrate("kl", [[0.2]], [[0.7]], make_query([0])).score(np.array([1.0])) > judge.score(np.array([1.0]))


def slow_columns(shadows_0, shadows_1, victims, origin):
    """The columns (V, columns) of the published form, one loop each: query sets, shadows of world 0, later ones of world 1."""
    return np.array([
        [slow_kl(zero[at], victim[at]) - slow_kl(one[at], victim[at]) for victim in victims]
        for at in (origin == 0, origin == 1)
        for i, zero in enumerate(shadows_0)
        for one in shadows_1[i + 1 :]
    ]).T  # fmt: skip


@pytest.mark.parametrize("n", [2, 3, 7])
def test_kl_transductive_against_the_literal_form(n):
    shadows_0, shadows_1, victims = beta_shadows(5, n=n)
    origin = np.array([0, 1, 0, 0, 1, 1, 1, 0, -1])
    judge = calibrate("kl-transductive", shadows_0, shadows_1, make_query(origin))
    columns = slow_columns(shadows_0, shadows_1, victims, origin)
    assert columns.shape[1] == 2 * sum(len(shadows_1) - 1 - i for i in range(n))
    scaled = (columns - columns.min(0)) / (columns.max(0) - columns.min(0))
    assert judge.score_all(victims) == pytest.approx(scaled.mean(axis=1) - 0.5, abs=1e-10)


def odds(*powers):
    """Scores whose odds are these powers of 3: 1/10, 1/4, 1/2, 3/4 and 9/10 for -2 to 2."""
    return [3.0**power / (1 + 3.0**power) for power in powers]


def test_kl_transductive_by_hand():
    """On one point KL(p || v) - KL(q || v) is a constant plus (q - p) logit(v): scaled, a column is the victims' logits
    scaled to [0, 1] where shadow j of world 1 lies above shadow i of world 0, and 1 less that where it lies below.

    Points: one of each world. Logits of three victims in units of log 3: (-2, 2), (0, -1), (1, 0).
    Scaled on the first point: (0, 2/3, 1); on the second: (1, 0, 1/3).
    Two shadows a world, so one pair: shadow 0 of world 0 and shadow 1 of world 1. It rises on both points (0.2 to 0.8, 0.2 to 0.7).
    Means: (0 + 1) / 2 = 1/2, (2/3 + 0) / 2 = 1/3, (1 + 1/3) / 2 = 2/3: worlds 1 (at least 1/2), 0 and 1.
    Reversed, the pair is shadow 1 of world 0 and shadow 0 of world 1. It falls on both points (0.6 to 0.4, 0.6 to 0.3).
    Means: 1/2, 2/3, 1/3: worlds 1, 1 and 0.
    """
    victims = np.array([odds(-2, 2), odds(0, -1), odds(1, 0)])
    assert victims[0] == pytest.approx([0.1, 0.9])
    shadows_0, shadows_1 = np.array([[0.2, 0.2], [0.6, 0.6]]), np.array([[0.4, 0.3], [0.8, 0.7]])

    def judged(zero, one, asked):
        judge = calibrate("kl-transductive", zero, one, make_query([0, 1]))
        scores = judge.score_all(asked)
        return scores, [judge.guess(score) for score in scores]

    scores, guesses = judged(shadows_0, shadows_1, victims)
    assert scores == pytest.approx([0, 1 / 3 - 1 / 2, 2 / 3 - 1 / 2], abs=1e-11) and guesses == [1, 0, 1]
    scores, guesses = judged(shadows_0[::-1], shadows_1[::-1], victims)
    assert scores == pytest.approx([0, 2 / 3 - 1 / 2, 1 / 3 - 1 / 2], abs=1e-11) and guesses == [1, 1, 0]
    # Without the first victim the others are the ends of both points: (0, 0) and (1, 1), so worlds 0 and 1 again.
    assert judged(shadows_0, shadows_1, victims[1:])[1] == [0, 1]
    # Without the last one: (0, 1) on the first point, (1, 0) on the second. Both means are 1/2, so the second is of world 1 now.
    assert judged(shadows_0, shadows_1, victims[:2])[1] == [1, 1]


def test_kl_transductive_depends_on_the_order_of_shadows_and_kl_does_not():
    shadows_0, shadows_1, _ = beta_shadows(3, n=5)
    victims = np.random.default_rng(0).beta(2.5, 2.5, (60, 9))
    query = make_query([0, 1, 0, 1, 0, 1, 0, 1, 0])

    def guesses(name, *shadows):
        judge = calibrate(name, *shadows, query)
        scores = judge.score_all(victims) if name != "kl" else [judge.score(victim) for victim in victims]
        return np.array([judge.guess(score) for score in scores])

    forth, back = (guesses("kl-transductive", *(one[::step] for one in (shadows_0, shadows_1))) for step in (1, -1))
    assert 0 < (forth != back).sum() < len(victims)
    assert np.array_equal(guesses("kl", shadows_0, shadows_1), guesses("kl", shadows_0[::-1], shadows_1[::-1]))


def test_kl_transductive_names_worlds_by_company():
    """The victim in the middle is of world 1 among victims with less evidence and of world 0 among such with more."""
    judge = calibrate("kl-transductive", [[0.2]] * 2, [[0.8]] * 2, make_query([0]))
    low, middle, high = ([[p]] for p in (0.1, 0.5, 0.9))
    among = [judge.score_all(np.concatenate([middle, other])) for other in (low, high)]
    assert [scores.tolist() for scores in among] == [[0.5, -0.5], [-0.5, 0.5]]


def test_kl_transductive_says_nothing_without_a_width():
    """0 / 0 in the published form: a column in which all victims are equal, and no pair at all."""
    judge = calibrate("kl-transductive", [[0.2, 0.2]] * 2, [[0.8, 0.8]] * 2, make_query([0, 1]))
    assert judge.score(np.array([0.9, 0.9])) == 0.0 and judge.guess(0.0) == -1
    assert judge.score_all(np.full((3, 2), 0.9)).tolist() == [0.0] * 3
    # The first point is the same for both: the second alone decides.
    assert judge.score_all(np.array([[0.3, 0.1], [0.3, 0.9]])).tolist() == [-0.5, 0.5]
    alike = calibrate("kl-transductive", [[0.2, 0.2]] * 2, [[0.2, 0.2]] * 2, make_query([0, 1]))
    single = calibrate("kl-transductive", [[0.2, 0.2]], [[0.8, 0.8]], make_query([0, 1]))
    for nothing in (alike, single):
        assert nothing.score_all(np.array([[0.3, 0.1], [0.7, 0.9]])).tolist() == [0.0, 0.0]


def test_kl_transductive_is_marked():
    attack = plugins.load("attacks", "kl-transductive")
    assert attack.transductive and attack.reference and not attack.ignores_shadow_order
    assert "other victims" in attack.summary and "only to reproduce published decisions" in attack.summary


# The network.


def spy_on_fit(monkeypatch):
    """Record what the engine is asked for and what it returns."""
    from popleak.engine import fit as engine

    calls, real = [], engine.fit

    def fit(build, table, rows, seeds, training, **more):
        fitted = real(build, table, rows, seeds, training, **more)
        calls.append((build, table, rows, seeds, fitted))
        return fitted

    monkeypatch.setattr(engine, "fit", fit)
    return calls


def test_network_scores_are_those_of_the_engine(monkeypatch):
    """The judge reads all points in one go; the engine read the shadows' coordinates. Both give the same logits."""
    from popleak.engine.fit import way_of

    calls = spy_on_fit(monkeypatch)
    shadows_0, shadows_1, _ = beta_shadows(0, n=12, m=40)
    judge = calibrate("meta-mlp", shadows_0, shadows_1, make_query([0] * 40), ensemble=3)
    build, table, _, seeds, fitted = calls[0]
    assert build.sides[1:] == (20, 8, 1) and len(seeds) == len(set(seeds.tolist())) == 3
    logits = way_of(build).logits(table, fitted.weights, np.arange(25)[None]).mean(axis=0)
    ordered = np.concatenate([_shadows.in_order(part) for part in (shadows_0, shadows_1)])
    assert [judge.score(victim) for victim in ordered] == pytest.approx(logits, abs=1e-4)
    assert np.abs(logits).max() > 0.1


def test_network_against_a_torch_module(monkeypatch):
    torch = pytest.importorskip("torch")
    calls = spy_on_fit(monkeypatch)
    shadows_0, shadows_1, victims = beta_shadows(1, n=8, m=15)
    judge = calibrate("meta-mlp", shadows_0, shadows_1, make_query([0] * 15), ensemble=1, hidden=(5,))
    build, _, _, _, fitted = calls[0]
    module = build()
    torch.nn.utils.vector_to_parameters(torch.tensor(fitted.weights[0]), module.parameters())
    standard = Standard.of((shadows_0, shadows_1), clip=1e-4)
    _, duals = meta_mlp.coordinates(standard.features @ standard.features.T)
    rows = (_shadows.logit(victims) - standard.centre) * standard.inverse @ standard.features.T @ duals.T
    expected = module(torch.tensor(rows, dtype=torch.float32)).detach().numpy()[:, 0]
    assert [judge.score(victim) for victim in victims] == pytest.approx(expected, abs=1e-4)


def test_coordinates_hold_what_the_rows_hold():
    rows = np.random.default_rng(0).normal(size=(6, 20))
    rows[5] = rows[4]
    rows -= rows.mean(axis=0)
    gram = rows @ rows.T
    found, duals = meta_mlp.coordinates(gram)
    assert found.shape == (6, 4) and np.mean(found**2) == pytest.approx(1.0)
    assert gram @ duals.T == pytest.approx(found)
    # Directions keep their order and the square roots of their spreads.
    spread, largest = np.sum(found**2, axis=0), np.linalg.eigvalsh(gram)[::-1][:4]
    assert spread / spread[0] == pytest.approx(np.sqrt(largest / largest[0]))
    assert found.T @ found == pytest.approx(np.diag(spread), abs=1e-9)


def test_network_finds_what_no_line_finds():
    """The worlds differ in the sign of a product: chance for `meta`."""
    rng = np.random.default_rng(0)

    def models(world, n):
        x = rng.normal(size=(n, 2)) * 2
        x[:, 1] = np.abs(x[:, 1]) * np.sign(x[:, 0]) * (1 if world else -1)
        return 1 / (1 + np.exp(-x))

    shadows, victims = [models(w, 200) for w in (0, 1)], [models(w, 200) for w in (0, 1)]
    found = {}
    for name in ("meta", "meta-mlp"):
        judge = calibrate(name, *shadows, make_query([0, 1]))
        found[name] = np.mean([[judge.guess(judge.score(v)) == w for v in victims[w]] for w in (0, 1)])
    assert found["meta"] < 0.6 and found["meta-mlp"] > 0.9


def test_network_seed_is_the_games():
    shadows_0, shadows_1, victims = beta_shadows(0)
    scores = [
        calibrate("meta-mlp", shadows_0, shadows_1, make_query([0] * 9), game=GAME._replace(seed=seed)).score(
            victims[0]
        )
        for seed in (0, 0, 1)
    ]
    assert scores[0] == scores[1] != scores[2]


def test_networks_that_diverge_abstain():
    shadows_0, shadows_1, victims = beta_shadows(0)
    judge = calibrate("meta-mlp", shadows_0, shadows_1, make_query([0] * 9), learning_rate=1e38)
    assert judge.score(victims[0]) == 0.0


def test_network_weighs_worlds_alike(monkeypatch):
    """Each world has the same number of rows: the smaller one's shadows are repeated."""
    calls = spy_on_fit(monkeypatch)
    rng = np.random.default_rng(0)
    calibrate("meta-mlp", rng.random((7, 3)), rng.random((3, 3)), make_query([0, 1, 1]))
    _, table, rows, _, _ = calls[0]
    assert [np.bincount(table.y[row]).tolist() for row in rows] == [[7, 7]] * 10
    assert sorted(rows[0].tolist()) == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 8, 9, 9]


# SNAP.


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def slow_snap(shadows_0, shadows_1, victim, query, poison):
    """score of `snap`, point by point."""
    at = [i for i in range(len(query.y)) if query.a[i] == poison.group and query.y[i] == poison.label]

    def logit(score):
        p = min(max(score if poison.label == 0 else 1 - score, 1e-4), 1 - 1e-4)
        return np.log(p / (1 - p))

    low, high = (median([logit(s[i]) for s in part for i in at]) for part in (shadows_0, shadows_1))
    return (1 if high >= low else -1) * (median([logit(victim[i]) for i in at]) - (low + high) / 2)


def slow_snap_label(shadows_0, shadows_1, victim, query, poison):
    """score of `snap-label`, point by point."""
    at = [i for i in range(len(query.y)) if query.a[i] == poison.group and query.y[i] == poison.label]

    def share(labels):
        return sum(labels[i] == 1 - poison.label for i in at) / len(at)

    low, high = (median([share(s) for s in part]) for part in (shadows_0, shadows_1))
    return (1 if high >= low else -1) * (share(victim) - (low + high) / 2)


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize(
    ("name", "slow", "made"), [("snap", slow_snap, np.asarray), ("snap-label", slow_snap_label, hard)]
)
def test_snap_against_the_literal_form(name, slow, made, label, group, share):
    rng = np.random.default_rng(2 * label + group)
    query = make_query(rng.integers(0, 2, 40), y=rng.integers(0, 2, 40), a=rng.integers(0, 2, 40))
    parts = [made(part) for part in beta_shadows(label, m=40)]
    parts[0][0, :5], parts[2][0, :5] = 0.0, 1.0
    game = GAME._replace(poison=Poison(share, group, label))
    judge = calibrate(name, *parts[:2], query, game=game)
    expected = [slow(*parts[:2], victim, query, game.poison) for victim in parts[2]]
    assert [judge.score(victim) for victim in parts[2]] == pytest.approx(expected, abs=1e-9)


def test_snap_pins():
    """Two target points of three; the poisoned label is 0, so that low scores speak for it."""
    query = make_query([0, 1, 1], y=[1, 1, 1])
    game = GAME._replace(poison=Poison(0.05, 1, 1))
    judge = calibrate("snap", [[0.5, 0.8, 0.8]], [[0.5, 0.2, 0.2]], query, game=game)
    assert (judge.threshold, judge.direction) == (pytest.approx(0.0), 1)
    assert judge.score(np.array([0.9, 0.2, 0.5])) == pytest.approx(np.log(4) / 2)
    turned = calibrate("snap", [[0.5, 0.2, 0.2]], [[0.5, 0.8, 0.8]], query, game=game)
    assert turned.score(np.array([0.9, 0.2, 0.5])) == pytest.approx(-np.log(4) / 2)
    labels = calibrate("snap-label", [[0, 1, 1]], [[0, 0, 1], [0, 0, 0], [1, 0, 0]], query, game=game)
    assert (labels.threshold, labels.direction) == (0.5, 1)
    assert [labels.score(np.array(v)) for v in ([0, 0, 1], [1, 0, 0], [1, 1, 1])] == [0.0, 0.5, -0.5]


@pytest.mark.parametrize("name", ["snap", "snap-label"])
def test_snap_without_target_points_is_refused(name):
    with pytest.raises(PopleakError, match=r"^query_rows: no query point is of group 1 and label 0"):
        calibrate(name, np.ones((2, 3)), np.ones((2, 3)), make_query([0, 1, 1]))


# Pairs.


def test_pair_is_meta_on_both_models():
    shadows_0, shadows_1, victims = beta_shadows(0, n=9, m=12)
    pair, meta = (calibrate(name, shadows_0, shadows_1, make_query([0] * 6)) for name in ("pair", "meta"))
    assert [pair.score(v) for v in victims] == [meta.score(v) for v in victims]
    assert plugins.load("attacks", "pair").access == "pair"
