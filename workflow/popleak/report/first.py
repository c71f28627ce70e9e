"""The report's first screen: the paper's question, answered by rule from the public tables.

One defence is spoken of (`findings.focus`), in each task's main pair of worlds: how often the best informed adversary names the training
world without a defence, under the defence and under its control, which trains on the same rows without the fairness term; and how much more
often it does than the paper's own statistic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..figures import _select as select
from ..measures import intervals
from ..measures.verdicts import HIGHER, IDLE, LOWER, OPEN, SAME, marks
from ..store import parquet as store
from . import answers, findings
from .price import KEYS, prices
from .words import facet_name, listed, percent, points

if TYPE_CHECKING:
    import pandas as pd

VICTIM = ["split", "world", "model_index"]
BADGES = {
    LOWER: ("holds", "\u2193", "lower"), HIGHER: ("fails", "\u2191", "higher"), SAME: ("same", "\u2248", SAME),
    IDLE: ("unknown", "\u2013", "same models"), OPEN: ("unknown", "?", OPEN),
}  # fmt: skip
"""By verdict: the badge's look, its sign and its words."""


def answer(
    leakage: pd.DataFrame,
    *,
    statistic: str = "",
    controls: Mapping[str, Mapping[str, str]] | None = None,
    scores: str | Path | None = None,
    models: pd.DataFrame | None = None,
    swept: bool = False,
) -> dict[str, Any] | None:
    """Return the answer, ready to show; None where there is nothing to answer with.

    statistic: the attack that decides as the paper does; controls: by task, the control of each defence; scores: path of the public table,
    for the interval of the difference between two adversaries; models: public table, for what the defence costs; swept: settings of defences are swept, so that none is singled out.
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
    judged = _answers(scores, name) if scores is not None and statistic else None
    paid = None if models is None else prices(models)
    rows = [
        _row(row, main, every, statistic, (controls or {}).get(row["task"], {}).get(name), judged, several)
        | {"price": None if paid is None else paid.get(tuple(row[key] for key in KEYS), [])}
        for row in chosen.to_dict("records")
    ]
    return {
        "defence": name,
        "statistic": statistic if any(row["statistic"] for row in rows) else "",
        "controls": listed(dict.fromkeys(row["control"] for row in rows if row["control"])),
        "worlds": answers.worlds(rows),
        "strongest": answers.STRONGEST,
        "headline": answers.headline(name, rows, main, several),
        "parts": answers.parts(name, statistic, rows, best, several),
        "rows": rows,
    }


def _row(
    row: Mapping[str, Any],
    main: pd.DataFrame,
    every: pd.DataFrame,
    statistic: str,
    control: str | None,
    judged: pd.DataFrame | None,
    several: bool,
) -> dict[str, Any]:
    """Return what is known of one task under the defence."""
    keys = {key: row[key] for key in (*select.FACET, *select.PAIR)}
    there = select.of(every, **keys, defence=row["defence"])
    attacks = select.black_box(there[~there["adversary"].isin(["best", *select.REFERENCES])])
    attacks = attacks[attacks["accuracy"].notna()].sort_values("accuracy", ascending=False, kind="stable")
    winner = attacks.iloc[0].to_dict() if len(attacks) else None
    own = attacks[attacks["adversary"] == statistic].to_dict("records")
    ahead = _ahead(judged, keys, winner, own[0]) if winner and own else None
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
        "value": value, "text": points(value), "low": low, "high": high,
        "interval": f"{points(low, '')} to {points(high, '')}" if low == low else "",
    }  # fmt: skip


def _p(value: float) -> str:
    return "" if value != value else "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _ahead(
    judged: pd.DataFrame | None, where: Mapping[str, Any], winner: Mapping[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return by how much one adversary beats another on the same victims, with an interval clustered by pool split where the victims'
    scores are at hand."""
    value = winner["accuracy"] - own["accuracy"]
    nan = float("nan")
    if judged is None or winner["adversary"] == own["adversary"]:
        return _difference(value, nan, nan)
    there = select.of(judged, **where)
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
