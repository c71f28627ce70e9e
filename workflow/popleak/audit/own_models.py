"""One model that somebody trained elsewhere: what it takes, and what it answers.

Libraries that open files of models are those of the extra `audit`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..core.errors import PopleakError
from . import own_labels

if TYPE_CHECKING:
    import pandas as pd

Takes = Literal["features", "columns"]
TOLERANCE = 1e-4
"""How far the probabilities of all classes may be from 1 in sum."""


class OwnModel:
    """A model that answers. path: its file; columns: the names of what it takes, None where the file does not say; width: how many numbers
    it takes, None for columns of several kinds."""

    kind: ClassVar[str]

    def __init__(self, path: Path, columns: tuple[str, ...] | None, width: int | None) -> None:
        self.path, self.columns, self.width = path, columns, width

    def ask(self, given: Any) -> np.ndarray:
        """Return what the model says of features (q, d), or of a DataFrame of q rows, as it is."""
        raise NotImplementedError

    def class_names(self) -> list[Any] | None:
        """Return the classes in the order of the answers; None where the file does not say, or not before the model was asked."""
        return None

    def choice(self) -> dict[str, Any]:
        """Return the model of a config whose shadows are alike. Raises PopleakError where there is none."""
        raise PopleakError(
            f"{self.path}: {self.kind} does not say how the model was trained: name the shadows' model in `models` of the config yourself, with its settings"
        )


def library(name: str, path: Path) -> ModuleType:
    """Return a library of the extra `audit`. Raises PopleakError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise PopleakError(
            f"{path}: needs the library {name.partition('.')[0]}: pip install 'popleak[audit]'"
        ) from None


def taken(model: OwnModel, features: Sequence[str], columns: Sequence[str] | None, takes: Takes | None) -> Takes:
    """Return whether a model takes the records' encoded features or the table's own columns.

    columns: of the table, None if the task is no table of the owner's; takes: what the user says. Raises PopleakError with the names that
    are missing, or where both would fit.
    """
    fits: dict[Takes, list[str]] = {
        "features": _missing(model, features),
        "columns": ["a table"] if columns is None else _missing(model, columns),
    }
    if model.columns is None:  # a matrix: columns of several kinds have names
        fits["columns"] = ["names"]
    if takes is None:
        takes = _fitting(model, fits, columns is not None)
    if takes == "columns" and columns is None:
        raise PopleakError(
            f"{model.path}: --takes columns: the task has no table of your own whose columns could be read: give a model of the {len(features)} "
            f"encoded features"
        )
    if missing := fits[takes]:
        raise PopleakError(f"{model.path}: {_told(model, takes, features, missing)}")
    return takes


def _fitting(model: OwnModel, fits: Mapping[Takes, list[str]], own: bool) -> Takes:
    """Return which of the two fits a model, or, where neither does, which is likelier meant; own: whether there is a table of the owner's."""
    fitting = [name for name, missing in fits.items() if not missing]
    if len(fitting) == 2:
        raise PopleakError(
            f"{model.path}: its {len(model.columns or ())} columns are names of encoded features and of columns of the table: say which "
            f"with --takes features or --takes columns"
        )
    return fitting[0] if fitting else "columns" if own and model.columns is not None else "features"


def _missing(model: OwnModel, there: Sequence[str]) -> list[str]:
    if model.columns is not None:
        return [name for name in model.columns if name not in there]
    return [] if model.width is None or model.width == len(there) else [f"{model.width} columns"]


def _told(model: OwnModel, takes: Takes, features: Sequence[str], missing: Sequence[str]) -> str:
    where = "the encoded features" if takes == "features" else "the columns of the table"
    if model.columns is None:
        return (
            f"takes {model.width} numbers without names, and a record has {len(features)} encoded features: train it on these, or on a DataFrame "
            f"of the table's columns"
            + (
                "; if its last one is the group, set `attribute_in_features: true` in the task"
                if model.width == len(features) + 1
                else ""
            )
        )
    shown = ", ".join(map(repr, missing[:8])) + (", ..." if len(missing) > 8 else "")
    return (
        f"takes columns that are not among {where}: {shown}: rename them as they are there, take them out of the option `drop`, or train the model "
        "without them"
    )


def answers(
    model: OwnModel,
    takes: Takes,
    x: np.ndarray,
    features: Sequence[str],
    frame: pd.DataFrame | None,
    classes: Sequence[str],
    positive: str | None = None,
    label: own_labels.Label | None = None,
) -> np.ndarray:
    """Return P(y = 1 | x) (q,), or (q, C) of C > 2 classes, of the records x (q, d), or of their original columns `frame`.

    classes: the label's; positive: the model's name for y = 1, where the values of `label` are not to decide. Raises PopleakError for answers
    that are none.
    """
    if takes == "columns":
        assert frame is not None  # `taken` refuses it else
        given: Any = frame[list(model.columns)] if model.columns is not None else frame
    else:
        order = (
            list(range(len(features)))
            if model.columns is None
            else [list(features).index(name) for name in model.columns]
        )
        given = x[:, order]
        if model.columns is not None:
            import pandas as pd

            given = pd.DataFrame(given, columns=list(model.columns))
    try:
        found = np.asarray(model.ask(given), dtype=np.float64)
    except PopleakError:
        raise
    except Exception as error:  # whatever a stranger's preprocessing raises
        told = " ".join(str(error).split())[:300]
        raise PopleakError(f"{model.path}: cannot answer the query rows ({type(error).__name__}: {told})") from error
    return _of_classes(
        _sound(model, found, len(x), len(classes)),
        model,
        classes,
        label or own_labels.Label(),
        positive,
        takes == "features",
    )


def _sound(model: OwnModel, found: np.ndarray, rows: int, classes: int) -> np.ndarray:
    """Return answers (q, C), or (q, 1) of two classes. Raises PopleakError unless they are probabilities."""
    found = found[:, None] if found.ndim == 1 else found
    allowed = (1, 2) if classes == 2 else (classes,)
    if found.ndim != 2 or len(found) != rows or found.shape[1] not in allowed:
        raise PopleakError(
            f"{model.path}: answers {' x '.join(map(str, found.shape))} numbers to {rows} rows, and the label has {classes} classes: give a model of "
            f"the same label"
        )
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(1))[0])
        raise PopleakError(f"{model.path}: answers no number to query row {row + 1}: let it fill in missing values")
    if found.min() < 0 or found.max() > 1 or (found.shape[1] > 1 and np.abs(found.sum(1) - 1).max() > TOLERANCE):
        raise PopleakError(
            f"{model.path}: answers from {found.min():g} to {found.max():g} are no probabilities: let it end in a sigmoid or softmax"
        )
    return found


def _of_classes(
    found: np.ndarray,
    model: OwnModel,
    classes: Sequence[str],
    label: own_labels.Label,
    positive: str | None,
    of_features: bool,
) -> np.ndarray:
    """Return answers in the order of the label's classes. Raises PopleakError where the model tells other classes."""
    named = model.class_names()
    if positive is not None and (named is None or len(classes) > 2):
        why = "it does not name its classes, and its last answer is read as P(y = 1 | x)"
        why = why if named is None else f"the label has {len(classes)} classes"
        raise PopleakError(f"{model.path}: --positive {positive!r}: {why}: leave it out")
    if named is None:
        return found if len(classes) > 2 else found[:, -1]
    if len(classes) == 2:
        return found[:, own_labels.positive(model.path, named, label, positive, of_features=of_features)]
    words = [word(one) for one in named]
    return found[:, [words.index(one) for one in _order(model, words, classes)]]


def _order(model: OwnModel, words: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return the model's classes in the order of the label's, which it has by their numbers or by their names."""
    numbers = [str(i) for i in range(len(classes))]
    order = next((one for one in (numbers, list(classes)) if sorted(one) == sorted(words)), None)
    if order is None:
        raise PopleakError(
            f"{model.path}: tells {', '.join(map(repr, words[:8]))} apart, and the label has the classes {', '.join(classes[:8])}: give a model of the "
            f"same label"
        )
    return order


def word(value: Any) -> str:
    """Return a class as text: 1.0 and true are 1."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
