"""Public table `leakage`: one row a cell (task, pair of worlds, defence, adversary, knowledge), with intervals.

The unit is a victim with its own draw; intervals carry the clustering of victims by pool split (`measures.intervals`).
Differences are paired: a victim under a defence against the same victim without it, or under the no-EO control.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import schema
from ..measures import intervals, leakage
from ..protocols import RATIO
from . import as_arrow

PAIR = ["task", "model", "protocol", "ratio_0", "ratio_1", "poison"]
VICTIM = ["split", "world", "model_index"]
ADVERSARY = ["adversary", "access", "knowledge", "shadow_model", "repeats"]
BEST = "best"
RATES = tuple(f"tpr_at_fpr_{rate}{end}" for rate in ("05", "01") for end in ("", "_low", "_high"))
SAMPLES = ("n_leaked", "n_leaked_low", "n_leaked_high")


class Cell(NamedTuple):
    """One adversary's verdicts under one defence: arrays (n,), ordered by `victim`, the victim's number in its game."""

    victim: np.ndarray
    split: np.ndarray
    world: np.ndarray
    score: np.ndarray
    guess: np.ndarray
    correct: np.ndarray


Cells = dict[tuple[str, str, str, str, str, int], Cell]
"""By defence, adversary, access, knowledge, shadow model and repeats."""


def make(*, parts: list[Path], tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]):
    """Return the table from `scores`."""
    scores = tables["scores"]
    scores = scores.assign(correct=leakage.correctness(scores["guess"].to_numpy(), scores["world"].to_numpy()))
    rows = []
    for _, game in scores.groupby(PAIR, sort=False):
        game = game.assign(victim=game.groupby(VICTIM, sort=True).ngroup())
        task = game["task"].iloc[0]
        aside = [*settings["references"].get(task, ()), *settings["white_box"].get(task, ())]
        cells = _cells(game) | _best(game[~game["adversary"].isin(aside)])
        rows += _game(game, cells, settings["controls"].get(game["task"].iloc[0], {}))
    frame = pd.DataFrame(rows, columns=[column.name for column in schema.TABLES["leakage"]])
    # a reference line claims nothing of a defence
    lines = {(task, name) for task, names in settings["references"].items() for name in names}
    counted = pd.Series(
        [key not in lines for key in zip(frame["task"], frame["adversary"])], index=frame.index, dtype=bool
    )
    for name in ("p_vs_none", "p_vs_control"):
        frame[f"{name}_holm"] = intervals.holm(frame[name].where(counted).to_numpy(dtype=float))
    return as_arrow("leakage", frame)


def _cells(game: pd.DataFrame) -> Cells:
    """Return the cells of one game, in the order of their first verdicts."""
    found = {}
    for key, part in game.groupby(["defence", *ADVERSARY], sort=False):
        order = np.argsort(part["victim"].to_numpy(), kind="stable")
        found[key] = Cell(*(part[name].to_numpy()[order] for name in Cell._fields))
    return found


def _best(game: pd.DataFrame) -> Cells:
    """Return the verdicts of the pseudo-adversary `best`: for each split, the attack that did best on the other splits.

    Choosing on the victims one reports would add optimism; choosing on other splits does not. Reference lines (such as
    `ceiling`) and attacks that see more than answers are no candidates: the caller leaves them out.
    """
    found = {}
    own = game["model"].iloc[0] if len(game) else None
    game = game[game["shadow_model"] == own]
    for (defence, repeats), part in game.groupby(["defence", "repeats"], sort=False):
        levels = [level for level in ("informed", "aware", "unaware") if (part["knowledge"] == level).any()]
        for level in levels or ["any"]:
            chosen = part[part["knowledge"].isin([level, "any"])]
            victim, first, column = np.unique(chosen["victim"].to_numpy(), return_index=True, return_inverse=True)
            row, names = pd.factorize(chosen["adversary"], sort=True)
            wide = {name: np.full((len(names), len(victim)), np.nan) for name in ("correct", "score", "guess")}
            for name, values in wide.items():
                values[row, column] = chosen[name].to_numpy()
            split, world = (chosen[name].to_numpy()[first] for name in ("split", "world"))
            best = leakage.cross_fitted_best(dict(zip(names, wide["correct"], strict=True)), split, world=world)
            at = (best.adversary, np.arange(len(victim)))
            found[defence, BEST, "any", level, own, repeats] = Cell(
                victim, split, world, wide["score"][at], wide["guess"][at].astype(int), best.correct
            )
    return found


def _game(game: pd.DataFrame, cells: Cells, controls: Mapping[str, str]) -> list[dict[str, Any]]:
    known = game[game["defence"] == "none"].dropna(subset="known_ceiling")
    ceiling = known.groupby("split")["known_ceiling"].first().mean() if len(known) else np.nan
    pair = {name: game[name].iloc[0] for name in PAIR}
    rows = []
    for (defence, *adversary), cell in cells.items():
        control = _cell(cells, controls.get(defence), adversary)
        none = _cell(cells, "none", adversary) if defence != "none" else None
        against, change = _difference(cell, control), _difference(cell, none)
        rows.append(
            {
                **pair, "defence": defence, **dict(zip(ADVERSARY, adversary, strict=True)),
                **_summary(cell, pair, adversary[0]),
                "p_vs_none": change.p,
                "difference_vs_none": change.value,
                "difference_vs_none_low": change.low,
                "difference_vs_none_high": change.high,
                "p_vs_control": against.p,
                "difference_vs_control": against.value,
                "difference_vs_control_low": against.low,
                "difference_vs_control_high": against.high,
                "known_ceiling": ceiling if defence == "none" else np.nan,
            }
        )  # fmt: skip
    return rows


def _cell(cells: Cells, defence: str | None, adversary: list[str]) -> Cell | None:
    """Return the same adversary's cell under another defence.

    Undefended victims have `informed` alone, which stands for every level; so does a defence for `aware` where its settings
    are the default ones. Victims that do not answer at random are asked once.
    """
    if defence is None:
        return None
    name, access, knowledge, shadow_model, repeats = adversary
    keys = [(defence, name, access, k, shadow_model, r) for r in (repeats, 1) for k in (knowledge, "informed")]
    return next((cells[key] for key in keys if key in cells), None)


def _difference(cell: Cell, other: Cell | None) -> intervals.Estimate:
    if other is None:
        return intervals.UNKNOWN
    _, mine, theirs = np.intersect1d(cell.victim, other.victim, assume_unique=True, return_indices=True)
    return intervals.paired_test(cell.correct[mine], other.correct[theirs], cell.split[mine])


def _summary(cell: Cell, pair: Mapping[str, Any], adversary: str) -> dict[str, Any]:
    found = leakage.summarise(
        score=cell.score, guess=cell.guess, world=cell.world, split=cell.split,
        ratio_0=pair["ratio_0"], ratio_1=pair["ratio_1"],
    )  # fmt: skip
    ratio_world = pair["protocol"] == RATIO
    row: dict[str, Any] = {name: getattr(found, name) for name in ("victims", "splits", *RATES)}
    for name in ("accuracy", "advantage", "auc"):
        estimate = getattr(found, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    if adversary == BEST:  # its scores come from different attacks, on different scales
        row |= dict.fromkeys(RATES, np.nan)
    return row | {
        **{name: getattr(found, name) if ratio_world else np.nan for name in SAMPLES},
        "detectable_advantage": found.detectable_advantage,
        "abstained": found.abstained,
    }
