"""The chains of diffusion against their closed forms, and a model of a table whose law is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from popleak.core.seeds import generator

torch = pytest.importorskip("torch")

from popleak.engine import chains, diffusion  # noqa: E402
from popleak.engine.diffusion import Layout, Recipe, Rows  # noqa: E402

T = 100
BARS = chains.cosine(T)
SMALL = Recipe(width=32, depth=1, epochs=3, batch=64, knots=16)


# ---- forwards


def test_the_schedule_is_the_formula():
    f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    expected = [1.0]
    for t in range(1, T + 1):
        expected.append(expected[-1] * (1 - min(1 - f[t] / f[t - 1], 0.999)))
    assert np.allclose(BARS, expected, rtol=1e-12, atol=0)
    assert (np.diff(BARS) < 0).all() and BARS[-1] > 0


@pytest.mark.parametrize("t", [1, 7, 50, 99])
def test_single_steps_of_noise_make_the_closed_form(t):
    rng, n, x0 = generator("forward", t), 200_000, 1.3
    x = np.full(n, x0)
    for step in range(1, t + 1):
        x = chains.noised(x, rng.standard_normal(n), BARS[step] / BARS[step - 1])
    mean, variance = math.sqrt(BARS[t]) * x0, 1 - BARS[t]
    at_once = chains.noised(np.full(n, x0), rng.standard_normal(n), BARS[t])
    for found in (x, at_once):
        assert found.mean() == pytest.approx(mean, abs=4.5 * math.sqrt(variance / n))
        assert found.var() == pytest.approx(variance, abs=4.5 * variance * math.sqrt(2 / n))


@pytest.mark.parametrize("t", [1, 20, 60, 99])
@pytest.mark.parametrize("levels", [2, 5])
def test_single_steps_of_the_multinomial_chain_make_the_closed_form(t, levels):
    rng, n = generator("forward", t, levels), 100_000
    codes = np.full(n, levels - 1)
    for step in range(1, t + 1):
        codes = chains.replaced(codes, np.array(levels), BARS[step] / BARS[step - 1], rng.random(n))
    at_once = chains.replaced(np.full(n, levels - 1), np.array(levels), BARS[t], rng.random(n))
    expected = BARS[t] * (np.arange(levels) == levels - 1) + (1 - BARS[t]) / levels
    for found in (codes, at_once):
        share = np.bincount(found, minlength=levels) / n
        assert np.abs(share - expected).max() < 4.5 * math.sqrt(0.25 / n)


# ---- one step back


@pytest.mark.parametrize("t", [1, 2, 37, 99, 100])
def test_the_gaussian_posterior_is_bayes_rule(t):
    """q(x_(t-1) | x_t, x_0) is the product of two Gaussians in x_(t-1), worked out literally by precisions."""
    x0, x_t = np.array([0.4, -1.1]), np.array([-0.3, 2.2])
    mean, variance = chains.gaussian_posterior(x0, x_t, t, BARS)
    kept, spread = BARS[t] / BARS[t - 1], 1 - BARS[t - 1]
    if t == 1:
        assert variance == 0 and np.allclose(mean, x0)
        return
    precision = 1 / spread + kept / (1 - kept)
    told = (math.sqrt(BARS[t - 1]) * x0 / spread + math.sqrt(kept) * x_t / (1 - kept)) / precision
    assert np.allclose(mean, told, atol=1e-10) and variance == pytest.approx(1 / precision, rel=1e-9)


def test_a_step_equals_the_oracle():
    """Its schedule is in single precision, which alone moves a step by more than 1e-5: beyond that comparison it is given ours."""
    diffusers = pytest.importorskip("diffusers")
    oracle = diffusers.DDPMScheduler(
        num_train_timesteps=T, beta_schedule="squaredcos_cap_v2", variance_type="fixed_small", clip_sample=True, clip_sample_range=3.7
    )  # fmt: skip
    assert np.abs(oracle.alphas_cumprod.numpy() - BARS[1:]).max() < 1e-6
    oracle.alphas_cumprod, oracle.one = torch.from_numpy(BARS[1:].copy()), torch.tensor(1.0, dtype=torch.float64)
    rng = generator("oracle")
    for t in range(T, 0, -1):
        x_t, noise = (torch.from_numpy(rng.standard_normal((8, 3))) for _ in range(2))
        x0 = chains.denoised(x_t.numpy(), noise.numpy(), BARS[t], 3.7)
        mean, variance = chains.gaussian_posterior(x0, x_t.numpy(), t, BARS)
        fresh = torch.randn((8, 3), generator=torch.Generator().manual_seed(t), dtype=torch.float64).numpy()
        told = oracle.step(noise, t - 1, x_t, generator=torch.Generator().manual_seed(t))
        assert np.abs(told.prev_sample.numpy() - (mean + math.sqrt(variance) * fresh)).max() < 1e-7
        assert np.abs(told.pred_original_sample.numpy() - x0).max() < 1e-7


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("t", [1, 2, 50, 100])
def test_multinomial_posteriors_are_bayes_rule_by_enumeration(levels, t):
    kept = BARS[t] / BARS[t - 1]

    def forward(start, end, share):
        return share * (start == end) + (1 - share) / levels

    for x0, x_t in itertools.product(range(levels), repeat=2):
        found = chains.multinomial_posterior(np.array([x0]), np.array([x_t]), levels, t, BARS)[0]
        joint = [forward(x0, k, BARS[t - 1]) * forward(k, x_t, kept) for k in range(levels)]
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert np.allclose(found, np.array(joint) / forward(x0, x_t, BARS[t]), atol=1e-12)


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("t", [1, 2, 50, 100])
def test_a_draw_has_the_posterior_as_its_law(levels, t):
    """Over an even grid of draws each level comes up as often as the posterior says."""
    grid = (np.arange(20_000) + 0.5) / 20_000
    for x0, x_t in itertools.product(range(levels), repeat=2):
        one = np.full(len(grid), x0), np.full(len(grid), x_t)
        found = chains.stepped_back(*one, np.array(levels), t, BARS, grid)
        share = np.bincount(found, minlength=levels) / len(grid)
        assert np.allclose(share, chains.multinomial_posterior(np.array(x0), np.array(x_t), levels, t, BARS), atol=3e-4)


# ---- the model


def table(n, cells, *, seed=0):
    """Return rows of two binary columns with these probabilities (2, 2), beside a label that is a coin."""
    rng = generator("table", seed)
    both = rng.choice(4, n, p=np.ravel(cells))
    return Rows(np.empty((n, 0), np.float32), np.stack([both // 2, both % 2], 1), rng.integers(0, 2, n))


PAIR = Layout(0, (2, 2))


def test_cells_of_a_dependent_table_are_reproduced():
    cells = np.array([[0.55, 0.05], [0.1, 0.3]])
    recipe, n = Recipe(width=32, depth=1, epochs=40, batch=128, knots=2), 8000
    rows = table(n, cells)
    found = diffusion.fit(PAIR, rows, recipe, 1)
    _, codes = diffusion.sample(PAIR, found.weights, rows.y, recipe, 2)
    share = np.bincount(codes[:, 0] * 2 + codes[:, 1], minlength=4) / n
    # two samples of n differ by 4.5 standard deviations at most; the steps' bias at T = 100 is below .01
    assert np.abs(share - np.ravel(cells)).max() < 4.5 * math.sqrt(2 * 0.25 / n) + 0.01
    assert found.finite and abs(share[0] * share[3] - share[1] * share[2]) > 0.1


def test_numbers_and_labels_are_reproduced():
    rng = generator("numbers")
    y = rng.integers(0, 2, 3000)
    numbers = np.stack([np.rint(3 * rng.standard_normal(3000) + 4 * y), np.where(rng.random(3000) < 0.8, 0, 7)], 1)
    rows, layout = Rows(numbers.astype(np.float32), y[:, None], y), Layout(2, (2,))
    recipe = Recipe(width=64, depth=2, epochs=40, batch=128, knots=64)
    found = diffusion.fit(layout, rows, recipe, 1)
    drawn, codes = diffusion.sample(layout, found.weights, y, recipe, 2)
    assert (codes[:, 0] == y).mean() > 0.97
    assert np.isin(drawn[:, 1], [0, 7]).all() and abs((drawn[:, 1] == 0).mean() - 0.8) < 0.06
    for label in (0, 1):
        assert abs(drawn[y == label, 0].mean() - 4 * label) < 0.6 and 2 < drawn[y == label, 0].std() < 4


@pytest.mark.parametrize(
    "layout", [Layout(1, (2,)), Layout(0, (2,)), Layout(2, ()), Layout(2, (2, 1, 3), 4), Layout(3, (2,), 2, (0, 16), 17)]
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 70])
def test_any_layout_gives_rows_of_its_own(layout, n):
    rng = generator("layouts")
    codes = (rng.random((n, len(layout.levels))) * np.array(layout.levels)).astype(np.int64)
    rows = Rows(rng.integers(0, 17, (n, layout.numbers)).astype(np.float32), codes, rng.integers(0, layout.classes, n))
    found = diffusion.fit(layout, rows, SMALL, 3)
    assert found.weights.shape == (diffusion.parameters(layout, SMALL),) and found.weights.dtype == np.float32
    for m in (0, 1, 9):
        numbers, drawn = diffusion.sample(layout, found.weights, np.zeros(m, np.int64), SMALL, 4)
        assert numbers.shape == (m, layout.numbers) and drawn.shape == (m, len(layout.levels))
        assert (drawn >= 0).all() and (drawn < np.array(layout.levels)).all() and np.isin(numbers, np.arange(17)).all()


def test_same_seed_same_bits():
    rows = table(200, [[0.4, 0.1], [0.1, 0.4]])
    one, other = (diffusion.fit(PAIR, rows, SMALL, 5).weights for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, diffusion.fit(PAIR, rows, SMALL, 6).weights)
    assert not np.array_equal(one, diffusion.fit(PAIR, rows, SMALL, 5, purpose="again").weights)
    draws = [diffusion.sample(PAIR, one, rows.y, SMALL, seed)[1] for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_training_goes_on_from_a_model():
    layout, rng = Layout(1, (2,)), generator("start")
    y = rng.integers(0, 2, 300)
    first, second = (Rows(scale * rng.standard_normal((300, 1)).astype(np.float32), y[:, None], y) for scale in (1, 9))
    base = diffusion.fit(layout, first, SMALL, 1)
    same = diffusion.fit(layout, second, SMALL, 1, start=base.weights, epochs=0)
    assert np.array_equal(same.weights, base.weights)
    more = diffusion.fit(layout, second, SMALL, 1, start=base.weights, epochs=2, learning_rate=1e-4, purpose="more")
    kept = 2 * SMALL.knots + 1
    assert np.array_equal(more.weights[-kept:], base.weights[-kept:])
    moved = np.abs(more.weights - base.weights).max()
    assert 0 < moved <= 1e-4 * 2 * 5 * 3  # Adam's steps are about its learning rate


def test_a_diverged_fit_says_so_and_still_gives_rows():
    layout, rng = Layout(2, (2, 3)), generator("diverged")
    rows = Rows(rng.standard_normal((100, 2)).astype(np.float32), rng.integers(0, 2, (100, 2)), rng.integers(0, 2, 100))
    found = diffusion.fit(layout, rows, SMALL, 1, learning_rate=1e30)
    assert not found.finite
    for weights in (found.weights, np.full_like(found.weights, np.nan), 1e30 * np.ones_like(found.weights)):
        whole = np.concatenate([weights[:-66], found.weights[-66:]])
        numbers, codes = diffusion.sample(layout, whole, rows.y, SMALL, 2)
        assert (codes >= 0).all() and (codes < [2, 3]).all()
        assert (
            np.isfinite(numbers).all()
            and (numbers >= rows.numbers.min(0)).all()
            and (numbers <= rows.numbers.max(0)).all()
        )


@pytest.mark.parametrize(
    "given", [{"numbers": 0, "levels": ()}, {"numbers": 1, "levels": (0,)}, {"numbers": 1, "levels": (2,), "bounds": (1, 1)}]
)  # fmt: skip
def test_a_layout_that_is_none_is_refused(given):
    with pytest.raises(ValueError):
        Layout(**given)


def test_rows_and_models_of_another_layout_are_refused():
    rows = table(20, [[0.25, 0.25], [0.25, 0.25]])
    with pytest.raises(ValueError, match="no rows of 1 numbers"):
        diffusion.fit(Layout(1, (2, 2)), rows, SMALL, 1)
    with pytest.raises(ValueError, match=r"a code must lie in 0 \.\. 0"):
        diffusion.fit(Layout(0, (2, 1)), rows, SMALL, 1)
    with pytest.raises(ValueError, match="a model here has"):
        diffusion.fit(PAIR, rows, SMALL, 1, start=np.zeros(3, np.float32))
    weights = diffusion.fit(PAIR, rows, SMALL, 1).weights
    with pytest.raises(ValueError, match=r"a label must lie in 0 \.\. 1"):
        diffusion.sample(PAIR, weights, np.array([2]), SMALL, 1)


def test_threads_of_torch_change_no_bit():
    rng = np.random.default_rng(5)
    layout, recipe = diffusion.Layout(2, (2, 3), 2), diffusion.Recipe(width=128, depth=2, epochs=2)
    rows = diffusion.Rows(rng.normal(size=(600, 2)), rng.integers(0, 2, (600, 2)), rng.integers(0, 2, 600))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            weights = diffusion.fit(layout, rows, recipe, 1).weights
            found.append((weights, *diffusion.sample(layout, weights, rows.y, recipe, 2)))
            assert torch.get_num_threads() == threads, "it is given back"
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
