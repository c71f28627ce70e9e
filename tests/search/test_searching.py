"""The section `search` of a config, the axes, and the experiment that a configuration is."""

from __future__ import annotations

import pytest

import tiny
from popleak.config import axes, resolve, searching
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.search import campaign, experiments, points

TASKS = [
    {"id": "one", "dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 800}},
    {"id": "two", "dataset": "synthetic", "rows": 70, "query_rows": 30, "options": {"rows": 900}},
]
SEARCH = {"first": {"victims": 4, "shadows": 3}, "transfer": ["two"]}


def experiment(search=None, **changes):
    return resolve.load(tiny.raw(tasks=TASKS, search={**SEARCH, **(search or {})}, **changes))


def test_every_axis_is_a_setting_of_its_plugin_at_each_value():
    model = plugins.load("models", axes.MODEL).Settings.model_fields
    defence = plugins.load("defences", axes.DEFENCE).Settings.model_fields
    training = type(experiment().training).model_fields
    for axis in axes.AXES:
        assert axis.setting in {"model": model, "training": training, "defence": defence}[axis.part], axis.name
    experiments.check(experiment())  # which builds an experiment for each value


def test_a_configuration_sets_model_training_and_defence_and_nothing_else():
    point = {
        "depth": 3,
        "width": 8,
        "activation": "tanh",
        "weight_decay": 0.01,
        "epochs": 5,
        "tune_epochs": 7,
        "eo_weight": 2.0,
    }
    one = experiments.at(experiment(), 0, point, 1, 4)
    assert one.models[0].settings == {"widths": [8, 8, 8], "activation": "tanh"}
    assert (one.training.weight_decay, one.training.epochs, one.training.batch) == (0.01, 5, 32)
    assert [choice.name for choice in one.defences] == ["none", axes.DEFENCE]
    assert one.defences[1].settings == {"epochs": 7, "eo_weight": 2.0}
    assert one.search is None and one.knowledge == ("informed",)
    (task,) = resolve.resolve(one)
    assert task.id == "one" and (task.population.splits, task.population.victims, task.population.shadows) == (1, 4, 3)


def test_the_default_configuration_has_every_default():
    one = experiments.at(experiment(), 0, {}, 2, 0)
    assert one.models[0].settings == {} and one.defences[1].settings == {}
    assert one.training == experiment().training


def test_a_tasks_own_training_gives_way_to_the_axis_alone():
    tasks = [{**TASKS[0], "training": {"epochs": 9, "batch": 16}}, TASKS[1]]
    (task,) = resolve.resolve(
        experiments.at(resolve.load(tiny.raw(tasks=tasks, search=SEARCH)), 0, {"epochs": 5}, 1, 1)
    )
    assert (task.training.epochs, task.training.batch) == (5, 16)


def test_stages_and_studies_share_no_seed():
    seeds = {experiments.at(experiment(), 0, {}, stage, seed).seed for stage in searching.STAGES for seed in range(3)}
    assert len(seeds) == 9


def test_an_experiment_without_a_search_says_nothing_of_it():
    assert "search" not in resolve.load(tiny.raw()).resolved()
    with pytest.raises(PopleakError, match="search: missing"):
        experiments.of(resolve.load(tiny.raw()))


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"space": {"depht": [1]}}, "no axis 'depht': choose from depth, width"),
        ({"space": {"epochs": [5, 5]}}, "epochs: each value may appear once"),
        ({"space": {"epochs": [0]}}, "training.epochs"),
        ({"space": {"activation": ["swish"]}}, "activation"),
        ({"space": {"eo_weight": [-1]}}, "eo_weight"),
        ({"space": {"depth": [1.5]}}, "search.space: depth: 1.5 is no number of layers"),
        ({"space": {"depth": ["a", 2]}}, "depth: 'a' is no number of layers"),
        ({"space": {"depth": [None]}}, "depth: None is no number of layers"),
        ({"space": {"depth": [1e3]}}, "depth: 1000.0 is no number of layers"),
        ({"space": {"depth": [True]}}, "depth: True is no number of layers"),
        ({"space": {"depth": [0]}}, "depth: 0 is no number of layers"),
        ({"space": {"depth": [[1]]}}, "depth: [1] is no number of layers"),
        ({"space": {"width": [1.5]}}, "search.space.width: models.0.settings.widths"),
        ({"space": {"batch": [None]}}, "search.space.batch: training.batch"),
        ({"space": {"rehearsal": [{"a": 1}]}}, "search.space.rehearsal: defences.1.settings.rehearsal"),
        ({"space": {"epochs": [5, 5.0]}}, "epochs: each value may appear once"),
        ({"transfer": ["three"]}, "search.transfer: no task 'three': choose from one, two"),
        ({"transfer": ["one", "two"]}, "search.transfer: names every task"),
        ({"curve": [1, 1.0]}, "each weight may appear once"),
        ({"first": {"splits": 3, "victims": 4, "shadows": 2}}, "must be a multiple of splits"),
        ({"trails": 4}, "trails: unknown key"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(search, said):
    with pytest.raises(PopleakError) as error:
        experiments.check(experiment(search))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_search_needs_one_pair_of_worlds():
    worlds = ["pure", {"protocol": "ratio", "ratios": [0.3, 0.5]}]
    with pytest.raises(PopleakError, match="needs one pair of worlds"):
        experiments.check(experiment(worlds=worlds))


def unplanned(search, tasks):
    with pytest.raises(PopleakError) as error:
        campaign.run(resolve.load(tiny.raw(tasks=tasks, search=search)))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("search", "of_two", "said"),
    [
        ({}, {"rows": 5000}, "config: search.transfer: task 'two': "),
        ({"transfer": []}, {"rows": 5000}, "config: search.first: task 'two': "),
    ],
)
def test_what_cannot_be_planned_is_refused_before_the_first_trial(search, of_two, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(points, "evaluate", lambda job: pytest.fail("a trial was run"))
    text = unplanned({**SEARCH, **search}, [TASKS[0], {**TASKS[1], **of_two}])
    assert text.startswith(said) and "5000 rows of group" in text and "lower the task's `rows`" in text
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize(("stage", "named"), [(2, "search.second"), (3, "search.third")])
def test_each_stage_is_planned(stage, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build = points.Job.plan

    def refused(job):
        if job.stage == stage and not job.point:
            raise PopleakError("config: no")
        return build(job)

    monkeypatch.setattr(points.Job, "plan", refused)
    with pytest.raises(PopleakError, match=f"config: {named}: task 'one': no"):
        points.check(experiment())


@pytest.mark.parametrize(
    ("search", "named"),
    [({}, "search.curve"), ({"curve": [], "space": {"eo_weight": [1, 8]}}, "search.space.eo_weight")],
)
def test_each_weight_of_the_curve_and_each_value_of_the_space_is_planned(search, named, monkeypatch):
    build = points.Job.plan

    def refused(job):
        if job.point.get("eo_weight") == 8.0:
            raise PopleakError("config: no")
        return build(job)

    monkeypatch.setattr(points.Job, "plan", refused)
    with pytest.raises(PopleakError, match=f"config: {named}: task 'one': no"):
        points.check(experiment(search))
