"""What columns say of each other: closed forms, enumeration, and tests that are exact; the nearest rows and copies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from popleak.measures import information


def columns(table):
    """Two columns whose counts are these."""
    cells = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return np.array(cells).T


def test_closed_forms():
    assert information.entropy(np.arange(7)) == pytest.approx(math.log(7))
    assert information.entropy(np.zeros(5)) == 0
    assert information.between(*columns([[5, 0], [0, 5]])) == pytest.approx(math.log(2))
    assert information.between(*columns([[2, 4], [3, 6]])) == pytest.approx(0, abs=1e-15)
    y = np.array(["a", "b", "c", "c"])
    assert information.between(y, y) == pytest.approx(information.entropy(y))
    # a symmetric channel that errs once in four
    assert information.between(*columns([[3, 1], [1, 3]])) == pytest.approx(
        math.log(2) + 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    )


def test_the_sum_of_the_definition():
    random = np.random.default_rng(0)
    table = random.integers(1, 9, (3, 4))
    joint = table / table.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    assert information.between(*columns(table)) == pytest.approx((joint * np.log(joint / independent)).sum())
    many = random.integers(0, 9, (50, 2, 3)) + np.eye(2, 3, dtype=int)
    assert information.of_tables(many) == pytest.approx([information.between(*columns(one)) for one in many])


@pytest.mark.parametrize(("s", "y"), [([], []), ([0, 1], [0]), ([[0, 1]], [[0, 1]])])
def test_columns_that_do_not_match_are_refused(s, y):
    with pytest.raises(ValueError, match="column"):
        information.between(np.array(s), np.array(y))


# ---- the bound


def normal(distance, n=20000, seed=0):
    """Labels at even odds, and features whose first is Normal(+-distance / 2, 1); and the exact I(X; Y) of the two."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    x = random.standard_normal((n, 4))
    x[:, 0] += distance * (y - 0.5)
    grid = np.linspace(-12, 12, 20001)
    laws = stats.norm.pdf(grid - distance / 2), stats.norm.pdf(grid + distance / 2)
    both = (laws[0] + laws[1]) / 2
    exact = sum(0.5 * law * np.log(law / both, where=law > 0, out=np.zeros_like(law)) for law in laws).sum()
    return x, y, exact * (grid[1] - grid[0])


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.5])
def test_the_bound_is_tight_where_the_regression_is_the_law(distance):
    x, y, exact = normal(distance)
    found = information.mutual(x, y, seed=1)
    # 5 standard errors of a mean of log odds
    assert found == pytest.approx(exact, abs=5 * 0.6 / math.sqrt(len(y)))


def test_the_bound_is_below_where_the_regression_is_not():
    random = np.random.default_rng(0)
    x = random.choice([-1.0, 1.0], (4000, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)  # a parity: log 2 nats, none of which a line can see
    assert information.mutual(x, y, seed=1) < 0.01
    assert information.mutual(np.column_stack([x, x[:, 0] * x[:, 1]]), y, seed=1) == pytest.approx(
        math.log(2), abs=0.01
    )


def test_no_information_is_never_negative():
    random = np.random.default_rng(0)
    found = [information.mutual(random.standard_normal((60, 8)), random.integers(0, 2, 60), seed=i) for i in range(10)]
    assert min(found) == 0.0
    assert information.mutual(random.standard_normal((60, 8)), np.ones(60), seed=0) == 0.0


def test_several_labels_and_many_features():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 3000)
    x = random.standard_normal((3000, information.WIDE + 1))
    x[:, :3] += 6.0 * np.eye(3)[y]
    assert information.mutual(x, y, seed=0) == pytest.approx(math.log(3), abs=0.03)
    two = (y > 0).astype(int)
    assert information.mutual(x, two, seed=0) == pytest.approx(information.entropy(two), abs=0.05)


def test_both_solvers_give_one_bound(monkeypatch):
    x, y, _ = normal(1.0, n=2000)
    newton = information.mutual(x, y, seed=1)
    monkeypatch.setattr(information, "WIDE", 0)
    assert information.mutual(x, y, seed=1) == pytest.approx(newton, abs=1e-4)


def test_the_loss_is_that_of_the_probabilities():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    for classes in (2, 3):
        y = np.arange(300) % classes
        x = random.standard_normal((300, 5)) + y[:, None] / 2
        law = LogisticRegression().fit(x[:200], y[:200]).predict_proba(x[200:])
        found = information.surprise(x[:200], y[:200], x[200:], y[200:])
        assert found == pytest.approx(-np.log(law[np.arange(100), y[200:]]), abs=5e-3)


def test_folds_hold_every_label_alike():
    random = np.random.default_rng(0)
    codes = random.permutation(np.repeat([0, 1, 2], [50, 7, 2]))
    fold = information._folds(codes, np.bincount(codes), 5, 3)
    counts = np.array([np.bincount(fold[codes == label], minlength=5) for label in range(3)])
    assert counts.tolist() == [[10] * 5, [2, 2, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert not np.array_equal(fold, information._folds(codes, np.bincount(codes), 5, 4))


def test_the_seed_alone_cuts_the_rows():
    x, y, _ = normal(1.0, n=500)
    assert information.mutual(x, y, seed=1) == information.mutual(x, y, seed=1) != information.mutual(x, y, seed=2)


@pytest.mark.parametrize(
    ("x", "y", "folds", "message"),
    [
        (np.zeros((4, 2)), np.array([0, 1, 0]), 5, "must|needed"),
        (np.zeros(4), np.array([0, 1, 0, 1]), 5, "needed"),
        (np.zeros((4, 2)), np.array([0, 1, 0, 1]), 1, "two folds"),
        (np.zeros((4, 2)), np.array([0, 1, 0, 0]), 2, "label 1 has one row"),
    ],
)
def test_what_has_no_bound_is_refused(x, y, folds, message):
    with pytest.raises(ValueError, match=message):
        information.mutual(x, y, seed=0, folds=folds)


# ---- the permutation test


def test_tables_of_permutations_are_those_of_permuted_columns():
    """Every permutation of six rows, against what is drawn."""
    s, y = columns([[2, 1], [1, 2]])
    every = [information._table(s, np.array(one))[0, 0] for one in itertools.permutations(y)]
    law = np.bincount(every, minlength=4) / len(every)
    drawn = information.permuted(information._table(s, y), 40000, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 3).all() and (drawn.sum(axis=2) == 3).all()
    assert np.bincount(drawn[:, 0, 0], minlength=4) / 40000 == pytest.approx(law, abs=5 * 0.5 / 200)


def test_larger_tables_keep_their_margins_and_law():
    table = np.array([[3, 1, 0], [0, 2, 4], [5, 0, 1]])
    s, y = columns(table)
    drawn = information.permuted(table, 4000, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == table.sum(axis=0)).all() and (drawn.sum(axis=2) == table.sum(axis=1)).all()
    assert drawn.min() >= 0
    random = np.random.default_rng(1)
    slow = np.array([information._table(s, random.permutation(y)) for _ in range(4000)])
    for cell in itertools.product(range(3), range(3)):
        fast, plain = drawn[:, *cell], slow[:, *cell]
        assert fast.mean() == pytest.approx(plain.mean(), abs=5 * plain.std() * math.sqrt(2 / 4000))
        assert fast.var() == pytest.approx(plain.var(), rel=0.2)
    assert information.of_tables(drawn).mean() == pytest.approx(information.of_tables(slow).mean(), rel=0.1)


def test_p_is_uniform_or_above_where_the_columns_are_independent():
    random = np.random.default_rng(0)
    found = np.array(
        [
            information.dependence_test(
                random.integers(0, 2, 300), random.integers(0, 2, 300), permutations=99, seed=i
            ).p
            for i in range(1000)
        ]
    )
    for level in (0.05, 0.1, 0.25, 0.5):
        rate, error = (found <= level).mean(), math.sqrt(level * (1 - level) / len(found))
        assert rate <= level + 4 * error
        assert rate >= 0.7 * level, "ties make the test careful, not blind"


def test_p_is_exact_and_never_0():
    # the strongest of all tables with these margins; 1 in 35 permutations gives it or its mirror image
    s, y = columns([[4, 0], [0, 4]])
    found = information.dependence_test(s, y, permutations=20000, seed=0)
    assert found.value == pytest.approx(math.log(2))
    assert found.p == pytest.approx(2 / 70, abs=5 * math.sqrt(0.03 / 20000))
    strong = information.dependence_test(*columns([[90, 10], [10, 90]]), permutations=99, seed=0)
    assert strong.p == 0.01
    assert information.dependence_test(*columns([[6, 4], [3, 2]]), permutations=50, seed=0).p == 1.0
    with pytest.raises(ValueError, match="permutation"):
        information.dependence_test(s, y, permutations=0, seed=0)


# ---- near rows


def test_distances_are_those_of_every_pair(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.standard_normal((70, 6)).astype(np.float32) + 1000
    samples = np.concatenate([random.standard_normal((41, 6)).astype(np.float32) + 1000, rows[[3, 9]]])
    plain = np.linalg.norm(samples[:, None].astype(float) - rows[None].astype(float), axis=2).min(axis=1)
    assert information.distances(samples, rows) == pytest.approx(plain, abs=1e-9)
    assert (information.distances(samples, rows)[-2:] == 0).all()
    monkeypatch.setattr(information, "PIECE", 200)
    assert information.distances(samples, rows) == pytest.approx(plain, abs=1e-9)
    assert information.distances(samples[:0], rows).shape == (0,)
    with pytest.raises(ValueError, match="no row"):
        information.distances(samples, rows[:0])


def test_copies_are_equal_in_every_number_but_for_rounding():
    rows = np.array([[0.0, 0.1], [1.0, 2.0]])
    samples = np.array([[-0.0, 0.1], [0.1, 0.0], [1.0, 2.0 + 5e-6], [1.0, 2.001]], dtype=np.float64)
    for of in (samples, samples.astype(np.float32)):
        assert information.copied(information.distances(of, rows)).tolist() == [True, False, True, False]
    assert information.copied(information.distances(samples[:0], rows)).shape == (0,)
    with pytest.raises(ValueError, match="shapes"):
        information.distances(samples, np.zeros((2, 3)))
