"""The step of the page for whoever decides on a release."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..config.experiment import Experiment
from ..config.resolved import SettledTask
from ..core import plugins
from ..steps.advise import AdviseStep, Asked
from ..steps.tables.base import TableStep
from . import sizes
from .known import Known
from .steps import Step, Steps, add

OPENED = ("html", "json")
"""The files that are published, by their endings."""
READS = ("models", "scores", "leakage", "claims", "defences")


def add_to(
    steps: Steps,
    experiment: Experiment,
    tasks: Sequence[SettledTask],
    tables: Mapping[str, Step[TableStep]],
    *,
    shown: Mapping[str, Any],
    placebos: Sequence[Step[Any]],
    placebo_ids: Collection[str],
    records: Mapping[str, str],
    words: Sequence[str],
    absent: Sequence[str],
    cautions: Sequence[str],
) -> Step[AdviseStep]:
    """Add the step and return it. shown: the config as it is shown; placebos: the attack steps on placebos; placebo_ids: of the steps that placebos
    alone need; records: of those that make the tasks' tables, by task; words: modules of kinds of access and of questions."""
    audit = experiment.audit
    assert audit is not None
    known = Known(experiment, tasks)
    settings = AdviseStep(
        experiment=shown, margin=audit.margin, defence=audit.defence, references=known.references,
        tasks={task.id: _asked(task, records[task.id]) for task in tasks}, copies=known.copies, absent=tuple(absent), cautions=tuple(cautions),
        untried=tuple(_untried(tasks)), seed=experiment.seed, does=_does(tasks),
    )  # fmt: skip
    cards = [(step, "table") for step in steps["dataset"].values() if step.id not in placebo_ids]
    return add(
        steps, experiment.experiment, settings,
        {
            **{name: tables[name] for name in READS},
            "cards": cards,
            **({"placebos": [(step, "table") for step in placebos]} if placebos else {}),
        },
        outputs={kind: f".{kind}" for kind in (*OPENED, "sha256")},
        modules=("popleak.stages.advise", *words), mem_mb=3000,
    )  # fmt: skip


def _asked(task: SettledTask, records: str) -> Asked:
    attacks = {one.id: plugins.load("attacks", one.name) for one in task.attacks}
    population = task.population
    return Asked(
        attribute=sizes.attribute_name(task),
        groups=sizes.group_names(task),
        rows=task.rows,
        query_rows=task.query_rows,
        splits=population.splits,
        victims=population.victims,
        shadows=population.shadows,
        learning=tuple(name for name, one in attacks.items() if one.shadows),
        records=records,
        pairs=tuple(dict.fromkeys(pair for one in task.worlds for pair in _pairs(one.ratios or ()))),
        balanced=task.ratio_mode == "label-balanced",
    )


def _pairs(ratios: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield the ratios of two worlds that differ."""
    if len(ratios) == 2 and ratios[0] != ratios[1]:
        yield ratios[0], ratios[1]


def _does(tasks: Sequence[SettledTask]) -> dict[str, str]:
    """Return what each defence does, by id."""
    plugin = {one.id: plugins.load("defences", one.name) for task in tasks for one in task.defences}
    return {name: str(one.plain or one.summary) for name, one in plugin.items() if name != "none"}


MOST = 12
"""Names that a sentence lists; of more it gives the number."""


def _untried(tasks: Sequence[SettledTask]) -> Iterator[str]:
    """Yield what is installed and was not tried: accesses, attacks, defences and questions."""
    ran = {one.name for task in tasks for one in task.attacks}
    yield from _unseen(ran)
    if kept := list(
        dict.fromkeys(
            model.id for task in tasks for model in task.models if not plugins.load("models", model.name).gradient
        )
    ):
        yield (
            f"The file of a model {_some(kept)}: its answers are judged, and no attack reads the file itself, which may say more. Trees keep how many "
            "training rows fell into each node, a scaler keeps means, so that the share of a group may stand in it in clear: release answers, or a file without such counts."
        )
    defended = {one.name for task in tasks for one in task.defences}
    if others := [name for name in plugins.names("defences") if name not in defended]:
        yield f"Defences that were not tried: {_some(others)}. `popleak list defences` says what each does."
    yield from _unasked(tasks)


def _unseen(ran: Collection[str]) -> Iterator[str]:
    """Yield the accesses, and the attacks with accesses that were tried, that these attacks leave out."""
    seen = {plugins.load("attacks", name).access for name in ran}
    others = [
        one for name in plugins.names("attacks") if name not in ran and _on_groups(one := plugins.load("attacks", name))
    ]
    for access in map(_access, plugins.names("access")):
        could = [one.name for one in others if one.access == access.name]
        if could and access.name not in seen and access.reads in ("answers", "models"):
            yield f"Who sees {access.summary} (access {access.name}): no such attack was run ({_some(could)})."
    if more := [one.name for one in others if one.access in seen]:
        yield f"Further attacks with the accesses that were tried: {_some(more)}."


def _on_groups(attack: Any) -> bool:
    """Return whether an attack tells two training sets apart that differ in their groups, by the rules of the game."""
    return not (attack.many or attack.rows or attack.of_samples or attack.reference)


def _access(name: str) -> Any:
    return plugins.load("access", name)


def _unasked(tasks: Sequence[SettledTask]) -> Iterator[str]:
    attributes = ", ".join(dict.fromkeys(sizes.attribute_name(task) for task in tasks))
    yield (
        "Questions that were not asked: whether a single row was in the training set (docs/membership.md), and any property of the training set other than the share of "
        f"groups by {attributes}."
    )
    yield "Adversaries that nobody has thought of: a light speaks of the attacks that were run, a certificate of all."


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:MOST])} and {len(names) - MOST} more" if len(names) > MOST else ", ".join(names)
