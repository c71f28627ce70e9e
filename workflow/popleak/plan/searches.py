"""Checks before any job whether a defence that searches lambda (`eo_weight: auto`) has enough validation rows.

The search rejects a lambda only if these rows show that Delta_EO exceeds the target (`measures.target`). Few rows
show large differences only, and the search then almost always takes the first lambda. A user must know that before
the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..config.resolved import ResolvedChoice, SettledTask
from ..core.worlds import World, order
from ..datasets.base import Cells
from .games import games_of, turned

if TYPE_CHECKING:
    import numpy as np


def searched(defence: ResolvedChoice) -> bool:
    """Return whether a defence chooses lambda for each model on its validation rows."""
    return defence.settings.get("eo_weight") == "auto"


def cautions(task: SettledTask, validation: float, cells: Cells | None) -> list[str]:
    """Return a line for each defence that searches with a target below the noise of its validation rows.

    validation: share of a draw that is held out. cells: the dataset's counts; if None, all groups and labels are
    assumed to be equally large, which gives the least noise.
    """
    if not any(map(searched, task.defences)):
        return []
    from ..measures import target

    lines, at_best = [], "" if cells else "at best "
    cells = cells or Cells(((1, 1), (1, 1)), exact=False)
    for defence in filter(searched, task.defences):
        aim = defence.settings["eo_target"]
        criterion = defence.settings.get("criterion", "equalized-odds")
        counts = [target.compared(criterion, one) for one in _rows(task, defence.settings, validation, cells)]
        # of all starting points of the task's models, the rows with the most noise
        noise = max((target.without_difference(one) for one in counts), key=_last)
        least = max((target.detectable(one, aim) for one in counts), key=_last)
        if noise <= aim:
            continue
        lead = f"{task.id}: defence {defence.id!r} searches lambda (eo_weight: auto) on about {round(counts[0].sum())} validation rows a model"
        if math.isnan(noise):
            lines.append(
                f"{lead}, where no label has rows of both groups, so that no lambda is rejected: give eo_weight a number"
            )
            continue
        what = "Delta_EO" if criterion == "equalized-odds" else "difference of rates"
        most = f"no {what}, however large" if math.isnan(least) else f"a {what} from {least:.2f} on"
        lines.append(
            f"{lead}: on so few, a model that treats the groups alike and is wrong for one row in four has a {what} of {at_best}{noise:.2f} on average, "
            f"above eo_target {aim:g}, and what is rejected with probability {target.POWER:g} is {at_best}{most}: give eo_weight a number, raise "
            f"training.validation, or use more rows"
        )
    return lines


def _last(value: float) -> float:
    """Return a sort key that puts NaN (unknown) after all numbers."""
    return math.inf if math.isnan(value) else value


def _rows(task: SettledTask, settings: Mapping[str, Any], validation: float, cells: Cells) -> Iterator[np.ndarray]:
    """Yield the expected validation rows (2, 2) by [y, a], in whole rows, of a defended model in each world and direction.

    They are held out of S_0 and of the fine-tuning rows. Of the latter, only those of the complement are clean, since
    M_0 was trained on the rehearsed ones. The EO reference `held-out` takes half of them.
    """
    import numpy as np

    from ..measures.bounds import world_cells

    counts = np.array(cells.counts, dtype=float)
    rates = counts[1] / np.maximum(counts.sum(axis=0), 1)
    label_rate = counts[1].sum() / max(counts.sum(), 1)

    def joint(world: World) -> np.ndarray:
        ratio, mode, rate = world.drawn(task.ratio_mode, label_rate)
        return world_cells(ratio=ratio, mode=mode, rates=rates, label_rate=rate)

    held = round(validation * task.rows)
    kept = 0.5 if settings["eo_reference"] == "held-out" else 1.0
    fresh = 1 - settings.get("rehearsal", 0.0)
    turns = {(own.law, other.law) for own, other in turned(games_of(task))}
    for own, other in sorted(turns, key=lambda one: (order(one[0]), order(one[1]))):
        yield np.rint(kept * held * (joint(own) + fresh * joint(other)))
