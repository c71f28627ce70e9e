"""Rates, AUC and status: hand-computed cases, and agreement with fairlearn and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.metrics import roc_auc_score

from popleak.measures import fairness

# Ten rows, cells (y, a): (0,0) x 3, (0,1) x 2, (1,0) x 1, (1,1) x 4.
Y = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], dtype=np.int8)
A = np.array([0, 0, 0, 1, 1, 0, 1, 1, 1, 1], dtype=np.int8)
SCORES = np.array(
    [
        [0.5, 0.1, 0.2, 0.9, 0.4, 0.8, 0.7, 0.49, 0.6, 0.1],
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    ]
)


@pytest.fixture
def random_case():
    rng = np.random.default_rng(7)
    outputs = rng.integers(0, 9, size=(13, 211)) / 8.0  # many ties, many at the threshold
    return outputs, rng.integers(0, 2, 211), rng.integers(0, 2, 211), rng.random(211)


def test_rates_by_hand():
    got = fairness.rates(SCORES, Y, A)
    assert got.cells.tolist() == [[3, 2], [1, 4]]
    np.testing.assert_allclose(got.tpr_g0, [1.0, 1.0])
    np.testing.assert_allclose(got.tpr_g1, [0.5, 0.25])
    np.testing.assert_allclose(got.fpr_g0, [1 / 3, 0.0])  # a score of exactly 0.5 is a positive
    np.testing.assert_allclose(got.fpr_g1, [0.5, 1.0])
    np.testing.assert_allclose(got.accuracy_g0, [3 / 4, 1.0])
    np.testing.assert_allclose(got.accuracy_g1, [3 / 6, 1 / 6])
    np.testing.assert_allclose(got.positive_g0, [2 / 4, 1 / 4])
    np.testing.assert_allclose(got.positive_g1, [3 / 6, 3 / 6])
    np.testing.assert_allclose(got.delta_eo, [0.5, 1.0])
    np.testing.assert_allclose(got.delta_eo_sum, [0.5 + 1 / 6, 1.75])
    np.testing.assert_allclose(got.dp_difference, [0.0, 0.25], atol=1e-15)
    np.testing.assert_allclose(got.accuracy, [0.6, 0.5])
    np.testing.assert_allclose(got.positives[1], [[0.0, 1.0], [1.0, 0.25]])


def test_accuracy_at_a_given_share():
    got = fairness.rates(SCORES, Y, A, share=0.25)
    np.testing.assert_allclose(got.accuracy, [0.75 * 0.75 + 0.25 * 0.5, 0.75 + 0.25 / 6])


def test_agrees_with_fairlearn(random_case):
    outputs, y, a, _ = random_case
    got = fairness.rates(outputs, y, a)
    for k, scores in enumerate(outputs):
        hard = (scores >= 0.5).astype(int)
        assert got.delta_eo[k] == pytest.approx(equalized_odds_difference(y, hard, sensitive_features=a))
        assert got.dp_difference[k] == pytest.approx(demographic_parity_difference(y, hard, sensitive_features=a))
        assert got.accuracy[k] == pytest.approx((hard == y).mean())


def test_empty_cell_is_nan_and_the_other_label_counts():
    keep = ~((Y == 1) & (A == 0))
    got = fairness.rates(SCORES[:, keep], Y[keep], A[keep])
    assert got.cells.tolist() == [[3, 2], [0, 4]]
    assert np.isnan(got.tpr_g0).all()
    np.testing.assert_allclose(got.delta_eo, [0.5 - 1 / 3, 1.0])
    np.testing.assert_allclose(got.delta_eo_sum, got.delta_eo)
    assert np.isfinite(got.accuracy_g0).all()


def test_absent_group_counts_only_where_it_has_weight():
    keep = A == 1
    alone = fairness.rates(SCORES[:, keep], Y[keep], A[keep])
    np.testing.assert_allclose(alone.accuracy, alone.accuracy_g1)
    for missing in (alone.accuracy_g0, alone.delta_eo, alone.delta_eo_sum, alone.dp_difference):
        assert np.isnan(missing).all()
    assert np.isnan(fairness.rates(SCORES[:, keep], Y[keep], A[keep], share=0.5).accuracy).all()


def test_a_diverged_model_is_nan_and_leaves_the_others_alone():
    broken = SCORES.copy()
    broken[0, 3] = np.nan
    got = fairness.rates(broken, Y, A)
    assert np.isnan(got.delta_eo[0])
    assert np.isnan(got.accuracy[0])
    assert got.delta_eo[1] == 1.0
    areas = fairness.auc(broken, Y)
    assert np.isnan(areas[0])
    assert areas[1] == pytest.approx(roc_auc_score(Y, SCORES[1]))


def test_auc_by_hand():
    # Positives 0.4, 0.6 against negatives 0.4, 0.2: pairs 0.5 + 1 + 1 + 1 of 4.
    assert fairness.auc(np.array([[0.4, 0.6, 0.4, 0.2]]), np.array([1, 1, 0, 0])).tolist() == [0.875]
    assert fairness.auc(np.full((1, 4), 0.3), np.array([1, 1, 0, 0])).tolist() == [0.5]
    assert np.isnan(fairness.auc(np.zeros((2, 3)), np.ones(3, dtype=int))).all()


def test_auc_agrees_with_sklearn(random_case):
    outputs, y, _, weights = random_case
    plain = fairness.auc(outputs, y)
    weighted = fairness.auc(outputs, y, weights=weights)
    for k, scores in enumerate(outputs):
        assert plain[k] == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
        assert weighted[k] == pytest.approx(roc_auc_score(y, scores, sample_weight=weights), abs=1e-12)


@pytest.mark.parametrize("values", [1, 2, 3, 50, 10**6])
def test_auc_against_all_pairs(values):
    """From all scores equal to none: ties at both ends, groups of any size, rows with and without ties side by side."""
    rng = np.random.default_rng(values)
    y, weights = rng.integers(0, 2, 30), rng.random(30)
    outputs = rng.integers(0, values, size=(6, 30)).astype(np.float32) / np.float32(values)
    outputs[2] = rng.permutation(30) / np.float32(30)
    for k, found in enumerate(fairness.auc(outputs, y, weights=weights)):
        above = (outputs[k][:, None] > outputs[k]) + 0.5 * (outputs[k][:, None] == outputs[k])
        pairs = np.outer(weights * y, weights * (1 - y))
        assert found == pytest.approx((pairs * above).sum() / pairs.sum(), abs=1e-12)


def test_integer_weights_are_repeated_rows(random_case):
    outputs, y, _, _ = random_case
    times = np.arange(211) % 4
    repeated = fairness.auc(np.repeat(outputs, times, axis=1), np.repeat(y, times))
    np.testing.assert_allclose(fairness.auc(outputs, y, weights=times), repeated, atol=1e-12)


def test_block_size_changes_nothing(random_case, monkeypatch):
    outputs, y, a, weights = random_case
    whole = fairness.rates(outputs, y, a), fairness.auc(outputs, y, weights=weights)
    monkeypatch.setattr(fairness, "BLOCK", 3 * 211)
    parts = fairness.rates(outputs, y, a), fairness.auc(outputs, y, weights=weights)
    for one, other in zip(whole[0], parts[0], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole[1], parts[1])


def test_status():
    outputs = np.array([[0.2, 0.7], [0.5, 0.9], [0.1, 0.4], [np.nan, 0.9], [0.2, 0.7], [0.1, np.inf]])
    finite = np.array([True, True, True, True, False, True])
    assert fairness.status(outputs, finite).tolist() == [
        "ok",
        "constant",
        "constant",
        "diverged",
        "diverged",
        "diverged",
    ]


@pytest.mark.parametrize(
    ("outputs", "y", "a"),
    [
        (np.zeros(3), np.zeros(3), np.zeros(3)),
        (np.zeros((1, 3)), np.zeros(4), np.zeros(4)),
        (np.zeros((1, 3)), np.array([0, 1, 2]), np.zeros(3)),
        (np.zeros((1, 3)), np.zeros(3), np.array([0, -1, 0])),
    ],
)
def test_bad_input_is_refused(outputs, y, a):
    with pytest.raises(ValueError):
        fairness.rates(outputs, y, a)


@pytest.mark.parametrize("weights", [np.ones(2), np.array([1.0, -1.0, 1.0]), np.array([1.0, np.nan, 1.0])])
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        fairness.auc(np.zeros((1, 3)), np.array([0, 1, 1]), weights=weights)
