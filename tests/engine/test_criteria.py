"""Criteria and forms of the fairness penalty: gradients against finite differences of the formulas in numpy, and the compiled loops against torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import tiny
from popleak.core.seeds import derive, generator
from popleak.engine.architecture import ConvNet
from popleak.engine.eo import BANDWIDTH, Penalty, PenaltyState, cells_of, terms
from popleak.engine.fit import Chain, Table, Training, fit

CRITERIA = ("equalized-odds", "demographic-parity", "equal-opportunity")
FORMS = ("absolute", "squared", "lagrangian", "covariance", "hsic")
NEW = [
    (form, criterion)
    for form, criterion in itertools.product(FORMS, CRITERIA)
    if form in ("covariance", "hsic") or criterion != "equalized-odds"
]
WEIGHT = 1.7


def rows_of(criterion: str, y: np.ndarray, classes: int) -> list[np.ndarray]:
    """The rows of each term."""
    if criterion == "equalized-odds":
        return [y == label for label in range(classes)]
    return [np.ones(len(y), bool) if criterion == "demographic-parity" else y == 1]


def value(p: np.ndarray, y: np.ndarray, a: np.ndarray, form: str, criterion: str, classes: int = 2) -> float:
    """The penalty of one batch, p (B,) or (B, C), as its definition has it."""
    total = 0.0
    for rows in rows_of(criterion, y, classes):
        q, b = p[rows], a[rows]
        if not (b == 0).any() or not (b == 1).any():
            continue
        if form == "hsic":
            n, each = len(q), q.reshape(len(q), -1)
            k = np.exp(-((each[:, None] - each) ** 2).sum(2) / (2 * BANDWIDTH**2))
            h = np.eye(n) - 1 / n
            total += np.trace(k @ h @ (b[:, None] == b) @ h) / n**2
        elif form == "covariance":
            total += np.mean(np.abs(np.mean((b - b.mean()).reshape(-1, *[1] * (q.ndim - 1)) * q, 0)))
        else:
            d = q[b == 0].mean(0) - q[b == 1].mean(0)
            total += np.mean(d**2 if form == "squared" else np.abs(d))
    return WEIGHT * total


def by_differences(p: np.ndarray, *told, step: float = 1e-6) -> np.ndarray:
    """The gradient of `value` by central differences."""
    found = np.zeros_like(p)
    for at in np.ndindex(p.shape):
        up, down = p.copy(), p.copy()
        up[at] += step
        down[at] -= step
        found[at] = (value(up, *told) - value(down, *told)) / (2 * step)
    return found


def batch(rows: int = 14, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = generator("criteria", seed)
    y, a = rng.integers(0, classes, rows), rng.integers(0, 2, rows)
    p = rng.random(rows) if classes == 2 else rng.dirichlet(np.ones(classes), rows)
    return p, y, a


def gradient(p, y, a, form, criterion, classes=2) -> tuple[np.ndarray, PenaltyState]:
    penalty = Penalty(WEIGHT, form, criterion=criterion)
    state = PenaltyState(penalty, 1, torch.float64, torch.device("cpu"), classes)
    cell = torch.from_numpy(cells_of(criterion, y, a))
    return state.gradient(torch.from_numpy(p)[None], cell[None])[0].numpy(), state


@pytest.mark.parametrize(("form", "criterion"), list(itertools.product(FORMS, CRITERIA)))
def test_gradient_of_two_classes(form, criterion):
    for seed in range(5):
        p, y, a = batch(seed=seed)
        found, state = gradient(p, y, a, form, criterion)
        wanted = by_differences(p, y, a, form, criterion)
        assert np.abs(found - wanted).max() < 1e-7
        assert np.abs(wanted).max() > 1e-3
        assert state.vacuous_share().tolist() == [0]


@pytest.mark.parametrize(("form", "criterion"), list(itertools.product(FORMS, CRITERIA[:2])))
def test_gradient_of_three_classes(form, criterion):
    for seed in range(5):
        p, y, a = batch(40, 3, seed)
        found, state = gradient(p, y, a, form, criterion, 3)
        assert np.abs(found - by_differences(p, y, a, form, criterion, 3)).max() < 1e-7
        assert state.vacuous_share().tolist() == [0]


def test_hsic_is_the_discrepancy_of_the_groups_scores():
    """2 (s_0 s_1)^2 MMD^2: of two equal samples 0, of two samples with one mean and two spreads not."""
    a = np.repeat([0, 1], 4)
    y = np.ones(8, int)
    alike, apart = np.tile([0.2, 0.4, 0.6, 0.9], 2), np.array([0.4, 0.6, 0.5, 0.5, 0.1, 0.9, 0.2, 0.8])
    assert abs(value(alike, y, a, "hsic", "equal-opportunity")) < 1e-15
    k = np.exp(-((apart[:, None] - apart) ** 2) / (2 * BANDWIDTH**2))
    square = k[:4, :4].mean() + k[4:, 4:].mean() - 2 * k[:4, 4:].mean()
    assert value(apart, y, a, "hsic", "equal-opportunity") == pytest.approx(WEIGHT * 2 / 16 * square)
    assert square > 0.05
    assert np.abs(gradient(apart, y, a, "squared", "equal-opportunity")[0]).max() < 1e-15, "the means are equal"
    assert np.abs(gradient(apart, y, a, "hsic", "equal-opportunity")[0]).max() > 0.1
    assert np.abs(gradient(alike, y, a, "hsic", "equal-opportunity")[0]).max() < 1e-15


def test_covariance_by_hand():
    # one label, groups {0.2, 0.4} and {0.9}: shares 2/3 and 1/3, d = -0.6
    p, y, a = np.array([0.2, 0.4, 0.9]), np.ones(3, int), np.array([0, 0, 1])
    found, _ = gradient(p, y, a, "covariance", "equalized-odds")
    assert found == pytest.approx(WEIGHT * 2 / 9 * np.array([-0.5, -0.5, 1]))


@pytest.mark.parametrize(("criterion", "count"), list(zip(CRITERIA, (2, 1, 1), strict=True)))
def test_cells(criterion, count):
    y, a = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    wanted = {"equalized-odds": [0, 1, 2, 3], "demographic-parity": [0, 1, 0, 1], "equal-opportunity": [2, 2, 0, 1]}
    assert terms(criterion, 2) == count
    assert cells_of(criterion, y, a).tolist() == wanted[criterion]
    assert cells_of(criterion, torch.from_numpy(y), torch.from_numpy(a)).tolist() == wanted[criterion]


@pytest.mark.parametrize(("form", "criterion"), list(itertools.product(FORMS, CRITERIA)))
@pytest.mark.parametrize("lonely", [0, 1])
def test_an_empty_cell_contributes_nothing_and_is_counted(form, criterion, lonely):
    p, y, a = batch()
    seen = {"equalized-odds": y == 0, "demographic-parity": y >= 0, "equal-opportunity": y == 1}[criterion]
    a = np.where(seen, lonely, a)
    found, state = gradient(p, y, a, form, criterion)
    assert found[seen].tolist() == [0] * int(seen.sum())
    assert state.vacuous_share().tolist() == [0.5 if criterion == "equalized-odds" else 1]
    assert np.isfinite(found).all()
    if criterion == "equalized-odds":
        assert np.abs(found - by_differences(p, y, a, form, criterion)).max() < 1e-7


def test_equal_opportunity_is_for_two_classes():
    x = np.zeros((6, 4), np.float32)
    table = Table.of(x, [0, 1, 2] * 2, [0, 1] * 3)
    with pytest.raises(ValueError, match="equal opportunity is for labels of two classes, not 3"):
        fit(
            ConvNet((1, 2, 2), (2,), 3), table, np.arange(6)[None], np.array([1]),
            Training(epochs=1, batch=6, learning_rate=0.1), penalty=Penalty(1.0, criterion="equal-opportunity"),
        )  # fmt: skip


# In training: the compiled loops against torch.

DATA = tiny.records()
CHAIN = Chain((DATA.x.shape[1], 17, 6, 1))
SEEDS = np.array([derive(5, "criteria", k) for k in range(3)])
DRAWN = np.stack([generator(int(s), "rows").choice(len(DATA.y), 200, replace=False) for s in SEEDS])
TRAINING = Training(epochs=3, batch=50, learning_rate=3e-3, validation=0.1)


def both(build, table, rows, seeds, penalty, **more):
    return [fit(build, table, rows, seeds, TRAINING, penalty=penalty, backend=way, **more) for way in ("auto", "torch")]


@pytest.mark.parametrize(("form", "criterion"), NEW)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-12)], ids=["single", "double"])
def test_compiled_equals_torch(form, criterion, dtype, tolerance):
    table, penalty = Table.of(DATA.x, DATA.y, DATA.a, dtype), Penalty(3.0, form, 0.01, 0.3, criterion)
    fast, slow = both(CHAIN, table, DRAWN, SEEDS, penalty)
    assert np.abs(fast.weights - slow.weights).max() < tolerance
    assert np.array_equal(fast.vacuous, slow.vacuous)
    plain = fit(CHAIN, table, DRAWN, SEEDS, TRAINING)
    assert np.abs(fast.weights - plain.weights).max() > 1e-4, "the penalty must do something"


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize(("form", "criterion"), [("hsic", "equal-opportunity"), ("covariance", "demographic-parity")])
def test_compiled_equals_torch_with_extra_rows(form, criterion, only):
    table, penalty = Table.of(DATA.x, DATA.y, DATA.a, np.float64), Penalty(3.0, form, criterion=criterion)
    fast, slow = both(CHAIN, table, DRAWN, SEEDS, penalty, extra=DRAWN[:, :90], extra_only=only)
    assert np.abs(fast.weights - slow.weights).max() < 1e-12


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("form", FORMS)
def test_vacuous_terms_are_counted_alike(criterion, form):
    lonely = Table.of(DATA.x, DATA.y, np.where(DATA.y == 1, 0, DATA.a), np.float64)  # no row with y = 1 and a = 1
    fast, slow = both(CHAIN, lonely, DRAWN, SEEDS, Penalty(2.0, form, criterion=criterion))
    assert np.array_equal(fast.vacuous, slow.vacuous)
    assert np.allclose(
        fast.vacuous, {"equalized-odds": 0.5, "demographic-parity": 0, "equal-opportunity": 1}[criterion]
    )
    assert np.abs(fast.weights - slow.weights).max() < 1e-12


@pytest.mark.parametrize(("form", "criterion"), [one for one in NEW if one[1] != "equal-opportunity"])
@pytest.mark.parametrize("classes", [2, 3])
def test_compiled_images_equal_torch(form, criterion, classes):
    rng = generator("criteria", "images")
    x, y, a = rng.normal(size=(150, 64)), rng.integers(0, classes, 150), rng.integers(0, 2, 150)
    table = Table.of(x + 0.5 * a[:, None], y, a, np.float64)
    rows = np.arange(150)[None]
    fast, slow = both(
        ConvNet((1, 8, 8), (3,), classes), table, rows, SEEDS[:1], Penalty(3.0, form, 0.01, 0.3, criterion)
    )
    assert np.abs(fast.weights - slow.weights).max() < 1e-11
    assert np.array_equal(fast.vacuous, slow.vacuous)


@pytest.mark.parametrize(("form", "criterion"), NEW)
def test_a_model_does_not_depend_on_its_neighbours(form, criterion):
    table, penalty = Table.of(DATA.x, DATA.y, DATA.a), Penalty(3.0, form, criterion=criterion)
    whole = fit(CHAIN, table, DRAWN, SEEDS, TRAINING, penalty=penalty).weights
    alone = fit(CHAIN, table, DRAWN[1:2], SEEDS[1:2], TRAINING, penalty=penalty).weights
    turned = fit(CHAIN, table, DRAWN[::-1], SEEDS[::-1], TRAINING, penalty=penalty, threads=2).weights
    assert alone.tobytes() == whole[1:2].tobytes()
    assert turned.tobytes() == whole[::-1].tobytes()


@pytest.mark.parametrize("bandwidth", [0.03, 0.1, 1.0, 30.0])
def test_the_series_of_the_kernel_has_all_digits(bandwidth):
    table = Table.of(DATA.x, DATA.y, DATA.a, np.float64)
    fast, slow = both(CHAIN, table, DRAWN, SEEDS, Penalty(3.0, "hsic", bandwidth=bandwidth))
    assert np.abs(fast.weights - slow.weights).max() < 1e-11
