"""scikit-learn models from files of skops, of types in a closed list alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import PopleakError
from ..models import _estimators
from . import own_models, own_parts

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._ball_tree.BallTree64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._kd_tree.KDTree64",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What a file may hold beside the types that skops itself trusts."""


class SkopsModel(own_models.OwnModel):
    """A classifier of scikit-learn, or a pipeline that ends in one."""

    kind = "skops"

    def __init__(self, path: Path, model: Any) -> None:
        names = getattr(model, "feature_names_in_", None)
        columns = None if names is None else tuple(map(str, names))
        super().__init__(path, columns, None if columns is not None else _width(model))
        self.model = model

    def ask(self, given: Any) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.predict_proba(given)

    def class_names(self) -> list[Any]:
        return self.model.classes_.tolist()

    def choice(self) -> dict[str, Any]:
        """Return the plugin `estimator` with the classifier's own parameters that are not scikit-learn's defaults."""
        last = _last(self.model)
        name = type(last).__name__
        if type(last) not in _estimators.classes().values():
            raise PopleakError(
                f"{self.path}: {name} is none of the classifiers that shadows can be: choose from {', '.join(_estimators.ESTIMATORS)} and name it in "
                f"`models` of the config yourself"
            )
        left_out = (*_estimators.OURS, *_estimators.SILENT)
        usual = type(last)().get_params(deep=False)
        given = {key: value for key, value in last.get_params(deep=False).items() if key not in left_out}
        own = {key: _plain(value) for key, value in given.items() if not _same(value, usual[key])}
        try:
            params = _estimators.checked(name, own)
        except ValueError as error:
            raise PopleakError(f"{self.path}: its shadows cannot be trained alike: {error}") from None
        return {"name": "estimator", "settings": {"estimator": name, "params": params}}


def read(path: Path) -> SkopsModel:
    """Return the model in a file. Raises PopleakError with the list of types that are not trusted, and for what is no classifier."""
    skops = own_models.library("skops.io", path)
    try:
        untrusted = [name for name in skops.get_untrusted_types(file=path) if name not in TRUSTED]
    except Exception as error:  # a damaged file may raise anything
        raise _damaged(path, error) from error
    if untrusted:
        raise PopleakError(
            f"{path}: holds types that are not trusted, so it is not opened: {', '.join(sorted(untrusted))}: build the model of scikit-learn's own "
            f"parts (of a search save `best_estimator_`), or export it as ONNX"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = skops.load(path, trusted=list(TRUSTED))
    except Exception as error:
        raise _damaged(path, error) from error
    from sklearn.base import is_regressor

    if not hasattr(model, "classes_") or not hasattr(model, "predict_proba"):
        remedy = (
            "a regressor gives no probabilities: train a classifier"
            if is_regressor(model)
            else "wrap it in CalibratedClassifierCV, or fit it"
        )
        raise PopleakError(f"{path}: {type(model).__name__} is no fitted classifier with predict_proba: {remedy}")
    if told := own_parts.flaw(model):
        raise PopleakError(f"{path}: {told}: the file is damaged: save it again")
    return SkopsModel(path, model)


def _damaged(path: Path, error: Exception) -> PopleakError:
    told = " ".join(str(error).split())[:200]
    return PopleakError(
        f"{path}: cannot be read as skops ({type(error).__name__}: {told}): save it again with skops.io.dump"
    )


def _width(model: Any) -> int | None:
    found = getattr(model, "n_features_in_", None)
    return None if found is None else int(found)


def _last(model: Any) -> Any:
    """Return the classifier at the end of a pipeline; of a calibrated SVC that SVC, as the plugin calibrates it itself."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.pipeline import Pipeline

    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    if isinstance(model, CalibratedClassifierCV) and type(model.estimator).__name__ == "SVC":
        return model.estimator
    return model


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _same(value: Any, usual: Any) -> bool:
    return type(value) is type(usual) and value == usual
