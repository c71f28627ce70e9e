"""Measures of more than two classes: against the module of two classes, against literal counts, and on laws that are known."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.measures import bounds, bounds_finer, bounds_general, classes, fairness


def points(rows, labels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, labels, rows), rng.integers(0, 2, rows)


def drawn(law, y, a, models, seed=0):
    """Scores (K, m, C), one-hot, of models with P(yhat | y, a) = law (C, 2, C)."""
    rng = np.random.default_rng(seed)
    bounds_of = np.cumsum(law, axis=2)[y, a]
    said = (rng.random((models, len(y), 1)) >= bounds_of[:, :-1]).sum(axis=2)
    return np.eye(law.shape[2])[said]


def law_of(labels, seed=1, apart=0.5):
    rng = np.random.default_rng(seed)
    common = rng.dirichlet(np.ones(labels), (labels, 1))
    return (1 - apart) * common + apart * rng.dirichlet(np.ones(labels), (labels, 2))


def test_two_classes_are_measured_as_by_the_module_of_two():
    y, a = points(900, 2)
    p = np.random.default_rng(3).random((5, 900))
    p[4, 3] = np.nan
    both = np.stack([1 - p, p], axis=2)
    rows, cells = classes.halved(y, a, 2), classes.confusion(both, y, a)
    positives, counts = fairness.cell_positives(p, y, a)
    assert np.array_equal(rows.sum(axis=0), counts) and np.array_equal(rows, bounds_finer.halved(y, a))
    assert np.array_equal(cells.sum(axis=1)[..., 1], positives, equal_nan=True)
    rates = np.array([0.3, 0.6])
    joints = [classes.joint(ratio=r, rates=np.stack([1 - rates, rates], axis=1)) for r in (0.1, 0.8)]
    for joint, r in zip(joints, (0.1, 0.8), strict=True):
        assert joint == pytest.approx(bounds.world_cells(ratio=r, mode="natural", rates=rates))
    found = classes.fair(cells, rows, share=0.4, joints=joints, rng=np.random.default_rng(0))
    wanted = fairness.rates_of(positives, counts, share=0.4)
    for name in ("accuracy", "accuracy_g0", "accuracy_g1", "delta_eo", "delta_eo_sum", "dp_difference"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), nan_ok=True), name
    by_half = bounds_finer.score_cells(p, y, a)[..., bounds_finer.UPPER].sum(axis=4) / rows
    assert found.delta_eo_crossed == pytest.approx(fairness.crossed(by_half)[0], nan_ok=True)
    floor = fairness.delta_eo_floor(positives, counts)
    assert found.delta_eo_floor == pytest.approx(floor, rel=0.12, nan_ok=True), "simulated and by the formula"
    sides, over = classes.bound(cells, rows, joints, draws=4000, rng=np.random.default_rng(1))
    two = bounds.terms(wanted.positives, *joints)
    for name in (
        "delta_eo",
        "gap",
        "rhs_literal",
        "rhs_corrected",
        "adv",
        "rhs_coupling",
        "adv_balanced",
        "rhs_balanced",
    ):
        assert getattr(sides, name) == pytest.approx(getattr(two, name), nan_ok=True), name
    assert np.abs(found.gap) == pytest.approx(sides.gap, nan_ok=True)
    other = bounds.bootstrap(positives, counts, *joints, draws=4000, rng=np.random.default_rng(2))
    for form in over._fields:
        assert getattr(over, form) == pytest.approx(getattr(other, form), abs=0.01, nan_ok=True), form


def test_the_confusion_is_what_a_loop_counts():
    y, a = points(200, 4)
    scores = np.random.default_rng(1).dirichlet(np.ones(4), (3, 200))
    scores[2, 5, 1] = np.inf
    cells, rows = classes.confusion(scores, y, a), classes.halved(y, a, 4)
    seen = np.zeros((4, 2), int)
    literal, counted = np.zeros((2, 2, 4, 2, 4)), np.zeros((2, 4, 2))
    for i in range(200):
        half = seen[y[i], a[i]] % 2
        seen[y[i], a[i]] += 1
        counted[half, y[i], a[i]] += 1
        for k in range(2):
            literal[k, half, y[i], a[i], scores[k, i].argmax()] += 1
    assert np.array_equal(cells[:2], literal) and np.isnan(cells[2]).all() and np.array_equal(rows, counted)
    assert np.array_equal(cells[:2].sum(axis=4), np.broadcast_to(rows, (2, 2, 4, 2)))


def test_known_laws_are_measured():
    """Total variations of a law that is known, over many rows; across halves no less, and without bias where there is none."""
    labels, law = 5, law_of(5)
    y, a = points(200_000, labels)
    delta = 0.5 * np.abs(law[:, 1] - law[:, 0]).sum(axis=1)
    joints = [classes.joint(ratio=r, rates=np.full((2, labels), 1 / labels)) for r in (0.0, 1.0)]
    rng = np.random.default_rng(0)
    cells, rows = classes.confusion(drawn(law, y, a, 2), y, a), classes.halved(y, a, labels)
    found = classes.fair(cells, rows, share=0.5, joints=joints, rng=rng)
    assert found.delta_eo == pytest.approx(delta.max(), abs=0.01) and found.delta_eo_sum == pytest.approx(
        delta.sum(), abs=0.03
    )
    assert found.delta_eo_crossed == pytest.approx(delta.max(), abs=0.01)
    right = law[np.arange(labels), :, np.arange(labels)].mean(axis=0)
    assert found.gap == pytest.approx(right[0] - right[1], abs=0.01)
    sides, _ = classes.bound(cells, rows, joints, draws=20, rng=rng)
    assert sides.adv_balanced == pytest.approx(delta.mean(), abs=0.01) and sides.w == pytest.approx(1)
    assert sides.weighted_delta == pytest.approx(delta.mean(), abs=0.01)
    assert sides.adv_balanced_measured == pytest.approx(delta.mean(), abs=0.01)


def test_without_a_difference_the_plug_in_reads_its_floor():
    law = np.repeat(law_of(4)[:, :1], 2, axis=1)
    y, a = points(1200, 4)
    cells, rows = classes.confusion(drawn(law, y, a, 800), y, a), classes.halved(y, a, 4)
    joints = [classes.joint(ratio=r, rates=np.full((2, 4), 0.25)) for r in (0.0, 1.0)]
    found = classes.fair(cells, rows, share=0.5, joints=joints, rng=np.random.default_rng(0))
    assert found.delta_eo.mean() == pytest.approx(found.delta_eo_floor.mean(), rel=0.03)
    assert abs(found.delta_eo_crossed.mean()) < 4 * found.delta_eo_crossed.std() / np.sqrt(800)
    assert found.delta_eo_floor.mean() > 0.05
    sides, _ = classes.bound(cells, rows, joints, draws=2, rng=np.random.default_rng(0))
    for side in (sides.weighted_delta, sides.adv_balanced_measured):
        assert abs(side.mean()) < 4 * side.std() / np.sqrt(800)


def test_labels_with_a_small_cell_are_left_out_and_counted():
    law = law_of(3, apart=0.9)
    y, a = points(3000, 3)
    keep = np.flatnonzero(~((y == 2) & (a == 1)))
    few = np.flatnonzero((y == 2) & (a == 1))[: classes.SMALL - 1]
    chosen = np.concatenate([keep, few])
    y, a = y[chosen], a[chosen]
    scores = drawn(law, y, a, 3)
    cells, rows = classes.confusion(scores, y, a), classes.halved(y, a, 3)
    assert classes.counted(rows).tolist() == [True, True, False]
    joints = [classes.joint(ratio=r, rates=np.full((2, 3), 1 / 3)) for r in (0.0, 1.0)]
    found = classes.fair(cells, rows, share=0.5, joints=joints, rng=np.random.default_rng(0))
    rates = cells.sum(axis=1) / rows.sum(axis=0)[..., None]
    delta = 0.5 * np.abs(rates[:, :, 1] - rates[:, :, 0]).sum(axis=2)
    assert found.delta_eo == pytest.approx(delta[:, :2].max(axis=1)) and (found.small_cells == 1).all()
    assert found.accuracy_g1 == pytest.approx((scores.argmax(2) == y)[:, a == 1].mean(axis=1)), (
        "of all rows all the same"
    )
    sides, over = classes.bound(cells, rows, joints, draws=50, rng=np.random.default_rng(0))
    assert (sides.small_cells == 1).all() and (sides.smallest_cell >= classes.SMALL).all()
    # the same as a game that knows of two labels
    game = bounds_general.terms(rates[:, :2], *[one[:2] / one[:2].sum() for one in joints])
    assert sides.adv_balanced == pytest.approx(game.adv_balanced) and sides.rhs_balanced == pytest.approx(
        game.rhs_balanced
    )
    assert (over.balanced[1] <= 1e-9).all()
    nothing = classes.fair(cells, np.minimum(rows, 5), share=0.5, joints=joints, rng=np.random.default_rng(0))
    assert np.isnan(nothing.delta_eo).all() and np.isnan(nothing.gap).all() and (nothing.small_cells == 6).all()
    sides, over = classes.bound(cells, np.minimum(rows, 5), joints, draws=5, rng=np.random.default_rng(0))
    assert np.isnan(sides.rhs_literal).all() and np.isnan(over.literal).all() and (sides.smallest_cell == 10).all()


def test_a_diverged_or_constant_model_is_told():
    y, a = points(300, 3)
    scores = np.random.default_rng(0).dirichlet(np.ones(3), (4, 300))
    scores[0, 7, 2] = np.nan
    scores[1] = [0.2, 0.5, 0.3]
    finite = np.array([True, True, False, True])
    assert classes.status(scores, finite).tolist() == ["diverged", "constant", "diverged", "ok"]
    joints = [classes.joint(ratio=r, rates=np.full((2, 3), 1 / 3)) for r in (0.0, 1.0)]
    cells, rows = classes.confusion(scores, y, a), classes.halved(y, a, 3)
    found = classes.fair(cells, rows, share=0.5, joints=joints, rng=np.random.default_rng(0))
    for name in set(found._fields) - {"small_cells"}:
        assert np.isnan(getattr(found, name)[0]) and np.isfinite(getattr(found, name)[1:]).all(), name
    assert found.delta_eo[1] == found.dp_difference[1] == 0
    sides, over = classes.bound(cells, rows, joints, draws=20, rng=np.random.default_rng(0))
    assert np.isnan(sides.gap[0]) and np.isnan(over.corrected[:, 0]).all() and np.isfinite(over.corrected[:, 1:]).all()


def test_the_bootstrap_consumes_its_stream_model_by_model():
    y, a = points(600, 3)
    cells = classes.confusion(drawn(law_of(3), y, a, 4), y, a).sum(axis=1)
    joints = [classes.joint(ratio=r, rates=np.full((2, 3), 1 / 3)) for r in (0.2, 0.7)]
    few, more = (
        bounds_general.bootstrap(part, *joints, draws=100, rng=np.random.default_rng(5)) for part in (cells[:2], cells)
    )
    for form in few._fields:
        assert np.array_equal(getattr(few, form), getattr(more, form)[:, :2])
        low, high = getattr(more, form)
        assert (low <= high).all()
