"""What a practitioner may conclude on defences: a few sentences by rule from the table `defences`, and nothing else.

The rule is that of `report/chosen.py`. Each recommendation tells of how many it was chosen, in how many cases, and what it costs in
accuracy where `measures.verdicts.price` asks for it. What holds of one task or one setting alone, or is not shown, is not called a finding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..figures import _defences as defended
from ..figures import _select as select
from ..figures._defences import DIVERGED, SMALL
from ..measures.verdicts import BELOW, MOSTLY, price
from . import chosen
from .chosen import Choice, Common, choose
from .words import count, listed, number, points

if TYPE_CHECKING:
    import pandas as pd

STARTS = {
    "training": "With access to the training", "post-hoc": "From a trained model, without access to its training",
    "public": "With public rows besides, labelled and of the same population",
}  # fmt: skip
"""What a sentence begins with, by what a defence needs (`chosen.ROADS`)."""
SUBJECTS = {"training": "access to the training", "post-hoc": "a trained model", "public": "public rows"}
"""What a sentence is about, likewise."""
MOST = 4
"""Defences or cases that a sentence names at most."""


WORDS_OF_OWNERS = (
    (r"rows of S_0", "rows of the model's own training set"), (r"the other world", "the other training set"), (r"\bM_0's\b", "the model's"), (r"\bof a case together", "of a question together"), (r"\bthe world\b", "the training set"),
    (r"pure: 0 vs 1", "one group alone against the other"), (r"ratio: ([0-9.]+) vs ([0-9.]+)", r"shares \1 against \2"),
    (r"\bworlds\b", "training sets"), (r"\b(in|of) (all )?([0-9]+) cases?\b", r"\1 \2\3 questions"), (r"where any hides", "where any of them hides"),
)  # fmt: skip
"""What this module calls its objects, as patterns, and what they are called on an owner's page."""


def plainly(table: pd.DataFrame) -> list[str]:
    """Return the sentences on what to use, in an owner's words: without what compares the ways to train again, and without their scope as findings."""
    rows, out, choices = _by_road(table)
    if out and not choices:
        return [
            "Which defence is the best is not said: most undefended models give every record one label, so that a defence may do so too. What each leaves and "
            "costs stands in the table."
        ]
    said = [_sentence(STARTS[road], some) for road, some in choices.items()]
    said += [*_useless(rows), *_chosen(choices)] if choices else []
    for pattern, words in WORDS_OF_OWNERS:
        said = [re.sub(pattern, words, line) for line in said]
    return said


def sentences(table: pd.DataFrame) -> list[str]:
    """Return the sentences: one for each kind of access, what both together say of retraining, how it was chosen, and of what they are true."""
    rows, out, choices = _by_road(table)
    left = [
        f"Not judged are {_some([_named(case) for case in out])}, where most undefended models give every record one label, so that no defence "
        f"need tell records apart."
    ] if out else []  # fmt: skip
    if not choices:
        return left
    said = [_sentence(STARTS[road], some) for road, some in choices.items()]
    return [*said, *_retraining(choices), *left, *_useless(rows), *_chosen(choices), _scope(rows, choices)]


def findings(table: pd.DataFrame) -> list[str]:
    """Return of the sentences on what to use those that hold on more than one task and at more than one setting, with where."""
    choices, said = _by_road(table)[2], []
    for road, some in choices.items():
        held = _held(some)
        if held:
            tasks = list(dict.fromkeys(one.case[0] for one in held))
            said.append(f"{_sentence(STARTS[road], held)[:-1]} (tasks {listed(tasks)}).")
    return said


def _by_road(table: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple], dict[str, list[Choice]]]:
    """Return the rows that count, the cases that do not, and what is best in each case for whoever has what `chosen.ROADS` names; nothing where
    no defence was run."""
    rows = select.differ(table[(table["poison"].fillna(0.0) == 0).to_numpy()])
    rows = rows[rows["informed_advantage"].notna()]
    rows, out = chosen.applicable(rows)
    if not (rows["defence"] != "none").any():
        return rows, out, {}
    choices = {road: choose(rows, road) for road in chosen.ROADS}
    if not any(len(one.ran) for one in choices["public"]):
        del choices["public"]
    return rows, out, choices if any(len(one.ran) for some in choices.values() for one in some) else {}


def _sentence(start: str, choices: Sequence[Choice]) -> str:
    """Return what to use with one kind of access."""
    choices = [one for one in choices if len(one.ran)]
    if not choices:
        return f"{start}: no such defence was run."
    able = [one for one in choices if one.names]
    if not able:
        return _nothing(start, choices)
    common = chosen.common(choices)
    if common is None:
        several = len({name for one in choices for name in one.tried})
        where = f"all {len(choices)} cases"
        if len(able) < len(choices):
            where = f"the cases where any hides the world, {len(able)} of {len(choices)}"
        return f"{start}, no one of the {several} defences tried is best throughout {where}: {_by_case(able)}."
    named, where = f"{common.names[0]} ({_tried(common.able)})", _where(common, choices)
    facts = f"{_facts(common)}{_beside(common)}{_mind(chosen.rows_of(common.names[0], common.able))}"
    facts += _elsewhere(common, choices)
    if all(one.shown for one in common.able):
        return f"{start}, use {named}{where}: {facts}."
    return (
        f"{start}, the data do not decide: the most accurate defence under which the best informed adversary is not distinguished from chance is "
        f"{named}{where}, but it is not shown to hide the world: {facts}."
    )


def _where(common: Common, choices: Sequence[Choice]) -> str:
    """Return in which cases a defence is the best, of those that ran it."""
    ran, able = common.cases, common.able
    if len(ran) == len(choices):
        return _all(choices) if len(able) == len(ran) else _some_of(able, ran)
    that = f"{len(ran)} of {_cases(len(choices))} that ran it"
    if len(ran) == 1:
        that = f"1 of {_cases(len(choices))}, which alone ran it"
    return (
        f" in the {that}"
        if len(able) == len(ran)
        else f" in {len(able)} of the {that} (in the others none hides the world)"
    )


def _some_of(able: Sequence[Choice], choices: Sequence[Choice]) -> str:
    return f" in {len(able)} of {_cases(len(choices))} (in the others none hides the world)"


def _tried(able: Sequence[Choice]) -> str:
    """Return how many defences a case chose from."""
    many = [len(one.ran) for one in able]
    said = _span(many, str)
    return "the only one tried" if said == "1" else f"of {said} tried"


def _beside(common: Common) -> str:
    """Return what is as good in accuracy as the defence that is named, in at least half of its cases."""
    able = common.able
    ties = Counter(other for one in able for other in one.names if other != common.names[0])
    where = [
        other if many == len(able) else f"{other} in {many} of {_cases(len(able))}"
        for other, many in ties.items()
        if 2 * many >= len(able)
    ]
    if not where:
        return ""
    return f"; in accuracy it cannot be distinguished from {_some(where)}{_at_what_cost(common.names[0], ties, able)}"


def _at_what_cost(name: str, others: Iterable[str], able: Sequence[Choice]) -> str:
    """Return whether defences that are as good cost as much as the one that is named, in the cases where they are."""
    costs = []
    for other in others:
        there = [one for one in able if other in one.names]
        costs.append((chosen.spent(other, there), chosen.spent(name, there)))
    if not all(max(pair) < float("inf") for pair in costs):
        return ", whose costs are not all known"
    return ", at no lower cost" if all(other >= own for other, own in costs) else ""


def _nothing(start: str, choices: Sequence[Choice]) -> str:
    """Say that nothing hides the world, and what leaks least."""
    whole = sum(len(one.ran) for one in choices)
    left = sum(int(defended.usable(one.ran).sum()) for one in choices)
    which = "none of the defences that were run" + ("" if left == whole else " and are of use")
    known = [one.least for one in choices if one.least is not None]
    if not known:
        return f"{start}, none of the defences that were run is of use{_all(choices)}."
    lowest = min(known, key=_leak)
    inverted = ", who need only answer the opposite" if lowest["against_chance"] == BELOW else ""
    return (
        f"{start}, {which} hides the world{_all(choices)}: the least that leaks is {lowest['defence']}, with an advantage of "
        f"{number(_leak(lowest), 2)} for the best informed adversary{inverted}."
    )


def _leak(row: pd.Series) -> float:
    return float(defended.leak(row.to_frame().T)[0])


def _facts(common: Common) -> str:
    """Return what a defence does to accuracy, what it costs, and how surely it hides the world."""
    rows = chosen.rows_of(common.names[0], common.able)
    changes = [float(row["accuracy_vs_none"]) for row in rows]
    change = "by how much accuracy changes is not known"
    if all(value == value for value in changes):
        # what rounds to nothing has no sign
        change = f"accuracy changes by {_span(changes, lambda value: points(value if abs(value) >= 5e-4 else 0.0, ''))} points"
    return f"{change}, {_cost(rows)}{_needs(rows)}, and {_sure(rows)}"


def _needs(rows: Sequence[pd.Series]) -> str:
    """Return what whoever applies a defence must have."""
    told = [str(row["needs"]) for row in rows if isinstance(row.get("needs"), str)]
    return f", it needs {told[0]}" if told else ""


def _cost(rows: Sequence[pd.Series]) -> str:
    times = [float(row["seconds_reference"]) / float(row["seconds_base"]) for row in rows]
    if not all(value == value for value in times):
        return "what it costs is not known"
    cost = _span(times, lambda value: f"{value:.3g}")
    return f"it costs {'as much as' if cost == '1' else f'{cost} times'} the training of the base model"


def _sure(rows: Sequence[pd.Series]) -> str:
    """Return how surely a defence hides the world in cases with these rows."""
    proven = [bool(row["certified_advantage"] <= SMALL) for row in rows]
    open_ = [row for row, so in zip(rows, proven, strict=True) if not so]
    if not open_:
        return "it is certified" if len(rows) == 1 else "it is certified in all of them"
    limits = [abs(float(row[f"informed_advantage_{end}_all"])) for row in open_ for end in ("low", "high")]
    up_to = "no interval of its advantage is known"
    if all(value == value for value in limits):
        up_to = f"an advantage of up to {number(max(limits), 2)} is not excluded"
    return f"it is certified in {sum(proven)} of them, and {up_to} in the others" if any(proven) else up_to


def _mind(rows: Sequence[pd.Series], start: str = "; mind that ") -> str:
    """Return the price of a defence in the worst of these cases, where it must be told."""
    known = [float(row["accuracy_vs_none"]) for row in rows if row["accuracy_vs_none"] == row["accuracy_vs_none"]]
    lines = price(max(float(row["constant"]) for row in rows), -min(known) if known else float("nan"))
    return f"{start}{listed(lines)}{' in the worst of them' if len(rows) > 1 else ''}" if lines else ""


def _by_case(able: Sequence[Choice]) -> str:
    """Return the cheapest of the best in each case, by defence, and its price."""
    places: dict[str, list[Choice]] = {}
    for one in able:
        places.setdefault(one.names[0], []).append(one)
    shown = []
    for name, where in places.items():
        mind = _mind(chosen.rows_of(name, where), "mind that ")
        shown.append(f"{name} on {_some([_named(one.case) for one in where])}" + (f" ({mind})" if mind else ""))
    doubt = "" if all(one.shown for one in able) else "; not in every case is it shown that they hide the world"
    return f"{_some(shown)}{doubt}"


def _elsewhere(common: Common, choices: Sequence[Choice]) -> str:
    """Return what is best in the cases that did not run the defence that is named, and where nothing is."""
    ran = {one.case for one in common.cases}
    others = [one for one in choices if one.case not in ran]
    able = [one for one in others if one.names]
    said = f"; elsewhere the best is {_by_case(able)}" if able else ""
    none = [_named(one.case) for one in others if not one.names]
    return said + (f"; on {_some(none)} none of those that were run hides the world" if none else "")


WINS, LOSES, EQUAL, ALONE, BEHIND, LEAKS = "wins", "loses", "equal", "alone", "behind", "leaks"
WORDS = {
    WINS: "wins",
    LOSES: "is less accurate than the best that starts from a model",
    EQUAL: "cannot be distinguished in accuracy from the best that starts from a model",
    ALONE: "is shown to hide the world, and nothing that starts from a model is",
    BEHIND: "is not shown to hide the world, and something that starts from a model is",
    LEAKS: "does not hide the world",
}
"""What is said of training again on the mixture, beside all that starts from a model."""


def _compared(trained: Choice, after: Choice) -> str | None:
    """Return how training again on the mixture compares with the best that starts from a model; None where either was not run."""
    mixture = chosen.best_of(trained.case, chosen.retrained(trained.ran))
    if not len(mixture.ran) or not len(after.ran):
        return None
    if not mixture.names:
        return LEAKS
    if not after.names:
        return WINS
    if mixture.shown != after.shown:
        return ALONE if mixture.shown else BEHIND
    one, rival = (rows.loc[rows["accuracy"].idxmax()] for rows in (mixture.best, after.best))
    if rival["accuracy_vs_none_high"] < one["accuracy_vs_none_low"]:
        return WINS
    return LOSES if rival["accuracy_vs_none_low"] > one["accuracy_vs_none_high"] else EQUAL


def _retraining(choices: dict[str, list[Choice]]) -> list[str]:
    """Say where training again on the mixture beats all that starts from a model, and where that is open."""
    pairs = zip(choices["training"], choices["post-hoc"], strict=True)
    found = Counter(word for word in (_compared(*pair) for pair in pairs) if word)
    whole = found.total()
    if not whole:
        return []
    besides = " and takes no public rows" if "public" in choices else ""
    if found[WINS] == whole:
        where = "" if whole == 1 else f" in all {whole} cases"
        return [
            f"Retraining on the mixture wins{where}: no defence that starts from a model{besides} hides the world and is as accurate."
        ]
    only = " (of those without public rows)" if besides else ""
    if len(found) == 1:
        where = "" if whole == 1 else f", in all {whole} cases{only},"
        return [f"Retraining on the mixture{where} {WORDS[next(iter(found))]}."]
    said = [f"in {found[word]} it {text}" for word, text in WORDS.items() if found[word]]
    return [f"Retraining on the mixture, in {_cases(whole)}{only}: {'; '.join(said)}."]


def _useless(rows: pd.DataFrame) -> list[str]:
    """Name the defences that are recommended in no case where their models are of no use."""
    others, said = rows[rows["defence"] != "none"], []
    for column, most, what in (("diverged", DIVERGED, "victims diverged"), ("constant", MOSTLY, "models give every record one label")):  # fmt: skip
        names = list(dict.fromkeys(others.loc[others[column] > most, "defence"]))
        if names:
            said.append(f"more than {100 * most:g} % of the {what} ({_some(names)})")
    return [f"Left out, in the cases concerned, are defences of which {' or '.join(said)}."] if said else []


def _chosen(choices: dict[str, list[Choice]]) -> list[str]:
    """Say what choosing among several on one set of victims does to what is said of the chosen."""
    if not any(len(one.ran) > 1 and one.names for some in choices.values() for one in some):
        return []
    return [
        "Limits of advantages allow for all uncertified defences of a case together. The most accurate of several was chosen on the same victims that "
        "measured it, so that its accuracy is flattered."
    ]


def _scope(rows: pd.DataFrame, choices: dict[str, list[Choice]]) -> str:
    """Say of which tasks and settings the sentences are true, and whether that makes them findings."""
    tasks = list(dict.fromkeys(rows["task"]))
    pairs = [select.Pair(*key).label for key in rows[select.PAIR].drop_duplicates().itertuples(index=False, name=None)]
    models = list(dict.fromkeys(rows["model"]))
    settings = len(rows[["model", *select.PAIR]].drop_duplicates())
    several = f", models {listed(models)}" if len(models) > 1 else ""
    where = f"{'tasks' if len(tasks) > 1 else 'task'} {listed(tasks)}; worlds {_some(pairs)}{several}"
    if len(tasks) < 2 or settings < 2:
        what = "one task" if len(tasks) < 2 else "one setting"
        return f"This is of {what} alone and so no finding: {where}."
    held = {road: found for road, some in choices.items() if (found := _held(some))}
    part = any(len(found) < len(choices[road]) for road, found in held.items())
    ran, far = (" of those that ran what is named", ", as far as they ran what is named") if part else ("", "")
    if len(held) == len(choices):
        return f"Found on {count(len(tasks), 'task')} at {count(settings, 'setting')} alike{far}: {where}."
    if held:
        return f"A finding, as it holds on every task and setting{ran}, is only what is said of {listed([SUBJECTS[road] for road in held])}: {where}."
    return f"None of this holds on every task and setting, so that none of it is a finding: {where}."


def _held(choices: Sequence[Choice]) -> list[Choice]:
    """Return the cases where one answer holds, a defence or that none hides the world: all that ran it, on two tasks and at two settings at
    least. Empty if none does."""
    cases = [one for one in choices if len(one.ran)]
    if any(one.names for one in cases):
        common = chosen.common(cases)
        if common is None or not all(one.names and one.shown for one in common.cases):
            return []
        cases = common.cases
    elif any(one.least is None for one in cases):  # nothing of use was asked
        return []
    return cases if _several(cases) else []


def _several(cases: Sequence[Choice]) -> bool:
    """Return whether cases are of more than one task and of more than one setting."""
    return len({one.case[0] for one in cases}) > 1 and len({one.case[1:] for one in cases}) > 1


def _all(choices: Sequence[Choice]) -> str:
    return "" if len(choices) == 1 else f" in all {len(choices)} cases"


def _cases(many: int) -> str:
    return count(many, "case")


def _named(case: tuple) -> str:
    return f"{case[0]} ({select.Pair(*case[2:]).label})"


def _some(items: Sequence[str]) -> str:
    items = list(items)
    return listed([*items[:MOST], *([f"{len(items) - MOST} more"] if len(items) > MOST else [])])


def _span(values: Sequence[float], said: Callable[[float], str]) -> str:
    ends = list(dict.fromkeys(said(value) for value in (min(values), max(values))))
    return " to ".join(ends)
