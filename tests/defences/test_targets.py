"""The defences that change what is learnt or which weights move: label noise, distillation, the last layer alone."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.defences import distillation
from popleak.defences.base import Population
from popleak.engine.fit import Table
from popleak.stages.train import How
from popleak.testing.defences import MODELS, Owners

RECORDS = tiny.records(3000, shift=3.0)


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS)


def apply(name, case=None, **settings) -> Population:
    plugin = plugins.load("defences", name)
    return plugin.apply((case or owners()).owner(plugin), plugin.Settings(**settings))


def targets_of(name, monkeypatch, case=None, **settings):
    """The rows and targets that a defence trains with."""
    seen = []

    def spy(self, rows, **how):
        seen.append((rows, how["targets"]))
        zeros = np.zeros(len(rows))
        return Population(np.zeros((len(rows), 1)), zeros == 0, zeros, zeros), None

    plugin = plugins.load("defences", name)
    owner = (case or owners()).owner(plugin)
    monkeypatch.setattr(type(owner), "train", spy)
    plugin.apply(owner, plugin.Settings(**settings))
    return owner, *seen[0]


# Label noise.


def test_without_noise_it_is_the_base_model():
    found = apply("label-noise", rate=0.0)
    assert np.abs(found.weights - owners().population.weights).max() < 1e-4
    by_torch = Owners(RECORDS)
    by_torch.fitter.how = How(backend="torch")
    base = by_torch.fitter(by_torch.rows, by_torch.seeds).weights
    assert np.array_equal(apply("label-noise", by_torch, rate=0.0).weights, base), "the same to the last bit, by torch"


def test_so_many_labels_are_replaced_and_a_smaller_rates_are_among_them(monkeypatch):
    flipped = {}
    for rate in (0.1, 0.3, 0.5):
        owner, rows, targets = targets_of("label-noise", monkeypatch, rate=rate)
        assert rows is owner.draw
        flipped[rate] = targets != owner.y[owner.draw]
        error = np.sqrt(rate * (1 - rate) / flipped[rate].size)
        assert abs(flipped[rate].mean() - rate) < 4 * error
    assert not (flipped[0.1] & ~flipped[0.3]).any() and not (flipped[0.3] & ~flipped[0.5]).any()
    assert len({row.tobytes() for row in flipped[0.3]}) == MODELS, "each model has noise of its own"


def test_of_three_classes_the_others_are_equally_likely(monkeypatch):
    plugin = plugins.load("defences", "label-noise")
    owner, seen = owners().owner(plugin), []
    owner.classes = 3
    owner.train = lambda rows, *, targets, **how: seen.append(targets) or (None, None)
    plugin.apply(owner, plugin.Settings(rate=0.5))
    shift = (seen[0] - owner.y[owner.draw]) % 3
    counts = np.bincount(shift.reshape(-1), minlength=3) / shift.size
    assert counts == pytest.approx([0.5, 0.25, 0.25], abs=4 * np.sqrt(0.25 / shift.size))


def test_noise_costs_accuracy():
    x = owners().fitter.table.x

    def accuracy(found):
        from popleak.engine.fit import predict

        return ((predict(owners().fitter.build, found.weights, x) >= 0.5) == RECORDS.y).mean()

    clean, noisy, random = (accuracy(apply("label-noise", rate=rate)) for rate in (0.0, 0.3, 0.5))
    assert clean > noisy > random


# Distillation.


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_the_student_learns_from_public_rows_what_the_teacher_says(labels, monkeypatch):
    owner, rows, targets = targets_of("distillation", monkeypatch, labels=labels)
    assert rows is owner.public and not owner.complement.size
    said = owner.predict(owner.population.weights, owner.public)
    if labels == "hard":
        assert targets.dtype.kind == "i" and np.array_equal(targets, said >= 0.5)
    else:
        assert targets == pytest.approx(said, abs=1e-6)


def test_no_label_of_a_public_row_is_used():
    turned = Owners(RECORDS)
    label = RECORDS.y.copy()
    label[turned.public] = 1 - label[turned.public]
    before = apply("distillation").weights
    turned.fitter.records = RECORDS._replace(y=label)
    turned.fitter.table = Table.of(RECORDS.x, label, RECORDS.a)
    assert np.array_equal(apply("distillation", turned).weights, before)


def test_a_student_resembles_its_teacher_and_not_another():
    case, found = owners(), apply("distillation", epochs=40)
    rows = np.arange(500)[None]
    defence = plugins.load("defences", "none")
    student, teacher = (case.owner(defence).predict(one.weights, rows) for one in (found, case.population))
    own = np.abs(student - teacher).mean(1)
    beside = np.abs(student - np.roll(teacher, 1, 0)).mean(1)
    assert (own < beside).mean() > 0.5 and own.mean() < 0.1


def test_temperature():
    soft = functools.partial(distillation.Distillation.Settings, labels="soft")
    scores = np.array([[0.0, 0.2, 0.5, 0.9, 1.0]])
    same, less, more = (distillation.taught(scores, soft(temperature=t))[0] for t in (1.0, 4.0, 0.25))
    assert same == pytest.approx(scores[0])
    assert less[1] == pytest.approx(0.2**0.25 / (0.2**0.25 + 0.8**0.25)) and more[1] < 0.2 < less[1] < 0.5
    for found in (same, less, more):
        assert found[[0, 2, 4]] == pytest.approx([0, 0.5, 1])
    each = np.array([[[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [np.nan, 0.5, 0.5]]])
    found = distillation.taught(each, soft(temperature=2.0))
    assert found.sum(-1) == pytest.approx(np.ones((1, 3)))
    assert found[0, 0] == pytest.approx(np.sqrt(each[0, 0]) / np.sqrt(each[0, 0]).sum())
    assert found[0, 2] == pytest.approx([1 / 3] * 3), "what is not a number says nothing"
    hard = distillation.Distillation.Settings(labels="hard")
    assert distillation.taught(each[:, :2], hard).tolist() == [[0, 0]]
    assert hard.unused() - soft().unused() == {"temperature"}


def test_the_student_of_a_diverged_teacher_is_its_teacher():
    case = Owners(RECORDS)
    weights, finite = case.population.weights.copy(), case.population.finite.copy()
    weights[1], finite[1] = np.nan, False
    case.population = Population(weights, finite, case.population.eo_weight, case.population.eo_vacuous)
    found, usual = apply("distillation", case), apply("distillation")
    assert found.finite.tolist() == [True, False, True, True] and np.isnan(found.weights[1]).all()
    assert np.array_equal(found.weights[[0, 2, 3]], usual.weights[[0, 2, 3]]), "the others are as they were"


# The last layer.


def test_only_the_last_layer_moves():
    case = owners()
    last = case.owner(plugins.load("defences", "last-layer")).last_layer()
    assert last.sum() == 9 and last[-9:].all(), "8 weights and a bias"
    for own in ({}, {"eo_weight": "auto"}, {"eo_weight": 0.0}):
        found = apply("last-layer", **own)
        assert np.array_equal(found.weights[:, ~last], case.population.weights[:, ~last])
        assert (found.weights[:, last] != case.population.weights[:, last]).all()


def test_it_lowers_delta_eo_below_its_control():
    case = Owners(RECORDS, 0.0, 1.0)

    def delta(found):
        from popleak.engine.fit import predict
        from popleak.measures.fairness import rates

        return rates(predict(case.fitter.build, found.weights, case.fitter.table.x), RECORDS.y, RECORDS.a).delta_eo

    fair, plain = (delta(apply("last-layer", case, eo_weight=lam, epochs=20)).mean() for lam in (4.0, 0.0))
    assert plain > 0.1 and fair < 0.9 * plain


def controls(*defences, **changes):
    (task,) = config.resolve(config.load(tiny.raw(defences=["none", *defences], **changes)))
    return {one.id: one.control for one in task.defences}


def test_its_control_is_itself_without_the_term():
    plain = {"name": "last-layer", "id": "plain", "settings": {"eo_weight": 0}}
    assert controls("last-layer") == {"none": None, "last-layer": None}, "no defence is its own control"
    assert controls("last-layer", plain) == {"none": None, "last-layer": "plain", "plain": None}
    assert controls({"name": "last-layer", "settings": {"epochs": 3}}, plain)["last-layer"] is None, "others differ"
    same = {"name": "last-layer", "settings": {"epochs": 2}}
    assert controls(same, plain)["last-layer"] == "plain", "2 epochs are those of training"
    grid = {"name": "last-layer", "grid": {"eo_weight": [0, 1, 4], "rehearsal": [0.2, 0.5]}}
    found = controls(grid)
    for share in ("0p2", "0p5"):
        mine = {name.partition("-w")[2]: control for name, control in found.items() if f"s{share}" in name}
        assert mine == {"0": None, "1": f"last-layer-s{share}-w0", "4": f"last-layer-s{share}-w0"}
