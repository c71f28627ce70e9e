"""Students of all kinds: what they learn from, of whom, and which teachers are refused."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import pytest
from pydantic import Field

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.settings import digest
from popleak.defences.base import Population, TrainSettings
from popleak.defences.distillation import plugin_of
from popleak.testing.defences import ROWS, Owners, check_defence

RECORDS = tiny.records(3000, shift=3.0)
PLUGIN = plugins.load("defences", "distillation")


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS)


def made(case=None, **given):
    """Return the owner of the models and the students."""
    settings = PLUGIN.Settings(**given)
    owner = (case or owners()).owner(PLUGIN, settings=settings)
    return owner, PLUGIN.apply(owner, settings)


def trainings(monkeypatch, **given):
    """Return the owner and what each of its trainings was handed: rows, and the other arguments."""
    settings, seen = PLUGIN.Settings(**given), []
    owner = owners().owner(PLUGIN, settings=settings)
    true = type(owner).train

    def spy(self, rows, **how):
        seen.append((rows, how))
        return true(self, rows, **how)

    monkeypatch.setattr(type(owner), "train", spy)
    PLUGIN.apply(owner, settings)
    return owner, seen


# The contract.


@pytest.mark.parametrize("given", [
    {"rows": "own"}, {"near": 0.5}, {"near": 1.0}, {"teacher": "ensemble", "parts": 3}, {"teacher": "fft-rehearsal"},
    {"teacher": "ensemble", "rows": "own"}, {"teacher": "finetune", "near": 0.1, "labels": "hard"}, {"teacher": "fusion"},
], ids=str)  # fmt: skip
def test_students_keep_the_contract_of_defences(given):
    check_defence(PLUGIN, settings=PLUGIN.Settings(**given))


# Rows.


def test_students_of_own_rows_train_on_s_0(monkeypatch):
    owner, ((rows, how),) = trainings(monkeypatch, rows="own")
    assert rows is owner.draw and not owner.public.size
    assert how["targets"] == pytest.approx(owner.predict(owner.population.weights, owner.draw), abs=1e-6)


@pytest.mark.parametrize(("near", "count"), [(0.0, 0), (0.1, 20), (0.5, 100), (1.0, ROWS)])
def test_so_many_public_rows_are_near_duplicates(near, count, monkeypatch):
    owner, ((rows, how),) = trainings(monkeypatch, near=near)
    size = len(RECORDS.y)
    assert rows.shape == owner.public.shape
    for k, mine in enumerate(rows):
        copies = mine[mine >= size]
        assert len(copies) == count == len(set(copies)), "of as many rows of S_0"
        assert len(set(mine)) == ROWS and set(mine[mine < size]) <= set(owner.public[k])
    assert how["targets"] == pytest.approx(owner.predict(owner.population.weights, rows), abs=1e-6), (
        "what it says of them"
    )


def test_near_duplicates_are_of_the_models_own_rows(monkeypatch):
    owner, ((rows, _),) = trainings(monkeypatch, near=1.0)
    for k, mine in enumerate(rows):
        own = owner.x[owner.draw[k]]
        apart = (owner.x[mine][:, None] != own[None]).sum(axis=2).min(axis=1)
        assert apart.max() <= 1


# Teachers.


def test_the_teacher_is_what_its_defence_releases():
    teacher = plugins.load("defences", "fft-rehearsal")
    given = teacher.Settings(epochs=3, eo_weight=2.0)
    _, found = made(teacher="fft-rehearsal", teacher_settings={"epochs": 3, "eo_weight": 2.0})
    released = teacher.apply(owners().owner(teacher, settings=given), given)
    replaced = Owners(RECORDS)
    replaced.population = Population(released.weights, released.finite, np.zeros(4), np.zeros(4))
    _, expected = made(replaced)
    assert found.weights.tobytes() == expected.weights.tobytes()
    assert found.weights.tobytes() != made()[1].weights.tobytes()
    assert not found.eo_weight.any(), "the student itself has no such term"


def test_a_teachers_settings_reach_it():
    found = {made(teacher="finetune", teacher_settings=told)[1].weights.tobytes() for told in ({}, {"epochs": 9})}
    assert len(found) == 2


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_parts_of_an_ensemble_are_disjoint_and_cover_s_0(parts, monkeypatch):
    owner, seen = trainings(monkeypatch, teacher="ensemble", parts=parts)
    assert len(seen) == parts + 1 and all(not how for _, how in seen[:-1])
    for k, draw in enumerate(owner.draw):
        dealt = np.concatenate([rows[k] for rows, _ in seen[:-1]])
        assert sorted(dealt) == sorted(draw)
    sizes = [rows.shape[1] for rows, _ in seen[:-1]]
    assert max(sizes) - min(sizes) <= 1


def test_students_of_an_ensemble_learn_its_mean_answer(monkeypatch):
    owner, seen = trainings(monkeypatch, teacher="ensemble", parts=2)
    *parts, (rows, how) = seen
    scores = [owner.predict(owner.train(mine)[0].weights, rows) for mine, _ in parts]
    assert how["targets"] == pytest.approx(np.mean(scores, axis=0), abs=1e-5)


def test_the_student_of_a_diverged_part_is_not_finite(monkeypatch):
    settings = PLUGIN.Settings(teacher="ensemble", parts=2)
    owner = owners().owner(PLUGIN, settings=settings)
    true, calls = type(owner).train, []

    def broken(self, rows, **how):
        found, more = true(self, rows, **how)
        calls.append(rows)
        if len(calls) == 2:  # the second part
            found.finite[1] = False
            found.weights[1] = np.nan
        return found, more

    monkeypatch.setattr(type(owner), "train", broken)
    assert PLUGIN.apply(owner, settings).finite.tolist() == [True, False, True, True]


@pytest.mark.parametrize("name", ["fft-rehearsal", "finetune", "shrink-perturb", "early-stopping"])
def test_who_is_said_to_teach(name):
    settings = PLUGIN.Settings(teacher=name)
    told = plugins.load("defences", name).Settings().resolved()
    assert PLUGIN.teacher_of(settings) == (name, told)
    plugin, own = plugin_of(settings)
    assert (plugin.name, own.resolved()) == (name, told)
    assert PLUGIN.complements(settings) == plugin.complements(own)


@pytest.mark.parametrize("given", [{}, {"teacher": "ensemble"}, {"rows": "own"}])
def test_others_are_students_of_the_base_models(given):
    assert PLUGIN.teacher_of(PLUGIN.Settings(**given)) == ("none", {})


# What is refused.


@pytest.mark.parametrize(("given", "said"), [
    ({"teacher": "nobody"}, "teacher: no model to learn from is made by 'nobody': choose from base, ensemble, "),
    ({"teacher": "none"}, "teacher: no model to learn from"),
    ({"teacher": "distillation"}, "teacher: no model to learn from"),
    ({"teacher": "answer-noise"}, "teacher: no model to learn from"),
    ({"teacher": "threshold-optimizer"}, "teacher: no model to learn from"),
    ({"teacher": "reductions"}, "teacher: no model to learn from"),
    ({"teacher": "label-noise"}, "teacher: no model to learn from"),
    ({"teacher": "property-unlearning"}, "teacher: no model to learn from"),
    ({"teacher": "fft", "teacher_settings": {"epochs": 0}}, "teacher_settings.epochs: Input should be greater"),
    ({"teacher": "fft", "teacher_settings": {"epoch": 3}}, "teacher_settings.epoch: Extra inputs"),
    ({"teacher": "fft", "teacher_settings": [3]}, "teacher_settings: Input should be a valid dictionary"),
    ({"teacher": "fft", "teacher_settings": {"eo_weight": "auto"}}, "teacher_settings.eo_weight: a teacher does not search"),
    ({"near": 1.1}, "near: input should be less"),
    ({"parts": 1}, "parts: input should be greater"),
], ids=str)  # fmt: skip
def test_what_cannot_teach_is_refused_in_one_line(given, said):
    with pytest.raises(PopleakError) as caught:
        config.load(tiny.raw(defences=["none", {"name": "distillation", "settings": given}]))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_more_teachers_than_rows_are_refused_in_one_line():
    one = {"name": "distillation", "settings": {"teacher": "ensemble", "parts": 64}}
    with pytest.raises(
        PopleakError, match=r"parts: 60 rows cannot be dealt to 64 teachers: lower it, or raise `rows`$"
    ):
        tiny.build(defences=["none", one])
    one["settings"]["parts"] = 60
    tiny.build(defences=["none", one])


# Names of arms.


class Before(TrainSettings):
    """The settings of distillation before students had other rows or teachers."""

    labels: Literal["soft", "hard"] = "soft"
    temperature: float = Field(default=1.0, gt=0, le=1000)

    def unused(self) -> set[str]:
        return super().unused() | ({"temperature"} if self.labels == "hard" else set())


@pytest.mark.parametrize("given", [{}, {"temperature": 4.0}, {"labels": "hard"}, {"epochs": 7, "labels": "soft"}])
def test_arms_of_old_settings_have_their_old_names(given):
    found = PLUGIN.Settings(**given).resolved()
    assert digest(found, 8) == digest(Before(**given).resolved(), 8)
    usual = {"rows": "public", "near": 0.0, "teacher": "base", "parts": 9, "teacher_settings": {}}
    assert PLUGIN.Settings(**given, **usual).resolved() == found, "what changes nothing is no setting"


def test_arms_of_different_students_have_different_names():
    given = [{}, {"rows": "own"}, {"near": 0.1}, {"near": 0.2}, {"teacher": "fft"}, {"teacher": "ensemble"}]
    given += [{"teacher": "ensemble", "parts": 5}, {"teacher": "fft", "teacher_settings": {"epochs": 4}}]
    assert len({digest(PLUGIN.Settings(**one).resolved(), 8) for one in given}) == len(given)
    told = plugins.load("defences", "fft").Settings().resolved()
    same = [{"teacher": "fft"}, {"teacher": "fft", "teacher_settings": told}]
    assert len({digest(PLUGIN.Settings(**one).resolved(), 8) for one in same}) == 1, "defaults are no choice"


# More than two classes.


def test_students_of_three_classes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000).astype(np.int8)
    x = (rng.normal(size=(3000, 4)) + np.eye(4)[y] * 2).astype(np.float32)
    three = Owners(RECORDS._replace(x=x, y=y, facts={**RECORDS.facts, "classes": ["a", "b", "c"]}))
    assert three.fitter.classes == 3
    base = three.population.weights
    for given in (
        {},
        {"rows": "own"},
        {"near": 1.0},
        {"teacher": "ensemble"},
        {"teacher": "rehearsal"},
        {"labels": "hard"},
    ):
        owner, found = made(three, **given)
        assert found.finite.all() and found.weights.shape == base.shape
        answers = owner.predict(found.weights, three.rows)
        assert answers.shape == (*three.rows.shape, 3)
        assert (answers.argmax(-1) == owner.y[three.rows]).mean() > 0.42, f"{given}: 1/3 by chance"
