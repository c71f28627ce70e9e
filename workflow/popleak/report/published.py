"""The report's sentences on the published census curve, computed from the points that the figure `ratios` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import _select as select
from ..measures.published import PUBLISHED, TASK, Means, leaked, left_out, means
from .words import count, listed

if TYPE_CHECKING:
    import pandas as pd

LIKE, BEST = "kl", "best"
"""The attack of the published curve, and what is given beside it."""


def sentences(points: pd.DataFrame) -> list[str]:
    """Return for each task like the published one where `kl` leaves the published accuracy out, and what both leak.

    points: rows of `figures._select.against_half`, or of the figure's CSV: task, model, defence, adversary, ratio, accuracy with
    its limits, n_leaked, dataset, attribute, rows, attribute_in_features, twin_task. Undefended victims alone.
    """
    points = points[points["ratio"].isin(PUBLISHED)]
    points = select.of(points, defence="none", dataset=TASK[0], attribute=TASK[1])
    lines = []
    for facet in select.facets(points):
        mine = select.of(points, task=facet.task, model=facet.model)
        ours = select.of(mine, adversary=LIKE)
        if len(ours):
            lines += [_accuracy(facet.task, ours), _leaked(ours, select.of(mine, adversary=BEST))]
            without = select.of(points, task=ours["twin_task"].iloc[0], model=facet.model, adversary=LIKE)
            lines += _moved(facet.task, ours, without)
    return lines


def _by_ratio(rows: pd.DataFrame, column: str) -> dict[float, float]:
    return dict(zip(rows["ratio"].astype(float), rows[column].astype(float), strict=True))


def _accuracy(task: str, ours: pd.DataFrame) -> str:
    low, high = (_by_ratio(ours, f"accuracy_{end}") for end in ("low", "high"))
    limits = {ratio: (low[ratio], high[ratio]) for ratio in low}
    below, above = left_out(limits)
    sides = [
        f"{side} it at {listed(f'{ratio:g}' for ratio in ratios)}"
        for side, ratios in (("below", below), ("above", above))
        if ratios
    ]
    row = ours.iloc[0]
    how = "among" if row["attribute_in_features"] else "not among"
    out = len(below) + len(above)
    where = f" The interval is {listed(sides)}." if out else ""
    rows = "" if row["rows"] != row["rows"] else f"{int(row['rows']):,} rows, "
    return (
        f"{task} ({rows}{row['attribute']} {how} the features): the 95 % interval of {LIKE} excludes the published "
        f"accuracy at {out} of {count(len(limits), 'ratio')}.{where}"
    )


def _leaked(ours: pd.DataFrame, best: pd.DataFrame) -> str:
    mine = _by_ratio(ours, "n_leaked")
    published = means(leaked(sorted(mine)))
    said = f"The mean n_leaked of {LIKE} is {_both(means(mine))}; for the published accuracies at these ratios it is {_both(published)}"
    if published.ends > 0:
        said += f", of which {published.ends:.2f} comes from the ends, where 100 % is entered as 99.998 %"
    beside = f". For the best informed adversary it is {_both(means(_by_ratio(best, 'n_leaked')))}" if len(best) else ""
    return f"{said}{beside}."


def _both(found: Means) -> str:
    left = f" ({found.infinite} infinite left out)" if found.infinite else ""
    if found.whole != found.whole:
        return f"infinite at all {found.infinite} ratios"
    if found.inner != found.inner or not found.ends > 0:  # one of the two is all there is
        return f"{found.whole:.2f}{left}"
    return f"{found.inner:.2f} over the inner ratios and {found.whole:.2f} over all{left}"


def _moved(task: str, ours: pd.DataFrame, without: pd.DataFrame) -> list[str]:
    """Return what the attribute among the features does to the accuracy of `kl`, over the ratios that both tasks have."""
    seen, unseen = _by_ratio(ours, "accuracy"), _by_ratio(without, "accuracy")
    moves = {ratio: seen[ratio] - unseen[ratio] for ratio in sorted(seen.keys() & unseen.keys())}
    if not moves:
        return []
    lower = sum(move < 0 for move in moves.values())
    mean = f"{100 * sum(moves.values()) / len(moves):+.1f}".replace("-", "\u2212")
    return [
        f"The published models have {ours['attribute'].iloc[0]} among their features. {task} adds it, on the draws of "
        f"{without['task'].iloc[0]}: the accuracy of {LIKE} changes by {mean} points on average and is lower at {lower} of "
        f"{count(len(moves), 'ratio')}."
    ]
