"""scikit-learn's classifiers, trees and boosting among them, each kept as its answers on all records."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from ..core.errors import PopleakError
from ..core.seeds import derive
from ..core.settings import Settings as AnySettings
from . import _estimators
from ._tabled import Tabled

Name = Literal[
    "AdaBoostClassifier", "DecisionTreeClassifier", "ExtraTreesClassifier", "GaussianNB", "GradientBoostingClassifier",
    "HistGradientBoostingClassifier", "KNeighborsClassifier", "LogisticRegression", "MLPClassifier", "RandomForestClassifier", "SVC",
]  # fmt: skip


class Cost(NamedTuple):
    """CPU seconds of the reference core: of a fit, of each row in it, of each row and feature, of each record that is asked, and of each
    such record and row. units: the parameter that they are proportional to; usual: its default; squared: of each pair of rows."""

    fit: float
    row: float
    cell: float
    asked: float
    beside: float = 0.0
    units: str = ""
    usual: int = 1
    squared: float = 0.0


COSTS = {
    "AdaBoostClassifier": Cost(0.05, 9.5e-6, 3.5e-7, 1.6e-6, units="n_estimators", usual=50),
    "DecisionTreeClassifier": Cost(0.001, 6e-7, 6.2e-8, 8e-8),
    "ExtraTreesClassifier": Cost(0.08, 4.5e-5, 5.5e-7, 9e-6, units="n_estimators", usual=100),
    "GaussianNB": Cost(0.0015, 2e-7, 2e-9, 2.2e-7),
    "GradientBoostingClassifier": Cost(0.07, 3.2e-5, 1.2e-6, 1e-6, units="n_estimators", usual=100),
    "HistGradientBoostingClassifier": Cost(0.13, 2e-6, 1e-6, 6e-6, units="max_iter", usual=100),
    "KNeighborsClassifier": Cost(0.001, 1e-7, 0.0, 1e-6, beside=4.2e-9),
    "LogisticRegression": Cost(0.003, 0.0, 8e-8, 4e-8),
    "MLPClassifier": Cost(0.01, 3.5e-4, 1.5e-6, 2.7e-7, units="max_iter", usual=200),
    "RandomForestClassifier": Cost(0.11, 3e-5, 9.5e-7, 7e-6, units="n_estimators", usual=100),
    "SVC": Cost(0.01, 0.0, 0.0, 1e-6, beside=1.5e-8, squared=5.5e-8),
}
"""Fitted to fits of 1,000 and 4,000 rows of Adult with 16 and 50 features, on one core, and 10,000 records asked of each."""


class Estimator(Tabled):
    """A classifier of scikit-learn's, fitted to a model's own rows with one thread and a seed of its own.

    Features are those of the records, standardised and one-hot encoded as they are for every other model. A draw whose rows have one
    label alone gives a model that always says so.
    """

    name = "estimator"
    summary = "a scikit-learn classifier, such as a forest, boosting or nearest neighbours"

    class Settings(AnySettings):
        estimator: Name = "RandomForestClassifier"
        """The classifier's name in scikit-learn. The probabilities of SVC are calibrated by cross-validation."""
        params: dict[str, Any] = Field(default_factory=dict)
        """Its parameters, by scikit-learn's names; those left out are scikit-learn's defaults. `random_state` and `n_jobs` are
        popleak's."""

        @field_validator("params", mode="before")
        @classmethod
        def _checked(cls, value: Any, info: ValidationInfo) -> Any:
            if not isinstance(value, dict):
                raise ValueError("give the parameters by name, as in {n_estimators: 50}")
            return _estimators.checked(info.data["estimator"], value) if "estimator" in info.data else value

    def answers(
        self,
        *,
        x: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        seed: int,
        settings: Estimator.Settings,
        count: int,
        classes: int = 2,
    ) -> np.ndarray:
        import warnings

        from threadpoolctl import threadpool_limits

        labels = y[rows]
        found = np.zeros((count, classes), np.float32)
        if len(np.unique(labels)) == 1:
            found[:, int(labels[0])] = 1
            return found[:, 1] if classes == 2 else found
        model = _estimators.built(settings.estimator, settings.params, derive(seed, "estimator") & 0xFFFFFFFF)
        # sums of several threads differ in their last bits; advice on settings would be given once a model
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.fit(np.ascontiguousarray(x[rows]), labels)
            except ValueError as error:
                told = " ".join(str(error).split())
                raise PopleakError(
                    f"model {self.name}: {settings.estimator} cannot be fitted to {len(rows)} rows: {told}"
                ) from error
            for start in range(0, count, _estimators.CHUNK):
                asked = slice(start, min(start + _estimators.CHUNK, count))
                found[asked, model.classes_.astype(np.int64)] = model.predict_proba(x[asked])
        found = np.clip(found, 0, 1)
        return found[:, 1] if classes == 2 else found

    def seconds(self, rows: int, features: int, settings: Estimator.Settings, count: int, classes: int = 2) -> float:
        spent = COSTS[settings.estimator]
        each = spent.fit + rows * (spent.row + spent.cell * features) + spent.squared * rows**2
        asked = count * (spent.asked + spent.beside * rows)
        several = classes if classes > 2 and "Boosting" in settings.estimator else 1
        return several * (each + asked) * settings.params.get(spent.units, spent.usual) / spent.usual

    def refuses(self, rows: int, settings: Estimator.Settings) -> str | None:
        wanted = settings.params.get("n_neighbors", 5) if settings.estimator == "KNeighborsClassifier" else 0
        return f"{wanted} neighbours are asked for, and each model has {rows} rows" if wanted > rows else None


PLUGIN = Estimator()
