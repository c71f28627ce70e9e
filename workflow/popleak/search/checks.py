"""What is checked of a search, C1 to C6: verdicts by rule from its tables, each with the figure that decides it and its interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..measures import fronts, intervals
from ..measures.verdicts import FAILS, HOLDS, IDLE, OPEN
from ..store.schema.search import SEARCHED
from . import dominance
from .dominance import SAID, estimate

SHARE = 0.8
"""Of the pairs of studies, so many in which the sampler must do as well as random search: 4 of 5."""
LEAST_CURVE = 3
"""Weights of the EO term that make a curve."""
OPTIMISM = {"optimism_accuracy": "accuracy", "optimism_delta_eo": "Delta_EO", "optimism_advantage": "advantage"}


def frame(search: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """Return the table `search_checks`."""
    rows = [
        *_same(studies),
        *_volume(studies),
        *dominance.judged(search),
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
        # where neither has a configuration above the floor nothing is compared
        volume = volume[(volume > 0).any(axis=1)]
        change = (volume["tpe"] - volume["random"]).to_numpy(float)
        won, lost = int((change >= 0).sum()), int((change <= 0).sum())
        found = intervals.mean(change, np.arange(len(change)), span=(-1.0, 1.0))
        verdict = HOLDS if won >= SHARE * len(change) else FAILS if lost >= SHARE * len(change) else OPEN
        yield {
            "check": "C2", "task": task, "subject": "hypervolume", "verdict": verdict if len(change) > 1 else OPEN,
            "statement": "The hypervolume after stage 2 is at least that of random search with as many trials, in 4 of 5 studies.",
            "evidence": f"mean difference in hypervolume; the sampler's is at least as large in {won} of {len(change)} studies",
            **_limits(found), "n": len(change),
        }  # fmt: skip


def _later(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    shown = search[search["accuracy"].notna()]
    early = int((shown["stage"] < 2).sum())
    yield {
        "check": "C4", "subject": "stages", "verdict": HOLDS if len(shown) and not early else FAILS if early else OPEN,
        "statement": "What is shown was measured in stage 2 or later, on other pool splits than those on which studies chose.",
        "evidence": "rows of the table `search` of stage 1", "value": early, "n": len(shown),
    }  # fmt: skip
    for task in search.loc[search["role"] == "default", "task"].unique():
        mine = search[search["task"] == task]
        for column, said in OPTIMISM.items():
            arms = [mine[(mine["role"] == role) & mine[column].notna()] for role in ("front", "unselected")]
            means = [arm.groupby("study_seed")[column].mean() for arm in arms]
            change = (means[0] - means[1]).dropna().to_numpy(float)  # studies that have both
            found = intervals.mean(change, np.arange(len(change)), span=(-2.0, 2.0))
            evidence = "no study has both chosen and unselected configurations that were measured in stages 1 and 2"
            if len(change):
                first, other = (float(one.mean()) for one in means)
                evidence = (
                    f"stage 1 less stage 2, in the direction that is better, of {len(arms[0])} chosen configurations ({first:+.3f}) less that of "
                    f"{len(arms[1])} unselected ones ({other:+.3f}) on the same pool splits and with as many models, by study"
                )
            yield {
                "check": "C4", "task": task, "subject": f"optimism in {said}",
                "verdict": HOLDS if found.low > 0 else FAILS if found.high < 0 else OPEN,
                "statement": "Stage 1 flatters what it chooses: it looks better there than in stage 2, more so than what nobody chose.",
                "evidence": evidence, **_limits(found), "n": len(change),
            }  # fmt: skip


def _curve(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """C5, with what the curve shows between its ends."""
    for task in search.loc[search["role"] == "default", "task"].unique():
        part = search[(search["task"] == task) & (search["role"] == "curve")]
        known = part[part["accuracy"].notna()]
        known = known.assign(weight=known["settings"].map(weight)).sort_values("weight")
        verdict = HOLDS if len(known) >= LEAST_CURVE else FAILS if len(known) else OPEN
        reason = "; at none of them was anything measured" if len(part) and known.empty else ""
        if len(part) < LEAST_CURVE:
            verdict, reason = IDLE, f"; `search.curve` asks for {len(part)}, and a curve has {LEAST_CURVE} at least"
        for name, said in SAID.items():
            change = intervals.UNKNOWN
            if len(known) > 1:
                change = intervals.apart(estimate(known.iloc[-1], name), estimate(known.iloc[0], name))
            yield {
                "check": "C5", "task": task, "subject": said, "verdict": verdict,
                "statement": "The EO weight alone, at the default configuration, is drawn as a curve.",
                "evidence": f"change of {said} from the smallest to the largest of {len(known)} weights{reason}", **_limits(change), "n": len(known),
            }  # fmt: skip


def weight(settings: str) -> float:
    """Return the EO weight in a configuration as JSON."""
    import json

    return float(json.loads(settings)["eo_weight"])


def _elsewhere(search: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """C6, on values of stage 3: by those of stage 2 the configurations were chosen, which draws tau towards 0."""
    moved = search[search["role"] == "transfer"]
    home = search[(search["role"] == "front") & (search["stage"] == 3) & search["accuracy"].notna()]
    statement = (
        "The order of the configurations on the first searched task is their order on a task that was not searched."
    )
    if moved.empty:
        yield {
            "check": "C6", "subject": "order", "verdict": OPEN, "statement": statement,
            "evidence": "no configuration was run on another task: `search.transfer` names none, or nothing was tried again in stage 3", "n": 0,
        }  # fmt: skip
        return
    first = search.loc[search["role"] == "default", "task"].iloc[0]
    here = home[home["task"] == first].drop_duplicates("point").set_index("point")
    for task, every in moved.groupby("task", sort=False):
        part = every[every["accuracy"].notna() & every["point"].isin(here.index)].drop_duplicates("point")
        why = f" on {first} and on {task}" if len(part) else f": nothing was measured both on {first} and on {task}"
        for name, said in SAID.items():
            found = fronts.kendall(here.loc[part["point"], name].to_numpy(float), part[name].to_numpy(float))
            yield {
                "check": "C6", "task": task, "subject": said,
                "verdict": HOLDS if found.low > 0 else FAILS if found.high < 0 else OPEN, "statement": statement,
                "evidence": f"Kendall's tau of {said}{why}", **_limits(found), "n": len(part),
            }  # fmt: skip


def _limits(found: intervals.Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
