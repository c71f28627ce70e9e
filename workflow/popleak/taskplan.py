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
        self.data = self._dataset()
        shares = {name: getattr(population, name) for name in ("splits", "victim_share", "adversary_share")}
        self.pools = add(
            steps, "split", self._slug(), {**self.seed, **shares}, {"data": self.data}, modules=("popleak.split",)
        )

    def _shape(self, model: ResolvedChoice) -> cost.Shape | None:
        plugin = plugins.load("models", model.name)
        if not plugin.gradient:
            return None
        sides = plugin.sides(self.features, plugin.Settings.model_validate(model.settings))
        training = self.experiment.training
        return cost.Shape(round(self.task.rows * (1 - training.validation)), training.batch, training.epochs, sides)

    def _slug(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.task.dataset}-{self.task.attribute}")[:40]
        return "-".join([name, *parts])

    def add(self, judged: dict[str, list[Step]]) -> None:
        """Add all steps; append those that make parts of public tables to `judged`, by stage."""
        worlds = dict(
            zip(
                (w for pair in self.pairs for w in pair.worlds),
                (r for pair in self.pairs for r in pair.ratios),
                strict=True,
            )
        )
        base = self._draws(
            "base", [{"world": world, "from_world": world, "ratio": ratio} for world, ratio in worlds.items()]
        )
        directions = [
            {"world": pair.worlds[b], "from_world": pair.worlds[1 - b], "ratio": pair.ratios[1 - b]}
            for pair in self.pairs
            for b in (0, 1)
        ]
        defended = any(defence.name != "none" for defence in self.task.defences)
        complement = self._draws("complement", directions) if defended else []
        cuts = [
            [self.pairs[i] for i in cut] for cut in cost.bundles([self._judge_seconds()] * len(self.pairs), self.limit)
        ]
        points = [self._points(cut) for cut in cuts]
        for model in self.task.models:
            trained = [part for cut in base for part in self._train(model, cut)]
            files: dict[str, list[Step]] = {}
            for defence in self.task.defences:
                files[defence.id] = trained
                if defence.name != "none":
                    files[defence.id] = [
                        part for cut in complement for part in self._defend(model, defence, cut, base, trained)
                    ]
            for pairs, asked in zip(cuts, points, strict=True):
                self._judge(judged, model, pairs, asked, files)

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

    def _most(self, cost_of: Any) -> float:
        """Return the largest cost over the task's models; 0 for those in closed form."""
        return max((cost_of(shape) for shape in self.shapes.values() if shape is not None), default=0.0)

    def _tuning(self, defence: ResolvedChoice, shape: cost.Shape) -> float:
        """Return CPU seconds in which one model is defended: each lambda that `auto` may try is a training of its own."""
        tries = 1.0
        if defence.settings.get("eo_weight") == "auto":
            tries = (1 + len(defence.settings["eo_grid"])) / 2
        return tries * shape.seconds(defence.settings.get("epochs"))

    def _draws(self, purpose: str, items: list[dict[str, Any]]) -> list[Cut]:
        """Return the draws of `items` in runs that one training job takes."""
        population = self.experiment.population
        defences = [defence for defence in self.task.defences if defence.name != "none"]
        if purpose == "base":
            each = self._most(cost.Shape.seconds)
        else:
            each = max((self._most(lambda shape, d=defence: self._tuning(d, shape)) for defence in defences), default=0)
        found = []
        for cut in cost.bundles([self.models * each] * len(items), self.limit):
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

    def _train(self, model: ResolvedChoice, cut: Cut) -> list[Step]:
        settings = {
            "model": model.name, "model_settings": model.settings, "training": self.experiment.training.resolved(),
            "worlds": [item["world"] for item in cut.items],
        }  # fmt: skip
        shape = self.shapes[model.id]
        each = shape.seconds() if shape else 1e-4
        return self._parts(
            "train", [model.id, self._cut(cut)], settings, {"data": self.data, "draw": cut.step}, (model,), cut, each
        )

    def _cut(self, cut: Cut) -> str:
        return _several([self._named(item) for item in cut.items])

    def _defend(
        self, model: ResolvedChoice, defence: ResolvedChoice, cut: Cut, base: list[Cut], trained: list[Step]
    ) -> list[Step]:
        needed = {item["world"] for item in cut.items}
        draws = [one.step for one in base if needed & {item["world"] for item in one.items}]
        files = [step for step in trained if needed & set(step.settings["worlds"])]
        settings = {
            "model": model.name, "model_settings": model.settings, "training": self.experiment.training.resolved(),
            "directions": [[item["world"], item["from_world"]] for item in cut.items],
            "defence": defence.name, "defence_settings": defence.settings,
        }  # fmt: skip
        inputs = {
            "data": self.data, "draw": [(step, "table") for step in draws], "complement": cut.step,
            **{role: [(step, role) for step in files] for role in ROLES},
        }  # fmt: skip
        shape = self.shapes[model.id]
        each = self._tuning(defence, shape) if shape else 1e-4
        return self._parts(
            "defend", [model.id, self._cut(cut), defence.id], settings, inputs, (model, defence), cut, each
        )

    def _parts(self, stage, names, settings, inputs, plugged, cut: Cut, each: float) -> list[Step]:
        """Add a step of `each` seconds a model, or several parts of it."""
        population = self.experiment.population
        shape = self.shapes[plugged[0].id]
        total = self.models * len(cut.items)
        kinds = ("models", "defences")
        found = []
        for part, count in cost.parts(total * each, self.limit, min(population.victims, population.shadows)):
            name = self._slug(*names, *([f"part{part}of{count}"] if count > 1 else []))
            found.append(
                add(
                    self.steps, stage, name, {**settings, "part": [part, count]}, inputs, outputs=ROLES,
                    modules=(f"popleak.{stage}", *(plugins.modules(kind)[one.name] for kind, one in zip(kinds, plugged, strict=False))),
                    models=total // count, seconds=total * each / count,
                    mem_mb=cost.memory(self.models * (self.task.rows + (shape.parameters() if shape else 100)), self.features),
                    mb=total / count * (shape.parameters() if shape else 100) * 4e-6,
                )
            )  # fmt: skip
        return found

    def _judge_seconds(self) -> float:
        """Return CPU seconds of the dearest judging job for one pair: queries, measures, or one attack's calibrations."""
        query = self._query_seconds()
        return max(query, self._measure_seconds(), self._attack_seconds())

    def _query_seconds(self) -> float:
        return (
            2 * self.models * len(self.task.defences) * self._most(lambda shape: shape.score(2 * self.task.query_rows))
        )

    def _measure_seconds(self) -> float:
        return 2 * self.models * len(self.task.defences) * (6e-5 + 3e-8 * 2 * self.task.query_rows)

    def _attack_seconds(self) -> float:
        calibrations = self.experiment.population.splits * (1 + len(self.task.defences))
        shadows = 2 * self.experiment.population.shadows
        each = 0.003 + 1e-8 * shadows * 2 * self.task.query_rows
        return calibrations * each + 2.5e-5 * self.models * len(self.task.defences)

    def _judge(
        self,
        judged: dict[str, list[Step]],
        model: ResolvedChoice,
        pairs: list[Pair],
        points: Step,
        files: Mapping[str, list[Step]],
    ) -> None:
        name, count = self._pairs(pairs), len(pairs)
        wanted = [world for pair in pairs for world in pair.worlds]
        used = {defence: [step for step in steps if self._has(step, pairs, wanted)] for defence, steps in files.items()}
        asked = 2 * self.models * len(files) * count
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
            mem_mb=cost.memory(self.models * 2 * self.task.query_rows, self.features),
            seconds=count * self._query_seconds(), mb=asked * 2 * self.task.query_rows * 3.2e-6,
        )  # fmt: skip
        common = {
            "task": self.task.id, "model_id": model.id, "model": model.name, "pairs": [pair.described() for pair in pairs],
            "rows": self.task.rows, "defences": list(files), **self.mode,
        }  # fmt: skip
        inputs = {"points": points, **{role: [(answers, role)] for role in ROLES}}
        judged["measure"].append(
            add(
                self.steps, "measure", self._slug(model.id, name), {**common, "seed": self.experiment.seed}, {"data": self.data, **inputs},
                outputs=("models", "bounds"), modules=("popleak.measure",),
                mem_mb=cost.memory(4 * self.models * 2 * self.task.query_rows, self.features),
                seconds=count * self._measure_seconds(), mb=asked * 1e-4,
            )
        )  # fmt: skip
        for attack in self.task.attacks:
            settings = {
                **common, "attack": attack.name, "attack_id": attack.id, "attack_settings": attack.settings,
                "knowledge": list(self.experiment.knowledge),
            }  # fmt: skip
            judged["attack"].append(
                add(
                    self.steps, "attack", self._slug(model.id, name, attack.id), settings, inputs,
                    modules=("popleak.attack", plugins.modules("attacks")[attack.name]),
                    mem_mb=cost.memory(6 * self.models * 2 * self.task.query_rows, 0),
                    seconds=count * self._attack_seconds(), mb=asked * 1e-5,
                )
            )  # fmt: skip

    @staticmethod
    def _has(step: Step, pairs: list[Pair], worlds: list[str]) -> bool:
        """Return whether a step of the stages train or defend holds models that the pairs need."""
        if step.stage == "train":
            return bool(set(step.settings["worlds"]) & set(worlds))
        there = {tuple(direction) for direction in step.settings["directions"]}
        return any({pair.worlds, pair.worlds[::-1]} & there for pair in pairs)
