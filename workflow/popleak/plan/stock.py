"""Which models of a plan are in the store already, in files of other steps; `popleak plan` shows their number.

A job finds models by keys (`reuse`), which need rows; this module uses only what the plan knows. It counts no model
that a job would not find, unless a file is damaged, or changed code makes an input of a step again with another
content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core import plugins
from ..core.protocols import Role
from ..engine.fit import alone, place_of
from ..steps.draw import ModelDraw
from ..steps.models import Direction, ModelsStep
from ..steps.split import SplitStep
from ..store.populations import poisoned
from ..store.reuse import alike, glance
from .asking import FILES
from .build import Plan
from .steps import Step

Model = tuple[int, int]
"""A model of one role and world: its split and its number."""


class File(NamedTuple):
    """Content of a file: the facts in its metadata, and its models by (world, from_world)."""

    facts: dict[str, Any]
    models: dict[Direction, set[Model]]


class Stock:
    """The models that the store holds, as seen from a plan."""

    def __init__(self, plan: Plan) -> None:
        engine = plan.experiment.engine
        self.use, self.device, self.backend = engine.reuse, engine.device, engine.backend
        self.makers = {path: step for step in plan.all_steps() for path in step.outputs.values()}
        self.files: dict[Path, File | None] = {}

    def count(self, step: Step[Any]) -> int:
        """Return how many of a step's models a run would copy from other files; 0 for stages that train none."""
        if not self.use or not isinstance(step.settings, ModelsStep):
            return 0
        return sum(self._held(step, role) for role in step.settings.roles)

    def _held(self, step: Step[ModelsStep], role: Role) -> int:
        wanted, family, alone = self._wanted(step, role), list(self._family(step, role)), self._alone(step)
        held = 0
        for which in step.settings.made:
            poison = step.settings.poison if poisoned(which[0]) else None
            present = [
                found.models.get(which, set()) for found, theirs in family if poison is None or theirs.poison == poison
            ]
            if alone:
                held += len(wanted & set().union(*present))
            elif wanted in present:
                held += len(wanted)
        return held

    def _wanted(self, step: Step[ModelsStep], role: Role) -> set[Model]:
        """Return the models of a role, the same in each world: those of the step's part of a draw."""
        draw: Step[ModelDraw] = self.makers[step.inputs["draw"][0]]
        pools: Step[SplitStep] = self.makers[draw.inputs["pools"][0]]
        splits = draw.settings.first or pools.settings.splits
        each = draw.settings.victims // splits if role == "victim" else draw.settings.shadows
        models = [(split, index) for split in range(splits) for index in range(each)]
        i, count = step.settings.part
        return set(models[len(models) * i // count : len(models) * (i + 1) // count])

    def _alone(self, step: Step[ModelsStep]) -> bool:
        """Return whether models are computed one by one. Otherwise the models of a world are copied together or not
        at all."""
        return alone(self.device) or not plugins.load("models", step.settings.model).gradient

    def _family(self, step: Step[ModelsStep], role: Role) -> Iterator[tuple[File, ModelsStep]]:
        """Yield the files of a role that were made in the way this step would make its own, with the settings of
        their jobs."""
        own_file, family = Path(step.outputs[FILES[role]]), step.id.split("-")[-2]
        for path in own_file.parent.glob(f"*-{family}-*{own_file.name.removeprefix(step.id)}"):
            if path not in self.files:
                self.files[path] = _read(path)
            content = self.files[path]
            if content is None or path.name == own_file.name:
                continue
            theirs = alike(content.facts, step.settings, code=step.code, device=place_of(self.device, self.backend))
            inputs = {_id(name) for name in content.facts.get("inputs", ())}
            if theirs is not None and _id(step.inputs["data"][0]) in inputs:
                yield content, theirs


def _id(path: str) -> str:
    """Return the id of the step in a file's path or name."""
    return Path(path).name.split(".")[0]


def _read(path: Path) -> File | None:
    """Return the content of a file, or None if it is damaged."""
    names = ["world", "from_world", "split", "model_index"]
    found = glance(path, names)
    if found is None or found[0].get("step") != _id(str(path)):
        return None
    models: dict[Direction, set[Model]] = {}
    for world, other, split, index in zip(*(found[1][name] for name in names), strict=True):
        models.setdefault((world, other), set()).add((int(split), int(index)))
    return File(found[0], models)
