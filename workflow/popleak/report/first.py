"""The report's first screen: the paper's question, answered by rule from the public tables.

One defence is spoken of (`findings.focus`), in each task's main pair of worlds: how often the best informed adversary names the training
world without a defence, under the defence and under its control, which trains on the same rows without the fairness term; and how much more
often it does than the paper's own statistic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..figures import _select as select
from ..measures import intervals
from ..measures.verdicts import HIGHER, IDLE, LOWER, OPEN, SAME, marks
from ..store import parquet as store
from . import answers, findings
from .matrix import arm_name
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
    name = _spoken_of(main, swept)
    if name is None:
        return None
    chosen = select.of(main, defence=name).sort_values([*select.FACET], kind="stable")
    several = best["model"].nunique() > 1
    beside = _Beside(
        main=main,
        every=select.informed(select.plain(leakage.reset_index(drop=True))),
        statistic=statistic,
        controls=controls or {},
        judged=_answers(scores, name) if scores is not None and statistic else None,
        prices=None if models is None else prices(models),
    )
    rows = [_row(row, beside, several) for row in chosen.to_dict("records")]
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


def _spoken_of(main: pd.DataFrame, swept: bool) -> str | None:
    """Return the defence that the answer is about; None where there is none, or where none is singled out."""
    return None if swept or main.empty else findings.focus(main["defence"])


class _Beside(NamedTuple):
    """What a task's row under the defence is compared with.

    main: rows of `best`, in each task's main pair of worlds, under every defence; every: those of all adversaries that know the defence;
    statistic: the paper's attack; controls: of each defence, by task; judged: the adversaries' answers under the defence, None where they are not at hand;
    prices: what the models pay, None where that is unknown.
    """

    main: pd.DataFrame
    every: pd.DataFrame
    statistic: str
    controls: Mapping[str, Mapping[str, str]]
    judged: pd.DataFrame | None
    prices: Mapping[tuple, list[str]] | None


def _row(row: Mapping[str, Any], beside: _Beside, several: bool) -> dict[str, Any]:
    """Return what is known of one task under the defence."""
    keys = {key: row[key] for key in (*select.FACET, *select.PAIR)}
    control = beside.controls.get(row["task"], {}).get(row["defence"])
    return {
        **keys,
        "title": facet_name(row, several),
        "arm": arm_name(row, several),
        "pair": select.Pair(*(row[key] for key in select.PAIR)).label,
        "control": control or "",
        "before": _one(select.of(beside.main, **keys, defence="none")),
        "after": _share(row),
        "beside": _one(select.of(beside.main, **keys, defence=control)) if control else None,
        **_attacks(row, keys, beside),
        **_against_control(row),
        "against_none": _verdict(row, "none"),
        "victims": int(row["victims"]),
        "splits": int(row["splits"]),
        "price": None if beside.prices is None else beside.prices.get(tuple(row[key] for key in KEYS), []),
    }


def _attacks(row: Mapping[str, Any], keys: Mapping[str, Any], beside: _Beside) -> dict[str, Any]:
    """Return which single attack does best in a task under the defence, and how far it is ahead of the paper's statistic."""
    there = select.of(beside.every, **keys, defence=row["defence"])
    attacks = select.black_box(there[~there["adversary"].isin(["best", *select.REFERENCES])])
    attacks = attacks[attacks["accuracy"].notna()].sort_values("accuracy", ascending=False, kind="stable")
    ranked = attacks.to_dict("records")
    winner = ranked[0] if ranked else None
    own = next((one for one in ranked if one["adversary"] == beside.statistic), None)
    return {
        "winner": winner["adversary"] if winner else "",
        "won": _won(row, winner),
        "statistic": _share(own) if own else None,
        "ahead": _ahead(beside.judged, keys, winner, own) if winner and own else None,
    }


def _against_control(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether leakage differs from that under the control, and by how much."""
    verdict = _verdict(row, "control")
    kind, sign, said = BADGES.get(verdict or OPEN, BADGES[OPEN])
    change, low, high = (row[f"difference_vs_control{end}"] for end in ("", "_low", "_high"))
    p = row["p_vs_control_holm"]
    return {
        "verdict": verdict,
        "badge": {"kind": kind, "sign": sign, "text": said} if verdict else None,
        "change": _difference(change, low, high) if change == change else None,
        "p": p,
        "p_said": "" if verdict == IDLE else _p(p),
    }


def _verdict(row: Mapping[str, Any], other: str) -> str | None:
    """Return the verdict on the comparison with no defence (`none`) or with the `control`; None where there is none."""
    found = row[f"verdict_vs_{other}"]
    return found if isinstance(found, str) else None


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
