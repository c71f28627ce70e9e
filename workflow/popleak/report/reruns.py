"""What a change makes again: for each key of the config, each module and each library, the steps that get another id.

A step's id digests its settings, its code and the ids of what it reads (`plan/steps.py`), so a change reaches the steps that know of it and
all that follow from them. Which those are for a key is written here, by hand; a test flips every key and compares. For modules and libraries
it is asked of `core/provenance.py`. `docs/caching.md` shows both.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..config.experiment import Experiment
from ..config.messages import inner
from ..config.searching import Search
from ..core import plugins, provenance
from ..steps import STAGES
from ..store.schema import ON_REQUEST, ROWS, TABLES

USUAL = tuple(name for name in TABLES if name not in ON_REQUEST)
"""The tables of every experiment."""
Kinds = frozenset[str]
"""Kinds of steps: a stage, or `tables NAME` of a public table; `figures tables` are the figures of the tables that change, `figures new` a
figure that was not there."""


def _tables(*names: str) -> Kinds:
    return frozenset(f"tables {name}" for name in names)


JUDGED = _tables("scores", "leakage", "claims", "proxies", "defences") | {"figures tables", "report"}
FROM_ATTACK = JUDGED | {"attack"}
FROM_MEASURE = FROM_ATTACK | {"measure"} | _tables(*USUAL)
FROM_QUERY = FROM_MEASURE | {"query"}
FROM_DEFEND = FROM_QUERY | {"defend"}
FROM_TRAIN = FROM_DEFEND | {"train"}
FROM_DRAW = FROM_TRAIN | {"draw"}
FROM_SPLIT = FROM_DRAW | {"split"}
ALL = FROM_SPLIT | {"dataset"}
SHADOWS = FROM_ATTACK | {"train", "defend", "query"}
NOTHING: Kinds = frozenset()
REPORT: Kinds = frozenset({"report"})

FROM_BUDGETS = _tables("budgets") | {"attack", "figures tables", "report"}

FROM_SEEN = _tables("shares") | {"attack", "figures tables", "report"}
FROM_SAMPLE = FROM_SEEN | _tables("samples") | {"sample", "inspect"}
FROM_SHARER = FROM_SAMPLE | {"defend"}
FROM_GENERATOR = FROM_SHARER | {"train"}

FROM_HALVES = _tables(*ROWS) | {"draw", "train", "defend", "query", "attack", "figures tables", "report"}

KEYS: Mapping[str, Kinds] = {
    "experiment": REPORT,
    "title": REPORT,
    "seed": ALL,
    "data_dir": NOTHING,
    "tasks.dataset": ALL,
    "tasks.id": FROM_MEASURE,
    "tasks.label": ALL,
    "tasks.attribute": ALL,
    "tasks.attribute_in_features": ALL,
    "tasks.options": ALL,
    "tasks.rows": FROM_DRAW,
    "tasks.rows, with generators": FROM_DRAW | FROM_GENERATOR,
    "tasks.query_rows": FROM_QUERY | {"draw"},
    "tasks.models": FROM_TRAIN,
    "tasks.worlds": FROM_DRAW,
    "tasks.ratio_mode": FROM_DRAW,
    "tasks.defences, one less": FROM_MEASURE,
    "tasks.attacks, one less": JUDGED,
    "tasks.shadow_models": SHADOWS,
    "tasks.generators": FROM_GENERATOR,
    "tasks.sharers": FROM_SHARER,
    "tasks.poison": FROM_DRAW,
    "tasks.population": FROM_DRAW,
    "tasks.training": FROM_TRAIN,
    "tasks.placebo": frozenset({"dataset", "split", "draw", "train", "query", "attack", "figures tables", "report"})
    | _tables("placebo"),
    "worlds.protocol": FROM_DRAW,
    "worlds.ratios": FROM_DRAW,
    "ratio_mode": FROM_DRAW,
    "models.name": FROM_TRAIN,
    "models.id": FROM_MEASURE,
    "models.settings": FROM_TRAIN,
    "models.grid": FROM_TRAIN,
    "defences.name": FROM_DEFEND,
    "defences.id": FROM_MEASURE,
    "defences.settings": FROM_DEFEND,
    "defences.grid": FROM_DEFEND,
    "attacks.name": FROM_ATTACK,
    "attacks.id": FROM_ATTACK,
    "attacks.settings": FROM_ATTACK,
    "attacks.grid": FROM_ATTACK,
    "access, one less": JUDGED,
    "knowledge, one less": FROM_ATTACK,
    "shadow_models.name": SHADOWS,
    "shadow_models.id": FROM_ATTACK,
    "shadow_models.settings": SHADOWS,
    "shadow_models.grid": SHADOWS,
    "generators.name": FROM_GENERATOR,
    "generators.id": FROM_SEEN | _tables("samples") | {"inspect"},
    "generators.settings": FROM_GENERATOR,
    "generators.grid": FROM_GENERATOR,
    "sharers.name": FROM_SHARER,
    "sharers.id": FROM_SEEN | _tables("samples") | {"inspect"},
    "sharers.settings": FROM_SHARER,
    "sharers.settings, of a defence that chooses among the samples": FROM_SAMPLE,
    "sharers.grid": FROM_SHARER,
    "samples.rows, with generators": FROM_SAMPLE,
    "samples.rows, with a defence that trains on them": FROM_DEFEND | _tables("samples") | {"sample", "inspect"},
    "samples.labels, with generators": FROM_SAMPLE,
    "poison.shares": FROM_DRAW,
    "poison.group": FROM_ATTACK,
    "poison.group, with poisoned rows": FROM_DRAW,
    "poison.label": FROM_ATTACK,
    "poison.label, with poisoned rows": FROM_DRAW,
    "repeats": REPORT,
    "repeats, with a defence that answers at random": FROM_QUERY,
    "population.splits": FROM_SPLIT,
    "population.victims": FROM_DRAW,
    "population.shadows": FROM_DRAW,
    "population.halves": REPORT,
    "population.halves, with worlds of protocol membership": FROM_HALVES,
    "population.halves_splits": REPORT,
    "population.halves_splits, with worlds of protocol membership": FROM_HALVES,
    "population.victim_share": FROM_SPLIT,
    "population.adversary_share": FROM_SPLIT,
    "population.adversary_from": FROM_SPLIT,
    "population.sub_pools": FROM_DRAW,
    "population.releases": FROM_DRAW,
    "population.kept": REPORT,
    "population.kept, with several releases": FROM_DRAW,
    "population.public_share": REPORT,
    "population.public_share, with a defence on public rows": FROM_SPLIT,
    "budgets.shadows": FROM_BUDGETS,
    "budgets.queries": FROM_BUDGETS,
    "budgets.ask": REPORT,
    "budgets.ask, with queries": FROM_BUDGETS,
    "training.epochs": FROM_TRAIN,
    "training.batch": FROM_TRAIN,
    "training.learning_rate": FROM_TRAIN,
    "training.schedule": FROM_TRAIN,
    "training.cycles": REPORT,
    "training.cycles, with restarts": FROM_TRAIN,
    "training.weight_decay": FROM_TRAIN,
    "training.validation": FROM_TRAIN,
    "engine.stack": NOTHING,
    "engine.job_seconds": FROM_DRAW,
    "engine.device": NOTHING,
    "engine.backend": NOTHING,
    "engine.reuse": NOTHING,
    **{f"search.{key}": NOTHING for key in Search.model_fields},  # its configurations are experiments of their own
    "figures, one more": frozenset({"figures new", "report"}),
    "paper": _tables("claims") | REPORT,
    "tau": _tables("claims") | {"figures", "report"},
    "margin": JUDGED - _tables("scores"),
    "audit.margin": frozenset({"advise", "report"}),
    "audit.defence": frozenset({"advise", "report"}),
}
"""Kinds of steps that get another id if a key gets another value; after a comma, in which case."""


def keys() -> list[str]:
    """Return every key of the config, those of a group as `group.key`."""
    found = []
    for name, field in Experiment.model_fields.items():
        below = inner(field.annotation)
        found += [name] if below is None else [f"{name}.{key}" for key in below.model_fields]
    return found


def jobs() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, for each stage, the modules of its jobs by the plugin or table that they are of; by "" where it has one kind of jobs.

    A job of several plugins, such as a model and a defence, has the modules of both.
    """
    module = plugins.modules
    words = [place for kind in ("access", "questions") for place in module(kind).values()]

    def of(stage: str, kind: str, *more: str) -> dict[str, tuple[str, ...]]:
        return {name: (f"popleak.stages.{stage}", place, *more) for name, place in module(kind).items()}

    def models(stage: str, generates: bool) -> dict[str, tuple[str, ...]]:
        found = of(stage, "models")
        return {name: found[name] for name in found if plugins.load("models", name).generates is generates}

    def answering(stage: str) -> dict[str, tuple[str, ...]]:
        found = of(stage, "defences")
        return models(stage, False) | {name: found[name] for name in found if plugins.load("defences", name).answers}

    def seen(attack: str) -> list[str]:
        plugin = plugins.load("attacks", attack)
        return [module("access")[name] for name in (plugin.access, plugin.shadow_access) if name]

    return {
        "dataset": of("dataset", "datasets"),
        "split": {"": ("popleak.stages.split",)},
        "draw": {"": ("popleak.stages.draw",)},
        "train": of("train", "models"),
        "defend": of("defend", "models") | of("defend", "defences"),
        "sample": models("sample", True),
        "query": answering("query"),
        "measure": answering("measure"),
        "attack": {name: (*places, *seen(name)) for name, places in of("attack", "attacks").items()}
        | {f"question {name}": places for name, places in of("attack", "questions").items()},
        "inspect": {"": ("popleak.stages.inspect",)},
        "tables": {name: ("popleak.stages.tables", f"popleak.tables.{name}") for name in TABLES},
        "figures": of("figures", "figures", *words),
        "advise": {"": ("popleak.stages.advise", *words)},
        "report": of("report", "figures", *words),
    }


@functools.cache
def modules() -> tuple[str, ...]:
    """Return the names of all modules of the package."""
    root = Path(__file__).parents[1]
    found = pkgutil.walk_packages([str(root)], f"{provenance.PACKAGE}.")
    return tuple(sorted({provenance.PACKAGE, *(info.name for info in found)}))


def by_module() -> dict[str, dict[str, str]]:
    """Return, for each module, the jobs in whose code digest it is: by stage, `all` or the plugins or tables that they are of."""
    found: dict[str, dict[str, list[str]]] = {module: {} for module in modules()}
    kinds = jobs()
    for stage, of in kinds.items():
        for name, places in of.items():
            for module in provenance.imports(*places):
                if module in found and module not in provenance.UNCOUNTED:
                    found[module].setdefault(stage, []).append(name)
    return {
        module: {stage: _named(names, kinds[stage]) for stage, names in stages.items()}
        for module, stages in found.items()
    }


def by_library() -> dict[str, dict[str, str]]:
    """Return, for each library whose version is in the digest of some job, which jobs those are, as `by_module` does."""
    kinds = jobs()
    found: dict[str, dict[str, list[str]]] = {}
    for stage, of in kinds.items():
        for name, places in of.items():
            for library in provenance.library_versions(*places):
                found.setdefault(library, {}).setdefault(stage, []).append(name)
    return {
        library: {stage: _named(names, kinds[stage]) for stage, names in stages.items()}
        for library, stages in sorted(found.items())
    }


def own(module: str, stages: Mapping[str, str]) -> bool:
    """Return whether a module is the file of a plugin or of a table, and is in the jobs of that plugin or table alone."""
    name = module.rpartition(".")[2].replace("_", "-")
    return bool(stages) and set(stages.values()) <= {name, f"question {name}"}


def _named(names: Iterable[str], of: Mapping[str, object]) -> str:
    given = sorted(names)
    return "all" if len(given) == len(of) else ", ".join(given)


def grouped(found: Mapping[str, Mapping[str, str]]) -> list[tuple[list[str], Mapping[str, str]]]:
    """Return the names of those that reach the same jobs together, from the earliest stage to the latest."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, stages in found.items():
        rows.setdefault(tuple(stages.get(stage, "") for stage in STAGES), []).append(name)
    order = sorted(rows, key=lambda cells: ([cell == "" for cell in cells], rows[cells]))
    return [(rows[cells], dict(zip(STAGES, cells, strict=True))) for cells in order]
