"""Sentences on how far conclusions depend on the settings of fine-tuning, computed from the table `sensitivity` by fixed rules.

A setting here is a task, a pair of worlds and a fine-tuning defence at one of its settings. Verdicts are counted by their own words. What
does not apply (the EO term never acted, say) is counted apart, and in no total. So is a searched lambda where the question is what the
term does: by rule the verdict is `cannot tell` there, whatever the models show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..figures import _select as select
from ..measures.verdicts import FAILS, HIGHER, HOLDS, IDLE, LOWER, SAME, WORDS
from .chance import ONE_SIDE
from .findings import MANY, NO_FAIRNESS
from .words import beyond_chance, count, listed, percent, points

if TYPE_CHECKING:
    import pandas as pd

CAUSAL = ("c5", "c6")
"""Claims on what the EO term does, which models with a searched lambda are no basis for."""
SEARCHED = "lambda was searched"
DIFFERENCE = "difference_vs_control"


class Question(NamedTuple):
    """What is asked of many settings. subject: in words; rows: those it is asked of; column: where their verdicts are; says: what a
    verdict means as a statement of its own."""

    subject: str
    rows: Callable[[pd.DataFrame], pd.DataFrame]
    column: str
    says: Mapping[str, str]


def fair(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an EO term."""
    return table[table["eo_chosen"].astype(bool) | (table["eo_weight"] > 0)]


def _rehearsed(table: pd.DataFrame) -> pd.DataFrame:
    kept = fair(own(table))
    return kept[kept["rehearsal"] > 0]


def _bare(table: pd.DataFrame) -> pd.DataFrame:
    kept = fair(own(table))
    return kept[kept["rehearsal"] == 0]


def _bare_twins(table: pd.DataFrame) -> pd.DataFrame:
    kept = fair(table[table["task"].isin(_twins(table))])
    return kept[kept["rehearsal"] == 0]


def _twins(table: pd.DataFrame) -> set[str]:
    return set(table["balanced_task"].dropna())


def own(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of tasks that are not another task's twin with equal label rates."""
    return table[~table["task"].isin(_twins(table))]


def _named(what: str) -> dict[str, str]:
    return {
        HOLDS: f"{what} is named less often than its control",
        FAILS: f"{what} is named more often than its control",
        SAME: f"{what} is shown to differ from its control by less than the margin",
    }


WITH, WITHOUT = "fair fine-tuning with rehearsal", "fair fine-tuning without rehearsal"
QUESTIONS = (
    Question("Delta_EO is lower with rehearsal than undefended (C5)", _rehearsed, "c5", {HOLDS: f"{WITH} lowers Delta_EO"}),
    Question("Delta_EO is lower without rehearsal than undefended (C5)", _bare, "c5", {HOLDS: f"{WITHOUT} lowers Delta_EO"}),
    Question("The share named is lower with rehearsal than under the control (C6; fails: higher)", _rehearsed, "c6", _named(WITH)),
    Question("The share named is lower without rehearsal than under the control (C6; fails: higher)", _bare, "c6", _named(WITHOUT)),
    Question(
        "The same with label rates held equal", _bare_twins, "c6", _named(f"{WITHOUT}, label rates held equal,")
    ),
    Question(
        "The accuracy gap is below tau in the majority of runs with rehearsal (C2)", _rehearsed, "c2",
        {HOLDS: f"after {WITH} the accuracy gap is below tau in the majority of runs"},
    ),
    Question(
        "The literal bound on the gap, models with the fairness term (C3)", lambda table: fair(own(table)), "c3",
        {HOLDS: "the literal bound holds", FAILS: "the literal bound is broken"},
    ),
)  # fmt: skip


class Answer(NamedTuple):
    """A statement: in how many settings it holds, of how many that it applies to, and whether that makes it a finding."""

    said: str
    holds: int
    of: int
    finding: bool

    def __str__(self) -> str:
        lone = (
            ""
            if self.finding or not self.holds
            else "; on one task or at one setting of the defence only, so not a finding"
        )
        return f"{self.said} ({self.holds} of {self.of}{lone})"


def is_finding(rows: pd.DataFrame) -> bool:
    """Return whether a statement that holds in these rows is a finding: on more than one task, at more than one setting of a defence."""
    return rows["task"].nunique() > 1 and rows["defence"].nunique() > 1


def answers(table: pd.DataFrame) -> list[Answer]:
    """Return every statement that applies to some setting."""
    found = []
    for question in QUESTIONS:
        rows, _ = _parted(question, _asked(question, table))
        for word, said in question.says.items():
            kept = rows[rows[question.column] == word]
            if len(rows):
                found.append(Answer(said, len(kept), len(rows), is_finding(kept)))
    return found


def sentences(table: pd.DataFrame) -> list[str]:
    """Return what was tried, what was found of each question in k of m settings, what label rates have to do with it, and what holds in
    every setting, in some and in none. Nothing for a table without an EO term."""
    tried = fair(own(table))
    if tried.empty:
        return []
    said = [_tried(tried), *_levels(table)]
    said += [line for question in QUESTIONS for line in _counted(question, _asked(question, table))]
    return [*said, *_cause(table), *_constant(tried), *_closing(answers(table))]


def _asked(question: Question, table: pd.DataFrame) -> pd.DataFrame:
    rows = question.rows(table)
    return rows[rows[question.column].notna()]


def _parted(question: Question, rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows that are in the totals, and why and how many others are not."""
    idle = rows[question.column] == IDLE
    searched = rows["eo_chosen"].astype(bool) & ~idle & (question.column in CAUSAL)
    apart = {IDLE: int(idle.sum()), SEARCHED: int(searched.sum())}
    return rows[~idle & ~searched], {why: many for why, many in apart.items() if many}


def _where(rows: pd.DataFrame) -> str:
    pairs = len(rows[select.PAIR].drop_duplicates())
    return (
        f"{count(rows['task'].nunique(), 'task')}, {count(pairs, 'pair')} of worlds, {count(rows['defence'].nunique(), 'setting')} of the "
        f"defence"
    )


def _tried(rows: pd.DataFrame) -> str:
    fixed = rows[~rows["eo_chosen"].astype(bool)]
    parts = [
        f"{label} {listed(f'{value:g}' for value in sorted(set(part[name])))}"
        for label, name, part in (
            ("epochs", "epochs", rows), ("step size", "learning_rate", rows), ("rehearsal share", "rehearsal", rows),
            ("lambda", "eo_weight", fixed),
        ) if len(part)
    ]  # fmt: skip
    chosen = ""
    if rows["eo_chosen"].any():
        chosen = " or chosen for each model" if len(fixed) else "; lambda chosen for each model"
    return f"Tried: {_where(rows)}, with {'; '.join(parts)}{chosen}. Not every combination was run."


def _levels(table: pd.DataFrame) -> list[str]:
    """Say between which shares the best informed adversary names the world, over the settings with rehearsal, by task."""
    rows = _rehearsed(table)
    rows = rows[rows["named"].notna()]
    spans = []
    for (task, model), pair in select.main_pairs(rows).items():
        part = select.of_pair(select.of(rows, task=task, model=model), pair)
        low, high = part["named"].min(), part["named"].max()
        several = f" ({model})" if rows["model"].nunique() > 1 else ""
        spans.append(f"{percent(low, 0)} to {percent(high, 0)} on {task}{several}, {pair.label}")
    return (
        [f"Against {WITH}, over its settings, the best informed adversary is right this often: {'; '.join(spans)}."]
        if spans
        else []
    )


def _counted(question: Question, rows: pd.DataFrame) -> Iterable[str]:
    """Say in how many settings there is each verdict."""
    every = len(rows)
    rows, others = _parted(question, rows)
    if rows.empty:
        why = listed(f"{why} in {'all' if many == every else many}" for why, many in others.items())
        of = "" if len(others) == 1 else "of "
        return [f"{question.subject}: {why} {of}{count(every, 'setting')}."] if every else []
    apart = f"; {listed(f'{why} in {many} more' for why, many in others.items())}" if others else ""
    counts = {str(word): int(many) for word, many in rows[question.column].value_counts().items()}
    counts = {**dict.fromkeys(question.says, 0), **counts}
    words = sorted(counts, key=lambda word: (WORDS.index(word) if word in WORDS else len(WORDS), word))
    said = listed(f"{word} in {counts[word]}" for word in words)
    more = _uncorrected(rows) if question.column == "c6" else ""
    return [f"{question.subject}: {said} of {count(len(rows), 'setting')} ({_where(rows)}){apart}.{more}"]


def _uncorrected(rows: pd.DataFrame) -> str:
    """Say how many intervals of these rows, all at a fixed lambda, exclude 0: Holm's correction, over hundreds of tests, hides all but
    large differences."""
    tested = rows[rows[f"{DIFFERENCE}_low"].notna()]
    if tested.empty:
        return ""
    below, above = int((tested[f"{DIFFERENCE}_high"] < 0).sum()), int((tested[f"{DIFFERENCE}_low"] > 0).sum())
    return (
        f" These verdicts are Holm-corrected over all tests of the grid. Of the {count(len(tested), '95 % interval')} at a fixed lambda, "
        f"{below} are below 0 and {above} above; chance alone would put about {ONE_SIDE * len(tested):.1f} on either side."
    )


def _cause(table: pd.DataFrame) -> list[str]:
    """Say whether label rates that change with the ratio increase what the fairness term adds without rehearsal: only where it adds
    something and more than in the twin with equal label rates, on more than one task, at more than one setting, and more often than
    chance would, and where less is not as frequent.

    Counted over all settings that have a twin. Were it only over those where the term adds something, chance would favour a larger
    excess there, and the rate below would be too small.
    """
    rows = _bare(table)
    rows = rows[rows["excess_low"].notna() & ~rows["eo_chosen"].astype(bool)]
    added = rows[rows[f"{DIFFERENCE}_low"] > 0]
    if added.empty:  # there is nothing to explain
        return []
    shown, against = (rows[rows["verdict_excess"] == word] for word in (HIGHER, LOWER))
    low, middle, high = rows["excess"].quantile([0, 0.5, 1])  # the largest alone is the luckiest of many
    said = (
        f"{count(len(rows), 'setting')} without rehearsal, at a fixed lambda, can be compared with the same task with equal label rates. In "
        f"{len(added)} of them the fairness term adds to the share named, by the 95 % interval. In {len(shown)} of the {len(rows)} it adds more "
        f"than it does with equal label rates and in {len(against)} less, by the interval of the difference; chance alone would put about "
        f"{ONE_SIDE * len(rows):.1f} on either side. What it adds beyond that is {points(middle)} in the median over these settings, and between {points(low, '')} and {points(high)}."
    )
    cause = (
        "So label rates that change with the ratio increase what the term adds."
        if is_finding(shown[shown[f"{DIFFERENCE}_low"] > 0])
        and beyond_chance(len(shown), len(rows), ONE_SIDE)
        and not beyond_chance(len(against), len(rows), ONE_SIDE)
        else "The settings contradict each other, so label rates are not shown to be the cause."
        if beyond_chance(len(against), len(rows), ONE_SIDE)
        else "This is not on more than one task and at more than one setting, and more often than chance gives, so label rates are not "
        "shown to be the cause."
    )
    return [f"{said} {cause}"]


def _constant(rows: pd.DataFrame) -> list[str]:
    """Say in how many settings models look fair because they give all records one label."""
    known = rows[rows["constant"].notna()]
    many = int((known["constant"] >= MANY).sum())
    if not many:
        return []
    return [
        f"In {many} of {count(len(known), 'setting')} at least {percent(MANY, 0)} of the victims give all records one label: their {NO_FAIRNESS}."
    ]


def _closing(found: list[Answer]) -> list[str]:
    groups = {
        "every setting to which it applies": [one for one in found if one.holds == one.of],
        "some settings": [one for one in found if 0 < one.holds < one.of],
        "no setting": [one for one in found if not one.holds],
    }
    return [f"Holds in {where}: {'; '.join(map(str, members))}." for where, members in groups.items() if members]
