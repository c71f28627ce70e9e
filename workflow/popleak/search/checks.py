"""What is checked of a search, C1 to C6: verdicts by rule from its tables, each with the figure that decides it and its interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..measures import fronts, intervals
from ..measures.verdicts import FAILS, HOLDS, OPEN
from ..store.schema.search import SEARCHED
from .points import OBJECTIVES

SHARE = 0.8
"""Of the pairs of studies, so many in which the sampler must do as well as random search: 4 of 5."""
DISJOINT = 2
"""Of the three intervals, so many must be disjoint from those of what is beaten."""
LEAST_CURVE = 3
"""Weights of the EO term that make a curve."""
SAID = {"accuracy": "accuracy", "delta_eo_crossed": "Delta_EO", "advantage": "advantage"}
OPTIMISM = {"optimism_accuracy": "accuracy", "optimism_delta_eo": "Delta_EO", "optimism_advantage": "advantage"}


def frame(search: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """Return the table `search_checks`."""
    rows = [
        *_same(studies),
        *_volume(studies),
        *_dominates(search),
        *_later(search),
        *_curve(search),
        *_elsewhere(search),
    ]
    return pd.DataFrame(rows, columns=[column.name for column in SEARCHED["search_checks"]])


def _same(studies: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for task, part in studies.groupby("task", sort=False):
        again = int(part["replayed"].sum())
        yield {
            "check": "C1", "task": task, "subject": "studies", "verdict": HOLDS if again == len(part) else FAILS,
            "statement": "The same seed proposes the same configurations, so it finds the same front.",
            "evidence": f"studies of {len(part)} that proposed the same trials when begun anew", "value": again, "n": len(part),
        }  # fmt: skip


def _volume(studies: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for task, part in studies.groupby("task", sort=False):
        volume = part.pivot(index="study_seed", columns="sampler", values="hypervolume")
        change = (volume["tpe"] - volume["random"]).to_numpy()
        won, lost = int((change >= 0).sum()), int((change <= 0).sum())
        found = intervals.mean(change, np.arange(len(change)), span=(-1.0, 1.0))
        verdict = HOLDS if won >= SHARE * len(change) else FAILS if lost >= SHARE * len(change) else OPEN
        # without a configuration above the floor nothing is compared
        told = len(change) > 1 and bool((volume.to_numpy() > 0).any())
        yield {
            "check": "C2", "task": task, "subject": "hypervolume", "verdict": verdict if told else OPEN,
            "statement": "The hypervolume after stage 2 is at least that of random search with as many trials, in 4 of 5 studies.",
            "evidence": f"mean difference in hypervolume; the sampler's is at least as large in {won} of {len(change)} studies",
            **_limits(found), "n": len(change),
        }  # fmt: skip


def _dominates(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """C3. Stage 2 picks what beats, among many; stage 3, on other pool splits, says whether it does."""
    for task in search.loc[search["role"] == "default", "task"].unique():
        part = search[(search["role"] == "front") & (search["task"] == task)]
        for role in ("undefended", "default"):
            other = search[(search["task"] == task) & (search["role"] == role)].set_index("stage")
            second, third = (_better(part[part["stage"] == stage], stage, other) for stage in (2, 3))
            picked = set(second["point"])
            tried = part[(part["stage"] == 3) & part["point"].isin(picked)]
            kept = third[third["point"].isin(picked)]
            verdict = HOLDS if (kept["disjoint"] >= DISJOINT).any() else OPEN
            if not picked or (len(tried) and not len(kept)):
                verdict = FAILS
            evidence = (
                f"{len(picked)} of {part['point'].nunique()} configurations beat it in stage 2, {kept['point'].nunique()} of "
                f"{tried['point'].nunique()} tried again in stage 3, there with {kept['disjoint'].max() if len(kept) else 0} of 3 intervals disjoint at most"
            )
            shown = _shown(kept, tried, other)
            for name, said in SAID.items():
                yield {
                    "check": "C3", "task": task, "subject": f"{said}, {role}", "verdict": verdict,
                    "statement": "One configuration is more accurate, fairer and tighter than default training (undefended: without a defence; default: with "
                    "fair fine-tuning), in stage 2 and again in stage 3, there with two of three intervals disjoint.",
                    "evidence": f"difference to it in stage 3; {evidence}", **_limits(shown[name]), "n": tried["point"].nunique(),
                }  # fmt: skip


def _shown(kept: pd.DataFrame, tried: pd.DataFrame, other: pd.DataFrame) -> dict[str, intervals.Estimate]:
    """Return the differences in stage 3 of one configuration to `other`, by objective: of those that beat it again the one with most disjoint
    intervals, else the first that was tried."""
    rows = kept.sort_values("disjoint", ascending=False, kind="stable") if len(kept) else tried
    if rows.empty or 3 not in other.index:
        return dict.fromkeys(OBJECTIVES, intervals.UNKNOWN)
    return {name: intervals.apart(_estimate(rows.iloc[0], name), _estimate(other.loc[3], name)) for name in OBJECTIVES}


def _estimate(row: pd.Series, name: str) -> intervals.Estimate:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return intervals.Estimate(value, low, high, np.nan)


def _better(part: pd.DataFrame, stage: int, other: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a stage that reach the floor and beat the row of `other` in all objectives, with `disjoint`: in how many of them
    the intervals are."""
    if stage not in other.index:
        return part.iloc[:0].assign(disjoint=0)
    base, part = other.loc[stage], part[part["feasible"]]
    signs = np.array([1.0, -1.0, -1.0])
    value, low, high = (
        part[[f"{name}{end}" for name in OBJECTIVES]].to_numpy(float) * signs for end in ("", "_low", "_high")
    )
    theirs = {
        end: np.array([base[f"{name}{end}"] for name in OBJECTIVES], dtype=float) * signs
        for end in ("", "_low", "_high")
    }
    value, theirs[""] = (np.hstack([one[..., :1], np.minimum(one[..., 1:], 0.0)]) for one in (value, theirs[""]))
    beats = (value > theirs[""]).all(axis=1)  # luck below 0 is no merit
    disjoint = (np.minimum(low, high) > np.maximum(theirs["_low"], theirs["_high"])).sum(axis=1)
    return part.assign(disjoint=disjoint)[beats]


def _later(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    shown = search[search["accuracy"].notna()]
    early = int((shown["stage"] < 2).sum())
    yield {
        "check": "C4", "subject": "stages", "verdict": HOLDS if len(shown) and not early else FAILS if early else OPEN,
        "statement": "What is shown was measured in stage 2 or later, on other pool splits than those of the choice.",
        "evidence": "rows of the table `search` of stage 1", "value": early, "n": len(shown),
    }  # fmt: skip
    for task, part in search[search["role"] == "front"].groupby("task", sort=False):
        for column, said in OPTIMISM.items():
            known = part[part[column].notna()]
            found = intervals.mean(known[column].to_numpy(float), known["study_seed"].to_numpy(), span=(-1.0, 1.0))
            yield {
                "check": "C4", "task": task, "subject": f"optimism in {said}",
                "verdict": OPEN if not (found.low > 0 or found.high < 0) else HOLDS if found.low > 0 else FAILS,
                "statement": "Stage 1 flatters what it chooses: there it looks better than in stage 2.",
                "evidence": "mean of stage 1 minus stage 2 over the fronts, in the direction that is better", **_limits(found), "n": len(known),
            }  # fmt: skip


def _curve(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """C5, with what the curve shows between its ends."""
    for task, part in search[search["role"] == "curve"].groupby("task", sort=False):
        known = part[part["accuracy"].notna()].assign(weight=part["settings"].map(weight)).sort_values("weight")
        drawn = HOLDS if len(known) >= LEAST_CURVE else FAILS
        for name, said in SAID.items():
            change = intervals.UNKNOWN
            if len(known) > 1:
                change = intervals.apart(_estimate(known.iloc[-1], name), _estimate(known.iloc[0], name))
            yield {
                "check": "C5", "task": task, "subject": said, "verdict": drawn,
                "statement": "The EO weight alone, at the default configuration, is drawn as a curve.",
                "evidence": f"change of {said} from the smallest to the largest of {len(known)} weights", **_limits(change), "n": len(known),
            }  # fmt: skip


def weight(settings: str) -> float:
    """Return the EO weight in a configuration as JSON."""
    import json

    return float(json.loads(settings)["eo_weight"])


def _elsewhere(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    moved = search[(search["role"] == "transfer") & search["accuracy"].notna()]
    home = search[(search["role"] == "front") & (search["stage"] == 2) & search["accuracy"].notna()]
    for task, part in moved.groupby("task", sort=False):
        first = home["task"].iloc[0]
        here = home[home["task"] == first].drop_duplicates("point").set_index("point")
        part = part[part["point"].isin(here.index)].drop_duplicates("point")
        for name, said in SAID.items():
            found = fronts.kendall(here.loc[part["point"], name].to_numpy(float), part[name].to_numpy(float))
            yield {
                "check": "C6", "task": task, "subject": said,
                "verdict": HOLDS if found.low > 0 else FAILS if found.high < 0 else OPEN,
                "statement": "The order of the configurations on the first searched task is their order on a task that was not searched.",
                "evidence": f"Kendall's tau of {said} on {first} and on {task}", **_limits(found), "n": len(part),
            }  # fmt: skip


def _limits(found: intervals.Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
