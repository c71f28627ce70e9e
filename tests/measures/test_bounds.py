"""The bounds: theorems hold on random tables, the literal form fails where it should, the witness attains it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from popleak.measures import bounds
from popleak.plan.games import Game
from popleak.stages import measure

SHARE = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 0.3]), st.floats(0.0, 1.0, allow_subnormal=False))
TABLES = arrays(np.float64, (3, 2, 2), elements=SHARE)
PURE_0 = np.array([[0.7, 0.0], [0.3, 0.0]])
PURE_1 = np.array([[0.0, 0.4], [0.0, 0.6]])


@st.composite
def joints(draw):
    """A joint law of (y, a), empty cells, empty labels and empty groups included."""
    cells = draw(arrays(np.float64, (2, 2), elements=SHARE).filter(lambda value: value.sum() > 1e-3))
    return cells / cells.sum()


def equal_labels(joint_0, joint_1):
    """Return both joints re-weighted to their mean label rates, P(a | y) kept."""
    label = np.stack([joint_0.sum(axis=1), joint_1.sum(axis=1)])
    pi = label.mean(axis=0)
    return [joint * (pi / own)[:, None] for joint, own in zip((joint_0, joint_1), label, strict=True)]


def outcome_law(rates, joint):
    """Return P(yhat, y) of one model, cell by cell: an independent computation."""
    law = np.zeros((2, 2))
    for y in (0, 1):
        for a in (0, 1):
            law[1, y] += joint[y, a] * rates[y, a]
            law[0, y] += joint[y, a] * (1.0 - rates[y, a])
    return law


@settings(max_examples=200, deadline=None)
@given(TABLES, joints(), joints())
@example(np.full((3, 2, 2), 0.3), PURE_0, PURE_1)
@example(np.full((3, 2, 2), 1.0), np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]))
def test_the_valid_forms_hold_on_every_table(rates, joint_0, joint_1):
    got = bounds.terms(rates, joint_0, joint_1)
    for value in got:
        assert np.isfinite(value).all()
    over = bounds.excess(got)
    assert (over.corrected <= 0).all()
    assert (over.coupling <= 0).all()
    assert (over.balanced <= 0).all()
    assert (got.gap <= got.adv + 1e-12).all()


@settings(max_examples=200, deadline=None)
@given(TABLES, joints(), joints())
def test_both_sides_are_what_their_definitions_say(rates, joint_0, joint_1):
    got = bounds.terms(rates, joint_0, joint_1)
    for k, table in enumerate(rates):
        law_0, law_1 = outcome_law(table, joint_0), outcome_law(table, joint_1)
        assert got.adv[k] == pytest.approx(0.5 * np.abs(law_0 - law_1).sum(), abs=1e-12)
        assert got.gap[k] == pytest.approx(abs(np.trace(law_0) - np.trace(law_1)), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(TABLES, joints(), joints())
def test_with_equal_label_rates_the_literal_form_is_a_theorem_and_the_advantage_is_the_weighted_delta(rates, one, two):
    if min(one.sum(axis=1).min(), two.sum(axis=1).min()) < 1e-3:
        return
    joint_0, joint_1 = equal_labels(one, two)
    natural, balanced = bounds.terms(rates, one, two), bounds.terms(rates, joint_0, joint_1)
    assert balanced.beta < 1e-12
    assert (balanced.gap <= balanced.rhs_literal + 1e-9).all()
    np.testing.assert_allclose(balanced.adv, natural.adv_balanced, atol=1e-9)  # Theorem 2, weighted form
    np.testing.assert_allclose(balanced.adv, balanced.adv_balanced, atol=1e-9)
    assert balanced.w == pytest.approx(natural.w, abs=1e-9)


def test_a_constant_classifier_violates_the_literal_form_only():
    got = bounds.terms(np.ones((1, 2, 2)), PURE_0, PURE_1)
    assert got.delta_eo[0] == 0.0
    assert got.beta == pytest.approx(0.3)
    assert got.gap[0] == pytest.approx(0.3)
    assert got.rhs_literal[0] == 0.0
    over = bounds.excess(got)
    assert over.literal[0] == pytest.approx(0.3)
    assert over.corrected[0] == 0.0  # met with equality: TPRbar - TNRbar = 1
    assert over.coupling[0] == 0.0
    assert over.balanced[0] == 0.0


def test_terms_by_hand():
    joint_0 = bounds.world_cells(ratio=0.2, mode="natural", rates=[0.5, 0.25])
    joint_1 = bounds.world_cells(ratio=0.6, mode="natural", rates=[0.5, 0.25])
    np.testing.assert_allclose(joint_0, [[0.4, 0.15], [0.4, 0.05]])
    np.testing.assert_allclose(joint_1, [[0.2, 0.45], [0.2, 0.15]])
    got = bounds.terms(np.array([[[0.1, 0.3], [0.9, 0.6]]]), joint_0, joint_1)
    w_0, w_1 = 0.45 / 0.65 - 0.15 / 0.55, 0.15 / 0.35 - 0.05 / 0.45
    np.testing.assert_allclose(got.w_y, [w_0, w_1])
    np.testing.assert_allclose(got.delta_y[0], [0.2, 0.3])
    assert got.beta == pytest.approx(0.1)
    assert got.w == pytest.approx(0.6 * w_0 + 0.4 * w_1)
    accuracy_0 = 0.4 * 0.9 + 0.15 * 0.7 + 0.4 * 0.9 + 0.05 * 0.6
    accuracy_1 = 0.2 * 0.9 + 0.45 * 0.7 + 0.2 * 0.9 + 0.15 * 0.6
    assert got.gap[0] == pytest.approx(accuracy_0 - accuracy_1)
    tpr = ((0.36 + 0.03) / 0.45 + (0.18 + 0.09) / 0.35) / 2
    tnr = ((0.36 + 0.105) / 0.55 + (0.18 + 0.315) / 0.65) / 2
    assert got.rhs_corrected[0] == pytest.approx(0.6 * w_0 * 0.2 + 0.4 * w_1 * 0.3 + 0.1 * abs(tpr - tnr))
    assert got.rhs_coupling[0] == pytest.approx(0.1 + 0.9 * 0.3 * max(w_0, w_1))
    assert got.adv_balanced[0] == pytest.approx(0.6 * w_0 * 0.2 + 0.4 * w_1 * 0.3)
    assert got.rhs_balanced[0] == got.rhs_literal[0] == pytest.approx(0.3 * got.w)


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
def test_pure_worlds_have_w_1(mode):
    joints = [bounds.world_cells(ratio=r, mode=mode, rates=[0.3, 0.6], label_rate=0.45) for r in (0, 1)]
    got = bounds.terms(np.array([[[0.1, 0.4], [0.8, 0.7]]]), *joints)
    assert got.w == pytest.approx(1.0)
    np.testing.assert_allclose(got.w_y, 1.0)
    assert got.beta == pytest.approx(0.3 if mode == "natural" else 0.0)


def test_independent_label_gives_the_difference_of_ratios():
    worlds = [bounds.world_cells(ratio=r, mode="label-balanced", rates=[0.1, 0.9], label_rate=0.4) for r in (0.3, 0.5)]
    np.testing.assert_allclose(worlds[0], [[0.42, 0.18], [0.28, 0.12]])
    assert bounds.terms(np.zeros((1, 2, 2)), *worlds).w == pytest.approx(0.2)


def test_the_max_form_of_theorem_2_is_neither_necessary_nor_sufficient():
    """Equal label rates, pi = 1/2, pure worlds: the advantage is the mean of the two deltas."""
    half_0, half_1 = np.array([[0.5, 0.0], [0.5, 0.0]]), np.array([[0.0, 0.5], [0.0, 0.5]])

    def model(delta_0, delta_1):
        got = bounds.terms(np.array([[[0.1, 0.1 + delta_0], [0.5, 0.5 + delta_1]]]), half_0, half_1)
        assert got.adv[0] == pytest.approx(got.adv_balanced[0])
        return got.delta_eo[0], got.adv[0]

    before, after = model(0.3, 0.3), model(0.3, 0.0)
    assert after[0] == pytest.approx(before[0])  # the max stays,
    assert after[1] == pytest.approx(0.15)  # the advantage falls from 0.3
    before, after = model(0.3, 0.0), model(0.2, 0.2)
    assert after[0] < before[0] - 0.09  # the max falls,
    assert after[1] > before[1] + 0.04  # the advantage rises


def test_an_empty_cell_is_nan_only_where_a_world_has_mass_in_it():
    rates = np.array([[[0.2, np.nan], [0.7, 0.5]]])
    needed = bounds.terms(rates, PURE_0, PURE_1)
    assert np.isnan(needed.gap[0])
    assert np.isnan(needed.rhs_corrected[0])
    without = np.array([[0.5, 0.0], [0.25, 0.25]])
    spared = bounds.terms(rates, without, np.array([[0.4, 0.0], [0.1, 0.5]]))
    for value in (spared.gap, spared.adv, spared.rhs_literal, spared.rhs_corrected, spared.rhs_coupling):
        assert np.isfinite(value).all()


def case(models=7):
    rng = np.random.default_rng(5)
    counts = np.array([[400, 300], [200, 100]])
    rates = rng.uniform(0.05, 0.95, size=(models, 2, 2))
    return rng.binomial(counts, rates), counts


def test_bootstrap_limits_bracket_the_estimate_and_shrink_with_rows():
    positives, counts = case()
    point = bounds.excess(bounds.terms(positives / counts, PURE_0, PURE_1))
    limits = bounds.bootstrap(positives, counts, PURE_0, PURE_1, draws=2000, rng=np.random.default_rng(1))
    assert limits.literal.shape == (2, 7)
    assert (limits.literal[0] < point.literal).all()
    assert (point.literal < limits.literal[1]).all()
    for theorem in (limits.corrected, limits.coupling, limits.balanced):
        assert (theorem[1] <= 0).all()
    many = bounds.bootstrap(100 * positives, 100 * counts, PURE_0, PURE_1, draws=2000, rng=np.random.default_rng(1))
    np.testing.assert_allclose(
        np.diff(many.literal, axis=0), np.diff(limits.literal, axis=0) / 10, rtol=0.25, atol=1e-3
    )


def test_bootstrap_is_the_stratified_resampling_of_rows():
    """Binomial draws by cell against drawing rows with replacement inside each cell."""
    counts = np.array([[40, 30], [20, 50]])
    positives = np.array([[[10, 15], [12, 40]]])
    fast = bounds.bootstrap(positives, counts, PURE_0, PURE_1, draws=20_000, rng=np.random.default_rng(2))
    rng = np.random.default_rng(3)
    drawn = np.empty((20_000, 2, 2))
    for y in (0, 1):
        for a in (0, 1):
            rows = np.arange(counts[y, a]) < positives[0, y, a]
            drawn[:, y, a] = rng.choice(rows, size=(20_000, rows.size)).mean(axis=1)
    slow = bounds.excess(bounds.terms(drawn, PURE_0, PURE_1))
    point = bounds.excess(bounds.terms(positives / counts, PURE_0, PURE_1))
    for name, one, other, estimate in zip(bounds.Excess._fields, fast, slow, point, strict=True):
        low, high = np.quantile(other, [0.025, 0.975])
        top = max(high, 2 * estimate[0] - low)
        wanted = [min(low, 2 * estimate[0] - high), top if name == "literal" else min(top, max(high, 0.0))]
        np.testing.assert_allclose(one[:, 0], wanted, atol=0.012)


@pytest.mark.parametrize(
    ("rates", "labels", "rows"),
    [
        ([[0.4, 0.2], [0.6, 0.8]], (0.5, 0.5), 125),  # both labels tie: excess 0
        ([[0.4, 0.2], [0.6, 0.8]], (0.3, 0.5), 125),
        ([[0.3, 0.3], [0.7, 0.7]], (0.5, 0.5), 500),  # no difference at all
        ([[0.3, 0.3], [0.7, 0.7]], (0.3, 0.5), 500),
        ([[0.4, 0.2], [0.5, 0.9]], (0.3, 0.5), 125),  # inside
        ([[0.2, 0.3], [0.5, 0.7]], (0.3, 0.5), 125),
    ],
)
def test_limits_of_the_literal_excess_cover_the_truth(rates, labels, rows):
    """500 models: 91 % is four standard errors below the 95 stated. Plain percentile limits cover 6 to 62 at a tie."""
    worlds = [bounds.world_cells(ratio=ratio, mode="natural", rates=labels) for ratio in (0.0, 1.0)]
    truth = bounds.excess(bounds.terms(np.array([rates]), *worlds)).literal[0]
    rng = np.random.default_rng(11)
    positives = rng.binomial(rows, rates, size=(500, 2, 2))
    low, high = bounds.bootstrap(positives, np.full((2, 2), rows), *worlds, draws=400, rng=rng).literal
    assert ((low <= truth + 1e-12) & (truth <= high + 1e-12)).mean() >= 0.91
    assert (truth > high + 1e-12).mean() <= 0.08
    assert labels[0] != labels[1] or (high <= 0).all()


def test_bootstrap_finds_the_constant_classifier():
    counts = np.array([[100, 100], [100, 100]])
    limits = bounds.bootstrap(counts[None], counts, PURE_0, PURE_1, draws=50, rng=np.random.default_rng(0))
    np.testing.assert_allclose(limits.literal[:, 0], 0.3)
    np.testing.assert_array_equal(limits.corrected[:, 0], 0.0)


def test_block_size_and_later_models_change_no_draw(monkeypatch):
    positives, counts = case()
    whole = bounds.bootstrap(positives, counts, PURE_0, PURE_1, draws=100, rng=np.random.default_rng(1))
    fewer = bounds.bootstrap(positives[:3], counts, PURE_0, PURE_1, draws=100, rng=np.random.default_rng(1))
    monkeypatch.setattr(bounds, "BLOCK", 250)
    parts = bounds.bootstrap(positives, counts, PURE_0, PURE_1, draws=100, rng=np.random.default_rng(1))
    for one, other, first in zip(whole, parts, fewer, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[:, :3], first)


def test_pairs_of_worlds_and_poisons_share_no_draws():
    settings = SimpleNamespace(seed=1, task="t", model_id="m")
    pairs = [Game.of("ratio", (0.2, 0.5)), Game.of("ratio", (0.3, 0.5)), Game.of("ratio", (0.2, 0.5), 0.05)]
    drawn = [measure.stream(settings, game.described(), "none", 0).random() for game in pairs]
    assert len(set(drawn)) == 3
    assert measure.stream(settings, pairs[0].described(), "none", 0).random() == drawn[0]


def test_bootstrap_with_an_empty_cell_or_a_diverged_model_is_nan_there():
    positives = np.array([[[10.0, 5.0], [7.0, 8.0]], [[np.nan] * 2, [np.nan] * 2]])
    counts = np.array([[20, 20], [20, 20]])
    limits = bounds.bootstrap(positives, counts, PURE_0, PURE_1, draws=20, rng=np.random.default_rng(1))
    assert np.isfinite(limits.literal[:, 0]).all()
    assert np.isnan(limits.literal[:, 1]).all()
    counts[0, 0], positives[0, 0, 0] = 0, 0
    limits = bounds.bootstrap(positives[:1], counts, PURE_0, PURE_1, draws=20, rng=np.random.default_rng(1))
    assert np.isnan(limits.literal).all()


@pytest.mark.parametrize("d", [0.0, 0.2, 0.7, 1.0])
def test_the_witness_attains_its_bound(d):
    got = bounds.tightness_witness(d=d, n=200_000, rng=np.random.default_rng(4))
    assert got.bound == d
    assert got.low <= d <= got.high
    assert got.advantage == pytest.approx(d, abs=0.006)


def test_k_queries():
    np.testing.assert_allclose(bounds.k_queries(0.5, 0.4, [0, 1, 2]), [0.0, 0.2, 0.36])
    assert bounds.k_queries(1.0, 1.0, 1) == 1.0


def test_a_gap_under_tau_is_still_found():
    assert round(bounds.queries_to_detect(0.1, accuracy=0.7)) == 260
    assert bounds.queries_to_detect(0.04, accuracy=0.7) == pytest.approx(1623, abs=1)


def test_no_gap_is_never_found_and_power_grows_with_the_queries():
    found = bounds.queries_to_detect(np.array([0.0, 0.1, 0.2]), accuracy=np.array([0.7, 0.7, 0.9]))
    assert np.isnan(found[0])
    assert found[1] > 4 * found[2]
    power = bounds.detection_power(np.array([0, 10, found[1], 10**6]), queries=found[1])
    np.testing.assert_allclose(power[[0, 2, 3]], [0.05, 0.8, 1.0])
    assert (np.diff(power) > 0).all()
    assert bounds.detection_power(100, queries=np.inf) == pytest.approx(0.05)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="mode"):
        bounds.world_cells(ratio=0.5, mode="other", rates=[0.5, 0.5])
    with pytest.raises(ValueError, match="label_rate"):
        bounds.world_cells(ratio=0.5, mode="label-balanced", rates=[0.5, 0.5])
    with pytest.raises(ValueError, match="lie in"):
        bounds.world_cells(ratio=1.5, mode="natural", rates=[0.5, 0.5])
    with pytest.raises(ValueError, match="sum to 1"):
        bounds.terms(np.zeros((1, 2, 2)), 2 * PURE_0, PURE_1)
    with pytest.raises(ValueError, match="K, 2, 2"):
        bounds.terms(np.zeros((2, 2)), PURE_0, PURE_1)
    with pytest.raises(ValueError, match="counts"):
        bounds.bootstrap(
            np.full((1, 2, 2), 3), np.full((2, 2), 2), PURE_0, PURE_1, draws=5, rng=np.random.default_rng()
        )


def test_a_missing_group_may_have_no_rate():
    np.testing.assert_allclose(bounds.world_cells(ratio=0.0, mode="natural", rates=[0.3, np.nan]), PURE_0)
