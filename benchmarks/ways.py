"""The models that the benchmarks train, and the ways to train them: `loader` is the usual loop, one model at a time from
a DataLoader; `careful` is one model at a time too, with its rows in memory, one `index_select` a batch and fused Adam;
`jax-vmap` and `jax-map` compile an epoch of all models with JAX; `stacked` is this package's engine. Model k has the same
rows, initial weights and batches in all of them, so its weights agree up to rounding.

torch and JAX are imported by the ways that need them: what the engine holds in memory is then the engine's own.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import os
import re
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popleak.core.seeds import generator
from popleak.engine.fit import Build, Table, Training, fit
from popleak.models import mlp

LEARNING_RATE = 0.003


@dataclass(frozen=True)
class Shape:
    """What a model is trained on: `rows` of `features` numbers, hidden layers of `widths` units, rows a batch."""

    rows: int
    features: int
    widths: tuple[int, ...]
    batch: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Return the shape written as ROWSxFEATURES/WIDTHxWIDTH/BATCH. Raises ValueError for other text."""
        match = re.fullmatch(r"(\d+)x(\d+)/(\d+(?:x\d+)*)/(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r}: a shape reads ROWSxFEATURES/WIDTHS/BATCH, say 2048x60/32x16/256")
        rows, features, widths, batch = match.groups()
        return cls(int(rows), int(features), tuple(int(width) for width in widths.split("x")), int(batch))

    def __str__(self) -> str:
        return f"{self.rows}x{self.features}/{'x'.join(map(str, self.widths))}/{self.batch}"

    def flop(self, epochs: int) -> int:
        """Return floating-point operations to train one model: 2 for each multiply-add of the matrix products, forward
        (x W), backward to the weights (x' g) and, but for the first layer, backward to the activations (g W')."""
        sides = [self.features, *self.widths, 1]
        layers = [into * out for into, out in itertools.pairwise(sides)]
        return 2 * (3 * sum(layers) - layers[0]) * self.rows * epochs


SHAPE = [field.name for field in dataclasses.fields(Shape)]
ALL = (
    Shape(1024, 4, (16, 4), 32), Shape(400, 60, (64, 16), 64), Shape(1500, 12, (64, 16), 128),
    Shape(2048, 60, (32, 16), 256), Shape(7865, 91, (32, 16), 256), Shape(50000, 105, (64, 16), 200),
    Shape(4400, 93, (128, 256, 128), 128),
)  # fmt: skip
DEFAULT = ALL[3]


def shapes_in(frame: pd.DataFrame) -> list[Shape]:
    """Return the shape of each row of a benchmark's table."""
    return [Shape(row[0], row[1], tuple(row[2]), row[3]) for row in frame[SHAPE].itertuples(index=False)]


def problem(shape: Shape, models: int, *, double: bool = False) -> tuple[Build, Table, np.ndarray]:
    """Return how to build a model, a made-up table of twice the rows of a model, and rows (models, n) drawn from it
    without replacement, each model's own. double: the table in double precision, of the same numbers."""
    rng = generator("benchmark", "table", str(shape))
    x = rng.standard_normal((2 * shape.rows, shape.features), dtype=np.float32)
    y = x @ rng.standard_normal(shape.features, dtype=np.float32) + 4 * rng.standard_normal(len(x)) > 0
    table = Table.of(x, y, np.zeros(len(x)), np.float64 if double else np.float32)
    rows = np.stack([generator("benchmark", "rows", k).permutation(len(x))[: shape.rows] for k in range(models)])
    build = mlp.PLUGIN.architecture(shape.features, mlp.MLP.Settings(widths=shape.widths))
    return build, table, rows


WAYS = ("loader", "careful", "jax-vmap", "jax-map", "stacked")
JAX = WAYS[2:4]
SHOWN = ("loader", "careful", "jax", "stacked")
"""The ways after `with_better_jax`."""


def present() -> tuple[str, ...]:
    """Return the ways that can be run here: JAX is not needed otherwise, and may not be installed."""
    return tuple(way for way in WAYS if way not in JAX or importlib.util.find_spec("jax"))


def with_better_jax(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of ways with only the better of those in JAX for each shape, by its median CPU seconds, as way `jax`;
    column `form` keeps its name."""
    frame = frame.assign(form=frame["way"], shape=shapes_in(frame))
    kept = []
    for _, cell in frame.groupby("shape", sort=False):
        median = cell[cell["way"].isin(JAX)].groupby("way")["cpu_seconds_per_model"].median()
        kept.append(cell[~cell["way"].isin(set(JAX) - {*median.nsmallest(1).index})])
    kept = pd.concat(kept)
    return kept.assign(way=kept["way"].replace(dict.fromkeys(JAX, "jax")))


def prepare(way: str, threads: int) -> None:
    """Import what a way needs and give torch or JAX this many threads."""
    if way in JAX:
        import jax

        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        if allowed:  # XLA starts as many threads as the process has cores at that moment
            os.sched_setaffinity(0, sorted(allowed)[:threads])
        jax.devices()
        if allowed:
            os.sched_setaffinity(0, allowed)
        return
    if way == "stacked" and "torch" not in sys.modules:
        return
    import torch

    import loops  # noqa: F401

    torch.set_num_threads(threads)


def train(
    way: str, build: Build, table: Table, rows: np.ndarray, training: Training, *, threads: int = 1
) -> np.ndarray:
    """Return weights (models, P) of models of these rows (models, n), trained in this process, their seeds 0, 1, ..."""
    if way in JAX:
        import loops_jax

        return loops_jax.train(build, table, rows, training, way.removeprefix("jax-"))
    if way != "stacked":
        import loops

        return getattr(loops, way)(build, table, rows, training)
    return fit(build, table, rows, np.arange(len(rows)), training, threads=threads).weights


def settings(shape: Shape, epochs: int) -> Training:
    """Return how the benchmarks train: no row is held out."""
    return Training(epochs=epochs, batch=shape.batch, learning_rate=LEARNING_RATE, validation=0.0)
