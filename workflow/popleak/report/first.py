"""The report's first screen: the paper's question, answered by rule from the public tables.

One defence is spoken of (`findings.focus`), in each task's main pair of worlds: how often the best informed adversary names the training
world without a defence, under the defence and under its control, which trains on the same rows without the fairness term; and how much more
often it does than the paper's own statistic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..core.protocols import PURE
from ..figures import _select as select
from ..measures import intervals
from ..measures.verdicts import ABOVE, BELOW, HIGHER, IDLE, LEVEL, LOWER, OPEN, SAME, marks
from ..store import parquet as store
from . import findings
from .words import count, facet_name, listed, percent

if TYPE_CHECKING:
    import pandas as pd

VICTIM = ["split", "world", "model_index"]
BADGES = {
    LOWER: ("holds", "\u2193", "lower"), HIGHER: ("fails", "\u2191", "higher"), SAME: ("same", "\u2248", SAME),
    IDLE: ("unknown", "\u2013", "same models"), OPEN: ("unknown", "?", OPEN),
}  # fmt: skip
"""By verdict: the badge's look, its sign and its words."""
CHANGES = {
    LOWER: "lower", HIGHER: "higher", SAME: "not materially different", OPEN: "undecided",
    IDLE: "unchanged, as the models are the same,",
}  # fmt: skip
"""What is said of leakage, by verdict."""


def answer(
    leakage: pd.DataFrame,
    *,
    statistic: str = "",
    controls: Mapping[str, Mapping[str, str]] | None = None,
    scores: str | Path | None = None,
    swept: bool = False,
) -> dict[str, Any] | None:
    """Return the answer, ready to show; None where there is nothing to answer with.

    statistic: the attack that decides as the paper does; controls: by task, the control of each defence; scores: path of the public table,
    for the interval of the difference between two adversaries; swept: settings of defences are swept, so that none is singled out.
    """
    best = select.best_informed(leakage.reset_index(drop=True))
    best = select.differ(best[best["accuracy"].notna()])
    main = findings.main_rows(best)
    name = None if swept or main.empty else findings.focus(main["defence"])
    if name is None:
        return None
    chosen = select.of(main, defence=name).sort_values([*select.FACET], kind="stable")
    several = best["model"].nunique() > 1
    every = select.informed(select.plain(leakage.reset_index(drop=True)))
    answers = _answers(scores, name) if scores is not None and statistic else None
    rows = [
        _row(row, main, every, statistic, (controls or {}).get(row["task"], {}).get(name), answers, several)
        for row in chosen.to_dict("records")
    ]
    return {
        "defence": name,
        "statistic": statistic if any(row["statistic"] for row in rows) else "",
        "controls": listed(dict.fromkeys(row["control"] for row in rows if row["control"])),
        "worlds": _worlds(rows),
        "headline": _headline(name, rows, several),
        "parts": [part for part in [*_parts(name, statistic, rows, several), _others(name, main, several)] if part[1]],
        "rows": rows,
    }


def _row(
    row: Mapping[str, Any],
    main: pd.DataFrame,
    every: pd.DataFrame,
    statistic: str,
    control: str | None,
    answers: pd.DataFrame | None,
    several: bool,
) -> dict[str, Any]:
    """Return what is known of one task under the defence."""
    keys = {key: row[key] for key in (*select.FACET, *select.PAIR)}
    there = select.of(every, **keys, defence=row["defence"])
    attacks = select.black_box(there[~there["adversary"].isin(["best", *select.REFERENCES])])
    attacks = attacks[attacks["accuracy"].notna()].sort_values("accuracy", ascending=False, kind="stable")
    winner = attacks.iloc[0].to_dict() if len(attacks) else None
    own = attacks[attacks["adversary"] == statistic].to_dict("records")
    ahead = _ahead(answers, keys, winner, own[0]) if winner and own else None
    verdict = row["verdict_vs_control"] if isinstance(row["verdict_vs_control"], str) else None
    kind, sign, said = BADGES.get(verdict or OPEN, BADGES[OPEN])
    change, low, high = (row[f"difference_vs_control{end}"] for end in ("", "_low", "_high"))
    return {
        **keys,
        "title": facet_name(row, several),
        "arm": ", ".join(
            [
                row["defence"],
                select.Pair(*(row[key] for key in select.PAIR)).label,
                *([row["model"]] if several else []),
            ]
        ),
        "pair": select.Pair(*(row[key] for key in select.PAIR)).label,
        "control": control or "",
        "before": _one(select.of(main, **keys, defence="none")),
        "after": _share(row),
        "beside": _one(select.of(main, **keys, defence=control)) if control else None,
        "winner": winner["adversary"] if winner else "",
        "won": _won(row, winner),
        "statistic": _share(own[0]) if own else None,
        "ahead": ahead,
        "verdict": verdict,
        "badge": {"kind": kind, "sign": sign, "text": said} if verdict else None,
        "change": _difference(change, low, high) if change == change else None,
        "p": row["p_vs_control_holm"],
        "p_said": _p(row["p_vs_control_holm"]) if verdict != IDLE else "",
        "against_none": row["verdict_vs_none"] if isinstance(row["verdict_vs_none"], str) else None,
        "victims": int(row["victims"]),
        "splits": int(row["splits"]),
    }


def _won(row: Mapping[str, Any], winner: Mapping[str, Any] | None) -> str:
    """Name the attack that did best on these victims; with its accuracy where that of `best`, chosen on other pool splits, is another."""
    if winner is None:
        return ""
    same = abs(winner["accuracy"] - row["accuracy"]) < 5e-4
    return f"by {winner['adversary']}" if same else f"{winner['adversary']}: {percent(winner['accuracy'])}"


def _one(rows: pd.DataFrame) -> dict[str, Any] | None:
    return _share(rows.iloc[0].to_dict()) if len(rows) else None


def _share(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an accuracy as it is shown; `side` says where its interval lies beside chance."""
    low, high = (row[f"accuracy_{end}"] for end in ("low", "high"))
    interval = f"{100 * low:.0f} to {100 * high:.0f}" if low == low else ""
    return {
        "value": row["accuracy"], "text": percent(row["accuracy"]), "interval": interval, "marks": marks(row),
        "side": row["against_chance"],
    }  # fmt: skip


def _difference(value: float, low: float, high: float) -> dict[str, Any]:
    """Return a difference in accuracy in points, with its interval."""
    return {
        "value": value, "text": _points(value), "low": low, "high": high,
        "interval": f"{_points(low, '')} to {_points(high, '')}" if low == low else "",
    }  # fmt: skip


def _p(value: float) -> str:
    return "" if value != value else "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _points(value: float, unit: str = " points") -> str:
    return f"{100 * value:+.1f}{unit}".replace("-", "\u2212")


def _ahead(
    answers: pd.DataFrame | None, where: Mapping[str, Any], winner: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return by how much one adversary beats another on the same victims, with an interval clustered by pool split where the victims'
    scores are at hand."""
    value = winner["accuracy"] - own["accuracy"]
    nan = float("nan")
    if answers is None or winner["adversary"] == own["adversary"]:
        return _difference(value, nan, nan)
    there = select.of(answers, **where)
    first, second = (
        select.of(there, adversary=one["adversary"], knowledge=one["knowledge"])[[*VICTIM, "right"]]
        for one in (winner, own)
    )
    both = first.merge(second, on=VICTIM, suffixes=("_first", "_second"), validate="1:1")
    found = intervals.mean(
        (both["right_first"] - both["right_second"]).to_numpy(dtype=float), both["split"].to_numpy(), span=(-1.0, 1.0)
    )
    return _difference(found.value, found.low, found.high) if len(both) else _difference(value, nan, nan)


def _answers(scores: str | Path, defence: str) -> pd.DataFrame:
    """Return the adversaries' answers on victims under one defence, of plain games; an abstention is half right."""
    axes = ["shadow_model", "poison", "repeats"]
    columns = [*select.FACET, *select.PAIR, "adversary", "knowledge", *axes, *VICTIM, "guess"]
    frame = select.plain(store.read(scores, columns=columns, where={"defence": defence}).to_pandas())
    right = (frame["guess"] == frame["world"]).astype(float).where(frame["guess"] >= 0, 0.5)
    return frame.drop(columns=[*axes, "guess"]).assign(right=right)


def _counts(rows: Iterable[Mapping[str, Any]], key: str, words: Mapping[str, str], several: bool) -> str:
    """Return `lower in 2 of 4 tasks (a and b), higher in 1 (c)`."""
    rows = list(rows)
    said: list[str] = []
    for word, text in words.items():
        mine = [row["title"] for row in rows if row[key] == word]
        if not mine:
            continue
        of = f" of {findings.cases(len(rows), several)}" if not said else ""
        names = f" ({listed(mine)})" if len(rows) > 1 and len(mine) <= findings.MOST_CONSTANT else ""
        said.append(f"{text} in {len(mine)}{of}{names}")
    return ", ".join(said)


def _headline(name: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    """Return the answer in two sentences: compared with no defence, and what the fairness term has to do with it."""
    against_none = [row["against_none"] for row in rows if row["against_none"] is not None]
    judged = [row["verdict"] for row in rows if row["verdict"] is not None]
    said = [_than_none(against_none), _term(judged)]
    return " ".join(one for one in said if one) or f"Nothing is known of what {name} changes."


def _than_none(verdicts: Sequence[str]) -> str:
    lower = verdicts.count(LOWER)
    if not verdicts:
        return ""
    if lower == len(verdicts):
        return "Yes, compared with no defence."
    if lower:
        return "In part, compared with no defence."
    if set(verdicts) <= {OPEN, IDLE}:
        return "The data cannot tell whether it does, compared with no defence."
    return "No, not even compared with no defence."


def _term(verdicts: Sequence[str]) -> str:
    known = [word for word in verdicts if word != IDLE]
    if not known:
        return "The fairness term changes no model here." if verdicts else ""
    lower, higher = known.count(LOWER), known.count(HIGHER)
    if lower == len(known):
        return "The fairness term itself lowers it further than its control does."
    if lower and higher:
        return (
            "What the fairness term adds depends on the data: it lowers leakage in some tasks and raises it in others."
        )
    if lower:
        return "The fairness term itself lowers leakage in some tasks, and is not shown to in others."
    if higher:
        return "The fairness term itself lowers leakage in no task, and raises it in some."
    if known.count(SAME) == len(known):
        return "The fairness term itself makes no difference that matters."
    return "Whether the fairness term itself lowers it, the data cannot tell."


def _span(values: Iterable[float], said: Any) -> str:
    values = list(values)
    ends = list(dict.fromkeys(said(one) for one in (min(values), max(values))))
    unit = " points"
    if len(ends) > 1 and ends[0].endswith(unit):
        ends[0] = ends[0].removesuffix(unit)
    return " to ".join(ends)


def _parts(name: str, statistic: str, rows: Sequence[Mapping[str, Any]], several: bool) -> list[tuple[str, str]]:
    """Return the answer in parts, as pairs of a question and its answer."""
    return [
        (f"Does {name} lower leakage?", _lowers(name, rows, several)),
        ("Against which adversary?", _adversaries(statistic, rows, several)),
        ("Is it the fairness term, or the mixing of rows?", _cause(name, rows, several)),
        ("How sure is this?", _sure(rows)),
    ]


def _lowers(name: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    said = _counts(rows, "against_none", CHANGES, several)
    after = _span((row["after"]["value"] for row in rows), percent)
    above, below = (sum(row["after"]["side"] == side for row in rows) for side in (ABOVE, BELOW))
    before = [row["before"]["value"] for row in rows if row["before"]]
    without = f"; without a defence, of {_span(before, percent)}" if before else ""
    left = (
        f" Leakage is left, above the 50 % of guessing, in {above} of {findings.cases(len(rows), several)}."
        if above
        else ""
    )
    worse = f" In {below} it is below 50 %." if below else ""
    compared = f"Compared with no defence, leakage is {said}. " if said else ""
    return f"{compared}The best informed adversary names the training population of {after} of the models{without}.{left}{worse}"


def _adversaries(statistic: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    won: dict[str, int] = {}
    for row in rows:
        if row["winner"]:
            won[row["winner"]] = won.get(row["winner"], 0) + 1
    if not won:
        return ""
    ranked = sorted(won.items(), key=lambda one: -one[1])
    named = listed(f"{one} in {many}" for one, many in ranked)
    plugin = plugins.find("attacks", ranked[0][0])
    about = f" ({ranked[0][0]}: {plugin.summary})" if plugin else ""
    said = (
        f"Against the best informed one, which knows the defence and trains its own models with it. The attack that names most is {named} of "
        f"{findings.cases(len(rows), several)}{about}."
    )
    ahead = [row for row in rows if row["ahead"] and row["winner"] != statistic]
    if not ahead:
        return said
    sure = sum(row["ahead"]["low"] > 0 for row in ahead)
    gains = _span((row["ahead"]["value"] for row in ahead), lambda value: f"{100 * value:.0f}")
    means = _span((row["statistic"]["value"] for row in ahead), percent)
    known = any(row["ahead"]["low"] == row["ahead"]["low"] for row in ahead)
    beyond = f", and more than chance explains in {sure} of {len(ahead)}" if known else ""
    blind = sure == len(ahead) and not any(row["statistic"]["side"] == ABOVE for row in ahead)
    lesson = " So a small accuracy gap does not show that a model gives nothing away." if blind else ""
    return f"{said} It names {gains} points more than the paper's own statistic ({statistic}), which names {means}{beyond}.{lesson}"


def _cause(name: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    judged = [row for row in rows if row["verdict"] is not None]
    if not judged:
        return ""
    control = listed(dict.fromkeys(row["control"] for row in judged if row["control"])) or "of the same settings"
    said = _counts(judged, "verdict", CHANGES, several)
    changed = [row["change"]["value"] for row in judged if row["change"] and row["verdict"] != IDLE]
    size = f" The term changes the share by {_span(changed, _points)}." if changed else ""
    drop = [row["before"]["value"] - row["beside"]["value"] for row in judged if row["before"] and row["beside"]]
    mixing = (
        f" The rows alone, without the term, change it by {_span([-one for one in drop], _points)}." if drop else ""
    )
    return f"The control, {control}, trains on the same rows without the fairness term. Compared with it, leakage under {name} is {said}.{size}{mixing}"


def _worlds(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what the names of worlds mean, for those that are shown."""
    said = "The worlds give the share of group 1 among the rows that a model is trained on."
    if any(row["protocol"] == PURE for row in rows):
        said += " Pure: 0 vs 1 means one group only: which of the two it was is to be named."
    return said


def _others(name: str, main: pd.DataFrame, several: bool) -> tuple[str, str]:
    """Return what is to be said of the other fair defences, in the same pairs of worlds."""
    said = []
    judged = main[main["verdict_vs_control"].notna() & (main["defence"] != name)]
    for other, part in judged.groupby("defence", sort=False):
        rows = [
            {"title": facet_name(row, several), "verdict": row["verdict_vs_control"], "after": row["accuracy"]}
            for row in part.to_dict("records")
        ]
        counts = _counts(rows, "verdict", CHANGES, several)
        after = _span((row["after"] for row in rows), percent)
        said.append(f"Compared with its control, leakage under {other} is {counts}; {after} of its models are named.")
    return "And other fair defences?", " ".join(said)


def _sure(rows: Sequence[Mapping[str, Any]]) -> str:
    victims, splits = (_span((row[key] for row in rows), lambda value: f"{value:,}") for key in ("victims", "splits"))
    said = (
        f"{victims} models a task and defence, from {count(splits, 'random division')} of the data. A verdict needs p < {LEVEL:g} after "
        f"Holm's correction for all such comparisons."
    )
    halves = [
        (row["change"]["high"] - row["change"]["low"]) / 2
        for row in rows
        if row["change"] and row["change"]["low"] == row["change"]["low"] and row["verdict"] != IDLE
    ]
    width = (
        f" The differences from the control are known to \u00b1{_span(halves, lambda value: f'{100 * value:.1f}')} points."
        if halves
        else ""
    )
    known = [row["p"] for row in rows if row["p"] == row["p"] and row["verdict"] in (LOWER, HIGHER)]
    largest = f" The least certain verdict of lower or higher has p = {max(known):.1g}." if known else ""
    return f"{said}{width}{largest} This holds for other draws from the same tables, in the worlds named above, and not for every population."
