"""Diffusion models of tables: one small network that takes noise off a row's numbers and its categories, step by step.

TabDDPM (Kotelnikov et al. 2023) in its simplest form, conditional on the label: Gaussian diffusion of numbers, as normal
scores of their quantiles, beside multinomial diffusion of categories (`chains`). The loss is theirs (equation 5): the mean
over numbers of the noise's squared error plus the mean over categories, but of the cross-entropy of x_0 given the noised row.
Hoogeboom et al. 2021 train the same prediction by the KL divergence of posteriors. Cross-entropy has P(x_0 | x_t) as its only
minimiser and does not fade where steps are small. Rows are drawn by the posterior at an x_0 from that prediction (Austin et
al. 2021, section 3.3), which is exact for each column where the prediction is.

A model is one vector: the network's weights after exponential moving average, then the transform of each number (`quantiles`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from torch.nn import functional

from ..core.seeds import generator
from . import chains, quantiles

P = ParamSpec("P")
R = TypeVar("R")

WAVES = 64
"""Sines and cosines that tell the network the step."""
CHUNK = 1024
"""Rows that are sampled at once: their activations stay in cache."""
LOUDEST = 1e3
"""The largest noise that a prediction may have; data have none near it, and a model that diverged still gives rows."""


@dataclass(frozen=True)
class Layout:
    """What a row holds: so many numbers, and categories of 0 .. L - 1 each; the label has `classes` classes.

    bounds: the least and the largest number, which are then scaled to [-1, 1]; None: numbers are turned into normal scores by their quantiles.
    grid: with bounds, of how many values in even steps a number is one; 0: of any.
    """

    numbers: int
    levels: tuple[int, ...]
    classes: int = 2
    bounds: tuple[float, float] | None = None
    grid: int = 0

    def __post_init__(self) -> None:
        if self.numbers < 0 or min(self.levels, default=1) < 1 or self.numbers + len(self.levels) < 1:
            raise ValueError(
                f"a row has at least one column, and each category a level: {self.numbers} numbers, levels {self.levels}"
            )
        if self.classes < 1:
            raise ValueError(f"a label has at least one class, not {self.classes}")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds must rise: {self.bounds}")

    @property
    def width(self) -> int:
        """How many numbers the network returns: noise of each number, a logit of each level."""
        return self.numbers + sum(self.levels)

    @property
    def starts(self) -> np.ndarray:
        """The place of each category's level 0 among all levels."""
        return np.cumsum((0, *self.levels))[:-1]


@dataclass(frozen=True)
class Recipe:
    """How a model is built and trained: `width` units in `depth` residual blocks, T = `steps` of noise, `epochs` passes over the
    rows in batches of `batch` by Adam at `learning_rate`, which falls linearly to 0, weights averaged with decay `ema`; `knots` of each number's quantiles."""

    width: int = 256
    depth: int = 3
    steps: int = 100
    epochs: int = 100
    batch: int = 256
    learning_rate: float = 2e-3
    ema: float = 0.995
    knots: int = 256


class Rows(NamedTuple):
    """Numbers (n, p), codes (n, q) of categories and labels (n,)."""

    numbers: np.ndarray
    codes: np.ndarray
    y: np.ndarray


class Fitted(NamedTuple):
    """The vector (P,) float32 of a model, whether all of it is finite, and the mean loss of the last epoch."""

    weights: np.ndarray
    finite: bool
    loss: float


def _one_thread(work: Callable[P, R]) -> Callable[P, R]:
    """Return a function that lets torch use one thread: with more, sums are added in another order, and a generator would depend on them."""

    @functools.wraps(work)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return work(*args, **kwargs)
        finally:
            torch.set_num_threads(threads)

    return alone


def _shapes(layout: Layout, recipe: Recipe) -> list[tuple[int, ...]]:
    """Return the shapes of the network's weights in the order in which they are kept."""
    w = recipe.width
    entry = [(sum(layout.levels) + layout.classes, w), (layout.numbers, w), (WAVES, w), (w,)]
    return [*entry, *[(w, w), (w,)] * recipe.depth, (layout.width, w), (layout.width,)]


def _kept(layout: Layout, recipe: Recipe) -> int:
    """Return how many numbers a model keeps of its numbers' transforms."""
    return layout.numbers * quantiles.size(recipe.knots) if layout.bounds is None else 0


def parameters(layout: Layout, recipe: Recipe) -> int:
    """Return P, the length of a model's vector."""
    return sum(map(math.prod, _shapes(layout, recipe))) + _kept(layout, recipe)


def _split(layout: Layout, recipe: Recipe, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the network's weights and the transforms of a model. Raises ValueError for a vector of another length."""
    if weights.shape != (parameters(layout, recipe),):
        raise ValueError(f"a model here has ({parameters(layout, recipe)},) numbers, not {weights.shape}")
    at = len(weights) - _kept(layout, recipe)
    return weights[:at], weights[at:].reshape(-1, quantiles.size(recipe.knots))


class Net:
    """The network on one flat vector. It returns noise of the numbers and logits of the levels, (B, p + S)."""

    def __init__(self, layout: Layout, recipe: Recipe, flat: torch.Tensor) -> None:
        self.layout, self.recipe = layout, recipe
        shapes = _shapes(layout, recipe)
        self.parts = [part.view(shape) for part, shape in zip(flat.split([math.prod(s) for s in shapes]), shapes)]
        self.waves = _waves(recipe.steps)

    def __call__(self, numbers: torch.Tensor, places: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """numbers (B, p); places (B, q + 1) in the first weights of each category's level, then of the label; t (B,), or (1,) for all rows."""
        table, into, wave, bias = self.parts[:4]
        h = functional.embedding_bag(places, table, mode="sum") + torch.addmm(bias, self.waves[t], wave)
        if self.layout.numbers:
            h = torch.addmm(h, numbers, into)
        for weight, offset in zip(self.parts[4:-2:2], self.parts[5:-2:2]):
            h = h + functional.linear(functional.silu(h), weight, offset)
        return functional.linear(functional.silu(h), *self.parts[-2:])


def _waves(steps: int) -> torch.Tensor:
    """Return features (T + 1, WAVES) of each step: sines and cosines of t / T at geometric frequencies."""
    angles = np.arange(steps + 1)[:, None] / steps * np.geomspace(1, 100, WAVES // 2)
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32))


def _initial(layout: Layout, recipe: Recipe, seed: int) -> np.ndarray:
    """Return untrained weights: each matrix normal with variance 1 / inputs, offsets 0, the last layer small, so that it starts near no opinion."""
    rng, w = generator(seed, "init"), recipe.width
    scales = [1 / math.sqrt(len(layout.levels) + 1), 1 / math.sqrt(max(layout.numbers, 1)), math.sqrt(2 / WAVES), 0]
    scales += [1 / math.sqrt(w), 0] * recipe.depth + [0.1 / math.sqrt(w), 0]
    shapes = _shapes(layout, recipe)
    return np.concatenate(
        [scale * rng.standard_normal(math.prod(s), np.float32) for s, scale in zip(shapes, scales)], dtype=np.float32
    )


@_one_thread
def fit(
    layout: Layout,
    rows: Rows,
    recipe: Recipe,
    seed: int,
    *,
    start: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    purpose: str = "train",
) -> Fitted:
    """Return a model fitted to `rows`.

    start: a model (P,) to go on from, whose transforms are kept; None: an untrained one. reference (k, p): numbers that the transforms are fitted
    to; None: those of `rows`. epochs, learning_rate: in place of the recipe's. purpose: names the random stream of this training.
    Raises ValueError where rows or `start` do not fit the layout.
    """
    _check(layout, rows)
    if start is None:
        flat = _initial(layout, recipe, seed)
        kept = (
            quantiles.fit(rows.numbers if reference is None else reference, recipe.knots)
            if _kept(layout, recipe)
            else np.empty((0, 1), np.float32)
        )
    else:
        flat, kept = _split(layout, recipe, start)
    epochs = recipe.epochs if epochs is None else epochs
    rate = recipe.learning_rate if learning_rate is None else learning_rate
    feed = Feed(layout, recipe, rows, kept, generator(seed, "diffusion", purpose))
    averaged, loss = _descend(layout, recipe, feed, flat, epochs, rate)
    weights = np.concatenate([averaged, kept.ravel()], dtype=np.float32)
    return Fitted(weights, bool(np.isfinite(weights).all() and math.isfinite(loss)), loss)


def _check(layout: Layout, rows: Rows) -> None:
    n = len(rows.y)
    if n < 1 or rows.numbers.shape != (n, layout.numbers) or rows.codes.shape != (n, len(layout.levels)):
        raise ValueError(
            f"{n} labels, numbers {rows.numbers.shape} and codes {rows.codes.shape} are no rows of {layout.numbers} numbers "
            f"and {len(layout.levels)} categories"
        )
    for values, levels, what in [
        *zip(rows.codes.T, layout.levels, itertools.repeat("code")),
        (rows.y, layout.classes, "label"),
    ]:
        if values.min() < 0 or values.max() >= levels:
            raise ValueError(f"a {what} must lie in 0 .. {levels - 1}, not {values.min()} .. {values.max()}")


class Feed:
    """The noised rows of one epoch after another, made at once for a whole epoch."""

    def __init__(self, layout: Layout, recipe: Recipe, rows: Rows, kept: np.ndarray, rng: np.random.Generator) -> None:
        self.layout, self.recipe, self.rng, self.bars = layout, recipe, rng, chains.cosine(recipe.steps)
        self.codes, self.y = rows.codes.astype(np.int64), rows.y.astype(np.int64)
        self.levels, self.starts = np.array(layout.levels, np.int64), layout.starts
        # scores of tied values are drawn anew each epoch, which scaled numbers are not
        self.scaled = np.empty((0, 0), np.float32) if layout.bounds is None else _scaled(layout, rows.numbers)
        self.ends = quantiles.intervals(rows.numbers, kept)

    def epoch(self) -> list[tuple[torch.Tensor, ...]]:
        """Return batches (noised numbers, places, t, noise, places of the true levels among all levels)."""
        n, rng = len(self.y), self.rng
        order = rng.permutation(n)
        t = rng.integers(1, self.recipe.steps + 1, n)
        bar = self.bars[t][:, None]
        x0 = quantiles.scores(*self.ends, rng) if self.layout.bounds is None else self.scaled
        noise = rng.standard_normal((n, self.layout.numbers), np.float32)
        codes = self.codes[order]
        noised = chains.noised(x0[order], noise, bar).astype(np.float32)
        places = _places(self.layout, chains.replaced(codes, self.levels, bar, rng.random(codes.shape)), self.y[order])
        made = [torch.from_numpy(one) for one in (noised, places, t, noise, codes + self.starts)]
        return list(zip(*(one.split(self.recipe.batch) for one in made)))


def _scaled(layout: Layout, numbers: np.ndarray) -> np.ndarray:
    low, high = layout.bounds or (-1.0, 1.0)
    return (2 * (np.clip(numbers, low, high) - low) / (high - low) - 1).astype(np.float32)


def _places(layout: Layout, codes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return where the levels and the label of each row stand in the network's first weights, (n, q + 1)."""
    return np.concatenate([codes + layout.starts, (sum(layout.levels) + y)[:, None]], 1)


def _loss(
    layout: Layout, segments: torch.Tensor, told: torch.Tensor, noise: torch.Tensor, true: torch.Tensor
) -> torch.Tensor:
    """Return the mean over rows of the numbers' mean squared error of noise plus the categories' mean cross-entropy.

    segments (S, q): 1 where a level is of a category, so that one product sums all softmaxes.
    """
    p = layout.numbers
    total = (told[:, :p] - noise).square().sum() / max(p, 1)
    if layout.levels:
        logits = told[:, p:]
        top = logits.detach().amax(1, keepdim=True)
        # e^-60 of the row's largest: no category whose logits all lie lower has been seen, and none makes log(0)
        mass = (logits - top).clamp(min=-60).exp() @ segments
        total = total + (mass.log() + top - logits.gather(1, true)).sum() / len(layout.levels)
    return total / len(told)


def _segments(layout: Layout) -> torch.Tensor:
    return torch.from_numpy(np.repeat(np.eye(len(layout.levels), dtype=np.float32), layout.levels, 0))


def _descend(
    layout: Layout, recipe: Recipe, feed: Feed, flat: np.ndarray, epochs: int, rate: float
) -> tuple[np.ndarray, float]:
    """Return averaged weights after so many epochs from `flat`, and the mean loss of the last."""
    weights = torch.from_numpy(flat.copy()).requires_grad_()
    averaged = weights.detach().clone()
    adam = torch.optim.Adam([weights], lr=rate, fused=True)
    segments, done, mean = _segments(layout), 0, math.nan
    total = max(epochs * math.ceil(len(feed.y) / recipe.batch), 1)
    for _ in range(epochs):
        batches, losses = feed.epoch(), []
        for noised, places, t, noise, true in batches:
            adam.param_groups[0]["lr"] = rate * (1 - done / total)
            loss = _loss(layout, segments, Net(layout, recipe, weights)(noised, places, t), noise, true)
            weights.grad = None
            loss.backward()
            adam.step()
            done += 1
            averaged.lerp_(weights.detach(), 1 - min(recipe.ema, (1 + done) / (10 + done)))
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            break  # no later step brings it back
    return averaged.numpy(), mean


@torch.no_grad()
@_one_thread
def sample(
    layout: Layout, weights: np.ndarray, y: np.ndarray, recipe: Recipe, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers (m, p) float32 in their own units and codes (m, q) int64 of m rows with labels y (m,), by ancestral sampling.

    Raises ValueError for weights (P,) of another layout or a label that it has not.
    """
    flat, kept = _split(layout, recipe, np.array(weights, np.float32))
    if len(y) and not 0 <= y.min() <= y.max() < layout.classes:
        raise ValueError(f"a label must lie in 0 .. {layout.classes - 1}, not {y.min()} .. {y.max()}")
    net = Net(layout, recipe, torch.from_numpy(flat))
    parts = [
        _ancestral(layout, recipe, net, y[at : at + CHUNK].astype(np.int64), generator(seed, "sample", at))
        for at in range(0, max(len(y), 1), CHUNK)
    ]
    x, codes = (np.concatenate(one) for one in zip(*parts))
    return _unscaled(layout, x) if layout.bounds is not None else quantiles.back(x, kept), codes


def _ancestral(
    layout: Layout, recipe: Recipe, net: Net, y: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled numbers and codes of rows with labels y."""
    bars, levels, m, p = chains.cosine(recipe.steps), np.array(layout.levels, np.int64), len(y), layout.numbers
    limit = quantiles.LIMIT if layout.bounds is None else 1.0
    x = rng.standard_normal((m, p), np.float32)
    codes = (rng.random((m, len(levels))) * levels).astype(np.int64)
    segments = _segments(layout)
    for t in range(recipe.steps, 0, -1):
        told = net(torch.from_numpy(x), torch.from_numpy(_places(layout, codes, y)), torch.tensor([t]))
        told = told.nan_to_num_(0.0, LOUDEST, -LOUDEST).clamp_(-LOUDEST, LOUDEST)
        if p:
            x0 = chains.denoised(x, told[:, :p].numpy(), bars[t], limit)
            mean, variance = chains.gaussian_posterior(x0, x, t, bars)
            x = (mean + math.sqrt(variance) * rng.standard_normal((m, p), np.float32)).astype(np.float32)
        if len(levels):
            guessed = _drawn(layout, segments, told[:, p:], rng.random((m, len(levels)), np.float32))
            codes = chains.stepped_back(guessed, codes, levels, t, bars, rng.random((m, len(levels))))
    return x, codes


def _drawn(layout: Layout, segments: torch.Tensor, logits: torch.Tensor, draws: np.ndarray) -> np.ndarray:
    """Return a code of each category (m, q) drawn by its logits (m, S): where the running sum of all probabilities passes start + draw."""
    mass = (logits - logits.amax(1, keepdim=True)).clamp(min=-60).exp_()
    share = mass / ((mass @ segments) @ segments.T)
    running = share.cumsum(1, dtype=torch.float64)
    ends = torch.cat([torch.zeros(len(running), 1, dtype=torch.float64), running], 1)[
        :, torch.from_numpy(layout.starts)
    ]
    found = torch.searchsorted(running, ends + torch.from_numpy(draws), right=True).numpy() - layout.starts
    return np.clip(found, 0, np.array(layout.levels) - 1)


def _unscaled(layout: Layout, x: np.ndarray) -> np.ndarray:
    """Return numbers of values in [-1, 1]; of a grid, the nearest of its values."""
    low, high = layout.bounds or (-1.0, 1.0)
    share = (np.clip(np.nan_to_num(x), -1, 1) + 1) / 2
    if layout.grid > 1:
        share = np.rint(share * (layout.grid - 1)) / (layout.grid - 1)
    return (low + share * (high - low)).astype(np.float32)
