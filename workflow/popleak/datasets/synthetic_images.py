"""A generated task of small grey images: a spot whose place tells the label, and a little the group.

The law, for each record independently (C classes, images of side x side pixels):

    a ~ Bernoulli(g)                      y | a: see `_classes.Options.tilt`
    pixel (i, j) | a, y ~ Normal(signal exp(-|(i, j) - m|^2 / (2 spread^2)), 1)
    m = middle of the image + side / 4 u_y + effect (a - 1/2) v_y

u_y is the y-th of C equally spaced points on the unit circle, and v_y the direction along the circle there: at every label the groups'
spots lie `effect` pixels apart. P(x | a, y) does not depend on g, so worlds that differ in the ratio of a differ in nothing else. With
`effect` = `tilt` = 0 the groups differ in nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field

from . import _classes, _tables
from .base import Records


class Options(_classes.Options):
    """The law's parameters; see the module's text."""

    rows: int = Field(default=20000, ge=100, le=200_000)
    """Images to generate."""
    classes: int = Field(default=2, ge=2, le=100)
    """C, the label's classes."""
    side: int = Field(default=12, ge=4, le=64)
    """Height and width of an image, in pixels."""
    signal: float = Field(default=2.0, ge=0, le=_classes.LARGE)
    """Brightness of the spot's middle, in standard deviations of a pixel's noise."""
    spread: float = Field(default=1.5, gt=0, le=64)
    """Standard deviation of the spot, in pixels."""
    effect: float = Field(default=2.0, ge=0, le=_classes.LARGE)
    """Distance between the groups' spots at one label, in pixels."""


class SyntheticImages(_classes.Generated):
    """Images drawn from the law in the module's text."""

    name = "synthetic-images"
    summary = "generated: 12 x 12 images, groups differ by pixels that the settings state"
    n_features = 144
    Settings = Options

    def shape(self, options: Options) -> tuple[int, ...]:
        return (1, options.side, options.side)

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        self.chosen(label, attribute)
        random = np.random.Generator(np.random.PCG64(seed))
        a, y = _classes.groups_and_labels(options, random)
        n, side = options.rows, options.side
        points, along = _classes.directions(options.classes)
        middle = (side - 1) / 2 + side / 4 * points[y] + options.effect * (a - 0.5)[:, None] * along[y]
        # a spot is the product of one profile down the image and one across it
        away = np.arange(side) - middle[:, :, None]
        profile = np.exp(-(away**2) / (2 * options.spread**2)).astype(np.float32)
        x = random.standard_normal((n, side, side), dtype=np.float32)
        x += np.float32(options.signal) * profile[:, 0, :, None] * profile[:, 1, None, :]
        names = tuple(f"pixel {i},{j}" for i in range(side) for j in range(side))
        return Records(
            x=x.reshape(n, -1), y=y, a=a, features=names, groups=_classes.GROUPS,
            facts=_tables.measured(y=y, a=a, classes=options.classes),
        )  # fmt: skip


PLUGIN = SyntheticImages()
