"""Parts of a scikit-learn model that compiled code follows without a look: whether their indices stay within the model and its columns.

Reading beyond an array gives answers from whatever stands in memory there, or ends the process. A damaged file is refused instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SETS = 256
"""Categories that a split of histogram gradient boosting can tell apart."""


def flaw(model: Any) -> str | None:
    """Return what in a model names a place that is not there; None where all is whole."""
    found = list(_parts(model))
    for look in (_static, _asked):  # none is asked before all are looked at; what is inside before what holds it
        for part in reversed(found):
            try:
                told = look(part)
            except Exception as error:  # a part that lacks what its kind has
                return f"{type(part).__name__} cannot be checked ({type(error).__name__})"
            if told:
                return told
    return None


def _parts(model: Any) -> Iterator[Any]:
    """Yield all objects in a model that hold others, and the trees among them."""
    seen: set[int] = set()
    todo = [model]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (str, bytes, int, float, type(None))):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, dict):
            todo += list(one.values())
        elif isinstance(one, (list, tuple)) or (isinstance(one, np.ndarray) and one.dtype == object):
            todo += list(one.flat if isinstance(one, np.ndarray) else one)
        else:
            todo += list(getattr(one, "__dict__", {}).values())


@functools.cache
def _looks() -> list[tuple[tuple[type, ...], Callable[[Any], str | None]]]:
    """Return kinds of parts, and what looks at them."""
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
    from sklearn.neighbors import BallTree, KDTree
    from sklearn.neighbors._base import NeighborsBase
    from sklearn.svm._base import BaseLibSVM
    from sklearn.tree import BaseDecisionTree
    from sklearn.tree._tree import Tree

    return [
        ((Tree,), _tree),
        ((BaseDecisionTree,), _grown),
        ((BaseGradientBoosting,), _boosted),
        ((BaseHistGradientBoosting,), _histograms),
        (tuple({*KDTree.__mro__[:-1], *BallTree.__mro__[:-1]}), _places),
        ((NeighborsBase,), _neighbours),
        ((BaseLibSVM,), _vectors),
    ]


def _static(part: Any) -> str | None:
    for kinds, look in _looks():
        if isinstance(part, kinds) and (told := look(part)):
            return told
    return None


def _within(values: Any, count: int) -> bool:
    """Return whether all values are places in an array of `count`."""
    found = np.asarray(values)
    return not found.size or bool(found.min() >= 0 and found.max() < count)


def _after(children: np.ndarray, inner: np.ndarray, count: int) -> bool:
    """Return whether the children (2, n) of the nodes at `inner` (n,) stand behind them, so that no path goes round, and are among `count`."""
    return _within(children, count) and bool((children > inner).all())


def _tree(tree: Any) -> str | None:
    told = "a tree names nodes or columns that it does not have"
    if not 0 < tree.node_count <= tree.capacity:
        return told
    inner = np.flatnonzero(tree.children_left != -1)
    children = np.stack([tree.children_left[inner], tree.children_right[inner]])
    fine = _after(children, inner, tree.node_count) and _within(tree.feature[inner], tree.n_features)
    return None if fine else told


def _grown(tree: Any) -> str | None:
    if not hasattr(tree, "tree_") or tree.tree_.n_features == tree.__dict__.get("n_features_in_"):
        return None
    return "a tree is of other columns than its model"


def _boosted(model: Any) -> str | None:
    trees = model.__dict__.get("estimators_")
    if trees is None:
        return None
    width, sides = model.n_features_in_, 1 if len(model.classes_) == 2 else len(model.classes_)
    fine = trees.ndim == 2 and trees.shape[1] == sides == model.n_trees_per_iteration_
    if not fine or any(one.tree_.n_features != width or one.n_features_in_ != width for one in trees.flat):
        return "a tree is of other columns or classes than its model"
    return None


def _histograms(model: Any) -> str | None:
    rounds = model.__dict__.get("_predictors")
    if rounds is None:
        return None
    width, bins = model.n_features_in_, model._bin_mapper
    codes = np.flatnonzero(bins.is_categorical_)
    told = "a tree names nodes or columns that it does not have"
    if len(bins.is_categorical_) != width or not all(_within(bins.bin_thresholds_[one], SETS) for one in codes):
        return told
    if any(_wrong(one, width, codes) for each in rounds for one in each):
        return told
    # the trees take what it gives without counting its columns
    return None if getattr(model, "_preprocessor", None) is None else "encodes columns inside its trees' model"


def _wrong(tree: Any, width: int, codes: np.ndarray) -> bool:
    """Return whether a tree of histogram gradient boosting names what is not there. codes: the columns of categories."""
    nodes = tree.nodes
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    split = nodes[inner]
    by_code = split[split["is_categorical"] != 0]
    children = np.stack([split["left"], split["right"]]).astype(np.int64)
    return not (
        len(nodes) > 0
        and _after(children, inner, len(nodes))
        and _within(split["feature_idx"], width)
        and bool(np.isin(by_code["feature_idx"], codes).all())
        and _within(by_code["bitset_idx"], len(tree.raw_left_cat_bitsets))
        and tree.raw_left_cat_bitsets.shape[1:] == (SETS // 32,)
    )


def _places(tree: Any) -> str | None:
    data, order, nodes, bounds, _, levels, count, *_, metric, _ = tree.__getstate__()
    rows, width = data.shape
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    weighted = type(metric).__name__.startswith("Minkowski")  # others read no weights
    fine = (
        0 < count == len(nodes) == 2**levels - 1
        and bounds.shape[1:] == (count, width)
        and len(order) == rows
        and _within(order, rows)
        and _within(nodes["idx_start"], rows + 1)
        and _within(nodes["idx_end"], rows + 1)
        and _within(2 * inner + 2, count)
        and (not weighted or len(metric.__getstate__()[1]) in (0, width))
    )
    return None if fine else "a tree of neighbours names rows or nodes that it does not have"


def _neighbours(model: Any) -> str | None:
    labels = model.__dict__.get("_y")
    if labels is None or not hasattr(model, "classes_"):
        return None
    rows = model._fit_X.shape
    fine = labels.ndim == 1 and len(labels) == rows[0] and _within(labels, len(model.classes_))
    fine = fine and rows[1] == model.n_features_in_
    return None if fine else "a neighbour has a class or columns that the model does not have"


def _vectors(model: Any) -> str | None:
    if "_n_support" not in model.__dict__:
        return None
    each, there = model._n_support, model.support_vectors_.shape
    pairs = len(each) * (len(each) - 1) // 2
    fine = (
        len(each) == len(model.classes_)
        and bool((each >= 0).all())
        and each.sum() == there[0] == len(model.support_)
        and there[1] == model.n_features_in_
        and model._dual_coef_.shape == (len(each) - 1, there[0])
        and len(model._intercept_) == pairs
        and {len(model._probA), len(model._probB)} <= {0, pairs}
    )
    return None if fine else "a support vector machine counts vectors that it does not have"


def _asked(part: Any) -> str | None:
    """Return whether gradient boosting starts from numbers of other classes than its trees add to: only an answer says so."""
    from sklearn.ensemble._gb import BaseGradientBoosting

    if not isinstance(part, BaseGradientBoosting) or "estimators_" not in part.__dict__:
        return None
    start = part._raw_predict_init(np.zeros((1, part.n_features_in_), dtype=np.float32))
    return None if start.shape[1] == part.estimators_.shape[1] else "a tree is of other classes than its model"
