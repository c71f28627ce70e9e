"""Models of which the answers on all records are kept, in the stages `train` and `defend`: fitted one after the other, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import accounting
from ..core.errors import PopleakError
from ..engine.fit import Fitted, Progress, hold_out
from ._fitter import Fitter, beyond_rows

ELSEWHERE = "its answers are kept on the records alone, and a defence makes other rows"


class TabledFitter(Fitter):
    """Fits such models to rows of one dataset. Poisoned rows are trained on, and their clean twins answer for them."""

    def predict(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self._one_by_one(weights, rows % self.size, None)

    def with_rows(self, *args: Any, **more: Any) -> Fitter:
        raise PopleakError(f"model {self.model.name!r}: {ELSEWHERE}")

    def __call__(
        self,
        rows: np.ndarray,
        seeds: np.ndarray,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        progress: Progress | None = None,
        **more: Any,
    ) -> Fitted:
        """Return models fitted to rows (K, n), but for those that validation holds out. They have no epochs and no learning rate."""
        if told := beyond_rows(more):
            raise PopleakError(
                f"model {self.model.name!r}: a model in closed form is not trained with {', '.join(told)}"
            )
        records, found = self.records, []
        kept, held = hold_out(rows, seeds, self.validation)
        with accounting.part("training"):
            for k, (mine, seed) in enumerate(zip(kept, seeds, strict=True)):
                one = self.model.answers(
                    x=records.x, y=records.y, rows=mine, seed=int(seed), settings=self.settings, count=self.size, classes=self.classes,
                )  # fmt: skip
                found.append(one.astype(np.float32).reshape(-1))
                if progress is not None:
                    progress(k + 1)
        weights = np.stack(found)
        return Fitted(weights, np.isfinite(weights).all(1), np.zeros(len(rows)), self._loss(weights, held))

    def _loss(self, weights: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Return the mean cross-entropy (K,) of models on their own rows (K, v), NaN without any."""
        if not held.shape[1]:
            return np.full(len(weights), np.nan)
        scores, labels = self.predict(weights, held).astype(np.float64), self.records.y[held]
        if self.classes == 2:
            right = np.where(labels == 1, scores, 1 - scores)
        else:
            right = np.take_along_axis(scores, labels[..., None].astype(np.int64), -1)[..., 0]
        return -np.log(np.clip(right, 1e-12, 1)).mean(1)
