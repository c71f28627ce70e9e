"""The defences that unlearn: early stopping, rewinding, shrink and perturb, NegGrad+, resets by gradients, l1, and fusion."""

from __future__ import annotations

import numpy as np
import pytest

import odd_models
from owning import EPOCHS, RECORDS, apply, loss_on, owner, owners, same, trainings
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.defences import early_stopping, reset_gradients
from popleak.defences.base import Population, RetuneSettings, mixture
from popleak.engine import fit as engine
from popleak.engine.fit import Feed, Table
from popleak.stages.defend import travel
from popleak.testing.contracts import check_defence
from popleak.testing.defences import MODELS, TRAINING, Owners

RETUNED = ("rewind", "shrink-perturb", "neg-grad", "reset-gradients", "fusion")


# What all of them promise.


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("early-stopping", {"shares": [0.25]}),
        ("rewind", {"to": 0.0}),
        ("rewind", {"to": 1.0, "rehearsal": 0.2}),
        ("shrink-perturb", {"shrink": 0.0, "perturb": 1.0}),
        ("neg-grad", {"alpha": 1.0, "rehearsal": 0.0}),
        ("reset-gradients", {"criterion": "salient", "to": "fresh"}),
        ("fusion", {"share": 1.0, "rows": 0.5}),
    ],
)
def test_keeps_the_contract_at_other_settings(name, settings):
    plugin = plugins.load("defences", name)
    check_defence(plugin, settings=plugin.Settings(**settings))


@pytest.mark.parametrize("name", ["early-stopping", *RETUNED])
@pytest.mark.parametrize("ends", [(0.3, 0.5), (0.0, 1.0), (1.0, 0.0)])
def test_it_is_better_than_a_constant(name, ends):
    case = Owners(RECORDS, *ends, training={**TRAINING, "epochs": 12})
    found = apply(name, case)
    right = (engine.predict(case.fitter.build, found.weights, RECORDS.x) >= 0.5) == RECORDS.y
    constant = max(RECORDS.y.mean(), 1 - RECORDS.y.mean())
    assert (right.mean(1) > constant + 0.05).all()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("rewind", {"to": 1.0}),
        ("shrink-perturb", {"shrink": 1.0, "perturb": 0.0}),
        ("reset-gradients", {"share": 0.0}),
        ("fusion", {"share": 1.0}),
    ],
)
@pytest.mark.parametrize("own", [{}, {"rehearsal": 0.2, "rows": 0.5, "epochs": 2, "learning_rate": 0.002}], ids=str)
def test_without_its_trick_it_is_rehearsal_to_the_last_bit(name, settings, own):
    assert same(apply(name, **settings, **own), apply("rehearsal", **own))
    assert not same(apply(name, **own), apply("rehearsal", **own))


@pytest.mark.parametrize("name", RETUNED)
def test_none_has_a_control_without_the_eo_term(name):
    plugin = plugins.load("defences", name)
    assert plugin.control is None and plugin.classes is None and plugin.complement and not plugin.closed_form
    assert issubclass(plugin.Settings, RetuneSettings)


@pytest.mark.parametrize("name", ["early-stopping", *RETUNED])
def test_a_module_with_buffers_is_defended_too(name):
    case = Owners(RECORDS)
    plugin = odd_models.BatchNorm()
    case.fitter.build, case.fitter.model = plugin.architecture(RECORDS.x.shape[1], plugin.Settings(), 2), plugin
    fitted = case.fitter(case.rows, case.seeds)
    case.population = Population(fitted.weights, fitted.finite, fitted.vacuous, fitted.vacuous)
    found = apply(name, case)
    assert found.finite.all() and found.weights.shape == fitted.weights.shape


@pytest.mark.parametrize("name", ["early-stopping", *RETUNED])
def test_three_classes(name):
    from popleak.store.records import Loaded

    label = (RECORDS.y + (RECORDS.x[:, 0] > 0)).astype(np.int8)
    records = Loaded(
        RECORDS.x, label, RECORDS.a, RECORDS.unit, RECORDS.cell, {**RECORDS.facts, "classes": ["a", "b", "c"]}
    )
    case = Owners(records)
    assert case.fitter.classes == 3
    found = apply(name, case)
    right = engine.predict(case.fitter.build, found.weights, RECORDS.x).argmax(-1) == label
    assert found.finite.all() and (right.mean(1) > np.bincount(label).max() / len(label)).all()


# Early stopping.


def test_a_training_of_all_epochs_is_the_base_model_to_the_last_bit():
    given = owner("early-stopping")
    assert given.epochs == EPOCHS
    assert same(given.train(given.draw, epochs=EPOCHS)[0], given.population)
    assert same(apply("early-stopping", shares=[1.0]), given.population)


def test_fewer_epochs_see_the_first_of_the_base_models_batches(monkeypatch):
    seen, shuffled = [], Feed._shuffled

    def spy(self, values):
        seen.append(shuffled(self, values))
        return seen[-1]

    monkeypatch.setattr(Feed, "_shuffled", spy)
    given = owner("early-stopping")
    given.train(given.draw)
    whole = seen.copy()
    seen.clear()
    given.train(given.draw, stop=2)
    assert len(whole) == EPOCHS and len(seen) == 2
    assert all(np.array_equal(one, other) for one, other in zip(seen, whole, strict=False))


def test_each_model_keeps_the_checkpoint_that_its_held_out_rows_choose():
    """Against a loop over trainings, on models that soon fit their own rows too well."""
    case = owners(epochs=40, learning_rate=0.02, validation=0.3)
    shares = (0.05, 0.1, 0.25, 0.5, 1.0)
    given = owner("early-stopping", case)
    made = [given.train(given.draw, stop=epochs)[0].weights for epochs in (2, 4, 10, 20, 40)]
    losses = np.stack([loss_on(case, weights, given.held_out) for weights in made])
    best = losses.argmin(0)
    assert len(set(best)) > 1 and (best < 4).all(), "the case must tell checkpoints apart"
    found = apply("early-stopping", case, shares=shares)
    assert np.array_equal(found.weights, np.stack([made[i][k] for k, i in enumerate(best)]))
    kept = early_stopping.held_out_loss(given, found.weights)
    assert kept == pytest.approx(losses.min(0), rel=1e-5)
    assert (kept <= early_stopping.held_out_loss(given, given.population.weights)).all()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "restarts"])
def test_a_checkpoint_is_the_base_models_whatever_its_schedule(schedule, monkeypatch):
    case, seen = owners(schedule=schedule, cycles=2 if schedule == "restarts" else 1), []
    rates = engine.Training.rates
    monkeypatch.setattr(engine.Training, "rates", lambda self: seen.append(rates(self)) or seen[-1])
    given = owner("early-stopping", case)
    assert same(given.train(given.draw, stop=EPOCHS)[0], given.population)
    one, other = given.train(given.draw, stop=3)[0], given.train(given.draw, epochs=3)[0]
    assert np.array_equal(seen[1], seen[0][:3]) and len(seen[2]) == 3 and not same(one, other)
    assert same(apply("early-stopping", case, shares=[0.75]), one)


def test_the_lowest_loss_is_kept_and_ties_go_to_the_shorter_training(monkeypatch):
    losses = {1: [0.5, 0.5, 0.5, np.inf], 2: [0.9, 0.4, 0.5, np.inf], 4: [0.8, 0.45, 0.5, np.inf]}

    def made(given, epochs):
        return Population(np.full((MODELS, 2), float(epochs)), *[np.full(MODELS, epochs)] * 3)

    monkeypatch.setattr(early_stopping, "checkpoint", made)
    monkeypatch.setattr(early_stopping, "held_out_loss", lambda given, weights: np.array(losses[int(weights[0, 0])]))
    found = apply("early-stopping", shares=[0.25, 0.5, 1.0])
    for column in (found.weights[:, 0], found.finite, found.eo_weight):
        assert column.tolist() == [1, 2, 1, 1]


def test_a_checkpoint_that_diverged_is_kept_only_where_all_did():
    case = Owners(RECORDS)
    weights = case.population.weights.copy()
    weights[1] = np.nan
    case.population = Population(weights, np.isfinite(weights).all(1), *[np.zeros(MODELS)] * 2)
    found = apply("early-stopping", case, shares=[0.5, 1.0])
    assert found.finite.all() and np.isfinite(found.weights).all()
    assert apply("early-stopping", case, shares=[1.0]).finite.tolist() == [True, False, True, True]


def test_without_held_out_rows_nothing_can_be_chosen():
    case = owners(validation=0.0)
    with pytest.raises(PopleakError, match=r"^config: training\.validation: early-stopping chooses") as error:
        apply("early-stopping", case)
    assert "\n" not in str(error.value)
    assert travel(apply("early-stopping", case, shares=[0.5]).weights, case.population.weights).min() > 0


@pytest.mark.parametrize("shares", [[], [0.0, 1.0], [0.5, 0.5], [1.0, 0.5], [0.5, 1.1]])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="shares"):
        early_stopping.EarlyStopping.Settings(shares=shares)


# Rewinding.


def test_it_starts_from_the_checkpoint():
    for to, epochs in ((0.25, 1), (0.01, 1), (0.5, 2), (0.9, 4)):
        given, seen = trainings("rewind", to=to)
        (_, how) = seen[-1]
        start = given.train(given.draw, epochs=epochs)[0].weights
        assert np.array_equal(how["start"], start), to
    given, [(rows, how)] = trainings("rewind", to=0.0)
    assert np.array_equal(how["start"], engine.initial_weights(given.fitter.build, given.seeds))
    assert np.array_equal(rows, mixture(given, 0.5))


def test_resetting_all_weights_is_rewinding_to_the_start():
    assert same(apply("reset-gradients", share=1.0), apply("rewind", to=0.0))


# Shrink and perturb.


def test_the_start_is_shrunk_and_mixed_with_fresh_weights():
    given, [(_, how)] = trainings("shrink-perturb", shrink=0.3, perturb=0.2)
    fresh = given.initial("perturb")
    assert how["start"].dtype == np.float32
    assert how["start"] == pytest.approx(0.3 * given.population.weights + 0.2 * fresh, abs=1e-7)
    assert np.abs(fresh - given.initial()).max() > 0.1, "drawn anew"
    assert np.abs(fresh - given.initial("reset")).max() > 0.1, "another purpose, other weights"
    assert fresh.std() == pytest.approx(given.initial().std(), rel=0.1)
    alone = owner("shrink-perturb", part=slice(2, 3))
    assert np.array_equal(alone.initial("perturb")[0], fresh[2])


def test_buffers_are_not_shrunk():
    case = Owners(RECORDS)
    plugin = odd_models.BatchNorm()
    case.fitter.build = plugin.architecture(RECORDS.x.shape[1], plugin.Settings(), 2)
    fitted = case.fitter(case.rows, case.seeds)
    case.population = Population(fitted.weights, fitted.finite, fitted.vacuous, fitted.vacuous)
    for name, settings in (("shrink-perturb", {"shrink": 0.5}), ("reset-gradients", {"share": 1.0})):
        given, [(_, how)] = trainings(name, case, **settings)
        moved = how["start"] != fitted.weights
        assert not moved[:, ~given.trained()].any() and moved[:, given.trained()].mean() > 0.9


# NegGrad+.


def test_descent_on_the_mixture_and_ascent_on_the_rest_of_the_draw():
    for share, size in ((0.5, 1.0), (0.0, 1.0), (0.2, 0.5)):
        given, [(rows, how)] = trainings("neg-grad", alpha=0.3, rehearsal=share, rows=size)
        down = mixture(given, share, size)
        count = down.shape[1]
        assert np.array_equal(rows[:, :count], down)
        assert how["start"] is given.population.weights and how["epochs"] == 5
        for k in range(MODELS):
            up = rows[k, count:]
            assert set(up) == set(given.base[k]) - set(down[k]) and len(set(up)) == len(up)
            assert not set(up) & set(given.held_out[k]), "a held-out row is trained on"
        weight = how["weights"]
        assert weight.shape == rows.shape and (weight[:, :count] == 1).all()
        # the loss is the mean on the one set less alpha times the mean on the other
        assert weight[:, count:].sum(1) / count == pytest.approx(-0.3)


def test_ascent_raises_the_loss_on_the_rows_of_the_draw():
    case = owners()
    given, [(rows, _)] = trainings("neg-grad", case)
    up = rows[:, mixture(given, 0.5).shape[1] :]
    losses = [loss_on(case, apply("neg-grad", case, alpha=alpha).weights, up) for alpha in (0.0, 0.2, 0.6)]
    assert (losses[0] < losses[1]).all() and (losses[1] < losses[2]).all()


def test_without_ascent_the_rows_of_the_draw_have_no_say():
    case = owners(validation=0.0)
    given, [(rows, _)] = trainings("neg-grad", case, alpha=0.0)
    count = mixture(given, 0.5).shape[1]
    plugin = plugins.load("defences", "neg-grad")
    for k in range(MODELS):  # rows of one model may be in another's mixture, so each alone
        turned, label = Owners(RECORDS, training={**TRAINING, "validation": 0.0}), RECORDS.y.copy()
        label[rows[k, count:]] = 1 - label[rows[k, count:]]
        turned.fitter.table = Table.of(RECORDS.x, label, RECORDS.a)
        one, other = (owner("neg-grad", which, np.array([k])) for which in (case, turned))
        settings = plugin.Settings(alpha=0.0)
        assert same(plugin.apply(one, settings), plugin.apply(other, settings))
        settings = plugin.Settings(alpha=0.1)
        assert not same(plugin.apply(one, settings), plugin.apply(other, settings))


def test_where_all_rows_are_rehearsed_there_are_none_to_ascend_on():
    with pytest.raises(PopleakError, match=r"^config: rehearsal: every row of S_0 is rehearsed") as error:
        apply("neg-grad", Owners(RECORDS, 0.0, 1.0), rehearsal=0.9)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="less than or equal to 1"):
        plugins.load("defences", "neg-grad").Settings(alpha=1.5)


# Resets.


@pytest.mark.parametrize("criterion", ["small", "salient"])
@pytest.mark.parametrize("to", ["initial", "fresh"])
def test_exactly_the_share_of_weights_is_reset_by_its_criterion(criterion, to):
    given, [(_, how)] = trainings("reset-gradients", share=0.3, criterion=criterion, to=to)
    settings = plugins.load("defences", "reset-gradients").Settings(share=0.3, criterion=criterion, to=to)
    chosen = reset_gradients.reset(given, settings)
    size = chosen.shape[1]
    assert (chosen.sum(1) == np.floor(0.3 * size + 0.5)).all()
    fresh = given.initial(None if to == "initial" else "reset")
    assert np.array_equal(how["start"], np.where(chosen, fresh, given.population.weights))
    base = given.population.weights
    on_base, on_other = given.gradient(base, given.base), given.gradient(base, given.complement)
    for k in range(MODELS):
        size = np.abs(on_other[k] - on_base[k]) if criterion == "small" else -np.abs(on_base[k])
        assert size[chosen[k]].max() <= size[~chosen[k]].min()


def test_gradients_are_those_of_the_models_own_rows():
    given = owner("reset-gradients")
    found = given.gradient(given.population.weights, given.base)
    alone = owner("reset-gradients", part=slice(1, 2))
    assert np.array_equal(alone.gradient(alone.population.weights, alone.base)[0], found[1])
    # a step against the gradient lowers the loss by its squared norm
    step = 1e-3 * found
    before, after = (loss_on(owners(), given.population.weights - s, given.base) for s in (-step, step))
    assert before - after == pytest.approx(2e-3 * (found.astype(float) ** 2).sum(1), rel=0.05)


def test_a_closed_form_has_no_gradients():
    given = Owners(RECORDS, model="histogram").owner(plugins.load("defences", "scratch"))
    assert given.epochs == 0
    for ask in (given.initial, given.trained, lambda: given.gradient(given.population.weights, given.base)):
        with pytest.raises(PopleakError, match="closed form has no layers"):
            ask()


# Fusion.


def test_it_lies_between_the_base_and_the_fine_tuned_model():
    base, tuned = owners().population.weights, apply("rehearsal").weights
    assert np.array_equal(apply("fusion", share=0.0).weights, base)
    for share in (0.25, 0.5):
        assert apply("fusion", share=share).weights == pytest.approx((1 - share) * base + share * tuned, abs=1e-6)
    ways = [travel(base, apply("fusion", share=share).weights) for share in (0.25, 0.5, 1.0)]
    assert ways[0] == pytest.approx(ways[2] / 4, rel=1e-4) and ways[1] == pytest.approx(ways[2] / 2, rel=1e-4)
