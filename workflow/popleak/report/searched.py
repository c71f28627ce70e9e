"""What a search over the model axis found, in words: sentences by rule from its tables, the table of checks, and the configurations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..core import inert
from ..measures.verdicts import FAILS, HOLDS, OPEN
from .words import cell, interval, listed, number

if TYPE_CHECKING:
    import pandas as pd

Frames = Mapping[str, "pd.DataFrame"]
NEEDED = ("search", "search_studies", "search_checks")
SHOWN = 12
"""Configurations of a task and stage that are listed; the tables have all."""
COUNTED = ("studies", "stages")
"""Subjects of checks whose value is a number of things."""
NAMED = 5
"""Failed trials that are named; the tables have all."""
FLATTERED = {
    HOLDS: "On {task} stage 1 flattered what it chose: it looked better there than in stage 2, more so than unselected configurations did, by {what} (95 % intervals over studies).",
    FAILS: "On {task} stage 1 did not flatter what it chose: it looked less good there than in stage 2, beside unselected configurations, by {what} (95 % intervals over studies; below 0 is less good).",
    OPEN: "Whether stage 1 flattered what it chose on {task} cannot be told: beside unselected configurations the optimism is {what} (95 % intervals over studies).",
}
"""What is said of the optimism, by verdict."""
MEASURES = {"accuracy": "accuracy", "delta_eo_crossed": "Delta_EO", "advantage": "advantage"}
BETTER = {
    "undefended": "default training without a defence",
    "default": "the default configuration with fair fine-tuning",
}


def block(frames: Frames, search: Mapping[str, Any]) -> str:
    """Return in Markdown what a search shows; frames: its tables (NEEDED); search: the resolved section `search` of its config."""
    said = "\n".join(f"- {sentence}" for sentence in sentences(frames))
    return (
        inert.markdown(
            "\n\n".join([said, checks(frames["search_checks"]), configurations(frames["search"]), axes(search)])
        )
        + "\n"
    )


def sentences(frames: Frames) -> list[str]:
    """Return what was found, a sentence for each thing that is checked, and what went wrong."""
    search, studies, judged = (frames[name] for name in NEEDED)
    return [
        *(_trials(task, part) for task, part in studies.groupby("task", sort=False)),
        *(one for task, part in judged[judged["check"] == "C3"].groupby("task", sort=False) for one in _dominating(task, part, search)),
        *(_volumes(row, studies) for row in judged[judged["check"] == "C2"].to_dict("records")),
        *_optimism(judged),
        *_changes(judged, "C5", "From the smallest weight of the EO term to the largest, at the default configuration, {task} changes by {what} (95 % intervals)."),
        *_changes(judged, "C6", "How far the order of configurations holds on {task}, by Kendall's tau: {what}."),
        *_lost(search),
    ]  # fmt: skip


def _trials(task: str, part: pd.DataFrame) -> str:
    trials, failed, below = (int(part[name].sum()) for name in ("trials", "failed", "infeasible"))
    why = [
        f"{row['sampler']} {row['study_seed']}, trial {one}"
        for row in part.to_dict("records")
        for one in str(row["failures"] or "").split("; ")
        if row["failed"]
    ]
    more = f" and {len(why) - NAMED} more" if len(why) > NAMED else ""
    named = f" ({'; '.join(why[:NAMED])}{more})" if why else ""
    return (
        f"{task}: {trials} trials in {len(part)} studies. {failed} failed{named}, {below} ended below the accuracy floor, and "
        f"{int(part['promoted'].sum())} configurations went to stage 2, where {int(part['lost'].sum())} missed the floor or failed."
    )


def _dominating(task: str, rows: pd.DataFrame, search: pd.DataFrame) -> list[str]:
    """Return what was found against each default, and what the configuration that stage 2 put first has in stage 3."""
    said = []
    for role, name in BETTER.items():
        row = rows[rows["subject"].str.endswith(f", {role}")].iloc[0]
        said.append(f"C3 {row['verdict']} on {task}, against {name}: {row['evidence'].partition('; ')[2]}.")
    third = search[(search["task"] == task) & (search["stage"] == 3) & search["accuracy"].notna()]
    tried, base = third[third["role"] == "front"], third[third["role"] == "default"]
    if len(tried) and len(base):
        first = tried.iloc[0]  # in the order of stage 2: the best of stage 3 would be lucky there
        said.append(
            f"The configuration that stage 2 put first on {task} ({settings(first['settings'])}) has in stage 3, on other pool splits, {_values(first)}; the "
            f"default has {_values(base.iloc[0])}."
        )
    return said


def _values(row: pd.Series) -> str:
    return listed(
        f"{said} {number(float(row[name]))} ({interval(row[f'{name}_low'], row[f'{name}_high'])})"
        for name, said in MEASURES.items()
    )


def _volumes(row: Mapping[str, Any], studies: pd.DataFrame) -> str:
    mine = studies[studies["task"] == row["task"]].groupby("sampler")["hypervolume"].mean()
    return (
        f"C2 {row['verdict']} on {row['task']}: after stage 2 the mean hypervolume is {number(float(mine['tpe']))} for the sampler and {number(float(mine['random']))} for random "
        f"search with as many trials; {row['evidence']} ({number(row['value'])}, {interval(row['low'], row['high'])})."
    )


def _optimism(judged: pd.DataFrame) -> list[str]:
    """Return what C4 says of each task, by its verdicts: a sign is told where an interval tells it."""
    found = []
    for task, part in _by_task(judged, "C4"):
        for verdict, text in FLATTERED.items():
            rows = part[part["verdict"] == verdict]
            told = rows[rows["value"].notna()]
            if len(told):
                found.append(f"C4. {text.format(task=task, what=_figures(told, 'optimism in '))}")
            found += _untold("C4", task, rows[rows["value"].isna()])
    return found


def _changes(judged: pd.DataFrame, check: str, text: str) -> list[str]:
    """Return a sentence for each task on the figures of a check, or why there are none."""
    found = []
    for task, part in _by_task(judged, check):
        known = part[part["value"].notna()]
        if len(known):
            found.append(f"{check}. {text.format(task=task, what=_figures(known))}")
        found += _untold(check, task, part[part["value"].isna()])
    return found


def _by_task(judged: pd.DataFrame, check: str) -> Iterator[tuple[str, pd.DataFrame]]:
    part = judged[(judged["check"] == check) & ~judged["subject"].isin(COUNTED)]
    for task, rows in part.groupby("task", sort=False, dropna=False):
        yield ("" if task != task or task is None else str(task)), rows


def _figures(rows: pd.DataFrame, prefix: str = "") -> str:
    return listed(
        f"{number(row['value'])} in {row['subject'].removeprefix(prefix)} ({interval(row['low'], row['high'])})"
        for row in rows.to_dict("records")
    )


def _untold(check: str, task: str, rows: pd.DataFrame) -> list[str]:
    if rows.empty:
        return []
    where = f" on {task}" if task else ""
    what = listed(rows["subject"])
    return [f"{check} {rows['verdict'].iloc[0]}{where} ({what}): {rows['evidence'].iloc[0]}."]


def _lost(search: pd.DataFrame) -> list[str]:
    failed = search[search["accuracy"].isna()]
    return [
        f"Not measured in stage {row['stage']} on {row['task']}: {row['point']} ({row['failure']})."
        for row in failed.to_dict("records")
    ]


def checks(judged: pd.DataFrame) -> str:
    """Return the table of checks in Markdown."""
    lines = ["| check | task | of | verdict | value | 95 % interval | n | what the value is |", "| --- " * 8 + "|"]
    for row in judged.to_dict("records"):
        task, value = row["task"] or "", number(row["value"], 0 if row["subject"] in COUNTED else 3)
        lines.append(
            f"| {row['check']} | {task if task == task else ''} | {cell(row['subject'])} | {row['verdict']} | {value} | {interval(row['low'], row['high'])} | "
            f"{row['n']} | {cell(row['evidence'])} |"
        )
    told = [
        f"{name}: {text}" for name, text in judged[["check", "statement"]].drop_duplicates().itertuples(index=False)
    ]
    return "\n".join([*lines, "", *(f"- {one}" for one in told)])


def configurations(search: pd.DataFrame) -> str:
    """Return a table of results in Markdown: defaults, and what stage 2 chose as stage 3 measured it, in the order of that choice. Values of stage
    2 by which configurations were chosen are no results."""
    lines = [
        "| task | stage | configuration | accuracy | Delta_EO, crossed | plug-in floor | advantage |",
        "| --- " * 7 + "|",
    ]
    kept = search[search["accuracy"].notna() & search["role"].isin(["front", "default", "undefended"])]
    kept = kept[(kept["role"] != "front") | (kept["stage"] == 3)]
    for _, part in kept.groupby(["task", "stage"], sort=False):
        front = part[part["role"] == "front"].drop_duplicates("point")
        for row in [*part[part["role"] != "front"].to_dict("records"), *front.head(SHOWN).to_dict("records")]:
            name = BETTER.get(row["role"], settings(row["settings"]))
            values = " | ".join(
                f"{number(row[one])} ({interval(row[f'{one}_low'], row[f'{one}_high'])})"
                for one in ("accuracy", "delta_eo_crossed")
            )
            advantage = f"{number(row['advantage'])} ({interval(row['advantage_low'], row['advantage_high'])})"
            lines.append(
                f"| {row['task']} | {row['stage']} | {cell(name)} | {values} | {number(row['delta_eo_floor'])} | {advantage} |"
            )
    said = f"Of each task the defaults, and the first {SHOWN} configurations that stage 2 chose, in its order, with their values of stage 3, on other pool splits. "
    said += "Values of stage 2 by which they were chosen are no results; `search.csv` has them."
    return "\n".join([*lines, "", said])


def axes(search: Mapping[str, Any]) -> str:
    """Return the axes with the values that were searched, in Markdown."""
    from ..config.axes import AXES

    lines = ["| axis | values |", "| --- | --- |"]
    for axis in AXES:
        values = search.get("space", {}).get(axis.name, axis.values)
        lines.append(f"| {axis.name} | {', '.join(_value(one) for one in values)} |")
    return "\n".join(lines)


def settings(text: str) -> str:
    """Return a configuration, which is JSON, in words."""
    return ", ".join(f"{name} {_value(value)}" for name, value in json.loads(text).items()) or "all defaults"


def _value(value: Any) -> str:
    return (
        f"{value:g}" if isinstance(value, float) else "yes" if value is True else "no" if value is False else str(value)
    )
