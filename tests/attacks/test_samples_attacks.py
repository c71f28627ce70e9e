"""Attacks on generators: the contract, literal forms, and generators that are odd."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from popleak.attacks import (
    _many,
    _statistics,
    label_rate,
    property_classifier,
    property_inference,
    shadow_generators,
    shadow_generators_withheld,
)
from popleak.attacks.base import Query
from popleak.core.columns import Columns
from popleak.core.errors import PopleakError
from popleak.measures import shares
from popleak.testing import samples as contract
from popleak.testing.contracts import check_attack

ATTACKS = [
    module.PLUGIN
    for module in (property_inference, property_classifier, shadow_generators, shadow_generators_withheld, label_rate)
]
COUNTED, CLASSIFIER, SHADOWS, WITHHELD, LABELS = ATTACKS


def each(attacks=ATTACKS):
    return pytest.mark.parametrize("attack", attacks, ids=lambda attack: attack.name)


def fitted(attack, example, **settings):
    return contract.calibrate(attack, example, attack.Settings(**settings))


@each()
def test_contract(attack):
    check_attack(attack)


def test_contract_of_trees():
    settings = CLASSIFIER.Settings(classifier="trees", folds=2)
    contract.check_easy(CLASSIFIER, settings)
    contract.check_alone(CLASSIFIER, settings)


@each()
def test_pairs_are_refused(attack):
    with pytest.raises(PopleakError, match=f"{attack.name}: estimates one ratio among many from samples"):
        attack.calibrate(shadows_0=None, shadows_1=None, query=None, game=None, settings=None)


def test_query_at_keeps_features_and_columns():
    query = contract.made_up("samples").query
    some = query.at(np.array([5, 2]))
    assert np.array_equal(some.x, query.x[[5, 2]]) and some.columns is query.columns and some.cell is None
    bare = Query(query.y, query.a, query.origin).at(np.array([1]))
    assert bare.x is None and bare.columns is None


def test_only_the_label_rate_promises_nothing():
    assert [attack.name for attack in ATTACKS if attack.estimates_within is None] == ["label-rate"]


# Literal forms.


def literal_moments(outputs, grouped, shadows):
    """Statistics of samples [y, a, two numbers, a code of three levels, one of two], one loop after another."""
    first = 1 + grouped
    pooled = np.concatenate([np.concatenate(list(world)) for world in shadows])[:, first : first + 2].astype(float)
    found = []
    keep = [lambda row: True, *(lambda row, v=v: row[0] == v for v in (0, 1))]
    if grouped:
        keep += [lambda row, v=v: row[1] == v for v in (0, 1)]
        keep += [lambda row, v=v, w=w: (row[0], row[1]) == (v, w) for v in (0, 1) for w in (0, 1)]
    for chosen in keep:
        rows = [row for row in outputs.astype(float) if chosen(row)]
        z = [
            (np.clip(row[first : first + 2], pooled.min(0), pooled.max(0)) - pooled.mean(0)) / pooled.std(0)
            for row in rows
        ]
        sums = [len(rows), *np.sum(z, axis=0), *np.sum(np.square(z), axis=0)]
        sums += [sum(row[first + 2] == level for row in rows) for level in range(3)]
        sums.append(sum(row[first + 3] == 1 for row in rows))
        found += [total / len(outputs) for total in sums]
    return np.array(found)


@each([SHADOWS, WITHHELD])
def test_statistics_against_loops(attack):
    example = contract.made_up(attack.access, m=60)
    moments = _statistics.Moments.of(example.shadows, contract.COLUMNS, grouped=attack.grouped)
    victim = example.victims[3][1]
    assert moments(victim)[0] == pytest.approx(literal_moments(victim, attack.grouped, example.shadows), abs=1e-9)
    squares = moments(victim)[1]
    assert squares[0] == 1 and (squares >= moments(victim)[0] ** 2 - 1e-12).all()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (4, 2, 3, 1, 4)])
def test_left_out_errors_against_refits(sizes):
    """Literally: the regression is fitted again without each row, as far from the penalty's free choice."""
    rng = np.random.default_rng(0)
    target, weight = _many.counts_as(contract.RATIOS, [np.empty(n) for n in sizes])
    rows = rng.normal(size=(len(target), 6)) + 2 * target[:, None]
    _, errors = _many.ridge_left_out(rows @ rows.T, target, weight, penalties=[0.3])
    unit = weight @ np.sum((rows - weight @ rows / len(rows)) ** 2, axis=1) / len(rows)
    for out in range(len(rows)):
        kept = np.delete(np.arange(len(rows)), out)
        refit = Ridge(alpha=0.3 * unit).fit(rows[kept], target[kept], sample_weight=weight[kept])
        assert errors[out] == pytest.approx(target[out] - refit.predict(rows[[out]])[0], abs=1e-9)


def test_left_out_errors_without_evidence_are_those_of_the_mean():
    target, weight = np.array([0.0, 0.5, 1.0]), np.ones(3)
    fit, errors = _many.ridge_left_out(np.zeros((3, 3)), target, weight, penalties=[1.0])
    assert not fit.duals.any() and fit.intercept == 0.5
    assert errors == pytest.approx([-0.75, 0.0, 0.75])


def test_the_jackknifes_width():
    errors = np.array([0.03, -0.2, 0.1, -0.01] * 5)
    assert _statistics.jackknife(errors[:19], 0.05) == 0.2
    assert math.isnan(_statistics.jackknife(errors[:18], 0.05))
    assert _statistics.jackknife(errors[:4], 0.4) == 0.1  # the third of four


@each([SHADOWS, WITHHELD])
def test_few_shadows_have_no_width_and_many_have_one_that_covers(attack):
    example = contract.made_up(attack.access)
    few = example._replace(shadows=tuple(world[:1] for world in example.shadows))
    assert math.isnan(fitted(attack, few).share(example.victims[0][0]).width)
    estimator = fitted(attack, example)
    found = [
        (estimator.share(victim), r)
        for world, r in zip(example.victims, contract.RATIOS, strict=True)
        for victim in world
    ]
    assert all(share.amplification == 1 for share, _ in found)
    inside = [abs(share.raw - r) <= share.width for share, r in found]
    assert 0.02 < found[0][0].width < 0.2 and np.mean(inside) >= 0.65
    alone = fitted(attack, few)
    error = np.mean(
        [abs(alone.estimate(victim[0]) - r) for victim, r in zip(example.victims, contract.RATIOS, strict=True)]
    )
    assert error < 0.1


def test_constant_shadows_say_the_mean_ratio():
    example = contract.made_up("samples")
    flat = example._replace(shadows=tuple(np.ones_like(world) for world in example.shadows))
    share = fitted(SHADOWS, flat).share(example.victims[0][0])
    assert share.raw == pytest.approx(0.5) and not share.clipped


def test_columns_without_names_are_numbers():
    example = contract.made_up("samples-withheld")
    bare = example._replace(query=example.query._replace(x=None, columns=None))
    estimator = fitted(WITHHELD, bare)
    assert estimator.moments.columns == Columns((0, 1, 2, 3), ())
    assert estimator.estimate(example.victims[4][0]) > estimator.estimate(example.victims[0][0]) + 0.5


def test_the_classifiers_rates_are_those_on_rows_it_did_not_see():
    """Each fold's rows are counted by the classifier that is learned without them, here literally."""
    query, folds = contract.made_up("samples-withheld").query, 3
    estimator = fitted(CLASSIFIER, contract.made_up("samples-withheld"), folds=folds)
    features = property_classifier.features_of(query.x, query.y)
    fold = property_classifier.in_folds(
        query.y, query.a, folds, property_classifier.generator(0, "property-classifier", "folds")
    )
    hits = np.array([estimator.votes[fold[i]](features[[i]])[0] for i in range(len(features))])
    for k in range(folds):
        learned = property_classifier.fitted(
            property_classifier.LEARNERS["linear"], features[fold != k], query.a[fold != k]
        )
        assert np.array_equal(learned(features), estimator.votes[k](features))
    found = estimator.detection
    assert found.tpr == pytest.approx(hits[query.a == 1].mean()) and found.fpr == pytest.approx(
        hits[query.a == 0].mean()
    )
    for label in (0, 1):
        rates = [hits[(query.a == group) & (query.y == label)].mean() for group in (0, 1)]
        assert found.by_label[:, label] == pytest.approx(rates)
    cells = np.unique(np.column_stack([query.y, query.a, fold]), axis=0, return_counts=True)[1].reshape(4, folds)
    assert np.ptp(cells, axis=1).max() <= 1


def test_a_group_of_one_row_cannot_be_told():
    """The classifier that does not see it learns nothing, and says so without a warning."""
    example = contract.made_up("samples-withheld")
    kept = np.r_[np.flatnonzero(example.query.a == 0), np.flatnonzero(example.query.a == 1)[:1]]
    one = example._replace(query=example.query.at(kept))
    assert fitted(CLASSIFIER, one).share(example.victims[0][0]) == shares.UNTOLD


@each([COUNTED, CLASSIFIER, LABELS])
def test_a_group_without_rows_is_refused(attack):
    example = contract.made_up(attack.access)
    kept = example._replace(query=example.query.at(np.flatnonzero(example.query.a == 0)))
    with pytest.raises(PopleakError, match="a group has no auxiliary rows"):
        fitted(attack, kept)


def test_what_is_missing_is_named():
    example = contract.made_up("samples-withheld", mode="label-balanced")
    with pytest.raises(PopleakError, match="auxiliary rows need features"):
        fitted(CLASSIFIER, example._replace(query=example.query._replace(x=None)))
    unknown = fitted(CLASSIFIER, example._replace(game=example.game._replace(label_rate=None)))
    with pytest.raises(PopleakError, match="label-balanced draws need their label rate"):
        unknown.share(example.victims[0][0])


def test_a_generator_that_ties_the_group_to_the_label_counts_at_the_rows_label_rate():
    """In label-balanced draws the labels that the receiver chose weigh as they do among the rows."""
    example = contract.made_up("samples", mode="label-balanced", labelled="even")
    samples = np.zeros((20, 6), np.float32)
    samples[10:, 0], samples[[0, 1, 10, 11, 12, 13, 14], 1] = 1, 1
    share = fitted(COUNTED, example).share(samples)
    assert share.raw == pytest.approx(0.2 * (1 - contract.LABEL_RATE) + 0.5 * contract.LABEL_RATE)


# Generators that are odd.


def test_a_prior_on_the_group_fools_the_count_and_not_the_shadows():
    """A sharer that draws groups half and half: the other columns keep the ratio, and shadows of the same defence show it."""
    example = contract.made_up("samples")
    rng = np.random.default_rng(0)

    def masked(world):
        hidden = world.copy()
        hidden[:, :, 1] = rng.random(hidden.shape[:2]) < 0.5
        return hidden

    shadows, victims = (tuple(masked(world) for world in worlds) for worlds in (example.shadows, example.victims))
    masked_example = example._replace(shadows=shadows, victims=victims)
    truth = np.repeat(contract.RATIOS, contract.VICTIMS)
    error = {}
    for attack in (COUNTED, SHADOWS):
        estimator = fitted(attack, masked_example)
        found = np.array([estimator.estimate(victim) for world in victims for victim in world])
        error[attack.name] = np.abs(found - truth).mean()
        if attack is COUNTED:
            assert np.abs(found - 0.5).max() < 4 * 0.5 / math.sqrt(contract.DRAWN)
    assert error["property-inference"] == pytest.approx(0.24, abs=0.02)
    assert error["shadow-generators"] < 0.06


def test_a_level_that_one_shadow_drew_once_decides_little():
    example = contract.made_up("samples-withheld", m=200)
    shadows = tuple(world.copy() for world in example.shadows)
    shadows[0][0, 0, 3] = 3
    columns = Columns((0, 1), ((2, 3, 4, 6), (5,)))
    estimator = fitted(WITHHELD, example._replace(shadows=shadows, query=example.query._replace(columns=columns)))
    victim = example.victims[2][0].copy()
    plain = fitted(WITHHELD, example).share(victim).raw
    assert estimator.share(victim).raw == pytest.approx(plain, abs=0.02)
    victim[:40, 3] = 3  # a fifth of its samples
    assert estimator.share(victim).raw == pytest.approx(plain, abs=0.1)


def test_numbers_that_no_shadow_drew_count_as_the_farthest_that_one_did():
    example = contract.made_up("samples-withheld", m=200)
    estimator, victim = fitted(WITHHELD, example), example.victims[2][0].copy()
    victim[:, 1:3] = 1e30
    far = victim.copy()
    far[:, 1:3] = np.concatenate(example.shadows)[..., 1:3].max(axis=(0, 1))
    assert estimator.share(victim).raw == estimator.share(far).raw and abs(estimator.share(victim).raw) < 2
