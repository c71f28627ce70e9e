"""The resolved tasks of an experiment: every default filled in and every name checked."""

from __future__ import annotations

from typing import Any, Literal, Self

from ..core import plugins
from ..core.settings import Settings
from .entries import RatioMode
from .experiment import Population, Train
from .samples import Samples
from .tasks import Poison, Worlds


class ResolvedChoice(Settings):
    """A plugin with all its settings filled in."""

    id: str
    name: str
    settings: dict[str, Any]
    control: str | None = None


def publishes(defence: ResolvedChoice) -> bool:
    """Return whether a defence trains on public rows at its settings."""
    plugin = plugins.load("defences", defence.name)
    return bool(plugin.publishes(plugin.Settings.model_validate(defence.settings)))


def complements(defence: ResolvedChoice) -> bool:
    """Return whether a defence trains on rows of the complement at its settings."""
    plugin = plugins.load("defences", defence.name)
    return bool(plugin.complements(plugin.Settings.model_validate(defence.settings)))


def taught_by(defence: ResolvedChoice) -> ResolvedChoice | None:
    """Return the defence whose models the models of another learn from, `none` for the base models; None where they are no students."""
    plugin = plugins.load("defences", defence.name)
    found = plugin.teacher_of(plugin.Settings.model_validate(defence.settings))
    return None if found is None else ResolvedChoice(id=found[0], name=found[0], settings=found[1])


class Received(Settings):
    """Whose samples models are trained on: a generator, and what its sharer does."""

    generator: ResolvedChoice
    sharer: ResolvedChoice


def received(defence: ResolvedChoice) -> Received | None:
    """Return whose samples a defence trains on at its settings; None where it trains on records alone."""
    plugin = plugins.load("defences", defence.name)
    found = plugin.received(plugin.Settings.model_validate(defence.settings))
    if found is None:
        return None
    generator, sharer = (ResolvedChoice(id=name, name=name, settings=settings) for name, settings in found)
    return Received(generator=generator, sharer=sharer)


def randomises(defence: ResolvedChoice) -> bool:
    """Return whether models under a defence answer with fresh randomness each time at its settings."""
    plugin = plugins.load("defences", defence.name)
    return bool(plugin.randomises(plugin.Settings.model_validate(defence.settings)))


def members(defence: ResolvedChoice) -> int:
    """Return how many models one release holds under a defence at its settings."""
    plugin = plugins.load("defences", defence.name)
    return int(plugin.members(plugin.Settings.model_validate(defence.settings)))


class ResolvedTask(Settings):
    """A task with every default filled in and every name checked."""

    id: str
    dataset: str
    label: str
    attribute: str
    attribute_in_features: bool
    options: dict[str, Any]
    rows: int | Literal["auto"]
    query_rows: int | Literal["auto"]
    models: tuple[ResolvedChoice, ...]
    worlds: tuple[Worlds, ...]
    ratio_mode: RatioMode
    defences: tuple[ResolvedChoice, ...]
    attacks: tuple[ResolvedChoice, ...]
    shadow_models: tuple[ResolvedChoice, ...]
    poison: Poison
    population: Population
    training: Train
    generators: tuple[ResolvedChoice, ...] = ()
    sharers: tuple[ResolvedChoice, ...] = ()
    samples: Samples = Samples()
    placebo: int = 0
    public_pool: bool = False
    """Whether the records have a public pool: if a defence trains on public rows, and in the placebos of such a task."""
    permutation: int = 0
    """Number of the permutation of the group column, from 1; 0 for the column as it is."""

    @property
    def key(self) -> str:
        """Key from which the seeds of the task's draws are derived."""
        return f"{self.records_key}/placebo-{self.permutation}" if self.permutation else self.records_key

    @property
    def records_key(self) -> str:
        """Key from which the seeds of the records are derived. A permutation belongs to the table, however its rows
        are then divided."""
        return f"{self.dataset}/{self.label}/{self.attribute}"

    @property
    def complemented(self) -> bool:
        """Whether a defence trains on the complement, so that each model draws one beside its own rows."""
        return any(complements(defence) for defence in self.defences)

    @property
    def receivers(self) -> tuple[Received, ...]:
        """Whose samples the task's defences train on, each once."""
        found = [received(defence) for defence in self.defences]
        return tuple(one for i, one in enumerate(found) if one is not None and one not in found[:i])

    @property
    def publishing(self) -> bool:
        """Whether a defence trains on public rows, so that each model draws some."""
        return any(publishes(defence) for defence in self.defences)

    def permuting(self, seed: int) -> dict[str, Any]:
        """Return what determines this task's permutation (`dataset.permuted`) beside the records; seed: the
        experiment's."""
        return {"seed": seed, "key": self.records_key, "number": self.permutation}

    def placebos(self) -> list[Self]:
        """Return the task with its group column permuted, once for each permutation. These tasks have no defences, no
        poison, shadows of the victim's architecture only, and only pairs of different worlds."""
        alike = {
            "worlds": different(self.worlds),
            "defences": tuple(one for one in self.defences if one.name == "none"),
            "attacks": alone(self.attacks),
            "shadow_models": (),
            "generators": (),
            "poison": Poison(group=self.poison.group, label=self.poison.label),
            "placebo": 0,
        }
        return [
            self.model_copy(update={**alike, "id": f"{self.id}-placebo-{i}", "permutation": i})
            for i in range(1, self.placebo + 1)
        ]


class SettledTask(ResolvedTask):
    """A task whose sizes are numbers."""

    rows: int
    query_rows: int


def different(worlds: tuple[Worlds, ...]) -> tuple[Worlds, ...]:
    """Return the pairs of different worlds that differ only in their groups."""
    return tuple(
        one for one in worlds if one.question.measured and one.question.groups and len(set(one.ratios or ())) > 1
    )


def alone(attacks: tuple[ResolvedChoice, ...]) -> tuple[ResolvedChoice, ...]:
    """Return the attacks that need undefended classifiers only."""
    return tuple(
        one for one in attacks if not access_of(one).defended and not plugins.load("attacks", one.name).of_samples
    )


def access_of(attack: ResolvedChoice) -> Any:
    """Return the access that an attack has to victims."""
    return plugins.load("access", plugins.load("attacks", attack.name).access)
