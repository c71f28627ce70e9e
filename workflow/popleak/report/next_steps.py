"""What an audit's page says to do next, by rule from its lights and from the table `defences`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..figures import _defences as defended
from ..figures import _select as select
from ..figures._defences import SMALL as SMALLEST
from ..measures.lights import ALIKE, CLEAR, DULL, FLOOR, LEAK, PLACEBO, SMALL, WIDE, farthest, rows_times
from ..steps.advise import Asked
from . import chosen
from .advised import FEASIBLE, MOST, best_of, by_task, of_100, victims_for
from .lights import Lit
from .words import capital, count, listed

if TYPE_CHECKING:
    import pandas as pd


def _some(names: Sequence[str]) -> str:
    if len(names) <= MOST:
        return listed(names)
    return f"{', '.join(names[:MOST])} and {len(names) - MOST} more"


def todo(
    lits: Sequence[Lit],
    asked: Mapping[str, Asked],
    defences: pd.DataFrame,
    *,
    defence: str,
    sizes: Mapping[str, int],
    margin: float,
    does: Mapping[str, str],
) -> list[str]:
    """Return what to do next. defence: that the models are released with; does: what each defence does, by id; sizes: rows of each task's table, where known; margin: in advantage."""
    said = _against(
        defences, {(lit.task, lit.model, *lit.pair) for lit in lits if lit.light.word == LEAK}, defence, does
    )
    said += _more([lit for lit in lits if not math.isnan(lit.light.splits)], asked)
    mixed = by_task([lit for lit in lits if lit.light.reason == PLACEBO])
    said += [_larger(some, asked[task], sizes.get(task), margin) for task, some in mixed.items()]
    said += _never(lits) + _unknown(lits)
    if all(lit.light.word == CLEAR for lit in lits):
        how = (
            ""
            if defence == "none"
            else f"The lights are those of a model released with {_named(defence, does)}: your model must be made so too. "
        )
        said.append(
            f"Nothing above the margin was found. {how}Release the model only with an access that has a light here, and audit again where data, model or "
            "training change."
        )
    return said


def _unknown(lits: Sequence[Lit]) -> list[str]:
    """Return of how many lights nobody can say what would decide them."""
    unknown = [lit for lit in lits if lit.light.reason == WIDE and math.isnan(lit.light.splits)]
    return [f"For {count(len(unknown), 'grey light')} no number of pool splits can be named."] if unknown else []


NEVER = {
    SMALL: f"cannot become green with models of fewer than {FLOOR} rows. A larger table gives larger models; more pool splits do not help.",
    DULL: "cannot become green as the models have hardly learnt what a simple model learns of as many rows: train them longer or in smaller steps "
    "(training.epochs, training.batch; of scikit-learn's models their own settings), or on more `rows`, and run it again. More pool splits do not help.",
    ALIKE: "on labels cannot become green as most models give every record one label, as they do of a rare label. If your model is asked with another "
    "threshold, or trained with weights of classes, its labels say more than these: judge it by the lights on scores.",
}
"""What is said of grey lights that no number of models makes green, by how their reason begins."""


def _never(lits: Sequence[Lit]) -> list[str]:
    """Return what lights need that more models do not help; nothing if there are none."""
    many = {reason: sum(lit.light.reason.startswith(reason) for lit in lits) for reason in NEVER}
    return [f"{capital(count(many[reason], 'grey light'))} {said}" for reason, said in NEVER.items() if many[reason]]


def _more(lits: Sequence[Lit], asked: Mapping[str, Asked]) -> list[str]:
    """Return what decides grey lights that more models would decide, and which ones no run of a reasonable size decides."""
    near = [lit for lit in lits if lit.light.splits > FEASIBLE * asked[lit.task].splits]
    said, decided = [], [lit for lit in lits if lit not in near]
    if decided:
        most = max(decided, key=lambda lit: lit.light.splits)
        said.append(
            f"To decide {count(len(decided), 'grey light')}, set population.splits to {most.light.splits:.0f} and population.victims to "
            f"{victims_for(most, asked[most.task]) / 2:.0f} (of each of the two training sets, so {victims_for(most, asked[most.task]):,.0f} models) in the config, "
            "and run it again: what is there is kept. That decides in four of five runs, if the estimates stay what they are."
        )
    if near:
        least = min(lit.light.splits for lit in near)
        said.append(
            f"{count(len(near), 'grey light').capitalize()} would take {least:,.0f} pool splits or more, as the estimate lies next to what it is held against: "
            "do not wait for such a run. What is grey is not shown to be safe."
        )
    return said


def _against(defences: pd.DataFrame, where: set[tuple], defence: str, does: Mapping[str, str]) -> list[str]:
    """Return what to do against a leak in the questions `where`, each a task, a model and a pair; nothing if there are none. does: as for `todo`.

    A defence that is best where nothing is shown may leave all of it where a leak is.
    """
    if not where:
        return []
    best = {case: names for case, names in best_of(defences).items() if case in where}
    rows = select.differ(defences[(defences["poison"].fillna(0.0) == 0).to_numpy()])
    rows = rows[[case in where for case in rows[chosen.CASE].itertuples(index=False, name=None)]]
    names = Counter(name for some in best.values() for name in dict.fromkeys(some) if name != defence)
    if names:
        return [_try(names, len(where), does, "the best of its kind")]
    # where undefended models give all records one label no defence is called the best, and a theorem holds all the same
    proven = rows[
        (rows["certified_advantage"] <= SMALLEST).to_numpy(dtype=bool) & (rows["defence"] != defence).to_numpy()
    ]
    names = Counter(proven["defence"])
    return [_try(names, len(where), does, "certified")] if names else [_nothing(rows)]


def _try(names: Counter[str], asked: int, does: Mapping[str, str], what: str) -> str:
    """Return which defences to try: those that are `what` in most of the questions with a leak."""
    most = max(names.values())
    tried = [
        f"{_named(name, does)}, {what} in {many} of {count(asked, 'question')} with a leak"
        for name, many in names.items()
        if many == most
    ]
    return (
        f"Against the leak try {'; or '.join(tried)}. Prices are below. Set audit.defence to the name and run the config again: the lights then speak of the "
        "defended model. Give it another `experiment` name too, if this page is to stay."
    )


def _nothing(rows: pd.DataFrame) -> str:
    """Return what is said where no defence may hide the training set, or nobody asked. rows: of the table `defences`, of worlds that differ."""
    others = rows[rows["defence"] != "none"]
    tried = _some(list(dict.fromkeys(others["defence"])))
    if tried and others["informed_advantage"].isna().all():
        return f"What the defences that were run ({tried}) leave is not judged: that takes attacks on labels or scores. Add some to `attacks`."
    if tried and not defended.usable(others).any():
        return f"None of the defences that were tried ({tried}) is of use: most models give every record one label, or diverged. Try others, or do not release."
    return f"None of the defences that were tried ({tried or 'none'}) may hide the training set: try others, or do not release."


def _named(defence: str, does: Mapping[str, str]) -> str:
    """Return a defence's name, with what it does."""
    return f"`{defence}` ({does[defence]})" if defence in does else f"`{defence}`"


def _larger(lits: Sequence[Lit], asked: Asked, rows: int | None, margin: float) -> str:
    """Return what a table needs whose placebos read as much as its groups do."""
    most = max(farthest(lit.placebos) for lit in lits)
    times = max(2.0, rows_times(min(most, 0.999), margin))
    known = f", about {_round(times * rows):,} rows" if rows else ""
    return (
        f"{capital(count(len(lits), 'grey light'))} cannot be decided by more models, as the pools of this table alone give away as much. A table about "
        f"{times:.1f} times as large{known} with {asked.rows} rows a model would bring its placebos down to {of_100(0.5 + margin / 2)} of 100, by a rule of thumb; fewer rows a model "
        "help too."
    )


def _round(value: float) -> int:
    """Return a number to two digits."""
    size = 10 ** max(0, len(str(int(value))) - 2)
    return int(round(value / size) * size)
