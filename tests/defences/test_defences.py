"""Defences: the contract of each, pairing with their controls, the mixture, and the choice of lambda."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import tiny
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.settings import Settings
from popleak.defences import base as contract
from popleak.defences.base import EOSettings, Population, Validation, fair_fine_tune, mixture
from popleak.engine import fit as engine
from popleak.engine.fit import hold_out
from popleak.engine.fused import Fused
from popleak.measures.fairness import cell_positives, rates
from popleak.measures.target import p_exceeds
from popleak.stages.defend import travel
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, ROWS, TRAINING, Owners

NAMES = plugins.names("defences")
UNMOVED = ("none", "answer-noise", "threshold-optimizer", "fixed-prior")
"""Defences that leave a model's weights as they are."""
RECORDS = tiny.records(3000, shift=3.0)


SCRATCH = plugins.load("defences", "scratch")


class Case(Owners):
    """Owners of one world (P(a = 1) = ratio), the complement being world `other`, with their trained base models."""

    def __init__(self, ratio: float = 0.0, other: float = 1.0, model: str = "mlp", **training) -> None:
        super().__init__(RECORDS, ratio, other, model=model, training={**TRAINING, **training})

    def owner(self, defence=SCRATCH, part=slice(None), **more):
        return super().owner(defence, part, **more)

    def apply(self, name, part=slice(None), **settings) -> Population:
        plugin = plugins.load("defences", name)
        return plugin.apply(self.owner(plugin, part), plugin.Settings(**settings))

    def delta(self, population) -> np.ndarray:
        """Delta_EO of the models on all records."""
        x = self.fitter.table.x
        return rates(engine.predict(self.fitter.build, population.weights, x), RECORDS.y, RECORDS.a).delta_eo


@functools.cache
def pure() -> Case:
    return Case()


@functools.cache
def mixed() -> Case:
    return Case(0.3, 0.5)


def same(one: Population, other: Population) -> bool:
    return one.weights.tobytes() == other.weights.tobytes()


# The contract.


def test_the_six_are_there():
    assert set(NAMES) >= {"none", "finetune", "rehearsal", "scratch", "fft", "fft-rehearsal"}


@pytest.mark.parametrize("name", NAMES)
def test_declares_what_lists_and_config_need(name):
    plugin = plugins.load("defences", name)
    assert plugin.name == name
    assert plugin.summary and "\n" not in plugin.summary
    assert plugin.control is None or plugin.control in NAMES
    assert issubclass(plugin.Settings, Settings)
    assert all(field.description for field in plugin.Settings.model_fields.values())
    with pytest.raises(ValueError, match="Extra inputs"):
        plugin.Settings(no_such_setting=1)
    if plugin.control is not None:
        control = plugins.load("defences", plugin.control)
        assert set(control.Settings.model_fields) <= set(plugin.Settings.model_fields), "they must share settings"
        assert ("eo_weight" in control.Settings.model_fields) == ("eo_weight" in plugin.control_at)


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name):
    check_defence(plugins.load("defences", name))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "answers" in plugins.load("defences", name).Settings.model_fields]
)
def test_keeps_the_contract_with_frozen_answers(name):
    plugin = plugins.load("defences", name)
    check_defence(plugin, settings=plugin.Settings(answers="frozen"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", [pure, mixed])
def test_returns_a_population(case, name):
    before = case().population.weights.copy()
    if name == "fft-generated" and case is pure:
        with pytest.raises(PopleakError, match="rows of group 1 are asked for, and the generator draws none"):
            case().apply(name)
        return
    found = case().apply(name)
    plugin = plugins.load("defences", name)
    assert found.weights.shape == (MODELS, plugin.members(plugin.Settings()) * before.shape[1])
    assert found.finite.shape == found.eo_weight.shape == found.eo_vacuous.shape == (MODELS,)
    assert found.finite.dtype == bool and found.finite.all()
    assert np.isfinite(found.weights).all()
    assert np.array_equal(case().population.weights, before), "the base models must be left alone"
    # of so few epochs the last is the best
    assert np.array_equal(found.weights, before) == (name in (*UNMOVED, "early-stopping"))
    fair = (
        "fft",
        "fft-rehearsal",
        "fft-generated",
        "last-layer",
        "scratch-fair",
        "noisy-fft",
        "adversarial",
        "reductions",
    )
    assert (found.eo_weight > 0).all() == (name in fair)


# Pairing.


@pytest.mark.parametrize("penalty", ["absolute", "squared"])
@pytest.mark.parametrize(("name", "control"), [("fft", "finetune"), ("fft-rehearsal", "rehearsal")])
@pytest.mark.parametrize("case", [pure, mixed])
def test_without_weight_it_is_its_control_bit_for_bit(case, name, control, penalty):
    assert plugins.load("defences", name).control == control
    found = case().apply(name, eo_weight=0.0, penalty=penalty)
    assert same(found, case().apply(control))
    assert found.eo_weight.tolist() == [0.0] * MODELS
    if case is mixed:
        assert not same(case().apply(name, eo_weight=1.0, penalty=penalty), case().apply(control))


def test_fft_rehearsal_without_rehearsal_is_fft():
    assert same(mixed().apply("fft-rehearsal", eo_weight=1.0, rehearsal=0.0), mixed().apply("fft", eo_weight=1.0))
    assert same(mixed().apply("rehearsal", rehearsal=0.0), mixed().apply("finetune"))


def test_scratch_shares_initial_weights_with_the_base(monkeypatch):
    case, asked = Case(0.3, 0.5), []
    original = Fused.initial

    def spy(self, seeds):
        begin = original(self, seeds)
        asked.append((list(seeds), begin.copy()))
        return begin

    monkeypatch.setattr(Fused, "initial", spy)
    case.fitter(case.rows, case.seeds)
    case.apply("scratch")
    (base_seeds, base), (scratch_seeds, scratch) = asked
    assert base_seeds == scratch_seeds == list(case.seeds)
    assert np.array_equal(base, scratch)


def test_scratch_on_the_own_draw_is_the_base_again():
    case = Case(0.5, 0.5, validation=0.0)
    found = case.apply("scratch", rehearsal=1.0)
    # the same rows from the same weights, in another order
    assert sorted(mixture(case.owner(), 1.0)[0]) == sorted(case.rows[0])
    difference = np.abs(found.weights - case.population.weights).max()
    start = engine.initial_weights(case.fitter.build, case.seeds)
    assert 0 < difference < np.abs(found.weights - start).max()


@pytest.mark.parametrize("name", ["none", "scratch"])
def test_closed_form_models(name):
    case = Case(model="histogram")
    found = case.apply(name)
    assert plugins.load("defences", name).closed_form
    assert found.weights.shape == case.population.weights.shape
    if name == "scratch":
        rows = mixture(case.owner(), 0.5)
        y, cell = RECORDS.y[rows[0]], RECORDS.cell[rows[0]]
        assert found.weights[0] == pytest.approx([y[cell == c].mean() for c in range(4)], abs=1e-6)


def test_epochs_of_fine_tuning():
    case = pure()
    assert same(case.apply("finetune"), case.apply("finetune", epochs=TRAINING["epochs"]))
    assert not same(case.apply("finetune"), case.apply("finetune", epochs=1))


@pytest.mark.parametrize("name", ["finetune", "rehearsal", "fft", "fft-rehearsal"])
def test_learning_rate_of_fine_tuning(name):
    """Its own step size: training's where it is left out, and the smaller, the shorter the way."""
    case = mixed()
    usual = case.apply(name)
    assert same(usual, case.apply(name, learning_rate=TRAINING["learning_rate"]))
    ways = [
        travel(case.population.weights, case.apply(name, learning_rate=rate).weights) for rate in (1e-4, 1e-3, 1e-2)
    ]
    assert all((less < more).all() for less, more in itertools.pairwise(ways))
    with pytest.raises(ValueError, match="greater than 0"):
        plugins.load("defences", name).Settings(learning_rate=0)


def test_travel_is_a_share_of_the_norm():
    before = np.array([[3.0, 4.0], [3.0, 4.0], [1.0, np.nan], [0.0, 0.0]])
    after = np.array([[3.0, 4.0], [6.0, 8.0], [1.0, 1.0], [1.0, 1.0]])
    assert travel(before, after) == pytest.approx([0.0, 1.0, np.nan, np.nan], nan_ok=True)


# The mixture.


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2, 0.5, 0.75])
@pytest.mark.parametrize(("ratio", "other"), [(0.0, 1.0), (1.0, 0.0), (0.3, 0.5), (0.5, 0.5)])
def test_mixture_counts(ratio, other, share):
    case = Case(ratio, other)
    rows = mixture(case.owner(), share)
    kept = round(share * ROWS)
    assert rows.shape == (MODELS, ROWS)
    for k in range(MODELS):
        complement, rehearsed = rows[k, : ROWS - kept], rows[k, ROWS - kept :]
        assert set(complement) <= set(case.complement[k]) and len(set(complement)) == ROWS - kept
        assert set(rehearsed) <= set(case.owner().base[k]) and len(set(rehearsed)) == kept
        assert not set(rehearsed) & set(case.owner().held_out[k]), "a held-out row is rehearsed"
        assert RECORDS.a[complement].sum() == np.rint(other * (ROWS - kept))
        assert RECORDS.a[rehearsed].sum() == np.rint(ratio * kept)


def test_mixture_is_nested_in_the_share():
    case = mixed()
    sets = []
    for share in (0.1, 0.2, 0.5):
        rows, kept = mixture(case.owner(), share), round(share * ROWS)
        sets.append([(set(row[: ROWS - kept]), set(row[ROWS - kept :])) for row in rows])
    for small, large in itertools.pairwise(sets):
        for (complement, rehearsed), (fewer, more) in zip(small, large):
            assert fewer < complement
            assert rehearsed < more


def test_mixture_follows_the_seed_alone():
    case = mixed()
    whole = mixture(case.owner(), 0.5)
    assert np.array_equal(mixture(case.owner(part=slice(2, 3)), 0.5)[0], whole[2])


def test_too_much_rehearsal_is_refused_in_one_line():
    with pytest.raises(PopleakError, match=r"rehearsal: 200 rows of group . .* has 180 left .* lower `rehearsal`") as e:
        mixture(pure().owner(), 1.0)
    assert "\n" not in str(e.value)


# Lambda.


class FakeTrain:
    """Delta_EO on 4,000 validation rows by model and lambda, from a table; weights that name the lambda."""

    def __init__(self, delta, vacuous=0.0) -> None:
        self.delta, self.vacuous, self.calls = delta, vacuous, []

    def __call__(self, rows, *, part, start, epochs, learning_rate, schedule, cycles, mask, penalty, extra, held_out):
        self.calls.append((penalty.weight, part.tolist()))
        size = len(part)
        found = Population(
            np.full((size, 1), penalty.weight), np.ones(size, bool), np.full(size, penalty.weight),
            np.full(size, self.vacuous),
        )  # fmt: skip
        positives = np.full((size, 2, 2), 300.0)
        positives[:, 1, 1] += [1000 * self.delta[k][penalty.weight] for k in part]
        return found, Validation(positives, np.full((size, 2, 2), 1000))


def choose(delta, vacuous=0.0, **settings):
    case, fake = mixed(), FakeTrain(delta, vacuous)
    own = EOSettings(**{"eo_weight": "auto", "eo_grid": (1.0, 2.0, 4.0), "eo_target": 0.05, **settings})
    owner = case.owner()
    owner.train = fake
    return fair_fine_tune(owner, own, rehearsal=0.5), fake.calls


def test_auto_takes_the_smallest_lambda_that_is_not_refused():
    delta = [
        {1.0: 0.04},
        {1.0: 0.09},  # above the target, and no evidence against a Delta_EO of 0.05
        {1.0: 0.3, 2.0: 0.2, 4.0: 0.2},  # all are refused: the largest
        {1.0: 0.3, 2.0: 0.04},
    ]
    found, calls = choose(delta)
    assert found.eo_weight.tolist() == [1.0, 1.0, 4.0, 2.0]
    assert found.weights[:, 0].tolist() == [1.0, 1.0, 4.0, 2.0]
    assert calls == [(1.0, [0, 1, 2, 3]), (2.0, [2, 3]), (4.0, [2])]


def test_auto_stops_where_the_term_is_vacuous():
    found, calls = choose([{1.0: 0.6}] * MODELS, vacuous=1.0)
    assert found.eo_weight.tolist() == [1.0] * MODELS
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["fft", "fft-rehearsal"])
def test_lambda_is_fixed_unless_a_config_asks_for_a_search(name):
    usual = plugins.load("defences", name).Settings()
    assert usual.eo_weight == 1.0
    assert mixed().apply(name).eo_weight.tolist() == [1.0] * MODELS


def test_a_given_lambda_is_used_whatever_it_gives():
    found, calls = choose([{3.0: 0.6}] * MODELS, eo_weight=3.0)
    assert found.eo_weight.tolist() == [3.0] * MODELS
    assert len(calls) == 1


@pytest.mark.parametrize("penalty", ["absolute", "squared", "lagrangian"])
def test_settings_that_are_left_out_of_a_steps_identity_change_no_bit(penalty):
    usual = {"eo_weight": 1.0, "penalty": penalty}
    always = {"criterion", "schedule", "cycles", "weight_decay"}
    assert EOSettings(**usual).unused() == always | {"eo_grid"} | ({"eo_target"} if penalty != "lagrangian" else set())
    one, grid, target = (
        mixed().apply("fft-rehearsal", **usual, **more) for more in ({}, {"eo_grid": (3.0,)}, {"eo_target": 0.4})
    )
    assert same(one, grid)
    assert same(one, target) == (penalty != "lagrangian")
    assert EOSettings(eo_weight="auto", penalty=penalty).unused() == always, "where lambda is chosen, all count"


def test_auto_on_real_training_is_one_of_the_single_runs():
    case, grid, share = Case(validation=0.5), (0.25, 1.0, 4.0), 0.3
    auto = case.apply("fft-rehearsal", eo_weight="auto", eo_grid=grid, rehearsal=share)
    single = {weight: case.apply("fft-rehearsal", eo_weight=weight, rehearsal=share) for weight in grid}
    rows = mixture(case.owner(), share)
    tuned, out = hold_out(rows, case.seeds, 0.5)
    owner = case.owner()
    aside, trained = np.concatenate([owner.held_out, out], 1), np.concatenate([owner.base, tuned], 1)
    for k in range(MODELS):
        clean = aside[k][~np.isin(aside[k], trained[k])]
        accepted = []
        for weight in grid:
            p = engine.predict(case.fitter.build, single[weight].weights[k : k + 1], case.fitter.table.x[clean])
            positives, counts = cell_positives(p, RECORDS.y[clean], RECORDS.a[clean])
            if p_exceeds(positives, counts[None], 0.05)[0] > 0.05:
                accepted.append(weight)
        expected = accepted[0] if accepted else grid[-1]
        assert auto.eo_weight[k] == expected
        assert np.abs(auto.weights[k] - single[expected].weights[k]).max() < 1e-6
    assert len(set(auto.eo_weight)) > 1, "the case must tell models apart"


def test_validation_counts_clean_rows_alone():
    case = mixed()
    rows = mixture(case.owner(), 0.5)
    penalty = contract.penalty_of(EOSettings(), 1.0)
    how = {"start": case.population.weights, "epochs": 1, "penalty": penalty}
    owner = case.owner()
    _, found = owner.train(rows, **how)
    _, half = owner.train(rows, held_out=True, **how)
    aside, clean = owner._aside(rows, slice(None))
    for k in range(MODELS):
        kept = aside[k][clean[k]]
        assert (
            found.counts[k].tolist()
            == np.bincount(2 * RECORDS.y[kept] + RECORDS.a[kept], minlength=4).reshape(2, 2).tolist()
        )
        assert 0 < half.counts[k].sum() == len(kept) // 2 < found.counts[k].sum() < 2 * 20
    assert (found.positives <= found.counts).all() and found.positives.any()
    assert owner.train(rows, start=case.population.weights)[1] is None, "no EO term, nothing to judge"


# What the EO term sees.


def test_pure_groups_are_vacuous_under_the_batch():
    case = pure()
    found = case.apply("fft", eo_weight=4.0)
    assert found.eo_vacuous.tolist() == [1.0] * MODELS
    assert same(found, case.apply("finetune"))


@pytest.mark.parametrize("reference", ["rehearsal+batch", "held-out"])
def test_other_references_see_both_groups(reference):
    case = Case(validation=0.2)
    found = case.apply("fft", eo_weight=4.0, eo_reference=reference)
    assert (found.eo_vacuous < 1).all()
    assert found.finite.all()
    assert not same(found, case.apply("finetune"))
    assert case.delta(found).mean() < case.delta(case.apply("finetune")).mean()


def test_held_out_reference_needs_held_out_rows():
    with pytest.raises(PopleakError, match=r"training\.validation: .*needs held-out rows: raise it"):
        Case(validation=0.0).apply("fft", eo_weight=1.0, eo_reference="held-out")


def test_auto_without_held_out_rows():
    found = Case(0.3, 0.5, validation=0.0).apply("fft-rehearsal", eo_weight="auto")
    assert found.finite.all()
    assert found.eo_weight.tolist() == [0.5] * MODELS, "no rows refuse nothing"


@pytest.mark.parametrize("penalty", ["absolute", "squared", "lagrangian"])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0)])
def test_the_term_lowers_delta_eo_below_the_control(ends, penalty):
    case = Case(*ends)
    found = case.apply("fft-rehearsal", eo_weight=4.0, penalty=penalty, epochs=8)
    control = case.delta(case.apply("rehearsal", epochs=8))
    assert control.mean() > 0.1, "the case must leave something to lower"
    assert case.delta(found).mean() < 0.8 * control.mean()


def test_base_class_refuses():
    with pytest.raises(NotImplementedError):
        contract.Defence().apply(None, None)
