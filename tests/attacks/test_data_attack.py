"""The reference line `data`, against slow literal references."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import popleak
from popleak.attacks import _rows
from popleak.attacks.base import Records
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from white_box import calibrate, game, samples, table


def test_seen_rows_against_a_loop():
    shadows_0, shadows_1, _ = samples()
    found = _rows.seen(shadows_0, shadows_1)
    everything = [shadows_0.reshape(-1).tolist(), shadows_1.reshape(-1).tolist()]
    assert found.rows.tolist() == sorted({*everything[0], *everything[1]})
    for counts, rows in zip(found[1:], everything):
        assert counts.tolist() == [rows.count(row) for row in found.rows]


def test_data_against_the_literal_form():
    """By the classifier that did not see the row, rows repeated one by one in place of weights; then a literal sum."""
    from sklearn.linear_model import LogisticRegression

    records, (shadows_0, shadows_1, victims), folds = table(), samples(), 3
    judge = calibrate("data", shadows_0, shadows_1, game(records=records, seed=7), classifier="linear", folds=folds)
    rows = sorted({*shadows_0.reshape(-1).tolist(), *shadows_1.reshape(-1).tolist()})
    place = generator(7, "data", "folds").permutation(len(rows)) % folds
    fold = dict(zip(rows, place))
    scores = []
    for k in range(folds):
        kept = [row for row in rows if fold[row] != k]
        x = records.x[kept].astype(float)
        centre, spread = x.mean(axis=0), x.std(axis=0)

        def design(row, centre=centre, spread=spread):
            z, y = (records.x[row].astype(float) - centre) / spread, float(records.y[row])
            return [*z, y, *(z * y)]

        worlds = [[row for row in shadows.reshape(-1) if fold[row] != k] for shadows in (shadows_0, shadows_1)]
        weight = np.concatenate([np.full(len(world), len(kept) / 2 / len(world)) for world in worlds])
        world = np.repeat([0, 1], [len(world) for world in worlds])
        slow = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=200)
        slow.fit([design(row) for world in worlds for row in world], world, sample_weight=weight)
        scores.append([slow.decision_function([design(row)])[0] for row in range(len(records.y))])

    def total(sample):
        return sum(
            scores[fold[row]][row] if row in fold else sum(one[row] for one in scores) / folds
            for row in sample.tolist()
        )

    sums = [[total(sample) for sample in shadows] for shadows in (shadows_0, shadows_1)]
    threshold = (np.mean(sums[0]) + np.mean(sums[1])) / 2
    residuals = np.concatenate([np.array(world) - np.mean(world) for world in sums])
    expected = [(total(victim) - threshold) / np.sqrt(np.mean(residuals**2)) for victim in victims]
    assert [judge.score(victim) for victim in victims] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_data_loss_is_that_of_unseen_rows():
    """A learner that remembers its rows gains nothing by it."""
    records, (shadows_0, shadows_1, _) = table(), samples()
    counted = _rows.seen(shadows_0, shadows_1)
    fold = np.arange(len(counted.rows)) % 2

    def remembers(features, seen_0, seen_1):
        known = {tuple(row): np.log((b + 0.1) / (a + 0.1)) for row, a, b in zip(features, seen_0, seen_1)}
        return lambda asked: np.array([known.get(tuple(row), 0.0) for row in asked])

    found = _rows.learn([remembers], records, counted, fold=fold, folds=2)
    assert not found[counted.rows].any()
    assert _rows.loss(found, counted, fold == 0) == pytest.approx(np.log(2))
    better = _rows.learn([remembers, _rows.linear], records, counted, fold=fold, folds=2)
    assert np.array_equal(better, _rows.learn([_rows.linear], records, counted, fold=fold, folds=2))
    assert _rows.loss(better, counted, fold == 0) < np.log(2)


def test_data_loss_against_a_loop():
    shadows_0, shadows_1, _ = samples()
    counted, log_odds = _rows.seen(shadows_0, shadows_1), np.random.default_rng(0).normal(size=60)
    chosen = counted.rows % 3 == 0
    means = [
        np.mean([np.log1p(np.exp(sign * log_odds[row])) for row in shadows.reshape(-1) if row % 3 == 0])
        for sign, shadows in ((1, shadows_0), (-1, shadows_1))
    ]
    assert _rows.loss(log_odds, counted, chosen) == pytest.approx(np.mean(means))


def test_data_takes_what_interactions_say():
    """Worlds that differ in an interaction of two features alone: trees see it, a linear rule does not."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (3000, 2)).astype(np.float32)
    odd = x[:, 0] * x[:, 1] > 0
    records = Records(x, rng.integers(0, 2, 3000).astype(np.int8))
    weight = [np.where(odd, r, 1 - r) / 1500 for r in (0.4, 0.6)]
    drawn = [np.stack([rng.choice(3000, 300, p=w / w.sum()) for _ in range(20)]) for w in weight]
    right = {}
    for name in ("auto", "linear"):
        judge = calibrate("data", drawn[0][:10], drawn[1][:10], game(records=records), classifier=name)
        right[name] = np.mean(
            [[judge.score(s) < 0 for s in drawn[0][10:]], [judge.score(s) > 0 for s in drawn[1][10:]]]
        )
    assert right["auto"] >= 0.95 and right["linear"] <= 0.8


def test_data_one_shadow_one_row_and_constant_records():
    records = table()
    same = Records(np.ones((60, 3), np.float32), np.ones(60, np.int8))
    shadows_0, shadows_1, victims = samples()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (records, same):
            for zero, one in (
                (shadows_0[:1], shadows_1[:1]), (shadows_0[:1, :1], shadows_1[:1, :1]), (shadows_0 * 0, shadows_1 * 0),
            ):  # fmt: skip
                judge = calibrate("data", zero, one, game(records=given))
                assert all(np.isfinite(judge.score(victim)) for victim in victims)
    for sample in victims:
        assert calibrate("data", shadows_0, shadows_0, game(records=same)).score(sample) == 0


def test_data_is_a_reference():
    attack = plugins.load("attacks", "data")
    assert attack.reference and attack.undefended_only and attack.access == "rows"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data", "needs the records that the row ids point to"),
        ("weights", "is no chain of Linear and ReLU"),
        ("ceiling", "needs the synthetic dataset's law"),
    ],
)
def test_what_a_notebook_forgets_is_named_in_one_line(name, said):
    shadows = np.zeros((2, 6), dtype=np.int64)
    fields = {field: np.arange(6) % 2 for field in ("y", "a", "origin")}
    with pytest.raises(PopleakError, match=said) as error:
        popleak.attack(name).calibrate(shadows, shadows, **fields)
    assert "\n" not in str(error.value)
