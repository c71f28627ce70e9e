"""The report's sentences, computed from the public tables: what was asked, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..figures import _select as select
from ..figures._style import ADVERSARIES, DEFENCES, adversaries, defences
from ..figures._style import said as adversary_name
from ..measures.verdicts import ABOVE, BELOW, HIGHER, IDLE, LOWER, MOSTLY, OPEN, SAME, SEARCHED, UNTOLD, marks
from . import chance, placebo, proven, whom
from .words import away_from_half, count, facet_name, listed, percent

if TYPE_CHECKING:
    import pandas as pd

SMALL_CELL = 30
MANY, MOST_CONSTANT = 0.1, 6
"""The share of victims that give all records one label from which a cell is named, and how many cells a sentence names."""
NO_FAIRNESS = "Delta_EO is 0, which says nothing about fairness"
"""What is said of models that give all records one label."""


def asked(experiment: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Return what was asked, as pairs of term and text."""
    models, leakage = tables["models"], tables["leakage"]
    known = [name for name in ("unaware", "aware", "informed") if (leakage["knowledge"] == name).any()]
    victims = select.plain(models[models["role"] == "victim"])
    frame = victims if len(victims) else leakage
    rows = [
        (
            "Question",
            "Does a released model give away which of two populations it was trained on, "
            "and does a defence change this?",
        ),
        ("Tasks", listed(sorted(set(frame["task"])))),
        (
            "Attribute among the features",
            listed(sorted(set(leakage["task"][leakage["attribute_in_features"].eq(True)]))),
        ),
        ("Models", listed(sorted(set(frame["model"])))),
        ("Pairs of worlds", listed(_worlds(pair) for pair in select.pairs(frame)) if len(frame) else ""),
        ("Defences", listed(defences(frame["defence"]))),
        ("Adversaries", listed(adversary_name(name) for name in adversaries(leakage["adversary"]) if name != "best")),
        ("Knowledge", listed(known)),
        *_beyond(leakage),
    ]
    rows += _how_many(victims, experiment)
    return [(term, text) for term, text in rows if text]


def _beyond(leakage: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what was asked beyond the plain game, as pairs of term and text."""
    shares, repeats = (sorted(set(leakage[name].dropna())) for name in ("poison", "repeats"))
    others = leakage[leakage["shadow_model"].notna() & (leakage["shadow_model"] != leakage["model"])]
    return [
        ("Poisoned share of a draw", listed(f"{share:g}" for share in shares if share)),
        ("Other shadows", listed(sorted(set(others["shadow_model"])))),
        ("Answers to a repeated query", listed(str(int(many)) for many in repeats if many > 1)),
    ]


def _how_many(victims: pd.DataFrame, experiment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how many victims and shadow models there are, as pairs of term and text."""
    rows = []
    if len(victims):
        keys = [*select.FACET, *select.PAIR, "defence", "world"]
        sizes = victims.groupby(keys).size()
        span = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
        several = sorted(set(victims.groupby("task")["split"].nunique()))
        splits = count(several[0], "pool split") if len(several) == 1 else f"{several[0]} to {several[-1]} pool splits"
        rows.append(
            (
                "Victims",
                f"{span} for each world and defence, over {splits}; each with its own draw",
            )
        )
    usual = (experiment.get("population") or {}).get("shadows")
    if usual:
        tasks = experiment.get("tasks") or [{}]
        shadows = sorted({(task.get("population") or {}).get("shadows", usual) for task in tasks})
        span = " to ".join(str(one) for one in dict.fromkeys((shadows[0], shadows[-1])))
        rows.append(("Shadow models", f"{span} for each world, defence and pool split"))
    return rows


def _worlds(pair: select.Pair) -> str:
    """Return a pair of worlds with what its numbers are, where that is known."""
    question = plugins.protocols().get(pair.protocol)
    return f"{pair.label} (share of group 1)" if question is None or question.groups else pair.label


def matrix(leakage: pd.DataFrame) -> dict[str, Any] | None:
    """Return the best informed adversary's accuracy by task, pair of worlds and defence, ready to show."""
    best = select.best_informed(leakage.reset_index(drop=True))
    if best.empty:
        return None
    names, several = list(defences(best["defence"])), best["model"].nunique() > 1
    rows = []
    for pair in select.pairs(best):
        mine = select.of_pair(best, pair)
        for facet in select.facets(mine):
            by = select.of(mine, task=facet.task, model=facet.model).drop_duplicates("defence").set_index("defence")
            cells = [_accuracy(by.loc[name]) if name in by.index else None for name in names]
            rows.append({"task": facet_name(facet._asdict(), several), "pair": pair.label, "cells": cells})
    return {"defences": names, "rows": rows}


def _accuracy(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["accuracy"] != row["accuracy"]:
        return None
    ends = [f"{100 * row[f'accuracy_{end}']:.0f}" for end in ("low", "high")]
    return {"value": percent(row["accuracy"]), "interval": " to ".join(ends), "marks": marks(row)}


def focus(names: Iterable[str]) -> str | None:
    """Return the defence to speak of first: rehearsal FFt, else FFt, else the first that is not `none`."""
    present = [name for name in names if name != "none"]
    return next((name for name in ("fft-rehearsal", "fft") if name in present), present[0] if present else None)


def main_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each task's main pair of worlds."""
    import pandas as pd

    parts = [
        select.of_pair(select.of(frame, task=task, model=model), pair)
        for (task, model), pair in select.main_pairs(frame).items()
    ]
    return pd.concat(parts) if parts else frame.iloc[:0]


def _each(rows: pd.DataFrame, column: str, several: bool, said: Callable[[float], str] = percent) -> str:
    """Return `column` for each task in words, or the range's ends where tasks are many; an accuracy with what must be said of it."""
    records = sorted(rows.to_dict("records"), key=lambda row: facet_name(row, several))

    def noted(row: Mapping[str, Any]) -> str:
        return "".join(f" ({mark})" for mark in marks(row)) if column == "accuracy" else ""

    if len(records) > 6:
        ends = [end(records, key=lambda row: row[column]) for end in (min, max)]
        return "between " + " and ".join(
            f"{said(row[column])} ({facet_name(row, several)}){noted(row)}" for row in ends
        )
    return listed(f"{said(row[column])} on {facet_name(row, several)}{noted(row)}" for row in records)


def points(value: float) -> str:
    """Return a size in accuracy as points: `5 points`."""
    return count(f"{100 * value:.3g}", "point")


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points".replace("-", "\u2212")


def findings(tables: Mapping[str, pd.DataFrame], *, tau: float, swept: bool = False) -> list[str]:
    """Return the sentences on what was found; `placebo` may be among the tables. swept: settings of defences are swept, so that none is
    singled out."""
    best = select.best_informed(tables["leakage"].reset_index(drop=True))
    best = best[best["accuracy"].notna()]
    main = main_rows(best).sort_values([*select.FACET], kind="stable")
    name, several = None if swept else focus(defences(main["defence"])), best["model"].nunique() > 1
    lines = []
    undefended = select.of(main, defence="none")
    if len(undefended):
        worlds = listed(sorted({pair.label for pair in select.pairs(undefended)}))
        said = _each(undefended, "accuracy", several)
        lines.append(
            f"{whom.of(tables['leakage']).subject} names the training world of undefended victims this often ({worlds}; chance is 50 %): {said}."
        )
    lines += placebo.findings(tables)
    lines += _given_the_rows(tables["leakage"], several)
    lines += _given_all_releases(tables["leakage"], name, several)
    chosen = select.of(main, defence=name)
    if name is not None and len(chosen):
        above, under = (int((chosen["against_chance"] == word).sum()) for word in (ABOVE, BELOW))
        said = _each(chosen, "accuracy", several)
        lines.append(
            f"Under {name} it is right this often: {said}. The 95 % interval is above chance in {above} of "
            f"{cases(len(chosen), several)}{f' and below it in {under}' if under else ''}."
        )
        lines += _against_control(chosen, name, several)
    certain = proven.said(main, tables["claims"], several)
    lines += [f"Proven: {certain[0].lower()}{certain[1:]}"] if certain else []
    lines += chance.below(tables["leakage"].reset_index(drop=True), tables["claims"])
    lines += _fairness(tables["models"], name, tau)
    lines += [] if swept else _constant(tables["models"], several)
    lines += _bounds(tables["bounds"])
    lines += _equal(tables["leakage"])
    return lines


def cases(many: int, several: bool) -> str:
    """Return how many tasks, or where there are several models how many pairs of a task and a model."""
    return f"{count(many, 'case')} of a task and a model" if several else count(many, "task")


def _given_the_rows(leakage: pd.DataFrame, several: bool) -> list[str]:
    """Say what the training rows themselves give away: a model can hardly give away more."""
    rows = main_rows(select.of(select.data(select.plain(leakage)), defence="none"))
    rows = rows[rows["accuracy"].notna()]
    if rows.empty:
        return []
    told = _each(rows, "accuracy", several)
    return [
        f"For comparison: an adversary who sees the training rows instead of a model names the world this often: {told}."
    ]


def _given_all_releases(leakage: pd.DataFrame, name: str | None, several: bool) -> list[str]:
    """Say what an owner's releases give away together, beside what the same attack reads from one of them."""
    lines = []
    able = main_rows(select.informed(select.plain(leakage)))
    able = able[able["accuracy"].notna()]
    for defence in dict.fromkeys(["none", *([name] if name is not None else [])]):
        mine = select.of(able, defence=defence)
        all_of_them, one = select.of(mine, access="releases"), select.of(mine, adversary="lda", access="scores")
        if all_of_them.empty:
            continue
        beside = f"; with one of them (`lda`): {_each(one, 'accuracy', several)}" if len(one) else ""
        lines.append(
            f"An adversary who sees all models that an owner releases under {defence} names the world this often: "
            f"{_each(all_of_them, 'accuracy', several)}{beside}."
        )
    return lines


def _against_control(chosen: pd.DataFrame, name: str, several: bool) -> list[str]:
    """Say what the table's own verdicts on the difference are; the claims have the same."""
    judged = chosen[chosen["verdict_vs_control"].notna()]
    if judged.empty:
        return []
    verdict = judged["verdict_vs_control"]
    idle, tested = judged[verdict == IDLE], judged[(verdict != IDLE) & judged["difference_vs_control"].notna()]
    unknown = len(judged) - len(idle) - len(tested)
    lines = []
    if len(tested):
        lower, higher, same, untold = (
            int((tested["verdict_vs_control"] == word).sum()) for word in (LOWER, HIGHER, SAME, OPEN)
        )
        why = {
            UNTOLD: "neither accuracy differs from chance",
            SEARCHED: "lambda was searched for each model, so the difference says nothing about the term",
        }
        reasons = [
            f" In {many} of the undecided cases {said}."
            for reason, said in why.items()
            if (many := int((tested["reason_vs_control"] == reason).sum()))
        ]
        said = _each(tested, "difference_vs_control", several, _points)
        lines.append(
            f"Compared with its matched control without the fairness term, {name} changes that share by {said}. After Holm's "
            f"correction it is, of {cases(len(tested), several)}, lower in {lower}, higher in {higher}, not materially different (by less "
            f"than {points(tested['margin'].iloc[0])}) in {same} and undecided in {untold}.{''.join(reasons)}"
        )
    if len(idle):
        lines.append(
            f"In {len(idle)} of {cases(len(judged), several)} the models of {name} are identical to those of its matched control without the fairness "
            f"term, so there is no difference to test: {listed(facet_name(row, several) for row in idle.to_dict('records'))}."
        )
    if unknown:
        lines.append(
            f"In {unknown} of {cases(len(judged), several)} {name} cannot be compared with its matched control, because no pair of victims is "
            f"left in which neither diverged."
        )
    return lines


def gaps(models: pd.DataFrame, *, tau: float) -> list[str]:
    """Return the sentences on accuracy gaps and on models that give all records one label, of an experiment that is about these alone."""
    name = focus(defences(select.of(models, role="victim")["defence"]))
    return [*_fairness(models, name, tau), *_constant(models, models["model"].nunique() > 1)]


def _fairness(models: pd.DataFrame, name: str | None, tau: float) -> list[str]:
    victims = main_rows(select.plain(select.of(models, role="victim")))
    shares, fairness, lost, several = {}, {}, [], False
    for defence in [one for one in ("none", name) if one]:
        part = select.of(victims, defence=defence)
        kept, gone = part[part["gap"].notna()], int((part["status"] == "diverged").sum())
        if len(kept):
            small = kept.assign(gap=(kept["gap"].abs() < tau).astype(float))
            by_case = small.groupby(select.FACET)[["gap", "delta_eo", "delta_eo_floor"]].mean()
            shares[defence], *fairness[defence] = by_case.mean().tolist()
            several = several or len(by_case) > 1
        if gone:
            lost.append(f"{gone} of {len(part)} under {defence}")
    left_out = f" Victims that diverged are left out: {listed(lost)}." if lost else ""
    if not shares:
        return ["The accuracy gap and Delta_EO are unknown." + left_out] if lost else []
    gaps = listed(f"{percent(share, 0)} of victims under {defence}" for defence, share in shares.items())
    rates = listed(f"{value:.3f} under {defence}" for defence, (value, _) in fairness.items())
    floors = listed(f"{floor:.3f} under {defence}" for defence, (_, floor) in fairness.items())
    return [
        f"{'On average over tasks and models, the' if several else 'The'} accuracy gap between the records of the two worlds is below {tau:g} for {gaps}. Mean Delta_EO is {rates}; by chance alone, "
        f"models without any difference between the groups would read {floors}.{left_out}"
    ]


def constant_shares(models: pd.DataFrame) -> pd.Series:
    """Return the share of victims that give all records one label, by task, model, pair of worlds and defence."""
    victims = select.differ(select.plain(select.of(models, role="victim")))
    keys = [victims[name] for name in (*select.FACET, *select.PAIR, "defence")]
    shares: pd.Series = (victims["status"] == "constant").groupby(keys).mean().rename("constant")
    return shares


def mostly_constant(shares: pd.Series) -> set[tuple]:
    """Return the keys of `constant_shares` under which most models give all records one label."""
    return set(shares[shares > MOSTLY].index)


def _constant(models: pd.DataFrame, several: bool) -> list[str]:
    """Say which victims often give all records one label: their Delta_EO is 0, which is not fairness."""
    shares = constant_shares(models)
    shares = shares[shares >= MANY].sort_values(ascending=False, kind="stable")
    if shares.empty:
        return []
    told = []
    for (task, model, *pair, defence), share in shares.head(MOST_CONSTANT).items():
        where = facet_name({"task": task, "model": model}, several)
        told.append(f"{percent(share, 0)} under {defence} on {where}, {select.Pair(*pair).label}")
    more = [f"{len(shares) - len(told)} more cells"] if len(shares) > len(told) else []
    return [f"Victims that give all records one label: {listed([*told, *more])}. Their {NO_FAIRNESS}."]


def _bounds(bounds: pd.DataFrame) -> list[str]:
    bounds = select.plain(bounds)
    bounds = select.differ(bounds)
    forms = ["literal_holds", "corrected_holds", "balanced_holds"]
    unknown = int(bounds[forms].isna().any(axis=1).sum())
    bounds = bounds.dropna(subset=forms)
    if bounds.empty:
        return [f"The bound is unknown for {count(unknown, 'model')}."] if unknown else []
    left_out = f" and {count(unknown, 'model')} with unknown sides" if unknown else ""
    share = {
        form: percent(float(bounds[f"{form}_holds"].astype(float).mean()))
        for form in ("literal", "corrected", "balanced")
    }
    return [
        f"The paper's bound on the gap, read literally, is not contradicted for {share['literal']} of models (equal "
        f"worlds{left_out} left out), its label-balanced form for {share['balanced']}, and the form corrected for label rates for "
        f"{share['corrected']}. None of these forms says anything about training-side leakage."
    ]


def _equal(leakage: pd.DataFrame) -> list[str]:
    leakage = select.plain(leakage)
    equal = select.alike(leakage[leakage["accuracy_low"].notna()])
    if equal.empty:
        return []
    outside, expected = away_from_half(equal)
    return [
        f"Check: if the two worlds are the same, {outside} of {count(len(equal), 'interval')} (95 %) exclude 50 %; about {expected} would "
        f"do so by chance alone."
    ]


def ranks(name: str) -> tuple[int, str]:
    """Return a sort key for a defence or an adversary: known names first, in the order of the figures."""
    for known in (list(DEFENCES), list(ADVERSARIES)):
        if name in known:
            return known.index(name), name
    return len(ADVERSARIES), name
