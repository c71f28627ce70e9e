"""A generator with a known law, so that the best possible adversary is known.

The law, for each record independently (group_share g, label_rates q, K cells, d features):

    a ~ Bernoulli(g)
    y | a ~ Bernoulli(q_a)
    cell | a, y ~ `cell_law`: P(c | a, y) proportional to exp(cell_signal (y - 1/2) u_c + cell_shift (a - 1/2) v_c),
                  u_c equally spaced in [-1, 1], v_c = +1, -1, +1, ...
    x_j | a, y ~ Normal(signal (y - 1/2) s_j + shift (a - 1/2) t_j, 1), j = 1 .. d, independent of the cell given (a, y)
                  s_j = 1 / sqrt(h) for the first h = ceil(d / 2) features, else 0;  t_j = 1 / sqrt(d) for all
    proxy_k | a ~ Normal(proxy_strength (a - 1/2), 1)

So `signal` is the distance between the two labels' means within a group, and `shift` that between the groups' means
at one label, both in standard deviations. The shift lies partly along the label's direction: a model that saw one
group only puts its threshold wrongly for the other, and accuracy and error rates differ between groups, as they do in
real data. P(x, cell | a, y) does not depend on g, so worlds that differ in the ratio of a differ in nothing else.

Features keep the law's own scale (variance 1 within a group and label). Worlds far apart have a large `shift`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from ..core import settings
from . import _cards, _tables
from .base import Card, Dataset, Records

Share = Annotated[float, Field(gt=0, lt=1)]
LARGE = 20.0
"""Largest distance between means: beyond it every figure is 0 or 1."""


class Options(settings.Settings):
    """The law's parameters; see the module's text."""

    rows: int = Field(default=40000, ge=100, le=10_000_000)
    """Records to generate."""
    group_share: Share = 0.5
    """g = P(a = 1)."""
    label_rates: tuple[Share, Share] = (0.35, 0.55)
    """q_0, q_1: P(y = 1 | a = 0) and P(y = 1 | a = 1)."""
    features: int = Field(default=8, ge=1, le=1000)
    """d, the features that carry the label's signal and the groups' shift."""
    signal: float = Field(default=1.6, ge=0, le=LARGE)
    """Distance between the labels' means, in standard deviations."""
    shift: float = Field(default=0.8, ge=0, le=LARGE)
    """Distance between the groups' means, in standard deviations."""
    proxies: int = Field(default=1, ge=0, le=1000)
    """Further features that are noisy copies of the group."""
    proxy_strength: float = Field(default=1.0, ge=0, le=LARGE)
    """Distance between the groups' means of a proxy, in standard deviations."""
    cells: int = Field(default=4, ge=1, le=256)
    """K, the number of values of the discrete feature."""
    cell_signal: float = Field(default=1.0, ge=0, le=LARGE)
    """How strongly the cell depends on the label; 0: not at all."""
    cell_shift: float = Field(default=0.5, ge=0, le=LARGE)
    """How strongly the cell depends on the group; 0: not at all."""
    cell_in_features: bool = True
    """Whether the cell is also among the features, one-hot."""


class Draw(NamedTuple):
    """One sample of the law: x (N, d) float32; y, a (N,) int8; cell (N,) int16; the features' names."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    cell: np.ndarray
    features: tuple[str, ...]


def cell_law(options: Options) -> np.ndarray:
    """Return P(cell | a, y), an array (2, 2, K) indexed by a, y, cell."""
    up = np.linspace(-1.0, 1.0, options.cells)
    alternating = np.where(np.arange(options.cells) % 2 == 0, 1.0, -1.0)
    half = np.array([-0.5, 0.5])
    weight = np.exp(
        options.cell_signal * half[None, :, None] * up + options.cell_shift * half[:, None, None] * alternating
    )
    return weight / weight.sum(axis=2, keepdims=True)


def cell_shares(options: Options) -> np.ndarray:
    """Return P(cell | a), an array (2, K)."""
    rates = np.array(options.label_rates)
    law = cell_law(options)
    return (1 - rates)[:, None] * law[:, 0] + rates[:, None] * law[:, 1]


def cell_label_rates(options: Options) -> np.ndarray:
    """Return P(y = 1 | a, cell), an array (2, K)."""
    return np.array(options.label_rates)[:, None] * cell_law(options)[:, 1] / cell_shares(options)


def bayes_accuracy(options: Options, *, group: int) -> float:
    """Return the accuracy of the best classifier within one group, hence of the best model of a pure world.

    Within a group and a cell the features are two normals at distance D = `signal` with prior p, for which the best
    rule cuts at t = -log(p / (1 - p)) / D and is right with probability p Phi(D/2 - t) + (1 - p) Phi(D/2 + t). The
    shift and the proxies carry nothing further once the group is known.
    """
    if options.cell_in_features:
        priors, shares = cell_label_rates(options)[group], cell_shares(options)[group]
    else:
        priors, shares = np.array([options.label_rates[group]]), np.ones(1)
    return float(sum(share * _two_normals(prior, options.signal) for prior, share in zip(priors, shares, strict=True)))


def draw(*, options: Options, seed: int) -> Draw:
    """Return `options.rows` records of the law, a function of `options` and `seed` alone."""
    random = np.random.Generator(np.random.PCG64(seed))
    n, d = options.rows, options.features
    a = (random.random(n) < options.group_share).astype(np.int8)
    y = (random.random(n) < np.array(options.label_rates)[a]).astype(np.int8)
    # the last bound is left out, so that rounding in the sum can never give a cell K
    bounds = np.cumsum(cell_law(options), axis=2)[:, :, :-1]
    cell = (random.random(n)[:, None] >= bounds[a, y]).sum(axis=1).astype(np.int16)
    label, group = y - np.float32(0.5), a - np.float32(0.5)
    towards_label = np.zeros(d, dtype=np.float32)
    towards_label[: math.ceil(d / 2)] = options.signal / math.sqrt(math.ceil(d / 2))
    x = random.standard_normal((n, d + options.proxies), dtype=np.float32)
    x[:, :d] += label[:, None] * towards_label + group[:, None] * np.float32(options.shift / math.sqrt(d))
    x[:, d:] += group[:, None] * np.float32(options.proxy_strength)
    names = [*(f"x{j}" for j in range(d)), *(f"proxy{k}" for k in range(options.proxies))]
    if options.cell_in_features and options.cells > 1:
        x = np.concatenate([x, (cell[:, None] == np.arange(options.cells)).astype(np.float32)], axis=1)
        names += [f"cell={value}" for value in range(options.cells)]
    return Draw(x, y, a, cell, tuple(names))


def _two_normals(prior: float, distance: float) -> float:
    if distance == 0:
        return max(prior, 1 - prior)
    cut = -math.log(prior / (1 - prior)) / distance
    return prior * _phi(distance / 2 - cut) + (1 - prior) * _phi(distance / 2 + cut)


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


class Synthetic(Dataset):
    """Records drawn from the law in the module's text; rows and rates differ from it by sampling only."""

    name = "synthetic"
    summary = "generated: known distribution, groups differ by a shift that is a setting"
    labels = ("label",)
    attributes = ("group",)
    n_features = 13
    Settings = Options

    def card(self, options: Options) -> Card:
        shares = np.array([1 - options.group_share, options.group_share])
        about = _cards.packaged(self.name)
        known = {
            "rows": options.rows, "labelRate": float(shares @ np.array(options.label_rates)),
            "groups": {"group": {"labelRates": options.label_rates}},
        }  # fmt: skip
        return about.card(known, label=self.labels[0])

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        _tables.choose(dataset=self, label=label, attribute=attribute)
        x, y, a, cell, features = draw(options=options, seed=seed)
        facts = _tables.measured(y=y, a=a)
        return Records(x=x, y=y, a=a, features=features, groups=("group 0", "group 1"), cell=cell, facts=facts)


PLUGIN = Synthetic()
