"""Base of the models that generate: what is trained is no classifier, but a law from which rows are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from ..core.columns import Columns
from ..core.errors import PopleakError
from ..core.settings import Settings
from .base import Model

if TYPE_CHECKING:
    from ..engine.diffusion import Layout, Recipe

GROUPS = 2
"""Levels of the group, which is the first category of a generator's rows."""
STEP = 1.0e-3
"""Seconds of a training step beside its products."""
PRODUCT = 1.0e-10
"""Seconds of a product of two weights' numbers in training: forwards, and twice backwards."""
DRAWN = 3.0e-11
"""Seconds of such a product in sampling, with what goes with it."""
START = 0.05
"""Seconds of a call before its first step."""


class Generator(Model):
    """Base of models of P(row, group | label). One is a vector (P,) float32, as every model is.

    Rows are given as features and drawn as compact rows (`core.columns`).
    """

    generates: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    gradient = False
    classes = None

    def fit_rows(
        self,
        *,
        columns: Columns,
        rows_x: np.ndarray,
        y: np.ndarray,
        a: np.ndarray,
        public_x: np.ndarray | None,
        settings: Any,
        seed: int,
        start: np.ndarray | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        purpose: str = "train",
        classes: int = 2,
    ) -> tuple[np.ndarray, bool, float]:
        """Return the model (P,) float32 of rows rows_x (n, d), labels y (n,) and groups a (n,); whether all of it is finite; the last epoch's loss.

        public_x (k, d): rows that everybody has, for what must not be fitted to the sharer's own. start: a model to train further. epochs,
        learning_rate: in place of the settings'. purpose: the name of this training's random stream.
        Raises PopleakError where the rows do not fit the columns, or public rows are needed and are not there.
        """
        raise NotImplementedError

    def draw(
        self, weights: np.ndarray, *, columns: Columns, y: np.ndarray, settings: Any, seed: int, classes: int = 2
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return groups (m,) int8 and compact rows (m, c) float32 drawn from a model at labels y (m,).

        Raises PopleakError for a model of other columns."""
        raise NotImplementedError

    def label_rates(self, weights: np.ndarray, *, columns: Columns, settings: Any, classes: int = 2) -> np.ndarray:
        """Return the shares (C,) of labels among the rows that the model was last trained on, which it carries."""
        raise NotImplementedError

    def parameters(self, columns: Columns, settings: Any, classes: int = 2) -> int:
        """Return P."""
        raise NotImplementedError

    def seconds(self, rows: int, columns: Columns, settings: Any, epochs: int | None = None) -> float:
        """Return about how many seconds of the reference core a fit takes."""
        raise NotImplementedError

    def sampling_seconds(self, m: int, columns: Columns, settings: Any) -> float:
        """Return about how many seconds of the reference core m rows take to draw."""
        raise NotImplementedError


class Diffused(Settings):
    """Settings that every diffusion model has: those of `engine.diffusion.Recipe`."""

    width: int = Field(default=256, ge=8, le=4096)
    """Units of each layer."""
    depth: int = Field(default=3, ge=1, le=20)
    """Residual blocks, one layer each."""
    steps: int = Field(default=100, ge=2, le=1000)
    """T, the steps of noise."""
    epochs: int = Field(default=100, ge=1, le=100_000)
    """Passes over the rows in training."""
    batch: int = Field(default=256, ge=1, le=65_536)
    """Rows of a step of training."""
    learning_rate: float = Field(default=2.0e-3, gt=0, le=1)
    """Adam's first learning rate; it falls linearly to 0."""
    ema: float = Field(default=0.995, ge=0, lt=1)
    """Decay of the average of weights, which is what is kept; 0: the last weights."""


class Diffusion(Generator):
    """A generator by `engine.diffusion`. A subclass says how its settings lay a row out."""

    def layout(self, columns: Columns, settings: Any, classes: int) -> Layout:
        """Return the layout of a row, the group before the other categories."""
        from ..engine.diffusion import Layout

        return Layout(len(columns.numbers), (GROUPS, *columns.levels), classes)

    def recipe(self, settings: Any) -> Recipe:
        from ..engine.diffusion import Recipe

        return Recipe(**settings.model_dump(include=set(Recipe.__dataclass_fields__)))

    def reference(self, public_x: np.ndarray | None, columns: Columns, settings: Any) -> np.ndarray | None:
        """Return the numbers (k, p) that the scale of numbers is fitted to, None for the rows of training."""
        return None

    def fit_rows(
        self,
        *,
        columns: Columns,
        rows_x: np.ndarray,
        y: np.ndarray,
        a: np.ndarray,
        public_x: np.ndarray | None,
        settings: Any,
        seed: int,
        start: np.ndarray | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        purpose: str = "train",
        classes: int = 2,
    ) -> tuple[np.ndarray, bool, float]:
        from ..engine import diffusion

        numbers, codes = _parted(columns.compact(rows_x), columns)
        rows = diffusion.Rows(numbers, np.concatenate([np.asarray(a, np.int64)[:, None], codes], 1), np.asarray(y))
        reference = self.reference(public_x, columns, settings) if start is None else None
        layout, recipe = self.layout(columns, settings, classes), self.recipe(settings)
        try:
            fitted = diffusion.fit(
                layout,
                rows,
                recipe,
                seed,
                start=None if start is None else start[:-classes],
                reference=reference,
                epochs=epochs,
                learning_rate=learning_rate,
                purpose=purpose,
            )
        except ValueError as error:
            raise PopleakError(f"model {self.name}: {error}") from error
        rates = np.bincount(y, minlength=classes) / len(y)
        return fitted._replace(weights=np.concatenate([fitted.weights, rates.astype(np.float32)]))

    def label_rates(self, weights: np.ndarray, *, columns: Columns, settings: Any, classes: int = 2) -> np.ndarray:
        rates = weights[-classes:].astype(np.float64)
        return rates / rates.sum()

    def draw(
        self, weights: np.ndarray, *, columns: Columns, y: np.ndarray, settings: Any, seed: int, classes: int = 2
    ) -> tuple[np.ndarray, np.ndarray]:
        from ..engine import diffusion

        layout, recipe = self.layout(columns, settings, classes), self.recipe(settings)
        try:
            numbers, codes = diffusion.sample(layout, weights[:-classes], np.asarray(y), recipe, seed)
        except ValueError as error:
            raise PopleakError(f"model {self.name}: {error}") from error
        return codes[:, 0].astype(np.int8), np.concatenate([numbers, codes[:, 1:]], 1, dtype=np.float32)

    def parameters(self, columns: Columns, settings: Any, classes: int = 2) -> int:
        from ..engine import diffusion

        return diffusion.parameters(self.layout(columns, settings, classes), self.recipe(settings)) + classes

    def seconds(self, rows: int, columns: Columns, settings: Any, epochs: int | None = None) -> float:
        epochs = settings.epochs if epochs is None else epochs
        steps = epochs * -(-rows // settings.batch)
        return START + steps * STEP + epochs * rows * _products(columns, settings) * PRODUCT

    def sampling_seconds(self, m: int, columns: Columns, settings: Any) -> float:
        return START + settings.steps * (STEP + m * _products(columns, settings) * DRAWN)


def _parted(compact: np.ndarray, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers (n, p) and codes (n, q) int64 of compact rows."""
    p = len(columns.numbers)
    return compact[:, :p], compact[:, p:].astype(np.int64)


def _products(columns: Columns, settings: Any) -> int:
    """Return how many weights a row is multiplied with; those that are looked up count a little."""
    width = settings.width
    out = len(columns.numbers) + GROUPS + sum(columns.levels)
    return width * (width * settings.depth + out + len(columns.numbers) + 64 + 8 * len(columns.levels))
