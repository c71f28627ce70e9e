"""What fits models of one architecture to rows of one dataset, and how: shared by the stages that make or ask models."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import plugins, typed
from ..core.errors import PopleakError
from ..engine.fit import Backend, Device, Fitted, Table, alone, fit, form_of, place_of, predict_rows
from ..engine.schedule import Schedule
from ..steps.models import ModelsStep
from ..store.records import Loaded


@dataclass(frozen=True)
class Engine:
    """How the engine works: models at once, threads, device, backend. None of these affects a result beyond rounding."""

    stack: int = 32
    threads: int = 1
    device: Device = "cpu"
    backend: Backend = "auto"

    def resolved(self) -> str:
        """Return the device that is used, and the backend if the config forces one. Raises PopleakError if the device
        in the config is not available."""
        try:
            return place_of(self.device, self.backend)
        except ValueError as error:
            raise PopleakError(f"config: {error}") from None


@dataclass(frozen=True)
class How(Engine):
    """How models are trained. reuse: whether to copy models that the store holds."""

    reuse: bool = True


class Fitter:
    """Fits models of one architecture to rows of one dataset, with the engine or in closed form."""

    def __init__(self, settings: ModelsStep, records: Loaded, how: How | None = None, size: int | None = None) -> None:
        """size: the number of records without their poisoned twins; None: there are none."""
        self.size = len(records.y) if size is None else size
        self.model = plugins.load("models", settings.model)
        self.settings = self.model.Settings.model_validate(settings.model_settings)
        self.training = settings.training
        self.validation = settings.validation
        self.how = how or How()
        self.records = records
        self.table = Table.of(records.x, records.y, records.a) if self.model.gradient else None
        self.build = (
            self.model.architecture(records.x.shape[1], self.settings, records.classes) if self.model.gradient else None
        )

    def with_rows(
        self, x: np.ndarray, like: np.ndarray | None = None, *, y: np.ndarray | None = None, a: np.ndarray | None = None
    ) -> Fitter:
        """Return this fitter with more rows, features x (n, d), that are numbered after the records.

        like (n,): the records that they are else as; or their labels y and groups a (n,), where they are like no record.
        """
        more, old = copy.copy(self), self.records
        given = {name: values for name, values in (("y", y), ("a", a)) if values is not None}
        alike = np.zeros(len(x), dtype=np.int64) if like is None else like
        parts: dict[str, Any] = {
            name: np.concatenate([values, given[name].astype(values.dtype) if name in given else values[alike]])
            for name in ("y", "a", "unit", "cell", "subgroup")
            if (values := getattr(old, name)) is not None
        }
        more.records = old._replace(x=np.concatenate([old.x, x.astype(old.x.dtype)]), **parts)
        if self.table is not None:
            more.table = Table.of(more.records.x, more.records.y, more.records.a)
        return more

    @property
    def alone(self) -> bool:
        """Return whether a model's bits are the same whatever models are trained beside it."""
        return self.build is None or alone(self.how.device)

    @property
    def classes(self) -> int:
        """The number of classes that the models tell apart."""
        return self.records.classes if self.build is None else form_of(self.build).classes

    def predict(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return scores (K, m), or (K, m, C), of models `weights` (K, P), each on its own rows (K, m), or all on the same (1, m)."""
        if self.build is None or self.table is None:
            return self._one_by_one(weights, rows, self.records.cell)
        how = self.how
        return predict_rows(
            self.build, weights, self.table, rows, threads=how.threads, device=how.device, backend=how.backend
        )

    def _one_by_one(self, weights: np.ndarray, rows: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
        """Return what `predict` does of models that the engine does not score. cell (N,): of the records, for the models that look at it."""
        own = np.broadcast_to(rows, (len(weights), rows.shape[1]))
        more = {} if self.classes == 2 else {"classes": self.classes}
        scores = [
            self.model.predict(weights[k : k + 1], cell=cell, rows=own[k], settings=self.settings, **more)
            for k in range(len(weights))
        ]
        shape = own.shape if self.classes == 2 else (*own.shape, self.classes)
        return np.concatenate(scores) if scores else np.empty(shape, np.float32)

    def __call__(
        self,
        rows: np.ndarray,
        seeds: np.ndarray,
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        schedule: Schedule | None = None,
        cycles: int | None = None,
        weight_decay: float | None = None,
        stop: int | None = None,
        **more: Any,
    ) -> Fitted:
        """Return models fitted to rows (K, n), by default with the config's `training`. `more` is passed to
        `engine.fit.fit`; closed forms ignore it."""
        if not self.model.gradient:
            weights = self.model.fit(y=self.records.y, cell=self.records.cell, rows=rows, settings=self.settings)
            nothing = np.zeros(len(rows))
            return Fitted(weights, np.isfinite(weights).all(1), nothing, nothing * np.nan)
        if self.training is None or self.build is None or self.table is None:
            raise PopleakError(
                f"the settings lack the key 'training', which the model {self.model.name!r} needs: {typed.HINT}"
            )
        overrides = {
            "epochs": epochs,
            "learning_rate": learning_rate,
            "schedule": schedule,
            "cycles": cycles,
            "weight_decay": weight_decay,
            "stop": stop,
        }
        training = self.training.model_copy(
            update={key: value for key, value in overrides.items() if value is not None}
        )
        how = self.how
        return fit(
            self.build, self.table, rows, seeds, training,
            stack=how.stack, threads=how.threads, device=how.device, backend=how.backend, **more,
        )  # fmt: skip


def beyond_rows(more: Mapping[str, Any]) -> list[str]:
    """Return what a training asks for beside rows, labels, epochs and learning rate: of models that the engine does not train, nobody can."""
    told = [name for name, value in more.items() if name != "objective" and value is not None and value is not False]
    return told + list(more["objective"].wants() if "objective" in more else ())
