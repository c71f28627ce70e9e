"""The Equalized Odds penalty: its gradient against autograd of the formula, empty cells, extra rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from popleak.core.seeds import derive, generator
from popleak.engine.eo import Penalty, PenaltyState
from popleak.engine.fit import Table, Training, fit, initial_weights

DATA = tiny.records()
BUILD = tiny.module((6,), DATA.x.shape[1])
FULL = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 3, 2], [0, 0, 1, 1, 2, 2, 2, 3, 3, 3]])


def scores(shape, seed=0) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 0.98 + 0.01


def state(form, weight=1.7, models=2, **more) -> PenaltyState:
    return PenaltyState(Penalty(weight, form, **more), models, torch.float64, torch.device("cpu"))


def formula(p: torch.Tensor, cell: torch.Tensor, form: str, weights: torch.Tensor) -> torch.Tensor:
    """The penalty as method section 2 states it, a loop over models and labels."""
    total = p.new_zeros(())
    for k in range(len(p)):
        for y in (0, 1):
            zero, one = p[k][cell[k] == 2 * y], p[k][cell[k] == 2 * y + 1]
            if len(zero) and len(one):
                d = zero.mean() - one.mean()
                total = total + weights[k, y] * (d**2 if form == "squared" else d.abs())
    return total


@pytest.mark.parametrize("form", ["absolute", "squared", "lagrangian"])
@pytest.mark.parametrize("cells", [FULL, FULL.flip(1) // 3, torch.tensor([[0, 0, 1, 2, 2], [2, 3, 0, 0, 0]])])
def test_gradient_is_autograds(form, cells):
    p = scores(cells.shape).requires_grad_()
    found = state(form).gradient(p.detach(), cells)
    formula(p, cells, form, torch.full((2, 2), 1.7, dtype=torch.float64)).backward()
    assert torch.allclose(found, p.grad, rtol=0, atol=1e-14)
    assert p.grad.abs().max() > 0


def test_gradient_by_hand():
    # one label, groups {0.2, 0.4} and {0.9}: d = 0.3 - 0.9 = -0.6
    p, cell = torch.tensor([[0.2, 0.4, 0.9]], dtype=torch.float64), torch.tensor([[2, 2, 3]])
    assert state("absolute", 2.0, 1).gradient(p, cell).tolist() == [[-1.0, -1.0, 2.0]]
    assert state("squared", 2.0, 1).gradient(p, cell)[0].tolist() == pytest.approx([-1.2, -1.2, 2.4])


def test_lagrangian_multipliers_rise_and_fall():
    p, cell = torch.tensor([[0.2, 0.4, 0.9, 0.5, 0.52]], dtype=torch.float64), torch.tensor([[2, 2, 3, 0, 1]])
    found = state("lagrangian", 0.5, 1, epsilon=0.1, dual_rate=0.2)
    first = found.gradient(p, cell)
    assert first[0, 2] == pytest.approx(0.5), "the step uses the multiplier that it began with"
    # y = 1: |d| = 0.6; y = 0: |d| = 0.02
    assert found.multipliers[0].tolist() == pytest.approx([0.5 + 0.2 * (0.02 - 0.1), 0.5 + 0.2 * (0.6 - 0.1)])
    assert found.gradient(p, cell)[0, 2] == pytest.approx(0.6)
    for _ in range(100):
        found.gradient(p, cell)
    assert found.multipliers[0, 0] == 0, "never below 0"


def test_lagrangian_multiplier_of_an_empty_label_stays():
    found = state("lagrangian", 0.5, 1)
    found.gradient(torch.tensor([[0.2, 0.9]], dtype=torch.float64), torch.tensor([[2, 3]]))
    assert found.multipliers[0, 0] == 0.5
    assert found.multipliers[0, 1] > 0.5


@pytest.mark.parametrize("form", ["absolute", "squared", "lagrangian"])
@pytest.mark.parametrize("cells", [[0, 0, 2], [1, 3, 3], [0, 0, 0], [0, 3, 3]])
def test_empty_cells_contribute_nothing(form, cells):
    found = state(form, models=1)
    grad = found.gradient(scores((1, 3)), torch.tensor([cells]))
    assert torch.equal(grad, torch.zeros_like(grad))
    assert found.vacuous_share().tolist() == [1.0]


def test_half_empty_is_half_vacuous():
    found = state("absolute", models=1)
    grad = found.gradient(scores((1, 4)), torch.tensor([[2, 3, 0, 0]]))
    assert grad[0, 2:].tolist() == [0, 0]
    assert found.vacuous_share().tolist() == [0.5]


def test_vacuous_share_counts_terms_of_each_model():
    found = state("absolute")
    for cells in ([[0, 1], [0, 0]], [[0, 0], [1, 1]], [[2, 3], [2, 2]], [[0, 1], [2, 3]]):
        found.gradient(scores((2, 2)), torch.tensor(cells))
    assert found.vacuous_share().tolist() == [5 / 8, 7 / 8]


# The term within training.

TRAINING = Training(epochs=2, batch=50, learning_rate=0.01, validation=0.0)


def data(y=None, a=None) -> Table:
    return Table.of(DATA.x, DATA.y if y is None else y, DATA.a if a is None else a, np.float64)


def draw(models=3, rows=150, group=None):
    seeds = np.array([derive(2, "eo", k) for k in range(models)])
    pool = np.arange(len(DATA.y)) if group is None else np.flatnonzero(DATA.a == group)
    return np.stack([generator(int(s), "rows").choice(pool, rows, replace=False) for s in seeds]), seeds


@pytest.mark.parametrize(("group", "expected"), [(0, 1.0), (1, 1.0), (None, 0.0)])
def test_vacuous_share_of_pure_and_mixed_draws(group, expected):
    rows, seeds = draw(group=group)
    found = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(1.0))
    assert found.vacuous.tolist() == [expected] * 3
    assert found.finite.all()


@pytest.mark.parametrize("form", ["absolute", "squared", "lagrangian"])
def test_a_vacuous_term_changes_nothing(form):
    rows, seeds = draw(group=1)
    with_term = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(5.0, form))
    assert with_term.weights.tobytes() == fit(BUILD, data(), rows, seeds, TRAINING).weights.tobytes()


def test_without_a_term_nothing_is_vacuous():
    rows, seeds = draw(group=1)
    assert fit(BUILD, data(), rows, seeds, TRAINING).vacuous.tolist() == [0, 0, 0]


def one_step(rows, seeds, **more):
    """Weights after one step of all rows: a step of Adam tells the sign of every gradient."""
    training = TRAINING.model_copy(update={"epochs": 1, "batch": 4096})
    return fit(BUILD, data(more.pop("y", None), more.pop("a", None)), rows, seeds, training, **more).weights


def reference_step(rows, seed, weight, extra=None, extra_only=False):
    """Weights after one Adam step on cross-entropy + penalty, by autograd."""
    weights = torch.from_numpy(initial_weights(BUILD, np.array([seed]), np.float64)[0])
    x, y = torch.from_numpy(data().x), torch.from_numpy(data().y)
    module = BUILD().double()
    torch.nn.utils.vector_to_parameters(weights, module.parameters())
    order = rows[generator(int(seed), "order", "base").permutation(len(rows))]
    logits = module(x[order]).squeeze(1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y[order].double())
    seen = np.concatenate(([] if extra_only else [order]) + ([] if extra is None else [extra])).astype(int)
    p = torch.sigmoid(module(x[seen]).squeeze(1))
    cells = torch.tensor(2 * DATA.y[seen].astype(int) + DATA.a[seen])
    loss = loss + formula(p[None], cells[None], "absolute", torch.full((1, 2), weight, dtype=torch.float64))
    adam = torch.optim.Adam(module.parameters(), lr=TRAINING.learning_rate)
    loss.backward()
    adam.step()
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()


@pytest.mark.parametrize("only", [None, False, True], ids=["no extra", "extra", "extra only"])
def test_a_whole_step_by_autograd(only):
    rows, seeds = draw()
    extra = None if only is None else draw(rows=220)[0][:, ::-1][:, :90].copy()
    found = one_step(rows, seeds, penalty=Penalty(2.0), extra=extra, extra_only=bool(only))
    for k in range(3):
        wanted = reference_step(rows[k], seeds[k], 2.0, None if extra is None else extra[k], bool(only))
        assert np.abs(found[k] - wanted).max() < 1e-10


def disjoint():
    """Main rows of group 1 and extra rows of both groups, no row shared."""
    rows, seeds = draw(rows=80, group=1)
    pool = np.setdiff1d(np.arange(len(DATA.y)), rows)
    extra = np.stack([generator(int(s), "extra rows").choice(pool, 80, replace=False) for s in seeds])
    return rows, seeds, extra


def test_labels_of_extra_rows_do_not_enter_the_cross_entropy():
    rows, seeds, extra = disjoint()
    y = DATA.y.copy()
    y[extra] = 1 - y[extra]
    usual = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(0.0), extra=extra)
    other = fit(BUILD, data(y), rows, seeds, TRAINING, penalty=Penalty(0.0), extra=extra)
    assert usual.weights.tobytes() == other.weights.tobytes()
    plain = fit(BUILD, data(), rows, seeds, TRAINING)
    assert np.abs(usual.weights - plain.weights).max() < 1e-12


@pytest.mark.parametrize("only", [False, True])
def test_extra_rows_enter_the_term(only):
    rows, seeds, extra = disjoint()
    found = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(2.0), extra=extra, extra_only=only)
    assert found.vacuous.tolist() == [0, 0, 0], "the draw holds one group, the extra rows both"
    assert np.abs(found.weights - fit(BUILD, data(), rows, seeds, TRAINING).weights).max() > 1e-4


def test_extra_only_leaves_the_batch_out_of_the_term():
    rows, seeds = draw(rows=80)  # both groups
    pure = np.stack([np.setdiff1d(np.flatnonzero(DATA.a == 0), rows)[:80]] * 3)
    alone = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(2.0), extra=pure, extra_only=True)
    assert alone.vacuous.tolist() == [1, 1, 1]
    both = fit(BUILD, data(), rows, seeds, TRAINING, penalty=Penalty(2.0), extra=pure)
    assert both.vacuous.tolist() == [0, 0, 0]
