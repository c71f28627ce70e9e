"""Rates, AUC and status: hand-computed cases, and agreement with fairlearn and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.metrics import roc_auc_score

from popleak.measures import fairness, squares

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


def no_difference(rng, rates, counts, models=20_000):
    """Hard positives by half, label and group of models without a difference, and the rows: counts (2, 2) by [y, a], halved."""
    halves = np.stack([np.ceil(np.array(counts) / 2), np.floor(np.array(counts) / 2)]).astype(int)
    share = np.broadcast_to(np.array(rates)[None, :, None], (2, 2, 2))
    return rng.binomial(halves, share, size=(models, 2, 2, 2)).astype(float), halves


CASES = [
    ((0.1, 0.6), [[300, 200], [90, 150]], 0.02),
    ((0.05, 0.9), [[5000, 7000], [4000, 3000]], 0.02),
    ((0.5, 0.5), [[40, 10], [12, 30]], 0.03),
    ((0.3, 0.6), [[5, 7], [6, 5]], 0.10),
    ((0.02, 0.4), [[400, 400], [9, 300]], 0.03),
]


@pytest.mark.parametrize(("rates", "counts", "near"), CASES)
def test_the_floor_is_what_a_model_without_a_difference_reads(rates, counts, near):
    positives, halves = no_difference(np.random.default_rng(1), rates, counts)
    positives, counts = positives.sum(axis=1), halves.sum(axis=0)
    read = fairness.rates_of(positives, counts, share=0.5).delta_eo
    assert fairness.delta_eo_floor(positives, counts).mean() == pytest.approx(read.mean(), rel=near)


@pytest.mark.parametrize(("rates", "counts", "_near"), CASES)
def test_crossed_is_nothing_on_average_where_there_is_nothing(rates, counts, _near):
    positives, halves = no_difference(np.random.default_rng(2), rates, counts)
    found, _ = fairness.crossed(positives / halves)
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert found.min() < 0 < found.max()


@pytest.mark.parametrize(
    ("apart", "near"), [((0.0, 0.3), 0.002), ((-0.25, 0.1), 0.002), ((0.2, 0.2), 0.003), ((0.02, 0.02), 0.006)]
)
def test_crossed_is_near_the_largest_difference_and_not_above_it(apart, near):
    rng = np.random.default_rng(3)
    truth = np.array([[0.4, 0.4 + apart[0]], [0.5, 0.5 + apart[1]]])
    halves = np.full((2, 2, 2), 1000)
    found, _ = fairness.crossed(rng.binomial(halves, truth, size=(5000, 2, 2, 2)) / halves)
    largest, error = np.abs(apart).max(), found.std() / np.sqrt(len(found))
    assert largest - near < found.mean() < largest + 4 * error


def test_squared_differences_have_no_bias():
    """Whatever the rates and however few the rows, of draws without replacement too; by hand: 4 of 8 against 2 of 8."""
    rng = np.random.default_rng(3)
    positives, counts = np.array([[[4, 2], [8, 0]]]), np.full((2, 2), 8)
    plain = squares.squared_differences(positives, counts, np.full((2, 2), np.inf))
    np.testing.assert_allclose(plain, [[1 / 16 - 0.25 / 7 - 3 / 16 / 7, 1.0]], atol=1e-12)
    half = squares.squared_differences(positives, counts, np.full((2, 2), 16))
    np.testing.assert_allclose(half, [[1 / 16 - (0.25 + 3 / 16) / 14, 1.0]], atol=1e-12)
    whole = squares.squared_differences(positives, counts, counts)
    np.testing.assert_allclose(whole, [[1 / 16, 1.0]], atol=1e-12)
    assert np.isnan(squares.squared_differences(positives, np.array([[8, 1], [8, 8]]), counts)[:, 0]).all()
    population, rows = np.array([[400, 90], [60, 300]]), np.array([[150, 30], [25, 100]])
    ones = np.array([[80, 9], [30, 165]])
    drawn = rng.hypergeometric(ones, population - ones, rows, size=(200_000, 2, 2))
    found = squares.squared_differences(drawn, rows, population).mean(axis=0)
    rate = ones / population
    np.testing.assert_allclose(found, (rate[:, 1] - rate[:, 0]) ** 2, atol=1e-4)


def test_crossed_by_hand():
    """Label 1 lies apart most in both halves: 0.5 - 0.1 measured in the second, 0.6 - 0.2 in the first. The other model's sign turns."""
    rate = np.array([
        [[[0.3, 0.3], [0.2, 0.6]], [[0.4, 0.3], [0.1, 0.5]]],
        [[[0.3, 0.3], [0.2, 0.3]], [[0.3, 0.3], [0.5, 0.1]]],
    ])  # fmt: skip
    found, factor = fairness.crossed(rate)
    np.testing.assert_allclose(found, [0.4, ((0.1 - 0.5) + (0.2 - 0.3)) / 2])
    assert factor[0].tolist() == [[[0, 0], [-1, 1]]] * 2
    assert factor[1].tolist() == [[[0, 0], [1, -1]], [[0, 0], [-1, 1]]]


def test_an_empty_cell_leaves_the_other_label_and_two_leave_nothing():
    positives, counts = np.array([[[30.0, 0.0], [20.0, 10.0]]]), np.array([[90, 0], [40, 25]])
    rate = 30 / 65
    spread = rate * (1 - rate) * (1 / 40 + 1 / 25)
    np.testing.assert_allclose(fairness.delta_eo_floor(positives, counts), np.sqrt(2 / np.pi * spread))
    halves = np.array([[[[0.3, np.nan], [0.2, 0.6]], [[0.4, np.nan], [0.1, 0.5]]]])
    np.testing.assert_allclose(fairness.crossed(halves)[0], [0.4])
    counts[1, 1], positives[0, 1, 1], halves[..., 1, 1] = 0, 0, np.nan
    assert np.isnan(fairness.delta_eo_floor(positives, counts)).all()
    assert np.isnan(fairness.crossed(halves)[0]).all()
    assert np.isnan(fairness.delta_eo_floor(np.full((1, 2, 2), np.nan), np.full((2, 2), 9))).all()


def test_a_constant_model_has_no_floor():
    counts = np.array([[30, 20], [10, 40]])
    np.testing.assert_array_equal(fairness.delta_eo_floor(np.stack([counts, 0 * counts]).astype(float), counts), 0)


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_scores_beyond_0_and_1_have_no_curve(wrong):
    with pytest.raises(ValueError, match="scores"):
        fairness.auc(np.array([[0.2, wrong, 0.4]]), np.array([0, 1, 1]))


@pytest.mark.parametrize("kinds", [1, 2, 3])
def test_auc_of_few_and_many_weights_agree(kinds):
    """Two weights are packed into 32 bits, more into 64; zeros of both signs tie."""
    rng = np.random.default_rng(kinds)
    outputs = rng.choice(np.array([-0.0, 0.0, 0.25, 0.5, 1.0], np.float32), (4, 60))
    y, weights = rng.integers(0, 2, 60), rng.integers(1, kinds + 1, 60).astype(float)
    for scores, found in zip(outputs, fairness.auc(outputs, y, weights=weights), strict=True):
        assert found == pytest.approx(roc_auc_score(y, scores, sample_weight=weights), abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "plug_in"),
    [
        ([[290, 342], [230, 138]], 0.046),
        ([[5803, 6845], [4597, 2755]], 0.010),
        ([[465, 296], [203, 36]], 0.073),
        ([[9299, 5916], [4061, 724]], 0.016),
    ],
)
def test_what_the_documents_say_is_read_where_there_is_nothing(counts, plug_in):
    """docs/statistics.md: the cells of ACS Income and Adult at 1,000 and 20,000 rows."""
    positives, halves = no_difference(np.random.default_rng(4), (0.12, 0.62), counts)
    read = fairness.rates_of(positives.sum(axis=1), halves.sum(axis=0), share=0.5).delta_eo.mean()
    assert read == pytest.approx(plug_in, abs=1e-3)
    assert abs(fairness.crossed(positives / halves)[0].mean()) < 0.003
