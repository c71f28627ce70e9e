"""What an experiment on many ratios shows, in sentences and a table: each ratio against one half, one among many, cheap proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import _select as select
from ..figures._style import adversaries
from ..figures._style import said as adversary_name
from ..measures.verdicts import ABOVE
from . import published
from .words import count, interval, listed, percent, with_models

if TYPE_CHECKING:
    import pandas as pd

HALF = 0.5


def findings(leakage: pd.DataFrame, proxies: pd.DataFrame) -> list[str]:
    """Return the sentences: how near to one half a ratio may be, the published curve, and which cheap numbers rank leakage."""
    points = select.against_half(leakage.reset_index(drop=True))
    return [*_near(with_models(points)), *published.sentences(points), *_proxies(proxies)]


def _near(points: pd.DataFrame) -> list[str]:
    """Say for each distance from one half in how many cases the best informed adversary is above chance, and how often it is right."""
    best = select.of(points, adversary="best", defence="none")
    best = best[best["accuracy"].notna() & (best["ratio"] != HALF)]
    lines = []
    for distance, part in best.groupby((best["ratio"] - HALF).abs().round(6), sort=True):
        ends = [part.loc[part["accuracy"].idxmin()], part.loc[part["accuracy"].idxmax()]]
        said = " to ".join(f"{percent(end['accuracy'])} ({end['task']}, {end['ratio']:g})" for end in ends)
        above = int((part["against_chance"] == ABOVE).sum())
        lines.append(
            f"A ratio {distance:g} away from one half: the best informed adversary names the world of {said} of undefended models. It is "
            f"above chance in {above} of {count(len(part), 'case')} of a task and a ratio."
        )
    return lines


def _proxies(proxies: pd.DataFrame) -> list[str]:
    every = proxies[(proxies["scope"] == "all") & proxies["rank_correlation"].notna()]
    if every.empty:
        return []
    every = every.sort_values("rank_correlation", ascending=False, kind="stable")
    said = listed(
        f"{row['rank_correlation']:.2f} [{interval(row['low'], row['high'], 2).replace(' to ', ', ')}] for {row['proxy']}"
        for row in every.to_dict("records")
    )
    cells, tasks = int(every["cells"].max()), int(every["tasks"].max())
    return [
        f"Rank correlation of cheaper numbers with the best informed adversary's advantage, over {count(cells, 'cell')} of {count(tasks, 'task')}: "
        f"{said}. An attack that can be the best one is partly correlated with itself."
    ]


def table(regression: pd.DataFrame) -> str:
    """Return in Markdown how well each informed adversary names one ratio among the most worlds there are, undefended."""
    frame = with_models(regression[regression["ratio"].isna() & (regression["defence"] == "none")])
    frame = frame[frame["knowledge"].isin(["informed", "any"])]
    many = frame["chance"].min()
    frame = frame[frame["chance"] == many]
    if frame.empty:
        return ""
    lines = [
        f"One ratio among {round(1 / many)}, undefended models, informed adversaries; 95 % intervals.",
        "",
        "| task | adversary | mean absolute error | named | Fano ceiling |",
        "| --- | --- | --- | --- | --- |",
    ]
    place = {name: i for i, name in enumerate(adversaries(frame["adversary"]))}
    frame = frame.assign(place=frame["adversary"].map(place)).sort_values(["task", "model", "place"], kind="stable")
    for row in frame.to_dict("records"):
        error, named = (
            f"{text} ({interval(row[f'{name}_low'], row[f'{name}_high'], 2)})"
            for name, text in (("mae", f"{row['mae']:.2f}"), ("accuracy", percent(row["accuracy"], 0)))
        )
        lines.append(
            f"| {row['task']} | {adversary_name(row['adversary'])} | {error} | {named} | {percent(row['fano_ceiling'], 0)} |"
        )
    return "\n".join(lines) + "\n"
