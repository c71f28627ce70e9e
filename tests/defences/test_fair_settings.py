"""Criteria, forms and schedules as defences have them: contract, promise, names, controls, the search of lambda, refusals."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.defences.base import EOSettings, Population, ScheduleSettings, TuneSettings, Validation, fair_fine_tune
from popleak.measures import target
from popleak.testing.contracts import check_defence
from popleak.testing.defences import TRAINING, Owners

FAIR = ("fft", "fft-rehearsal", "last-layer", "scratch-fair")
RECORDS = tiny.records(3000, shift=3.0)
ASKED = [
    ("fft-rehearsal", {"criterion": "demographic-parity"}),
    ("fft-rehearsal", {"criterion": "equal-opportunity", "penalty": "squared"}),
    ("fft-rehearsal", {"penalty": "hsic", "eo_weight": 5.0}),
    ("fft-rehearsal", {"penalty": "covariance", "criterion": "demographic-parity", "eo_weight": "auto"}),
    ("fft", {"penalty": "hsic", "criterion": "equal-opportunity", "schedule": "restarts", "cycles": 2}),
    ("last-layer", {"penalty": "hsic"}),
    ("scratch-fair", {"penalty": "covariance", "criterion": "demographic-parity"}),
    ("rehearsal", {"schedule": "cosine"}),
    ("distillation", {"schedule": "linear"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), ASKED)
def test_keeps_the_contract(name, settings):
    plugin = plugins.load("defences", name)
    check_defence(plugin, settings=plugin.Settings(**settings))


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS, 0.4, 0.6, rows=400, training={**TRAINING, "epochs": 15})


def apply(name: str, **settings) -> tuple[Population, np.ndarray]:
    """The models, and their soft scores on all records."""
    plugin = plugins.load("defences", name)
    owner = owners().owner(plugin)
    found = plugin.apply(owner, plugin.Settings(**settings))
    return found, owner.predict(found.weights, np.arange(len(RECORDS.y))[None])


def gap(scores: np.ndarray, criterion: str) -> float:
    """What a criterion compares, on soft scores: the mean over models and terms of |difference of group means|."""
    seen = {"equalized-odds": [RECORDS.y == 0, RECORDS.y == 1], "demographic-parity": [RECORDS.y >= 0]}
    rows = seen.get(criterion, [RECORDS.y == 1])
    means = [[scores[:, one & (RECORDS.a == a)].mean(1) for a in (0, 1)] for one in rows]
    return float(np.mean([np.abs(one - other) for one, other in means]))


@pytest.mark.parametrize("criterion", ["equalized-odds", "demographic-parity", "equal-opportunity"])
@pytest.mark.parametrize(("penalty", "weight"), [("absolute", 2.0), ("covariance", 8.0), ("hsic", 20.0)])
def test_its_own_promise_and_utility(criterion, penalty, weight):
    found, scores = apply("fft-rehearsal", criterion=criterion, penalty=penalty, eo_weight=weight)
    _, plain = apply("rehearsal")
    assert gap(scores, criterion) < 0.6 * gap(plain, criterion)
    right = ((scores >= 0.5) == RECORDS.y).mean()
    assert right > max(RECORDS.y.mean(), 1 - RECORDS.y.mean()) + 0.05
    assert (found.eo_vacuous < 0.1).all()


# Names.


@pytest.mark.parametrize("name", FAIR)
def test_the_new_settings_have_no_name_at_their_defaults(name):
    plugin = plugins.load("defences", name)
    assert not {"criterion", "schedule", "cycles"} & set(plugin.Settings().resolved())
    assert plugin.Settings(criterion="demographic-parity").resolved()["criterion"] == "demographic-parity"


SCHEDULED = [
    name for name in plugins.names("defences") if issubclass(plugins.load("defences", name).Settings, ScheduleSettings)
]


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_schedule_has_an_effect(name):
    plugin, case = plugins.load("defences", name), Owners(RECORDS, 0.4, 0.6, models=1)
    one, other = (
        plugin.apply(case.owner(plugin), plugin.Settings(**more)).weights.tobytes()
        for more in ({}, {"schedule": "cosine"})
    )
    assert one != other, "hand `settings.steps` on to the owner"


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_schedule_has_no_name_unless_it_is_given(name):
    settings = plugins.load("defences", name).Settings
    assert not {"schedule", "cycles"} & set(settings().resolved()), (
        "where `unused` is another, it adds to that of its base"
    )
    assert settings(cycles=3).resolved() == settings().resolved()
    assert settings(schedule="constant").resolved() == settings().resolved() | {"schedule": "constant"}
    assert settings(schedule="cosine", cycles=3).resolved() == settings().resolved() | {"schedule": "cosine"}
    told = {"schedule": "restarts", "cycles": 3}
    assert settings(**told).resolved() == settings().resolved() | told


# Schedules.


def test_a_schedule_of_its_own_or_that_of_the_training():
    plugin = plugins.load("defences", "finetune")
    usual, cosine = (Owners(RECORDS, 0.4, 0.6, training={**TRAINING, **more}) for more in ({}, {"schedule": "cosine"}))

    def tuned(case: Owners, **settings) -> bytes:
        owner = case.owner(plugin)
        owner.population = usual.population
        return plugin.apply(owner, TuneSettings(**settings)).weights.tobytes()

    assert tuned(usual, schedule="cosine") == tuned(cosine) != tuned(usual)
    assert tuned(cosine, schedule="constant") == tuned(usual)
    assert tuned(usual, schedule="restarts", cycles=2) not in (tuned(usual), tuned(cosine))
    assert usual.population.weights.tobytes() != cosine.population.weights.tobytes()


def controls(*defences, **training) -> dict[str, str | None]:
    raw = tiny.raw(defences=["none", *defences])
    raw["training"] = raw["training"] | training
    (task,) = config.resolve(config.load(raw))
    return {one.id: one.control for one in task.defences if one.name == "fft-rehearsal"}


def test_a_control_has_the_same_schedule():
    plain, fair = "rehearsal", "fft-rehearsal"
    cosine, twice, still = {"schedule": "cosine"}, {"schedule": "restarts", "cycles": 2}, {"schedule": "constant"}

    def own(name: str, settings: dict) -> dict:
        return {"name": name, "settings": settings}

    assert controls(plain, own(fair, cosine)) == {fair: None}
    assert controls(own(plain, cosine), fair) == {fair: None}
    assert controls(own(plain, cosine), own(fair, cosine)) == {fair: plain}
    assert controls(own(plain, twice), own(fair, {**twice, "cycles": 1})) == {fair: None}
    assert controls(own(plain, still), fair) == {fair: plain}, "constant is what the training says"
    assert controls(own(plain, cosine), fair, schedule="cosine") == {fair: plain}
    assert controls(own(plain, still), fair, schedule="cosine") == {fair: None}


def test_more_cycles_than_epochs_are_refused_before_any_job():
    given = {"name": "finetune", "settings": {"epochs": 3, "schedule": "restarts", "cycles": 4}}
    with pytest.raises(PopleakError, match=r"settings.cycles: 4 cycles of the learning rate do not fit 3 epochs"):
        tiny.build(defences=["none", given])


# The search of lambda follows the criterion.


def test_what_a_criterion_compares():
    cells = np.array([[[1, 2], [30, 40]], [[5, 6], [70, 80]]])
    assert target.compared("equalized-odds", cells) is cells
    assert target.compared("demographic-parity", cells).tolist() == [[[31, 42]], [[75, 86]]]
    assert target.compared("equal-opportunity", cells).tolist() == [[[30, 40]], [[70, 80]]]


@pytest.mark.parametrize(
    ("criterion", "positives", "refused"),
    [
        # rates of label 0 alike, of label 1 apart
        ("equalized-odds", [[300, 300], [300, 600]], True),
        ("equal-opportunity", [[300, 300], [300, 600]], True),
        # of label 0 apart, of label 1 alike
        ("equalized-odds", [[300, 600], [300, 300]], True),
        ("equal-opportunity", [[300, 600], [300, 300]], False),
        # apart in opposite ways: over all rows alike
        ("equalized-odds", [[300, 600], [600, 300]], True),
        ("demographic-parity", [[300, 600], [600, 300]], False),
        ("demographic-parity", [[300, 600], [300, 300]], True),
    ],
)
def test_auto_refuses_by_what_the_criterion_compares(criterion, positives, refused):
    owner, tried = owners().owner(plugins.load("defences", "fft")), []

    def train(rows, *, penalty, **_):
        tried.append(penalty)
        size = len(rows)
        found = Population(np.zeros((size, 1)), np.ones(size, bool), np.full(size, penalty.weight), np.zeros(size))
        return found, Validation(np.array([positives] * size, float), np.full((size, 2, 2), 1000))

    owner.train = train
    own = EOSettings(eo_weight="auto", eo_grid=(1.0, 2.0), criterion=criterion, penalty="covariance")
    found = fair_fine_tune(owner, own, 0.0)
    assert found.eo_weight.tolist() == [2.0 if refused else 1.0] * len(owner.seeds)
    assert {(one.criterion, one.form) for one in tried} == {(criterion, "covariance")}
