"""Convolution nets in the compiled loops: against one model at a time in plain torch, and their parts against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import plain_loop
import tiny
from objectives import LABELS
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive, generator
from popleak.engine.eo import Penalty
from popleak.engine.fit import ConvNet, Objective, Table, Training, fit, initial_weights, predict, predict_rows, way_of
from popleak.engine.fused import Fused, FusedImages
from popleak.engine.imagery import GROUP, Imagery
from popleak.engine.stacked import Stacked
from popleak.plan import cost

pytestmark = pytest.mark.slow

N, MODELS, ROWS = 600, 3, 120
SEEDS = np.array([derive(3, "images", k) for k in range(MODELS)])
DRAWN = np.stack([generator(int(seed), "rows").choice(N, ROWS, replace=False) for seed in SEEDS])
# batches of two groups and a part of one, and a last batch of fewer than one group
TRAINING = Training(epochs=3, batch=50, learning_rate=2e-3, weight_decay=0.01, validation=0.1)
NETS = [
    ConvNet((1, 12, 12), (4, 8)),
    ConvNet((1, 12, 12), (4, 8), 4),
    # colours; sides that pooling does not divide; channels that are no multiple of what a tile holds
    ConvNet((3, 11, 14), (5, 13), 4),
    ConvNet((2, 5, 4), (3,)),
    ConvNet((1, 16, 8), (2, 3, 9)),
]


def table(net: ConvNet, dtype=np.float64) -> Table:
    rng, labels = generator("images", str(net.shape)), LABELS[4 if net.classes > 2 else 2]
    x = rng.normal(size=(N, int(np.prod(net.shape)))) + 0.2 * labels[:, None] * np.linspace(
        -1, 1, int(np.prod(net.shape))
    )
    return Table.of(x, labels, rng.integers(0, 2, N), dtype)


def largest(net: ConvNet, data: Table, weights: np.ndarray, **more) -> float:
    alone = [plain_loop.train(net, data, DRAWN[k], SEEDS[k], TRAINING, model=k, **more) for k in range(MODELS)]
    return float(np.abs(np.stack(alone) - weights).max())


@pytest.mark.parametrize("net", NETS, ids=str)
@pytest.mark.parametrize("eo_weight", [0.0, 1.5])
def test_the_loops_equal_plain_torch_in_double_precision(net, eo_weight):
    data, penalty = table(net), Penalty(eo_weight) if eo_weight else None
    fitted = fit(net, data, DRAWN, SEEDS, TRAINING, penalty=penalty, backend="numba")
    assert largest(net, data, fitted.weights, eo_weight=eo_weight) < 1e-9
    assert np.abs(fitted.weights - initial_weights(net, SEEDS)).max() > 1e-3, "training moves the weights"


@pytest.mark.parametrize("net", NETS[:3], ids=str)
@pytest.mark.parametrize("eo_weight", [0.0, 1.5])
def test_the_loops_equal_plain_torch_in_single_precision(net, eo_weight):
    data, penalty = table(net, np.float32), Penalty(eo_weight) if eo_weight else None
    fitted = fit(net, data, DRAWN, SEEDS, TRAINING, penalty=penalty)
    assert largest(net, data, fitted.weights, eo_weight=eo_weight) < 1e-4


@pytest.mark.parametrize("net", NETS[:2], ids=str)
@pytest.mark.parametrize("penalty", [Penalty(1.0), Penalty(2.0, "squared"), Penalty(0.5, "lagrangian", 0.01, 0.3)],
                         ids=lambda penalty: penalty.form)  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"extra": 70}, {"extra": 40, "extra_only": True}], ids=str)
def test_fair_fine_tuning_equals_the_backend_torch(net, penalty, more):
    """A base model, then its fine-tuning: with rows that enter the EO term alone, and a label that one group lacks."""
    whole = table(net)
    data = Table.of(whole.x, whole.y, np.where(whole.y == 1, 0, whole.a), np.float64)
    more = more | ({"extra": DRAWN[:, : more["extra"]]} if more else {})
    found = []
    for backend in ("numba", "torch"):
        base = fit(net, data, DRAWN, SEEDS, TRAINING, backend=backend)
        found.append(
            fit(
                net,
                data,
                DRAWN,
                SEEDS,
                TRAINING,
                start=base.weights,
                penalty=penalty,
                purpose="fair",
                backend=backend,
                **more,
            )
        )
    fast, slow = found
    assert np.abs(fast.weights - slow.weights).max() < 1e-9
    assert np.abs(fast.validation_loss - slow.validation_loss).max() < 1e-9
    assert np.array_equal(fast.vacuous, slow.vacuous) and (fast.vacuous >= 1 / net.classes).all()


@pytest.mark.parametrize("net", NETS, ids=str)
def test_scores_and_initial_weights_are_torchs(net):
    data, seeds = table(net, np.float32), np.array([0, 2**32 + 1, derive(1, "x")])
    assert np.array_equal(way_of(net).initial(seeds), Stacked(net).initial(seeds))
    weights = initial_weights(net, seeds) * 2
    assert 2 * FusedImages.scored < N and N % GROUP
    found = [predict(net, weights, data.x, backend=backend) for backend in ("numba", "torch")]
    assert found[0].shape == ((3, N) if net.classes == 2 else (3, N, net.classes))
    assert np.abs(found[0] - found[1]).max() < 1e-6
    own = predict_rows(net, weights, data, DRAWN)
    assert np.abs(own[1] - found[0][1][DRAWN[1]]).max() < 1e-6


def test_a_models_bits_depend_on_nothing_beside_it():
    net = NETS[2]
    data = table(net, np.float32)
    fitted = fit(net, data, DRAWN, SEEDS, TRAINING, penalty=Penalty(1.0))
    alone = fit(net, data, DRAWN[2:], SEEDS[2:], TRAINING, penalty=Penalty(1.0))
    shared = fit(net, data, DRAWN, SEEDS, TRAINING, penalty=Penalty(1.0), threads=2, stack=2)
    assert np.array_equal(fitted.weights[2], alone.weights[0]) and np.array_equal(fitted.weights, shared.weights)
    scores = predict(net, fitted.weights, data.x)
    assert np.array_equal(scores[1:, 300:317], predict(net, fitted.weights[1:], data.x[300:317]))


def test_equal_numbers_and_black_images_follow_torch():
    """Where several of four are the largest, the first one counts; where none is above 0, nothing goes back."""
    net = ConvNet((1, 8, 8), (4, 4))
    x = np.repeat(np.repeat(generator("flat").integers(-1, 2, (N, 4, 4)), 2, 1), 2, 2).reshape(N, 64).astype(float)
    x[::3] = 0
    data = Table.of(x, LABELS[2], np.zeros(N), np.float64)
    # small whole numbers: all sums are exact, so that ties are ties in any order of adding up
    start = np.round(initial_weights(net, SEEDS, np.float64) * 8)
    found = [
        fit(net, data, DRAWN, SEEDS, TRAINING, start=start, backend=backend).weights for backend in ("numba", "torch")
    ]
    assert np.abs(found[0] - found[1]).max() < 1e-9


def test_a_diverged_net_is_seen():
    net = NETS[0]
    wild = TRAINING.model_copy(update={"learning_rate": 1e30})
    assert not fit(net, table(net, np.float32), DRAWN, SEEDS, wild).finite.any()


@pytest.mark.parametrize("net", NETS, ids=str)
def test_packing_keeps_every_weight_and_pads_with_zeros(net):
    layout = Imagery.of(net, 50)
    weights = generator("pack").normal(size=(2, layout.parameters())) + 3
    packed = layout.pack(weights)
    assert np.array_equal(layout.unpack(packed), weights)
    assert np.count_nonzero(packed) == weights.size == sum(one.numel() for one in net().parameters()) * 2


def test_what_a_net_cannot_read_is_refused():
    net, data = NETS[0], table(NETS[0], np.float32)
    wide = Table.of(np.zeros((9, 100)), np.zeros(9), np.zeros(9))
    with pytest.raises(ValueError, match=r"on images .1, 12, 12. cannot read 100 features"):
        predict_rows(net, initial_weights(net, SEEDS), wide, np.arange(9)[None])
    with pytest.raises(ValueError, match=r"has \d+"):
        predict_rows(net, initial_weights(net, SEEDS)[:, 1:], data, np.arange(9)[None])
    with pytest.raises(ValueError, match="row ids must lie in 0 to 599"):
        predict_rows(net, initial_weights(net, SEEDS), data, np.array([[N]]))


def test_each_net_finds_its_backend():
    model = plugins.load("models", "cnn")
    plain, normal = (model.architecture(144, model.Settings(batch_norm=norm), 4) for norm in (False, True))
    assert isinstance(way_of(plain), FusedImages) and isinstance(plain, ConvNet)
    assert isinstance(way_of(normal), Stacked) and isinstance(way_of(plain, backend="torch"), Stacked)
    for wants in ("weights", "targets", "mask", "clip"):
        assert isinstance(way_of(plain, wants=(wants,)), Stacked)
        with pytest.raises(PopleakError, match="numba cannot train this model"):
            way_of(plain, backend="numba", wants=(wants,))
    with pytest.raises(PopleakError, match="no chain of Linear and ReLU"):
        way_of(normal, backend="numba")
    aim = Objective(weights=np.ones(DRAWN.shape))
    with pytest.raises(ValueError, match="do not support row weights"):
        Fused.train(FusedImages(plain), None, np.zeros((1, 1)), None, None, None, False, aim)


def test_a_subclass_with_a_module_of_its_own_does_not_mean_the_channels_that_it_inherits():
    class Other(type(plugins.load("models", "cnn"))):
        def build(self, n_features, settings, classes=2):
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_features, 1))

    assert isinstance(way_of(Other().architecture(144, Other.Settings())), Stacked)


def test_the_cost_of_a_net_is_near_what_it_takes():
    import time

    from popleak.plan import estimate

    speed = estimate.calibrate().engine
    for net in (NETS[0], ConvNet((1, 24, 24), (8, 16))):
        data, rows = table(net, np.float32), np.tile(DRAWN, (2, 4))
        training = Training(epochs=2, batch=64, learning_rate=1e-3, validation=0.0)
        fit(net, data, rows[:1, :64], SEEDS[:1], training)
        begin = time.process_time()
        fit(net, data, rows, np.tile(SEEDS, 2), training)
        took = (time.process_time() - begin) / len(rows)
        told = cost.Shape(rows.shape[1], 64, 2, None, shaped=True, net=net).seconds() * speed
        assert took / 2.5 < told < took * 2.5


def test_slow_models_of_images_are_told_by_the_plan(tmp_path, monkeypatch):
    task = {"id": "image", "dataset": "synthetic-images", "rows": 60, "query_rows": 30, "options": {"rows": 800}}
    from popleak.plan import estimate

    models = [{"id": "plain", "name": "cnn"}, {"id": "normal", "name": "cnn", "settings": {"batch_norm": True}}]
    plans = [
        tiny.build(tasks=[task], models=models, attacks=["kl"], engine={"backend": backend})
        for backend in ("auto", "torch")
    ]
    assert estimate.slower(plans[0]) == {("no chain of Linear and ReLU", cost.SHAPED): ["normal"]}
    assert estimate.slower(plans[1])["engine.backend is torch", cost.CONVNET] == ["plain"]
    seconds = [sum(step.seconds for step in plan.all_steps() if step.stage == "train") for plan in plans]
    assert seconds[1] > seconds[0]


NARROW = """
import llvmlite.binding as binding
features = {**binding.get_host_cpu_features(), "avx512f": False}
binding.get_host_cpu_features = lambda: type("Features", (dict,), {"flatten": lambda self: ""})(features)
import numpy as np
from popleak.engine.fit import ConvNet, Table, Training, fit
rng = np.random.default_rng(0)
table = Table.of(rng.normal(size=(90, 3 * 11 * 14)), rng.integers(0, 2, 90), rng.integers(0, 2, 90))
rows, training = np.arange(90)[None], Training(epochs=2, batch=40, learning_rate=2e-3, validation=0.0)
found = [fit(ConvNet((3, 11, 14), (5, 13)), table, rows, np.arange(1), training, backend=one).weights for one in ("numba", "torch")]
from popleak.engine import patches
print(patches.VECTOR, np.abs(found[0] - found[1]).max() < 1e-5)
"""


def test_a_processor_with_narrower_vectors_computes_the_same():
    """Its loops have files of their own among those of the user: the features of the processor are in a file's name."""
    import os
    import subprocess
    import sys

    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", NARROW], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["8", "True"], done.stderr
