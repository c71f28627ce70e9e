"""Form of a task's records (classes of the label, and shape), and whether the task's plugins and settings support it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..config.resolved import ResolvedTask
from ..core import plugins
from ..core.errors import PopleakError
from . import cost, games, searches


class Form(NamedTuple):
    """classes: C; shape: of a record, (d,) for a row of d features, None if d is not stated; features: d, or an
    assumed number."""

    classes: int
    shape: tuple[int, ...] | None
    features: int

    @property
    def outputs(self) -> int:
        """Numbers that a model answers to one query."""
        return 1 if self.classes == 2 else self.classes

    def keywords(self, plugin: object) -> dict[str, int]:
        """Return the arguments on classes for a model's `sides` and `build`, beside features and settings."""
        return {"classes": self.classes} if self.classes > 2 and getattr(plugin, "classes", 2) is None else {}


def of_task(task: ResolvedTask) -> Form:
    """Return the form of a task's records. Raises PopleakError if the attribute is to be added as a column to records
    that have no columns."""
    plugin = plugins.load("datasets", task.dataset)
    options = plugin.Settings.model_validate(task.options)
    classes, shape = len(plugin.classes(options)), plugin.shape(options)
    if shape is not None and task.attribute_in_features:
        raise PopleakError(
            f"config: tasks: {task.id}: attribute_in_features: a record of dataset {task.dataset} is {' x '.join(map(str, shape))} numbers "
            f"and no row of features: leave it out"
        )
    if shape is not None:
        numbers = 1
        for side in shape:
            numbers *= side
        return Form(classes, shape, numbers)
    width = plugin.width(options)
    features = (width or cost.FEATURES) + task.attribute_in_features
    return Form(classes, None if width is None else (features,), features)


def check(task: ResolvedTask, form: Form) -> None:
    """Raise PopleakError in one line that names the task if a model, defence, attack or setting does not support such
    records."""
    where = f"config: tasks: {task.id}"
    for model in (*task.models, *task.shadow_models):
        plugin = plugins.load("models", model.name)
        settings = plugin.Settings.model_validate(model.settings)
        try:
            if form.shape is not None:
                plugin.check(form.features, settings, form.classes, form.shape)
            elif plugin.classes not in (None, form.classes):
                plugin.check(form.features, settings, form.classes)
        except (PopleakError, ValueError) as error:
            raise PopleakError(f"{where}: model {model.id!r}: {error}") from None
    for what, number, remedy in (*_plugins(task, form.classes), *(_binary(task) if form.classes != 2 else ())):
        word = "two" if number == 2 else number
        raise PopleakError(
            f"{where}: {what} is for labels of {word} classes, and that of dataset {task.dataset} has {form.classes}: {remedy}"
        )


def _plugins(task: ResolvedTask, classes: int) -> Iterator[tuple[str, int, str]]:
    """Yield the attacks and defences of the task that do not support this many classes, the number that they support,
    and the remedy."""
    for kind, chosen in (("attack", task.attacks), ("defence", task.defences)):
        for one in chosen:
            number = plugins.load(f"{kind}s", one.name).classes
            if number not in (None, classes):
                yield f"{kind} {one.id!r}", number, f"leave it out, or give the task its own `{kind}s`"


def _binary(task: ResolvedTask) -> Iterator[tuple[str, int, str]]:
    """Yield the settings of the task that are for two classes, with that number and the remedy."""
    if task.ratio_mode != "natural":
        yield f"ratio_mode: {task.ratio_mode}", 2, "choose natural"
    if any(task.poison.shares):
        yield "poison, which flips labels,", 2, "leave it out"
    for game in games.games_of(task):
        if any(world.label_rate is not None for world in game.laws):
            yield f"protocol {game.protocol}, which sets label rates,", 2, "choose another"
        if any(world.targets for world in game.laws):
            yield f"protocol {game.protocol}, which flips labels,", 2, "leave it out"
    for defence in task.defences:
        if searches.searched(defence):
            yield f"eo_weight: auto of defence {defence.id!r}", 2, "give it a number"
        if defence.settings.get("criterion") == "equal-opportunity":
            yield f"criterion: equal-opportunity of defence {defence.id!r}", 2, "choose another"
