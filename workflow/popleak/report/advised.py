"""The sentences of an audit's page, by rule from its lights and from the table `defences`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import plugins
from ..core.protocols import PURE
from ..figures import _defences as defended
from ..figures import _select as select
from ..measures.learnt import RANKS, TEACHES
from ..measures.lights import (
    ALIKE,
    CLEAR,
    DULL,
    FEW,
    FLOOR,
    LEAK,
    LOST,
    OPEN,
    PLACEBO,
    SMALL,
    farthest,
    nearest,
)
from ..steps.advise import Asked
from . import chosen
from .lights import Lit, is_own
from .words import capital, count, facet_name, listed

if TYPE_CHECKING:
    import pandas as pd

MOST = 12
"""Names that a sentence lists; of more it gives the number."""


def of_100(value: float) -> str:
    """Return a share as cases of 100."""
    return f"{100 * value:.0f}"


def sides(lit: Lit, asked: Asked) -> str:
    """Return the two training sets that are told apart, as in 'an all-men from an all-women training set'."""
    return apart(lit.pair, asked)


def apart(pair: select.Pair, asked: Asked) -> str:
    """Return the same of two worlds."""
    zero, one = asked.groups
    if pair.protocol == PURE:
        if all(re.fullmatch(r"\w[\w-]*", name) for name in (zero, one)):
            return f"{_article(f'all-{zero}')} from {_article(f'all-{one}')} training set"
        return f"a training set of {zero} alone from one of {one} alone"
    low, high = (_share(ratio) for ratio in (pair.ratio_0, pair.ratio_1))
    return f"a training set with {low} {one} from one with {high}"


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _share(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"


def seen(access: str) -> str:
    """Return what an adversary sees, in the plugin's words."""
    return str(plugins.load("access", access).summary)


def sentence(lit: Lit, asked: Asked) -> str:
    """Return the sentence on one light."""
    who = f"Whoever sees {seen(lit.access).replace('the model', 'your model')}"
    told = f"{of_100(lit.accuracy.value)} of 100 cases ({_numbers(lit)})"
    if lit.light.word == LEAK:
        return f"{who} can tell {sides(lit, asked)} in {told}."
    if lit.light.word == CLEAR:
        return f"{who} hardly tells {sides(lit, asked)}: it is right in {told}."
    return (
        f"These data cannot say whether {who[0].lower()}{who[1:]} can tell {sides(lit, asked)}: it is right in {told}."
    )


def _numbers(lit: Lit) -> str:
    low, high = lit.accuracy.low, lit.accuracy.high
    interval = f"{of_100(low)} to {of_100(high)}; " if low == low else ""
    most = farthest(lit.placebos)
    mixed = f"; on shuffled groups up to {of_100(0.5 + most / 2)}" if lit.placebos else ""
    return f"{interval}guessing is 50{mixed}"


def question(lit: Lit, share: float | None) -> str:
    """Return in plain words which question a light answers. share: of group 1 in the table, where it is known."""
    if is_own(lit.pair, share):
        return "The question nearest to a release, your table's own share"
    if lit.pair.protocol == PURE:
        return "The extreme question, one group alone (it says little about smaller differences)"
    return "Another mixture"


def headlines(lits: Sequence[Lit], asked: Mapping[str, Asked], shares: Mapping[str, float]) -> list[tuple[Lit, str]]:
    """Return the first sentences, with their lights: for each task and model its first question, and before it, where that shows no leak and another
    does, the first of these; those that show a leak come first. Whoever reads one sentence reads the one that forbids a release."""
    several = len({lit[:2] for lit in lits}) > 1
    found = []
    for lit in first(lits):
        leaks = [one for one in lits if one[:2] == lit[:2] and one.light.word == LEAK]
        both = [lit] if lit.light.word == LEAK or not leaks else [first(leaks)[0], lit]
        for one in both:
            said = f"{question(one, shares.get(one.task))}: {_lower(sentence(one, asked[one.task]))}"
            found.append((one, f"{facet_name(one._asdict(), True)}: {said}" if several else said))
    return sorted(found, key=lambda pair: pair[0].light.word != LEAK)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def trained(lits: Sequence[Lit], asked: Mapping[str, Asked], sizes: Mapping[str, int]) -> str:
    """Return what was trained on how many rows, and of what the lights therefore do not speak. sizes: rows of the tables, where they are known."""
    said = []
    for task, some in by_task(lits).items():
        names, rows = listed(dict.fromkeys(f"`{lit.model}`" for lit in some)), asked[task].rows
        of = f" of the {sizes[task]:,} rows with a label and a group" if task in sizes else " rows"
        said.append(f"the models {names} of {task} were trained on {rows:,}{of} each")
    line = capital(f"{'; '.join(said)}.")
    if any(2 * asked[task].rows < size for task, size in sizes.items()):
        line += (
            " A model that you release sees more rows than these, if it is trained on the table. The lights speak of models of this size: one that sees "
            "more may give away more, or less."
        )
    return line


def first(lits: Sequence[Lit]) -> list[Lit]:
    """Return the light that stands for each task and model: the first question, of black boxes the one that sees most; where that is red for what
    whoever sees less can do, the light of the latter, whose numbers show it."""
    found: dict[tuple[str, str], Lit] = {}
    for lit in lits:
        there = found.get((lit.task, lit.model))
        if there is None or (lit.pair == there.pair and plugins.load("access", lit.access).black_box):
            found[lit.task, lit.model] = lit
    shown = {(*lit[:3], lit.access): lit for lit in lits}
    return [shown.get((*lit[:3], lit.implied), lit) for lit in found.values()]


def by_task(lits: Sequence[Lit]) -> dict[str, list[Lit]]:
    """Return the lights of each task, in their order."""
    found: dict[str, list[Lit]] = {}
    for lit in lits:
        found.setdefault(lit.task, []).append(lit)
    return found


def tally(lits: Sequence[Lit], margin: float) -> str:
    """Return how many lights there are of each word, and what the words mean with this margin."""
    words = [lit.light.word for lit in lits]
    counted = listed(f"{words.count(word)} {word}" for word in (LEAK, OPEN, CLEAR) if word in words)
    return (
        f"{count(len(lits), 'light')}: {counted}. Green: the whole 95 % interval lies within {margin:g} of advantage, which is {of_100(0.5 + margin / 2)} of "
        f"100 cases where guessing is 50. Red: a leak is shown, at least a small one. Grey: the data cannot say, which is no acquittal."
    )


def reason(lit: Lit, asked: Asked) -> str:
    """Return why a light is grey, and how many models would do; of other lights what stands beside the word."""
    light = lit.light
    if lit.implied:
        return f"whoever sees {seen(lit.implied)} can do it, and so can who sees more; the attacks with more did not show it by themselves"
    if light.word == LEAK:
        size = "all of the interval is beyond the margin" if light.material else "its size may be below the margin"
        return size if light.beyond is not None else f"{size}; no placebos were run, so it may come from this one table"
    if light.word == CLEAR:
        return "a leak is shown, smaller than the margin" if light.shown else "no leak above the margin"
    if light.reason.startswith(PLACEBO):
        most = farthest(lit.placebos)
        return (
            f"with shuffled groups the same adversary reads up to {of_100(0.5 + most / 2)} of 100, so what it reads may come from this one table and not "
            "from its groups"
        )
    if light.reason.startswith(SMALL):
        return f"the models are too small to say that nothing leaks: {asked.rows} rows each, and a light is green from {FLOOR} on. Give a larger table"
    if light.reason in (DULL, ALIKE):
        return _dull(lit)
    if light.reason.startswith((FEW, LOST)):
        return f"{light.reason}{_enough(lit, asked)}"
    if light.beyond is False and nearest(lit.found) > 0:
        return f"the interval reaches down to what shuffled groups give, {of_100(0.5 + farthest(lit.placebos) / 2)} of 100{_enough(lit, asked)}"
    return f"the interval is too wide{_enough(lit, asked)}"


def _dull(lit: Lit) -> str:
    """Return why models that tell nothing apart are no sign of safety."""
    if lit.light.reason == ALIKE:
        return f"{100 * lit.constant:.0f} % of the models give every record one label, so that their labels say nothing, whatever they were trained on"
    return f"the models have hardly learnt, so that nothing is read of them says nothing: {_lesson(lit)}"


def _lesson(lit: Lit) -> str:
    """Return what share of rows the models are right about, beside one answer for all and a regression."""
    if lit.reference is None:
        return f"right about {100 * lit.useful:.1f} % of rows"
    constant, reached, auc = lit.reference
    said = f"right about {100 * lit.useful:.1f} % of rows, one answer for all {100 * constant:.1f} %"
    if reached == reached:
        said += f", a logistic regression of as many rows {100 * reached:.1f} %"
    return f"{said} (AUC {lit.auc:.2f}, the regression's {auc:.2f})" if auc == auc and lit.auc == lit.auc else said


def _lessons(lits: Sequence[Lit]) -> list[str]:
    """Return what the undefended models have learnt, for each task and model in its first question."""
    known = [lit for lit in first(lits) if lit.reference is not None]
    if not known:
        return []
    told = [f"{lit.model} of {lit.task} is {_lesson(lit)}" for lit in known]
    return [
        f"What models have not learnt they cannot give away: an undefended {'; an undefended '.join(told)}. Where the "
        f"regression gains {100 * TEACHES:g} points of accuracy or {RANKS:g} of AUC, and models less than half of that, no light of them is green."
    ]


WORSE = 0.005
"""Models whose accuracy is lower than that of one answer for all by more than this are pointed out."""
FEASIBLE = 10
"""A run of more than so many times the pool splits is not advised."""


def victims_for(lit: Lit, asked: Asked) -> float:
    """Return how many models of both training sets the splits that would decide a light hold; NaN where that is not known."""
    return lit.light.splits * 2 * asked.victims / asked.splits


def _enough(lit: Lit, asked: Asked) -> str:
    if math.isnan(lit.light.splits):
        return ""
    if lit.light.splits > FEASIBLE * asked.splits:
        return f"; it would take {lit.light.splits:,.0f} pool splits, more than is worth waiting for"
    return (
        f": {lit.light.splits:.0f} pool splits would do ({victims_for(lit, asked):,.0f} models, half of them of each training set), if the estimate stays "
        "what it is"
    )


def who(lits: Sequence[Lit], asked: Asked) -> list[tuple[str, str]]:
    """Return for each access who that is, what it used, and what it needs, as a term and a text."""
    found = []
    for access in dict.fromkeys(lit.access for lit in lits):
        mine = [lit for lit in lits if lit.access == access]
        most = dict.fromkeys(lit.most for lit in mine)
        candidates = dict.fromkeys(name for lit in mine for name in lit.attacks)
        said = f"Sees {seen(access)}. Tried: {listed(candidates)}; most is named by {listed(most)}.{_needs(list(candidates), asked)}"
        found.append((access, f"{said} Asks {2 * asked.query_rows:,} questions at most."))
    return found


def _needs(attacks: Sequence[str], asked: Asked) -> str:
    """Return what an adversary with these attacks must know and have."""
    said, free = "", [name for name in attacks if name not in asked.learning]
    if len(free) < len(attacks):
        said = (
            f" Knows how the model was trained, and with which defence. Needs rows of its own from the same population, and trains {asked.shadows} "
            f"models of each of the two kinds, {asked.rows} rows each."
        )
    if free:
        said += f" Of these, {listed(free)} {'needs no models of its own' if len(free) == 1 else 'need no models of their own'}."
    return said


def best_of(defences: pd.DataFrame) -> dict[tuple, list[str]]:
    """Return the best defences of each case, by the rule of the report: those that hide the world, of each kind of access the cheapest."""
    rows = select.differ(defences[(defences["poison"].fillna(0.0) == 0).to_numpy()])
    rows = chosen.applicable(rows[rows["informed_advantage"].notna()])[0]
    found: dict[tuple, list[str]] = {}
    for road in chosen.ROADS if len(rows) else ():
        for choice in chosen.choose(rows[rows["defence"] != "none"], road):
            if choice.names:
                found.setdefault(choice.case, []).append(choice.names[0])
    return found


def sure(lits: Sequence[Lit], asked: Mapping[str, Asked]) -> list[str]:
    """Return how sure the lights are, and what would make them surer."""
    designs = [
        f"{name}: {count(one.splits, 'random division')} of the table, {2 * one.victims:,} models attacked in each question, {one.shadows} of the adversary's "
        f"own for each division and side"
        for name, one in asked.items()
    ]
    widths = [lit.accuracy.high - lit.accuracy.low for lit in lits if lit.accuracy.low == lit.accuracy.low]
    known = f" The intervals are {of_100(min(widths))} to {of_100(max(widths))} cases of 100 wide." if widths else ""
    return [
        f"{'; '.join(designs)}.{known} Four times as many divisions halve them.",
        *_lessons(lits),
        "Each interval is at 95 % on its own. A red light is corrected for their number (Holm). A green one needs no correction, as a release rests on all "
        "of them: the page is green only if every light is.",
        "All of it holds for models trained on other draws from this table, by this procedure and of this size. The one model that you release is such a draw: "
        "a light says how often adversaries are right about such models, not what they say of yours.",
    ]


def prices(defences: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the table of defences: what each one leaves, and its price, by task, model and worlds."""
    rows = select.differ(defences[(defences["poison"].fillna(0.0) == 0).to_numpy()])
    best = best_of(defences)
    found = []
    for row in rows.to_dict("records"):
        case = tuple(row[name] for name in chosen.CASE)
        found.append({**row, "case": case, "best": row["defence"] in best.get(case, ()), "usable": None})
    for row, usable in zip(found, defended.usable(rows), strict=True):
        row["usable"] = bool(usable)
    return found


def worse(lits: Sequence[Lit]) -> list[str]:
    """Return a line for each task and model that is right less often than one answer for all, in its first question."""
    return [
        f"The models {lit.model} of {lit.task} are right about {100 * lit.useful:.1f} % of rows, less than one answer for all, {100 * lit.reference.constant:.1f} %: "
        "they are overfitted, or their training sets are unlike the table."
        for lit in first(lits)
        if lit.reference is not None and lit.useful < lit.reference.constant - WORSE
    ]


def mind(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line where most undefended models are of no use, so that lights say little."""
    useless = [
        f"{row['task']} ({select.Pair(row['protocol'], row['ratio_0'], row['ratio_1']).label})"
        for row in rows
        if row["defence"] == "none" and not row["usable"]
    ]
    if not useless:
        return []
    return [
        f"Most models of {listed(useless)} give every record one label or diverged: as classifiers they are of no use, and their labels say nothing."
    ]
