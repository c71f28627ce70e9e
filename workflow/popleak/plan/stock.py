"""Which of the models that a plan asks for are in the store already, in files of other steps: what `popleak plan` tells.

A job knows by keys (`reuse`), which need rows; this goes by what the plan knows of them. It counts no model that a job
would not find, unless a file is damaged, or an input of a step is made anew by changed code and comes out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core import plugins
from ..engine.fit import alone, place_of
from ..store.populations import poisoned
from ..store.reuse import alike, glance
from .build import Plan
from .steps import Step
from .task import ROLES

Model = tuple[int, int]
"""A model of one role and world: its split and its number."""


class File(NamedTuple):
    """What a file holds: the facts in its metadata, and by (world, from_world) its models."""

    facts: dict[str, Any]
    models: dict[tuple[str, str], set[Model]]


class Stock:
    """The models that the store holds, as seen from a plan."""

    def __init__(self, plan: Plan) -> None:
        engine = plan.experiment.engine
        self.use, self.device, self.backend = engine.reuse, engine.device, engine.backend
        self.makers = {path: step for step in plan.all_steps() for path in step.outputs.values()}
        self.files: dict[Path, File | None] = {}

    def count(self, step: Step) -> int:
        """Return how many of a step's models a run would copy from other files; of stages that train none, 0."""
        if not self.use or step.stage not in ("train", "defend"):
            return 0
        return sum(self._held(step, role, *which) for role in step.settings["roles"] for which in _worlds(step))

    def _held(self, step: Step, role: str, world: str, from_world: str) -> int:
        wanted = self._wanted(step, role)
        there = [found.models.get((world, from_world), set()) for found in self._family(step, role, world)]
        if self._alone(step):
            return len(wanted & set().union(*there))
        return len(wanted) if wanted in there else 0

    def _wanted(self, step: Step, role: str) -> set[Model]:
        """Return the models of a role, the same in each world: those of the step's part of a draw."""
        draw = self.makers[step.inputs["draw"][0]]
        splits = self.makers[draw.inputs["pools"][0]].settings["splits"]
        each = draw.settings["victims"] // splits if role == "victim" else draw.settings["shadows"]
        models = [(split, index) for split in range(splits) for index in range(each)]
        i, count = step.settings["part"]
        return set(models[len(models) * i // count : len(models) * (i + 1) // count])

    def _alone(self, step: Step) -> bool:
        """Return whether models are computed one by one; others are copied a world at a time or not at all."""
        return alone(self.device) or not plugins.load("models", step.settings["model"]).gradient

    def _family(self, step: Step, role: str, world: str) -> Iterator[File]:
        """Yield the files of a role that were made as this step would make its own."""
        own, family = Path(step.outputs[ROLES[role]]), step.id.split("-")[-2]
        poison = step.settings.get("poison") if poisoned(world) else None
        wanted = {
            "stage": step.stage,
            "code": step.code,
            "device": place_of(self.device, self.backend),
            "settings": step.settings,
        }
        for path in own.parent.glob(f"*-{family}-*{own.name.removeprefix(step.id)}"):
            if path not in self.files:
                self.files[path] = _read(path)
            found = self.files[path]
            if found is None or path.name == own.name:
                continue
            inputs = {_id(name) for name in found.facts.get("inputs", ())}
            same = alike(found.facts, wanted) and _id(step.inputs["data"][0]) in inputs
            if same and (poison is None or found.facts["settings"].get("poison") == poison):
                yield found


def _id(path: str) -> str:
    """Return the id of the step that a file's path or name tells."""
    return Path(path).name.split(".")[0]


def _worlds(step: Step) -> list[tuple[str, str]]:
    """Return (world, from_world) of all that a step's models are made for."""
    if step.stage == "train":
        return [(world, world) for world in step.settings["worlds"]]
    return [(world, other) for world, other in step.settings["directions"]]


def _read(path: Path) -> File | None:
    """Return what a file holds, None if it is damaged."""
    names = ["world", "from_world", "split", "model_index"]
    found = glance(path, names)
    if found is None or found[0].get("step") != _id(str(path)):
        return None
    models: dict[tuple[str, str], set[Model]] = {}
    for world, other, split, index in zip(*(found[1][name] for name in names), strict=True):
        models.setdefault((world, other), set()).add((int(split), int(index)))
    return File(found[0], models)
