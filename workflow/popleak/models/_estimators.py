"""The scikit-learn classifiers that may be named, and their parameters: a closed list, so that no text of a config is imported or run.

The kinds of values are stated here and not asked of scikit-learn, whose import takes a second: the plan checks them each time that the
Snakefile is read. A test holds them to scikit-learn's own signatures.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError


def _number(value: Any) -> Any:
    """Refuse true and false, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number is meant")
    return value


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
Count = Annotated[Whole, Field(ge=1)]
Pair = Annotated[Whole, Field(ge=2)]
Positive = Annotated[Real, Field(gt=0)]
Least = Annotated[Real, Field(ge=0)]
Share = Annotated[Real, Field(gt=0, le=1)]
Part = Annotated[Real, Field(gt=0, lt=1)]
Below = Annotated[Real, Field(ge=0, lt=1)]
Balanced = Literal["balanced"] | None
Criterion = Literal["gini", "entropy", "log_loss"]
Solver = Literal["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]
Kinds = Mapping[str, Any]

GROWN: Kinds = {
    "max_depth": Count | None,
    "min_samples_split": Pair | Share,
    "min_samples_leaf": Count | Part,
    "min_weight_fraction_leaf": Annotated[Real, Field(ge=0, le=0.5)],
    "max_features": Literal["sqrt", "log2"] | Count | Share | None,
    "max_leaf_nodes": Pair | None,
    "min_impurity_decrease": Least,
    "ccp_alpha": Least,
}
"""Parameters of all trees but those of histograms."""
FOREST: Kinds = {
    **GROWN,
    "n_estimators": Count,
    "criterion": Criterion,
    "bootstrap": bool,
    "max_samples": Count | Share | None,
    "class_weight": Literal["balanced", "balanced_subsample"] | None,
}
STOPPED: Kinds = {"validation_fraction": Part, "n_iter_no_change": Count | None, "tol": Least}

ESTIMATORS: Mapping[str, Kinds] = {
    "AdaBoostClassifier": {"n_estimators": Count, "learning_rate": Positive},
    "DecisionTreeClassifier": {
        **GROWN, "criterion": Criterion, "splitter": Literal["best", "random"], "class_weight": Balanced,
    },
    "ExtraTreesClassifier": FOREST,
    "GaussianNB": {"var_smoothing": Least},
    "GradientBoostingClassifier": {
        **GROWN, **STOPPED, "loss": Literal["log_loss", "exponential"], "learning_rate": Least, "n_estimators": Count, "subsample": Share,
    },
    "HistGradientBoostingClassifier": {
        **STOPPED, "n_iter_no_change": Count, "learning_rate": Positive, "max_iter": Count, "max_leaf_nodes": Pair | None,
        "max_depth": Count | None, "min_samples_leaf": Count, "l2_regularization": Least, "max_features": Share,
        "max_bins": Annotated[Whole, Field(ge=2, le=255)], "early_stopping": Literal["auto"] | bool, "class_weight": Balanced,
    },
    "KNeighborsClassifier": {
        "n_neighbors": Count, "weights": Literal["uniform", "distance"], "algorithm": Literal["auto", "ball_tree", "kd_tree", "brute"],
        "leaf_size": Count, "p": Positive,
        "metric": Literal["minkowski", "euclidean", "manhattan", "chebyshev"],
    },
    "LogisticRegression": {
        "C": Positive, "tol": Positive, "fit_intercept": bool, "class_weight": Balanced, "solver": Solver, "max_iter": Count,
    },
    "MLPClassifier": {
        "hidden_layer_sizes": Annotated[tuple[Count, ...], Field(min_length=1)],
        "activation": Literal["identity", "logistic", "tanh", "relu"],
        "solver": Literal["lbfgs", "sgd", "adam"], "alpha": Least, "batch_size": Literal["auto"] | Count,
        "learning_rate": Literal["constant", "invscaling", "adaptive"], "learning_rate_init": Positive, "power_t": Least,
        "max_iter": Count, "shuffle": bool, "tol": Positive, "momentum": Annotated[Real, Field(ge=0, le=1)],
        "nesterovs_momentum": bool, "early_stopping": bool, "validation_fraction": Part, "beta_1": Below, "beta_2": Below,
        "epsilon": Positive, "n_iter_no_change": Count, "max_fun": Count,
    },
    "RandomForestClassifier": FOREST,
    "SVC": {
        "C": Positive, "kernel": Literal["linear", "poly", "rbf", "sigmoid"], "degree": Annotated[Whole, Field(ge=0)],
        "gamma": Literal["scale", "auto"] | Least, "coef0": Real, "shrinking": bool, "tol": Positive, "class_weight": Balanced,
        "max_iter": Whole,
    },
}  # fmt: skip
"""Of each classifier its parameters, and what values they take."""
OURS = {"random_state": "the seed is each model's own", "n_jobs": "each job has one core"}
"""Parameters that are set here, and why."""
SILENT = ("verbose", "warm_start", "cache_size", "oob_score", "probability", "store_cv_values")
"""Parameters that change no answer of a model that is fitted once."""
CHUNK = 65_536
"""Records that a model is asked at once."""


@functools.cache
def _kind(estimator: str, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(ESTIMATORS[estimator][name], config=ConfigDict(allow_inf_nan=False))


def checked(estimator: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as JSON values. Raises ValueError in one line for one that is unknown, ours, or out of its range."""
    found = {}
    for name, value in params.items():
        if name in OURS:
            raise ValueError(f"{name} is set by popleak ({OURS[name]}): leave it out")
        if name not in ESTIMATORS[estimator]:
            raise ValueError(
                f"no parameter {name!r} of {estimator} is known here: choose from {', '.join(sorted(ESTIMATORS[estimator]))}"
            )
        kind = _kind(estimator, name)
        try:
            found[name] = kind.dump_python(kind.validate_python(value), mode="json")
        except ValidationError as error:
            told = "; ".join(
                dict.fromkeys(
                    one["msg"].removeprefix("Value error, ").replace("Input should", "it should")
                    for one in error.errors()
                )
            )
            raise ValueError(f"{name} of {estimator}: {value!r}: {told}") from None
    return found


def classes() -> dict[str, Any]:
    """Return the classes of scikit-learn by name."""
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree

    known = (
        ensemble.AdaBoostClassifier, tree.DecisionTreeClassifier, ensemble.ExtraTreesClassifier, naive_bayes.GaussianNB,
        ensemble.GradientBoostingClassifier, ensemble.HistGradientBoostingClassifier, neighbors.KNeighborsClassifier,
        linear_model.LogisticRegression, neural_network.MLPClassifier, ensemble.RandomForestClassifier, svm.SVC,
    )  # fmt: skip
    return {one.__name__: one for one in known}


def built(estimator: str, params: Mapping[str, Any], seed: int) -> Any:
    """Return an untrained classifier with `predict_proba`; seed: 0 to 2^32 - 1.

    SVC has no probabilities of its own: its decisions are calibrated by cross-validation, as scikit-learn advises.
    """
    import inspect

    kind = classes()[estimator]
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    ours = {"random_state": seed, "n_jobs": 1}
    given |= {name: value for name, value in ours.items() if name in inspect.signature(kind).parameters}
    if estimator != "SVC":
        return kind(**given)
    from sklearn.calibration import CalibratedClassifierCV

    return CalibratedClassifierCV(kind(**given), ensemble=False)
