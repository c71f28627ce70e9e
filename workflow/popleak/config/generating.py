"""What is refused of generators, their sharers and those who receive their rows, before anything is planned."""

from __future__ import annotations

from ..core import plugins
from ..core.errors import PopleakError
from .resolved import ResolvedTask, received
from .samples import Samples


def check(task: ResolvedTask, path: str) -> None:
    """Raise PopleakError if what is named as a generator, as a model, as what a sharer does or as a defence is none, or nothing is asked of it."""
    _models(task, path)
    _defences(task, path)
    _released(task, path)
    if (task.generators or task.receivers) and task.attribute_in_features:
        raise PopleakError(
            f"config: {path}: attribute_in_features: a generator's rows have the group in a column of their own: leave it out"
        )


def _released(task: ResolvedTask, path: str) -> None:
    """Raise PopleakError unless somebody is there for the rows that are released, and rows are released where something is said of them."""
    asked = any(one.question.of_samples for one in task.worlds)
    if asked and not task.generators:
        raise PopleakError(
            f"config: {path}: worlds of protocol samples ask about rows that a generator releases: name one in `generators`"
        )
    if task.generators and not asked:
        raise PopleakError(
            f"config: {path}: generators: nothing is asked about their rows: add worlds of protocol samples, or leave them out"
        )
    idle = {
        "sharers": not task.generators and any(one.name != "none" for one in task.sharers),
        "samples": not (task.generators or task.receivers) and task.samples != Samples(),
    }
    for key in (key for key, useless in idle.items() if useless):
        raise PopleakError(
            f"config: {path}: {key}: no rows are released here: name a generator in `generators`, or leave them out"
        )


def _models(task: ResolvedTask, path: str) -> None:
    """Raise PopleakError unless generators generate and other models answer."""
    kinds = [name for name in plugins.names("models") if plugins.load("models", name).generates]
    for key in ("models", "shadow_models", "generators"):
        wanted = key == "generators"
        for one in getattr(task, key):
            if plugins.load("models", one.name).generates is wanted:
                continue
            told = (
                f"answers queries and generates no rows: choose from {', '.join(kinds)}"
                if wanted
                else "generates rows and answers no query: name it in `generators`"
            )
            raise PopleakError(f"config: {path}: {key}: {one.id!r} {told}")


def _defences(task: ResolvedTask, path: str) -> None:
    """Raise PopleakError unless sharers' defences apply to generators, and others to classifiers."""
    for key, wanted in (("sharers", "generators"), ("defences", "classifiers")):
        able = [name for name in plugins.names("defences") if getattr(plugins.load("defences", name), wanted)]
        for one in getattr(task, key):
            if one.name not in able:
                raise PopleakError(
                    f"config: {path}: {key}: {one.id!r} does not apply to {wanted}: choose from {', '.join(able)}"
                )
    named = [(f"sharers: {one.id!r}", one) for one in task.sharers]
    named += [(f"defences: {one.id!r}: sharer", whose.sharer) for one in task.defences if (whose := received(one))]
    for what, one in named:
        if one.settings.get("schedule") is not None:
            raise PopleakError(
                f"config: {path}: {what}: schedule: a generator's step size has one of its own: leave it out"
            )
