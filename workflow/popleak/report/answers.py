"""The sentences of the report's first screen, by rule from the rows of its table (`first`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..core.protocols import PURE
from ..figures import _select as select
from ..measures.verdicts import ABOVE, BELOW, COSTLY, HIGHER, IDLE, LEVEL, LOWER, MOSTLY, OPEN, SAME
from . import effects, findings, proven, whom
from .words import capital, count, facet_name, listed, percent, points

if TYPE_CHECKING:
    import pandas as pd

CHANGES = {
    LOWER: "lower", HIGHER: "higher", SAME: "not materially different", OPEN: "undecided",
    IDLE: "unchanged, as the models are the same,",
}  # fmt: skip
"""What is said of leakage, by verdict."""
ADDS = {
    HIGHER: "adds leakage on", LOWER: "removes some on", SAME: "makes no material difference on", OPEN: "is undecided on",
    IDLE: "changes no model on",
}  # fmt: skip
"""What is said of the fairness term, by verdict."""


def adversary(rows: Sequence[Mapping[str, Any]]) -> whom.Adversary:
    """Return whom these rows speak of: the best of several, informed or not, or the only one that was run."""
    names = [name for row in rows for name in row["adversaries"]]
    return whom.adversary(names, informed=all(row["informed"] for row in rows))


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


def headline(name: str, rows: Sequence[Mapping[str, Any]], main: pd.DataFrame, several: bool) -> str:
    """Return the answer in a few sentences: compared with no defence, under the defence and under the other fair ones where theirs
    differs, and what the fairness term has to do with it."""
    against_none = [row["against_none"] for row in rows if row["against_none"] is not None]
    judged = [row["verdict"] for row in rows if row["verdict"] is not None]
    said = [
        _than_none(name, against_none, several),
        *_others_than_none(name, against_none, main, several),
        _term(name, judged, several),
    ]
    return " ".join(one for one in said if one) or f"Nothing is known of what {name} changes."


def _than_none(name: str, verdicts: Sequence[str], several: bool) -> str:
    """Return whether leakage is lower than without a defence."""
    if not verdicts:
        return ""
    lower, of = verdicts.count(LOWER), findings.cases(len(verdicts), several)
    if lower == len(verdicts):
        return f"{name} lowers leakage compared with no defence."
    if lower:
        return f"{name} lowers leakage compared with no defence in {lower} of {of}."
    if set(verdicts) == {IDLE}:
        return f"{name} changes no model, so it does not lower leakage."
    if set(verdicts) <= {OPEN, IDLE}:
        return f"The data do not tell whether {name} lowers leakage compared with no defence."
    shown = "is shown to lower leakage in none" if OPEN in verdicts else "lowers leakage in none"
    return f"{name} {shown} of {of}, not even compared with no defence."


def _others_than_none(name: str, mine: Sequence[str], main: pd.DataFrame, several: bool) -> Iterator[str]:
    """Yield the same of each other fair defence of which it is another."""
    fair = main[main["verdict_vs_control"].notna() & main["verdict_vs_none"].notna() & (main["defence"] != name)]
    for other, part in fair.groupby("defence", sort=False):
        verdicts = list(part["verdict_vs_none"])
        if mine and sorted(verdicts) == sorted(mine):
            continue
        rows = [
            {"title": facet_name(row, several), "verdict": row["verdict_vs_none"]} for row in part.to_dict("records")
        ]
        idle = ", whose term changes no model here," if set(part["verdict_vs_control"]) == {IDLE} else ""
        yield f"Under {other}{idle} leakage is {_counts(rows, 'verdict', CHANGES, several)}."


def _term(name: str, verdicts: Sequence[str], several: bool) -> str:
    known = [word for word in verdicts if word != IDLE]
    if not known:
        return f"The fairness term of {name} changes no model here." if verdicts else ""
    lower, higher = known.count(LOWER), known.count(HIGHER)
    if lower == len(known):
        return "The fairness term itself lowers leakage further than its control does."
    if lower and higher:
        rest = [
            f"{said} in {known.count(word)}"
            for word, said in ((SAME, "makes no material difference"), (OPEN, "is undecided"))
            if word in known
        ]
        whole = findings.cases(len(known), several)
        return f"The fairness term itself, of {whole}, {listed([f'lowers leakage in {lower}', f'raises it in {higher}', *rest])}."
    if lower:
        return "The fairness term itself lowers leakage in some tasks, and is not shown to in others."
    if higher:
        shown = "is shown to lower" if OPEN in known else "lowers"
        return f"The fairness term itself {shown} leakage in no task, and raises it in some."
    if known.count(SAME) == len(known):
        return "The fairness term itself makes no difference that matters."
    return "The data do not tell whether the fairness term itself lowers leakage."


def _span(values: Iterable[float], said: Any) -> str:
    values = list(values)
    ends = list(dict.fromkeys(said(one) for one in (min(values), max(values))))
    unit = " points"
    if len(ends) > 1 and ends[0].endswith(unit):
        ends[0] = ends[0].removesuffix(unit)
    return " to ".join(ends)


def parts(
    name: str,
    statistic: str,
    rows: Sequence[Mapping[str, Any]],
    best: pd.DataFrame,
    several: bool,
    claims: pd.DataFrame | None = None,
) -> list[tuple[str, str]]:
    """Return the answer in parts, as pairs of a question and its answer. best: the rows of `best` with informed shadows; claims: the public
    table, None where it is not at hand."""
    main = findings.main_rows(best)
    found = [
        (f"Does {name} lower leakage?", _lowers(name, rows, several)),
        ("Against which adversary?", _adversaries(statistic, rows, several)),
        ("Is it the fairness term, or the mixing of rows?", _cause(rows, several)),
        ("At what price?", _price(rows)),
        ("And between other worlds?", _elsewhere(name, best, main, several)),
        ("And other fair defences?", _others(name, main, several)),
        ("Is anything proven?", proven.said(main, claims, several)),
        ("How sure is this?", _sure(rows)),
    ]
    return [(asked, said) for asked, said in found if said]


def _lowers(name: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    said = _counts(rows, "against_none", CHANGES, several)
    who = adversary(rows).said
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
    return f"{compared}{capital(who)} names the training population of {after} of the models{without}.{left}{worse}"


def _adversaries(statistic: str, rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    """Return which attacks name most, how much more `best` of them names than the paper's statistic, and what of that is due to its
    abstaining."""
    said = _names_most(rows, several)
    if not said:
        return ""
    ahead = [row for row in rows if row["ahead"]]
    own = ahead or [row for row in rows if adversary(rows).sole and row["statistic"]]
    parts = (
        said, _beyond(statistic, ahead) if ahead else "", _without_abstaining(own) if own else "", _unaware(rows),
    )  # fmt: skip
    return " ".join(one for one in parts if one)


def _unaware(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the best adversary names that takes the models for undefended ones, where that was run."""
    known = [row["unaware"] for row in rows if row["unaware"]]
    if not known:
        return ""
    return f"The best adversary that knows of no defence, and trains its own models without it, names {_span((one['value'] for one in known), percent)}."


def _names_most(rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    """Return which attacks name most, by name only, or which was run; empty where none was."""
    won = Counter(row["adversaries"][0] for row in rows if row["adversaries"]).most_common()
    if not won:
        return ""
    first, who = won[0][0], adversary(rows)
    plugin = plugins.find("attacks", first)
    about = f" ({first}: {plugin.summary})" if plugin else ""
    if who.sole:
        return f"Only one was run: {first}{about}." + who.informed * " It trains its own models with the defence."
    trains = ": it trains its own models with it" if who.informed else ""
    named = listed(f"{one} in {many}" for one, many in won)
    return f"Against {who.said}{trains}. The attack that names most is {named} of {findings.cases(len(rows), several)}{about}."


def _beyond(statistic: str, ahead: Sequence[Mapping[str, Any]]) -> str:
    """Return how much more than the paper's statistic the adversary names in these tasks, and how sure that is."""
    means = _span((row["statistic"]["value"] for row in ahead), percent)
    gains, above = _gains([row["ahead"] for row in ahead])
    sure = f"; the 95 % interval of this difference lies above 0 in {above}" if above else ""
    told = any(row["statistic"]["side"] == ABOVE for row in ahead)
    blind = not told and all(row["ahead"]["low"] > 0 for row in ahead)
    lesson = " So a small accuracy gap does not show that a model gives nothing away." if blind else ""
    more = "more" if all(row["ahead"]["value"] >= 0 for row in ahead) else "more (below 0: fewer)"
    return f"The adversary of the answer names {gains} points {more} than the paper's own statistic ({statistic}), which names {means}{sure}.{lesson}"


def _gains(ahead: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the span of these differences, in points, and in how many of those with an interval it lies above 0."""
    span = _span((one["value"] for one in ahead), lambda value: points(value, "").lstrip("+"))
    known = [one["low"] > 0 for one in ahead if one["low"] == one["low"]]
    return span, f"{sum(known)} of {len(known)}" if known else ""


def _without_abstaining(own: Sequence[Mapping[str, Any]]) -> str:
    """Return how often the paper's statistic abstains, what it would name if it did not, and what is then left of the difference. own:
    rows of tasks in which it was run."""
    if not any(row["statistic"]["abstained"] > 0 for row in own):
        return ""
    shares = _span((row["statistic"]["abstained"] for row in own), lambda value: percent(value, 0))
    said = f"The statistic abstains on {shares} of the models, and each of these counts as half right."
    if not any(row["sign"] for row in own):
        return said
    same = [row["sign"] or {"value": row["statistic"]["value"], "ahead": row["ahead"]} for row in own]
    value = _span((one["value"] for one in same), percent)
    said = f"{said} By the sign of its score, without abstaining, it would name {value}"
    if not all(row["ahead"] for row in own):
        return f"{said}."
    gains, above = _gains([one["ahead"] for one in same])
    sure = f", with an interval above 0 in {above}" if above else ""
    return f"{said}: the adversary names {gains} points more than that{sure}."


def _cause(rows: Sequence[Mapping[str, Any]], several: bool) -> str:
    """Return what the fairness term does, and what the control does, which trains on the same rows without it."""
    judged = [row for row in rows if row["verdict"] is not None]
    if not judged:
        return ""
    control = listed(dict.fromkeys(row["control"] for row in judged if row["control"])) or "of the same settings"
    term = ", ".join(_by_term(judged, several))
    known = [row for row in judged if row["before"] and row["beside"]]
    if not known:
        return f"The term {term}. The control, {control}, trains on the same rows without it."
    return (
        f"{_by_rows(known, several)}; the term {term}. The rows alone are the control, {control}, which trains on the "
        f"same rows without the fairness term."
    )


def _by_term(judged: Sequence[Mapping[str, Any]], several: bool) -> Iterator[str]:
    """Yield what the fairness term does, and in which tasks, for each verdict that there is."""
    for word, text in ADDS.items():
        mine = [_sized(row) for row in judged if row["verdict"] == word]
        if mine:
            yield f"{text} {listed(mine) if len(mine) <= findings.MOST_CONSTANT else count(len(mine), 'case' if several else 'task')}"


def _by_rows(known: Sequence[Mapping[str, Any]], several: bool) -> str:
    """Return how far the rows alone change leakage, and whether that is shown to be more than the term does. known: rows of tasks
    whose accuracy is known without a defence and under the control."""
    drops = [row["before"]["value"] - row["beside"]["value"] for row in known]
    words = [{"title": row["title"], "which": effects.larger(row)} for row in known]
    found = {word["which"] for word in words}
    which = found.pop() if len(found) == 1 else _counts(words, "which", {word: word for word in effects.WORDS}, several)
    judged = [row["rows"]["verdict"] for row in known]
    if set(judged) == {LOWER}:
        moved = f"lower it by {_span(drops, lambda value: f'{100 * value:.1f} points')}"
    else:
        untold = judged.count(OPEN)
        undecided = f", undecided in {untold} of {findings.cases(len(judged), several)}" if untold else ""
        moved = f"change it by {_span([-one for one in drops], points)}{undecided}"
    return f"{capital(which)}: the rows alone {moved}"


def _sized(row: Mapping[str, Any]) -> str:
    """Return a task's name with what the fairness term changes there."""
    change = _change(row)
    return f"{row['title']} ({change['text']})" if change else row["title"]


def _change(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the fairness term changes in a task; None where that is unknown, or where no model changes."""
    return None if row["verdict"] == IDLE else row["change"]


def _price(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say where the models pay much; empty where that is not known."""
    if any(row["price"] is None for row in rows):
        return ""
    costs = [row["cost"] for row in rows if row["cost"] == row["cost"]]
    control = (
        f" Against the control, which trains on the same rows, mean accuracy changes by {_span(costs, points)}."
        if costs
        else ""
    )
    paid = [f"on {row['title']} {' and '.join(row['price'])}" for row in rows if row["price"]]
    if not paid:
        return (
            f"Nowhere do more than {100 * MOSTLY:.0f} % of these models give every record one label, and nowhere does mean accuracy fall by more "
            f"than {100 * COSTLY:g} points against no defence.{control}"
        )
    useless = any("one label" in line for row in rows for line in row["price"])
    lesson = " A model that gives every record one label treats both groups alike, and is of no use." if useless else ""
    return f"Compared with no defence, {'; '.join(paid)}.{lesson}{control}"


def _elsewhere(name: str, best: pd.DataFrame, main: pd.DataFrame, several: bool) -> str:
    """Return what is found in the pairs of worlds that the table does not show, a sentence or two each."""
    shown = set(main[[*select.FACET, *select.PAIR]].itertuples(index=False, name=None))
    said = []
    for pair in select.pairs(best):
        there = select.of_pair(best, pair)
        keep = [key not in shown for key in there[[*select.FACET, *select.PAIR]].itertuples(index=False, name=None)]
        there = there[keep].sort_values([*select.FACET], kind="stable")
        mine, raw = select.of(there, defence=name), select.of(there, defence="none")
        if mine.empty:
            continue
        rows = [{"title": facet_name(row, several), **row} for row in mine.to_dict("records")]
        than = [
            f"compared with {what}, {_counts(known, key, CHANGES, several)}"
            for key, what in (("verdict_vs_none", "no defence"), ("verdict_vs_control", "its control"))
            if (known := [row for row in rows if isinstance(row[key], str)])
        ]
        without = f"; without a defence, of {_span(raw['accuracy'], percent)}" if len(raw) else ""
        said += [f"In worlds of {pair.label}, leakage under {name} is, {'; '.join(than)}."] if than else []
        said.append(
            f"There that adversary names the population of {_span(mine['accuracy'], percent)} of the models{without}."
        )
    return " ".join(said)


def worlds(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what the names of worlds mean, for those that are shown."""
    said = "The worlds give the share of group 1 among the rows that a model is trained on."
    if any(row["protocol"] == PURE for row in rows):
        said += " Pure: 0 vs 1 means one group only: which of the two it was is to be named."
    return said


def _others(name: str, main: pd.DataFrame, several: bool) -> str:
    """Return what is to be said of the other fair defences, in the same pairs of worlds."""
    said = []
    judged = main[main["verdict_vs_control"].notna() & (main["defence"] != name)]
    for other, part in judged.groupby("defence", sort=False):
        rows = [
            {"title": facet_name(row, several), "verdict": row["verdict_vs_control"]} for row in part.to_dict("records")
        ]
        counts = _counts(rows, "verdict", CHANGES, several)
        after = _span(part["accuracy"], percent)
        said.append(f"Compared with its control, leakage under {other} is {counts}; {after} of its models are named.")
    return " ".join(said)


def _sure(rows: Sequence[Mapping[str, Any]]) -> str:
    victims, splits = (_span((row[key] for row in rows), lambda value: f"{value:,}") for key in ("victims", "splits"))
    said = (
        f"{victims} models a task and defence, from {count(splits, 'random division')} of the data. A verdict needs p < {LEVEL:g} after "
        f"Holm's correction for all such comparisons."
    )
    changes = [change for row in rows if (change := _change(row))]
    halves = [(change["high"] - change["low"]) / 2 for change in changes if change["low"] == change["low"]]
    width = (
        f" The differences from the control are known to \u00b1{_span(halves, lambda value: f'{100 * value:.1f}')} points."
        if halves
        else ""
    )
    known = [row["p"] for row in rows if row["p"] == row["p"] and row["verdict"] in (LOWER, HIGHER)]
    largest = f" The least certain verdict of lower or higher has p = {max(known):.1g}." if known else ""
    return f"{said}{width}{largest} This holds for other draws from the same tables, in the worlds named here, and not for every population."
