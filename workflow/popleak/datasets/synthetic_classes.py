"""A generated task with any number of classes, by default four.

The law, for each record independently (d features, C classes):

    a ~ Bernoulli(g)                      y | a: see `_classes.Options.tilt`
    x | a, y ~ Normal(signal u_y + effect (a - 1/2) v_y, identity)

u_y is the y-th of C equally spaced points on the unit circle in the plane of the first two features, and v_y the direction along the
circle there. So the classes lie round a circle of radius `signal`, and at every label the groups' means are `effect` standard deviations
apart, along the circle: a model that saw one group only puts its boundaries wrongly for the other. P(x | a, y) does not depend
on g, so worlds that differ in the ratio of a differ in nothing else. With `effect` = `tilt` = 0 the groups differ in nothing.
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

    features: int = Field(default=8, ge=2, le=1000)
    """d; the first two carry label and group, the others are noise."""
    signal: float = Field(default=2.0, ge=0, le=_classes.LARGE)
    """Radius of the circle of the classes' means, in standard deviations."""
    effect: float = Field(default=1.0, ge=0, le=_classes.LARGE)
    """Distance between the groups' means at one label, in standard deviations."""


class SyntheticClasses(_classes.Generated):
    """Records drawn from the law in the module's text."""

    name = "synthetic-classes"
    summary = "generated: four or any number of classes, groups differ by a shift that the settings state"
    n_features = 8
    Settings = Options

    def load(self, *, files: Mapping[str, Path], label: str, attribute: str, options: Options, seed: int) -> Records:
        self.chosen(label, attribute)
        random = np.random.Generator(np.random.PCG64(seed))
        a, y = _classes.groups_and_labels(options, random)
        x = random.standard_normal((options.rows, options.features), dtype=np.float32)
        points, along = _classes.directions(options.classes)
        x[:, :2] += options.signal * points[y] + options.effect * (a - 0.5)[:, None] * along[y]
        return Records(
            x=x, y=y, a=a, features=tuple(f"x{j}" for j in range(options.features)), groups=_classes.GROUPS,
            facts=_tables.measured(y=y, a=a, classes=options.classes),
        )  # fmt: skip


PLUGIN = SyntheticClasses()
