"""The report's first screen: the paper's question, answered by rule from the public tables.

One defence is spoken of (`findings.focus`), in each task's main pair of worlds: how often the best informed adversary names the training
world without a defence, under the defence and under its control, which trains on the same rows without the fairness term; and how much more
often it does than the paper's own statistic, and than the sign of that statistic's score, which never abstains. The adversary is `best` of
the table `leakage`, chosen on other pool splits than it is judged on: no number here is of an attack that was chosen on the same victims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..figures import _select as select
from ..measures import intervals
from ..measures import leakage as measures
from ..measures.verdicts import HIGHER, IDLE, LOWER, OPEN, SAME, marks
from ..store import parquet as store
from . import answers, findings
from .matrix import arm_name
from .price import KEYS, changes, prices
from .words import facet_name, listed, percent, points

if TYPE_CHECKING:
    import pandas as pd

    from ..tables.leakage import Cell

NAN = float("nan")
ROUNDING = 1e-9
"""Accuracies nearer to each other than this are one."""
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
    claims: pd.DataFrame | None = None,
) -> dict[str, Any] | None:
    """Return the answer, ready to show; None where there is nothing to answer with.

    statistic: the attack that decides as the paper does; controls: by task, the control of each defence; scores: path of the public table,
    for the interval of the difference between two adversaries; models: public table, for what the defence costs; claims: public table, for what is proven; swept: settings of defences are swept, so that none is singled out.
    """
    best = select.best_informed(leakage.reset_index(drop=True))
    best = select.differ(best[best["accuracy"].notna()])
    main = findings.main_rows(best)
    name = _spoken_of(main, swept)
    if name is None:
        return None
    chosen = select.of(main, defence=name).sort_values([*select.FACET], kind="stable")
    several = best["model"].nunique() > 1
    beside = _beside(
        leakage.reset_index(drop=True), main, models, statistic, controls or {}, _judged(scores, name, statistic)
    )
    rows = [_row(row, beside, several) for row in chosen.to_dict("records")]
    adversary = answers.adversary(rows)
    return {
        "defence": name,
        "statistic": statistic if any(row["ahead"] for row in rows) else "",
        "controls": listed(dict.fromkeys(row["control"] for row in rows if row["control"])),
        "worlds": answers.worlds(rows),
        "adversary": adversary.short,
        "about": adversary.about,
        "headline": answers.headline(name, rows, main, several),
        "parts": answers.parts(name, statistic, rows, best, several, claims),
        "rows": rows,
    }


def _beside(
    leakage: pd.DataFrame,
    main: pd.DataFrame,
    models: pd.DataFrame | None,
    statistic: str,
    controls: Mapping[str, Mapping[str, str]],
    judged: pd.DataFrame | None,
) -> _Beside:
    compared = {pair for one in controls.values() for pair in one.items()}
    return _Beside(
        main=main,
        every=select.informed(select.plain(leakage)),
        statistic=statistic,
        controls=controls,
        judged=judged,
        prices=None if models is None else prices(models),
        costs={} if models is None else changes(models, compared),
        unaware=_unaware(leakage),
    )


def _judged(scores: str | Path | None, name: str, statistic: str) -> pd.DataFrame | None:
    """Return the adversaries' answers under the defence, where they are needed and at hand."""
    return _answers(scores, name) if scores is not None and statistic else None


def _unaware(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `best` whose shadows know of no defence."""
    rows = select.of(select.plain(leakage), adversary="best", knowledge="unaware")
    return rows[rows["accuracy"].notna() & (rows["defence"] != "none")]


def _spoken_of(main: pd.DataFrame, swept: bool) -> str | None:
    """Return the defence that the answer is about; None where there is none, or where none is singled out."""
    return None if swept or main.empty else findings.focus(main["defence"])


class _Beside(NamedTuple):
    """What a task's row under the defence is compared with.

    main: rows of `best`, in each task's main pair of worlds, under every defence; every: those of all adversaries that know the defence;
    statistic: the paper's attack; controls: of each defence, by task; judged: the adversaries' answers under the defence, None where they are not at hand;
    prices: what the models pay, None where that is unknown; costs: the change of their mean accuracy against a control's, by task, model, worlds,
    defence and control; unaware: rows of `best` that takes the models for undefended ones.
    """

    main: pd.DataFrame
    every: pd.DataFrame
    statistic: str
    controls: Mapping[str, Mapping[str, str]]
    judged: pd.DataFrame | None
    prices: Mapping[tuple, list[str]] | None
    costs: Mapping[tuple, float]
    unaware: pd.DataFrame


def _row(row: Mapping[str, Any], beside: _Beside, several: bool) -> dict[str, Any]:
    """Return what is known of one task under the defence."""
    keys = {key: row[key] for key in (*select.FACET, *select.PAIR)}
    control = beside.controls.get(row["task"], {}).get(row["defence"])
    controls = select.of(beside.main, **keys, defence=control) if control else None
    return {
        **keys,
        "title": facet_name(row, several),
        "arm": arm_name(row, several),
        "pair": select.Pair(*(row[key] for key in select.PAIR)).label,
        "control": control or "",
        "before": _one(select.of(beside.main, **keys, defence="none")),
        "after": _share(row),
        "beside": None if controls is None else _one(controls),
        "rows": None if controls is None else _by_rows(controls),
        **_attacks(row, keys, beside),
        **_against_control(row),
        "against_none": _verdict(row, "none"),
        "victims": int(row["victims"]),
        "splits": int(row["splits"]),
        "price": None if beside.prices is None else beside.prices.get(tuple(row[key] for key in KEYS), []),
        "cost": beside.costs.get((*keys.values(), row["defence"], control), float("nan")),
        "unaware": _one(select.of(beside.unaware, **keys, defence=row["defence"])),
    }


def _attacks(row: Mapping[str, Any], keys: Mapping[str, Any], beside: _Beside) -> dict[str, Any]:
    """Return the candidates for `best` in a task under the defence, the one that names most first, and how far `best` is ahead of the
    paper's statistic. row: that of `best`."""
    there = select.of(beside.every, **keys, defence=row["defence"])
    attacks = select.black_box(there[~there["adversary"].isin(["best", *select.REFERENCES])])
    attacks = attacks[attacks["accuracy"].notna()].sort_values("accuracy", ascending=False, kind="stable")
    ranked = attacks.to_dict("records")
    names = [*dict.fromkeys(one["adversary"] for one in ranked)]
    own = next((one for one in ranked if one["adversary"] == beside.statistic), None)
    both = _cells(beside.judged, keys, row, own, names) if own else None
    sign = _by_sign(*both) if both else None
    return {
        "adversaries": names,
        "informed": row["knowledge"] == "informed",
        "won": _won(row, ranked),
        "statistic": _share(own) | {"abstained": own["abstained"]} if own else None,
        "ahead": _ahead(row["accuracy"] - own["accuracy"], both) if own and len(names) > 1 else None,
        "sign": sign,
        "abstains": _abstains(own["abstained"], sign) if own else "",
    }


def _against_control(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether leakage differs from that under the control, and by how much."""
    verdict = _verdict(row, "control")
    kind, sign, said = BADGES.get(verdict or OPEN, BADGES[OPEN])
    change, low, high = (row[f"difference_vs_control{end}"] for end in ("", "_low", "_high"))
    p = row["p_vs_control_holm"]
    return {
        "verdict": verdict,
        "reason": row["reason_vs_control"],
        "badge": {"kind": kind, "sign": sign, "text": said} if verdict else None,
        "change": _difference(change, low, high) if change == change else None,
        "p": p,
        "p_said": "" if verdict == IDLE else _p(p),
    }


def _by_rows(controls: pd.DataFrame) -> dict[str, Any] | None:
    """Return whether leakage under the control differs from that without a defence, and by how much: what the rows alone do.

    controls: its row of `best`, or none.
    """
    if controls.empty:
        return None
    row = controls.iloc[0].to_dict()
    change, low, high = (row[f"difference_vs_none{end}"] for end in ("", "_low", "_high"))
    return {"verdict": _verdict(row, "none"), "change": _difference(change, low, high) if change == change else None}


def _verdict(row: Mapping[str, Any], other: str) -> str | None:
    """Return the verdict on the comparison with no defence (`none`) or with the `control`; None where there is none."""
    found = row[f"verdict_vs_{other}"]
    return found if isinstance(found, str) else None


def _won(row: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]]) -> str:
    """Name the attack that names most of these victims, where there are several; without its share, which that choice flatters."""
    if len(ranked) < 2:
        return ""
    same = abs(ranked[0]["accuracy"] - row["accuracy"]) < 5e-4
    return f"by {ranked[0]['adversary']}" if same else f"{ranked[0]['adversary']} names most"


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


def _cells(
    judged: pd.DataFrame | None,
    where: Mapping[str, Any],
    best: Mapping[str, Any],
    own: Mapping[str, Any],
    names: Sequence[str],
) -> tuple[Cell, Cell] | None:
    """Return the verdicts of `best` and of the paper's statistic on the same victims; None where the victims' scores are not at hand.

    best, own: their rows in the table `leakage`; names: the candidates. Each half of the pool splits is judged by the candidate that did
    best on the other half: the choice of the table itself.
    """
    from ..steps.tables._adversaries import Adversaries
    from ..tables import leakage

    if judged is None:
        return None
    there = select.of(judged, **where)
    there = there[there["adversary"].isin(names) & there["knowledge"].isin([best["knowledge"], "any"])]
    everyone = Adversaries(table="leakage", references={}, white_box={})  # `names` has neither
    found = next((cells for _, _, cells in leakage.games(there, everyone)), {})
    first, second = (found.get((one["defence"], *(one[name] for name in leakage.ADVERSARY))) for one in (best, own))
    # where the table had other candidates, there is no interval of its number here
    if first is None or second is None or abs(first.correct.mean() - best["accuracy"]) > ROUNDING:
        return None
    return first, second


def _ahead(value: float, both: tuple[Cell, Cell] | None) -> dict[str, Any]:
    """Return by how much `best` is ahead of the paper's statistic, with its interval where their verdicts are at hand."""
    return _difference(value, NAN, NAN) if both is None else _beyond(both[0], both[1].correct)


def _beyond(best: Cell, correct: np.ndarray) -> dict[str, Any]:
    """Return by how much `best` is ahead of these verdicts (n,) on the same victims, clustered by pool split, with the inflation of
    whatever is said of `best`."""
    found = intervals.paired_test(best.correct, correct, best.split, inflation=measures.CHOSEN)
    return _difference(found.value, found.low, found.high)


def _by_sign(best: Cell, own: Cell) -> dict[str, Any] | None:
    """Return what a statistic would name without abstaining, and how far `best` is ahead of that; None if it abstains at a score of 0
    alone. By the contract of attacks (`attacks.base.Judge`) a score's sign is the world that it speaks for."""
    guess = np.where(own.score == 0, measures.ABSTAINED, own.score > 0)
    if np.array_equal(guess, own.guess):
        return None
    correct = measures.correctness(guess, own.world)
    value = float(correct.mean())
    return {"value": value, "text": percent(value), "ahead": _beyond(best, correct)}


def _abstains(share: float, sign: Mapping[str, Any] | None) -> str:
    """Say how often a statistic abstains, and what it would name otherwise; empty where it never does."""
    if not share > 0:
        return ""
    return f"abstains on {percent(share, 0)}{'; by sign ' + sign['text'] if sign else ''}"


def _answers(scores: str | Path, defence: str) -> pd.DataFrame:
    """Return the adversaries' answers on victims under one defence, of plain games."""
    keys = [*select.FACET, *select.PAIR, "poison", "adversary", "access", "knowledge", "shadow_model", "repeats"]
    columns = [*keys, "split", "world", "model_index", "score", "guess"]
    frame = select.plain(store.read(scores, columns=columns, where={"defence": defence}).to_pandas())
    return frame.assign(defence=defence)
