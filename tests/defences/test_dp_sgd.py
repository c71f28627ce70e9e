"""DP-SGD: its noise is the accountant's, its gradients Opacus', and an attack on one row stays below what it promises."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import beta
from torch import nn

import tiny
from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive
from popleak.defences.base import Population
from popleak.defences.dp_sgd import noise_multiplier
from popleak.engine.feed import Feed
from popleak.engine.fit import (
    Chain,
    Objective,
    Table,
    Training,
    batches_of,
    fit,
    initial_weights,
    predict,
    predict_rows,
)
from popleak.stages.train import How
from popleak.testing.contracts import check_defence
from popleak.testing.defences import Owners

PLUGIN = plugins.load("defences", "dp-sgd")
RECORDS = tiny.records(3000, shift=3.0)
DELTA = 1e-5


@functools.cache
def owners() -> Owners:
    return Owners(RECORDS, rows=400)


def apply(case=None, **settings) -> Population:
    case = case or owners()
    return PLUGIN.apply(case.owner(PLUGIN), PLUGIN.Settings(**settings))


@pytest.mark.parametrize(
    "settings", [{"epsilon": None}, {"epsilon": 1.0, "clip": 0.1}, {"sampling": "shuffled"}, {"epochs": 2, "learning_rate": 0.02}], ids=str
)  # fmt: skip
def test_keeps_the_contract_at_other_settings(settings):
    check_defence(PLUGIN, settings=PLUGIN.Settings(**settings))


# The accountant.


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("epsilon", "rate", "steps"), [(8.0, 0.05, 100), (2.0, 0.03, 600), (0.5, 1.0, 10)])
def test_the_noise_is_the_accountants_and_keeps_the_promise(epsilon, rate, steps):
    from opacus.accountants import PRVAccountant
    from opacus.accountants.utils import get_noise_multiplier

    found = noise_multiplier(epsilon, DELTA, rate, steps)
    assert found == get_noise_multiplier(
        target_epsilon=epsilon, target_delta=DELTA, sample_rate=rate, steps=steps, accountant="prv"
    )
    accountant = PRVAccountant()
    accountant.history = [(found, rate, steps)]
    assert epsilon - 0.011 < accountant.get_epsilon(DELTA) <= epsilon
    accountant.history = [(0.97 * found, rate, steps)]
    assert accountant.get_epsilon(DELTA) > epsilon, "it can fail"


def test_the_accountant_is_asked_of_what_is_really_trained(monkeypatch):
    """Rows held out are never trained on, so the sampling rate is of the others."""
    asked, given = [], []
    monkeypatch.setattr("popleak.defences.dp_sgd.noise_multiplier", lambda *what: asked.append(what) or 1.25)
    owner = owners().owner(PLUGIN)
    train = type(owner).train
    monkeypatch.setattr(
        type(owner), "train", lambda self, rows, **how: given.append((rows, how)) or train(self, rows, **how)
    )
    PLUGIN.apply(owner, PLUGIN.Settings(epsilon=3.0, epochs=7, clip=0.5))
    assert asked == [(3.0, 1e-5, 50 / 360, 7 * 8)], "400 rows, a tenth held out, batches of 50"
    ((rows, how),) = given
    assert rows is owner.draw and owner.base.shape[1] == 360
    assert (how["clip"], how["noise"], how["poisson"], how["epochs"]) == (0.5, 1.25, True, 7)


@pytest.mark.parametrize(("rows", "batch", "validation"), [(400, 50, 0.1), (401, 64, 0.0), (30, 64, 0.5)])
def test_batches_are_as_the_engine_takes_them(rows, batch, validation, monkeypatch):
    how = Training(epochs=3, batch=batch, learning_rate=0.01, validation=validation)
    seen, original = [], Feed.batches
    monkeypatch.setattr(
        Feed, "batches", lambda self: seen.append((self.batch / self.rows.shape[1], self.steps)) or original(self)
    )
    table = Table.of(RECORDS.x, RECORDS.y, RECORDS.a)
    build = Chain((RECORDS.x.shape[1], 1))
    fit(build, table, np.arange(rows)[None], np.arange(1), how, objective=Objective(clip=1.0, poisson=True))
    assert len(seen) == 3
    assert batches_of(how, rows) == (seen[0][0], sum(steps for _, steps in seen))


def test_what_no_noise_reaches_is_said_in_a_line():
    with pytest.raises(PopleakError, match=r"^defence 'dp-sgd': epsilon 0.001 at delta 1e-05 is out of .*: raise it$"):
        noise_multiplier(1e-3, DELTA, 0.05, 500)


def test_opacus_is_loaded_by_the_job_alone_and_says_nothing():
    code = (
        "import sys; from popleak.core import plugins; one = plugins.load('defences', 'dp-sgd'); one.Settings();"
        "assert not {'opacus', 'torch'} & set(sys.modules);"
        "from popleak.defences.dp_sgd import noise_multiplier; noise_multiplier(8.0, 1e-5, 0.05, 20)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT / "workflow")},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# What it does.


def test_less_epsilon_is_more_noise_and_costs_accuracy():
    case = owners()
    x, y = case.fitter.table.x, RECORDS.y

    def accuracy(population):
        return ((predict(case.fitter.build, population.weights, x) > 0.5) == y).mean()

    rate = max(y.mean(), 1 - y.mean())
    twin, usual, strict = (accuracy(apply(epsilon=epsilon)) for epsilon in (None, 8.0, 0.05))
    assert twin > rate + 0.05 and usual > rate + 0.02, "better than a constant on an easy world"
    assert twin > strict + 0.05


def test_the_twin_clips_and_samples_but_adds_no_noise(monkeypatch):
    monkeypatch.setattr("popleak.defences.dp_sgd.noise_multiplier", None)
    owner = owners().owner(PLUGIN)
    expected, _ = owner.train(owner.draw, clip=1.0, poisson=True)
    assert apply(epsilon=None).weights.tobytes() == expected.weights.tobytes()
    assert PLUGIN.Settings(epsilon=None).resolved() == PLUGIN.Settings(epsilon=None, delta=0.1).resolved()


def test_both_backends_draw_the_same_noise_and_rows():
    by_torch = Owners(RECORDS, rows=400)
    by_torch.fitter.how = How(backend="torch")
    assert np.abs(apply().weights - apply(by_torch).weights).max() < 2e-4


def test_its_twin_asks_for_no_noise_and_is_no_control():
    """A control is what differs in the fairness term alone."""
    grid = {"name": "dp-sgd", "grid": {"epsilon": [1, 8, None]}}
    (task,) = config.resolve(config.load(tiny.raw(defences=["none", grid])))
    assert [one.id for one in task.defences][1:] == ["dp-sgd-epsilon-1", "dp-sgd-epsilon-8", "dp-sgd-epsilon-none"]
    assert {one.control for one in task.defences} == {None}
    assert PLUGIN.asks(PLUGIN.Settings()) == ("clip", "noise") and PLUGIN.asks(PLUGIN.Settings(epsilon=None)) == (
        "clip",
    )


@pytest.mark.parametrize(("settings", "key"), [({"epsilon": 0}, "epsilon"), ({"epsilon": 51}, "epsilon"),
                                               ({"delta": 1.0}, "delta"), ({"clip": 0}, "clip")])  # fmt: skip
def test_bad_settings_are_named(settings, key):
    with pytest.raises(PopleakError, match=key):
        config.resolve(config.load(tiny.raw(defences=["none", {"name": "dp-sgd", "settings": settings}])))


# Opacus as an oracle.


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("clip", [0.05, 0.5, 100.0])
def test_clipped_sums_are_those_of_opacus_gradients(clip):
    """One step of all rows without noise: Adam's first moment, seen in how it moves, has the gradients that Opacus finds row by row."""
    from opacus import GradSampleModule

    sides, rows = (RECORDS.x.shape[1], 9, 5, 1), np.arange(40)
    table = Table.of(RECORDS.x, RECORDS.y, RECORDS.a, np.float64)
    chain = Chain(sides)
    begin = initial_weights(chain, np.arange(1), np.float64)
    module = GradSampleModule(nn.Sequential(*itertools.chain.from_iterable(
        (nn.Linear(into, out), nn.ReLU()) for into, out in itertools.pairwise(sides)
    ))[:-1].double(), loss_reduction="sum")  # fmt: skip
    nn.utils.vector_to_parameters(torch.from_numpy(begin[0]), module.parameters())
    logits = module(torch.from_numpy(table.x[rows]))[:, 0]
    nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(table.y[rows]).double(), reduction="sum"
    ).backward()
    each = torch.cat([one.grad_sample.flatten(1) for one in module.parameters()], 1)
    norms = each.norm(dim=1, keepdim=True)
    expected = (each * (clip / norms).clamp(max=1)).mean(0).numpy()
    assert (norms > clip).any() == (clip < 100)
    how = Training(epochs=1, batch=40, learning_rate=1e-3, validation=0.0)
    for backend in ("numba", "torch"):
        found = fit(
            chain, table, rows[None], np.arange(1), how, start=begin, objective=Objective(clip=clip), backend=backend
        ).weights[0]
        moved = (begin[0] - found) / 1e-3  # g / (|g| + 1e-8)
        assert moved == pytest.approx(expected / (np.abs(expected) + 1e-8), abs=1e-7)


# An attack on one row.

CANARY = {"epochs": 4, "batch": 16, "rows": 64, "clip": 1.0, "runs": 1000}
FEATURES = 20


def losses(noise: float, member: bool) -> np.ndarray:
    """Return the loss on a canary of many models, which all were trained on the same rows, with the canary among them or not. It alone
    has features, large ones: its gradient is clipped, and beside it nothing but noise moves their weights."""
    rng, runs = np.random.default_rng(0), CANARY["runs"]
    x = np.zeros((CANARY["rows"] + 1, FEATURES))
    x[-1] = 3
    y = np.r_[rng.integers(0, 2, CANARY["rows"]), 1]
    table = Table.of(x, y, y * 0)
    rows = np.tile(np.arange(CANARY["rows"] + member), (runs, 1))
    seeds = np.array([derive(1, "canary", int(member), k) for k in range(runs)])
    chain = Chain((FEATURES, 1))
    how = Training(epochs=CANARY["epochs"], batch=CANARY["batch"], learning_rate=0.02, validation=0.0)
    aim = Objective(clip=CANARY["clip"], noise=noise, poisson=True)
    start = np.zeros((runs, FEATURES + 1), np.float32)
    fitted = fit(chain, table, rows, seeds, how, start=start, objective=aim)
    p = predict_rows(chain, fitted.weights, table, np.array([[CANARY["rows"]]]))[:, 0].astype(float)
    return -np.log(np.clip(p, 1e-30, 1))


def empirical(noise: float) -> float:
    """Return a lower 99 % confidence bound on the epsilon that the attack by a threshold on the canary's loss shows.

    The threshold is chosen on the even runs and judged on the odd ones; rates by Clopper-Pearson.
    """
    seen, unseen = losses(noise, True), losses(noise, False)
    chosen = max(np.unique(np.r_[seen[::2], unseen[::2]]), key=lambda t: bound(seen[::2] <= t, unseen[::2] <= t))
    return bound(seen[1::2] <= chosen, unseen[1::2] <= chosen)


def bound(hit: np.ndarray, false: np.ndarray) -> float:
    """Return the larger of two lower bounds on epsilon: from hits against false alarms, and from the two rates of staying silent."""
    found = [0.0]
    for high, low in ((hit, false), (~false, ~hit)):
        most = beta.ppf(0.995, low.sum() + 1, len(low) - low.sum()) if low.sum() < len(low) else 1.0
        least = beta.ppf(0.005, high.sum(), len(high) - high.sum() + 1) if high.sum() else 0.0
        if least > DELTA:
            found.append(float(np.log((least - DELTA) / most)))
    return max(found)


@pytest.mark.slow
def test_an_attack_on_one_row_stays_below_epsilon_and_shows_noise_that_is_too_small():
    steps, rate = CANARY["epochs"] * 4, CANARY["batch"] / CANARY["rows"]
    for epsilon in (0.5, 2.0):
        noise = noise_multiplier(epsilon, DELTA, rate, steps)
        assert empirical(noise) <= epsilon
        assert empirical(noise / 20) > epsilon, "a twentieth of the noise is caught"
