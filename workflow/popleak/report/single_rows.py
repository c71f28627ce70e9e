"""What attacks on rows found, in words: a sentence for each check, a table of them by task, and what it means for two kinds of readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..core.protocols import MEMBERSHIP
from ..figures._membership import of_checks
from ..measures.verdicts import FAILS, HOLDS, OPEN
from . import members, victims
from .members import Check, Frames
from .victims import LIRA
from .words import cell, count, interval, listed

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("membership", "membership_victims", "defences", "leakage")
HIGHER, LOWER = members.HIGHER, members.LOWER


def sentences(frames: Frames) -> list[str]:
    """Return a sentence for each thing that is checked, and what the numbers rest on; nothing without the tables."""
    if any(name not in frames for name in NEEDED) or frames["membership"].empty:
        return []
    found = members.checks(frames)
    said = [_sentence([one for one in found if (one.name, one.said) == key]) for key in _kinds(found)]
    return [*said, *_scope(frames["membership"]), *_epsilon(frames), *_people(frames, found)]


def _kinds(found: Iterable[Check]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.name, one.said) for one in found))


def _sentence(found: Sequence[Check]) -> str:
    """Return of one thing that is checked where it holds, where it does not, and between which numbers."""
    mine = [one for one in found if one.about_all]
    values = [one.found.value for one in mine]
    many = Counter(one.verdict for one in mine)
    words = (HIGHER, LOWER, OPEN) if mine[0].either else (HOLDS, FAILS, OPEN)
    told = listed(f"{word} in {many[word]}" for word in words if many[word])
    span = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else f"{values[0]:.3g}"
    failing = listed(f"{one.task} ({_value(one)})" for one in mine if one.verdict == FAILS)
    return (
        f"{mine[0].name}, {mine[0].said}: {told} of {count(len(mine), 'task')}, {span}"
        + (f"; it fails on {failing}" if failing else "")
        + f".{_cells(found)}"
    )


def _cells(found: Sequence[Check]) -> str:
    """Return in which labels and groups a difference is shown."""
    parts = [one for one in found if not one.about_all]
    if not parts:
        return ""
    shown = [one for one in parts if one.verdict != OPEN]
    named = listed(f"{one.task}, {one.what}: {_value(one)}" for one in shown)
    return f" By label and group a difference is shown in {len(shown)} of {len(parts)}{f' ({named})' if named else ''}."


def _value(one: Check) -> str:
    return f"{one.found.value:.3f} [{one.found.low:.3f}, {one.found.high:.3f}]"


def _scope(membership: pd.DataFrame) -> list[str]:
    """Say how many models and shadows this rests on, and where few shadows decide how variances are estimated."""
    from ..attacks._gaussians import ENOUGH

    rows = membership[(membership["part"] == "all") & (membership["shadows"] > 0)]
    few = sorted(set(rows["task"][rows["shadows"] < ENOUGH]))
    victims_of, shadows = (sorted(set(rows[name].astype(int))) for name in ("victims", "shadows"))
    said = (
        f"This rests on {_span(victims_of)} victims a task, each with {_span(shadows)} shadows that hold a candidate and as many that do not, in the settings of "
        f"this page; intervals are over pairs of models with complementary halves, the rows being given."
    )
    more = (
        f" With fewer than {ENOUGH} shadows on a side `lira` and `lira-pair` estimate one variance for all rows, unless their setting says otherwise: "
        f"{listed(few)}."
        if few
        else ""
    )
    return [said + more]


def _span(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _epsilon(frames: Frames) -> list[str]:
    """Say what DP-SGD states beside what attacks show. A stated epsilon is for adding or removing a row, the one shown for replacing one."""
    rows = _all(frames["membership"])
    told = {task: victims.told(mine) for task, mine in frames["defences"].groupby("task")}
    cases, broken = [], []
    for (task, defence), mine in rows.groupby(["task", "defence"], sort=False):
        stated = told.get(task, {}).get(defence, {})
        if stated.get("kind") == "dp-sgd" and stated.get("epsilon") is not None:
            shown = float(mine["epsilon_low"].max())
            cases.append((stated["epsilon"], shown))
            if shown > 2 * stated["epsilon"]:
                broken.append(f"{task}, {defence}: {shown:.2f}")
    if not cases:
        return []
    parts = listed(
        f"{max(shown for at, shown in cases if at == epsilon):.2f} where {epsilon:g} is stated"
        for epsilon in sorted({at for at, _ in cases})
    )
    kept = f"that is more than is stated on {listed(broken)}" if broken else "nowhere more than is stated"
    return [
        f"DP-SGD: of replacing one row, for which its epsilon counts twice, the attacks show (95 % lower limits, the largest of all tasks and attacks) at "
        f"least {parts}; {kept}. A lower limit of 0 says that nothing was shown, not that nothing leaks."
    ]


def _all(membership: pd.DataFrame) -> pd.DataFrame:
    return membership[(membership["part"] == "all") & (membership["protocol"] == MEMBERSHIP)]


def _people(frames: Frames, found: Sequence[Check]) -> list[str]:
    """Return a paragraph for the researcher and one for whoever owns the data, of undefended models and of those that were fair fine-tuned."""
    rows = _all(frames["membership"])
    rows = rows[(rows["adversary"] == LIRA) & (rows["defence"] == "none")].drop_duplicates("task")
    rows = rows[~rows["task"].isin(of_checks(frames["membership"]))]
    if rows.empty:
        return []
    return [_researcher(found, rows), _owner(frames, rows)]


def _from_to(values: pd.Series, form: str) -> str:
    """Return the smallest and the largest value, or the only one; a word where there is none."""
    if values.empty:
        return "an unknown share"
    low, high = (form.format(float(end)) for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _researcher(checks: Sequence[Check], rows: pd.DataFrame) -> str:
    found = [one for one in checks if one.name == "B6" and one.about_all]
    many = Counter(one.verdict for one in found)
    fair = (
        f" Against its control without the fairness term, fair fine-tuning has the higher AUC in {many[HIGHER]}, the lower in {many[LOWER]}, and neither is shown in "
        f"{many[OPEN]} of {count(len(found), 'task')}."
        if found
        else ""
    )
    return (
        f"For the researcher: a defence that hides the ratio of groups is not by that a defence of single rows; the two are measured apart. The AUC of {LIRA} on undefended "
        f"models is {_from_to(rows['auc'], '{:.3f}')} over {count(len(rows), 'task')}.{fair}"
    )


def _owner(frames: Frames, rows: pd.DataFrame) -> str:
    named = _from_to(100 * rows["tpr_01"].dropna(), "{:.1f} %")
    ppv = rows["ppv_01"].dropna()
    cells = frames["membership"][frames["membership"]["task"].isin(rows["task"])]
    cells = cells[
        (cells["part"] == "cell")
        & (cells["protocol"] == MEMBERSHIP)
        & (cells["defence"] == "none")
        & (cells["adversary"] == LIRA)
    ]
    stand_out = ""
    if len(cells):
        top = cells.loc[cells.groupby("task")["auc"].idxmax()]
        worst = top.loc[top["auc"].idxmax()]
        apart = int((top["auc_low"] > top["auc_like_high"]).sum())
        stand_out = (
            f" Not all are exposed alike: in {apart} of {count(len(top), 'task')} one label and group stands above samples of as many rows; the most exposed are those of "
            f"label {int(worst['label'])} and group {int(worst['group'])} on {worst['task']}, with an AUC of {worst['auc']:.2f} where all have "
            f"{float(rows.set_index('task')['auc'].get(worst['task'], np.nan)):.2f}."
        )
    known = (
        f" If one in a hundred of the people asked about is in the data, {_from_to(100 * ppv, '{:.0f} %')} of those who are named are."
        if len(ppv)
        else ""
    )
    return (
        f"What this means for a person in your data: somebody who can train {2 * int(rows['shadows'].max())} models like yours, and errs on one in a hundred of the people who are not in it, "
        f"names {named} of those who are, of undefended models.{known}{stand_out}"
    )


def table(frames: Frames) -> str:
    """Return in Markdown each check by task: verdict, number and interval."""
    found = [one for one in members.checks(frames) if one.about_all]
    if not found:
        return ""
    aside = of_checks(frames["membership"])
    tasks = sorted(dict.fromkeys(one.task for one in found), key=lambda task: task in aside)
    lines = ["| | to be seen | " + " | ".join(tasks) + " |", "| --- " * (len(tasks) + 2) + "|"]
    for name, said in _kinds(found):
        of = {one.task: one for one in found if (one.name, one.said) == (name, said)}
        cells = [
            f"{of[task].verdict} {of[task].found.value:.3f} ({interval(of[task].found.low, of[task].found.high)})"
            if task in of
            else ""
            for task in tasks
        ]
        lines.append(f"| {name} | {cell(said)} | " + " | ".join(cells) + " |")
    note = (
        "Each cell gives the verdict, the number and its 95 % interval. Intervals are not corrected for several tests."
    )
    return "\n".join([*lines, "", note]) + "\n"
