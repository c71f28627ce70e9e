"""The bound in its general form: theorems on random tables of any size, k queries, and two groups as the special case."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from popleak.measures import bounds, bounds_general

SHARE = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 0.3]), st.floats(0.0, 1.0, allow_subnormal=False))
TINY = 1e-10
SHARED = (
    "delta_y",
    "delta_eo",
    "w_y",
    "pi",
    "w",
    "beta",
    "adv",
    "rhs_coupling",
    "rhs_balanced",
    "gap",
    "rhs_corrected",
)


@st.composite
def laws(draw, shape):
    """Laws over the last axis: empty entries, and single points, included."""
    values = draw(arrays(np.float64, shape, elements=SHARE)) + np.eye(shape[-1])[0] * 1e-3
    return values / values.sum(axis=-1, keepdims=True)


@st.composite
def problems(draw, labels=None, models=2):
    """Rates (K, Y, G, C) and two joints (Y, G); labels: predictions are labels."""
    y, g = draw(st.integers(2, 4)), draw(st.integers(1, 4))
    c = y if labels else draw(st.integers(2, 5))
    joints = [draw(laws((y * g,))).reshape(y, g) for _ in range(2)]
    return draw(laws((models, y, g, c))), *joints


def equal_labels(joint_0, joint_1):
    """Return both joints re-weighted to their mean label rates, P(g | y) kept."""
    label = np.stack([joint_0.sum(axis=1), joint_1.sum(axis=1)])
    return [joint * (label.mean(axis=0) / own)[:, None] for joint, own in zip((joint_0, joint_1), label, strict=True)]


def outcomes(table, joint):
    """Return P(yhat, y), (C, Y), cell by cell: an independent computation."""
    labels, groups, predictions = table.shape
    law = np.zeros((predictions, labels))
    for y, g, c in product(range(labels), range(groups), range(predictions)):
        law[c, y] += joint[y, g] * table[y, g, c]
    return law


def distance(one, other):
    return 0.5 * np.abs(one - other).sum()


@settings(max_examples=150, deadline=None)
@given(problems())
def test_no_valid_form_is_violated(problem):
    got = bounds_general.terms(*problem)
    for k, table in enumerate(problem[0]):
        laws = [outcomes(table, joint) for joint in problem[1:]]
        assert got.adv[k] == pytest.approx(distance(*laws), abs=1e-12)
    assert (got.adv <= got.rhs_label + TINY).all()
    assert (got.rhs_label <= got.rhs_coupling + TINY).all()
    assert (got.adv_balanced <= got.rhs_weighted + TINY).all()
    assert (got.rhs_weighted <= got.rhs_balanced + TINY).all()


@settings(max_examples=150, deadline=None)
@given(problems(labels=True))
def test_the_accuracy_gap_keeps_the_corrected_form(problem):
    got = bounds_general.terms(*problem, predicts_labels=True)
    for k, table in enumerate(problem[0]):
        first, second = (np.trace(outcomes(table, joint)) for joint in problem[1:])
        assert got.gap[k] == pytest.approx(abs(first - second), abs=1e-12)
    assert (got.gap <= got.rhs_corrected + TINY).all()
    assert (got.gap <= got.adv + TINY).all()


@settings(max_examples=150, deadline=None)
@given(problems(labels=True))
def test_with_equal_label_rates_the_literal_form_is_a_theorem(problem):
    rates, one, two = problem
    assume(min(one.sum(axis=1).min(), two.sum(axis=1).min()) > 1e-3)
    natural = bounds_general.terms(*problem, predicts_labels=True)
    balanced = bounds_general.terms(rates, *equal_labels(one, two), predicts_labels=True)
    assert balanced.beta < 1e-12
    assert (balanced.gap <= balanced.rhs_balanced + TINY).all()
    np.testing.assert_allclose(balanced.adv, natural.adv_balanced, atol=1e-9)
    np.testing.assert_allclose(balanced.adv, balanced.rhs_label, atol=1e-9)
    np.testing.assert_allclose(balanced.w, natural.w, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    arrays(np.float64, (3, 2, 2), elements=SHARE),
    st.lists(laws((4,)), min_size=2, max_size=2),
)
@example(np.array([[[0.2, np.nan], [0.7, 0.5]]]), [np.array([0.5, 0.0, 0.25, 0.25]), np.array([0.4, 0.0, 0.1, 0.5])])
@example(np.array([[[0.2, np.nan], [0.7, 0.5]]]), [np.array([0.5, 0.1, 0.2, 0.2]), np.array([0.4, 0.0, 0.1, 0.5])])
def test_two_of_each_is_the_binary_bound(rates, joints):
    joints = [joint.reshape(2, 2) for joint in joints]
    got = bounds_general.terms(np.stack([1 - rates, rates], axis=-1), *joints, predicts_labels=True)
    binary = bounds.terms(rates, *joints)
    for name in SHARED:
        np.testing.assert_allclose(getattr(got, name), getattr(binary, name), atol=1e-12, err_msg=name)
    np.testing.assert_allclose(got.rhs_weighted, binary.adv_balanced, atol=1e-12)
    needed = ~np.isnan(binary.adv_balanced)  # with two groups the weighted form is an equality
    np.testing.assert_allclose(got.adv_balanced[needed], binary.adv_balanced[needed], atol=1e-12)


APART = [np.array([[0.135, 0.0], [0.0, 0.865]]), np.array([[1.0, 0.0], [0.0, 0.0]])]


@settings(max_examples=200, deadline=None)
@given(problems(labels=True, models=1), st.integers(0, 2**16 - 1))
@example((np.full((1, 2, 2, 2), 0.5), *APART), 0)
def test_cells_without_mass_need_no_rates(problem, empty):
    """NaN rates of cells that neither world holds: every side is that of cells filled with the label's other groups."""
    rates, *joints = problem
    shape = joints[0].shape
    cut = (empty >> np.arange(joints[0].size) & 1).astype(bool).reshape(shape)
    joints = [np.where(cut, 0.0, joint) for joint in joints]
    assume(all(joint.sum() > 0.01 for joint in joints))
    joints = [joint / joint.sum() for joint in joints]
    mass = sum(joints) > 0
    unknown = np.where(mass[None, :, :, None], rates, np.nan)
    fill = rates[:, np.arange(shape[0]), mass.argmax(axis=1)][:, :, None]
    filled = np.where(mass[None, :, :, None], rates, fill)
    got, wanted = (bounds_general.terms(one, *joints, predicts_labels=True) for one in (unknown, filled))
    names = [name for name in got._fields if name not in ("delta_y", "delta_eo")]
    for name in names:
        np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), atol=1e-12, err_msg=name)
    if shape == (2, 2):
        for one in (unknown, filled):
            binary = bounds.terms(one[..., 1], *joints)
            for name in set(names) & set(binary._fields) - {"adv_balanced"}:
                np.testing.assert_allclose(getattr(binary, name), getattr(wanted, name), atol=1e-12, err_msg=name)


def test_worlds_that_share_no_group_of_a_label_and_known_rates_of_none():
    rates = np.array([[[0.2, np.nan], [np.nan, 0.9]]])
    for got in (bounds_general.terms(np.stack([1 - rates, rates], axis=-1), *APART), bounds.terms(rates, *APART)):
        assert np.isnan(got.delta_eo).all() and got.w == 0.0
        assert got.rhs_balanced[0] == 0.0 and got.rhs_coupling[0] == pytest.approx(0.865)


def test_a_constant_classifier_violates_the_literal_form_only():
    one, two = np.array([[0.5, 0.0], [0.2, 0.0], [0.3, 0.0]]), np.array([[0.0, 0.1], [0.0, 0.2], [0.0, 0.7]])
    rates = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (1, 3, 2, 3))
    got = bounds_general.terms(rates, one, two, predicts_labels=True)
    assert got.rhs_balanced[0] == 0.0
    assert got.gap[0] == pytest.approx(0.4)
    assert got.rhs_corrected[0] == pytest.approx(0.4)
    assert got.adv[0] == pytest.approx(got.beta) == pytest.approx(0.4)


def test_three_groups_by_hand():
    """Worlds that differ in groups 0 and 1 only: how unfair the model is to group 2 tells them nothing."""
    one, two = np.array([[0.4, 0.1, 0.0], [0.2, 0.1, 0.2]]), np.array([[0.1, 0.4, 0.0], [0.1, 0.2, 0.2]])
    positive = np.array([[[0.1, 0.3, 0.5], [0.5, 0.5, 1.0]]])
    got = bounds_general.terms(np.stack([1 - positive, positive], axis=-1), one, two, predicts_labels=True)
    np.testing.assert_allclose(got.w_y, [0.6, 0.2])
    np.testing.assert_allclose(got.delta_y[0], [0.4, 0.5])
    assert got.w == pytest.approx(0.4)
    assert got.adv_balanced[0] == pytest.approx(0.5 * 0.6 * 0.2)
    assert got.rhs_weighted[0] == pytest.approx(0.5 * 0.6 * 0.4 + 0.5 * 0.2 * 0.5)
    assert got.rhs_balanced[0] == pytest.approx(0.2)


def test_the_witness_attains_the_bound_for_many_predictions():
    """Two groups with predictions apart on a share d of the mass, whatever the label: advantage d W, for any W."""
    d = 0.3
    rates = np.broadcast_to(np.array([[d, 0.0, 1 - d], [0.0, d, 1 - d]]), (1, 4, 2, 3))
    label = np.array([0.1, 0.2, 0.3, 0.4])
    one, two = (np.outer(label, [1 - ratio, ratio]) for ratio in (0.2, 0.7))
    got = bounds_general.terms(rates, one, two)
    assert got.w == pytest.approx(0.5)
    assert got.adv[0] == pytest.approx(d * 0.5) == pytest.approx(got.rhs_balanced[0])


@settings(max_examples=60, deadline=None)
@given(problems(models=1), st.sampled_from([2, 3]))
def test_k_queries_by_brute_force(problem, k):
    """The law of k independent (yhat, y) pairs, enumerated: its total variation keeps 1 - (1 - bound of one)^k."""
    rates, one, two = problem
    assume(rates.shape[1] * rates.shape[3] <= 9)

    def repeated(joint):
        single = law = outcomes(rates[0], joint).reshape(-1)
        for _ in range(k - 1):
            law = np.multiply.outer(law, single).reshape(-1)
        return law

    got = bounds_general.terms(rates, one, two)
    many = distance(repeated(one), repeated(two))
    assert many <= 1 - (1 - got.adv[0]) ** k + TINY
    assert many <= bounds.k_queries(got.rhs_coupling[0], 1.0, k) + TINY
    if min(one.sum(axis=1).min(), two.sum(axis=1).min()) > 1e-3:
        many = distance(*(repeated(joint) for joint in equal_labels(one, two)))
        assert many <= bounds.k_queries(got.delta_eo[0], got.w, k) + TINY


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1e-9, 1.0 - 1e-9),
    st.floats(0.0, 1.0),
    st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    st.sampled_from(["natural", "label-balanced"]),
)
def test_w_is_below_1_for_ratio_worlds(mixed, other, rates, mode):
    """One world of both groups: W_y < 1. It is |r_0 - r_1| where the label is independent of the group."""
    worlds = [bounds.world_cells(ratio=r, mode=mode, rates=list(rates), label_rate=0.4) for r in (mixed, other)]
    got = bounds.terms(np.zeros((1, 2, 2)), *worlds)
    assert got.w < 1.0
    if mode == "label-balanced":
        assert got.w == pytest.approx(abs(mixed - other), abs=1e-9)
        assert got.beta == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(arrays(np.float64, (2, 2, 2), elements=SHARE), st.floats(0.05, 0.95))
def test_the_weighted_form_of_theorem_2(rates, positive):
    """At one label rate the optimal advantage falls from one model to another iff the weighted delta does."""
    pure = [np.outer([1 - positive, positive], group) for group in ([1.0, 0.0], [0.0, 1.0])]
    got = bounds.terms(rates, *pure)
    weighted = np.abs(rates[:, :, 1] - rates[:, :, 0]) @ [1 - positive, positive]
    np.testing.assert_allclose(got.adv, weighted, atol=1e-12)
    assert (got.adv <= got.delta_eo + TINY).all()


def test_bad_input_is_refused():
    rates, joint = np.full((1, 2, 2, 2), 0.5), np.full((2, 2), 0.25)
    with pytest.raises(ValueError, match="K, Y, G, C"):
        bounds_general.terms(rates[0], joint, joint)
    with pytest.raises(ValueError, match="sum to 1"):
        bounds_general.terms(rates, joint, 2 * joint)
    with pytest.raises(ValueError, match="over predictions"):
        bounds_general.terms(1.5 * rates, joint, joint)
    with pytest.raises(ValueError, match="C = Y"):
        bounds_general.terms(np.full((1, 2, 2, 4), 0.25), joint, joint, predicts_labels=True)
