"""Studies: what they propose, how they go on after a kill, what they refuse, and what counts as a result of theirs."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import tiny
from popleak.config import axes, resolve
from popleak.core import provenance
from popleak.core.errors import PopleakError
from popleak.search import points, study

FLOOR = 0.6
SEARCH = {
    "trials": 8,
    "startup": 3,
    "seeds": 1,
    "first": {"victims": 4, "shadows": 3},
    "space": {"activation": ["relu", "tanh"]},
}


def spec(sampler="tpe", number=1, search=None, **changes):
    return study.Spec(resolve.load(tiny.raw(search={**SEARCH, **(search or {})}, **changes)), 0, sampler, number)


def measured(**values):
    usual = dict.fromkeys(points.TAKEN, 0.0) | {"victims": 8, "splits": 1}
    return points.Found(usual | values, dict(usual), FLOOR, "", 1)


def evaluate(point):
    """Give values that follow from the configuration alone, with a price for each."""
    width, epochs = math.log2(point["width"]) / 7, math.log2(point["epochs"]) / 6
    eo = point["eo_weight"] / 4
    return measured(
        accuracy=0.55 + 0.3 * width - 0.05 * eo, delta_eo_crossed=0.3 * (1 - eo) * epochs, advantage=epochs * width
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fresh(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)


@pytest.mark.parametrize("sampler", study.SAMPLERS)
def test_the_same_seed_gives_the_same_trials_and_another_one_does_not(sampler, tmp_path, monkeypatch):
    first = study.run(spec(sampler), evaluate)
    fresh(tmp_path, monkeypatch, "again")
    assert study.run(spec(sampler), evaluate) == first
    fresh(tmp_path, monkeypatch, "other")
    assert [one.point for one in study.run(spec(sampler, 2), evaluate)] != [one.point for one in first]
    assert len(first) == 8 and all(set(one.point) == set(axes.NAMES) for one in first)


@pytest.mark.parametrize("sampler", study.SAMPLERS)
@pytest.mark.parametrize("at", [1, 5])
def test_a_killed_study_goes_on_as_if_nothing_had_been(sampler, at, tmp_path, monkeypatch):
    whole = study.run(spec(sampler), evaluate)
    fresh(tmp_path, monkeypatch, "killed")
    calls = []

    def killed(point):
        calls.append(point)
        if len(calls) == at + 1:
            raise KeyboardInterrupt
        return evaluate(point)

    with pytest.raises(KeyboardInterrupt):
        study.run(spec(sampler), killed)
    assert len(calls) == at + 1
    assert study.run(spec(sampler), evaluate) == whole


def test_a_kill_between_what_was_measured_and_the_end_of_a_trial(tmp_path, monkeypatch):
    import optuna

    whole = study.run(spec(), evaluate)
    fresh(tmp_path, monkeypatch, "killed")
    tell, calls = optuna.Study.tell, []

    def killed(self, *given, **more):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return tell(self, *given, **more)

    monkeypatch.setattr(optuna.Study, "tell", killed)
    with pytest.raises(KeyboardInterrupt):
        study.run(spec(), evaluate)
    assert study.run(spec(), evaluate) == whole


def test_a_study_goes_on_when_more_trials_are_asked_for(tmp_path, monkeypatch):
    few = study.run(spec(search={"trials": 5}), evaluate)
    more = study.run(spec(), evaluate)
    assert more[:5] == few and len(more) == 8
    assert study.run(spec(search={"trials": 5}), evaluate) == few, "fewer than there are: the first ones"
    fresh(tmp_path, monkeypatch, "at-once")
    assert study.run(spec(), evaluate) == more


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"search": {"startup": 4}}, "other settings"),
        ({"search": {"above_constant": 0.1}}, "other settings"),
        ({"search": {"space": {"epochs": [5, 10]}}}, "other settings"),
        ({"seed": 4}, "settings"),
        ({"tasks": [{"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 900}}]}, "data"),
        ({"attacks": ["loss", "threshold"]}, "settings"),
    ],
)
def test_a_study_of_other_settings_or_data_is_refused_in_one_line(other, said):
    study.run(spec(search={"trials": 2}), evaluate)
    with pytest.raises(PopleakError) as error:
        study.run(spec(**other), evaluate)
    text = str(error.value)
    assert "synthetic-group-tpe-1.db: this study was made by other" in text and said in text and "\n" not in text
    assert "delete it" in text


def test_a_study_of_other_code_is_refused(monkeypatch):
    study.run(spec(search={"trials": 2}), evaluate)
    monkeypatch.setattr(study, "code_digest", lambda *names: "other")
    with pytest.raises(PopleakError, match="made by other code, so"):
        study.run(spec(), evaluate)


@pytest.mark.parametrize("stage", ["split", "draw", "train", "defend", "attack", "tables"])
def test_the_code_of_the_stages_is_among_what_made_a_study(stage, monkeypatch):
    """Each step's code is a digest of its modules and of the libraries that they compute with."""
    made, plan = study.made_by(spec()), points.Job.plan

    def changed(job):
        whole = plan(job)
        for found in whole.steps.values():
            found.update({name: other(one) if one.stage == stage else one for name, one in found.items()})
        return whole

    def other(step):
        copy_of = copy.copy(step)
        object.__setattr__(copy_of, "modules", (*step.modules, "popleak.audit.game"))
        return copy_of

    monkeypatch.setattr(points.Job, "plan", changed)
    now = study.made_by(spec())
    assert now["code"] != made["code"] and now["settings"] == made["settings"] and now["data"] == made["data"]


def test_another_version_of_a_library_of_the_stages_makes_another_study(monkeypatch):
    made, versions = study.made_by(spec()), provenance._version
    provenance.library_versions.cache_clear()
    monkeypatch.setattr(provenance, "_version", lambda name: "0" if name == "torch" else versions(name))
    try:
        assert study.made_by(spec())["code"] != made["code"]
    finally:
        provenance.library_versions.cache_clear()


def test_what_is_no_study_is_refused():
    path = spec().path("synthetic-group")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, but long enough to look at" * 50)
    with pytest.raises(PopleakError, match=r"synthetic-group-tpe-1\.db: is no study"):
        study.run(spec(), evaluate)


def test_failed_trials_count_are_named_and_not_tried_again():
    calls = []

    def failing(point):
        calls.append(point)
        if len(calls) in (2, 4):
            raise PopleakError("100% of 8 victims diverged")
        return evaluate(point)

    found = study.run(spec(), failing)
    assert len(calls) == len(found) == 8
    assert [one.number for one in found if one.values is None] == [1, 3]
    assert {one.failure for one in found if one.values is None} == {"100% of 8 victims diverged"}
    assert not {1, 3} & {one.number for one in study.front(found, 9)}
    assert study.again(spec(), found), "the failures are part of what is played again"


def test_constant_models_are_on_no_front():
    """A model that answers the same to all is perfectly fair and gives nothing away, and misses the floor."""

    def constant(point):
        if point["activation"] == "relu":
            return measured(accuracy=FLOOR - 0.02, delta_eo_crossed=0.0, advantage=0.0)
        return measured(accuracy=0.7, delta_eo_crossed=0.1, advantage=0.5)

    found = study.run(spec(search={"trials": 12}), constant)
    front = study.front(found, 9)
    assert len({one.point["activation"] for one in found}) == 2
    assert front and all(one.feasible and one.point["activation"] == "tanh" for one in front)
    relu = [one.point["activation"] == "relu" for one in found]
    assert np.mean(relu[3:]) < 0.5, "the sampler learns that they do not count"


def test_the_front_is_at_most_so_large_and_no_one_beats_it():
    found = study.run(spec(search={"trials": 20}), evaluate)
    front = study.front(found, 3)
    assert 1 <= len(front) <= 3
    values = [points.objectives(one.values) * (-1, 1, 1) for one in found if one.feasible]
    for one in front:
        mine = points.objectives(one.values) * (-1, 1, 1)
        assert not any((other <= mine).all() and (other < mine).any() for other in values)


def test_another_outcome_is_seen_when_a_study_is_played_again():
    found = study.run(spec(), evaluate)
    assert study.again(spec(), found)
    worse = [one._replace(values=one.values | {"advantage": 1.0 - one.values["advantage"]}) for one in found]
    assert not study.again(spec(), worse)
    assert not study.again(spec(number=2), found)


def test_luck_below_nothing_counts_as_nothing():
    found = points.objectives(measured(accuracy=0.7, delta_eo_crossed=-0.02, advantage=-0.3).defended)
    assert list(found) == [0.7, 0.0, 0.0]


def test_costs_end_at_the_floor():
    found, reference = points.costs(np.array([[FLOOR, 0.5, 1.0], [1.0, 0.0, 0.0]]), FLOOR)
    assert np.allclose(found, [[1, 1, 1], [0, 0, 0]]) and np.allclose(reference, 1)
