"""The claims of the report: an overview of claims by tasks, and each claim with what was found, from the table `claims` alone.

A claim is judged once for a task, or once for each model, pair of worlds and defence of a task: its arms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..figures import _select as select
from ..measures import verdicts
from ..steps.papers import Paper
from .price import KEYS
from .words import count, interval

if TYPE_CHECKING:
    import pandas as pd

BADGES = {
    verdicts.HOLDS: ("holds", "\u2713"), verdicts.FAILS: ("fails", "\u2717"), verdicts.SAME: ("same", "\u2248"),
    verdicts.IDLE: ("unknown", "\u2013"),
}  # fmt: skip
UNKNOWN = ("unknown", "?")
WITNESS = "witness"
ARM = ["model", *select.PAIR, "defence"]
PAID = ("gap-small", "eo-falls", "less-than-control")
"""Kinds of claims beside whose verdicts stands what the defence costs: models that became useless are equal and silent."""
UNITS = {
    "gap-falls": "mean accuracy gap, before or after, where it decides", "gap-small": "share of models with a small gap", "gap-small-everywhere": "mean accuracy gap",
    "literal-bound": "share of models that contradict it", "proven-bounds": "share of models that contradict it",
    "eo-falls": "change in Delta_EO, of the starting population that decides",
    "less-than-control": "change in advantage, twice that in accuracy", "eo-follows": "change in the two sums",
    "witness": "advantage minus D W", "certified": "share of models named",
}  # fmt: skip
"""What a claim's interval is of, by kind."""
SHOWN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "gap-falls": (("gap",), "models"),
    "gap-small": (("gap",), "models"),
    "gap-small-everywhere": (("gap",), "models"),
    "literal-bound": (("bound",), "bounds"),
    "proven-bounds": (("bound", "forms"), "bounds"),
    "eo-falls": (("tradeoff",), "models"),
    "less-than-control": (("control-pairs", "leakage"), "leakage"),
    "eo-follows": (("forms", "tradeoff"), "bounds"),
    "certified": (("summary", "leakage"), "leakage"),
}
"""By kind of claim: the figures that show what it is about, the most telling first, and the table of the numbers."""


def useless(claims: pd.DataFrame, constant: Collection[tuple]) -> pd.Series:
    """Return of each row of the table `claims` whether it is a verdict that models can buy by giving all records one label, and most of its
    models do so. constant: KEYS of such settings."""
    keys = claims[KEYS].itertuples(index=False, name=None)
    return claims["kind"].isin(PAID) & claims["claim"].notna().where([key in constant for key in keys], False)


def claims(
    frame: pd.DataFrame,
    paper: Paper | None = None,
    figures: Collection[str] = (),
    prices: Mapping[tuple, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Return each claim, ready to show, in the order of the table. paper: with the claims' short names; figures: those of the report;
    prices: what the models pay, of `price.prices`.

    A figure is shown with the first claim that it is about, and named with the others.
    """
    short = {claim.id: claim.short for claim in paper.claims} if paper else {}
    several = frame["model"].nunique() > 1
    found: list[dict[str, Any]] = []
    placed: set[str] = set()
    for name, part in frame.groupby("claim", sort=False):
        anchor = _anchor(str(name), {one["anchor"] for one in found})
        kind = str(part["kind"].iloc[0])
        shown = _shown(kind, figures, placed)
        placed.add(shown["figure"])
        found.append(
            {
                "id": name,
                "short": short.get(str(name), ""),
                "anchor": anchor,
                "source": part["source"].iloc[0],
                "unit": UNITS.get(kind, ""),
                **_judged(part, anchor, several, prices or {}),
                **shown,
            }
        )
    return found


def _shown(kind: str, figures: Collection[str], placed: Collection[str]) -> dict[str, Any]:
    """Return what shows a claim of this kind: the figures, the one to show with it, and the table. placed: figures that stand elsewhere."""
    names, table = SHOWN.get(kind, ((), ""))
    there = [one for one in names if one in figures]
    return {"figure": next((one for one in there if one not in placed), ""), "figures": there, "table": table}


def _judged(part: pd.DataFrame, anchor: str, several: bool, prices: Mapping[tuple, Sequence[str]]) -> dict[str, Any]:
    """Return what was found on a claim, by task and by arm; part: its rows. A statement that all outcomes share is given once."""
    statements = list(dict.fromkeys(part["statement"]))
    varied = len(statements) > 1
    tasks: list[dict[str, Any]] = []
    for task in sorted(set(part["task"]), key=lambda name: (name == WITNESS, name)):
        place = _anchor(f"{anchor}-{task}", {one["anchor"] for one in tasks})
        rows = part[part["task"] == task].to_dict("records")
        outcomes = [
            {**_outcome(row, several, varied), "anchor": f"{place}.{number}", "price": _price(row, prices)}
            for number, row in enumerate(rows, 1)
        ]
        tasks.append({"task": task, "anchor": place, "outcomes": outcomes})
    every = [outcome for by in tasks for outcome in by["outcomes"]]
    return {
        "statement": "" if varied else statements[0],
        "tasks": tasks,
        "arms": [_line(arm, rows) for arm, rows in _arms(part, several)],
        "columns": [name for name in ("worlds", "defence") if any(outcome[name] for outcome in every)],
    }


def overview(claims: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the matrix of claims by tasks: a row for each arm of a claim, a cell for each task that links to its paragraph."""
    tasks = list(dict.fromkeys(by["task"] for claim in claims for by in claim["tasks"] if by["task"] != WITNESS))
    rows = []
    for claim in claims:
        for arm in claim["arms"]:
            cells: dict[str, dict[str, Any]] = {}
            for by in claim["tasks"]:
                for outcome in by["outcomes"]:
                    if outcome["arm"] == arm["arm"]:
                        cells[by["task"]] = outcome
            rows.append(
                {
                    "id": claim["id"],
                    "short": claim["short"] or claim["statement"],
                    "anchor": claim["anchor"],
                    "source": claim["source"],
                    "arm": arm["arm"],
                    "line": arm["line"],
                    "whole": cells.get(WITNESS),
                    "cells": [cells.get(task) for task in tasks],
                }
            )
    return {"tasks": tasks, "rows": rows}


def _anchor(text: str, taken: set[str]) -> str:
    """Return the text as an id of the page that is not taken."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", f"claim-{text.removeprefix('claim-')}")
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found


def arm_name(row: Mapping[str, Any], several: bool) -> str:
    """Return which arm a row is about: defence, worlds and, where there are several, the model; empty for a whole task."""
    words = [row["defence"], _worlds(row), row["model"] if several else None]
    return ", ".join(word for word in words if isinstance(word, str) and word)


def _worlds(row: Mapping[str, Any]) -> str:
    return select.Pair(*(row[name] for name in select.PAIR)).label if isinstance(row["protocol"], str) else ""


def _arms(part: pd.DataFrame, several: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in part.to_dict("records"):
        found.setdefault(arm_name(row, several), []).append(row)
    return list(found.items())


def _line(arm: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the verdict over tasks in words: `holds in 2 of 4 tasks, fails in 1, cannot tell in 1`."""
    if [row["task"] for row in rows] == [WITNESS]:
        return {"arm": arm, "line": f"{rows[0]['verdict']} (it needs no data)"}
    counts = {word: sum(row["verdict"] == word for row in rows) for word in verdicts.WORDS}
    said = [f"{word} in {many}" for word, many in counts.items() if many]
    if said:
        said[0] += f" of {count(len(rows), 'task')}"
    return {"arm": arm, "line": ", ".join(said)}


def _outcome(row: Mapping[str, Any], several: bool, varied: bool) -> dict[str, Any]:
    """Return one verdict with what it rests on. varied: the claim's statements differ, so that each outcome shows its own."""
    kind, sign = BADGES.get(row["verdict"], UNKNOWN)
    needed = _whole(row["splits_needed"])
    splits = _whole(row["splits"])
    return {
        "arm": arm_name(row, several),
        "worlds": _worlds(row),
        "defence": row["defence"] if isinstance(row["defence"], str) else "",
        "kind": kind,
        "sign": sign,
        "verdict": row["verdict"],
        "statement": row["statement"] if varied else "",
        "plain": row["plain"] if isinstance(row["plain"], str) else "",
        "evidence": row["evidence"] if isinstance(row["evidence"], str) else "",
        "interval": interval(row["low"], row["high"]),
        "low": _sort(row["low"]),
        "n": _whole(row["n"]),
        "splits": splits,
        "needed": needed,
    }


def _price(row: Mapping[str, Any], prices: Mapping[tuple, Sequence[str]]) -> Sequence[str]:
    """Return what the models of a verdict pay, where it is a verdict that they can buy."""
    return prices.get(tuple(row[name] for name in KEYS), ()) if row["kind"] in PAID else ()


def _whole(value: Any) -> int | None:
    return None if value is None or value != value else int(value)


def _sort(value: Any) -> str:
    return "" if value is None or value != value else f"{float(value):.10g}"
