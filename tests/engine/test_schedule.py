"""Learning-rate schedules: values against torch's schedulers, training against torch's Adam, and what is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as torchs

import tiny
from popleak.core.errors import PopleakError
from popleak.core.seeds import derive, generator
from popleak.engine.fit import Chain, Table, Training, fit, initial_weights
from popleak.engine.schedule import rates

DATA = tiny.records()
CHAIN = Chain((DATA.x.shape[1], 9, 1))
SEEDS = np.array([derive(5, "schedule", k) for k in range(2)])
DRAWN = np.stack([generator(int(s), "rows").choice(len(DATA.y), 90, replace=False) for s in SEEDS])
TRAINING = Training(epochs=6, batch=90, learning_rate=0.01, validation=0.0)
WAYS = [("constant", 1), ("linear", 1), ("cosine", 1), ("restarts", 1), ("restarts", 2), ("restarts", 3)]


def table() -> Table:
    return Table.of(DATA.x, DATA.y, DATA.a, np.float64)


def scheduler(optimiser, schedule: str, epochs: int, cycles: int):
    """Torch's own of the same kind."""
    if schedule == "constant":
        return torchs.ConstantLR(optimiser, factor=1.0)
    if schedule == "linear":
        return torchs.LinearLR(optimiser, 1.0, 0.0, epochs)
    if schedule == "cosine":
        return torchs.CosineAnnealingLR(optimiser, epochs)
    return torchs.CosineAnnealingWarmRestarts(optimiser, epochs // cycles)


@pytest.mark.parametrize(("schedule", "cycles"), WAYS)
@pytest.mark.parametrize("epochs", [6, 24])
def test_values_are_torchs(schedule, cycles, epochs):
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.3)
    other, wanted = scheduler(optimiser, schedule, epochs, cycles), []
    for _ in range(epochs):
        wanted.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        other.step()
    found = rates(schedule, 0.3, epochs, cycles)
    assert found.dtype == np.float64
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-15)
    assert (found > 0).all()


def test_restarts_of_epochs_that_cycles_do_not_divide():
    found = rates("restarts", 1.0, 7, 2)
    assert (np.diff(found) > 0).sum() == 1, "two cycles"
    assert found.min() > 0 and found[0] == 1 and len(found) == 7


def test_more_cycles_than_epochs_are_refused():
    assert rates("restarts", 1.0, 3, 3).tolist() == [1, 1, 1]
    with pytest.raises(PopleakError, match="cycles: 4 cycles of the learning rate do not fit 3 epochs"):
        rates("restarts", 1.0, 3, 4)


@pytest.mark.parametrize(("schedule", "cycles"), WAYS)
@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_training_is_torchs(schedule, cycles, backend):
    """One step an epoch on all rows, so that the order of the rows does not count."""
    training = TRAINING.model_copy(update={"schedule": schedule, "cycles": cycles})
    found = fit(CHAIN, table(), DRAWN, SEEDS, training, backend=backend).weights
    for k, seed in enumerate(SEEDS):
        module = CHAIN().double()
        start = torch.from_numpy(initial_weights(CHAIN, np.array([seed]), np.float64)[0])
        torch.nn.utils.vector_to_parameters(start, module.parameters())
        optimiser = torch.optim.Adam(module.parameters(), lr=training.learning_rate)
        other = scheduler(optimiser, schedule, training.epochs, cycles)
        x, y = torch.from_numpy(table().x[DRAWN[k]]), torch.from_numpy(table().y[DRAWN[k]]).double()
        for _ in range(training.epochs):
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(module(x).squeeze(1), y).backward()
            optimiser.step()
            other.step()
        wanted = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
        assert np.abs(found[k] - wanted).max() < 1e-11


def test_constant_is_what_it_was():
    """No key of a training that has no schedule changes, so that no name of a step does."""
    assert set(TRAINING.resolved()) == {"epochs", "batch", "learning_rate", "weight_decay", "validation"}
    assert TRAINING.model_copy(update={"cycles": 3}).resolved() == TRAINING.resolved()
    cosine = TRAINING.model_copy(update={"schedule": "cosine", "cycles": 3})
    assert cosine.resolved() == TRAINING.resolved() | {"schedule": "cosine"}
    again = TRAINING.model_copy(update={"schedule": "restarts", "cycles": 3})
    assert Training(**again.resolved()) == again
    assert set(rates("constant", 0.003, 5).tolist()) == {0.003}
