"""The score adversary and the intersections of two attributes: valid, unbiased upwards by few rows, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from popleak.core.worlds import World
from popleak.measures import bounds, bounds_finer, bounds_general, fairness
from popleak.stages import measure
from popleak.store import schema
from popleak.store.records import Loaded

HALF_0, HALF_1 = np.array([[0.5, 0.0], [0.5, 0.0]]), np.array([[0.0, 0.5], [0.0, 0.5]])
SHARE = st.floats(0.02, 0.98)


RIGHT = {"scores": "delta_eo_scores", "groups": "delta_eo_groups_measured"}


def worlds_w(worlds):
    return bounds.terms(np.zeros((1, 2, 2)), *worlds.joints).w


def points(rows, rng, second=2):
    y, a = (rng.integers(0, 2, rows) for _ in range(2))
    return y, a, rng.integers(0, second, rows)


def of_scores(scores, y, a, worlds=(HALF_0, HALF_1), draws=300):
    cells = bounds_finer.score_cells(scores, y, a)
    return bounds_finer.of_scores(cells, *worlds, draws=draws, rng=np.random.default_rng(9))


def of_groups(scores, y, a, s, worlds=(HALF_0, HALF_1)):
    return bounds_finer.of_groups(*bounds_finer.group_cells(scores, y, a, s), *worlds)


def test_cells_are_halved_and_refine_the_hard_label():
    rng = np.random.default_rng(0)
    y, a, s = points(301, rng, 3)
    scores = rng.random((5, 301), dtype=np.float32)
    scores[0, :4] = (0.5, np.nextafter(np.float32(0.5), np.float32(0)), 1.0, 0.0)
    scores[4, 7] = np.nan
    cells = bounds_finer.score_cells(scores, y, a)
    positives, counts = fairness.cell_positives(scores, y, a)
    np.testing.assert_array_equal(cells[:4].sum(axis=(1, 4)), np.broadcast_to(counts, (4, 2, 2)))
    np.testing.assert_array_equal(cells[..., 5:].sum(axis=(1, 4)), positives)
    assert np.isnan(cells[4]).all()
    halves = cells[0].sum(axis=3)
    assert np.abs(halves[0] - halves[1]).max() <= 1
    hard, rows = bounds_finer.group_cells(scores, y, a, s)
    np.testing.assert_array_equal(hard.sum(axis=(1, 4)), positives)
    np.testing.assert_array_equal(rows.sum(axis=(0, 3)), counts)
    assert np.abs(rows[0] - rows[1]).max() <= 1


@pytest.mark.parametrize("rows", [300, 1200])
def test_no_difference_gives_no_advantage_however_few_the_rows(rows):
    """The plug-in total variation would report sqrt(C / (pi n)): 0.2 and 0.1 here."""
    rng = np.random.default_rng(1)
    y, a, s = points(rows, rng)
    scores = rng.random((400, rows))
    found, groups = of_scores(scores, y, a), of_groups(scores, y, a, s)
    for value in (found.adv, found.delta_eo, found.rhs, groups.adv, groups.delta_eo_measured, groups.rhs):
        assert abs(value.mean()) < 4 * value.std() / 20
    assert groups.delta_eo.mean() > 0.1  # the plug-in range, which nothing is made of
    for value in (found.excess, groups.excess):
        assert (value[0] > 0).mean() < 0.04
    assert (found.excess_literal[0] > 0).mean() < 0.05


def test_scores_tell_what_labels_hide():
    """Scores of 0.6 against 0.9: every hard label is 1, Delta_EO = 0, and one score names the world."""
    rng = np.random.default_rng(2)
    y, a, _ = points(800, rng)
    scores = np.where(a == 1, 0.95, 0.65)[None] + rng.normal(0, 0.01, (3, 800))
    found = of_scores(scores, y, a)
    np.testing.assert_allclose(found.adv, 1.0)
    np.testing.assert_allclose(found.rhs, 1.0)
    np.testing.assert_allclose(found.excess_literal, 1.0)
    narrow = [bounds.world_cells(ratio=r, mode="label-balanced", rates=[0, 0], label_rate=0.5) for r in (0.3, 0.5)]
    np.testing.assert_allclose(of_scores(scores, y, a, narrow).adv, 0.2)


def test_a_constant_model_tells_nothing():
    rng = np.random.default_rng(3)
    y, a, s = points(400, rng)
    flat = np.full((2, 400), 0.7)
    found, groups = of_scores(flat, y, a), of_groups(flat, y, a, s)
    for value in (found.adv, found.rhs, found.excess, found.excess_literal, groups.adv, groups.rhs, groups.excess):
        np.testing.assert_allclose(value, 0.0, atol=1e-12)


def test_the_estimate_is_a_rules_own_and_approaches_the_optimum():
    rng = np.random.default_rng(4)
    shift = 0.12
    exact = None
    for rows in (2000, 200_000):
        y, a, _ = points(rows, rng)
        scores = rng.beta(2 + 6 * shift * a, 2, (20, rows))
        found = of_scores(scores, y, a, draws=10)
        if rows == 200_000:
            exact = np.mean(found.adv)
        else:
            few = np.mean(found.adv)
    from scipy.stats import beta

    edges = np.linspace(0, 1, 11)
    truth = 0.5 * np.abs(np.diff(beta.cdf(edges, 2 + 6 * shift, 2)) - np.diff(beta.cdf(edges, 2, 2))).sum()
    assert exact == pytest.approx(truth, abs=0.004)
    assert few < truth + 0.005


@pytest.mark.parametrize(("positive", "rates"), [(0.5, (0.5, 0.5)), (0.22, (0.25, 0.2))])
@pytest.mark.parametrize("shift", [(0.1, 0.1), (0.1, 0.0), (0.05, 0.1)])
def test_the_theorems_are_seldom_contradicted(positive, rates, shift):
    """Labels alike and rare, apart in both labels or mostly in one: 2.5 % at most by chance, 1.5 of 400 models more."""
    rng = np.random.default_rng(12)
    y, a, s = (rng.random(1200) < positive).astype(int), *(rng.integers(0, 2, 1200) for _ in range(2))
    worlds = [bounds.world_cells(ratio=ratio, mode="natural", rates=rates) for ratio in (0.0, 1.0)]
    scores = np.clip(rng.normal(0.45 + a * np.array(shift)[y], 0.2, (400, 1200)), 0, 1)
    for found in (of_scores(scores, y, a, worlds, draws=40), of_groups(scores, y, a, s, worlds)):
        assert (found.excess[0] > 0).mean() < 0.04
        assert (found.excess[0] < found.adv - found.rhs).all() and (found.adv - found.rhs < found.excess[1]).all()
    positives, counts = fairness.cell_positives(scores, y, a)
    assert (found.delta_eo >= bounds.terms(positives / counts, *worlds).delta_eo - 1e-12).all()


def test_halves_that_disagree_contradict_the_form_of_scores():
    """One half has the other label apart most: what is chosen there is little here, and the check can fail."""
    cells = np.zeros((1, 2, 2, 2, bounds_finer.BINS))
    for half, label, apart in ((0, 0, 0.8), (0, 1, 0.4), (1, 0, 0.1), (1, 1, 0.6)):
        for group in (0, 1):
            high = 0.5 + (apart / 2 if group else -apart / 2)
            cells[0, half, label, group, [0, 9]] = 1000 * (1 - high), 1000 * high
    found = bounds_finer.of_scores(cells, HALF_0, HALF_1, draws=10, rng=np.random.default_rng(0))
    np.testing.assert_allclose([found.adv[0], found.rhs[0]], [0.475, 0.25])
    assert found.excess[0, 0] > 0.15


@settings(max_examples=150, deadline=None)
@given(arrays(np.float64, (2, 2, 3, 2), elements=SHARE), arrays(np.float64, (2, 2, 3), elements=SHARE),
       st.tuples(SHARE, SHARE), st.tuples(SHARE, SHARE), st.sampled_from(["natural", "label-balanced"]))  # fmt: skip
def test_the_bound_over_intersections_is_a_theorem(rates, share, ratios, labels, mode):
    """Known laws, no rows: Delta_EO over (a, s) times W bounds those who are told s and those who are not."""
    rates, share = rates / rates.sum(axis=3, keepdims=True), share / share.sum(axis=2, keepdims=True)
    worlds = [bounds.world_cells(ratio=r, mode=mode, rates=list(labels), label_rate=0.4) for r in ratios]
    plain = bounds.terms((share * rates[..., 1]).sum(axis=2)[None], *worlds)
    fine = bounds_general.terms(
        rates.reshape(1, 2, 6, 2), *((joint[:, :, None] * share).reshape(2, 6) for joint in worlds)
    )
    assert fine.w == pytest.approx(plain.w)
    assert fine.adv_balanced[0] == pytest.approx(plain.adv_balanced[0])
    assert fine.rhs_balanced[0] >= plain.rhs_balanced[0] - 1e-12
    weight = bounds_finer._told_weights(np.stack(worlds), share, plain.pi, plain.w_y)
    assert weight.sum() <= plain.w + 1e-12
    told = (weight * np.abs(rates[:, 1, :, 1] - rates[:, 0, :, 1])).sum()
    assert told <= fine.rhs_balanced[0] + 1e-12
    # the same advantage from the definition: labels (y, s), both worlds at the mean law of (y, s)
    pi, law = plain.pi, np.zeros((2, 2, 3, 2))
    given = [(joint / joint.sum(axis=1, keepdims=True))[:, :, None] * share for joint in worlds]
    second = [one.sum(axis=1) for one in given]
    for b in (0, 1):
        inside = given[b] / second[b][:, None]
        law[b] = (pi[:, None] * (second[0] + second[1]) / 2)[..., None] * (inside[..., None] * rates).sum(axis=1)
    assert told == pytest.approx(0.5 * np.abs(law[0] - law[1]).sum(), abs=1e-9)


def test_intersections_find_what_the_attribute_hides():
    """Groups treated alike on average, and apart within each value of the second attribute."""
    rng = np.random.default_rng(6)
    y, a, s = points(4000, rng)
    scores = (rng.random((3, 4000)) < np.where(a == s, 0.8, 0.2)).astype(float)
    positives, counts = fairness.cell_positives(scores, y, a)
    assert bounds.terms(positives / counts, HALF_0, HALF_1).rhs_literal.max() < 0.12
    found = of_groups(scores, y, a, s)
    np.testing.assert_allclose(found.delta_eo_measured, 0.6, atol=0.06)
    np.testing.assert_allclose(found.adv, 0.6, atol=0.06)
    assert found.smallest > 400
    assert (found.excess[0] <= 0).all()


def test_limits_are_those_of_resampled_rows():
    """The normal draws against drawing rows with replacement inside each cell, rules held."""
    rng = np.random.default_rng(7)
    y, a, s = points(1600, rng)
    scores = np.clip(rng.normal(0.45 + 0.1 * a + 0.05 * y + 0.1 * s * a, 0.2, (1, 1600)), 0, 1)
    cells = bounds_finer.score_cells(scores, y, a)
    fast = bounds_finer.of_scores(cells, HALF_0, HALF_1, draws=20_000, rng=rng)
    share = cells[0] / cells[0].sum(axis=3, keepdims=True)
    rule = np.where(share[::-1, :, 1] >= share[::-1, :, 0], 1.0, 0.0)
    drawn = (
        rng.multinomial(cells[0].sum(axis=3).astype(int), share, size=(20_000, 2, 2, 2))
        / cells[0].sum(axis=3)[..., None]
    )
    told = (drawn * rule[:, :, None]).sum(axis=4).mean(axis=1)
    hard = drawn[..., 5:].sum(axis=4).mean(axis=1)
    named, label = (np.abs(one[..., 1] - one[..., 0]) for one in (told, hard))
    slow = np.quantile(named.mean(axis=1) - label.max(axis=1), bounds_finer.TAILS)
    np.testing.assert_allclose(fast.excess_literal[:, 0], slow, atol=0.004)

    positives, rows = bounds_finer.group_cells(scores, y, a, s)
    fast = bounds_finer.of_groups(positives, rows, HALF_0, HALF_1)
    rate = positives[0] / rows
    lean = np.where(rate[::-1, :, 1] >= rate[::-1, :, 0], 1.0, -1.0)
    found = rng.binomial(rows, rate, size=(20_000, *rows.shape)) / rows
    weight = bounds_finer._told_weights(
        np.stack([HALF_0, HALF_1]), rows.sum(axis=0) / rows.sum(axis=(0, 3))[..., None], np.full(2, 0.5), np.ones(2)
    )
    told = ((found[:, :, :, 1] - found[:, :, :, 0]) * lean * weight).sum(axis=(2, 3))
    for half, other in ((0, 1), (1, 0)):
        seen = rate[other].reshape(2, 4)
        label = np.ptp(seen, axis=1).argmax()
        mine = found[:, half, label].reshape(-1, 4)
        told[:, half] -= mine[:, seen[label].argmax()] - mine[:, seen[label].argmin()]
    reach = 1.96 * (told / 2).std(axis=0).sum()
    np.testing.assert_allclose(fast.excess[:, 0], told.mean() + reach * np.array([-1, 1]), atol=0.005)


def test_diverged_models_empty_cells_and_later_models():
    rng = np.random.default_rng(8)
    y, a, s = points(400, rng, 3)
    s[(y == 1) & (a == 0)] = np.where(s[(y == 1) & (a == 0)] == 2, 0, s[(y == 1) & (a == 0)])  # an absent intersection
    scores = rng.random((5, 400))
    scores[1, 3] = np.inf
    for run, columns in ((of_scores, (y, a)), (of_groups, (y, a, s))):
        found = run(scores, *columns)
        assert np.isnan(found.adv[1]) and np.isfinite(np.delete(found.adv, 1)).all()
        assert np.isfinite(np.delete(found.excess, 1, axis=1)).all()
        fewer = run(scores[:3], *columns)
        np.testing.assert_array_equal(fewer.adv, found.adv[:3])
        np.testing.assert_array_equal(fewer.excess, found.excess[:, :3])
        one = np.where(y + a == 0, 1, y)  # no row with label 0 in group 0
        empty = run(scores, one, *columns[1:])
        assert np.isnan(empty.adv).all() and np.isnan(empty.excess).all()


def test_the_table_of_bounds_has_them_and_null_where_there_is_no_second_attribute():
    rng = np.random.default_rng(10)
    y, a, s = points(600, rng)
    scores = np.clip(rng.normal(0.45 + 0.1 * a, 0.2, (6, 600)), 0, 1)
    scores[5] = np.nan
    facts = {"group_label_rates": [0.5, 0.3], "group_share": 0.4, "label_rate": 0.42}
    worlds = measure.Worlds((World(0.0), World(1.0)), "natural", facts)
    who = {column.name: "x" for column in (*schema.TASK, schema.DEFENCE)} | {"protocol": "pure"}
    who |= {"ratio_0": 0.0, "ratio_1": 1.0, "poison": 0.0, **{column.name: np.arange(6) for column in schema.WHO}}
    found = []
    for second in (s, None):
        pool = measure.Pool.of(np.arange(600), Loaded(y, y, a, y, None, facts, second), np.ones(600, bool))
        said = measure.Said.of({}, scores, np.ones(6, bool), pool)
        found.append(measure.bound(said, pool, worlds, np.random.default_rng(1)))
    table = schema.table("bounds", [who | part for part in found]).to_pandas()
    unknown = ["adv_scores", "scores_holds", "scores_exceed_literal", "queries_to_detect"]
    assert table.loc[[5, 11], unknown].isna().all(axis=None)
    table = table.drop([5, 11])
    groups = [name for name in table if "group" in name]
    assert len(groups) == 6
    assert table[groups].iloc[5:].isna().all(axis=None)
    assert table.drop(columns=[*groups, "small_cells"]).notna().all(axis=None) and table["small_cells"].isna().all()
    assert table[groups].iloc[:5].notna().all(axis=None)
    for form, part in (("scores", table), ("groups", table.iloc[:5])):
        assert part[f"{form}_holds"].all()
        np.testing.assert_allclose(part[f"rhs_{form}"], part[RIGHT[form]].astype(float) * worlds_w(worlds))
    right = np.where(table["scores_excess_low"] > 0, True, False)
    np.testing.assert_array_equal(table["scores_exceed_literal"].astype(bool), right)
    accuracy = worlds.accuracies(fairness.rates(scores[:5], y, a).positives).mean(axis=0)
    for row, own in zip(table.iloc[:5].to_dict("records"), accuracy, strict=True):
        assert row["queries_to_detect"] == pytest.approx(bounds.queries_to_detect(row["gap"], accuracy=own))
        assert bounds.detection_power(row["queries_to_detect"], queries=row["queries_to_detect"]) == pytest.approx(0.8)
