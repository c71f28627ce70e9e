"""What rows of generators give away and do, in words: a sentence for each check, a table of them by task, and what it means for the researcher,
for whoever owns the data, and for whoever receives rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.protocols import SAMPLES, UNFAIR
from ..figures import _generated as generated
from ..measures.verdicts import FAILS, HOLDS, OPEN
from . import generators
from .generators import Check, Frames
from .words import cell, count, interval, listed, number

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("shares", "samples")
"""The public tables on generators; a run may have `samples` alone."""
COLUMNS = ("check", "said", "task", "about", "value", "low", "high", "verdict", "beside")


def sentences(frames: Frames, alike: Collection[str] = ()) -> list[str]:
    """Return a sentence for each thing that is checked, what the numbers rest on, and what they mean; nothing without the tables. alike: as in `generators.checks`."""
    found = generators.checks(frames, alike) if "samples" in frames else []
    if not found:
        return []
    said = [_sentence([one for one in found if (one.name, one.said) == key]) for key in _kinds(found)]
    return [*said, *_scope(frames), *_people(frames, found)]


def _kinds(found: Iterable[Check]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.name, one.said) for one in found))


def _sentence(found: Sequence[Check]) -> str:
    """Return of one thing that is checked where it holds, where it does not, and between which numbers."""
    many = Counter(one.verdict for one in found)
    told = listed(f"{word} in {many[word]}" for word in (HOLDS, FAILS, OPEN) if many[word])
    several = len({one.what for one in found}) > 1
    failing = listed(f"{_place(one, several)} ({_value(one)})" for one in found if one.verdict == FAILS)
    fails = f"; it fails on {failing}" if failing else ""
    return f"{found[0].name}, {found[0].said}: {told} of {_cases(found)}, {_values(found)}{fails}{'' if several else _noted(found)}."


def _place(one: Check, several: bool) -> str:
    """Return the task of a check, and what it is about where there are several."""
    return f"{one.task}, {one.what}" if several else one.task


def _noted(found: Sequence[Check]) -> str:
    """Return what is reported beside checks, by task."""
    beside = "; ".join(f"{one.task}: {one.beside}" for one in found if one.beside)
    return f" (beside it: {beside})" if beside else ""


def _cases(found: Sequence[Check]) -> str:
    """Return how many cases there are: tasks, or tasks with what is done to each."""
    tasks = {one.task for one in found}
    if len(tasks) == len(found):
        return count(len(found), "task")
    return f"{count(len(found), 'case')} on {count(len(tasks), 'task')}"


def _value(one: Check) -> str:
    return f"{one.found.value:.3f} [{one.found.low:.3f}, {one.found.high:.3f}]"


def _scope(frames: Frames) -> list[str]:
    """Say how many generators this rests on, how many rows each released, and of which kinds they are."""
    rows = frames["samples"]
    rows = rows[rows["protocol"].isin([SAMPLES, UNFAIR])]
    if rows.empty:
        return []
    each = rows.drop_duplicates(["task", "model", "protocol", "defence", "ratio", "split", "model_index"])
    many = each.groupby(["task", "model", "protocol", "defence", "ratio"])
    gone = int((~each["finite"].astype(bool)).sum())
    return [
        f"This rests on {_span(many.size())} generators a world and sharer's defence in {_span(many['split'].nunique())} pool splits, of which each released "
        f"{_span(each['rows'])} rows ({listed(sorted(set(each['model'])))}; {count(each['task'].nunique(), 'task')}), in the settings of this page. Intervals are over pool "
        f"splits. Generators of other kinds or of other settings may give more or less away."
        + (f" Left out: {count(gone, 'generator')} whose training diverged." if gone else "")
    ]


def _span(values: pd.Series, form: str = "{:,.0f}") -> str:
    low, high = (form.format(float(end)) for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _people(frames: Frames, found: Sequence[Check]) -> list[str]:
    """Return a paragraph for the researcher and one for whoever owns or receives rows, of what was run."""
    said = []
    if any(one.name == "A2" for one in found):
        said += [_researcher_of_shares(found), _owner(frames, found)]
    if any(one.name in ("A6", "A7") for one in found):
        said += [_researcher_of_poison(found), _receiver(found)]
    return said


def _of(found: Iterable[Check], name: str, words: str, what: str | None = None) -> list[Check]:
    """Return the checks of a name whose sentence has these words, about one thing or all."""
    return [one for one in found if one.name == name and words in one.said and what in (None, one.what)]


def _tally(checks: Sequence[Check]) -> str:
    """Return how often something is so, is not so, and cannot be told."""
    many = Counter(one.verdict for one in checks)
    words = {HOLDS: "is so in", FAILS: "is not so in", OPEN: "cannot be told in"}
    return (
        f"{listed(f'{word} {many[verdict]}' for verdict, word in words.items() if many[verdict])} of {_cases(checks)}"
    )


def _values(checks: Sequence[Check], digits: int = 3, times: float = 1.0) -> str:
    values = sorted(times * one.found.value for one in checks)
    low, high = (number(value, digits) for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def _researcher_of_shares(found: Sequence[Check]) -> str:
    read, hidden, blind = (
        _of(found, *key) for key in (("A2", "share of generators"), ("A3", "error"), ("A8", "do not follow"))
    )
    said = (
        "For the researcher: the ratio of groups among a sharer's rows is estimated from rows of its generator alone. That it is read to within the width of a count and .02, with "
        f"the group in sight, {_tally(read)}."
    )
    if hidden:
        said += f" With the group withheld the mean absolute error is {_values(hidden)}; that it is at most .05 {_tally(hidden)}."
    if lost := [one for one in _of(found, "A3", "anything is told") if one.found.value < 1]:
        told = "; ".join(f"{one.task}: {one.beside}" for one in lost)
        said += f" Generators of whose ratio nothing is told without the group are left out of that error ({told})."
    if blind:
        said += f" The control is groups that are random bits, by the config: that estimates without the group do not follow the ratio there {_tally(blind)}."
    adaptive = _of(found, "A5", "in sight, an adversary")
    parts = [
        f"{sharer}, {_tally([one for one in adaptive if one.what == sharer])}"
        for sharer in dict.fromkeys(one.what for one in adaptive)
    ]
    if parts:
        said += f" Behind a sharer's defence, that an adversary who trains generators behind it too learns no more than the middle: {'; '.join(parts)}."
    return said


def _owner(frames: Frames, found: Sequence[Check]) -> str:
    shares = generated.chosen(generated.judged(frames["shares"]))
    plain = shares[(shares["defence"] == "none") & ~shares["adaptive"].astype(bool) & ~shares["withheld"].astype(bool)]
    errors = (plain["estimate"] - plain["ratio"]).abs().groupby(plain["task"]).mean()
    hidden = _of(found, "A3", "error")
    said = (
        "What this means for whoever owns the data: whoever gets rows of a generator in place of the data, and counts the groups among them, is off by "
        f"{_span(100 * errors, '{:.1f}')} points from their share in the data, on average by task"
    )
    said += (
        f"; to leave the group out of what is released leaves an error of {_values(hidden, 1, 100)} points to whoever has labelled rows of others."
        if hidden
        else "."
    )
    copies = _of(found, "copies", "copies")
    if copies:
        shown = [one for one in copies if one.verdict == FAILS]
        told = "; ".join(f"{one.task}: {one.beside}" for one in copies)
        said += (
            f" Released rows that equal a row of yours, and that equal one of as many rows that the generator never saw ({told}): that the former are more, by over one in a hundred released rows, is shown on "
            f"{listed(one.task for one in shown) if shown else 'no task'}."
        )
    return said


def _researcher_of_poison(found: Sequence[Check]) -> str:
    through, without = (_of(found, "A6", "Delta_EO", receiver) for receiver in ("synthetic", "none"))
    parts = []
    for checks, where in (
        (through, "of rows of a generator"),
        (without, "in the control, of the sharer's rows without a generator between,"),
    ):
        if checks:
            parts.append(f"{where} {_tally(checks)} ({'; '.join(f'{one.task}: {one.beside}' for one in checks)})")
    said = "For the researcher:"
    if parts:
        said += f" that Delta_EO of models rises with the share of rows that a sharer chose to be unfair: {', and '.join(parts)}."
    kept = _of(found, "A6", "I(S; Y)")
    if kept:
        said += f" That generators keep the dependence of group and label to within 15 %, too much or too little, on average at every share, {_tally(kept)}."
    return said + _constraint(_of(found, "A6", "I(X; Y)"))


def _constraint(checks: Sequence[Check]) -> str:
    """Say whether the sharer kept I(X; Y), and what was run where it did not."""
    if not checks:
        return ""
    said = f" That I(X; Y) of the chosen rows stays within 10 % of that of clean rows, as the attack asks, at every share {_tally(checks)}."
    if missed := [one for one in checks if one.verdict == FAILS]:
        told = "; ".join(f"{one.task}: {one.beside}" for one in missed)
        said += (
            f" Where it is not so ({told}), rows that raise I(S; Y) and keep I(X; Y) ran out. The attack at these shares is stronger than the one "
            "described, since it is not held back, and easier to see, since what a receiver may look at, I(X; Y) and the rate of labels, moves too."
        )
    return said


def _receiver(found: Sequence[Check]) -> str:
    repaired, price = (_of(found, "A7", words) for words in ("Delta_EO", "accuracy"))
    clean, poisoned = (_of(found, "R4", words) for words in ("no row was chosen", "where rows were chosen"))
    said = "What this means for whoever receives synthetic rows:"
    if repaired:
        said += (
            " for one who balances labels and groups and fine-tunes fairly, Delta_EO at the largest share of chosen rows less that of models of clean rows is "
            f"{_values(repaired)} (that it is at most .03 {_tally(repaired)})"
            + (f"; accuracy less that of one who does neither is {_values(price)}." if price else ".")
        )
    if clean and poisoned:
        said += f" One who refuses rows whose group and label depend, by a test at 5 %, refuses {_percents(clean)} of clean and {_percents(poisoned)} of poisoned generators."
        if any(one.verdict == FAILS for one in clean):
            said += " Where group and label depend in clean rows too, that test does not tell who poisoned."
    return said


def _percents(checks: Sequence[Check]) -> str:
    values = [one.found.value for one in checks]
    low, high = (f"{100 * value:.0f}" for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def table(frames: Frames, alike: Collection[str] = ()) -> str:
    """Return in Markdown each check by task: verdict, number and interval."""
    found = generators.checks(frames, alike) if "samples" in frames else []
    if not found:
        return ""
    tasks = list(dict.fromkeys(one.task for one in sorted(found, key=lambda one: one.task)))
    lines = ["| | to be seen | of | " + " | ".join(tasks) + " |", "| --- " * (len(tasks) + 3) + "|"]
    for name, said in _kinds(found):
        mine = [one for one in found if (one.name, one.said) == (name, said)]
        for what in dict.fromkeys(one.what for one in mine):
            of = {one.task: one for one in mine if one.what == what}
            cells = [_cell(of[task]) if task in of else "" for task in tasks]
            lines.append(f"| {name} | {cell(said)} | {cell(what)} | " + " | ".join(cells) + " |")
    note = (
        "Each cell gives the verdict, the number and its 95 % interval. Intervals are not corrected for several tests."
    )
    return "\n".join([*lines, "", note]) + "\n"


def _cell(one: Check) -> str:
    return f"{one.verdict} {number(one.found.value)} ({interval(one.found.low, one.found.high)})"


def frame(frames: Frames, alike: Collection[str] = ()) -> pd.DataFrame:
    """Return a row a check, with COLUMNS: what a page of results keeps beside it, since the tables are too large for it."""
    import pandas as pd

    rows = [
        (one.name, one.said, one.task, one.what, *one.found[:3], one.verdict, one.beside)
        for one in generators.checks(frames, alike)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shown(frames: Frames, alike: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the checks as a table of the report; none where the run has none."""
    if "samples" not in frames or not (found := generators.checks(frames, alike)):
        return []
    titles = ("check", "to be seen", "task", "of", "verdict", "value", "beside it")
    columns = [
        {"title": title, "about": "", "filter": title in ("check", "task", "of", "verdict"), "start": ""}
        for title in titles
    ]
    rows = [
        [
            *map(_word, (one.name, one.said, one.task, one.what, one.verdict)),
            _number(one),
            _word(one.beside or "\u2013"),
        ]
        for one in found
    ]
    note = (
        "A row for each check, task and what it is about. In brackets: 95 % intervals over pool splits. A check holds where the whole interval lies in its range, fails where none of it "
        "does; of shares of generators the number itself decides that it holds."
    )
    return [{"id": "generators", "title": "Checks", "note": note, "columns": columns, "rows": rows}]


def _word(text: str) -> dict[str, Any]:
    return {"text": text, "sort": None}


def _number(one: Check) -> dict[str, Any]:
    limits = "" if np.isnan(one.found.low) else f" [{one.found.low:.3f}, {one.found.high:.3f}]"
    return {"text": f"{number(one.found.value)}{limits}", "sort": f"{one.found.value:.10g}"}
