"""What public tables can learn about an experiment: the fields of their classes in `steps.tables` name attributes of
`Known`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..config import papers, twins
from ..config import resolve as config
from ..config.experiment import Experiment
from ..config.resolved import ResolvedChoice, ResolvedTask, SettledTask, access_of
from ..core import plugins
from ..core.settings import canonical
from ..defences._price import needs
from ..defences.base import TuneSettings
from ..steps.papers import Paper
from ..steps.tables.defences import Facts
from ..steps.tables.leakage import Data
from ..steps.tables.placebo import Copy
from ..steps.tables.sensitivity import Tuning
from . import searches, sizes


@dataclass(frozen=True)
class Known:
    """An experiment and the tasks that are run. Facts about defences and attacks are keyed by the id of the task,
    then by their own. prices: CPU seconds on the reference core by task, model and defence, of `none` those of the training."""

    experiment: Experiment
    given: Sequence[SettledTask]
    prices: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    @property
    def tau(self) -> float:
        return self.experiment.tau

    @property
    def margin(self) -> float:
        return self.experiment.margin

    @property
    def seed(self) -> int:
        return self.experiment.seed

    @property
    def paper(self) -> Paper:
        return papers.load(self.experiment.paper).judged()

    @property
    def literal_share(self) -> float:
        """Share of models that may break the literal bound, as the paper's claim on it says."""
        shares = [claim.share for claim in self.paper.claims if claim.kind == "literal-bound" and claim.share]
        return shares[0] if shares else 0.05

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(task.id for task in self.given)

    @property
    def datasets(self) -> Mapping[str, str]:
        return {task.id: task.dataset for task in self.given}

    @property
    def ratio_modes(self) -> Mapping[str, str]:
        return {task.id: task.ratio_mode for task in self.given}

    @property
    def balanced(self) -> Mapping[str, str]:
        return twins.balanced(self.given)

    @property
    def controls(self) -> Mapping[str, Mapping[str, str]]:
        return {task.id: {one.id: one.control for one in task.defences if one.control} for task in self.given}

    @property
    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        return {task.id: {one.id: _kind(one) for one in task.defences} for task in self.given}

    @property
    def searched(self) -> Mapping[str, tuple[str, ...]]:
        return {task.id: tuple(one.id for one in task.defences if searches.searched(one)) for task in self.given}

    @property
    def references(self) -> Mapping[str, tuple[str, ...]]:
        return {
            task.id: tuple(one.id for one in task.attacks if plugins.load("attacks", one.name).reference)
            for task in self.given
        }

    @property
    def white_box(self) -> Mapping[str, tuple[str, ...]]:
        return {task.id: tuple(one.id for one in task.attacks if not access_of(one).black_box) for task in self.given}

    @property
    def without_models(self) -> Mapping[str, tuple[str, ...]]:
        return {task.id: tuple(one.id for one in task.attacks if not access_of(one).of_model) for task in self.given}

    @property
    def uncovered(self) -> Mapping[str, tuple[str, ...]]:
        """Attacks that see what no certificate is about."""
        found = {task.id: tuple(one.id for one in task.attacks if not access_of(one).covered) for task in self.given}
        return {task: attacks for task, attacks in found.items() if attacks}

    @property
    def facts(self) -> Mapping[str, Mapping[str, Facts]]:
        return {task.id: {one.id: _facts(one, task) for one in task.defences} for task in self.given}

    @property
    def seconds(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        return self.prices

    @property
    def statistic(self) -> Mapping[str, tuple[str, ...]]:
        """The attack that decides as the paper does, by the ids that it has in each task."""
        name = papers.load(self.experiment.paper).statistic
        return {task.id: tuple(one.id for one in task.attacks if one.name == name) for task in self.given}

    @property
    def copies(self) -> Mapping[str, Copy]:
        """The tasks' placebos by their own ids."""
        return {
            copy.id: Copy(task=task.id, permutation=copy.permutation) for task in self.given for copy in task.placebos()
        }

    @property
    def data(self) -> Mapping[str, Data]:
        without_attribute = twins.unseen(self.given)
        return {
            task.id: Data(
                dataset=task.dataset,
                attribute=sizes.attribute_name(task),
                rows=task.rows,
                attribute_in_features=task.attribute_in_features,
                twin_task=without_attribute.get(task.id),
            )
            for task in self.given
        }

    @property
    def arms(self) -> Mapping[str, Mapping[str, Tuning]]:
        return {task.id: tuned(task) for task in self.given}


def tuned(task: ResolvedTask) -> dict[str, Tuning]:
    """Return the settings of a task's fine-tuning defences by id, with those inherited from the training filled in.
    Without rehearsal the share is 0, and without an EO term the weight is 0."""
    found = {}
    for defence in task.defences:
        if issubclass(plugins.load("defences", defence.name).Settings, TuneSettings):
            settings = config.effective(defence.settings, task.training)
            found[defence.id] = Tuning(
                kind=defence.name,
                control=defence.control,
                epochs=settings["epochs"],
                learning_rate=settings["learning_rate"],
                rehearsal=settings.get("rehearsal", 0.0),
                eo_weight=settings.get("eo_weight", 0.0),
            )
    return found


def swept(task: ResolvedTask) -> bool:
    """Return whether a task has a fine-tuning defence at more than one setting."""
    kinds = [one.kind for one in tuned(task).values()]
    return len(set(kinds)) < len(kinds)


def _facts(defence: ResolvedChoice, task: ResolvedTask) -> Facts:
    """Return what a defence needs, by its plugin and its settings."""
    plugin = plugins.load("defences", defence.name)
    none = defence.name == "none"
    own = plugin.Settings.model_validate(defence.settings)
    found = plugin.used(own, task.training.validation)
    return Facts(
        kind=defence.name,
        control=defence.control,
        settings=canonical(config.effective(defence.settings, task.training)),
        access=None if none else plugin.access_at(own),
        needs="nothing" if none else ", ".join(needs(plugin, own, found)),
        rows_own=float(found.own),
        rows_complement=float(found.complement),
        rows_public=float(found.public),
    )


def _kind(defence: ResolvedChoice) -> str:
    """Return the kind of a defence by its method: `fft-rehearsal` without rehearsal counts as `fft`, and claims about
    rehearsal do not apply to it."""
    bare = defence.name == "fft-rehearsal" and defence.settings["rehearsal"] == 0
    return "fft" if bare else defence.name
