"""Modules that are no chains: trained one at a time, alone in their module and with their random stream."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from odd_models import GRU, ODD, BatchNorm, Dropout, Frozen, LayerNorm, build
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.engine.eo import Penalty
from popleak.engine.fit import Feed, Training, fit, hold_out, initial_weights, predict, predict_rows, way_of
from popleak.engine.single import SingleStack, built, flatten, seeded
from popleak.engine.stack import LinearStack, VmapStack, refusal, stack_for
from popleak.engine.stacked import Stacked
from small_data import DATA, FEATURES, population, table

pytestmark = pytest.mark.slow

SHORT = Training(epochs=2, batch=50, learning_rate=1e-2)
odd = pytest.mark.parametrize("model", ODD, ids=lambda model: model.name)


def plain(make, rows, seed, training, purpose="base", double=True):
    """One module by torch.optim.Adam and autograd, in training mode: what the engine must equal."""
    with seeded(derive(int(seed), "init")):
        first = flatten(make())
    module, data = built(make), table(np.float64 if double else np.float32)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y).to(torch.float64)
    single = SingleStack(module)
    single.load(first[None].clone().to(x.dtype), training=True)
    adam = torch.optim.Adam(
        [one for one in module.parameters() if one.requires_grad],
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
    )
    kept, _ = hold_out(rows[None], np.array([seed]), training.validation)
    feed = Feed(kept, np.array([seed]), training, None, purpose)
    with seeded(derive(int(seed), "noise", purpose)):
        for _ in range(training.epochs):
            order = torch.from_numpy(feed.epoch()[0][0])
            for batch in order.split(training.batch):
                adam.zero_grad()
                logits = module(x[batch].clone()).squeeze(1)
                nn.functional.binary_cross_entropy_with_logits(logits, y[batch].to(x.dtype)).backward()
                for one in module.parameters():  # what a batch does not reach has a gradient of 0
                    if one.requires_grad and one.grad is None:
                        one.grad = torch.zeros_like(one)
                adam.step()
    return module


@odd
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equals_a_plain_loop(model, decay):
    rows, seeds = population(2)
    training, make = SHORT.model_copy(update={"weight_decay": decay}), build(model, FEATURES)
    fitted = fit(make, table(np.float64), rows, seeds, training)
    begin = initial_weights(make, seeds)
    for k in range(2):
        module = plain(make, rows[k], seeds[k], training)
        trained = [one for one in module.parameters() if one.requires_grad]
        size = sum(one.numel() for one in trained)
        expected = torch.cat([one.detach().reshape(-1) for one in trained]).numpy()
        assert fitted.weights[k, :size] == pytest.approx(expected, abs=1e-10)
        assert np.abs(fitted.weights[k, :size] - begin[k, :size]).max() > 1e-3
        scores = predict(make, fitted.weights[k : k + 1], DATA.x[:60])[0]
        with torch.no_grad():
            expected = torch.sigmoid(module.float().eval()(torch.tensor(DATA.x[:60]))).squeeze(1).numpy()
        assert scores == pytest.approx(expected, abs=1e-5), "a model scores in eval mode, with all that it has learnt"


@odd
def test_bits_depend_on_no_neighbour_and_no_stack(model):
    rows, seeds = population(33, rows=120)
    make, short = build(model, FEATURES), SHORT.model_copy(update={"epochs": 1})
    among = fit(make, table(), rows, seeds, short, stack=32)
    for stack in (1, 7):
        cut = fit(make, table(), rows, seeds, short, stack=stack)
        for name in ("weights", "validation_loss"):
            assert getattr(cut, name).tobytes() == getattr(among, name).tobytes()
    backwards = fit(make, table(), rows[::-1], seeds[::-1], short)
    assert backwards.weights[::-1].tobytes() == among.weights.tobytes()
    assert len({one.tobytes() for one in among.weights}) == 33
    scored = predict(make, among.weights, DATA.x[:50])
    assert predict(make, among.weights[20:21], DATA.x[:50]).tobytes() == scored[20].tobytes()
    assert predict(make, among.weights[::-1], DATA.x[:50])[::-1].tobytes() == scored.tobytes()


@odd
def test_nobody_elses_random_state_matters(model):
    rows, seeds = population(3)
    make, found = build(model, FEATURES), []
    for state in (0, 1):
        torch.manual_seed(state)
        random.seed(state)
        before = torch.get_rng_state()
        weights = fit(make, table(), rows, seeds, SHORT).weights
        found.append((weights.tobytes(), predict(make, weights, DATA.x[:50]).tobytes()))
        assert torch.equal(torch.get_rng_state(), before), "and nobody else's is touched"
    assert found[0] == found[1]


def test_dropout_draws_by_seed_and_purpose():
    rows, seeds = population(2)
    rows[1] = rows[0]
    make = build(Dropout(), FEATURES)
    start = np.repeat(initial_weights(make, seeds[:1]), 2, axis=0)
    whole = SHORT.model_copy(update={"epochs": 1, "batch": 1000, "validation": 0.0})  # one step: no order of batches
    first, second = fit(make, table(), rows, seeds, whole, start=start).weights
    assert np.abs(first - second).max() > 1e-3, "two models of one draw and start, but other noise"
    tuned = fit(make, table(), rows[:1], seeds[:1], whole, start=start[:1], purpose="fine-tune").weights[0]
    assert np.abs(first - tuned).max() > 1e-3


def test_batch_norm_keeps_what_it_has_seen():
    rows, seeds = population(2)
    make, model = build(BatchNorm(), FEATURES), built(build(BatchNorm(), FEATURES))
    fitted = fit(make, table(), rows, seeds, SHORT)
    state = fitted.weights[:, sum(one.numel() for one in model.parameters()) :]
    assert state.shape == (2, 17), "running means, running variances and the count of steps"
    assert (state[:, -1] == 2 * 4).all()
    assert np.abs(state[:, :8]).min() > 0
    tuned = fit(make, table(), rows, seeds, SHORT, start=fitted.weights, purpose="fine-tune")
    assert (tuned.weights[:, -1] == 2 * 2 * 4).all()
    assert fitted.finite.all()


def test_a_frozen_layer_stays():
    rows, seeds = population(2)
    make = build(Frozen(), FEATURES)
    training = SHORT.model_copy(update={"weight_decay": 0.1})
    begin, fitted = initial_weights(make, seeds), fit(make, table(), rows, seeds, training).weights
    assert begin.shape[1] == 9 + 8 * (FEATURES + 1)
    assert np.array_equal(fitted[:, 9:], begin[:, 9:]) and (fitted[:, :9] != begin[:, :9]).all()


@pytest.mark.parametrize("model", [LayerNorm(), GRU(), Frozen(), BatchNorm(), Dropout()], ids=lambda model: model.name)
def test_with_the_penalty_and_extra_rows(model):
    rows, seeds = population(3)
    make = build(model, FEATURES)
    common = {"purpose": "fine-tune", "start": initial_weights(make, seeds), "extra": rows[:, :60]}
    fair = fit(make, table(), rows, seeds, SHORT, penalty=Penalty(2.0), **common)
    alone = fit(make, table(), rows[1:2], seeds[1:2], SHORT, penalty=Penalty(2.0), purpose="fine-tune",
                start=common["start"][1:2], extra=rows[1:2, :60])  # fmt: skip
    assert fair.weights[1].tobytes() == alone.weights[0].tobytes() and fair.vacuous[1] == alone.vacuous[0]
    without = fit(make, table(), rows, seeds, SHORT, **common)
    assert np.abs(fair.weights - without.weights).max() > 1e-4


def test_agrees_with_vmap_where_both_work(monkeypatch):
    rows, seeds = population(3)
    make, data = build(LayerNorm(), FEATURES), table(np.float64)
    single = fit(make, data, rows, seeds, SHORT, penalty=Penalty(1.0))
    scored = predict_rows(make, single.weights, data, rows)
    monkeypatch.setattr("popleak.engine.stacked.stack_for", lambda module, *_: VmapStack(module))
    stacked = fit(make, data, rows, seeds, SHORT, penalty=Penalty(1.0))
    assert stacked.weights == pytest.approx(single.weights, abs=1e-12)
    assert predict_rows(make, stacked.weights, data, rows) == pytest.approx(scored, abs=1e-6)


class Noisy(Dropout):
    """Draws at random in a way that is no dropout."""

    name = "noisy"

    def layers(self, d):
        return nn.Linear(d, 8), nn.AlphaDropout(0.2), nn.Linear(8, 1)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LayerNorm(), None),
        (Dropout(), None),
        (BatchNorm(), "buffers"),
        (Frozen(), "frozen"),
        (Noisy(), "random"),
        (ODD[-1], ""),
    ],
    ids=lambda one: getattr(one, "name", None),
)
def test_what_is_stacked_on_a_gpu(model, reason, capsys):
    """Through vmap what it takes, the rest one at a time, and the log says why."""
    few = torch.tensor(DATA.x[:8])
    found = refusal(built(build(model, FEATURES)), few)
    assert (found is None) == (reason is None)
    kind = stack_for(built(build(model, FEATURES)), few, "cuda")
    assert isinstance(kind, VmapStack if reason is None else SingleStack)
    said = capsys.readouterr().err
    assert said == (
        ""
        if reason is None
        else f"popleak: models are trained one at a time, for the module cannot be stacked: {found}\n"
    )
    assert reason is None or reason in found


class Scaled(nn.Sequential):
    """A chain by its layers, whose forward does something else."""

    def forward(self, x):
        return 2 * super().forward(x)


def tied():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(3, 1))


def hooked():
    chain = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    chain[0].register_forward_hook(lambda module, given, out: out * 2)
    return chain


def half_frozen():
    chain = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    chain[0].weight.requires_grad_(False)
    return chain


@pytest.mark.parametrize(
    "make", [lambda: Scaled(nn.Linear(3, 1)), tied, hooked, half_frozen, lambda: nn.Sequential(nn.Linear(3, 2))]
)
def test_what_only_looks_like_a_chain_is_none(make):
    module = make()
    assert not LinearStack.fits(module)
    assert isinstance(way_of(make), Stacked)
    for device in ("cpu", "cuda"):
        assert not isinstance(stack_for(module, torch.zeros(2, 3), device), LinearStack)


class Diary(nn.Module):
    """Keeps something to itself that is no buffer."""

    def __init__(self):
        super().__init__()
        self.inner, self.seen = nn.Linear(FEATURES, 1), 0

    def forward(self, x):
        self.seen += 1
        return self.inner(x) * (1 + self.seen % 7)


def test_nothing_goes_from_one_module_to_the_next():
    rows, seeds = population(4)
    among = fit(Diary, table(), rows, seeds, SHORT)
    alone = fit(Diary, table(), rows[2:3], seeds[2:3], SHORT)
    assert among.weights[2].tobytes() == alone.weights[0].tobytes()
    assert predict(Diary, among.weights, DATA.x[:9])[2].tobytes() == predict(Diary, alone.weights, DATA.x[:9]).tobytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(FEATURES, 2)), r"logits \(rows, 1\), \(50, 1\) here, not \(50, 2\)"),
        (lambda: nn.Sequential(nn.Linear(FEATURES, 1), nn.Flatten(0)), r"not \(50,\)"),
        (lambda: nn.Sequential(nn.Linear(FEATURES + 1, 1), nn.Tanh()), "fails on 50 rows of 13 features in training"),
    ],
)
def test_a_module_that_fails_says_so_in_one_line(make, message):
    rows, seeds = population(2)
    with pytest.raises(PopleakError, match=message) as caught:
        fit(make, table(), rows, seeds, SHORT)
    assert "\n" not in str(caught.value)


def test_a_last_step_of_one_row_is_found_before_training():
    rows, seeds = population(2, rows=101)
    training = SHORT.model_copy(update={"validation": 0.0})
    with pytest.raises(PopleakError, match=r"fails on 1 row of .* change training.batch"):
        fit(build(BatchNorm(), FEATURES), table(), rows, seeds, training)
    fit(build(BatchNorm(), FEATURES), table(), rows, seeds, training.model_copy(update={"batch": 49}))


def test_large_whole_numbers_in_a_buffer_are_refused():
    def make():
        module = nn.Sequential(nn.Linear(FEATURES, 1), nn.Tanh())
        module.register_buffer("places", torch.tensor([2**24 + 1]))
        return module

    rows, seeds = population(1)
    with pytest.raises(PopleakError, match="beyond 2"):
        fit(make, table(), rows, seeds, SHORT)
