"""What a practitioner may conclude on defences: two sentences by rule from the table `defences`, and nothing else.

A case is a task, a model and a pair of worlds. In each case a defence may hide the world if it is certified at an advantage of at most
0.05, or if the best informed adversary is not above chance. That is shown where it is certified, or where the interval leaves no advantage of more than
EXCLUDED; few victims show nothing. Of those with one kind of access for which it is shown, else of all that may, the most accurate are the best, all of
them whose interval of the difference to undefended models meets that of the first; of these the cheapest is named. What holds of one task or
one setting alone, or is not shown, is not called a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..figures import _defences as defended
from ..figures import _select as select
from ..figures._defences import SMALL
from .words import count, listed, number, points

if TYPE_CHECKING:
    import pandas as pd

CASE = [*select.FACET, *select.PAIR]
ACCESS = {"training": "With access to the training", "post-hoc": "Without it, starting from a model that is there"}
"""What a sentence begins with, by access."""
MIXTURE = ("scratch", "scratch-fair")
"""Kinds of defences that train again on a mixture of both worlds."""
EXCLUDED = 0.1
"""Largest advantage that the interval of a defence may leave that is shown to hide the world: twice the accuracy that counts as material."""
MOST = 4
"""Defences or cases that a sentence names at most."""


class Choice(NamedTuple):
    """What is best in one case for one kind of access.

    case: task, model and pair of worlds; ran: how many defences with this access were run; best: the rows of all that hide the world and that
    cannot be distinguished in accuracy from the most accurate one, the cheapest first; shown: whether it is shown that they do; least: the row of the
    smallest advantage, where none hides it.
    """

    case: tuple
    ran: int
    best: pd.DataFrame
    shown: bool
    least: pd.Series | None

    @property
    def names(self) -> list[str]:
        return list(self.best["defence"])


def sentences(table: pd.DataFrame) -> list[str]:
    """Return the sentences: one for each kind of access, what both together say of retraining, and of what they are true."""
    rows = select.differ(table[(table["poison"].fillna(0.0) == 0).to_numpy()])
    rows = rows[rows["informed_advantage"].notna() & rows["accuracy"].notna()]
    if not (rows["defence"] != "none").any():
        return []
    choices = {access: choose(rows, access) for access in ACCESS}
    if not any(one.ran for some in choices.values() for one in some):
        return []
    said = [_sentence(start, choices[access]) for access, start in ACCESS.items()]
    return [*said, *_retraining(choices), _scope(rows, choices)]


def choose(rows: pd.DataFrame, access: str) -> list[Choice]:
    """Return what is best in each case, in the order of the table."""
    return [_choice(key, part[part["access"] == access]) for key, part in rows.groupby(CASE, sort=False)]


def _choice(case: tuple, part: pd.DataFrame) -> Choice:
    hiding = part[defended.hidden(part)]
    if hiding.empty:
        least = part.loc[part["informed_advantage"].idxmin()] if len(part) else None
        return Choice(case, len(part), hiding, False, least)
    sure = hiding[(hiding["certified_advantage"] <= SMALL) | (hiding["informed_advantage_high"] <= EXCLUDED)]
    shown, hiding = (True, sure) if len(sure) else (False, hiding)
    first = hiding.loc[hiding["accuracy"].idxmax()]
    level = first["accuracy_vs_none_low"]
    # without an interval nothing sets the others apart
    apart = hiding["accuracy_vs_none_high"] < level if level == level else hiding["accuracy"] != hiding["accuracy"]
    best = hiding[~apart].sort_values(["seconds_reference", "rows_complement", "rows_own", "defence"], kind="stable")
    return Choice(case, len(part), best, shown, None)


def _sentence(start: str, choices: Sequence[Choice]) -> str:
    """Return what to use with one kind of access."""
    choices = [one for one in choices if one.ran]
    if not choices:
        return f"{start}: no such defence was run."
    able = [one for one in choices if one.names]
    if not able:
        return _nothing(start, choices)
    where = _where(able, choices)
    decided = all(one.shown for one in able)
    common = _common(able)
    if not common:
        doubt = "" if decided else "; not in every case is it shown that they hide the world"
        return f"{start}, no one defence is best{where}: {_by_case(able)}{doubt}."
    named = _cheapest(common, able)
    others = [name for name in common if name != named]
    beside = (
        f"; in accuracy it cannot be distinguished from {_some(others)}, which cost as much or more" if others else ""
    )
    facts = f"{_facts(named, able)}{beside}"
    if decided:
        return f"{start}, use {named}{where}: {facts}."
    return (
        f"{start}, the data do not decide: the most accurate defence under which the best informed adversary is not above chance is "
        f"{named}{where}, but it is not shown to hide the world: {facts}."
    )


def _where(able: Sequence[Choice], choices: Sequence[Choice]) -> str:
    """Return in which of the cases there is a defence that may hide the world."""
    return _all(choices) if len(able) == len(choices) else f" where any does, in {len(able)} of {_cases(len(choices))}"


def _beside(others: Sequence[str]) -> str:
    """Return what is as good as the defence that is named."""
    return (
        f"; in accuracy it cannot be distinguished from {_some(others)}, which cost as much or more" if others else ""
    )


def _nothing(start: str, choices: Sequence[Choice]) -> str:
    """Say that nothing hides the world, and what leaks least."""
    lowest = min((one.least for one in choices if one.least is not None), key=lambda row: row["informed_advantage"])
    return (
        f"{start}, none of the defences that were run hides the world{_all(choices)}: the least that leaks is "
        f"{lowest['defence']}, with an advantage of {number(float(lowest['informed_advantage']), 2)} for the best informed adversary."
    )


def _common(able: Sequence[Choice]) -> list[str]:
    """Return the defences that are among the best in all cases where there are some."""
    return [name for name in able[0].names if all(name in one.names for one in able)]


def _cheapest(names: Sequence[str], able: Sequence[Choice]) -> str:
    """Return which of the defences costs least over all cases; of equals the first."""

    def spent(name: str) -> float:
        return sum(float(one.best.loc[one.best["defence"] == name, "seconds_reference"].iloc[0]) for one in able)

    return min(names, key=spent)


def _facts(name: str, able: Sequence[Choice]) -> str:
    """Return what a defence does to accuracy, what it costs, and how surely it hides the world."""
    rows = [one.best[one.best["defence"] == name].iloc[0] for one in able]
    cost = _span([row["seconds_reference"] / row["seconds_base"] for row in rows], lambda value: f"{value:.3g}")
    cost = "as much as" if cost == "1" else f"{cost} times"
    change = _span([float(row["accuracy_vs_none"]) for row in rows], lambda value: points(value, ""))
    return f"accuracy changes by {change} points, it costs {cost} the training of the base model, and {_sure(rows)}"


def _sure(rows: Sequence[pd.Series]) -> str:
    """Return how surely a defence hides the world in cases with these rows."""
    proven = [bool(row["certified_advantage"] <= SMALL) for row in rows]
    largest = [float(row["informed_advantage_high"]) for row, so in zip(rows, proven, strict=True) if not so]
    up_to = f"an advantage of up to {number(max(largest), 2)} is not excluded" if largest else ""
    if not any(proven):
        return up_to
    if len(rows) == 1:
        return "it is certified"
    return (
        f"it is certified in {sum(proven)} of them, and {up_to} in the others"
        if largest
        else "it is certified in all of them"
    )


def _by_case(able: Sequence[Choice]) -> str:
    """Return the cheapest of the best in each case, by defence."""
    places: dict[str, list[str]] = {}
    for one in able:
        places.setdefault(one.names[0], []).append(_named(one.case))
    shown = [f"{name} on {_some(where)}" for name, where in places.items()]
    return _some(shown)


WINS, LOSES, OPEN, ALONE = "wins", "loses", "open", "alone"
"""How training again on the mixture compares in a case: ALONE where it alone is shown to hide the world."""


def _compared(trained: Choice, after: Choice) -> str | None:
    """Return how training again on the mixture compares with the best that starts from a model; None where either was not run."""
    mixture = trained.best[trained.best["kind"].isin(MIXTURE)]
    if mixture.empty or not after.ran:
        return None
    if not after.names:
        return WINS
    if trained.shown and not after.shown:
        return ALONE
    one, rival = (rows.loc[rows["accuracy"].idxmax()] for rows in (mixture, after.best))
    if rival["accuracy_vs_none_high"] < one["accuracy_vs_none_low"]:
        return WINS
    return LOSES if rival["accuracy_vs_none_low"] > one["accuracy_vs_none_high"] else OPEN


def _retraining(choices: dict[str, list[Choice]]) -> list[str]:
    """Say where training again on the mixture beats all that starts from a model, and where that is open."""
    pairs = zip(choices["training"], choices["post-hoc"], strict=True)
    found = Counter(word for word in (_compared(*pair) for pair in pairs) if word)
    whole = found.total()
    if not whole:
        return []
    if found[WINS] == whole:
        where = "" if whole == 1 else f" in all {whole} cases"
        return [
            f"Retraining on the mixture wins{where}: no defence that starts from a model hides the world and is as accurate."
        ]
    words = {
        WINS: "wins",
        LOSES: "is less accurate than the best that starts from a model",
        OPEN: "cannot be distinguished in accuracy from the best that starts from a model",
        ALONE: "is shown to hide the world, and nothing that starts from a model is,",
    }
    said = [f"{text} in {found[word]}" for word, text in words.items() if found[word]]
    return [f"Retraining on the mixture {listed(said)} of {_cases(whole)}."]


def _scope(rows: pd.DataFrame, choices: dict[str, list[Choice]]) -> str:
    """Say of which tasks and settings the sentences are true, and whether that makes them findings."""
    tasks = list(dict.fromkeys(rows["task"]))
    pairs = [select.Pair(*key).label for key in rows[select.PAIR].drop_duplicates().itertuples(index=False, name=None)]
    models = list(dict.fromkeys(rows["model"]))
    settings = len(rows[["model", *select.PAIR]].drop_duplicates())
    several = f", models {listed(models)}" if len(models) > 1 else ""
    where = f"{'tasks' if len(tasks) > 1 else 'task'} {listed(tasks)}; worlds {_some(pairs)}{several}"
    held = [_holds(some) for some in choices.values()]
    if len(tasks) < 2 or settings < 2:
        what = "one task" if len(tasks) < 2 else "one setting"
        return f"This is of {what} alone and so no finding: {where}."
    if all(held):
        return f"Found on {count(len(tasks), 'task')} at {count(settings, 'setting')} alike: {where}."
    if any(held):
        which = [ACCESS[access][0].lower() + ACCESS[access][1:] for access, so in zip(choices, held, strict=True) if so]
        return f"A finding, as it holds on every task and setting, is only what is said {listed(which)}: {where}."
    return f"Neither holds on every task and setting, so neither is a finding: {where}."


def _holds(choices: Sequence[Choice]) -> bool:
    """Return whether one answer, a defence or that none hides the world, holds in all cases where such defences were run."""
    choices = [one for one in choices if one.ran]
    able = [one for one in choices if one.names]
    if len({one.case[0] for one in choices}) < 2 or len({one.case[1:] for one in choices}) < 2:
        return False
    if not able:
        return True
    return len(able) == len(choices) and all(one.shown for one in able) and bool(_common(able))


def _all(choices: Sequence[Choice]) -> str:
    return "" if len(choices) == 1 else f" in all {len(choices)} cases"


def _cases(many: int) -> str:
    return count(many, "case")


def _named(case: tuple) -> str:
    return f"{case[0]} ({select.Pair(*case[2:]).label})"


def _some(items: Sequence[str]) -> str:
    items = list(items)
    return listed([*items[:MOST], *([f"{len(items) - MOST} more"] if len(items) > MOST else [])])


def _span(values: Sequence[float], said) -> str:
    ends = list(dict.fromkeys(said(value) for value in (min(values), max(values))))
    return " to ".join(ends)
