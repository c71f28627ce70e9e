"""The query rows of a run's games: the records that a model of the owner's must answer, as features and as the table's own columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core import plugins
from ..core.errors import PopleakError
from ..plan.build import Plan
from ..plan.steps import Step
from ..steps.attack import AttackStep
from ..steps.dataset import DatasetStep
from ..store import answers as stored
from ..store import records
from ..store.answers import Points
from .pack import named, own_attacks

if TYPE_CHECKING:
    import pandas as pd


class Asked(NamedTuple):
    """A task's attack steps, its table of records, and the records (q,) that any of its games asks, in their order."""

    task: str
    steps: list[Step[AttackStep]]
    dataset: Step[DatasetStep]
    rows: np.ndarray

    @property
    def data(self) -> Path:
        return Path(self.dataset.outputs["table"])

    def loaded(self) -> records.Loaded:
        """Return the task's records."""
        return records.read(self.data)

    def class_names(self) -> tuple[str, ...]:
        """Return the classes of the label."""
        settings = self.dataset.settings
        plugin = plugins.load("datasets", settings.dataset)
        return tuple(plugin.classes(plugin.Settings.model_validate(settings.options)))


def asked(plan: Plan, *, task: str | None = None, model: str | None = None) -> Asked:
    """Return what a task's games ask. task, model: needed where there are several. Raises PopleakError with the known names, and where the
    points are still to be drawn."""
    steps = named(_games(plan), "task", task, lambda step: [step.settings.task])
    steps = named(steps, "model", model, lambda step: [step.settings.model_id])
    found: list[np.ndarray] = []
    for path in dict.fromkeys(points_of(step) for step in steps):
        found += [one.rows for pair in _pairs(steps, path) for one in points_at(path, pair).values()]
    return Asked(steps[0].settings.task, steps, _dataset(plan, points_of(steps[0])), np.unique(np.concatenate(found)))


def _games(plan: Plan) -> list[Step[AttackStep]]:
    """Return the attacks that ask all that a game asks: those within a budget ask less of the same."""
    return [step for step in own_attacks(plan) if not step.settings.budgets]


def files(plan: Plan) -> list[str]:
    """Return the files of the points that the games of a plan ask, which `asked` reads."""
    return list(dict.fromkeys(str(points_of(step)) for step in _games(plan)))


def points_of(step: Step[AttackStep]) -> Path:
    """Return the file of an attack step's query points."""
    return Path(step.inputs["points"][0])


def points_at(path: Path, pair: str) -> dict[int, Points]:
    """Return a pair's query sets by split. Raises PopleakError if they are still to be drawn."""
    if not path.is_file():
        raise PopleakError(f"{path}: missing, so the query points are not drawn: run snakemake with this config first")
    return stored.read_points(path, pair)


def _pairs(steps: Sequence[Step[AttackStep]], path: Path) -> list[str]:
    return list(dict.fromkeys(one.pair for step in steps if points_of(step) == path for one in step.settings.pairs))


def _dataset(plan: Plan, points: Path) -> Step[Any]:
    """Return the step that makes the records which a file of points is drawn from."""
    draw = next(step for step in plan.steps["draw"].values() if Path(step.outputs["table"]) == points)
    data = draw.inputs["data"][0]
    return next(step for step in plan.steps["dataset"].values() if step.outputs["table"] == data)


def columns(asked: Asked) -> pd.DataFrame | None:
    """Return the original columns of the records `asked.rows`, in their order, as the owner's own table has them; None where the task has no such
    table. Raises PopleakError if the table is no longer what the records were made of."""
    frame = original(asked.dataset)
    if frame is None:
        return None
    there = len(asked.loaded().y)
    if len(frame) != there:
        raise PopleakError(
            f"{asked.dataset.inputs['files'][0]}: has {len(frame)} rows of the two groups where the run read {there}: run snakemake again"
        )
    return frame.iloc[asked.rows].reset_index(drop=True)


def original(step: Step[DatasetStep]) -> pd.DataFrame | None:
    """Return the records of a dataset with the columns of the owner's table; None where there is no such table."""
    plugin = plugins.load("datasets", step.settings.dataset)
    files = dict(zip(step.settings.files, map(Path, step.inputs.get("files", ())), strict=False))
    found: pd.DataFrame | None = plugin.original(
        files=files, options=plugin.Settings.model_validate(step.settings.options)
    )
    return found


def datasets(plan: Plan) -> list[Step[DatasetStep]]:
    """Return the steps that make the records which the games of a plan ask."""
    found = [_dataset(plan, points_of(step)) for step in _games(plan)]
    return list({step.id: step for step in found}.values())


def shown(asked: Asked) -> pd.DataFrame:
    """Return the query rows as whoever has a model needs them: `row`, then the table's own columns or, of other data, the encoded features."""
    import pandas as pd

    frame = columns(asked)
    if frame is None:
        loaded = asked.loaded()
        frame = pd.DataFrame(loaded.x[asked.rows], columns=list(loaded.facts["features"]))
    if "row" in frame.columns:
        raise PopleakError("the table has a column 'row', which is the name of the record's number here: rename it")
    frame.insert(0, "row", asked.rows)
    return frame


def points(asked: Asked) -> pd.DataFrame:
    """Return a row for each game, split and query point: the record, its label, its group and the world that it stands for."""
    import pandas as pd

    parts = []
    for path in dict.fromkeys(points_of(step) for step in asked.steps):
        for pair in _pairs(asked.steps, path):
            for split, one in points_at(path, pair).items():
                names = [f"q{i}" for i in range(len(one.rows))]
                told = {"pair": pair, "split": split, "point": names, "row": one.rows}
                parts.append(pd.DataFrame(told | {"y": one.y, "a": one.a, "origin": one.origin}))
    return pd.concat(parts, ignore_index=True)
