"""What generators, their sharers and whoever trains on their rows are asked for, and cannot do with the rows that draws have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..config.resolved import ResolvedChoice, SettledTask, received
from ..core import needs, plugins
from ..core.errors import PopleakError
from ..core.needs import Mixing
from . import games


def impossible(task: SettledTask, label_rate: float) -> list[str]:
    """Return a line for each attack that wants more rows than are released, and for each sharer and each defence that needs rows of a group of
    which a generator has seen none. label_rate: the share of positives in the dataset."""
    played = games.games_of(task)
    shared = _mixings(task, [game for game in played if game.question.of_samples], label_rate)
    others = _mixings(task, [game for game in played if not game.question.of_samples], label_rate)
    found = list(_wanted(task))
    for sharer in task.sharers if task.generators else ():
        found += _shared(task, f"sharer {sharer.id!r}", sharer, shared)
    for defence in task.defences:
        if whose := received(defence):
            found += _shared(task, f"defence {defence.id!r}: sharer {whose.sharer.id!r}", whose.sharer, others)
            found += _mixed(defence, others)
    return found


def _mixings(task: SettledTask, played: Sequence[games.Game], label_rate: float) -> list[Mixing]:
    slipped = (1 - task.poison.label, task.poison.group)
    return [
        Mixing.of((own, other), task.rows, task.ratio_mode, label_rate, needs.half_up(own.poison * task.rows), slipped)
        for own, other in games.turned(played)
    ]


def _wanted(task: SettledTask) -> Iterator[str]:
    released = task.samples.rows or task.rows
    for one in task.attacks:
        wanted = one.settings.get("samples") or 0 if plugins.load("attacks", one.name).of_samples else 0
        if wanted > released:
            yield (
                f"attack {one.id!r}: samples: the first {wanted} rows of each generator are asked for, and it releases {released} (samples.rows): "
                f"lower it, or leave it out for all"
            )


def _shared(task: SettledTask, what: str, sharer: ResolvedChoice, mixings: Sequence[Mixing]) -> Iterator[str]:
    """Yield the first reason why a sharer cannot do what it should in some world."""
    plugin = plugins.load("defences", sharer.name)
    settings = plugin.Settings.model_validate(sharer.settings)
    share, rows = plugin.group_share(settings), task.samples.rows or task.rows
    for mixing in mixings:
        ratio = mixing.ratios[0]
        if share is not None and ratio in (0, 1) and needs.half_up(share * rows) != ratio * rows:
            yield (
                f"{what}: share: {share:g} of the released rows are to be of group 1, and where P(a = 1) is {ratio:g} a generator has seen none of "
                f"group {1 - ratio:g}: ask about other ratios, or leave it out"
            )
            return
        if reason := plugin.refuses(mixing, settings):
            yield f"{what}: {reason}"
            return


def _mixed(defence: ResolvedChoice, mixings: Sequence[Mixing]) -> Iterator[str]:
    """Yield the first reason why a mixture cannot be made with rows of a generator of S_0 in place of the complement."""
    if "rehearsal" not in defence.settings:
        return
    for mixing in mixings:
        try:
            rest = mixing.parts(defence.settings["rehearsal"], defence.settings.get("rows", 1.0))[1]
        except PopleakError:  # said of every defence that rehearses
            return
        if lacking := [group for (_, group), size in rest.items() if size and not _seen(mixing, group)]:
            yield (
                f"defence {defence.id!r}: rows of group {lacking[0]} are asked for, and where P(a = 1) is {mixing.ratios[0]:g} a generator has seen "
                f"none: ask about other ratios, or leave it out"
            )
            return


def _seen(mixing: Mixing, group: int | None) -> bool:
    return group is None or any(rows for (_, of), rows in mixing.own.items() if of == group)
