"""The settings of an experiment as it was run, in words: the first table of a page of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..figures import _select as select
from . import words


def settings(experiment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the main settings of a resolved config as pairs of term and text; what a setting does not say is left out.

    Tasks that replace a setting of the experiment have a row of their own.
    """
    population, training = experiment.get("population") or {}, experiment.get("training") or {}
    search = experiment.get("search")
    if search:  # its configurations take the place of these
        population, training = {}, {}
        experiment = {**experiment, "models": None, "defences": None, "shadow_models": None}
    rows = [
        ("Tasks asked for", "; ".join(_task(task) for task in experiment["tasks"])),
        *_replaceable(experiment),
        *(_search(search) if search else []),
        ("Knowledge of the adversary", words.listed(experiment.get("knowledge") or [])),
        ("Answers to a query", words.listed(map(str, experiment.get("repeats") or [])) if experiment.get("repeats") != [1] else ""),
        (
            "Population",
            f"{words.count(population['splits'], 'pool split')}; {population['victims']} victims for each world and defence; "
            f"{population['shadows']} shadow models for each world, defence and split" if population else "",
        ),
        (
            "Training",
            f"{words.count(training['epochs'], 'epoch')} of Adam at step size {training['learning_rate']:g}{_schedule(training)}, batches of {training['batch']}"
            if training else "",
        ),
        ("Seed", str(experiment.get("seed", ""))),
        *_replaced(experiment),
    ]  # fmt: skip
    return [(term, said) for term, said in rows if said]


def _search(search: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a search over the model axis was asked for."""
    floor = f"{100 * search['above_constant']:g} points above the better constant answer"
    later = f"at most {words.count(search['front'], 'configuration')} of a study in stage 2, with {search['unselected']} of random search by no value, and {search['survivors']} of a task in stage 3"
    return [
        ("Studies", f"{search['seeds']} of each sampler and task, of {words.count(search['trials'], 'trial')}, the first {search['startup']} of them at random"),
        *((f"Stage {i}", _fidelity(search[name])) for i, name in enumerate(("first", "second", "third"), 1)),
        ("Later stages", later),
        ("Accuracy floor", floor),
        ("Not searched", words.listed(search["transfer"])),
    ]  # fmt: skip


def _fidelity(one: Mapping[str, Any]) -> str:
    return f"{words.count(one['splits'], 'pool split')}; {one['victims']} victims for each world, and {one['shadows']} shadow models for each world and split"


def _schedule(training: Mapping[str, Any]) -> str:
    """Return how the step size changes, in words; nothing where it does not."""
    schedule = training.get("schedule", "constant")
    cycles = f", {words.count(training['cycles'], 'cycle')}" if schedule == "restarts" else ""
    return "" if schedule == "constant" else f" (schedule {schedule}{cycles})"


def _replaceable(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of an experiment that a task may replace; of a task, those that it replaces."""
    shares = (given.get("poison") or {}).get("shares") or []
    rows = [
        ("Worlds", "; ".join(_worlds(one) for one in given.get("worlds") or [])),
        ("Label rates", str(given.get("ratio_mode") or "")),
        *(
            (term, words.listed(_choice(one) for one in given.get(key) or []))
            for term, key in (
                ("Models", "models"), ("Shadows of another architecture", "shadow_models"), ("Defences", "defences"), ("Attacks", "attacks"),
            )
        ),
        ("Poisoned shares", words.listed(f"{share:g}" for share in shares) if any(shares) else ""),
    ]  # fmt: skip
    return [(term, said) for term, said in rows if said]


def _replaced(experiment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a row for all tasks that replace the experiment's settings in the same way."""
    common, found = _replaceable(experiment), dict[str, list[str]]()
    for task in experiment["tasks"]:
        rows = [row for row in _replaceable(task) if row not in common] + _changed(task)
        if said := ". ".join(f"{term}: {text}" for term, text in rows):
            found.setdefault(said, []).append(_name(task))
    return [(f"Only {words.listed(names)}", said) for said, names in found.items()]


def _changed(task: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys of the population and the training that a task changes."""
    return [
        (key.capitalize(), ", ".join(f"{name} {value}" for name, value in task[key].items()))
        for key in ("population", "training")
        if task.get(key)
    ]


def _name(task: Mapping[str, Any]) -> str:
    return task.get("id") or "-".join(filter(None, [task["dataset"].replace("_", "-"), task.get("attribute")]))


def _task(task: Mapping[str, Any]) -> str:
    placebos = task.get("placebo")
    said = [
        f"{task['rows']:,} rows a model" if isinstance(task.get("rows"), int) else "",
        f"{task.get('attribute') or 'group'} among the features" if task.get("attribute_in_features") else "",
        words.count(placebos, "placebo") if isinstance(placebos, int) and placebos else "",
    ]
    said = [one for one in said if one]
    return f"{_name(task)} ({', '.join(said)})" if said else _name(task)


def _worlds(one: Mapping[str, Any]) -> str:
    ratios = [float(ratio) for ratio in one.get("ratios") or []]
    if len(ratios) == 2:
        return select.Pair(one["protocol"], *ratios).label
    return f"{one['protocol']}: {', '.join(f'{ratio:g}' for ratio in ratios)}"


def _choice(one: Mapping[str, Any]) -> str:
    """Return a plugin's id with the settings that are not the default ones."""
    given = [f"{key} {value}" for key, value in (one.get("settings") or {}).items()]
    swept = [f"{key} {', '.join(map(str, values))}" for key, values in (one.get("grid") or {}).items()]
    said = "; ".join([*given, *swept])
    return f"{one.get('id') or one['name']} ({said})" if said else str(one.get("id") or one["name"])
