"""A model of the owner's own, asked the query rows of a run, and what the run's adversaries make of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..config.resolved import ResolvedChoice
from ..core import plugins
from ..core.errors import PopleakError
from ..plan.build import Plan
from . import one_model, own_files, own_labels, own_models, query_rows


class Judged(NamedTuple):
    """answers: columns `row` and `score`, or `score_0` ... of more than two classes; told: a line that says what the model was given."""

    verdict: one_model.Verdict
    answers: pd.DataFrame
    told: str


def judged(
    plan: Plan,
    path: Path,
    *,
    task: str | None = None,
    model_id: str | None = None,
    takes: own_models.Takes | None = None,
    positive: str | None = None,
    widths: Sequence[int] | None = None,
    ratio: float | None = None,
) -> Judged:
    """Return what the adversaries of a finished run say of the model in a file.

    task, model_id: whose shadows, where there are several; takes, positive: as `scored`; widths: as `own_files.opened`; ratio: the share of
    group 1 among the model's training rows, if the owner knows it. Raises PopleakError in one line for whatever is wrong.
    """
    model, asked = own_files.opened(path, widths=widths), query_rows.asked(plan, task=task, model=model_id)
    answers, told = scored(model, asked, takes=takes, positive=positive)
    scores = one_model.scores_of(answers, asked, len(asked.class_names()))
    one = next(one for one in plan.tasks if one.id == asked.task)
    there = next(each for each in one.models if each.id == asked.steps[0].settings.model_id)
    cautions = list(filter(None, [unlike(model, there)]))
    verdict = one_model.verdict(plan, asked, scores, model=path.name, ratio=ratio, cautions=cautions)
    return Judged(verdict, answers, told)


def scored(
    model: own_models.OwnModel,
    asked: query_rows.Asked,
    *,
    takes: own_models.Takes | None = None,
    positive: str | None = None,
) -> tuple[pd.DataFrame, str]:
    """Return the model's answers to the records `asked.rows`, and a line that says what it was given: see `Judged`.

    takes: the records' encoded features, or the columns of the owner's table; by default what the names of its columns say. positive: the
    model's name for y = 1; by default the values that the owner's table has for it decide. Raises PopleakError where it takes other columns, or answers no
    probabilities.
    """
    loaded, classes = asked.loaded(), asked.class_names()
    names = list(loaded.facts["features"])
    frame = query_rows.columns(asked) if takes != "features" else None
    used = own_models.taken(model, names, None if frame is None else list(frame.columns), takes)
    label = own_labels.of(asked.dataset.settings.options, loaded.facts)
    found = own_models.answers(model, used, loaded.x[asked.rows], names, frame, classes, positive, label)
    scores = {"score": found} if found.ndim == 1 else {f"score_{i}": found[:, i] for i in range(found.shape[1])}
    told = "the encoded features of the records" if used == "features" else "the columns of the table"
    if model.columns is None:
        told += ", scaled and in the order of the table `dataset`: it names no columns, so nothing shows that it was trained on these"
    return pd.DataFrame({"row": asked.rows, **{name: np.asarray(one) for name, one in scores.items()}}), (
        f"{model.path}: takes {told}"
    )


def unlike(model: own_models.OwnModel, there: ResolvedChoice) -> str:
    """Return a line where the shadows of a run, `there`, are of another kind than the model, or cannot be of its kind; "" where they are alike or nobody
    knows."""
    if type(model).choice is own_models.OwnModel.choice:  # the file does not say
        return ""
    doubt = f"the models {there.id!r} that were trained are of another kind or have other settings than {model.path}, so a guess is less sure than `rate` says"
    try:
        choice = model.choice()
    except PopleakError as error:
        return f"{doubt}: {error}"
    own = plugins.load("models", choice["name"]).Settings.model_validate(choice.get("settings", {})).resolved()
    if (there.name, there.settings) == (choice["name"], own):
        return ""
    return (
        f"{doubt}, and lights are not of models like it: `popleak score {model.path} --propose` prints their `models`"
    )
