"""n_leaked's published check value, cross-fitted choice without optimism, one row of the table."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.measures import leakage

CENSUS = dict(
    zip(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0),
        (0.99998, 0.99, 0.90, 0.72, 0.56, 0.56, 0.68, 0.86, 0.975, 0.99998),
        strict=True,
    )
)


def test_n_leaked_check_value():
    """Census-like medians against 0.5, 100 % entered as 99.998 %: 4.16 samples on average (Suri & Evans 2022)."""
    n = [leakage.n_leaked(w, ratio, 0.5) for ratio, w in CENSUS.items()]
    assert np.mean(n) == pytest.approx(4.16, abs=0.005)
    assert n[0] == pytest.approx(np.log(4 * 0.99998 * 0.00002) / np.log(0.5))


def test_n_leaked_by_hand_and_symmetric():
    # rho* = max(0.3 / 0.5, 0.5 / 0.7) = 5/7
    assert leakage.n_leaked(0.8, 0.3, 0.5) == pytest.approx(np.log(0.64) / np.log(5 / 7))
    assert leakage.n_leaked(0.8, 0.5, 0.3) == leakage.n_leaked(0.8, 0.3, 0.5)
    assert leakage.n_leaked(0.8, 0.7, 0.5) == pytest.approx(leakage.n_leaked(0.8, 0.3, 0.5))


def test_n_leaked_at_its_ends():
    assert leakage.n_leaked(0.5, 0.3, 0.5) == 0.0
    assert leakage.n_leaked(0.0, 0.3, 0.5) == 0.0
    assert leakage.n_leaked(1.0, 0.3, 0.5) == np.inf
    assert np.isnan(leakage.n_leaked(0.9, 0.0, 1.0))
    assert np.isnan(leakage.n_leaked(0.9, 0.5, 0.5))
    assert np.isnan(leakage.n_leaked(np.nan, 0.3, 0.5))
    assert leakage.n_leaked(np.array([0.4, 0.6]), 0.3, 0.5).shape == (2,)
    with pytest.raises(ValueError, match="accuracy"):
        leakage.n_leaked(1.1, 0.3, 0.5)
    with pytest.raises(ValueError, match="ratios"):
        leakage.n_leaked(0.9, -0.1, 0.5)


def test_best_accuracy_is_the_inverse():
    n = np.array([0.0, 0.5, 1.0, 4.0, 20.0])
    w = leakage.best_accuracy(n, 0.2, 0.5)
    np.testing.assert_allclose(leakage.n_leaked(w, 0.2, 0.5), n, atol=1e-12)
    assert leakage.best_accuracy(1.0, 0.0, 1.0) == 1.0
    assert leakage.best_accuracy(0.0, 0.0, 1.0) == 0.5
    assert leakage.best_accuracy(9.0, 0.4, 0.4) == 0.5
    with pytest.raises(ValueError, match="n must"):
        leakage.best_accuracy(-1.0, 0.2, 0.5)


def test_n_leaked_regression():
    assert leakage.n_leaked_regression(0.5, 0.01) == pytest.approx(25.0)
    assert leakage.n_leaked_regression(0.5, 0.0) == np.inf
    assert np.isnan(leakage.n_leaked_regression(np.array([0.0, 1.0]), 0.01)).all()
    with pytest.raises(ValueError, match="mse"):
        leakage.n_leaked_regression(0.5, -1.0)


def test_correctness():
    assert leakage.correctness([0, 1, -1, 1], [0, 0, 1, 1]).tolist() == [1.0, 0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="guess"):
        leakage.correctness([2], [0])


def test_best_is_chosen_on_the_other_half():
    splits = np.array([1, 1, 2, 2, 3, 3])
    correct = {
        "a": np.array([1.0, 1.0, 0.0, 0.5, 0.0, 0.0]),  # best on split 1 alone
        "b": np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
        "c": np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    }
    got = leakage.cross_fitted_best(correct, splits)
    # Sums elsewhere: splits 1 and 3, by split 2: a .5, b 2, c 1; split 2, by 1 and 3: a 2, b 1, c 2 (a is first of equals).
    assert got.folds == (0, 1)
    assert got.chosen == ("b", "a")
    assert got.adversary.tolist() == [1, 1, 0, 0, 1, 1]
    assert got.correct.tolist() == [0.0, 0.0, 0.0, 0.5, 1.0, 0.0]


def test_best_of_chance_adversaries_sits_at_chance():
    """Fifty adversaries that toss a coin: the maximum is far above 1/2, the cross-fitted choice is not."""
    rng = np.random.default_rng(0)
    splits = np.repeat(np.arange(5), 40)
    naive, fitted = [], []
    for _ in range(300):
        correct = rng.integers(0, 2, size=(50, 200)).astype(float)
        naive.append(correct.mean(axis=1).max())
        fitted.append(leakage.cross_fitted_best(correct, splits).correct.mean())
    assert np.mean(naive) > 0.56
    assert np.mean(fitted) == pytest.approx(0.5, abs=0.008)  # 4 standard errors


@pytest.mark.parametrize(("count", "agree"), [(5, 0.0), (20, 0.0), (20, 0.5)])
def test_the_interval_of_the_best_covers_chance(count, agree):
    """Four adversaries that know nothing, alike or agreeing on half of the victims. Chosen for each split by all others, 95 % intervals
    of 20 splits would leave chance out in a fifth of runs; by halves, and with CHOSEN, they do not. 600 runs: standard error 0.9 points."""
    rng = np.random.default_rng(7)
    splits = np.repeat(np.arange(count), 40)
    held = np.zeros((600, 2), dtype=bool)
    for run in held:
        correct = rng.integers(0, 2, size=(4, splits.size)).astype(float)
        shared = rng.random(splits.size) < agree
        correct[:, shared] = correct[0, shared]
        inside = np.stack([correct[:, splits == split].sum(axis=1) for split in range(count)], axis=1)
        by_all = correct[(correct.sum(axis=1, keepdims=True) - inside).argmax(axis=0)[splits], np.arange(splits.size)]
        best = leakage.cross_fitted_best(correct, splits).correct
        for i, (values, inflation) in enumerate([(best, leakage.CHOSEN), (by_all, 1.0)]):
            found = leakage.accuracy(values, splits, inflation=inflation)
            run[i] = found.low <= 0.5 <= found.high
    assert 0.925 <= held[:, 0].mean() <= 0.985
    if count == 20:
        assert held[:, 1].mean() < 0.87


def test_best_of_chance_with_one_split_sits_at_chance():
    rng = np.random.default_rng(1)
    world = np.tile([0, 1], 50)
    fitted = [
        leakage.cross_fitted_best(rng.integers(0, 2, size=(50, 100)).astype(float), np.zeros(100), world=world)
        for _ in range(300)
    ]
    assert np.mean([best.correct.mean() for best in fitted]) == pytest.approx(0.5, abs=0.012)
    assert fitted[0].folds == (0, 1)


def test_halves_hold_both_worlds():
    """An adversary that always says 1 would be the choice on a half that holds world 1 only."""
    world = np.tile([0, 1], 4)
    always = (world == 1).astype(float)
    good = np.array([1, 1, 1, 1, 1, 1, 0, 1], dtype=float)
    got = leakage.cross_fitted_best({"always": always, "good": good}, np.zeros(8), world=world)
    assert got.chosen == ("good", "good")


def test_best_of_one_and_of_an_array():
    got = leakage.cross_fitted_best(np.array([[1.0, 0.0, 0.5]]), np.array([4, 4, 5]))
    assert got.chosen == ("0", "0")
    assert got.correct.tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    "correct", [{}, {"a": np.ones(2), "b": np.ones(3)}, {"a": np.ones(4)}, np.array([[1.0, np.nan, 1.0]])]
)
def test_best_refuses_bad_input(correct):
    with pytest.raises(ValueError):
        leakage.cross_fitted_best(correct, np.array([0, 1, 2]))


def row(**changes):
    world = np.tile([0, 1], 100)
    rng = np.random.default_rng(2)
    score = rng.normal(size=200) + 1.5 * (2 * world - 1)
    cell = {
        "score": score,
        "guess": (score > 0).astype(int),
        "world": world,
        "split": np.repeat(np.arange(5), 40),
        "ratio_0": 0.3,
        "ratio_1": 0.5,
    }
    return cell | changes


def test_summary_of_a_balanced_cell():
    cell = row()
    got = leakage.summarise(**cell)
    right = cell["guess"] == cell["world"]
    assert (got.victims, got.splits) == (200, 5)
    assert got.accuracy.value == pytest.approx(right.mean())
    assert got.advantage.value == pytest.approx(right[1::2].mean() - (1 - right[::2].mean()))
    np.testing.assert_allclose(got.advantage[:3], 2 * np.array(got.accuracy[:3]) - 1)
    assert got.accuracy.p < 1e-3
    assert got.auc.low < got.auc.value < got.auc.high
    assert got.tpr_at_fpr_01 <= got.tpr_at_fpr_05 <= 1.0
    assert got.n_leaked == pytest.approx(leakage.n_leaked(right.mean(), 0.3, 0.5))
    np.testing.assert_allclose(
        (got.n_leaked_low, got.n_leaked_high), leakage.n_leaked(np.array(got.accuracy[1:3]), 0.3, 0.5)
    )
    assert got.n_leaked_low < got.n_leaked < got.n_leaked_high
    for rate in ("05", "01"):
        low, value, high = (getattr(got, f"tpr_at_fpr_{rate}{end}") for end in ("_low", "", "_high"))
        assert low <= value <= high
    assert got.detectable_advantage == pytest.approx(leakage.power.detectable_advantage(200, splits=5))
    assert got.abstained == 0.0


def test_no_miss_sets_no_upper_limit():
    world = np.tile([0, 1], 100)
    got = leakage.summarise(**row(score=world - 0.5, guess=world))
    assert got.n_leaked == got.n_leaked_high == np.inf
    assert 0.0 < got.n_leaked_low < np.inf


def test_abstaining_always_is_chance():
    got = leakage.summarise(**row(guess=np.full(200, -1), score=np.zeros(200)))
    assert got.accuracy.value == 0.5
    assert got.advantage.value == 0.0
    assert got.accuracy.p == 1.0
    assert got.accuracy.low < 0.45
    assert got.auc.value == 0.5
    assert got.abstained == 1.0
    assert got.n_leaked == 0.0


def test_always_naming_one_world_has_no_advantage_however_the_worlds_are_mixed():
    world = (np.arange(200) % 4 == 0).astype(int)
    got = leakage.summarise(**row(world=world, guess=np.zeros(200, dtype=int)))
    assert got.accuracy.value == 0.75
    assert got.advantage.value == pytest.approx(0.0, abs=1e-12)
    assert got.advantage.low < 0.0 < got.advantage.high


def test_unbalanced_worlds_widen_the_advantage():
    """150 + 50 victims tell as much about TPR - FPR as 75 + 75 do."""
    rng = np.random.default_rng(3)
    correct = (rng.random(200) < 0.8).astype(float)
    split = np.zeros(200)
    got = leakage.advantage(correct, np.arange(200) >= 150, split)
    fewer = leakage.intervals.proportion(np.array([(got.value + 1) / 2 * 150]), np.array([150]))
    assert got.low == pytest.approx(2 * fewer.low - 1)


def test_one_world_has_no_advantage():
    got = leakage.summarise(**row(world=np.ones(200, dtype=int)))
    assert np.isnan(got.advantage.value)
    assert np.isnan(got.auc.value)
    assert np.isnan(got.tpr_at_fpr_05)
    assert np.isfinite(got.accuracy.value)
