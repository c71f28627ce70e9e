"""Certified defences: what they certify, what voids it for a model, and what the stage keeps."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from popleak.core import plugins
from popleak.core.needs import Mixing
from popleak.core.seeds import derive
from popleak.defences import _ledger
from popleak.defences._entries import Descended, Restarted, Trained
from popleak.defences.base import mixture
from popleak.engine import convex
from popleak.engine.fit import initial_weights
from popleak.measures import certificates
from popleak.stages import _noisy, defend
from popleak.testing.defences import MODELS, ROWS, Owners, made_up_records

NOISY = ("noisy-rehearsal", "noisy-fft")
CERTIFIED = ("scratch", "scratch-fair", *NOISY, "noisy-restart")


@functools.cache
def owners(model: str = "logistic") -> Owners:
    return Owners(made_up_records(), model=model)


def made(name: str, model: str = "logistic", *, change=None, **settings):
    """Apply a defence; return its owner, the models, and the plugin with its settings. change(owner): before."""
    plugin = plugins.load("defences", name)
    own = plugin.Settings(**settings)
    owner = owners(model).owner(plugin, settings=own)
    if change is not None:
        change(owner)
    return owner, plugin.apply(owner, own), plugin, own


def certified(name: str, model: str = "logistic", **more) -> np.ndarray:
    owner, _, plugin, own = made(name, model, **more)
    return plugin.certify(owner, own)


def void(found: np.ndarray) -> bool:
    return bool(np.isnan(found).all())


# What is certified.


@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("rows", [1.0, 0.25, 0.05])
@pytest.mark.parametrize("name", ["scratch", "scratch-fair"])
def test_exact_composition_is_certified_at_0(name, rows, model):
    assert certified(name, model, rows=rows).tolist() == [0.0] * MODELS


@pytest.mark.parametrize("features", ["initial", "public"])
@pytest.mark.parametrize("model", ["logistic", "mlp"])
@pytest.mark.parametrize("name", NOISY)
def test_noisy_descent_is_certified_by_the_formula_for_each_models_own_rows(name, model, features):
    owner, after, plugin, own = made(name, model, steps=30, noise=0.3, features=features)
    found = plugin.certify(owner, own)
    (chain,) = [entry for entry in owner.ledger if isinstance(entry, Descended)]
    fair = getattr(own, "fair_weight", 0.0)
    for k in range(MODELS):
        x = owner.x[np.sort(mixture(owner, 0.5)[k])]
        units = convex.below_last(x, chain.trunk[k] if model == "mlp" else None, owner.fitter.build.sides)
        scale = convex.Scale.of(units) if model == "mlp" else None
        seen = scale(units) if scale else units
        label, group = (values[np.sort(mixture(owner, 0.5)[k])] for values in (owner.y, owner.a))
        problem = convex.Problem(seen, label, group, ridge=own.ridge, fair=fair)
        mu = certificates.of_descent(problem.low, problem.high, radius=3.0, steps=30, noise=0.3)
        assert found[k] == pytest.approx(certificates.advantage(mu), rel=1e-9)
        end, _, _ = convex.descend(
            problem, chain.begun[k], chain.how, np.random.Generator(np.random.PCG64(chain.streams[k]))
        )
        logits = units @ after.weights[k, -seen.shape[1] :].astype(float)
        assert logits == pytest.approx(seen @ end, abs=1e-4), "folded back into the network's own last layer"
    assert len(set(found)) == MODELS and (found < 1).all() and (found > 0).all()
    assert (after.eo_weight == fair).all()


def test_the_fair_term_narrows_the_difference_of_the_groups():
    def between(name, **more):
        owner, after, _, _ = made(name, steps=3000, noise=1e-4, **more)
        each = []
        for k in range(MODELS):
            logits = owner.x @ after.weights[k, :-1].astype(float) + after.weights[k, -1]
            cells = [[logits[(owner.y == y) & (owner.a == a)].mean() for a in (0, 1)] for y in (0, 1)]
            each.append(sum(abs(one - zero) for zero, one in cells))
        return np.mean(each)

    plain, none, fair = (
        between("noisy-rehearsal"),
        between("noisy-fft", fair_weight=0),
        between("noisy-fft", fair_weight=1),
    )
    assert plain == none and fair < 0.5 * plain


def test_a_restart_is_certified_whatever_the_network():
    for model in ("logistic", "mlp"):
        found = certified("noisy-restart", model, shrink=0.1, radius=2.0, noise=0.5)
        assert found == pytest.approx([float(certificates.advantage(0.8))] * MODELS)


def test_a_network_stands_on_layers_that_do_not_know_the_world():
    owner, after, _, _ = made("noisy-rehearsal", "mlp")
    size = convex.last(owner.fitter.build.sides)
    first = initial_weights(owner.fitter.build, owner.seeds)
    assert np.array_equal(after.weights[:, :-size], first[:, :-size])
    owner, after, _, _ = made("noisy-rehearsal", "mlp", features="public")
    trained = owner.train(owner.public)[0].weights
    assert np.array_equal(after.weights[:, :-size], trained[:, :-size])
    for base in ("base", "draw", "complement"):  # what they are made of is in no row of the owner
        assert not np.isin(owner.public, getattr(owner, base)).all()


def test_the_start_is_what_knows_the_world():
    """Of a logistic regression M_0; of a network the last layer that fits S_0 best. Without enough steps it shows."""
    owner, _, _, _ = made("noisy-rehearsal", steps=5)
    (chain,) = owner.ledger
    assert chain.begun == pytest.approx(np.stack([convex.projected(w, 3.0) for w in owner.population.weights]))
    owner, _, _, _ = made("noisy-rehearsal", "mlp", radius=1e6)
    (chain,) = owner.ledger
    rows = np.sort(owner.base[0])
    mixed = convex.below_last(owner.x[chain.rows[0]], chain.trunk[0], owner.fitter.build.sides)
    x = convex.Scale.of(mixed)(convex.below_last(owner.x[rows], chain.trunk[0], owner.fitter.build.sides))
    problem = convex.Problem(x, owner.y[rows], owner.a[rows], ridge=0.02)
    assert np.linalg.norm(problem.gradient(chain.begun[0])) < 1e-6


def test_what_is_computed_is_a_function_of_the_set_of_rows():
    owner, _, plugin, _ = made("noisy-rehearsal")
    how, rows = owner.ledger[0].how, mixture(owner, 0.5)
    found = [_noisy.descend(owners().owner(plugin), some, how, "initial").weights for some in (rows, rows[:, ::-1])]
    assert found[0].tobytes() == found[1].tobytes()


# What voids it.


def test_another_share_is_not_certified():
    assert void(certified("scratch", rehearsal=0.4))
    assert void(certified("scratch-fair", rehearsal=0.6))


def test_a_complement_that_shares_a_row_is_not_certified():
    def overlap(owner):
        owner.complement = owner.complement.copy()
        owner.complement[1, 0] = owner.draw[1, 0]

    for name in CERTIFIED:
        found = certified(name, change=overlap)
        assert np.isnan(found).tolist() == [False, True, False, False], "that model, and no other"


def test_counts_off_by_one_are_not_certified():
    """The composition of a fine-tuning set that was rounded apart, row by row."""

    class Off(Mixing):
        def parts(self, rehearsal, share=1.0):
            own, rest = super().parts(rehearsal, share)
            first, second = list(rest)
            return own, {**rest, first: rest[first] + 1, second: rest[second] - 1}

        def shared(self, share=1.0):
            return Mixing(*self).shared(share)

    def off(owner):
        owner.mixing = Off(*owner.mixing)

    for name in CERTIFIED:
        assert void(certified(name, change=off)), name


def test_worlds_that_do_not_share_a_composition_are_not_certified():
    assert Mixing((0.3, 0.5), 200, "natural", 0.4).shared() == {(None, 0): 120, (None, 1): 80}
    assert Mixing((0.3, 0.5), 200, "natural", 0.4).shared(0.05) == {(None, 0): 6, (None, 1): 4}
    assert Mixing((0.3, 0.5), 200, "natural", 0.4, slipped=3).shared() is None


def test_poisoned_models_are_not_certified():
    def poison(owner):
        owner.mixing = owner.mixing._replace(slipped=2)

    for name in CERTIFIED:
        assert void(certified(name, change=poison)), name


def test_no_complement_no_certificate():
    def without(owner):
        owner.complement = owner.complement[:, :0]

    owner, _, plugin, own = made("scratch")
    without(owner)
    assert void(plugin.certify(owner, own))


CHANGES = {
    "two trainings": lambda ledger: ledger * 2,
    "none": lambda ledger: [],
    "from M_0": lambda ledger: [dataclasses.replace(ledger[0], start=np.zeros((MODELS, 7)))],
    "rows beside the mixture": lambda ledger: [dataclasses.replace(ledger[0], beside=True)],
    "other labels": lambda ledger: [dataclasses.replace(ledger[0], plain=False)],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_ledger_that_shows_more_is_not_certified(change):
    owner, _, plugin, own = made("scratch")
    owner.ledger = CHANGES[change](owner.ledger)
    assert void(plugin.certify(owner, own))


def test_a_training_of_some_models_certifies_these():
    owner, _, plugin, own = made("scratch")
    (entry,) = owner.ledger
    owner.ledger = [dataclasses.replace(entry, part=np.array([0, 2]), rows=entry.rows[[0, 2]])]
    assert np.isnan(plugin.certify(owner, own)).tolist() == [False, True, False, True]


BROKEN = {
    "noise off": lambda chain: {"drawn": chain.drawn * 0},
    "half the noise": lambda chain: {"drawn": chain.drawn / 2},
    "projection off": lambda chain: {"begun": chain.begun * 100},
    "a start that is no number": lambda chain: {"begun": chain.begun * np.nan},
    "step too long": lambda chain: {"step": chain.step * 2},
    "not convex": lambda chain: {"low": chain.low * 0},
    "not smooth": lambda chain: {"high": chain.high * np.inf},
    "one stream for all": lambda chain: {"streams": chain.streams[[0, 0, 0, 0]]},
    "a model's own seed": lambda chain: {"streams": np.array([derive(7, "case", k) for k in range(MODELS)])},
    "other rows of S_0": lambda chain: {"rows": np.sort(owners().rows, axis=1)},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_chain_is_not_certified(broken):
    owner, _, plugin, own = made("noisy-rehearsal", steps=30)
    assert np.isfinite(plugin.certify(owner, own)).all()
    owner.ledger = [dataclasses.replace(owner.ledger[0], **BROKEN[broken](owner.ledger[0]))]
    assert void(plugin.certify(owner, own))


def test_a_shorter_step_is_certified_at_what_it_contracts():
    owner, _, plugin, own = made("noisy-rehearsal", steps=30, noise=1.0)
    usual = plugin.certify(owner, own)
    owner.ledger = [dataclasses.replace(owner.ledger[0], step=owner.ledger[0].step * 0.8)]
    assert (plugin.certify(owner, own) > usual).all()


def test_layers_that_may_know_the_world_are_not_certified():
    owner, _, plugin, own = made("noisy-rehearsal", "mlp", features="public")
    trunk, chain = owner.ledger
    assert np.isfinite(plugin.certify(owner, own)).all()
    for change in ({"rows": owner.base}, {"start": owner.population.weights}, {"beside": True}):
        owner.ledger = [dataclasses.replace(trunk, **change), chain]
        assert void(plugin.certify(owner, own))
    owner.ledger = [trunk, chain]
    owner.public = owner.public.copy()
    owner.public[2, 0] = owner.draw[2, 5]
    owner.ledger = [dataclasses.replace(trunk, rows=owner.public), chain]
    assert void(plugin.certify(owner, own))


def test_a_training_that_did_not_start_from_the_restart_is_not_certified():
    owner, _, plugin, own = made("noisy-restart", "mlp")
    restart, training = owner.ledger
    assert isinstance(restart, Restarted) and isinstance(training, Trained)
    for change in ({"start": restart.made + 1}, {"start": None}, {"beside": True}, {"rows": owner.base}):
        owner.ledger = [restart, dataclasses.replace(training, **change)]
        assert void(plugin.certify(owner, own))
    for change in ({"noise": 0.0}, {"drawn": 0 * restart.drawn}, {"drawn": restart.drawn / 20}):
        owner.ledger = [dataclasses.replace(restart, **change), training]
        assert void(plugin.certify(owner, own))
    owner.ledger = [dataclasses.replace(restart, noise=0.0), training]
    assert void(plugin.certify(owner, own))


def test_the_noise_that_was_drawn_is_held_against_what_was_asked_for():
    rng = np.random.default_rng(0)
    rms = np.sqrt(np.mean((0.3 * rng.standard_normal((2000, 140))) ** 2, axis=1))
    assert _ledger.as_asked(rms, 0.3, 140).all()
    assert not _ledger.as_asked(rms, 0.9, 140).any() and not _ledger.as_asked(rms, 0.0, 140).any()


# The worst case.


def test_the_worst_case_is_near_certain_before_and_nothing_after_forgetting():
    few = _noisy.worst_cases(made("noisy-rehearsal", steps=1, noise=0.01)[0])
    assert (few > 10).all()
    many = _noisy.worst_cases(made("noisy-rehearsal", steps=3000, noise=0.01)[0])
    assert np.abs(many).max() < 1e-6


def test_the_worst_case_has_noise_and_a_start_of_its_own():
    owner, _, _, _ = made("noisy-rehearsal", steps=3, noise=1.0)
    first = _noisy.worst_cases(owner)
    assert np.array_equal(first, _noisy.worst_cases(owner)) and len(set(first)) == MODELS
    assert np.isnan(_noisy.worst_cases(made("scratch")[0])).all()


def test_of_a_restart_the_worst_case_is_the_certificate():
    """Two normal laws 2 a R apart, whatever the network; 60 models' worth of seeds."""
    owner, _, _, _ = made("noisy-restart", shrink=0.1, radius=2.0, noise=0.4)
    (entry,) = [one for one in owner.ledger if isinstance(one, Restarted)]
    found = []
    for i in range(400):
        owner.seeds = np.array([derive(9, "more", i, k) for k in range(MODELS)])
        found.append(_noisy.worst_cases(owner))
    right = np.mean(np.concatenate(found) > 0)
    allowed = (1 + float(certificates.advantage(certificates.of_restart(0.1, 2.0, 0.4)))) / 2
    assert entry.shrink == 0.1 and right == pytest.approx(allowed, abs=4 * np.sqrt(0.25 / 1600))


def test_rows_of_a_smaller_share_are_among_those_of_a_larger():
    owner, _, _, _ = made("scratch")
    whole, small = mixture(owner, 0.5), mixture(owner, 0.5, 0.25)
    assert small.shape == (MODELS, ROWS // 4)
    shared = [np.isin(few, many).mean() for few, many in zip(small, whole, strict=True)]
    assert np.mean(shared) > 0.95


# What is released must be what came of the training.


def released(plugin, **settings) -> np.ndarray:
    """Return what is certified of the models that a plugin returns, as the stage writes it."""
    own = plugin.Settings(**settings)
    owner = owners().owner(plugin, settings=own)
    weights = plugin.apply(owner, own).weights.astype(np.float32)
    return defend.certified(plugin, owner, weights, own)


def variant(name: str, after, **more):
    """Return a defence that goes on with the models of another: after(owner, made) returns those that it releases."""
    parent = type(plugins.load("defences", name))

    def apply(self, owner, own):
        return after(owner, parent.apply(self, owner, own))

    return type("Variant", (parent,), {"apply": apply, **more})()


CHAIN = {"steps": 50, "noise": 0.1}


def test_what_a_defence_returns_is_what_was_certified():
    same = lambda owner, made: made  # noqa: E731
    assert not np.isnan(released(variant("noisy-rehearsal", same), **CHAIN)).any()
    assert released(variant("scratch", same)).tolist() == [0.0] * MODELS


def test_other_models_than_those_that_were_trained_have_no_certificate():
    base = lambda owner, made: owner.population  # noqa: E731
    assert void(released(variant("noisy-rehearsal", base), **CHAIN)) and void(released(variant("scratch", base)))
    mean = lambda owner, made: dataclasses.replace(made, weights=(made.weights + owner.population.weights) / 2)  # noqa: E731
    assert void(released(variant("scratch", mean)))


def test_public_rows_with_the_answers_of_the_base_model_are_not_public():
    def told(owner, made):
        return owner.train(owner.public, targets=owner.predict(owner.population.weights, owner.public))[0]

    more = {"public": True, "wants": ("targets",), "publishes": lambda self, own: True}
    assert void(released(variant("noisy-rehearsal", told, **more), **CHAIN))


def test_a_restart_without_projection_has_no_certificate(monkeypatch):
    restart = plugins.load("defences", "noisy-restart")
    assert not np.isnan(released(restart, shrink=0.1, radius=2.0, noise=0.5)).any()
    monkeypatch.setattr(convex, "projected", lambda w, radius: np.asarray(w, dtype=np.float64) * 1000)
    assert void(released(restart, shrink=0.1, radius=2.0, noise=0.5))


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_public_rows_alone_are_certified_at_0(model):
    owner, found, plugin, own = made("public-only", model)
    assert plugin.certify(owner, own).tolist() == [0.0] * MODELS and found.finite.all()
    again, _, _, _ = made("public-only", model)
    plugin.apply(again, own)
    assert void(plugin.certify(again, own)), "trained twice"
    mixed, _, _, _ = made("public-only", model)
    mixed.public[0, 0] = mixed.draw[0, 0]
    assert void(plugin.certify(mixed, own)), "a row of S_0 among them"
