"""The steps of one task: how its worlds, defences and pairs are cut into jobs.

What a user adds, drops or recomputes alone (a defence, an attack, a model) has jobs of its own. Worlds and pairs of
worlds share a job until it is full (`engine.job_seconds`), and a world that alone costs more is cut into parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import config, cost, plugins
from .config import ResolvedChoice, ResolvedTask
from .errors import PopleakError
from .experiment import Experiment
from .steps import ROOT, Step, Steps, add

ROLES = ("victims", "shadows")
USUAL_DEFENCES = 6
DEAREST_ATTACK = 4
"""How many times as long as the mean attack the dearest takes."""


class Pair(NamedTuple):
    """Two worlds to tell apart, and the names of the worlds: two worlds of one ratio are told apart by their copy."""

    protocol: str
    ratios: tuple[float, float]
    worlds: tuple[str, str]

    @classmethod
    def of(cls, protocol: str, ratios: tuple[float, float]) -> Pair:
        """Return the pair; the null protocol draws each of its two equal worlds afresh."""
        return cls(protocol, ratios, (f"{ratios[0]!r}#0", f"{ratios[1]!r}#{int(ratios[0] == ratios[1])}"))

    @property
    def key(self) -> str:
        """The pair's name in stored tables."""
        return f"{self.protocol} {self.ratios[0]!r} {self.ratios[1]!r}"

    def described(self) -> dict[str, Any]:
        return {"pair": self.key, "protocol": self.protocol, "ratios": self.ratios}


def _slug_of(world: str) -> str:
    """Return a world's name as it stands in slugs: 0.5#0 is 0p5, and its second copy 0.5#1 is 0p5b."""
    return world.replace("#0", "").replace("#1", "b").replace(".", "p")


def _several(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more"


class Cut(NamedTuple):
    """Draws that share a job: what they are (one dict a world or direction), and the step that makes them."""

    items: list[dict[str, Any]]
    step: Step


class TaskPlan:
    """Adds one task's steps."""

    def __init__(
        self, experiment: Experiment, task: ResolvedTask, steps: Steps, fetches: dict[str, tuple[str, Any]]
    ) -> None:
        self.experiment, self.task, self.steps, self.fetches = experiment, task, steps, fetches
        population = experiment.population
        self.seed = {"seed": experiment.seed, "key": f"{task.dataset}/{task.label}/{task.attribute}"}
        self.mode = {"mode": experiment.ratio_mode}
        self.limit = experiment.engine.job_seconds
        self.models = population.victims + population.splits * population.shadows
        self.pairs = [Pair.of(worlds.protocol, worlds.ratios) for worlds in task.worlds]
        self.features = plugins.load("datasets", task.dataset).n_features or cost.FEATURES
        self.shapes = {model.id: self._shape(model) for model in task.models}
        self.usual = self._shape_of((self.features, 32, 16, 1))
        self.data = self._dataset()
        shares = {name: getattr(population, name) for name in ("splits", "victim_share", "adversary_share")}
        self.pools = add(
            steps, "split", self._slug(), {**self.seed, **shares}, {"data": self.data}, modules=("popleak.split",)
        )

    def _shape(self, model: ResolvedChoice) -> cost.Shape | None:
        plugin = plugins.load("models", model.name)
        if not plugin.gradient:
            return None
        return self._shape_of(plugin.sides(self.features, plugin.Settings.model_validate(model.settings)))

    def _shape_of(self, sides: tuple[int, ...] | None) -> cost.Shape:
        training = self.experiment.training
        return cost.Shape(round(self.task.rows * (1 - training.validation)), training.batch, training.epochs, sides)

    def _slug(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.task.dataset}-{self.task.attribute}")[:40]
        return "-".join([name, *parts])

    def add(self, judged: dict[str, list[Step]]) -> None:
        """Add all steps; append those that make parts of public tables to `judged`, by stage."""
        worlds = {world: ratio for pair in self.pairs for world, ratio in zip(pair.worlds, pair.ratios, strict=True)}
        base = self._draws(
            "base", [{"world": world, "from_world": world, "ratio": ratio} for world, ratio in worlds.items()]
        )
        # two pairs may hold the same two worlds
        directions = {
            (pair.worlds[b], pair.worlds[1 - b]): {
                "world": pair.worlds[b], "from_world": pair.worlds[1 - b], "ratio": pair.ratios[1 - b]
            }
            for pair in self.pairs
            for b in (0, 1)
        }  # fmt: skip
        defended = any(defence.name != "none" for defence in self.task.defences)
        complement = self._draws("complement", list(directions.values())) if defended else []
        cuts = [
            [self.pairs[i] for i in cut] for cut in cost.bundles([self._usual_pair()] * len(self.pairs), self.limit)
        ]
        points = [self._points(cut) for cut in cuts]
        for model in self.task.models:
            trained = self._train(model, base)
            files = {
                defence.id: trained
                if defence.name == "none"
                else self._defend(model, defence, complement, base, trained)
                for defence in self.task.defences
            }
            parts = [self._judge(model, pairs, asked, files) for pairs, asked in zip(cuts, points, strict=True)]
            judged["measure"] += [measured for measured, _ in parts]
            # attack by attack, so that the order of rows in public tables does not depend on the cut
            judged["attack"] += [attacks[i] for i in range(len(self.task.attacks)) for _, attacks in parts]

    def _dataset(self) -> Step:
        task = self.task
        plugin = plugins.load("datasets", task.dataset)
        sources = plugin.sources(plugin.Settings.model_validate(task.options))
        from .datasets._fetch import locate  # light: no pandas

        paths = []
        for source in sources:
            found = locate(task.dataset, source, config.data_dir(self.experiment))
            if found is None and source.url is None:
                raise PopleakError(
                    f"config: tasks: {task.id}: no file {source.file}: give its path, or put it into <data_dir>/{task.dataset.replace('-', '_')}/"
                )
            if found is None:
                found = f"{ROOT}/data/{task.dataset}/{source.file}"
                self.fetches[found] = (task.dataset, source)
            paths.append(str(found))
        settings = {"dataset": task.dataset, "label": task.label, "attribute": task.attribute, "options": task.options}
        if not sources:
            settings["seed"] = self.experiment.seed
        settings["files"] = [source.file for source in sources]
        # where the raw files lie is not part of a result's identity: their names are, their content is checked
        step = add(
            self.steps, "dataset", self._slug(), settings, {},
            modules=("popleak.dataset", plugins.modules("datasets")[task.dataset]), mem_mb=4000,
        )  # fmt: skip
        step.inputs["files"] = tuple(paths)
        return step

    def _tuning(self, defence: ResolvedChoice, shape: cost.Shape) -> float:
        """Return CPU seconds in which one model is defended: each lambda that `auto` may try is a training of its own."""
        tries = 1.0
        if defence.settings.get("eo_weight") == "auto":
            tries = (1 + len(defence.settings["eo_grid"])) / 2
        return tries * shape.seconds(defence.settings.get("epochs"))

    def _draws(self, purpose: str, items: list[dict[str, Any]]) -> list[Cut]:
        """Return the draws of `items` in runs that fill a job with the training of a usual model.

        The run does not depend on which models and defences there are, so that adding one changes no other's steps.
        """
        population = self.experiment.population
        found = []
        for cut in cost.bundles([self.models * self.usual.seconds()] * len(items), self.limit):
            mine = [items[i] for i in cut]
            settings = {
                "draws": mine,
                "rows": self.task.rows,
                "victims": population.victims,
                "shadows": population.shadows,
            }
            name = _several([self._named(item) for item in mine])
            rows = self.models * len(mine) * self.task.rows
            found.append(Cut(mine, self._draw(purpose, name, settings, seconds=3e-8 * rows, mb=rows * 2.2e-6)))
        return found

    @staticmethod
    def _named(item: Mapping[str, Any]) -> str:
        world, other = _slug_of(item["world"]), _slug_of(item["from_world"])
        return world if world == other else f"{world}-from-{other}"

    def _draw(self, purpose: str, slug: str, settings: Mapping[str, Any], **more: Any) -> Step:
        return add(
            self.steps, "draw", self._slug(purpose, slug), {**self.seed, **self.mode, "purpose": purpose, **settings},
            {"data": self.data, "pools": self.pools}, modules=("popleak.draw",),
            mem_mb=cost.memory(3 * self.models * self.task.rows, self.features), **more,
        )  # fmt: skip

    def _points(self, pairs: list[Pair]) -> Step:
        settings = {
            "pairs": [pair.described() for pair in pairs], "query_rows": self.task.query_rows,
            "splits": self.experiment.population.splits,
        }  # fmt: skip
        return self._draw("query", self._pairs(pairs), settings)

    @staticmethod
    def _pairs(pairs: list[Pair]) -> str:
        return _several(
            [f"{pair.protocol}-{'-'.join(f'{ratio:g}'.replace('.', 'p') for ratio in pair.ratios)}" for pair in pairs]
        )

    def _train(self, model: ResolvedChoice, base: list[Cut]) -> list[Step]:
        shape = self.shapes[model.id]
        each = shape.seconds() if shape else 1e-4
        settings = {
            "model": model.name, "model_settings": model.settings, "training": self.experiment.training.resolved(),
        }  # fmt: skip
        found = []
        for cuts, items in self._together(base, each):
            whole = {**settings, "worlds": [item["world"] for item in items]}
            inputs = {"data": self.data, "draw": [(cut.step, "table") for cut in cuts]}
            found += self._parts("train", [model.id], whole, inputs, (model,), items, each)
        return found

    def _together(self, cuts: list[Cut], each: float) -> list[tuple[list[Cut], list[dict[str, Any]]]]:
        """Return neighbouring draws that one job takes at `each` seconds a model, with all that they draw."""
        groups = cost.bundles([self.models * len(cut.items) * each for cut in cuts], self.limit)
        mine = [[cuts[i] for i in group] for group in groups]
        return [(group, [item for cut in group for item in cut.items]) for group in mine]

    def _defend(
        self,
        model: ResolvedChoice,
        defence: ResolvedChoice,
        complement: list[Cut],
        base: list[Cut],
        trained: list[Step],
    ) -> list[Step]:
        shape = self.shapes[model.id]
        each = self._tuning(defence, shape) if shape else 1e-4
        settings = {
            "model": model.name, "model_settings": model.settings, "training": self.experiment.training.resolved(),
            "defence": defence.name, "defence_settings": defence.settings,
        }  # fmt: skip
        found = []
        for cuts, items in self._together(complement, each):
            needed = {item["world"] for item in items}
            draws = [one.step for one in base if needed & {item["world"] for item in one.items}]
            files = [step for step in trained if needed & set(step.settings["worlds"])]
            whole = {**settings, "directions": [[item["world"], item["from_world"]] for item in items]}
            inputs = {
                "data": self.data, "draw": [(step, "table") for step in draws],
                "complement": [(cut.step, "table") for cut in cuts],
                **{role: [(step, role) for step in files] for role in ROLES},
            }  # fmt: skip
            found += self._parts("defend", [model.id, defence.id], whole, inputs, (model, defence), items, each)
        return found

    def _parts(self, stage, names, settings, inputs, plugged, items: list[dict[str, Any]], each: float) -> list[Step]:
        """Add a step of `each` seconds a model, or several parts of it."""
        population = self.experiment.population
        shape = self.shapes[plugged[0].id]
        weights = shape.parameters() if shape else 100
        total = self.models * len(items)
        kinds = zip(("models", "defences"), plugged, strict=False)
        modules = (f"popleak.{stage}", *(plugins.modules(kind)[one.name] for kind, one in kinds))
        # what a defence holds at once: rows of both draws, their mixture and the keys that choose it
        copies = 12 if stage == "defend" else 4
        found = []
        slug = [names[0], _several([self._named(item) for item in items]), *names[1:]]
        for i, count in cost.parts(total * each, self.limit, min(population.victims, population.shadows)):
            sizes = [population.victims, population.splits * population.shadows]
            models = len(items) * sum(size * (i + 1) // count - size * i // count for size in sizes)
            found.append(
                add(
                    self.steps, stage, self._slug(*slug, *([f"part{i}of{count}"] if count > 1 else [])),
                    {**settings, "part": [i, count]}, inputs, outputs=ROLES, modules=modules, models=models,
                    seconds=models * each, mb=models * weights * 4e-6,
                    mem_mb=cost.memory(self.models * (self.task.rows + weights), self.features, copies),
                )
            )  # fmt: skip
        return found

    def _usual_pair(self) -> float:
        """Return CPU seconds of the dearest judging job for one pair with a usual model and usual defences: pairs share jobs
        by it, whatever models, defences and attacks there are."""
        query = self._query_seconds(self.usual, USUAL_DEFENCES)
        return max(query, self._measure_seconds(USUAL_DEFENCES), DEAREST_ATTACK * self._attack_seconds(USUAL_DEFENCES))

    def _query_seconds(self, shape: cost.Shape | None, defences: int) -> float:
        return 2 * self.models * defences * (shape.score(2 * self.task.query_rows) if shape else 1e-5)

    def _measure_seconds(self, defences: int) -> float:
        return 2 * self.models * defences * (6e-5 + 3e-8 * 2 * self.task.query_rows)

    def _attack_seconds(self, defences: int) -> float:
        """Return CPU seconds of the mean attack for one pair."""
        calibrations = self.experiment.population.splits * (1 + defences)
        shadows = 2 * self.experiment.population.shadows
        return calibrations * (0.003 + 1e-8 * shadows * 2 * self.task.query_rows) + 2.5e-5 * self.models * defences

    def _judge(
        self, model: ResolvedChoice, pairs: list[Pair], points: Step, files: Mapping[str, list[Step]]
    ) -> tuple[Step, list[Step]]:
        """Add the steps that judge some pairs; return the one that measures and those that attack."""
        name, count, defences = self._pairs(pairs), len(pairs), len(files)
        wanted = [world for pair in pairs for world in pair.worlds]
        used = {defence: [step for step in steps if self._has(step, pairs, wanted)] for defence, steps in files.items()}
        asked, numbers = 2 * self.models * defences * count, self.models * 2 * self.task.query_rows
        answers = add(
            self.steps, "query", self._slug(model.id, name),
            {
                "model": model.name, "model_settings": model.settings,
                "pairs": [[pair.key, *pair.worlds] for pair in pairs],
                "defences": [[defence, len(steps)] for defence, steps in used.items()],
            },
            {"data": self.data, "points": points,
             **{f"{role}_models": [(step, role) for steps in used.values() for step in steps] for role in ROLES}},
            outputs=ROLES, modules=("popleak.query", plugins.modules("models")[model.name]), models=asked,
            mem_mb=cost.memory(numbers, self.features), seconds=count * self._query_seconds(self.shapes[model.id], defences),
            mb=asked * 2 * self.task.query_rows * 3.2e-6,
        )  # fmt: skip
        common = {
            "task": self.task.id, "model_id": model.id, "model": model.name, "pairs": [pair.described() for pair in pairs],
            "rows": self.task.rows, "defences": list(files), **self.mode,
        }  # fmt: skip
        inputs = {"points": points, **{role: [(answers, role)] for role in ROLES}}
        measured = add(
            self.steps, "measure", self._slug(model.id, name), {**common, "seed": self.experiment.seed},
            {"data": self.data, **inputs}, outputs=("models", "bounds"), modules=("popleak.measure",),
            mem_mb=cost.memory(4 * numbers, self.features), seconds=count * self._measure_seconds(defences), mb=asked * 1e-4,
        )  # fmt: skip
        attacks = []
        for attack in self.task.attacks:
            settings = {
                **common, "attack": attack.name, "attack_id": attack.id, "attack_settings": attack.settings,
                "knowledge": list(self.experiment.knowledge),
            }  # fmt: skip
            attacks.append(
                add(
                    self.steps, "attack", self._slug(model.id, name, attack.id), settings, inputs,
                    modules=("popleak.attack", plugins.modules("attacks")[attack.name]),
                    mem_mb=cost.memory(6 * numbers, 0), seconds=count * self._attack_seconds(defences), mb=asked * 1e-5,
                )
            )  # fmt: skip
        return measured, attacks

    @staticmethod
    def _has(step: Step, pairs: list[Pair], worlds: list[str]) -> bool:
        """Return whether a step of the stages train or defend holds models that the pairs need."""
        if step.stage == "train":
            return bool(set(step.settings["worlds"]) & set(worlds))
        there = {tuple(direction) for direction in step.settings["directions"]}
        return any({pair.worlds, pair.worlds[::-1]} & there for pair in pairs)
