"""Stacks through vmap: dropout of each model's own, what vmap refuses in one line, rows one by one, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from objectives import (
    DRAWN,
    FEATURES,
    IMAGES,
    ROWS,
    SEEDS,
    SIDE,
    TOLERANCE,
    TRAINING,
    X,
    conv,
    largest,
    made,
    table,
    through_vmap,
)  # fmt: skip
from odd_models import LayerNorm, build
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import generator
from popleak.engine.eo import Penalty
from popleak.engine.fit import (
    Form,
    Module,
    Objective,
    fit,
    initial_weights,
    predict,
)  # fmt: skip
from popleak.engine.stack import LinearStack, VmapStack, refusal
from popleak.engine.stacked import Stacked


def dropped(rate=0.3):
    return Module(lambda: nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Dropout(rate), nn.Linear(8, 1)))


def stacked(module_of, weights, noise, x, form=Form(), step=0):  # noqa: B008
    stack = VmapStack(module_of(), form)
    stack.load(weights, training=True, noise=noise)
    for _ in range(step):
        stack.forward(weights, x)
    return stack.forward(weights, x).numpy()


def test_dropout_in_a_stack_is_each_models_own():
    make = dropped()
    weights = torch.from_numpy(initial_weights(make, SEEDS[:1])).repeat(4, 1)
    x, noise = torch.tensor(X[:64], dtype=torch.float32).expand(4, -1, -1), [5, 6, 5 + 2**40, 5]
    found = stacked(make, weights, noise, x)
    assert np.array_equal(found[0], found[3]), "the same seed draws the same"
    for one in (1, 2):
        assert np.abs(found[0] - found[one]).max() > 1e-2, "both halves of a seed count"
    alone = stacked(make, weights[:1], noise[:1], x[:1])
    assert found[0] == pytest.approx(alone[0], abs=1e-6), "whatever models are beside it"
    assert np.abs(stacked(make, weights, noise, x, step=1)[0] - found[0]).max() > 1e-2, "and another each step"


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_in_a_stack_drops_as_often_as_it_says(rate):
    from popleak.engine.noise import OwnDropout

    drop, ones, kept = nn.Dropout(rate).train(), torch.ones(200, 50), []
    for step in range(1, 6):
        with OwnDropout(torch.tensor(12345), step):
            kept += [drop(ones).numpy(), drop(ones).numpy()]
    values = np.unique(np.stack(kept))
    assert values == pytest.approx([0, 1 / (1 - rate)])
    on = np.stack(kept) > 0
    assert on.mean() == pytest.approx(1 - rate, abs=0.01)
    pairs = np.corrcoef(on.reshape(10, -1).astype(float))
    assert np.abs(pairs - np.eye(10)).max() < 0.05, "each dropout and each step draws by itself"
    assert np.abs(np.corrcoef(on[:, :-1].ravel(), on[:, 1:].ravel())[0, 1]) < 0.02
    with OwnDropout(torch.tensor(1), 1):
        assert torch.equal(nn.Dropout(rate).eval()(ones), ones)
        assert torch.equal(nn.Dropout(1.0).train()(ones), 0 * ones)


def test_a_row_draws_alone_what_it_draws_in_its_batch(monkeypatch):
    through_vmap(monkeypatch)
    usual = fit(dropped(), table("smooth", 2), DRAWN, SEEDS, TRAINING)
    wide = fit(dropped(), table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=Objective(clip=1e9))
    assert np.abs(usual.weights - wide.weights).max() < 1e-9
    one = fit(dropped(), table("smooth", 2), DRAWN[1:2], SEEDS[1:2], TRAINING)
    assert np.abs(usual.weights[1] - one.weights[0]).max() < 1e-9
    scored = [predict(dropped(), usual.weights, X[:20].astype(np.float32)) for _ in range(2)]
    assert np.array_equal(*scored), "a model scores in eval mode"


class Fickle(nn.Module):
    """Works in training, and branches on values when it scores."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(FEATURES, 1)

    def forward(self, x):
        if not self.training and float(x[0, 0]) > 1e9:
            return self.inner(x) * 0
        return self.inner(x * self.inner.weight.sum() if not self.training and x.sum() > 1e9 else x).tanh()


class OtherAlone(nn.Module):
    """Computes something else for a single row: a stack of rows and a row alone do not agree."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(FEATURES, 1)

    def forward(self, x):
        return self.inner(x) if torch._C._functorch.maybe_get_level(x) == -1 else 2 * self.inner(x)


def test_a_module_is_tried_in_scoring_too_and_compared():
    few = torch.tensor(X[:8], dtype=torch.float32)
    assert "RuntimeError" in refusal(Fickle(), few)
    assert refusal(OtherAlone(), few) == "stacked it does not compute what it computes alone"
    image = conv(4)()
    assert refusal(image, torch.tensor(IMAGES[:8], dtype=torch.float32), Form((1, SIDE, SIDE), 4)) is None


def test_nothing_inside_vmap_is_a_traceback():
    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(FEATURES, 1)

        def forward(self, x):
            if len(x) < 10:
                raise RuntimeError("too few\nrows")
            return self.inner(x).tanh()

    with pytest.MonkeyPatch.context() as patch:
        through_vmap(patch)
        short = TRAINING.model_copy(update={"validation": 0.0, "batch": 31})
        with pytest.raises(
            PopleakError, match=r"fails on 3 rows of 13 features in training: .*training.batch"
        ) as caught:
            fit(Picky, table("smooth", 2), DRAWN, SEEDS, short)
        assert "\n" not in str(caught.value)
        with pytest.raises(PopleakError, match="fails on 5 rows of 13 features in scoring: RuntimeError: too few rows"):
            predict(Picky, initial_weights(Picky, SEEDS), X[:5].astype(np.float32))
        with pytest.raises(PopleakError, match="fails on 1 row of 13 features in training"):
            fit(Picky, table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=Objective(clip=1.0))


def test_rows_that_cannot_be_mapped_are_taken_one_by_one():
    """A module that vmap does not take is clipped through the pass that was made: the same numbers, only slower."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.out = nn.Linear(FEATURES, 6), nn.Linear(6, 1)

        def forward(self, x):
            hidden = self.first(x).tanh()
            return self.out(hidden if float(hidden.detach().sum()) < 1e9 else hidden * 0)

    aim = Objective(clip=0.2, noise=0.3)
    fitted = fit(Inner, table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=aim)
    assert largest(Inner, table("smooth", 2), fitted, aim) < TOLERANCE[np.float64]


def test_memory_that_a_row_takes_on_a_gpu(monkeypatch):
    """An image leaves far more behind than its numbers; a chain's rows have no gradients of their own to hold."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**32, 2**33))
    rooms = {}
    for kind, clipped in (("image", False), ("image", True), ("chain", False), ("chain", True)):
        way, data = Stacked(made(kind, 4)), table(kind, 4, np.float32)
        way._made = VmapStack(conv(4)(), way.form) if kind == "image" else LinearStack(made(kind, 4)())
        way._features(data)
        way.device = torch.device("cuda")
        rooms[kind, clipped] = way.stack(1, data, TRAINING, ROWS, clipped)
    assert rooms["image", True] < rooms["image", False] < rooms["chain", False] == rooms["chain", True]
    kept = way_activations()
    assert kept > 3 * SIDE * SIDE


def way_activations() -> int:
    from popleak.engine.single import activations

    return activations(conv(4)(), torch.tensor(IMAGES[:8], dtype=torch.float32), Form((1, SIDE, SIDE), 4))


def test_layer_norm_is_stacked_with_weights(monkeypatch):
    """As `test_equals_a_plain_loop`, of a plugin."""
    make, aim = build(LayerNorm(), FEATURES), Objective(weights=generator("w").random(DRAWN.shape))
    alone = fit(make, table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=aim)
    through_vmap(monkeypatch)
    together = fit(make, table("smooth", 2), DRAWN, SEEDS, TRAINING, objective=aim)
    assert np.abs(alone.weights - together.weights).max() < 1e-10


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stacked", [False, True])
def test_the_convolution_net_of_the_suite_stacked_as_one_at_a_time(monkeypatch, classes, dtype, stacked):
    """Three epochs with the Equalized Odds term, against one model at a time in plain torch."""
    model = plugins.load("models", "cnn")
    make = model.architecture(SIDE * SIDE, model.Settings(), classes)
    if stacked:
        through_vmap(monkeypatch, 2)
    data = table("image", classes, dtype)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING, penalty=Penalty(1.5), stack=2, backend="torch")
    assert largest(make, data, fitted, None, eo_weight=1.5) < TOLERANCE[dtype]
    scores = predict(make, fitted.weights, data.x[:20], backend="torch")
    assert scores.shape == ((len(SEEDS), 20) if classes == 2 else (len(SEEDS), 20, 4))


def test_a_normalised_convolution_net_is_trained_alone_and_kept_whole():
    """Batch norm has buffers, which are stored behind the weights: scores do not depend on what else is scored."""
    model = plugins.load("models", "cnn")
    make = model.architecture(SIDE * SIDE, model.Settings(batch_norm=True), 2)
    data = table("image", 2, np.float32)
    fitted = fit(make, data, DRAWN, SEEDS, TRAINING)
    assert np.array_equal(fitted.weights[2], fit(make, data, DRAWN[2:], SEEDS[2:], TRAINING).weights[0])
    alone = [predict(make, fitted.weights[:1], data.x[i : i + 1])[0, 0] for i in range(5)]
    assert predict(make, fitted.weights[:1], data.x[:5])[0] == pytest.approx(np.array(alone), abs=1e-6)
