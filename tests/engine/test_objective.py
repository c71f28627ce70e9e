"""What training can be asked for, against one model at a time in plain torch: weights, targets, mask, clipping and noise."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import plain_loop
from objectives import (
    DRAWN,
    FEATURES,
    LABELS,
    MODELS,
    ROWS,
    SEEDS,
    TOLERANCE,
    TRAINING,
    WHAT,
    largest,
    made,
    objective,
    table,
    targets,
    through_vmap,
)  # fmt: skip
from odd_models import BatchNorm, Dropout, Frozen, build
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from popleak.engine import fit as engine
from popleak.engine.eo import Penalty
from popleak.engine.fit import (
    Objective,
    fit,
    initial_weights,
    last_layer,
    predict_rows,
)  # fmt: skip
from popleak.engine.stacked import Stacked

pytestmark = pytest.mark.slow


@pytest.fixture(params=["chain", "smooth", "image", "smooth stacked", "image stacked"])
def kind(request, monkeypatch):
    """A chain, a module alone, one on images, and the two as they are stacked on a GPU."""
    name, _, stacked = request.param.partition(" ")
    if stacked:
        through_vmap(monkeypatch, 2)  # of three models: a stack of two and one of one
    return name


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_a_plain_loop(kind, classes, what):
    make, data = made(kind, classes), table(kind, classes)
    aim = objective(what, classes, make)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim or Objective(), stack=2)
    assert largest(make, data, fitted, aim) < TOLERANCE[np.float64]
    without = fit(make, data, DRAWN, SEEDS, TRAINING, stack=2)
    moved = np.abs(fitted.weights - without.weights).max()
    assert (moved == 0) if what == "plain" else (moved > 1e-4), "what is asked for must do something"


@pytest.mark.parametrize("what", ["plain", "all"])
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_a_plain_loop_in_single_precision(kind, classes, what):
    make, data = made(kind, classes), table(kind, classes, np.float32)
    aim = objective(what, classes, make)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim or Objective(), stack=2)
    assert fitted.weights.dtype == np.float32
    assert largest(make, data, fitted, aim) < TOLERANCE[np.float32]


@pytest.mark.parametrize("classes", [2, 4])
def test_the_penalty_equals_autograd(kind, classes):
    """Method section 2 for two classes; for more the mean absolute difference of the groups' mean probability vectors."""
    make, data = made(kind, classes), table(kind, classes)
    aim = Objective(weights=generator("weights").random(DRAWN.shape))
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, penalty=Penalty(1.5), objective=aim, stack=2)
    assert largest(make, data, fitted, aim, eo_weight=1.5) < TOLERANCE[np.float64]
    assert largest(make, data, fitted, aim, eo_weight=1.4) > 1e-6, "the comparison can fail"
    assert (fitted.vacuous < 1).all()


@pytest.mark.parametrize("change", [{"learning_rate": 3e-3}, {"epochs": 2}, {"weight_decay": 0.0}])
def test_a_training_of_its_own(kind, change):
    """A fine-tuning with its own learning rate, epochs or decay is a `Training` of its own."""
    make, data, own = made(kind, 4), table(kind, 4), TRAINING.model_copy(update=change)
    fitted = fit(make, data, DRAWN, SEEDS, own, stack=2)
    alone = plain_loop.train(make, data, DRAWN[1], SEEDS[1], own)
    assert np.abs(fitted.weights[1, : len(alone)] - alone).max() < TOLERANCE[np.float64]
    assert np.abs(fitted.weights - fit(make, data, DRAWN, SEEDS, TRAINING, stack=2).weights).max() > 1e-5


@pytest.mark.parametrize("what", ["weights", "hard targets", "mask", "clip and noise"])
def test_a_models_bits_depend_on_no_neighbour(what):
    for kind in ("chain", "smooth", "image"):
        make, data = made(kind, 4), table(kind, 4, np.float32)
        aim = objective(what, 4, make)
        among = fit(make, data, DRAWN, SEEDS, TRAINING, objective=aim)
        alone = fit(make, data, DRAWN[1:2], SEEDS[1:2], TRAINING, objective=aim.part(slice(1, 2)))
        for name in ("weights", "validation_loss"):
            assert getattr(among, name)[1].tobytes() == getattr(alone, name)[0].tobytes()


def test_a_weight_is_a_number_of_copies():
    """Rows of weight 0 count for nothing, and one of weight 2 as two: one step, and all rows in it."""
    whole = TRAINING.model_copy(update={"epochs": 1, "batch": 4096, "validation": 0.0})
    twice, make = np.concatenate([DRAWN, DRAWN[:, :40]], 1), made("smooth", 2)
    weights = np.r_[np.full(40, 2.0), np.ones(ROWS - 40), np.zeros(40)][None].repeat(MODELS, 0)
    start = initial_weights(make, SEEDS, np.float64)
    copied = fit(make, table("smooth", 2), twice, SEEDS, whole, start=start)
    weighted = fit(make, table("smooth", 2), twice, SEEDS, whole, start=start, objective=Objective(weights=weights))
    assert np.abs(copied.weights - weighted.weights).max() < 1e-9
    assert np.abs(copied.weights - fit(make, table("smooth", 2), DRAWN, SEEDS, whole, start=start).weights).max() > 1e-6


def test_targets_that_are_the_labels_change_nothing():
    for classes in (2, 4):
        labels, make, data = LABELS[classes][DRAWN], made("smooth", classes), table("smooth", classes)
        plain = fit(make, data, DRAWN, SEEDS, TRAINING)
        soft = labels.astype(float) if classes == 2 else np.eye(classes)[labels]
        for same in (labels, labels.astype(np.int8), soft):
            found = fit(make, data, DRAWN, SEEDS, TRAINING, objective=Objective(targets=same))
            assert found.weights.tobytes() == plain.weights.tobytes()
            assert found.validation_loss == pytest.approx(plain.validation_loss, abs=1e-12)


def test_the_validation_loss_is_of_what_is_aimed_at():
    aim, make = Objective(targets("soft", 4), generator("w").random(DRAWN.shape)), made("smooth", 4)
    fitted = fit(make, table("smooth", 4), DRAWN, SEEDS, TRAINING, objective=aim)
    places = np.broadcast_to(np.arange(ROWS), DRAWN.shape)
    held = engine.hold_out(places, SEEDS, TRAINING.validation)[1]
    p = predict_rows(make, fitted.weights, table("smooth", 4), np.take_along_axis(DRAWN, held, 1)).astype(float)
    towards = aim.at(held)
    expected = (-(towards.targets * np.log(p)).sum(2) * towards.weights).mean(1)
    assert fitted.validation_loss == pytest.approx(expected, abs=1e-6)


def test_the_last_layer_and_nothing_else_is_trained():
    for make, size in ((made("chain", 4), 6 * 4), (made("image", 4), 97 * 4), (build(Frozen(), FEATURES), 9)):
        mask, data = last_layer(make), table("image" if size == 388 else "chain", 2 if size == 9 else 4)
        assert mask.sum() == size
        begin = initial_weights(make, SEEDS, np.float64)
        assert mask.shape == begin.shape[1:]
        found = fit(make, data, DRAWN, SEEDS, TRAINING, objective=Objective(mask=mask)).weights
        assert np.array_equal(found[:, ~mask], begin[:, ~mask]) and (found[:, mask] != begin[:, mask]).all()


def test_noise_is_as_large_as_it_says():
    """A clip so small that the gradient is nothing beside the noise leaves N(0, (noise * clip / rows)^2), another in each model."""
    clip, noise, start = 1e-3, 50.0, np.zeros((MODELS, 14))
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(FEATURES, 1)

        def forward(self, x):
            return self.inner(x).tanh()

    step, once = Stacked.train.__globals__["Adam"].step, TRAINING.model_copy(update={"weight_decay": 0.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "popleak.engine.stacked.Adam.step", lambda self, grad: (seen.append(grad.numpy().copy()), step(self, grad))
        )
        fit(Watch, table("smooth", 2), DRAWN, SEEDS, once, start=start, objective=Objective(clip=clip, noise=noise))
    drawn = np.concatenate(seen) * 32 / (noise * clip)  # steps of 32 rows, and the last of each epoch of 22
    full = drawn[np.arange(len(drawn)) % 3 != 2]
    assert full.std() == pytest.approx(1, abs=0.15) and abs(full.mean()) < 0.1
    assert len(np.unique(full)) == full.size


def test_the_noise_of_a_model_follows_its_seed_and_purpose():
    make, data, aim = made("chain", 2), table("chain", 2), Objective(clip=0.1, noise=2.0)
    start = initial_weights(make, SEEDS, np.float64)
    first, again = (fit(make, data, DRAWN, SEEDS, TRAINING, start=start, objective=aim).weights for _ in range(2))
    assert first.tobytes() == again.tobytes()
    tuned = fit(make, data, DRAWN, SEEDS, TRAINING, start=start, objective=aim, purpose="fine-tune").weights
    assert np.abs(first - tuned).max() > 1e-3


def test_a_module_that_draws_clips_what_it_drew():
    """Dropout: the gradients that are clipped are of the pass that gave the scores. A clip beyond reach changes nothing."""
    make, data = build(Dropout(), FEATURES), table("smooth", 2)
    usual = fit(make, data, DRAWN, SEEDS, TRAINING)
    wide = fit(make, data, DRAWN, SEEDS, TRAINING, objective=Objective(clip=1e9))
    assert np.abs(usual.weights - wide.weights).max() < 1e-9
    tight = fit(make, data, DRAWN, SEEDS, TRAINING, objective=Objective(clip=0.1))
    assert np.abs(usual.weights - tight.weights).max() > 1e-3


def test_what_mixes_rows_cannot_be_clipped():
    with pytest.raises(PopleakError, match=r"BatchNorm1d, which mixes the rows of a batch.*choose") as caught:
        fit(build(BatchNorm(), FEATURES), table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=Objective(clip=1.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("aim", "classes", "message"),
    [
        (Objective(targets=np.zeros((MODELS, 5), int)), 2, r"integer targets of shape \(3, 5\): \(3, 96\) is needed"),
        (Objective(targets=np.zeros((MODELS, ROWS))), 4, r"soft targets of shape \(3, 96\): \(3, 96, 4\) is needed"),
        (Objective(targets=np.full(DRAWN.shape, 4)), 4, "targets must lie in 0 to 3"),
        (Objective(targets=np.full(DRAWN.shape, np.nan)), 2, "targets must lie in 0 to 1"),
        (Objective(targets=np.full((*DRAWN.shape, 4), 0.3)), 4, "must sum to 1"),
        (Objective(weights=np.ones(ROWS)), 2, "weights of shape"),
        (Objective(weights=np.full(DRAWN.shape, np.inf)), 2, "must be finite"),
        (Objective(mask=np.ones(5, bool)), 2, "a mask of 5 numbers: a model has 137"),
        (Objective(mask=np.zeros(137, bool)), 2, "at least one that is trained"),
        (Objective(clip=0.0), 2, "clip must be above 0"),
        (Objective(noise=1.0), 2, "noise without clip"),
        (Objective(clip=1.0, noise=-1.0), 2, "noise must be 0 or above"),
    ],
)
def test_what_does_not_fit_is_refused(aim, classes, message):
    with pytest.raises(ValueError, match=message):
        fit(made("smooth", classes), table("smooth", classes), DRAWN, SEEDS, TRAINING, objective=aim)


def test_clip_and_the_penalty_are_refused_together():
    with pytest.raises(ValueError, match="no sum over rows"):
        fit(
            made("chain", 2),
            table("chain", 2),
            DRAWN,
            SEEDS,
            TRAINING,
            penalty=Penalty(1.0),
            objective=Objective(clip=1.0),
        )


def test_labels_beyond_the_classes_are_refused():
    for kind in ("chain", "smooth"):
        with pytest.raises(ValueError, match="labels must lie in 0 to 1: the model has 2 classes"):
            fit(made(kind, 2), table(kind, 4), DRAWN, SEEDS, TRAINING)
