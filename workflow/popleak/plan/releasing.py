"""What generators, their sharers and whoever trains on their rows are asked for, and cannot do with the rows that draws have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..config.resolved import ResolvedChoice, SettledTask, received
from ..core import needs, plugins
from ..core.errors import PopleakError
from ..core.needs import Mixing
from ..core.worlds import World
from . import games

CONCORDANT = ((0, 0), (1, 1))
"""(y, a) of rows that make label 1 commoner in group 1."""
DISCORDANT = ((1, 0), (0, 1))
SURE = 4.0
"""Standard deviations that chance will not bridge."""


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
    if share is not None and task.samples.labels == "even":
        yield (
            f"{what}: rows are released by group, and the labels of those would not be even (samples.labels): leave one of the two out"
        )
        return
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


def exhausted(task: SettledTask, pools: needs.Pools, label_rate: float) -> list[str]:
    """Return a line for the largest share of rows that a sharer cannot choose, because the pool holds too few of the cells that raise I(S; Y).

    pools: the most rows of each (pool, y, a) that a split leaves. What lies within chance is left to the stage `draw`
    (`stages._poisoned_rows.chosen`).
    """
    victim = {(y, a): rows for (pool, y, a), rows in pools.items() if pool == "victim"}
    worlds = [World.named(name) for game in games.games_of(task) for name in game.worlds]
    for world in sorted((one for one in worlds if one.chosen), key=lambda one: one.chosen or 0)[-1:]:
        clean = needs.drawn(world.law, task.rows, task.ratio_mode, label_rate)
        most = _choosable(clean, victim)
        if needs.half_up((world.chosen or 0) * task.rows) > most:
            return [
                f"protocol fairness-poisoning: share {world.chosen:g} of {task.rows} rows is asked for, and the victim pool holds rows that raise "
                f"I(S; Y) for a share of about {most / task.rows:.2f}: lower the shares, lower `rows`, or give the pool a larger share (population)"
            ]
    return []


def rare(task: SettledTask, label_rate: float, risk: float) -> list[str]:
    """Return a line where rows are chosen and some sharer is likely to have fewer than two of a label, of which there is no I(X; Y) to keep. What is
    unlikely is left to the stage `draw`. label_rate: the share of positives in the dataset; risk: how many such sharers may be expected."""
    worlds = [World.named(name) for game in games.games_of(task) for name in game.worlds]
    law = next((world.law for world in worlds if world.chosen is not None), None)
    if law is None:
        return []
    _, mode, rate = law.drawn(task.ratio_mode, label_rate)
    least, rows = min(rate, 1 - rate), task.rows
    if mode == "natural":  # labels fall as they may
        lacking = task.population.victims * ((1 - least) ** rows + rows * least * (1 - least) ** (rows - 1)) > risk
    else:
        lacking = min(needs.half_up(rate * rows), rows - needs.half_up(rate * rows)) < 2
    if not lacking:
        return []
    return [
        f"protocol fairness-poisoning: a sharer's {rows} rows are to keep their I(X; Y), which needs two of each label, and {least:.3g} of the records have "
        f"label {int(rate < 0.5)}: raise `rows`, or choose a label that is less rare"
    ]


def _choosable(drawn: Mapping[needs.Stratum, int], victim: Mapping[tuple[int, int], int]) -> float:
    """Return about how many rows a sharer can replace, and what chance may add.

    They raise I(S; Y) in the sign that it has among the rows `drawn`; of dependence that chance may turn, in the better sign.
    """
    rate = {a: victim[1, a] / max(victim[0, a] + victim[1, a], 1) for a in (0, 1)}
    clean = dict.fromkeys(victim, 0.0)
    for (label, group), rows in drawn.items():
        for y, a in clean:
            if group in (None, a) and label in (None, y):
                clean[y, a] += rows * (1 if label is not None else rate[a] if y else 1 - rate[a])
    free = [sum(max(victim[cell] - clean[cell], 0) for cell in cells) for cells in (CONCORDANT, DISCORDANT)]
    spread = math.sqrt(sum(0.25 / max(clean[0, a] + clean[1, a], 1) for a in (0, 1)))
    apart = rate[1] - rate[0]
    signs = free if abs(apart) < SURE * spread else free[:1] if apart > 0 else free[1:]
    return max(signs) + SURE * math.sqrt(sum(drawn.values()))
