"""The plan: config -> steps. Pure: it touches no data and starts no job; the Snakefile and `popleak plan` ask it.

A step's id is a readable slug and a digest of its settings and of the ids of the steps it reads, so it stands for all
that its result depends on but code; the digest of the code goes into the rule's params.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import config, plugins
from .config import ResolvedChoice, ResolvedTask
from .errors import PopleakError
from .experiment import Experiment, Worlds
from .provenance import code_digest, library_versions
from .schema import TABLES
from .settings import canonical, digest

ROOT = "results"
ROLES = ("victims", "shadows")
STAGES = ("dataset", "split", "draw", "train", "defend", "query", "measure", "attack")


@dataclass(frozen=True)
class Step:
    """One job: `inputs` and `outputs` are paths by name; `modules` is the code it runs; `models` is how many it trains or scores."""

    stage: str
    id: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, str]
    modules: tuple[str, ...]
    models: int = 0
    mem_mb: int = 1000
    runtime: int = 30

    @property
    def params(self) -> str:
        """The settings as canonical JSON."""
        return canonical(self.settings)

    @property
    def code(self) -> str:
        """Digest of the code the step runs, and of the versions of the libraries it computes with."""
        return code_digest(*self.modules) + digest(library_versions(), 4)


@dataclass
class Plan:
    """All steps of an experiment, by stage and id, and the raw files to fetch, by path."""

    experiment: Experiment
    tasks: tuple[ResolvedTask, ...]
    steps: dict[str, dict[str, Step]] = field(default_factory=lambda: {stage: {} for stage in STAGES})
    fetches: dict[str, tuple[str, Any]] = field(default_factory=dict)
    tables: dict[str, Step] = field(default_factory=dict)
    figures: dict[str, Step] = field(default_factory=dict)
    report: Step | None = None

    def __getitem__(self, key: tuple[str, str]) -> Step:
        stage, name = key
        try:
            return self.steps[stage][name]
        except KeyError:
            raise PopleakError(
                f"results/store/{stage}/{name}: not a step of experiment {self.experiment.experiment!r}"
            ) from None

    def folder(self) -> str:
        return f"{ROOT}/{self.experiment.experiment}"

    def source(self, path: str) -> str:
        """Return the source of a raw file to fetch, as JSON. Raises PopleakError if the file is not one of the experiment's."""
        if path not in self.fetches:
            raise PopleakError(f"{path}: not a raw file of experiment {self.experiment.experiment!r}")
        return canonical(dataclasses.asdict(self.fetches[path][1]))

    def describe(self) -> str:
        """Return one line on the size of the experiment."""
        jobs = sum(len(steps) for steps in self.steps.values()) + len(self.tables) + len(self.figures) + 1
        models = sum(step.models for stage in ("train", "defend") for step in self.steps[stage].values())
        return f"experiment {self.experiment.experiment!r}: {len(self.tasks)} tasks, {models:,} models to train, {jobs} steps in all"

    def targets(self) -> list[str]:
        """Return the files that the default target asks for."""
        return [
            *(path for step in self.tables.values() for path in step.outputs.values()),
            *(path for step in self.figures.values() for path in step.outputs.values()),
            *self.report.outputs.values(),
        ]

    def all_steps(self) -> list[Step]:
        return [
            *(step for stage in STAGES for step in self.steps[stage].values()),
            *self.tables.values(),
            *self.figures.values(),
            self.report,
        ]


def build(experiment: Experiment) -> Plan:
    """Return the plan of a validated experiment. Raises PopleakError where the config asks for what cannot be."""
    plan = Plan(experiment, config.resolve(experiment))
    parts: dict[str, list[Step]] = {"measure": [], "attack": []}
    for task in plan.tasks:
        _Task(plan, task).add(parts)
    _finish(plan, parts)
    return plan


def _add(
    plan: Plan, stage: str, slug: str, settings: Mapping[str, Any], inputs: Mapping[str, Any], **more: Any
) -> Step:
    """Add a step, or return the one that is there: two worlds, tasks or pairs that need the same step share it.

    inputs: by name, a step (its only output) or a list of (step, output name).
    """
    paths: dict[str, tuple[str, ...]] = {}
    sources: list[str] = []
    for name, value in inputs.items():
        found = []
        for step, output in value if isinstance(value, list) else [(value, "table")]:
            found.append(step.outputs[output])
            sources.append(f"{step.stage}/{step.id}/{output}")
        paths[name] = tuple(found)
    name = f"{slug}-{digest({'stage': stage, 'settings': settings, 'inputs': sources})}"
    if name not in plan.steps[stage]:
        names = more.pop("outputs", ("table",))
        outputs = {out: f"{ROOT}/store/{stage}/{name}{'' if out == 'table' else '.' + out}.parquet" for out in names}
        plan.steps[stage][name] = Step(stage, name, settings, paths, outputs, **more)
    return plan.steps[stage][name]


def _short(ratio: float) -> str:
    return f"{ratio:g}".replace(".", "p")


def _named(world: str) -> str:
    """Return a world's name as it stands in slugs: 0.5#0 is 0p5, and its second copy 0.5#1 is 0p5b."""
    return world.replace("#0", "").replace("#1", "b").replace(".", "p")


def _direction(world: str, other: str) -> str:
    """Return a direction as it stands in slugs: the base model's world, and the world that the complement comes from."""
    return f"{_named(world)}-from-{_named(other)}"


class _Task:
    """Adds one task's steps."""

    def __init__(self, plan: Plan, task: ResolvedTask) -> None:
        self.plan, self.task, self.experiment = plan, task, plan.experiment
        self.key = f"{task.dataset}/{task.label}/{task.attribute}"
        population = self.experiment.population
        self.seed = {"seed": self.experiment.seed, "key": self.key}
        self.mode = {"mode": self.experiment.ratio_mode}
        per_split = population.victims // population.splits + population.shadows
        size = max(1, self.experiment.engine.models_per_job // per_split)
        self.blocks = [(first, min(first + size, population.splits)) for first in range(0, population.splits, size)]
        self.models_of = {block: per_split * (block[1] - block[0]) for block in self.blocks}
        self.data = self._dataset()
        shares = {name: getattr(population, name) for name in ("splits", "victim_share", "adversary_share")}
        self.pools = _add(
            plan, "split", self._slug(), {**self.seed, **shares}, {"data": self.data}, modules=("popleak.split",)
        )

    def _slug(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.task.dataset}-{self.task.attribute}")[:40]
        return "-".join([name, *parts])

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
                self.plan.fetches[found] = (task.dataset, source)
            paths.append(str(found))
        settings = {"dataset": task.dataset, "label": task.label, "attribute": task.attribute, "options": task.options}
        if not sources:
            settings["seed"] = self.experiment.seed
        settings["files"] = [source.file for source in sources]
        # where the raw files lie is not part of a result's identity: their names are, their content is checked
        step = _add(
            self.plan, "dataset", self._slug(), settings, {},
            modules=("popleak.dataset", plugins.modules("datasets")[task.dataset]), mem_mb=4000,
        )  # fmt: skip
        step.inputs["files"] = tuple(paths)
        return step

    def _draw(self, purpose: str, slug: str, settings: Mapping[str, Any]) -> Step:
        whole = {**self.seed, **self.mode, "purpose": purpose, **settings}
        return _add(
            self.plan,
            "draw",
            self._slug(purpose, slug),
            whole,
            {"data": self.data, "pools": self.pools},
            modules=("popleak.draw",),
        )

    def _training_draw(
        self, world: str, ratio: float, other: str | None = None, other_ratio: float | None = None
    ) -> Step:
        population = self.experiment.population
        settings = {
            "world": world, "from_world": other or world, "ratio": ratio if other is None else other_ratio,
            "rows": self.task.rows, "victims": population.victims, "shadows": population.shadows,
        }  # fmt: skip
        if other is None:
            return self._draw("base", _named(world), settings)
        return self._draw("complement", _direction(world, other), settings)

    def add(self, parts: dict[str, list[Step]]) -> None:
        for worlds in self.task.worlds:
            ratios = worlds.ratios
            # two worlds of one ratio are told apart by their copy, so the null protocol draws each of them afresh
            names = (f"{ratios[0]!r}#0", f"{ratios[1]!r}#{int(ratios[0] == ratios[1])}")
            base = [self._training_draw(name, ratio) for name, ratio in zip(names, ratios, strict=True)]
            complement = [self._training_draw(names[b], ratios[b], names[1 - b], ratios[1 - b]) for b in (0, 1)]
            pair = f"{worlds.protocol}-{_short(ratios[0])}-{_short(ratios[1])}"
            points = self._draw(
                "query",
                pair,
                {"ratios": ratios, "query_rows": self.task.query_rows, "splits": self.experiment.population.splits},
            )
            for model in self.task.models:
                self._pair(parts, worlds, pair, model, base, complement, points)

    def _pair(
        self,
        parts,
        worlds: Worlds,
        pair: str,
        model: ResolvedChoice,
        base: list[Step],
        complement: list[Step],
        points: Step,
    ) -> None:
        trained = {block: [self._train(model, base[b], block) for b in (0, 1)] for block in self.blocks}
        answers: dict[str, Step] = {}
        for defence in self.task.defences:
            files: dict[str, list[tuple[Step, str]]] = {f"{role}_{world}": [] for role in ROLES for world in (0, 1)}
            for block in self.blocks:
                for b in (0, 1):
                    step = trained[block][b]
                    if defence.name != "none":
                        step = self._defend(model, defence, block, base[b], complement[b], step)
                    for role in ROLES:
                        files[f"{role}_{b}"].append((step, role))
            answers[defence.id] = _add(
                self.plan, "query", self._slug(model.id, pair, defence.id),
                {"model": model.name, "model_settings": model.settings},
                {"data": self.data, "points": points, **files},
                outputs=ROLES, modules=("popleak.query", plugins.modules("models")[model.name]),
                models=2 * self._total(), mem_mb=2000,
            )  # fmt: skip
        self._judge(parts, worlds, pair, model, answers, points)

    def _total(self) -> int:
        return sum(self.models_of.values())

    def _minutes(self, models: int, epochs: int) -> int:
        # far above what is expected (0.1 CPU seconds a model for 2,000 rows x 20 epochs): a limit for clusters, no estimate
        return max(30, round(models * epochs * self.task.rows * 5e-6 / 60 * 10))

    def _train(self, model: ResolvedChoice, draw: Step, block: tuple[int, int]) -> Step:
        training = self.experiment.training.resolved()
        settings = {"model": model.name, "model_settings": model.settings, "training": training, "splits": block}
        world = _named(draw.settings["world"])
        return _add(
            self.plan, "train", self._slug(model.id, world, self._block(block)), settings, {"data": self.data, "draw": draw},
            outputs=ROLES, modules=("popleak.train", plugins.modules("models")[model.name]), models=self.models_of[block],
            mem_mb=4000, runtime=self._minutes(self.models_of[block], training["epochs"]),
        )  # fmt: skip

    def _block(self, block: tuple[int, int]) -> str:
        return f"s{block[0]}" if block[1] - block[0] == 1 else f"s{block[0]}-{block[1] - 1}"

    def _defend(self, model, defence, block, draw: Step, complement: Step, trained: Step) -> Step:
        settings = {**trained.settings, "defence": defence.name, "defence_settings": defence.settings}
        slug = _direction(complement.settings["world"], complement.settings["from_world"])
        return _add(
            self.plan, "defend", self._slug(model.id, slug, defence.id, self._block(block)), settings,
            {"data": self.data, "draw": draw, "complement": complement, **{role: [(trained, role)] for role in ROLES}},
            outputs=ROLES,
            modules=("popleak.defend", plugins.modules("models")[model.name], plugins.modules("defences")[defence.name]),
            models=self.models_of[block], mem_mb=4000, runtime=4 * self._minutes(self.models_of[block], self.experiment.training.epochs),
        )  # fmt: skip

    def _judge(
        self, parts, worlds: Worlds, pair: str, model: ResolvedChoice, answers: Mapping[str, Step], points: Step
    ) -> None:
        common = {
            "task": self.task.id, "model_id": model.id, "model": model.name, "protocol": worlds.protocol, "ratios": worlds.ratios,
            "rows": self.task.rows, "defences": list(answers), **self.mode,
        }  # fmt: skip
        files = {role: [(step, role) for step in answers.values()] for role in ROLES}
        inputs = {"points": points, **files}
        parts["measure"].append(
            _add(
                self.plan, "measure", self._slug(model.id, pair), {**common, "seed": self.experiment.seed}, {"data": self.data, **inputs},
                outputs=("models", "bounds"), modules=("popleak.measure",), mem_mb=3000,
            )
        )  # fmt: skip
        for attack in self.task.attacks:
            settings = {
                **common, "attack": attack.name, "attack_id": attack.id, "attack_settings": attack.settings,
                "knowledge": list(self.experiment.knowledge),
            }  # fmt: skip
            parts["attack"].append(
                _add(
                    self.plan, "attack", self._slug(model.id, pair, attack.id), settings, inputs,
                    modules=("popleak.attack", plugins.modules("attacks")[attack.name]), mem_mb=3000,
                )
            )  # fmt: skip


def _finish(plan: Plan, parts: Mapping[str, list[Step]]) -> None:
    experiment, folder = plan.experiment, plan.folder()
    order = {
        "tasks": [task.id for task in plan.tasks],
        "controls": {
            task.id: {defence.id: defence.control for defence in task.defences if defence.control}
            for task in plan.tasks
        },
        "kinds": {task.id: {defence.id: defence.name for defence in task.defences} for task in plan.tasks},
        "datasets": {task.id: task.dataset for task in plan.tasks},
        "references": sorted(
            {
                attack.id
                for task in plan.tasks
                for attack in task.attacks
                if plugins.load("attacks", attack.name).undefended_only
            }
        ),
        "tau": experiment.tau,
        "seed": experiment.seed,
    }
    pieces = {
        "models": {"parts": [step.outputs["models"] for step in parts["measure"]]},
        "bounds": {"parts": [step.outputs["bounds"] for step in parts["measure"]]},
        "scores": {"parts": [step.outputs["table"] for step in parts["attack"]]},
        "leakage": {"scores": [f"{folder}/tables/scores.parquet"]},
        "claims": {name: [f"{folder}/tables/{name}.parquet"] for name in ("models", "leakage", "bounds")},
    }
    needs = {
        "leakage": ("controls", "references"),
        "claims": ("tasks", "controls", "kinds", "datasets", "tau", "seed"),
    }
    for name in TABLES:
        plan.tables[name] = Step(
            "tables", name, {key: order[key] for key in needs.get(name, ())},
            {key: tuple(value) for key, value in pieces[name].items()}, {"table": f"{folder}/tables/{name}.parquet"},
            (f"popleak.tables.{name}",), mem_mb=6000,
        )  # fmt: skip
    for name in experiment.figures:
        figure = plugins.load("figures", name)
        stem = f"{folder}/figures/{name}"
        plan.figures[name] = Step(
            "figures", name, {"figure": name, "tau": experiment.tau}, {table: (f"{folder}/tables/{table}.parquet",) for table in figure.tables},
            {kind: f"{stem}.{kind}" for kind in ("pdf", "png", "csv")},
            ("popleak.figure", plugins.modules("figures")[name]), mem_mb=3000,
        )  # fmt: skip
    # what is cut how, and where raw files lie, decides no result: a change of it must not make the report anew
    shown = {key: value for key, value in experiment.resolved().items() if key not in ("engine", "data_dir")}
    plan.report = Step(
        "report", experiment.experiment, {"experiment": shown, "figures": list(experiment.figures)},
        {
            **{name: tuple(step.outputs.values()) for name, step in plan.tables.items()},
            "figures": tuple(step.outputs["png"] for step in plan.figures.values()),
            "cards": tuple(dict.fromkeys(step.outputs["table"] for step in plan.steps["dataset"].values())),
        },
        {"html": f"{folder}/report.html"},
        ("popleak.report", *(plugins.modules("figures")[name] for name in experiment.figures)), mem_mb=3000,
    )  # fmt: skip
