"""What the generated datasets with any number of classes share: the law of groups and labels, and classes round a circle."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ..core import settings
from . import _cards, _tables
from .base import Card, Dataset

LARGE = 20.0
"""Largest distance: beyond it every figure is 0 or 1."""
GROUPS = ("group 0", "group 1")


class Options(settings.Settings):
    """Parameters of the law of groups and labels."""

    rows: int = Field(default=40000, ge=100, le=1_000_000)
    """Records to generate."""
    classes: int = Field(default=4, ge=2, le=100)
    """C, the label's classes."""
    group_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """g = P(a = 1)."""
    tilt: float = Field(default=0.0, ge=0, le=5)
    """How strongly the label depends on the group: P(y | a) is proportional to exp(tilt (a - 1/2) z_y), z_y equally spaced
    in [-1, 1]; 0: not at all."""


def class_rates(options: Options) -> np.ndarray:
    """Return P(y | a), an array (2, C) indexed by a, y."""
    up = np.linspace(-1.0, 1.0, options.classes)
    weight = np.exp(options.tilt * np.array([[-0.5], [0.5]]) * up)
    return weight / weight.sum(axis=1, keepdims=True)


def groups_and_labels(options: Options, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a and y of `options.rows` records, each (N,) int8."""
    a = (random.random(options.rows) < options.group_share).astype(np.int8)
    # the last bound is left out, so that rounding in the sum can never give a class C
    bounds = np.cumsum(class_rates(options), axis=1)[:, :-1]
    y = (random.random(options.rows)[:, None] >= bounds[a]).sum(axis=1).astype(np.int8)
    return a, y


def directions(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each class its point on the unit circle and the direction along the circle there, each (C, 2)."""
    angle = 2 * np.pi * np.arange(classes) / classes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.stack([-np.sin(angle), np.cos(angle)], axis=1)


class Generated(Dataset):
    """Base of the two datasets: their names, classes and card."""

    labels = ("label",)
    attributes = ("group",)

    def classes(self, options: Options) -> tuple[str, ...]:
        return tuple(f"class {y}" for y in range(options.classes))

    def card(self, options: Options) -> Card:
        about = _cards.packaged(self.name)
        return about.card(
            {"rows": options.rows}, label=self.labels[0],
            label_text=f"label: one of {options.classes} classes, at its group's rates",
        )  # fmt: skip

    def chosen(self, label: str, attribute: str) -> None:
        """Raise PopleakError unless there is such a label and attribute."""
        _tables.choose(dataset=self, label=label, attribute=attribute)
