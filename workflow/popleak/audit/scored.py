"""A model of the owner's own, asked the query rows of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import own_models, query_rows


def scored(
    model: own_models.OwnModel,
    asked: query_rows.Asked,
    *,
    takes: own_models.Takes | None = None,
    positive: str | None = None,
) -> tuple[pd.DataFrame, str]:
    """Return the model's answers (columns `row` and `score`, or `score_0` ... of more than two classes), and a line that says what it was given.

    takes: the records' encoded features, or the columns of the owner's table; by default what the names of its columns say. positive: the
    model's name for y = 1. Raises PopleakError where it takes other columns, or answers no probabilities.
    """
    loaded, classes = asked.loaded(), asked.class_names()
    names = list(loaded.facts["features"])
    frame = query_rows.columns(asked) if takes != "features" else None
    used = own_models.taken(model, names, None if frame is None else list(frame.columns), takes)
    if positive is None and model.class_names() is not None and "1" not in map(str, model.class_names() or ()):
        positive = asked.positive()
    found = own_models.answers(model, used, loaded.x[asked.rows], names, frame, classes, positive)
    scores = {"score": found} if found.ndim == 1 else {f"score_{i}": found[:, i] for i in range(found.shape[1])}
    told = "the encoded features of the records" if used == "features" else "the columns of the table"
    return pd.DataFrame(
        {"row": asked.rows} | {name: np.asarray(one) for name, one in scores.items()}
    ), f"{model.path}: takes {told}"
