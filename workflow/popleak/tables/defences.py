"""Public table `defences`: what each defence achieves and what it costs, a row a task, model, pair of worlds and defence.

It measures little anew. Advantages and verdicts are those of `leakage`, measures are means over the victims of `models`, and facts are
those of the plugins. New are paired differences in accuracy, the spread over pool splits, intervals of advantages that hold for all
defences of a game together, and what is derived of both groups.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..measures import intervals
from ..measures import leakage as measures
from ..measures.verdicts import LEVEL, SMALL
from ..steps.tables.defences import Table
from ..store import schema
from . import as_arrow, leakage
from ._victims import DIVERGED, VICTIM

PAIR = leakage.PAIR
ENDS = ("", "_low", "_high")
SHARE, CHANGE = (0.0, 1.0), (-1.0, 1.0)
SPANS = {
    "accuracy": SHARE,
    "worst_group": SHARE,
    "delta_eo": SHARE,
    "delta_eo_crossed": CHANGE,
    "membership_auc": SHARE,
}
"""Measures of models that have an interval, and between what they lie."""
MEANS = (
    "auc", *(f"accuracy_y{y}_g{a}" for y in (0, 1) for a in (0, 1)), "delta_eo_floor", "dp_difference", "membership_advantage",
)  # fmt: skip
OF_BEST = ("against_chance", "repeats", *(f"difference_vs_none{end}" for end in ENDS), "verdict_vs_none", "verdict_vs_control",
           "certified_advantage")  # fmt: skip


def make(*, parts: Sequence[Path], tables: Mapping[str, pd.DataFrame], settings: Table) -> pa.Table:
    """Return the table from `scores`, `models` and `leakage`."""
    models = tables["models"]
    victims = models[models["role"] == "victim"]
    victims = victims.assign(worst_group=victims[["accuracy_g0", "accuracy_g1"]].min(axis=1, skipna=False))
    judged = dict(iter(tables["leakage"].groupby([*PAIR, "defence"], sort=False)))
    informed = _informed(tables["scores"], settings)
    rows = []
    for key, game in victims.groupby(PAIR, sort=False):
        task, model = key[0], key[1]
        plain = game[game["defence"] == "none"].set_index(VICTIM)["accuracy"]
        for defence, part in game.groupby("defence", sort=False):
            facts = settings.facts.get(task, {}).get(defence)
            cell = judged.get((*key, defence), tables["leakage"].iloc[:0])
            rows.append(
                {
                    **dict(zip(PAIR, key, strict=True)), "defence": defence,
                    **(dataclasses.asdict(facts) if facts else {}),
                    **_models(part), **_against(part, plain, defence),
                    **_leak(cell, defence, model, settings.statistic.get(task, ())),
                    **_seconds(settings.seconds.get(task, {}).get(model, {}), defence, facts.access if facts else None),
                    "sd_advantage": _over_splits(informed[*key, defence]) if (*key, defence) in informed else np.nan,
                }
            )  # fmt: skip
    rows = _together(rows, informed)
    frame = pd.DataFrame(rows, columns=[column.name for column in schema.DEFENCES])
    return as_arrow("defences", frame)


def _models(part: pd.DataFrame) -> dict[str, Any]:
    """Return what a defence's victims say of themselves: means over those that did not diverge."""
    kept = part[part["status"] != DIVERGED]
    row: dict[str, Any] = {
        "victims": len(part), "splits": part["split"].nunique(), "diverged": (part["status"] == DIVERGED).mean(),
        "constant": (part["status"] == "constant").mean(), "gap": kept["gap"].abs().mean(),
        "sd_accuracy": kept.groupby("split")["accuracy"].mean().std(),
    }  # fmt: skip
    for name, span in SPANS.items():
        row |= _mean(name, kept[name], kept["split"], span)
    return row | {name: kept[name].mean() for name in MEANS}


def _mean(name: str, values: pd.Series, split: pd.Series, span: tuple[float, float]) -> dict[str, float]:
    known = values.notna().to_numpy()
    found = intervals.mean(values.to_numpy(float)[known], split.to_numpy()[known], span=span)
    return dict(zip((f"{name}{end}" for end in ENDS), found[:3], strict=True))


def _against(part: pd.DataFrame, plain: pd.Series, defence: str) -> dict[str, float]:
    """Return the paired difference in accuracy to the undefended models of the same draws (`plain`, by victim)."""
    if defence == "none":
        return {}
    there = part.set_index(VICTIM)["accuracy"]
    change = (there - plain.reindex(there.index)).dropna()
    return _mean("accuracy_vs_none", change, change.index.get_level_values("split").to_series(), CHANGE)


def _leak(cell: pd.DataFrame, defence: str, model: str, statistic: Sequence[str]) -> dict[str, Any]:
    """Return what the adversaries of the table `leakage` achieve, with shadows of the victims' own architecture, asking most often."""
    cell = cell[cell["shadow_model"] == model]
    if len(cell):
        # an adversary that sees labels alone, or needs no repeats, may ask less often: each asks as often as it does at most
        most = cell.groupby(["adversary", "knowledge"], sort=False)["repeats"].transform("max")
        cell = cell[cell["repeats"] == most]
    best = cell[cell["adversary"] == leakage.BEST]
    informed = best[best["knowledge"].isin(["informed", "any"])]
    unaware = informed if defence == "none" else best[best["knowledge"].isin(["unaware", "any"])]
    own = cell[cell["adversary"].isin(statistic) & cell["knowledge"].isin(["any", "informed"])]
    row: dict[str, Any] = {}
    for name, found in (("statistic", own), ("unaware", unaware), ("informed", informed)):
        first = found.iloc[0] if len(found) else None
        row |= {f"{name}_advantage{end}": np.nan if first is None else first[f"advantage{end}"] for end in ENDS}
    if len(informed):
        row |= {name: informed.iloc[0][name] for name in OF_BEST}
    return row


def _seconds(seconds: Mapping[str, float], defence: str, access: str | None) -> dict[str, float]:
    """Return what a released model costs; seconds: of each defence, those of `none` being the training of M_0."""
    base, own = seconds.get("none", np.nan), seconds.get(defence, np.nan)
    whole = own if defence == "none" or access == "training" else base + own
    return {"seconds_base": base, "seconds_reference": whole}


def _informed(scores: pd.DataFrame, settings: Table) -> dict[tuple, leakage.Cell]:
    """Return the verdicts of the informed `best`, asking most often, by PAIR and defence."""
    found: dict[tuple, tuple[int, leakage.Cell]] = {}
    for key, _, cells in leakage.games(scores, settings):
        for (defence, adversary, _, knowledge, shadow, repeats), cell in cells.items():
            if adversary != leakage.BEST or knowledge not in ("informed", "any") or shadow != key[1]:
                continue
            if (*key, defence) not in found or repeats > found[*key, defence][0]:
                found[*key, defence] = repeats, cell
    return {key: cell for key, (_, cell) in found.items()}


def _together(rows: Sequence[dict[str, Any]], informed: Mapping[tuple, leakage.Cell]) -> list[dict[str, Any]]:
    """Return the rows with intervals of the informed advantage that hold for all uncertified defences of a game at once (Bonferroni).

    Defences are compared by these intervals on one set of victims: of many, the 95 % interval of the luckiest misses more often than 5 %.
    """

    def game(row: Mapping[str, Any]) -> tuple:
        return tuple(row[name] for name in PAIR)

    judged = [row for row in rows if row["defence"] != "none" and (*game(row), row["defence"]) in informed]
    many = Counter(game(row) for row in judged if not row.get("certified_advantage", np.nan) <= SMALL)
    found = []
    for row in rows:
        tried, cell = many[game(row)], informed.get((*game(row), row["defence"]))
        limits = (np.nan, np.nan) if cell is None else _limits(cell, tried)
        names = (f"informed_advantage{end}_all" for end in ENDS[1:])
        found.append({**row, "uncertified": tried, **dict(zip(names, limits, strict=True))})
    return found


def _limits(cell: leakage.Cell, tried: int) -> tuple[float, float]:
    """Return the limits of an advantage that is one of so many."""
    level = 1.0 - LEVEL / max(1, tried)
    found = measures.advantage(cell.correct, cell.world, cell.split, level=level, inflation=measures.CHOSEN)
    return found.low, found.high


def _over_splits(cell: leakage.Cell) -> float:
    each = [cell.split == split for split in np.unique(cell.split)]
    values = [measures.advantage(cell.correct[one], cell.world[one], cell.split[one]).value for one in each]
    known = np.array(values)[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else np.nan
