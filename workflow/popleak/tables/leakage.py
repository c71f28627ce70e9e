"""Public table `leakage`: one row a cell (task, pair of worlds, defence, adversary, knowledge), with intervals.

The unit is a victim with its own draw; intervals carry the clustering of victims by pool split (`measures.intervals`).
Differences are paired: a victim under a defence against the same victim without it, or under the no-EO control.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import schema
from ..measures import intervals, leakage
from . import as_arrow

PAIR = ["task", "model", "protocol", "ratio_0", "ratio_1"]
VICTIM = ["split", "world", "model_index"]
ADVERSARY = ["adversary", "access", "knowledge"]
BEST = "best"


def make(*, parts: list[Path], tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]):
    """Return the table from `scores`."""
    scores = tables["scores"]
    references = settings["references"]
    scores = scores.assign(correct=leakage.correctness(scores["guess"].to_numpy(), scores["world"].to_numpy()))
    rows = []
    for _, game in scores.groupby(PAIR, sort=False):
        rows += _game(
            pd.concat([game, *_best(game[~game["adversary"].isin(references)])]),
            settings["controls"].get(game["task"].iloc[0], {}),
        )
    frame = pd.DataFrame(rows, columns=[column.name for column in schema.TABLES["leakage"]])
    for name in ("p_vs_none", "p_vs_control"):
        frame[f"{name}_holm"] = intervals.holm(frame[name].to_numpy(dtype=float))
    return as_arrow("leakage", frame)


def _best(game: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the verdicts of the pseudo-adversary `best`: for each split, the attack that did best on the other splits.

    Choosing on the victims one reports would add optimism; choosing on other splits does not. Reference lines (such as
    `ceiling`) are no candidates: the caller leaves them out.
    """
    found = []
    for defence, part in game.groupby("defence", sort=False):
        levels = [level for level in ("informed", "unaware") if (part["knowledge"] == level).any()]
        for level in levels or ["any"]:
            chosen = part[part["knowledge"].isin([level, "any"])]
            wide = chosen.pivot_table(
                index=VICTIM, columns="adversary", values=["correct", "score", "guess"], sort=True
            )
            split, world = (wide.index.get_level_values(name).to_numpy() for name in ("split", "world"))
            best = leakage.cross_fitted_best(
                {n: wide["correct"][n].to_numpy() for n in wide["correct"]}, split, world=world
            )
            at = (np.arange(len(wide)), best.adversary)
            found.append(
                wide.index.to_frame(index=False).assign(
                    **{name: chosen[name].iloc[0] for name in PAIR}, defence=defence, adversary=BEST, access="any",
                    knowledge=level, score=wide["score"].to_numpy()[at], guess=wide["guess"].to_numpy()[at].astype(int),
                    correct=best.correct, known_ceiling=np.nan,
                )
            )  # fmt: skip
    return found


def _game(game: pd.DataFrame, controls: Mapping[str, str]) -> list[dict[str, Any]]:
    cells = {
        key: cell.set_index(VICTIM).sort_index() for key, cell in game.groupby(["defence", *ADVERSARY], sort=False)
    }
    known = game[game["defence"] == "none"].dropna(subset="known_ceiling")
    ceiling = known.groupby("split")["known_ceiling"].first().mean() if len(known) else np.nan
    rows = []
    for (defence, *adversary), cell in cells.items():
        first = cell.iloc[0]
        control = _cell(cells, controls.get(defence), adversary)
        none = _cell(cells, "none", adversary) if defence != "none" else None
        against = _difference(cell, control)
        rows.append(
            {
                **{name: first[name] for name in PAIR}, "defence": defence, **dict(zip(ADVERSARY, adversary, strict=True)),
                **_summary(cell, first),
                "p_vs_none": _difference(cell, none).p,
                "p_vs_control": against.p,
                "difference_vs_control": against.value,
                "difference_vs_control_low": against.low,
                "difference_vs_control_high": against.high,
                "known_ceiling": ceiling if defence == "none" else np.nan,
            }
        )  # fmt: skip
    return rows


def _cell(cells: Mapping, defence: str | None, adversary: list[str]) -> pd.DataFrame | None:
    """Return the same adversary's cell under another defence; undefended victims have `informed` alone."""
    if defence is None:
        return None
    name, access, knowledge = adversary
    return next((cells[key] for k in (knowledge, "informed") if (key := (defence, name, access, k)) in cells), None)


def _difference(cell: pd.DataFrame, other: pd.DataFrame | None) -> intervals.Estimate:
    if other is None:
        return intervals.UNKNOWN
    paired = cell[["correct"]].join(other["correct"].rename("other"), how="inner").dropna()
    split = paired.index.get_level_values("split").to_numpy()
    return intervals.paired_test(paired["correct"].to_numpy(), paired["other"].to_numpy(), split)


def _summary(cell: pd.DataFrame, first: pd.Series) -> dict[str, Any]:
    world, split = (cell.index.get_level_values(name).to_numpy() for name in ("world", "split"))
    found = leakage.summarise(
        score=cell["score"].to_numpy(), guess=cell["guess"].to_numpy(), world=world, split=split,
        ratio_0=first["ratio_0"], ratio_1=first["ratio_1"],
    )  # fmt: skip
    ratio_world = first["protocol"] == "ratio"
    row: dict[str, Any] = {
        name: getattr(found, name) for name in ("victims", "splits", "tpr_at_fpr_05", "tpr_at_fpr_01")
    }
    for name in ("accuracy", "advantage", "auc"):
        estimate = getattr(found, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    if first["adversary"] == BEST:  # its scores come from different attacks, on different scales
        row |= {"tpr_at_fpr_05": np.nan, "tpr_at_fpr_01": np.nan}
    return row | {
        "n_leaked": found.n_leaked if ratio_world else np.nan,
        "detectable_advantage": found.detectable_advantage,
        "abstained": found.abstained,
    }
